"""How connections are kept and let go of: PINGs of both sides, idle and old ones, a drain under load."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import grpc
import pytest
from hyperframe import frame as frames

from conftest import DOG_SCHEMA
from harness import http2
from harness.client import delimited, query
from harness.frames import LARGEST_WINDOW, FrameClient

PUT, GET, STREAM = (
    f"/database.Database/{name}" for name in ("PutDog", "GetDogsByPk", "StreamDogsByPk")
)
BUFFERED = ("--durability", "buffered")
ENHANCE_YOUR_CALM = 11  # RFC 9113 §7
EVERY_STREAM = 2**31 - 1
MIB = 1 << 20


@pytest.fixture
def start(create, serve):
    return lambda *flags: serve(create(DOG_SCHEMA), *BUFFERED, *flags)


# PINGs ---------------------------------------------------------------------------------------------


@pytest.mark.one_engine
def test_a_client_that_pings_too_often_is_told_so(start):
    with FrameClient(start()) as client:
        for _ in range(4):
            assert not client.goodbyes
            client.ping()
        client.receive_all()
        [(_, code, text)] = client.goodbyes
        assert (code, text) == (ENHANCE_YOUR_CALM, b"too_many_pings")


@pytest.mark.one_engine
def test_pings_beside_answers_are_no_strikes(start):
    with FrameClient(start()) as client:
        for _ in range(50):
            client.answer(client.request(GET, query(eq="nobody")))
            client.ping()
            client.ping()
        assert not client.goodbyes


@pytest.mark.one_engine
def test_a_download_by_a_client_that_measures_the_network_is_whole(serve, start):
    """gRPC's own client sends a PING for each burst of DATA, and here one for its keepalive all the time too."""
    server = start()
    put = serve.connect(server).model("Dog")
    dogs = [delimited(1, b"k%03d" % n) + delimited(2, bytes([n]) * MIB) for n in range(60)]
    for dog in dogs:
        put.put(dog)
    options = [
        ("grpc.http2.bdp_probe", 1),
        ("grpc.keepalive_time_ms", 100),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    database = serve.connect(server, options=options)
    stream = database.channel.unary_stream(STREAM)
    for _ in range(4):
        received = sum(len(message) for message in stream(query(begins_with="k"), timeout=60))
        assert received > 60 * MIB


@pytest.mark.one_engine
def test_a_silent_client_is_asked_and_a_dead_one_closed(serve, start):
    server = start("--keepalive-time", "1s", "--keepalive-timeout", "1s")
    database = serve.connect(server)
    assert database.call(GET, query(eq="nobody")) == b""
    with FrameClient(server) as alive, FrameClient(server) as dead:
        dead.answer(dead.request(GET, query(eq="nobody")))
        began = time.monotonic()
        alive.receive_until(lambda: alive.server_pings >= 4)  # and each is answered
        assert not alive.goodbyes
        # It has read nothing meanwhile, and answered nothing.
        assert time.monotonic() - began > 3
        dead.receive_all()
        assert [text for *_, text in dead.goodbyes] == [b"keepalive_timeout"]
        alive.answer(alive.request(GET, query(eq="nobody")))
    assert database.call(GET, query(eq="nobody")) == b""


# Idle and old connections --------------------------------------------------------------------------


@pytest.mark.one_engine
def test_an_idle_connection_is_let_go_of(start):
    with FrameClient(start("--max-connection-idle", "1s")) as client:
        client.answer(client.request(GET, query(eq="nobody")))
        began = time.monotonic()
        client.receive_all()
        assert 0.9 < time.monotonic() - began < 8
        (first, *_), (last, code, text) = client.goodbyes
        assert (first, last, code, text) == (EVERY_STREAM, 1, 0, b"max_idle")


@pytest.mark.one_engine
def test_no_call_is_lost_when_connections_grow_old(serve, start):
    server = start("--max-connection-age", "1s", "--max-connection-age-grace", "5s")
    database = serve.connect(server)
    model = database.model("Dog")
    put = 0
    until = time.monotonic() + 4
    while time.monotonic() < until:
        model.put(delimited(1, b"k%06d" % put))
        put += 1
    assert len(model.get(begins_with="k")) == put
    with FrameClient(server) as client:
        client.receive_all()
        assert [text for *_, text in client.goodbyes] == [b"", b"max_age"]


# Drain ---------------------------------------------------------------------------------------------


def test_a_drain_under_load_loses_no_call(create, serve, start):
    """What was answered is stored; what was not answered was not taken, and a client may send it again."""
    server = start()
    acknowledged, refused = set(), []
    lock = threading.Lock()

    def load(worker: int):
        database = serve.connect(server)
        put = database.channel.unary_unary(PUT)
        for n in range(1_000_000):
            calls = [(key, put.future(delimited(1, key), timeout=30)) for key in keys(worker, n)]
            for key, call in calls:
                failure = call.exception()
                with lock:
                    if failure is None:
                        acknowledged.add(key)
                    else:
                        refused.append((key, failure))
            if any(call.exception() for _, call in calls):
                return

    def keys(worker: int, n: int):
        return [b"%d-%06d-%d" % (worker, n, each) for each in range(16)]

    workers = [threading.Thread(target=load, args=(n,), daemon=True) for n in range(4)]
    for worker in workers:
        worker.start()
    time.sleep(1.0)  # of load
    server.send(signal.SIGTERM)
    for worker in workers:
        worker.join(30)
        assert not worker.is_alive()
    assert server.wait() == 0
    server.assert_no_crash()
    assert {failure.code() for _, failure in refused} == {grpc.StatusCode.UNAVAILABLE}
    stored = set()
    model = serve.connect(serve(create(DOG_SCHEMA), *BUFFERED)).model("Dog")
    for worker in range(4):
        stored |= {dog[2:] for dog in model.get(begins_with=str(worker))}
    assert len(acknowledged) > 100
    assert stored == acknowledged


@pytest.mark.one_engine
def test_calls_that_a_client_opens_until_it_has_read_the_goaway_are_served(start):
    server = start()
    with FrameClient(server, LARGEST_WINDOW, LARGEST_WINDOW) as client:
        held, head = client.open(PUT)
        client.send(head)
        client.answer(client.request(GET, query(eq="nobody")))
        server.send(signal.SIGTERM)
        time.sleep(0.5)  # it has not read, and goes on
        late = client.request(GET, query(eq="nobody"))
        assert client.answer(late).fields["grpc-status"] == "0"
        assert client.goodbyes[0][0] == EVERY_STREAM
        client.receive_until(lambda: len(client.goodbyes) == 2)
        assert client.goodbyes[1] == (late, 0, b"shutting_down")
        end = delimited(1, b"held")
        client.send(data_frame(held, http2.frame(end)))
        assert client.answer(held).fields["grpc-status"] == "0"
        client.receive_all()
    assert server.wait() == 0


@pytest.mark.one_engine
def test_a_drain_takes_no_longer_than_its_grace(start):
    server = start("--drain-grace", "1s")
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(FrameClient(server))
        _, head = client.open(PUT)
        client.send(head)
        client.answer(client.request(GET, query(eq="nobody")))
        began = time.monotonic()
        server.send(signal.SIGTERM)
        assert server.wait() == 0
        assert 0.9 < time.monotonic() - began < 4


@pytest.mark.one_engine
def test_a_client_that_does_not_close_its_side_holds_a_drain_up_for_a_second(start):
    server = start()
    with FrameClient(server) as client:
        client.answer(client.request(GET, query(eq="nobody")))
        began = time.monotonic()
        server.send(signal.SIGTERM)
        client.receive_all()
        assert server.wait() == 0
        assert time.monotonic() - began < 4


def data_frame(stream: int, data: bytes) -> bytes:
    return frames.DataFrame(stream, data, flags=["END_STREAM"]).serialize()
