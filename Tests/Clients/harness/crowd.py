"""Very many connections and calls: what a peer sends that wants to hold up others."""

from __future__ import annotations

import contextlib
import resource
import socket
import time

import hpack
from hyperframe import frame as frames

from harness.frames import PREFACE
from harness.http2 import IO_TIMEOUT, frame

PING = b"are you?"


def allow_files(count: int):
    """Lets this process have so many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= count, f"ulimit -Hn is {hard}, {count} are needed"
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def dial(server) -> socket.socket:
    """A connection without a word."""
    connection = socket.socket()
    connection.settimeout(IO_TIMEOUT)
    connection.connect((server.host, server.port))
    return connection


@contextlib.contextmanager
def crowd(server, count: int, hello: bytes = b""):
    """So many connections that have said `hello` and nothing else, and read nothing."""
    allow_files(count + 1000)
    connections = []
    try:
        for n in range(count):
            connections.append(dial(server))
            if n % 250 == 249:
                time.sleep(0.04)  # More than wait to be accepted would have to try again a second later.
            if hello:
                # The server may have let go of it already.
                with contextlib.suppress(ConnectionError):
                    connections[-1].sendall(hello)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def hello(stream_window: int) -> bytes:
    """The first bytes of a client of HTTP/2, which acknowledges the server's SETTINGS beforehand."""
    settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: stream_window}
    return (
        PREFACE
        + frames.SettingsFrame(0, settings=settings).serialize()
        + frames.SettingsFrame(0, flags=["ACK"]).serialize()
    )


def burst(path: str, message: bytes, count: int, ends: bool = True, length: int | None = None) -> bytes:
    """The frames of so many calls with one message each, the first ones of a connection, and a PING.

    Without `ends` the requests stay open; `length` is what the messages say they have.
    """
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    encoder = hpack.Encoder()
    encoder.header_table_size = 0  # Each block stands alone, and they are all the same.
    encoder.encode([])
    block = encoder.encode(fields)
    body = frame(message, length=length)
    flags = ["END_STREAM"] if ends else []
    sent = []
    for stream in range(1, 2 * count, 2):
        sent.append(frames.HeadersFrame(stream, block, flags=["END_HEADERS"]).serialize())
        for at in range(0, len(body), 16384):
            last = flags if at + 16384 >= len(body) else []
            sent.append(frames.DataFrame(stream, body[at : at + 16384], flags=last).serialize())
    sent.append(frames.PingFrame(0, opaque_data=PING).serialize())
    return b"".join(sent)


def wait_for_ping(connection: socket.socket) -> bytes:
    """Reads until the PING of `burst` is answered: the server has taken in all before it."""
    received = bytearray()
    while PING not in received:
        data = connection.recv(1 << 18)
        assert data, "the server closed the connection"
        received += data
    return bytes(received)
