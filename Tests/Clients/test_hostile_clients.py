"""Clients that mean harm, or only die at a bad time: nobody else's answer is lost, cut or late.

Every client here keeps to HTTP/2, which is what makes it hard: no frame can be refused as wrong.
"""

from __future__ import annotations

import contextlib
import pathlib
import signal
import time

import pytest
from hyperframe import frame as frames

from conftest import DOGS_AND_TAGS, ServerFactory
from harness import http2
from harness.client import delimited, listed, query
from harness.frames import DEFAULT_WINDOW, LARGEST_WINDOW, FrameClient
from harness.process import PATIENCE, eventually, memory, processor_time

PUT, GET, TAGS = (
    f"/database.Database/{name}" for name in ("PutDog", "GetDogsByPk", "GetDogTagsByPk")
)
STREAM_TAGS = "/database.Database/StreamDogTagsByPk"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
BUFFERED = ("--durability", "buffered")
MIB = 1 << 20
CANCEL = 8  # RFC 9113 §7

# A range of a few long records for answers of many bytes, one of many short ones for slow reads.
LONG = [delimited(1, b"k%02d" % n) + delimited(2, bytes([n]) * MIB) for n in range(30)]
SHORT = [delimited(1, b"k%06d" % n) for n in range(200_000)]


def long_answer(count: int) -> tuple[bytes, bytes]:
    """The request for the last `count` of the long records, and the body of its answer."""
    return query(gte=b"k%02d" % (len(LONG) - count)), http2.frame(listed(LONG[-count:]))


def assert_whole(received, body: bytes):
    assert received.ended and received.reset is None, received.fields
    assert received.fields.get("grpc-status") == "0", received.fields
    assert received.body == body, f"{len(received.body)} of {len(body)} bytes, or other ones"


def assert_serves(server):
    """A new client writes and reads."""
    with FrameClient(server) as client:
        record = delimited(1, b"after")
        assert_whole(client.answer(client.request(PUT, record)), http2.frame(b""))
        answer = client.answer(client.request(GET, query(eq="after")))
        assert_whole(answer, http2.frame(listed([record])))


@pytest.fixture(scope="module")
def filled(create, tmp_path_factory, engine):
    """A data directory with the long records as tags and the short ones as dogs."""
    factory = ServerFactory(tmp_path_factory.mktemp("filled"), engine)
    try:
        server = factory(create(DOGS_AND_TAGS), *BUFFERED, "--max-request-size", "64M")
        database = factory.connect(server)
        database.model("DogTag").batch_put(LONG)
        database.model("Dog").batch_put(SHORT)
    finally:
        factory.close()
    return factory.data


@pytest.fixture
def server(filled, create, tmp_path, engine):
    """A fresh server on the filled directory, which the next test takes over."""
    factory = ServerFactory(tmp_path, engine)
    try:
        yield factory(create(DOGS_AND_TAGS), *BUFFERED, data=filled)
    finally:
        factory.close()


@pytest.fixture
def dial(server):
    """Makes clients of the server that are closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(FrameClient(server, **options))


def greedy(dial, **options) -> FrameClient:
    """A client whose windows are never in the way."""
    return dial(stream_window=LARGEST_WINDOW, connection_window=LARGEST_WINDOW, **options)


# Answers are whole ---------------------------------------------------------------------------------


@pytest.mark.one_engine
@pytest.mark.parametrize("windows", [(MIB, 4 * MIB), (LARGEST_WINDOW, LARGEST_WINDOW)], ids=str)
def test_an_answer_is_whole_though_its_client_said_goodbye(dial, windows):
    """GOAWAY ends new calls, not those under way; the client's window updates go on after it."""
    question, body = long_answer(10)
    goodbye = frames.GoAwayFrame(0).serialize()
    for _ in range(4):
        client = dial(stream_window=windows[0], connection_window=windows[1], credit=True)
        stream, request = client.call(TAGS, question)
        client.send(request + goodbye)
        assert_whole(client.answer(stream), body)
        client.close()


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "count, pause, credit",
    [
        (5, 1.5, False),
        (5, 1.5, True),
        # So short that it fits into the sockets' buffers: the server has sent it all long before.
        (3, 2.5, False),
        (3, 2.5, True),
    ],
)
def test_an_answer_is_whole_though_the_server_is_told_to_end(server, dial, count, pause, credit):
    """The answer still lies in sockets when the server has nothing left to do but exit."""
    question, body = long_answer(count)
    # The windows are that large from the start, and yet a client may add to what it took from them.
    client = dial(
        stream_window=LARGEST_WINDOW - 8 * MIB,
        connection_window=LARGEST_WINDOW - 8 * MIB,
        credit=credit,
    )
    stream = client.request(TAGS, question)
    client.receive_until(lambda: client.streams[stream].begun)
    server.send(signal.SIGTERM)
    time.sleep(pause)  # of a busy reader
    assert_whole(client.answer(stream), body)
    client.close()
    assert server.wait(PATIENCE) == 0
    server.assert_no_crash()


@pytest.mark.parametrize("what", ["stream", "answer", "request"])
def test_a_client_that_stands_still_holds_a_drain_up_for_a_moment_only(server, dial, what):
    """It answers pings and takes nothing: not a word of a stream, of an answer, or it never ends its request."""
    client = dial(connection_window=LARGEST_WINDOW)
    if what == "stream":
        stream = client.request(STREAM_TAGS, query(begins_with=""))
    elif what == "answer":
        stream = client.request(TAGS, long_answer(10)[0])
    else:
        stream, head = client.open(PUT)
        half = http2.frame(delimited(1, b"k" * 100))[:50]
        client.send(head + frames.DataFrame(stream, half).serialize())
    if what != "request":
        client.receive_until(lambda: len(client.streams[stream].body) == DEFAULT_WINDOW)
    client.ping()
    server.send(signal.SIGTERM)
    began = time.monotonic()
    assert server.wait(PATIENCE) == 0
    # Five seconds and a little; 30 are for those who get on.
    assert 4 < time.monotonic() - began < 10
    server.assert_no_crash()


# Others are served ---------------------------------------------------------------------------------


def test_out_of_files_writes_go_on_and_the_processor_rests(create, serve):
    """Connections must neither take the files of the store's next log nor be accepted in a loop."""
    command = ["prlimit", "--nofile=64:64", create(DOGS_AND_TAGS).server]
    server = serve(None, *BUFFERED, command=command)
    tags = serve.connect(server).model("DogTag")
    tags.put(delimited(1, b"before"))
    with contextlib.ExitStack() as crowd:
        for _ in range(100):
            # Those beyond the limit may be closed before they have said hello.
            with contextlib.suppress(ConnectionError):
                crowd.enter_context(FrameClient(server))
        tags.put(delimited(1, b"among them"))
        spent = processor_time(server)
        time.sleep(1.0)  # what a loop would burn is seen over time only
        assert processor_time(server) - spent < 0.5
        logs = log_files(serve.data)
        payload = b"x" * (3 * MIB)
        for n in range(60):
            tags.put(delimited(1, b"k%03d" % n) + delimited(2, payload))
        assert log_files(serve.data) - logs, "no log was begun: the test writes too little"
    assert len(tags.get(eq="k059")) == 1

    def is_served() -> bool:
        try:
            assert_serves(server)
        except (ConnectionError, AssertionError):
            return False
        return True

    eventually(is_served, "a new client is served")


def log_files(data: pathlib.Path) -> set:
    return set(data.rglob("*.log"))


def test_reads_of_a_client_that_left_hold_up_nobody(server, dial):
    """Each of them takes a good part of a second; all of them wait for the same threads."""
    client = dial(stream_window=0)
    calls = [client.call(GET, query(gte=""))[1] for _ in range(150)]
    client.send(b"".join(calls))
    assert client.receive()
    client.close()
    other = dial()
    began = time.monotonic()
    # A range that begins in front of the last record only, and yet no point read.
    answer = other.answer(other.request(GET, query(gte=b"k%06d" % (len(SHORT) - 1))))
    assert time.monotonic() - began < 2.0
    assert_whole(answer, http2.frame(listed(SHORT[-1:])))


@pytest.mark.one_engine
def test_a_long_answer_does_not_starve_a_short_one_on_its_connection(dial):
    # A small buffer: what lies in the sockets already is in front of any other answer.
    client = greedy(dial, receive_buffer=64 << 10)
    question, body = long_answer(30)
    long = client.request(TAGS, question)
    client.receive_until(lambda: client.streams[long].body)
    short = client.request(GET, query(eq="k000007"))
    assert_whole(client.answer(short), http2.frame(listed([SHORT[7]])))
    assert len(client.streams[long].body) < len(body) // 2
    assert_whole(client.answer(long), body)


@pytest.mark.one_engine
def test_streams_opened_and_reset_harm_nobody(server, dial):
    """CVE-2023-44487. The server may tire of that connection, and of no other."""
    other = dial()
    assert_whole(other.answer(other.request(GET, query(eq="nobody"))), http2.frame(b""))
    client = dial()
    calls = [client.call(GET, query(gte="")) for _ in range(2_000)]
    began = processor_time(server)
    with contextlib.suppress(ConnectionError):
        for stream, call in calls:
            client.send(call + frames.RstStreamFrame(stream, error_code=CANCEL).serialize())
    assert_whole(other.answer(other.request(GET, query(eq="nobody"))), http2.frame(b""))
    client.close()
    assert_serves(server)
    assert processor_time(server) - began < 10


# Memory is bounded ---------------------------------------------------------------------------------


def ask_without_windows(
    dial, calls: int, headers: dict | None = None, question: bytes = long_answer(30)[0]
) -> FrameClient:
    """Asks for long answers and takes none of their bytes; comes back when all are decided on."""
    client = dial(stream_window=0)
    client.send(b"".join(client.call(TAGS, question, headers)[1] for _ in range(calls)))
    client.receive_until(lambda: all(s.begun or s.is_over for s in client.streams.values()))
    return client


@pytest.mark.one_engine
def test_answers_that_nobody_takes_are_bounded(server, dial):
    """80 answers of 30 MiB are 2.4 GB: some are kept, the others refused."""
    before = memory(server)
    client = ask_without_windows(dial, 80)
    kept = [stream for stream in client.streams.values() if not stream.ended]
    refused = [stream for stream in client.streams.values() if stream.ended]
    assert len(kept) >= 10 and {stream.fields["grpc-status"] for stream in refused} == {"8"}
    assert memory(server, "VmHWM") < 1_600_000_000
    # What is small, or a write, goes on.
    assert_serves(server)
    client.close()
    eventually(lambda: memory(server) < before + 200 * MIB, "the answers' memory is given back")
    question, body = long_answer(10)
    other = greedy(dial)
    assert_whole(other.answer(other.request(TAGS, question)), body)


def test_records_that_nobody_takes_are_bounded(server, dial):
    """1,800 answers of 1 MiB, each a single record."""
    for _ in range(2):
        ask_without_windows(dial, 900, question=query(eq="k07"))
    assert memory(server, "VmHWM") < 1_600_000_000


@pytest.mark.one_engine
def test_streams_that_nobody_takes_are_bounded(server, dial):
    """3,600 streams ask for a message of 1 MiB each before the first one is made."""
    before = memory(server)
    clients = []
    for _ in range(4):
        clients.append(dial(stream_window=0))
        calls = [clients[-1].call(STREAM_TAGS, query(begins_with=""))[1] for _ in range(900)]
        clients[-1].send(b"".join(calls))
        clients[-1].ping()
    eventually(lambda: memory(server) > before + 900 * MIB, "the memory for answers is spent")
    for _ in range(20):
        assert_serves(server)
    assert memory(server, "VmHWM") < 2_000_000_000
    # Another stream waits for its turn, and is whole.
    other = greedy(dial, credit=True)
    stream = other.request(STREAM_TAGS, query(begins_with="k0"))
    other.ping()
    for client in clients:
        client.close()
    received = other.answer(stream)
    assert received.fields.get("grpc-status") == "0"
    assert received.body.count(bytes([9]) * MIB) == 1 and len(received.body) > 10 * MIB
    eventually(lambda: memory(server) < before + 200 * MIB, "the streams' memory is given back")


@pytest.mark.one_engine
def test_answers_given_up_by_their_deadline_are_not_kept(server, dial):
    before = memory(server)
    client = ask_without_windows(dial, 10, {"grpc-timeout": "1S"})
    assert memory(server, "VmHWM") > before + 150 * MIB, "nothing was kept that could be given up"
    client.receive_until(lambda: all(s.is_over for s in client.streams.values()))
    assert not any(s.fields.get("grpc-status") == "0" for s in client.streams.values())
    eventually(lambda: memory(server) < before + 100 * MIB, "the answers' memory is given back")


@pytest.mark.one_engine
def test_reflection_for_a_client_that_takes_nothing_is_bounded(server, dial):
    """Short requests, answers fifty times as long."""
    before = memory(server)
    client = dial(stream_window=0)
    stream, begin = client.open(REFLECTION)
    client.send(begin)
    request = http2.frame(delimited(4, b"database.Database"))
    piece = frames.DataFrame(stream, request * (16_000 // len(request))).serialize()
    # The server may stop reading, or end the stream or the connection.
    with contextlib.suppress(OSError, AssertionError):
        for _ in range(100):
            client.send(piece * 4)
            # Its windows are open again. Any answer tells that; PINGs would be too many.
            client.answer(client.request("/nobody/nothing", b""))
    assert memory(server, "VmHWM") < 150 * MIB
    assert_serves(server)
    client.close()
    eventually(lambda: memory(server) < before + 30 * MIB, "the answers' memory is given back")
