"""HTTP/2 frame by frame: what a server has to take. Each row is named after the case of h2spec that it covers.

What it has to refuse is in test_http2_errors.py.
"""

from __future__ import annotations

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from harness.conformance import (
    ACK,
    CANCEL,
    DATA,
    ENABLE_PUSH,
    INITIAL_WINDOW,
    MAX_FRAME,
    MAX_HEADERS,
    MAX_STREAMS,
    PADDED,
    PING,
    REFUSED,
    RST_STREAM,
    SETTINGS,
    TABLE_SIZE,
    WITH_PRIORITY,
    acknowledges,
    answers,
    continuation,
    data,
    depends,
    dial,
    dial_once,
    frame,
    goaway,
    is_alive,
    ping,
    pongs,
    priority,
    reset,
    says_goodbye,
    sends_data,
    settings,
    window,
)
from harness.frames import PREFACE

pytestmark = pytest.mark.one_engine
UNKNOWN = 0x5A


def literal(first: int, name: bytes, value: bytes) -> bytes:
    """A header field as two strings (RFC 7541 §6.2), after the octet that says how it is to be kept."""
    return bytes([first, len(name)]) + name + bytes([len(value)]) + value


def huffman(first: int, name: bytes, value: bytes) -> bytes:
    """The same, with both strings in Huffman's code."""
    coder = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
    name, value = coder.encode(name), coder.encode(value)
    return bytes([first, 0x80 | len(name)]) + name + bytes([0x80 | len(value)]) + value


def get(*before, **options):
    """Sends these frames, then a GET."""
    return lambda peer: peer.send(*before, peer.headers(**options))


def get_and(*after):
    return lambda peer: peer.send(peer.headers(), *after)


def get_with(field: bytes):
    """A GET whose header block ends with these bytes."""
    return lambda peer: peer.send(peer.headers(peer.block() + field))


def post(*after, more=()):
    """A POST and its body."""
    return lambda peer: peer.send(peer.headers(peer.block("POST", *more), end=False), *after)


def pieces(*cuts: int):
    """A GET whose header block comes in pieces, cut at these places."""

    def act(peer):
        block = peer.block()
        first, *rest = [block[a:b] for a, b in zip((0, *cuts), (*cuts, len(block)))]
        frames = [continuation(piece, end=piece is rest[-1]) for piece in rest]
        peer.send(peer.headers(first, whole=False), *frames)

    return act


def long_blocks(peer):
    more = [peer.encoder.encode([(f"x-{n}", "x" * 4000)]) for n in range(2)]
    first = peer.headers(whole=False)
    peer.send(first, continuation(more[0], end=False), continuation(more[1]))


def post_with_trailers(peer):
    begin = peer.headers(peer.block("POST", ("trailer", "x-last")), end=False)
    peer.send(begin, data(end=False), peer.headers(peer.encoder.encode([("x-last", "1")])))


def smaller_table(peer):
    peer.encoder.header_table_size = 128
    peer.send(peer.headers())


def get_after_its_end(peer):
    peer.send(peer.headers())
    peer.until(lambda each: each.stream == 1 and each.flags & ACK and each.type == DATA)
    peer.send(priority(), ping())


ROWS = {
    # generic/2: streams
    "g2.1 PRIORITY on an idle stream": (lambda p: p.send(priority(), ping()), pongs()),
    "g2.2 WINDOW_UPDATE after END_STREAM": (
        lambda p: p.send(settings((INITIAL_WINDOW, 0)), p.headers(), window(1, 1)),
        sends_data(1),
    ),
    "g2.3 PRIORITY after END_STREAM": (
        lambda p: p.send(settings((INITIAL_WINDOW, 0)), p.headers(), priority(), window(1, 1)),
        sends_data(1),
    ),
    "g2.4 RST_STREAM after END_STREAM": (get_and(reset(), ping()), pongs()),
    "g2.5 PRIORITY on a closed stream": (get_after_its_end, pongs()),
    # generic/3: frames
    "g3.1.1 DATA": (post(data()), answers()),
    "g3.1.2 DATA in two frames": (post(data(end=False), data()), answers()),
    "g3.1.3 DATA with padding": (post(data(payload=b"\x05test" + bytes(5), flags=PADDED)), answers()),
    "g3.2.1 HEADERS": (get(), answers()),
    "g3.2.2 HEADERS with padding": (
        lambda p: p.send(p.headers(b"\x08" + p.block() + bytes(8), flags=PADDED)),
        answers(),
    ),
    "g3.2.3 HEADERS with a priority": (
        lambda p: p.send(p.headers(depends(0) + p.block(), flags=WITH_PRIORITY)),
        answers(),
    ),
    "g3.3.1 PRIORITY with weight 1": (get(priority(weight=0)), answers()),
    "g3.3.2 PRIORITY with weight 256": (get(priority(weight=255)), answers()),
    "g3.3.3 PRIORITY with a dependency": (get(priority(stream=3, on=1, weight=0)), answers()),
    "g3.3.4 PRIORITY that is exclusive": (get(priority(weight=0, exclusive=True)), answers()),
    "g3.3.5 PRIORITY on a later stream": (get(priority(stream=3)), answers()),
    "g3.4.1 RST_STREAM": (
        lambda p: p.send(p.headers(end=False), reset(code=CANCEL), ping()),
        pongs(),
    ),
    "g3.5.1 SETTINGS": (
        lambda p: p.send(
            settings(
                *[(TABLE_SIZE, 4096), (ENABLE_PUSH, 1), (MAX_STREAMS, 100)],
                *[(INITIAL_WINDOW, 65_535), (MAX_FRAME, 16_384), (MAX_HEADERS, 100)],
            )
        ),
        acknowledges,
    ),
    "g3.7.1 PING": (lambda p: p.send(ping(b"a payloa")), pongs(b"a payloa")),
    "g3.8.1 GOAWAY": (lambda p: p.send(goaway(), ping()), says_goodbye),
    "g3.9.1 WINDOW_UPDATE of the connection": (lambda p: p.send(window(0, 1), ping()), pongs()),
    "g3.9.2 WINDOW_UPDATE of a stream": (get_and(window(1, 1)), answers()),
    "g3.10.1 CONTINUATION": (pieces(5), answers()),
    "g3.10.2 CONTINUATION twice": (pieces(5, 10), answers()),
    # generic/4: requests
    "g4.1 GET": (get(), answers()),
    "g4.2 HEAD": (get(method="HEAD"), answers()),
    "g4.3 POST": (post(data()), answers()),
    "g4.4 POST with trailers": (post_with_trailers, answers()),
    # generic/5: forms of header fields
    "g5.1 indexed": (get_with(b"\xba"), answers()),
    "g5.2 indexed, kept, indexed name": (get_with(b"\x7a" + b"\x04curl"), answers()),
    "g5.3 kept, indexed name, Huffman": (get_with(b"\x7a" + huffman(0, b"", b"curl")[2:]), answers()),
    "g5.4 kept, new name": (get_with(literal(0x40, b"x-new", b"curl")), answers()),
    "g5.5 kept, new name, Huffman": (get_with(huffman(0x40, b"x-new", b"curl")), answers()),
    "g5.6 not kept, indexed name": (get_with(b"\x0f\x2b" + b"\x04curl"), answers()),
    "g5.7 not kept, indexed name, Huffman": (
        get_with(b"\x0f\x2b" + huffman(0, b"", b"curl")[2:]),
        answers(),
    ),
    "g5.8 not kept, new name": (get_with(literal(0x00, b"x-new", b"curl")), answers()),
    "g5.9 not kept, new name, Huffman": (get_with(huffman(0x00, b"x-new", b"curl")), answers()),
    "g5.10 never kept, indexed name": (get_with(b"\x1f\x2b" + b"\x04curl"), answers()),
    "g5.11 never kept, indexed name, Huffman": (
        get_with(b"\x1f\x2b" + huffman(0, b"", b"curl")[2:]),
        answers(),
    ),
    "g5.12 never kept, new name": (get_with(literal(0x10, b"x-new", b"curl")), answers()),
    "g5.13 never kept, new name, Huffman": (get_with(huffman(0x10, b"x-new", b"curl")), answers()),
    "g5.14 a smaller table": (smaller_table, answers()),
    "g5.15 two sizes of the table": (
        lambda p: p.send(p.headers(b"\x3f\x61\x3f\xe1\x1f" + p.block())),
        answers(),
    ),
    # http2/4 and 5
    "4.1.1 a frame of an unknown type": (
        lambda p: p.send(frame(UNKNOWN, 0, 0, bytes(8)), ping()),
        pongs(),
    ),
    "4.1.2 a flag without a meaning": (lambda p: p.send(frame(PING, 0x16, 0, b"question")), pongs()),
    "4.1.3 the reserved bit": (lambda p: p.send(frame(PING, 0x16, 1 << 31, b"question")), pongs()),
    "4.2.1 DATA of 16 KiB": (post(data(payload=bytes(1 << 14))), answers()),
    "5.5.1 an extension's frame": (
        lambda p: p.send(frame(UNKNOWN, 0xFF, 1, bytes(100)), ping()),
        pongs(),
    ),
    # http2/6
    "6.5.2.5 an unknown setting": (lambda p: p.send(settings((0xFF, 1)), ping()), pongs()),
    "6.5.3.2 SETTINGS is acknowledged": (lambda p: p.send(settings((ENABLE_PUSH, 0))), acknowledges),
    "6.7.1 PING is answered": (lambda p: p.send(ping(b"\x00\xff456789")), pongs(b"\x00\xff456789")),
    "6.7.2 the answer to a PING is not": (
        lambda p: p.send(ping(b"unasked!", ack=True), ping()),
        pongs(),
    ),
    "6.10.1 CONTINUATION with long fields": (long_blocks, answers()),
    # http2/7
    "7.1 GOAWAY with an unknown error": (lambda p: p.send(goaway(0xFF), ping()), says_goodbye),
    "7.2 RST_STREAM with an unknown error": (
        lambda p: p.send(p.headers(method="POST", end=False), reset(code=0xFF), ping()),
        pongs(),
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_takes(dial, row):
    act, check = ROWS[row]
    peer = dial().greet((INITIAL_WINDOW, 65_535))
    act(peer)
    check(peer)


def test_begins_with_its_own_settings(dial):
    """g1.1, 3.5.1"""
    peer = dial()
    peer.send(PREFACE + settings((INITIAL_WINDOW, 65_535)))
    first = peer.receive()
    assert (first.type, first.flags, first.stream) == (SETTINGS, 0, 0)


def test_refuses_a_stream_more_than_it_allows(dial):
    """5.1.2.1"""
    peer = dial().greet((INITIAL_WINDOW, 0))
    most = peer.settings[MAX_STREAMS]
    for stream in range(1, 2 * most + 2, 2):
        peer.send(peer.headers(stream=stream))
    refused = peer.until(lambda each: each.type == RST_STREAM)
    assert (refused.stream, refused.code) == (2 * most + 1, REFUSED)
    is_alive(peer)


# Windows of answers --------------------------------------------------------------------------------


def test_takes_the_last_of_two_values(dial):
    """6.5.3.1"""
    peer = dial().greet()
    peer.send(settings((INITIAL_WINDOW, 100), (INITIAL_WINDOW, 1)))
    acknowledges(peer)
    peer.send(peer.headers())
    sends_data(1)(peer)


def test_sends_no_more_than_a_window_of_one(dial):
    """6.9.1.1"""
    peer = dial().greet((INITIAL_WINDOW, 1))
    peer.send(peer.headers())
    sends_data(1)(peer)


def test_a_new_window_is_that_of_open_streams_too(dial):
    """6.9.2.1"""
    peer = dial().greet((INITIAL_WINDOW, 0))
    peer.send(peer.headers())
    answers()(peer)
    peer.send(settings((INITIAL_WINDOW, 1)))
    sends_data(1)(peer)


def test_a_window_may_become_negative(dial):
    """6.9.2.2"""
    peer = dial().greet((INITIAL_WINDOW, 3))
    peer.send(peer.headers())
    sends_data(3)(peer)
    peer.send(settings((INITIAL_WINDOW, 2)))
    acknowledges(peer)
    peer.send(window(1, 2))
    sends_data(1)(peer)
