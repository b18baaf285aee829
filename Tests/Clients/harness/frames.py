"""A client of single HTTP/2 frames: what it sends, when it reads and what it allows are its own."""

from __future__ import annotations

import contextlib
import dataclasses
import socket

import hpack
from hyperframe import frame as frames

from harness.http2 import IO_TIMEOUT, frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEFAULT_WINDOW = 65_535
LARGEST_WINDOW = 2**31 - 1


@dataclasses.dataclass
class Received:
    """What came on one stream so far."""

    body: bytearray = dataclasses.field(default_factory=bytearray)
    fields: dict = dataclasses.field(default_factory=dict)
    begun: bool = False
    ended: bool = False
    reset: int | None = None

    @property
    def is_over(self) -> bool:
        return self.ended or self.reset is not None


class FrameClient:
    """A connection with the given windows; it reads only when asked to, every wait bounded.

    `credit` gives back each DATA frame's bytes to both windows at once. Unlike a library it goes on
    after a GOAWAY, its own or the server's.
    """

    def __init__(
        self,
        server,
        stream_window: int = DEFAULT_WINDOW,
        connection_window: int = DEFAULT_WINDOW,
        credit: bool = False,
        receive_buffer: int | None = None,
    ):
        self.credit = credit
        self.streams: dict[int, Received] = {}
        self._encoder, self._decoder = hpack.Encoder(), hpack.Decoder()
        self._buffer, self._next_stream = bytearray(), 1
        self._header_block = bytearray()
        self._pings = self._pongs = 0
        # Each GOAWAY of the server: its last stream, its code, its text.
        self.goodbyes: list[tuple[int, int, bytes]] = []
        self.server_pings = 0
        self.socket = socket.socket()
        self.socket.settimeout(IO_TIMEOUT)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((server.host, server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: stream_window}
        hello = PREFACE + frames.SettingsFrame(0, settings=settings).serialize()
        if connection_window > DEFAULT_WINDOW:
            more = connection_window - DEFAULT_WINDOW
            hello += frames.WindowUpdateFrame(0, window_increment=more).serialize()
        self.send(hello)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data: bytes):
        self.socket.sendall(data)

    def open(self, path: str, headers: dict | None = None) -> tuple[int, bytes]:
        """A new stream and its HEADERS frame, which is not sent yet."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self.streams[stream] = Received()
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
            **(headers or {}),
        }
        block = self._encoder.encode(fields)
        return stream, frames.HeadersFrame(stream, block, flags=["END_HEADERS"]).serialize()

    def call(self, path: str, message: bytes, headers: dict | None = None) -> tuple[int, bytes]:
        """A new stream and all frames of a unary call, which are not sent yet."""
        stream, begin = self.open(path, headers)
        data = frames.DataFrame(stream, frame(message), flags=["END_STREAM"])
        return stream, begin + data.serialize()

    def request(self, path: str, message: bytes, headers: dict | None = None) -> int:
        stream, data = self.call(path, message, headers)
        self.send(data)
        return stream

    def receive(self) -> bool:
        """Takes in one frame; False at the end of the connection."""
        while len(self._buffer) < 9:
            if not self._fill():
                return False
        received, length = frames.Frame.parse_frame_header(memoryview(self._buffer)[:9].tobytes())
        while len(self._buffer) < 9 + length:
            if not self._fill():
                return False
        received.parse_body(memoryview(bytes(self._buffer[9 : 9 + length])))
        del self._buffer[: 9 + length]
        self._take(received)
        return True

    def _fill(self) -> bool:
        data = self.socket.recv(1 << 18)
        self._buffer += data
        return bool(data)

    def _take(self, received):
        stream = self.streams.get(received.stream_id, Received())
        if isinstance(received, frames.DataFrame):
            stream.body += received.data
            if self.credit and received.flow_controlled_length:
                self._give_back(received.stream_id, received.flow_controlled_length)
        elif isinstance(received, frames.HeadersFrame | frames.ContinuationFrame):
            self._header_block += received.data
            if "END_HEADERS" in received.flags:
                stream.fields.update(self._decoder.decode(bytes(self._header_block)))
                stream.begun = True
                self._header_block.clear()
        elif isinstance(received, frames.RstStreamFrame):
            stream.reset = received.error_code
        elif isinstance(received, frames.SettingsFrame) and "ACK" not in received.flags:
            self.send(frames.SettingsFrame(0, flags=["ACK"]).serialize())
        elif isinstance(received, frames.GoAwayFrame):
            self.goodbyes.append(
                (received.last_stream_id, received.error_code, bytes(received.additional_data))
            )
        elif isinstance(received, frames.PingFrame) and "ACK" not in received.flags:
            self.server_pings += 1
            pong = frames.PingFrame(0, opaque_data=received.opaque_data, flags=["ACK"])
            self.send(pong.serialize())
        elif isinstance(received, frames.PingFrame):
            self._pongs += 1
        if "END_STREAM" in received.flags:
            stream.ended = True

    def _give_back(self, stream: int, count: int):
        updates = [frames.WindowUpdateFrame(s, window_increment=count) for s in (0, stream)]
        try:
            self.send(b"".join(update.serialize() for update in updates))
        except (BrokenPipeError, ConnectionResetError):
            pass  # The server may have closed already; what it sent can still be read.

    def receive_until(self, condition):
        """Takes in frames until `condition()` is true."""
        while not condition():
            assert self.receive(), f"the server closed the connection; so far {self._summary()}"

    def receive_all(self):
        """Takes in frames until the server closes the connection, though it may not take ours any more."""
        with contextlib.suppress(ConnectionError):
            while self.receive():
                pass

    def ping(self):
        """Comes back when the server has taken in everything sent before."""
        self._pings += 1
        self.send(frames.PingFrame(0, opaque_data=b"are you?").serialize())
        self.receive_until(lambda: self._pongs == self._pings)

    def answer(self, stream: int) -> Received:
        """Reads until a stream is over."""
        received = self.streams[stream]
        self.receive_until(lambda: received.is_over)
        return received

    def _summary(self):
        return {
            number: (len(stream.body), stream.fields, stream.reset)
            for number, stream in self.streams.items()
        }
