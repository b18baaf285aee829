"""A peer that holds much holds up nobody: connections, calls and memory are taken from those who hold the most."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time

import pytest
from hyperframe import frame as frames

from conftest import DOGS_AND_TAGS
from harness import http2
from harness.client import delimited, listed, query
from harness.crowd import burst, crowd, dial, hello, wait_for_ping
from harness.frames import DEFAULT_WINDOW, LARGEST_WINDOW, PREFACE, FrameClient
from harness.process import memory

PUT, GET, PUT_TAG, TAGS = (
    f"/database.Database/{name}"
    for name in ("PutDog", "GetDogsByPk", "PutDogTag", "GetDogTagsByPk")
)
BUFFERED = ("--durability", "buffered")
MIB = 1 << 20
# More than a server takes.
CROWD = 10_100


@pytest.fixture
def start(create, serve):
    return lambda *flags: serve(create(DOGS_AND_TAGS), *BUFFERED, *flags)


def data_frame(stream: int, data: bytes, *flags: str) -> bytes:
    return frames.DataFrame(stream, data, flags=flags).serialize()


# A full house --------------------------------------------------------------------------------------


@pytest.mark.one_engine
@pytest.mark.parametrize("first_bytes", [b"", PREFACE[:10]], ids=["silent", "half-open"])
def test_newcomers_are_served_in_a_full_house(start, first_bytes):
    server = start()
    with contextlib.ExitStack() as stack:
        busy, idle = (stack.enter_context(FrameClient(server)) for _ in range(2))
        stream, head = busy.open(PUT)
        body = http2.frame(delimited(1, b"busy"))
        busy.send(head + data_frame(stream, body[:4]))
        busy.ping()
        idle.answer(idle.request(GET, query(eq="nobody")))
        time.sleep(1.1)  # two looks: from now on it is without calls
        stack.enter_context(crowd(server, CROWD, first_bytes))
        for n in range(20):
            began = time.monotonic()
            with FrameClient(server) as client:
                answer = client.answer(client.request(PUT, delimited(1, b"new%d" % n)))
                assert answer.fields["grpc-status"] == "0"
            assert time.monotonic() - began < 1.0
        # On a slow machine those that came first have gone after their 10 s: the house is filled up again.
        end = time.monotonic() + 30
        while not select.select([idle.socket], [], [], 0)[0]:
            assert time.monotonic() < end, "the house was never full"
            stack.enter_context(crowd(server, 500, first_bytes))
        # Who had no call for longest was told so; who had one goes on.
        idle.receive_all()
        assert [goodbye[1:] for goodbye in idle.goodbyes] == [(0, b"too_many_connections")]
        busy.send(data_frame(stream, body[4:], "END_STREAM"))
        assert busy.answer(stream).fields["grpc-status"] == "0"
        assert not busy.goodbyes


@pytest.mark.one_engine
def test_connections_that_come_and_go_leave_nothing(start):
    server = start()
    first_bytes = hello(65_535)
    reset = struct.pack("ii", 1, 0)  # SO_LINGER: the close resets, and keeps no port busy

    def storm(count: int):
        for _ in range(count):
            with dial(server) as connection:
                connection.sendall(first_bytes)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)

    storm(500)
    before = memory(server)
    storm(20_000)
    assert memory(server) - before < 60 * MIB
    with FrameClient(server) as client:
        assert client.answer(client.request(GET, query(eq="nobody"))).fields["grpc-status"] == "0"


# Memory --------------------------------------------------------------------------------------------

# Nobody's call fails for longer than this because of what another connection holds.
LONGEST_FAILURE = 2.0


def hold(server, stack, first_bytes: bytes, calls: bytes) -> socket.socket:
    """A connection whose calls the server has taken in, and that reads nothing from then on."""
    connection = stack.enter_context(dial(server))
    connection.sendall(first_bytes + calls)
    wait_for_ping(connection)
    return connection


def call_once(client: FrameClient, path: str, message: bytes):
    """The answer to a call whose message may take more than one frame."""
    stream, head = client.open(path)
    body = http2.frame(message)
    parts = [body[at : at + 16384] for at in range(0, len(body), 16384)]
    data = [data_frame(stream, part) for part in parts[:-1]]
    client.send(head + b"".join([*data, data_frame(stream, parts[-1], "END_STREAM")]))
    return client.answer(stream)


def assert_others_get_on(server, path: str, message: bytes, seconds: float = 2.5):
    """New clients call for a while: some wait, and none is refused for long."""
    began = time.monotonic()
    answered, failing_since, longest = 0, None, 0.0
    while (now := time.monotonic()) < began + seconds or answered < 5 or failing_since is not None:
        assert now < began + 20, f"{answered} answered, failing since {failing_since}"
        with FrameClient(server, LARGEST_WINDOW, LARGEST_WINDOW) as client:
            answer = call_once(client, path, message)
        if answer.fields.get("grpc-status") == "0":
            answered += 1
            if failing_since is not None:
                longest = max(longest, time.monotonic() - failing_since)
            failing_since = None
        elif failing_since is None:
            failing_since = now
        time.sleep(0.02)
    print(f"{answered} answered, refused for {longest:.2f} s at most; memory {memory(server, 'VmHWM') >> 20} MiB")
    assert longest < LONGEST_FAILURE


@pytest.fixture
def tags(create, serve):
    """A server with four tags of 1 MiB and a dog of 3,900 bytes, and the request for all of the tags."""
    server = serve(create(DOGS_AND_TAGS), *BUFFERED, "--max-request-size", "16M")
    database = serve.connect(server)
    database.model("DogTag").batch_put(
        [delimited(1, b"k%d" % n) + delimited(2, bytes([n]) * MIB) for n in range(4)]
    )
    database.model("Dog").put(delimited(1, b"dog") + delimited(2, b"x" * 3900))
    return server, query(begins_with="k")


@pytest.mark.one_engine
@pytest.mark.parametrize("connections", [1, 12])
def test_answers_that_a_peer_does_not_take_refuse_nobody_elses(tags, connections):
    """720 answers of 4 MiB are 3 GB, three times what all answers may hold."""
    server, question = tags
    with contextlib.ExitStack() as stack:
        for _ in range(connections):
            hold(server, stack, hello(0), burst(TAGS, question, 720 // connections))
        assert_others_get_on(server, TAGS, question)
        assert memory(server, "VmHWM") < 1_700_000_000


@pytest.mark.one_engine
@pytest.mark.parametrize("connections", [1, 12])
def test_requests_that_a_peer_does_not_end_refuse_nobody_elses(tags, connections):
    """Each connection sends all that it may of 1,000 requests: 62 MB."""
    server, _ = tags
    head = hello(DEFAULT_WINDOW)
    part = burst(PUT_TAG, bytes(DEFAULT_WINDOW - 5), 1000, ends=False, length=271_828)
    with contextlib.ExitStack() as stack:
        for _ in range(connections):
            hold(server, stack, head, part)
        record = delimited(1, b"other") + delimited(2, b"x" * 60_000)
        assert_others_get_on(server, PUT_TAG, record)
        assert memory(server, "VmHWM") < 700_000_000


@pytest.mark.one_engine
def test_small_answers_that_are_not_taken_hold_little(tags):
    """1,024 answers of 3,900 bytes on each of 300 connections would be 1.2 GB."""
    server, _ = tags
    calls = burst(GET, query(eq="dog"), 1024)
    before = memory(server)
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            hold(server, stack, hello(0), calls)
        assert_others_get_on(server, GET, query(eq="dog"))
        assert memory(server, "VmHWM") - before < 300 * MIB


@pytest.mark.one_engine
def test_connections_that_were_busy_keep_little(tags):
    """1,024 calls at a time with answers of 15 KiB, all of them taken."""
    server, _ = tags
    with FrameClient(server) as client:
        dog = delimited(1, b"large") + delimited(2, b"x" * 15_000)
        assert client.answer(client.request(PUT, dog)).fields["grpc-status"] == "0"
    calls = burst(GET, query(eq="large"), 1024)
    window = frames.WindowUpdateFrame(0, window_increment=1 << 30).serialize()
    count = 40
    with contextlib.ExitStack() as stack:
        for n in range(count):
            connection = stack.enter_context(dial(server))
            connection.settimeout(10)
            connection.sendall(hello(1 << 20) + window + calls)
            received = 0
            while received < 1024 * 15_000:
                data = connection.recv(1 << 20)
                assert data
                received += len(data)
            if n == 0:
                before = memory(server)
        assert memory(server) - before < count * 3 * MIB


@pytest.mark.one_engine
def test_a_thousand_long_requests_of_one_connection_are_all_served(tags, serve):
    server, _ = tags
    database = serve.connect(server)
    put = database.stub("PutDogTag")
    body = delimited(2, b"x" * 271_800)
    calls = [put.future(delimited(1, b"t%04d" % n) + body, timeout=60) for n in range(1000)]
    assert [call.exception() for call in calls] == [None] * 1000
    assert memory(server, "VmHWM") < 900_000_000
