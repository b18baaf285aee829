"""Calls on one connection that do not wait for each other: the server has them in their order."""

from __future__ import annotations

import h2.events

from harness import status
from harness.http2 import Answer, Connection, frame


class Pipeline(Connection):
    """Requests are gathered, and sent together; a few kilobytes in all."""

    def __init__(self, host: str, port: int):
        self._is_gathering = False
        super().__init__(host, port)

    def _flush(self):
        if not self._is_gathering:
            super()._flush()

    def start(self, calls: list[tuple[str, bytes]]) -> list[int]:
        """Sends calls and returns their streams."""
        self._is_gathering = True
        streams = [self.send(path, frame(request)) for path, request in calls]
        self._is_gathering = False
        self._flush()
        return streams

    def failures(self, streams: list[int]) -> list[status.Failure | None]:
        """Waits for all answers; None is OK."""
        answers = {stream: Answer({}, b"", {}, None) for stream in streams}
        left = set(streams)
        while left:
            data = self.socket.recv(65536)
            assert data, f"the server closed the connection; no answer on {left}"
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    answers[event.stream_id].headers = dict(event.headers)
                elif isinstance(event, h2.events.TrailersReceived):
                    answers[event.stream_id].trailers = dict(event.headers)
                elif isinstance(event, h2.events.StreamReset):
                    raise AssertionError(f"a stream was reset: {event}")
                elif isinstance(event, h2.events.StreamEnded):
                    left.discard(event.stream_id)
            self._flush()
        return [failure_of(answers[stream]) for stream in streams]


def failure_of(answer: Answer) -> status.Failure | None:
    fields = {**answer.headers, **answer.trailers}
    return None if fields.get("grpc-status") == "0" else answer.failure()
