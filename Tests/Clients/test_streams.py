"""Streams of many records: of one moment, as fast as their client reads, and at no cost of memory.

`SEANDB_LONG_TESTS` takes a million records in place of 200,000, longer pauses, and strict bounds on how long others
wait.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import time

import grpc
import pytest
from grpc import StatusCode

from conftest import DOG_SCHEMA, ServerFactory
from harness import http2, status
from harness.client import Database, delimited, query
from harness.frames import FrameClient
from harness.generated import Client
from harness.process import eventually, memory

MIB = 1 << 20
LONG = bool(os.environ.get("SEANDB_LONG_TESTS"))
RECORDS = 1_000_000 if LONG else 200_000
PAUSE = 30 if LONG else 2  # seconds
CALLS = 5_000 if LONG else 1_500
BUFFERED = ("--durability", "buffered")
STREAM = "/database.Database/StreamDogsByPk"
DESCENDING = 1


def key(number: int) -> str:
    return f"k{number:07d}"


def entry(number: int, age: int = 5) -> bytes:
    """A record as it is in a list."""
    pk, name = key(number).encode(), b"dog number %d" % number
    return delimited(1, delimited(1, pk) + delimited(2, name) + b"\x18%c" % age)


@pytest.fixture(scope="module")
def filled(create, tmp_path_factory, engine):
    """A data directory with all records, in tables; each test leaves it so."""
    factory = ServerFactory(tmp_path_factory.mktemp("streams"), engine)
    try:
        server = factory(create(DOG_SCHEMA), *BUFFERED)
        batch_put = factory.connect(server).stub("BatchPutDogs")
        pending = collections.deque()
        numbers = random.Random(1).sample(range(0, RECORDS, 5_000), RECORDS // 5_000)
        for start in numbers:
            body = b"".join(entry(number) for number in range(start, start + 5_000))
            pending.append(batch_put.future(body, timeout=60))
            if len(pending) > 6:
                pending.popleft().result()
        for call in pending:
            call.result()
    finally:
        factory.close()
    return factory.data


@pytest.fixture
def start(create, serve, filled):
    """Starts a server on the filled directory; gives it and a client."""

    def start(*flags, **options):
        creation = create(DOG_SCHEMA)
        server = serve(creation, *BUFFERED, *flags, data=filled)
        return server, Client(creation.out, serve.connect(server, **options).channel)

    return start


def numbers(answer) -> list[int]:
    return [int(each.pk[1:]) for each in answer.dogs]


def idle_memory(server) -> int:
    """Bytes in use; from here on `VmHWM` is the most since now, without what the start took (proc(5))."""
    pathlib.Path(f"/proc/{server.pid}/clear_refs").write_text("5")
    return memory(server)


def print_speed(what: str, count: int, byte_count: int, seconds: float):
    rate, speed = count / seconds, byte_count / seconds / 1e6
    print(f"{what}: {seconds:.2f} s, {rate:,.0f} records and {speed:.1f} MB a second")


@pytest.mark.timeout(240)
def test_a_stream_is_of_one_moment_and_costs_no_memory_though_its_client_pauses(start, seed):
    """In the middle the client stops reading, while others overwrite, delete and add records all over."""
    rng = random.Random(seed)
    # What the store keeps of the tables it read is the cache's matter, and has its own limit.
    server, client = start("--cache-size", "8M")
    assert client.GetDogsByPk(client.query(lt=key(1_000), count_only=True)).count == 1_000
    idle = idle_memory(server)
    at, byte_count, messages, touched, writing = 0, 0, 0, set(), 0.0
    began = time.monotonic()
    try:
        for message in client.StreamDogsByPk(client.query(begins_with="k"), timeout=200):
            assert numbers(message) == list(range(at, at + len(message.dogs)))
            assert {each.age for each in message.dogs} == {5}, "the stream met a later write"
            at += len(message.dogs)
            messages, byte_count = messages + 1, byte_count + message.ByteSize()
            assert bool(message.next_page_token) == (at < RECORDS)
            if not touched and at > RECORDS // 2:
                paused = time.monotonic()
                while time.monotonic() < paused + PAUSE:
                    touched |= write_somewhere(client, rng)
                    # A pause is time, and the memory that writes take is not what is measured.
                    time.sleep(PAUSE / 200)
                writing = time.monotonic() - paused
        assert at == RECORDS
        seconds = time.monotonic() - began - writing
        print_speed(f"streamed {messages} messages", at, byte_count, seconds)
        more = memory(server, "VmHWM") - idle
        print(f"idle {idle / MIB:.1f} MiB, at most {more / MIB:.1f} more; {len(touched)} records written")
        assert more < 64 * MIB
        # What was written is there afterwards.
        assert client.GetDogsByPk(client.query(begins_with="k", count_only=True)).count != RECORDS
    finally:
        restore(client, touched)


def write_somewhere(client, rng: random.Random) -> set[int]:
    """Overwrites and deletes some records and adds others beside them."""
    some = rng.sample(range(RECORDS), 60)
    dog = client.message("Dog")
    new = [dog(pk=key(number), age=99) for number in some[:40]]
    new += [dog(pk=key(number) + "x", age=99) for number in some[:20]]
    client.BatchPutDogs(client.message("Dogs")(dogs=new))
    client.DeleteDogsByPk(client.query(keys=[key(number) for number in some[40:]]))
    client.DeleteDogsByPk(client.query(eq=key(some[0])))
    return set(some)


def restore(client, touched: set[int]):
    touched = sorted(touched)
    dogs = client.message("Dogs")
    for at in range(0, len(touched), 1_000):
        some = touched[at : at + 1_000]
        client.DeleteDogsByPk(client.query(keys=[key(number) + "x" for number in some]))
        client.BatchPutDogs(dogs.FromString(b"".join(entry(number) for number in some)))
    assert client.GetDogsByPk(client.query(begins_with="k", count_only=True)).count == RECORDS


@pytest.mark.timeout(240)
@pytest.mark.parametrize("order", [0, DESCENDING], ids=["ascending", "descending"])
def test_pages_of_a_thousand_joined_are_all_records(start, order):
    _, client = start(receive_limit=4 << 20)
    fields = {"begins_with": "k", "page_size": 1_000, "order": order}
    all_numbers = range(RECORDS)[::-1] if order else range(RECORDS)
    at, byte_count = 0, 0
    began = time.monotonic()
    while True:
        answer = client.GetDogsByPk(client.query(**fields))
        assert numbers(answer) == list(all_numbers[at : at + 1_000])
        at, byte_count = at + 1_000, byte_count + answer.ByteSize()
        if not answer.next_page_token:
            break
        fields["page_token"] = answer.next_page_token
    assert at == RECORDS
    print_speed("in pages of 1000", at, byte_count, time.monotonic() - began)


class TestOthers:
    """Streams beside other calls and each other."""

    # A process of its own, which decodes nothing and takes 50 MB a second: what is measured is what the streams cost the
    # server, not how the machine's cores are shared.
    READER = """
import sys, time
from harness.client import Database, query
with Database(sys.argv[1]) as database:
    call = database.channel.unary_stream("/database.Database/StreamDogsByPk")
    streams = [call(query(begins_with="k"), timeout=300) for _ in range(100)]
    byte_counts, rounds = [0] * len(streams), 0
    while True:
        for n, stream in enumerate(streams):
            message = next(stream, None)
            byte_counts[n] += len(message or b"")
            time.sleep(0.005)
        if message is None:
            break
        rounds += 1
        if rounds == 1:
            print("started", flush=True)
    assert len(set(byte_counts)) == 1, byte_counts
    print("ended", rounds, byte_counts[0], flush=True)
"""

    @pytest.mark.timeout(280)
    def test_a_hundred_streams_at_once_do_not_hold_up_gets(self, start, seed):
        rng = random.Random(seed)
        server, client = start()

        def times(count: int) -> list[float]:
            found = []
            while len(found) < count:
                one = client.message("Dogs.Key")(pk=key(rng.randrange(RECORDS)))
                began = time.monotonic()
                client.GetDog(one)
                found.append(time.monotonic() - began)
            return found

        times(300)
        idle = idle_memory(server)
        reader = subprocess.Popen(
            [sys.executable, "-c", self.READER, server.address],
            cwd=pathlib.Path(__file__).parent,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        found = {signal.SIGSTOP: [], signal.SIGCONT: []}
        try:
            assert reader.stdout.readline() == "started\n"
            # In turns, so that whatever else the machine does is in both.
            for _ in range(10):
                for state, calls in found.items():
                    reader.send_signal(state)
                    times(20)
                    calls += times(CALLS // 10)
            assert reader.poll() is None, "the streams ended before the reads did: read fewer"
            ended = reader.stdout.readline()
            more = memory(server, "VmHWM") - idle
            assert ended.startswith("ended") and reader.wait(timeout=20) == 0
            print(f"streams: {ended}")
        finally:
            reader.kill()
            reader.wait()
            reader.stdout.close()
        alone, beside = (
            statistics.quantiles(calls, n=100)[-1] * 1_000 for calls in found.values()
        )
        print(f"p99 of Gets: {alone:.2f} ms while the streams rest, {beside:.2f} ms while they are read")
        print(f"at most {more / MIB:.1f} MiB more than before")
        assert beside < (2 * alone if LONG else 250)

    @pytest.mark.timeout(120)
    def test_a_look_up_on_the_disk_does_not_wait_for_long_reads(self, start, serve, seed):
        """Counts of everything, many more than threads, one after the other and all before the look-ups."""
        rng = random.Random(seed)
        server, client = start("--cache-size", "1M")
        count = serve.connect(server).stub("GetDogsByPk")
        counts = [count.future(query(begins_with="", count_only=True), timeout=100) for _ in range(40)]
        eventually(lambda: any(each.done() for each in counts), "a count", 60)
        for _ in range(5):
            one = rng.randrange(RECORDS)
            assert client.GetDog(client.message("Dogs.Key")(pk=key(one))).pk == key(one)
            page = client.GetDogsByPk(client.query(gte=key(one), page_size=20))
            assert numbers(page)[0] == one
        done = sum(each.done() for each in counts)
        assert done < 20, f"{done} counts went before ten short reads"
        answers = {each.result() for each in counts}
        [answer] = {client.message("Dogs").FromString(data).count for data in answers}
        assert answer == RECORDS

    def test_streams_that_nobody_reads_cost_little_and_hold_up_nobody(self, start):
        server, client = start()
        idle = idle_memory(server)
        with contextlib.ExitStack() as stack:
            for _ in range(10):
                other = stack.enter_context(FrameClient(server, stream_window=0))
                calls = [other.call(STREAM, query(begins_with="k"))[1] for _ in range(20)]
                other.send(b"".join(calls))
                other.ping()
            stream = client.StreamDogsByPk(client.query(begins_with="k"), timeout=60)
            assert sum(len(message.dogs) for message in stream) == RECORDS
            more = memory(server, "VmHWM") - idle
            print(f"200 streams that wait: {more / MIB:.1f} MiB more")
            assert more < 160 * MIB
        eventually(lambda: memory(server) < idle + 64 * MIB, "the streams' memory is given back")

    def test_a_window_of_few_bytes_is_enough(self, start):
        """Whatever room its client gives, a stream comes whole."""
        server, client = start()
        expected = b"".join(
            http2.frame(message.SerializeToString())
            for message in client.StreamDogsByPk(client.query(lt=key(20_000)))
        )
        for window in (1_000, 65_535, 1 << 20):
            with FrameClient(server, stream_window=window, credit=True) as other:
                received = other.answer(other.request(STREAM, query(lt=key(20_000))))
                assert received.fields["grpc-status"] == "0" and received.ended
                assert received.body == expected


class TestBroken:
    @pytest.mark.parametrize("order", [0, DESCENDING], ids=["ascending", "descending"])
    @pytest.mark.parametrize("restart", [False, True], ids=["", "after a restart"])
    def test_goes_on_with_its_token(self, start, order, restart):
        server, client = start()
        fields = {"begins_with": "k", "order": order}
        found = []
        for part in range(3):
            stream = client.StreamDogsByPk(client.query(**fields), timeout=60)
            for message in stream:
                found += numbers(message)
                fields["page_token"] = message.next_page_token
                if part < 2 and len(found) > RECORDS * (part + 1) // 3:
                    break
            assert bool(fields["page_token"]) == (part < 2)
            stream.cancel()
            if restart and part < 2:
                began = time.monotonic()
                server.stop()
                print(f"ended in {time.monotonic() - began:.2f} s")
                server, client = start()
        assert found == list(range(RECORDS)[::-1] if order else range(RECORDS))

    def test_by_kill_9_goes_on_with_its_token(self, start):
        server, client = start()
        stream = client.StreamDogsByPk(client.query(begins_with="k"), timeout=60)
        found = []
        with pytest.raises(grpc.RpcError) as raised:
            for message in stream:
                found += numbers(message)
                token = message.next_page_token
                if server.running:
                    server.kill()
        assert raised.value.code() == StatusCode.UNAVAILABLE
        assert len(found) < RECORDS and token
        _, client = start()
        for message in client.StreamDogsByPk(client.query(begins_with="k", page_token=token), timeout=60):
            found += numbers(message)
        assert found == list(range(RECORDS))


class TestEnds:
    """A stream that its client gives up leaves nothing behind, and does not hold up the server's end."""

    def assert_ends_quickly(self, server):
        began = time.monotonic()
        server.stop()
        seconds = time.monotonic() - began
        print(f"ended in {seconds:.2f} s")
        assert seconds < 5

    def streams(self, client, count: int, **options):
        """Streams of which one message was read."""
        streams = [client.StreamDogsByPk(client.query(begins_with="k"), **options) for _ in range(count)]
        for stream in streams:
            assert next(stream).dogs
        return streams

    def test_cancelled(self, start):
        server, client = start()
        idle = idle_memory(server)
        for _ in range(5):
            for stream in self.streams(client, 40):
                stream.cancel()
                assert stream.code() == StatusCode.CANCELLED
        assert client.GetDogsByPk(client.query(lt=key(10), count_only=True)).count == 10
        eventually(lambda: memory(server) < idle + 64 * MIB, "the streams' memory is given back")
        self.assert_ends_quickly(server)

    def test_by_a_deadline(self, start):
        server, client = start()
        streams = self.streams(client, 10, timeout=1.5)
        for stream in streams:
            eventually(lambda each=stream: not each.is_active(), "the deadline passes")
            with pytest.raises(grpc.RpcError) as raised:
                list(stream)
            assert raised.value.code() == StatusCode.DEADLINE_EXCEEDED
        assert client.GetDogsByPk(client.query(lt=key(10), count_only=True)).count == 10
        self.assert_ends_quickly(server)

    def test_by_leaving(self, start, create):
        server, _ = start()
        for _ in range(5):
            with Database(server.address) as database:
                self.streams(Client(create(DOG_SCHEMA).out, database.channel), 20)
        self.assert_ends_quickly(server)

    def test_by_the_end_of_the_server(self, start):
        """A client that reads gets an end that says so, also when another one has to leave first."""
        server, client = start()
        [stream] = self.streams(client, 1, timeout=60)
        with FrameClient(server, stream_window=0) as other:
            other.request(STREAM, query(begins_with="k"))
            other.ping()
            server.send()
            with pytest.raises(grpc.RpcError) as raised:
                for message in stream:
                    assert message.dogs
            failure = status.failure(raised.value)
            assert (failure.code, failure.reason) == (StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        began = time.monotonic()
        assert server.wait() == 0
        print(f"ended in {time.monotonic() - began:.2f} s")
