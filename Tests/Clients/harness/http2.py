"""One raw HTTP/2 connection, for requests that no gRPC library would send."""

from __future__ import annotations

import base64
import dataclasses
import socket
import struct
import urllib.parse

import grpc
import h2.config
import h2.connection
import h2.events

from harness import status

IO_TIMEOUT = 10.0


def frame(payload: bytes, flag: int = 0, length: int | None = None) -> bytes:
    """A gRPC message with its prefix; `length` may lie."""
    return struct.pack(">BI", flag, len(payload) if length is None else length) + payload


@dataclasses.dataclass
class Answer:
    headers: dict
    body: bytes
    trailers: dict
    reset: int | None

    @property
    def http_status(self) -> int:
        return int(self.headers[":status"])

    def failure(self) -> status.Failure:
        fields = {**self.headers, **self.trailers}
        assert "grpc-status" in fields, f"no grpc-status in {fields}, reset {self.reset}"
        numbers = {code.value[0]: code for code in grpc.StatusCode}
        details = fields.get(status.DETAILS_KEY)
        if details is not None:
            details = base64.b64decode(details + "=" * (-len(details) % 4))
        message = urllib.parse.unquote(fields.get("grpc-message", ""), errors="strict")
        return status.decode(numbers[int(fields["grpc-status"])], message, details)


class Connection:
    """A client connection by prior knowledge, one request at a time, every wait bounded."""

    def __init__(self, host: str, port: int):
        self.socket = socket.create_connection((host, port), timeout=IO_TIMEOUT)
        self.authority = f"{host}:{port}"
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self._flush()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _flush(self):
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)

    def request(self, path: str, body: bytes = b"", **more) -> Answer:
        """Sends one request, as `send` does, and waits for the stream's end or reset."""
        return self._answer(self.send(path, body, **more))

    def send(
        self,
        path: str,
        body: bytes = b"",
        end: bool = True,
        headers: dict | None = None,
        drop=(),
        pieces: int = 16384,
    ) -> int:
        """Sends one request and returns its stream.

        `headers` replaces or adds fields, `drop` names fields to leave out, `pieces` is the size of
        the DATA frames, and without `end` the request stays open.
        """
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": self.authority,
            "te": "trailers",
            "content-type": "application/grpc",
            **(headers or {}),
        }
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(
            stream,
            [(name, value) for name, value in fields.items() if name not in drop],
            end_stream=end and not body,
        )
        for at in range(0, len(body), pieces):
            last = at + pieces >= len(body)
            self.h2.send_data(stream, body[at : at + pieces], end_stream=end and last)
        self._flush()
        return stream

    def ping(self):
        """Comes back when the server has read everything sent before."""
        self.h2.ping(b"are you?")
        self._flush()
        while True:
            data = self.socket.recv(65536)
            assert data, "the server closed the connection"
            events = self.h2.receive_data(data)
            self._flush()
            if any(isinstance(event, h2.events.PingAckReceived) for event in events):
                return

    def _answer(self, stream: int) -> Answer:
        answer = Answer({}, b"", {}, None)
        while True:
            data = self.socket.recv(65536)
            assert data, f"the server closed the connection; so far {answer}"
            for event in self.h2.receive_data(data):
                if getattr(event, "stream_id", stream) != stream:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    answer.headers = dict(event.headers)
                elif isinstance(event, h2.events.TrailersReceived):
                    answer.trailers = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    answer.body += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, h2.events.StreamReset):
                    answer.reset = int(event.error_code)
                    return answer
                elif isinstance(event, h2.events.StreamEnded):
                    self._flush()
                    return answer
                elif isinstance(event, h2.events.ConnectionTerminated):
                    raise AssertionError(f"GOAWAY {event.error_code}; so far {answer}")
            self._flush()
