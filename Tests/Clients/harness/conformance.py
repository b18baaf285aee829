"""A client for single frames, right and wrong ones, and what a server may say to them (RFC 9113, RFC 7541)."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import struct

import hpack
import pytest

from harness.certificates import Authority
from harness.frames import PREFACE
from harness.http2 import IO_TIMEOUT

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
NO_ERROR, PROTOCOL, INTERNAL, FLOW_CONTROL, _, STREAM_CLOSED, FRAME_SIZE, REFUSED, CANCEL, COMPRESSION = range(10)
TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_HEADERS = range(1, 7)
MOST_WINDOW = 2**31 - 1


@dataclasses.dataclass
class Frame:
    type: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of a RST_STREAM or GOAWAY."""
        at = 4 if self.type == GOAWAY else 0
        return struct.unpack(">I", self.payload[at : at + 4])[0]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">BI", flags, stream) + payload


def data(stream=1, payload=b"test", end=True, flags=0) -> bytes:
    return frame(DATA, flags | (END_STREAM if end else 0), stream, payload)


def depends(on: int, weight: int = 255, exclusive: bool = False) -> bytes:
    return struct.pack(">IB", on | exclusive << 31, weight)


def priority(stream=1, on=0, weight=255, exclusive=False) -> bytes:
    return frame(PRIORITY, 0, stream, depends(on, weight, exclusive))


def reset(stream=1, code=CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def ping(payload=b"question", ack=False) -> bytes:
    return frame(PING, ACK if ack else 0, 0, payload)


def goaway(code=NO_ERROR, stream=0) -> bytes:
    return frame(GOAWAY, 0, stream, struct.pack(">II", 0, code))


def window(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def continuation(block: bytes, stream=1, end=True) -> bytes:
    return frame(CONTINUATION, END_HEADERS if end else 0, stream, block)


class Peer:
    """A connection that sends what it is told. It answers nothing by itself but the server's SETTINGS."""

    def __init__(self, server, context: ssl.SSLContext | None = None):
        self.scheme = "https" if context else "http"
        self.authority = f"{server.host}:{server.port}"
        self.socket = socket.create_connection((server.host, server.port), timeout=IO_TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.settings: dict[int, int] = {}
        self._buffer = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_):
        self.socket.close()

    def greet(self, *pairs: tuple[int, int]) -> Peer:
        """The preface, with these SETTINGS; comes back when both sides have theirs acknowledged."""
        self.send(PREFACE + settings(*pairs))
        first = self.receive()
        assert first and first.type == SETTINGS and not first.flags & ACK, first
        for at in range(0, len(first.payload), 6):
            number, value = struct.unpack(">HI", first.payload[at : at + 6])
            self.settings[number] = value
        self.send(frame(SETTINGS, ACK, 0))
        self.until(lambda each: each.type == SETTINGS and each.flags & ACK)
        return self

    def send(self, *frames: bytes):
        try:
            self.socket.sendall(b"".join(frames))
        except (BrokenPipeError, ConnectionResetError):
            pass  # The server may have closed already; what it sent can still be read.

    # Header blocks

    def fields(self, method="GET", drop=(), **more: str) -> list[tuple[str, str]]:
        own = [
            (":method", method),
            (":scheme", self.scheme),
            (":path", "/"),
            (":authority", self.authority),
        ]
        return [pair for pair in own if pair[0] not in drop] + list(more.items())

    def block(self, method="GET", *more: tuple[str, str], drop=()) -> bytes:
        return self.encoder.encode(self.fields(method, drop) + list(more))

    def headers(
        self, block: bytes | None = None, stream=1, end=True, whole=True, flags=0, method="GET"
    ) -> bytes:
        flags |= (END_STREAM if end else 0) | (END_HEADERS if whole else 0)
        return frame(HEADERS, flags, stream, self.block(method) if block is None else block)

    # What comes

    @property
    def unread(self) -> bytes:
        """What came and is no whole frame."""
        return self._buffer

    def receive(self) -> Frame | None:
        """The next frame; None at the end of the connection."""
        while len(self._buffer) < 9 or len(self._buffer) < 9 + int.from_bytes(self._buffer[:3], "big"):
            try:
                more = self.socket.recv(1 << 16)
            except (ConnectionResetError, ssl.SSLEOFError):
                more = b""
            if not more:
                return None
            self._buffer += more
        length = int.from_bytes(self._buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self._buffer[3:9])
        received = Frame(kind, flags, stream, self._buffer[9 : 9 + length])
        self._buffer = self._buffer[9 + length :]
        return received

    def until(self, is_it, but=()) -> Frame:
        """The next frame that `is_it`. None of the types `but` may come before, nor the connection's end."""
        before = []
        while True:
            received = self.receive()
            assert received is not None, f"the server closed the connection after {before}"
            if is_it(received):
                return received
            assert received.type not in (*but, GOAWAY), f"{received} after {before}"
            before.append(received)


# What a server does ------------------------------------------------------------------------------


def is_alive(peer: Peer):
    peer.send(ping(b"alive???"))
    peer.until(lambda each: each.type == PING and each.flags == ACK and each.payload == b"alive???")


def answers(stream=1):
    """The request is answered, and the connection goes on."""

    def check(peer: Peer):
        received = peer.until(
            lambda each: each.type == HEADERS and each.stream == stream, but=[RST_STREAM]
        )
        assert dict(peer.decoder.decode(received.payload))[":status"] == "415"
        is_alive(peer)

    return check


def pongs(payload=b"question"):
    def check(peer: Peer):
        pong = peer.until(lambda each: each.type == PING and each.flags & ACK, but=[RST_STREAM])
        assert (pong.flags, pong.stream, pong.payload) == (ACK, 0, payload)

    return check


def acknowledges(peer: Peer):
    peer.until(lambda each: each.type == SETTINGS and each.flags == ACK and not each.payload)
    is_alive(peer)


def sends_data(length: int, stream=1):
    """The next DATA frame of the stream has this length."""

    def check(peer: Peer):
        received = peer.until(lambda each: each.type == DATA, but=[RST_STREAM])
        assert (received.stream, len(received.payload)) == (stream, length)
        is_alive(peer)

    return check


def resets(code: int, stream=1):
    """The stream is reset without an answer, and the connection goes on."""

    def check(peer: Peer):
        received = peer.until(lambda each: each.type == RST_STREAM, but=[HEADERS])
        assert (received.stream, received.code) == (stream, code)
        is_alive(peer)

    return check


def ends(code: int):
    """A GOAWAY with this error, and the end of the connection."""

    def check(peer: Peer):
        goodbyes = []
        while received := peer.receive():
            if received.type == GOAWAY:
                goodbyes.append(received)
        assert [each.code for each in goodbyes] == [code], goodbyes

    return check


def says_goodbye(peer: Peer):
    """The client wants no more, and no call is under way: the connection ends without an error."""
    while received := peer.receive():
        assert received.type != GOAWAY or received.code == NO_ERROR


def closes(peer: Peer):
    while peer.receive():
        pass


# Servers -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["h2c", "tls"])
def dial_once(request, create, tmp_path_factory, engine):
    """Makes connections to one server of the module, by TLS or without."""
    from conftest import DOG_SCHEMA, ServerFactory

    directory = tmp_path_factory.mktemp(request.param)
    flags, context = [], None
    if request.param == "tls":
        authority = Authority(directory / "authority")
        flags = authority.sign("server").flags
        context = ssl.create_default_context(cafile=authority.root.path)
        context.set_alpn_protocols(["h2"])
    factory = ServerFactory(directory, engine)
    try:
        server = factory(create(DOG_SCHEMA), "--durability", "buffered", *flags)
        yield lambda: Peer(server, context)
    finally:
        factory.close()


@pytest.fixture
def dial(dial_once):
    """Makes connections that are closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(dial_once())
