"""Frames that carry nothing, for ever: the server ends whoever floods it, at little cost, and nobody else notices.

Clients that are honest, and only busy, are never taken for that.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import statistics
import threading
import time
import types

import pytest

from conftest import DOGS_AND_TAGS
from harness import http2
from harness.client import delimited, query
from harness.conformance import (
    ACK,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW,
    MOST_WINDOW,
    PING,
    PRIORITY,
    SETTINGS,
    Peer,
    data,
    frame,
    window,
)
from harness.process import memory, processor_time

pytestmark = pytest.mark.one_engine
PUT, GET, STREAM = (
    f"/database.Database/{name}" for name in ("PutDog", "GetDogsByPk", "StreamDogTagsByPk")
)
CALM = 11  # RFC 9113 §7
MIB = 1 << 20
UNKNOWN = 0x5A
# Three processes share two cores: whoever waits for one waits a turn of the system's scheduler.
SCHEDULER_TURN = 0.005


def call(peer: Peer, stream: int, *more: tuple[str, str]) -> bytes:
    """HEADERS of a call whose request follows. Nothing of it is kept in the table of headers."""
    fields = [
        *peer.fields("POST", drop=[":path"]),
        (":path", GET),
        ("content-type", "application/grpc"),
        *more,
    ]
    block = b"".join(
        bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields
    )
    return frame(HEADERS, END_HEADERS, stream, block)


def bomb(peer: Peer, stream: int) -> bytes:
    """14 KB that stand for 40 MB: a field of 4 KB is kept in the table, and named 10,000 times."""
    kept = b"\x40\x03x-x\x7f\xa1\x1e" + b"x" * 4000
    return frame(HEADERS, END_HEADERS, stream, kept + b"\xbe" * 10_000)


# What is sent again and again, by the peer and how often it was sent before. Stream 1 is open.
FLOODS = {
    "answers to PINGs": lambda peer, n: frame(PING, ACK, 0, b"unasked!"),
    "WINDOW_UPDATE of 1": lambda peer, n: window(0, 1),
    "WINDOW_UPDATE of 1 on a stream": lambda peer, n: window(1, 1),
    "PRIORITY": lambda peer, n: frame(PRIORITY, 0, 1, bytes(5)),
    "an unknown type": lambda peer, n: frame(UNKNOWN, 0, 0, b""),
    "empty DATA": lambda peer, n: data(payload=b"", end=False),
    "SETTINGS": lambda peer, n: frame(SETTINGS, 0, 0, b"\x00\x04\x00\x01\x00\x00"),
    "PING": lambda peer, n: frame(PING, 0, 0, b"anybody?"),
    "another content-length": lambda peer, n: (
        call(peer, 2 * n + 3, ("content-length", "1")) + data(2 * n + 3)
    ),
    "a window over the most": lambda peer, n: call(peer, 2 * n + 3) + window(2 * n + 3, MOST_WINDOW),
    "bad headers": lambda peer, n: call(peer, 2 * n + 3, ("connection", "close")),
    "headers that inflate": lambda peer, n: bomb(peer, 2 * n + 3),
}


@pytest.fixture(scope="module")
def factory(create, tmp_path_factory, engine):
    from conftest import ServerFactory

    made = ServerFactory(tmp_path_factory.mktemp("floods"), engine)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def server(factory, create):
    return factory(create(DOGS_AND_TAGS), "--durability", "buffered")


def flood(server, kind: str) -> bytes:
    """Floods until the server ends it; what the GOAWAY says."""
    with Peer(server) as peer:
        peer.greet()
        peer.send(call(peer, 1))
        goodbye = threading.Thread(target=lambda: received.extend(read(peer)))
        received: list = []
        goodbye.start()
        sent = 0
        with contextlib.suppress(OSError):
            while goodbye.is_alive() and sent < 500_000:
                piece = b"".join(FLOODS[kind](peer, sent + n) for n in range(50))
                sent += 50
                peer.socket.sendall(piece)
        goodbye.join(10)
        assert not goodbye.is_alive(), f"it was not ended after {sent}"
        [said] = [each for each in received if each.type == GOAWAY]
        assert said.code == CALM, said
        return said.payload[8:]


def read(peer: Peer) -> list:
    goodbyes = []
    with contextlib.suppress(OSError):
        while received := peer.receive():
            if received.type == GOAWAY:
                goodbyes.append(received)
                break
    return goodbyes


@pytest.mark.parametrize("kind", FLOODS)
def test_ends_a_flood_at_little_cost(server, kind):
    """Ten connections that flood cost less than a second of CPU, and no memory."""
    reasons = {flood(server, kind)}
    held, used = memory(server), processor_time(server)
    for _ in range(9):
        reasons.add(flood(server, kind))
    assert processor_time(server) - used < 0.9
    assert memory(server) - held < 32 * MIB
    assert reasons <= {
        *[b"too_many_frames", b"too_many_pings", b"too_many_errors", b"headers_too_large"]
    }


def attack(server, busy, stop):
    """Floods of every kind in turn while `busy`; they wait a little in between, so that they do not take a core alone."""
    while not stop.is_set():
        busy.wait(1)
        for kind in FLOODS:
            if busy.is_set():
                flood(server, kind)
                time.sleep(0.02)


def test_a_second_client_is_served_as_before(server, factory):
    """The slowest in a hundred of its calls, alone and beside floods by turns, the best of each.

    The three processes share a machine with others, which only ever make it slower: so there are up to 15 turns.
    """
    get = factory.connect(server).stub(GET)

    def slow_call() -> float:
        times = []
        for _ in range(300):
            began = time.perf_counter()
            get(query(eq="nobody"), timeout=5)
            times.append(time.perf_counter() - began)
        return statistics.quantiles(times, n=100)[98]

    # A process of its own: a thread would stop this client whenever it runs.
    processes = multiprocessing.get_context("spawn")
    busy, stop = processes.Event(), processes.Event()
    address = types.SimpleNamespace(host=server.host, port=server.port)
    attacker = processes.Process(target=attack, args=(address, busy, stop))
    attacker.start()
    alone, beside = [], []

    def is_as_before() -> bool:
        return bool(alone) and min(beside) < max(2 * min(alone), SCHEDULER_TURN)

    try:
        busy.set()
        before = processor_time(server)
        eventually_busy = time.monotonic() + 10
        while processor_time(server) == before:
            assert time.monotonic() < eventually_busy, "the attacker does nothing"
            time.sleep(0.01)
        while len(alone) < 15 and not is_as_before():
            busy.clear()
            time.sleep(0.1)
            alone.append(slow_call())
            busy.set()
            beside.append(slow_call())
    finally:
        stop.set()
        busy.set()
        attacker.join(30)
    assert attacker.exitcode == 0
    assert is_as_before(), (alone, beside)


# Honest clients ------------------------------------------------------------------------------------


def test_a_large_download_in_small_windows_is_whole(create, factory):
    """200 MB by small windows, and again as gRPC's client does it by default, with PINGs and SETTINGS of its own."""
    server = factory(create(DOGS_AND_TAGS), "--durability", "buffered", data=factory.directory / "large")
    tags = factory.connect(server).model("DogTag")
    for n in range(100):
        tags.put(delimited(1, b"k%03d" % n) + delimited(2, bytes([n]) * MIB))
    for options in (
        [("grpc.http2.lookahead_bytes", 16 << 10), ("grpc.http2.bdp_probe", 0)],
        [("grpc.http2.bdp_probe", 1)],
    ):
        database = factory.connect(server, options=options)
        stream = database.channel.unary_stream(STREAM)
        for _ in range(2):
            received = sum(len(message) for message in stream(query(begins_with="k"), timeout=60))
            assert received > 100 * MIB


def test_ten_thousand_short_calls_on_a_connection_are_answered(server, factory):
    get = factory.connect(server).channel.unary_unary(GET)
    for _ in range(100):
        calls = [get.future(query(eq="nobody"), timeout=30) for _ in range(100)]
        assert all(each.result() == b"" for each in calls)


def test_a_client_that_gives_back_every_frame_is_served(server):
    """Both windows are opened for each DATA frame, however small: 3,000 answers on one connection."""
    with Peer(server) as peer:
        peer.greet((INITIAL_WINDOW, 65_535))
        question = http2.frame(query(eq="nobody"))
        for stream in range(1, 6_001, 2):
            peer.send(call(peer, stream) + data(stream, question))
            answer = peer.until(lambda each: each.type == 0)
            peer.send(window(0, len(answer.payload)), window(stream, len(answer.payload)))
            peer.until(lambda each: each.type == HEADERS and each.flags & 1)
