"""HTTP/2 frame by frame: what a server has to refuse, and how. Each row is named after the case of h2spec that it covers.

An error of a stream (RFC 9113 §5.4.2) resets the stream, and the connection goes on. An error of the connection (§5.4.1)
is a GOAWAY and its end; some errors of streams are taken for one, as they may be: what comes for a stream that its client
has ended or reset, a stream that depends on itself, and a window that is opened by nothing.
"""

from __future__ import annotations

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from harness.conformance import (
    ACK,
    COMPRESSION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL,
    FRAME_SIZE,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW,
    MAX_FRAME,
    MOST_WINDOW,
    PADDED,
    PING,
    PRIORITY,
    PROTOCOL,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    closes,
    continuation,
    data,
    depends,
    dial,
    dial_once,
    ends,
    frame,
    priority,
    reset,
    resets,
    settings,
    window,
)

pytestmark = pytest.mark.one_engine
UNKNOWN = 0x5A
TOO_LARGE = (1 << 14) + 1


def just(*frames: bytes):
    return lambda peer: peer.send(*frames)


def get_and(*after):
    """A GET, which has ended, and these frames."""
    return lambda peer: peer.send(peer.headers(), *after)


def begin_and(*after, method="GET"):
    """A request that has not ended, and these frames."""
    return lambda peer: peer.send(peer.headers(method=method, end=False), *after)


def answered_and(make):
    """Frames after the answer to a GET, by when its stream is closed on both sides."""

    def act(peer):
        peer.send(peer.headers())
        peer.until(lambda each: each.stream == 1 and each.type == DATA and each.flags & END_STREAM)
        peer.send(make(peer))

    return act


def get_with(*fields: tuple[str, str], drop=()):
    return lambda peer: peer.send(peer.headers(peer.block("GET", *fields, drop=drop)))


def get_ending_with(field: bytes):
    """A GET whose header block ends with these bytes."""
    return lambda peer: peer.send(peer.headers(peer.block() + field))


def unfinished(*after, end=False, method="GET"):
    """A header block that does not end, and these frames."""
    return lambda peer: peer.send(peer.headers(whole=False, end=end, method=method), *after)


def more_fields(peer) -> bytes:
    return peer.encoder.encode([("x-more", "x" * 4000)])


def post_with_trailers(field: tuple[str, str]):
    """A POST whose trailers do not end it."""

    def act(peer):
        trailers = peer.headers(peer.encoder.encode([field]), end=False)
        peer.send(peer.headers(method="POST", end=False), data(end=False), trailers)

    return act


def post_of(length: str, *bodies: bytes):
    def act(peer):
        begin = peer.headers(peer.block("POST", ("content-length", length)), end=False)
        last = len(bodies) - 1
        peer.send(begin, *[data(payload=body, end=n == last) for n, body in enumerate(bodies)])

    return act


def coded(value: bytes) -> bytes:
    return HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(value)


def field_of(value: bytes) -> bytes:
    """A field whose value is these bytes of Huffman's code."""
    return b"\x00\x05x-new" + bytes([0x80 | len(value)]) + value


def too_large_headers(peer):
    fields = [(f"x-{n}", "x" * 4000) for n in range(6)]
    peer.send(peer.headers(b"".join([peer.block(), peer.encoder.encode(fields, huffman=False)])))


ROWS = {
    # 3 and 4: preface, sizes, header blocks
    "4.2.2 DATA that is too large": (
        begin_and(data(payload=bytes(TOO_LARGE)), method="POST"),
        ends(FRAME_SIZE),
    ),
    "4.2.3 HEADERS that are too large": (too_large_headers, ends(FRAME_SIZE)),
    "4.3.1 a block that ends in a field": (just(frame(HEADERS, 5, 1, b"\x40")), ends(COMPRESSION)),
    "4.3.2 PRIORITY in a block": (unfinished(priority()), ends(PROTOCOL)),
    "4.3.3 HEADERS in another block": (
        lambda p: p.send(p.headers(whole=False), p.headers(stream=3)),
        ends(PROTOCOL),
    ),
    # 5.1: states of streams
    "5.1.1 DATA on an idle stream": (just(data()), ends(PROTOCOL)),
    "5.1.2 RST_STREAM on an idle stream": (just(reset()), ends(PROTOCOL)),
    "5.1.3 WINDOW_UPDATE on an idle stream": (just(window(1, 100)), ends(PROTOCOL)),
    "5.1.4 CONTINUATION on an idle stream": (
        lambda p: p.send(continuation(p.block())),
        ends(PROTOCOL),
    ),
    "5.1.5 DATA after END_STREAM": (get_and(data()), ends(STREAM_CLOSED)),
    "5.1.6 HEADERS after END_STREAM": (
        lambda p: p.send(p.headers(), p.headers()),
        ends(STREAM_CLOSED),
    ),
    "5.1.7 CONTINUATION after END_STREAM": (
        lambda p: p.send(p.headers(), continuation(p.block())),
        ends(PROTOCOL),
    ),
    "5.1.8 DATA after RST_STREAM": (begin_and(reset(), data()), ends(STREAM_CLOSED)),
    "5.1.9 HEADERS after RST_STREAM": (
        lambda p: p.send(p.headers(end=False), reset(), p.headers()),
        ends(STREAM_CLOSED),
    ),
    "5.1.10 CONTINUATION after RST_STREAM": (
        lambda p: p.send(p.headers(end=False), reset(), continuation(more_fields(p))),
        ends(PROTOCOL),
    ),
    "5.1.11 DATA on a closed stream": (answered_and(lambda p: data()), ends(STREAM_CLOSED)),
    "5.1.12 HEADERS on a closed stream": (
        answered_and(lambda p: p.headers()),
        ends(STREAM_CLOSED),
    ),
    "5.1.13 CONTINUATION on a closed stream": (
        answered_and(lambda p: continuation(more_fields(p))),
        ends(PROTOCOL),
    ),
    "5.1.1.1 an even stream": (lambda p: p.send(p.headers(stream=2)), ends(PROTOCOL)),
    "5.1.1.2 a stream below the last one": (
        lambda p: p.send(p.headers(stream=5), p.headers(stream=3)),
        ends(PROTOCOL),
    ),
    # 5.3 to 5.5
    "5.3.1.1 HEADERS that depend on themselves": (
        lambda p: p.send(p.headers(depends(1) + p.block(), flags=WITH_PRIORITY)),
        ends(PROTOCOL),
    ),
    "5.3.1.2 PRIORITY that depends on itself": (just(priority(on=1)), ends(PROTOCOL)),
    "5.4.1.1 an error closes the connection": (just(frame(PING, 0, 3, bytes(8))), closes),
    "5.4.1.2 an error is told": (just(frame(PING, 0, 3, bytes(8))), ends(PROTOCOL)),
    "5.5.2 an extension's frame in a block": (
        unfinished(frame(UNKNOWN, 0, 0, bytes(8)), end=True),
        ends(PROTOCOL),
    ),
    # 6.1 to 6.4
    "6.1.1 DATA on stream 0": (just(data(stream=0)), ends(PROTOCOL)),
    "6.1.2 DATA of a request that has ended": (
        lambda p: p.send(p.headers(method="POST"), data()),
        ends(STREAM_CLOSED),
    ),
    "6.1.3 DATA with more padding than bytes": (
        begin_and(data(payload=b"\x06Test", flags=PADDED), method="POST"),
        ends(PROTOCOL),
    ),
    "6.2.1 a block that is not gone on with": (
        lambda p: p.send(p.headers(whole=False), priority(), continuation(more_fields(p))),
        ends(PROTOCOL),
    ),
    "6.2.2 a block of another stream": (
        lambda p: p.send(p.headers(whole=False), p.headers(stream=3), continuation(more_fields(p))),
        ends(PROTOCOL),
    ),
    "6.2.3 HEADERS on stream 0": (lambda p: p.send(p.headers(stream=0)), ends(PROTOCOL)),
    "6.2.4 HEADERS with more padding than bytes": (
        lambda p: p.send(p.headers(bytes([len(block := p.block()) + 2]) + block, flags=PADDED)),
        ends(PROTOCOL),
    ),
    "6.3.1 PRIORITY on stream 0": (just(priority(stream=0)), ends(PROTOCOL)),
    "6.3.2 PRIORITY of 4 bytes": (get_and(frame(PRIORITY, 0, 1, bytes(4))), ends(FRAME_SIZE)),
    "6.4.1 RST_STREAM on stream 0": (just(reset(stream=0)), ends(PROTOCOL)),
    "6.4.2 RST_STREAM on an idle stream": (just(reset()), ends(PROTOCOL)),
    "6.4.3 RST_STREAM of 3 bytes": (get_and(frame(RST_STREAM, 0, 1, bytes(3))), ends(FRAME_SIZE)),
    # 6.5 to 6.8
    "6.5.1 SETTINGS that acknowledge with bytes": (
        just(frame(SETTINGS, ACK, 0, bytes(1))),
        ends(FRAME_SIZE),
    ),
    "6.5.2 SETTINGS on a stream": (
        just(frame(SETTINGS, 0, 1, b"\x00\x03\x00\x00\x00\x64")),
        ends(PROTOCOL),
    ),
    "6.5.3 SETTINGS of 3 bytes": (just(frame(SETTINGS, 0, 0, b"\x00\x03\x00")), ends(FRAME_SIZE)),
    "6.5.2.1 ENABLE_PUSH of 2": (just(settings((ENABLE_PUSH, 2))), ends(PROTOCOL)),
    "6.5.2.2 INITIAL_WINDOW_SIZE over the most": (
        just(settings((INITIAL_WINDOW, MOST_WINDOW + 1))),
        ends(FLOW_CONTROL),
    ),
    "6.5.2.3 MAX_FRAME_SIZE below the least": (just(settings((MAX_FRAME, 16_383))), ends(PROTOCOL)),
    "6.5.2.4 MAX_FRAME_SIZE over the most": (just(settings((MAX_FRAME, 1 << 24))), ends(PROTOCOL)),
    "6.7.3 PING on a stream": (just(frame(PING, 0, 1, bytes(8))), ends(PROTOCOL)),
    "6.7.4 PING of 6 bytes": (just(frame(PING, 0, 0, bytes(6))), ends(FRAME_SIZE)),
    "6.8.1 GOAWAY on a stream": (just(frame(GOAWAY, 0, 1, bytes(8))), ends(PROTOCOL)),
    # 6.9: windows
    "6.9.1 WINDOW_UPDATE of 0": (just(window(0, 0)), ends(PROTOCOL)),
    "6.9.2 WINDOW_UPDATE of 0 on a stream": (begin_and(window(1, 0)), ends(PROTOCOL)),
    "6.9.3 WINDOW_UPDATE of 3 bytes": (
        just(frame(WINDOW_UPDATE, 0, 0, b"\x00\x00\x01")),
        ends(FRAME_SIZE),
    ),
    "6.9.1.2 a window over the most": (
        just(window(0, MOST_WINDOW), window(0, MOST_WINDOW)),
        ends(FLOW_CONTROL),
    ),
    "6.9.1.3 a stream's window over the most": (
        begin_and(window(1, MOST_WINDOW), window(1, MOST_WINDOW)),
        resets(FLOW_CONTROL),
    ),
    "6.9.2.3 a first window over the most": (
        just(frame(SETTINGS, 0, 0, b"\x00\x04\x80\x00\x00\x00")),
        ends(FLOW_CONTROL),
    ),
    # 6.10: CONTINUATION
    "6.10.2 DATA after CONTINUATION": (
        lambda p: p.send(
            p.headers(method="POST", end=False, whole=False),
            continuation(more_fields(p), end=False),
            data(),
        ),
        ends(PROTOCOL),
    ),
    "6.10.3 CONTINUATION on stream 0": (
        lambda p: p.send(p.headers(whole=False), continuation(more_fields(p), stream=0)),
        ends(PROTOCOL),
    ),
    "6.10.4 CONTINUATION after a whole block": (
        lambda p: p.send(p.headers(end=False), continuation(more_fields(p))),
        ends(PROTOCOL),
    ),
    "6.10.5 CONTINUATION after the last one": (
        lambda p: p.send(
            p.headers(whole=False, end=False),
            continuation(more_fields(p)),
            continuation(more_fields(p)),
        ),
        ends(PROTOCOL),
    ),
    "6.10.6 DATA in a block": (
        lambda p: p.send(p.headers(whole=False, end=False), data(), continuation(more_fields(p))),
        ends(PROTOCOL),
    ),
    # 8: requests
    "8.1.1 trailers that do not end the request": (
        post_with_trailers(("x-last", "1")),
        resets(PROTOCOL),
    ),
    "8.1.2.1 a name with a capital": (get_with(("X-Capital", "1")), resets(PROTOCOL)),
    "8.1.2.1.1 an unknown pseudo-header": (get_with((":other", "1")), resets(PROTOCOL)),
    "8.1.2.1.2 a pseudo-header of answers": (get_with((":status", "200")), resets(PROTOCOL)),
    "8.1.2.1.3 a pseudo-header in trailers": (
        post_with_trailers((":method", "POST")),
        resets(PROTOCOL),
    ),
    "8.1.2.1.4 a pseudo-header after a field": (
        lambda p: p.send(p.headers(p.encoder.encode([("x-first", "1")]) + p.block())),
        resets(PROTOCOL),
    ),
    "8.1.2.2.1 a connection's header": (get_with(("connection", "keep-alive")), resets(PROTOCOL)),
    "8.1.2.2.2 TE with more than trailers": (get_with(("te", "trailers, br")), resets(PROTOCOL)),
    "8.1.2.3.1 an empty path": (
        lambda p: p.send(
            p.headers(p.encoder.encode([*p.fields(drop=[":path"]), (":path", "")]))
        ),
        resets(PROTOCOL),
    ),
    "8.1.2.3.2 no method": (get_with(drop=[":method"]), resets(PROTOCOL)),
    "8.1.2.3.3 no scheme": (get_with(drop=[":scheme"]), resets(PROTOCOL)),
    "8.1.2.3.4 no path": (get_with(drop=[":path"]), resets(PROTOCOL)),
    "8.1.2.3.5 two methods": (get_with((":method", "GET")), resets(PROTOCOL)),
    "8.1.2.3.6 two schemes": (get_with((":scheme", "http")), resets(PROTOCOL)),
    "8.1.2.3.7 two paths": (get_with((":path", "/")), resets(PROTOCOL)),
    "8.1.2.6.1 another content-length": (post_of("1", b"test"), resets(PROTOCOL)),
    "8.1.2.6.2 another content-length than the sum": (
        post_of("1", b"test", b"test"),
        resets(PROTOCOL),
    ),
    "8.2.1 PUSH_PROMISE": (
        lambda p: p.send(frame(PUSH_PROMISE, END_HEADERS, 1, b"\x00\x00\x00\x03" + p.block())),
        ends(PROTOCOL),
    ),
    # hpack
    "h2.3.3.1 an index that is in no table": (get_ending_with(b"\xc6"), ends(COMPRESSION)),
    "h2.3.3.2 a name that is in no table": (get_ending_with(b"\x7f\x07\x00"), ends(COMPRESSION)),
    "h4.2.1 a size of the table at the end": (get_ending_with(b"\x21"), ends(COMPRESSION)),
    "h5.2.1 more padding than 7 bits": (
        get_ending_with(field_of(coded(b"test") + b"\xff")),
        ends(COMPRESSION),
    ),
    "h5.2.2 padding with zeros": (get_ending_with(field_of(b"\x49\x50\x90")), ends(COMPRESSION)),
    "h5.2.3 the end of a string in it": (
        get_ending_with(field_of(b"\x49\x51\xff\xff\xff\xfa\x7f")),
        ends(COMPRESSION),
    ),
    "h6.1.1 index 0": (get_ending_with(b"\x80"), ends(COMPRESSION)),
    "h6.3.1 a table larger than it may be": (
        lambda p: p.send(p.headers(b"\x3f\xe2\x1f" + p.block())),
        ends(COMPRESSION),
    ),
    # Beside h2spec: what a client has left long ago, and the parts of a frame one by one.
    "DATA on a stream that was left out": (
        lambda p: p.send(p.headers(stream=5, end=False), data(stream=3)),
        ends(STREAM_CLOSED),
    ),
    "a body shorter than its content-length": (post_of("9", b"test"), resets(PROTOCOL)),
}


@pytest.mark.parametrize("row", ROWS)
def test_refuses(dial, row):
    act, check = ROWS[row]
    peer = dial().greet((INITIAL_WINDOW, 65_535))
    act(peer)
    check(peer)


def test_closes_after_a_preface_that_is_none(dial):
    """3.5.2"""
    peer = dial()
    peer.send(b"NOT A PREFACE OF HTTP/2 AT ALL\r\n\r\n")
    assert peer.receive() is None and not peer.unread


def test_refuses_frames_in_pieces(dial):
    """A header that comes byte by byte is the same header."""
    peer = dial().greet()
    for byte in peer.headers() + data():
        peer.send(bytes([byte]))
    ends(STREAM_CLOSED)(peer)
