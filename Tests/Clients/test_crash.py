"""kill -9 under load: what was acknowledged is there, and no batch or range delete is half there.

The oracle is outside: each worker owns a model, so that after a crash that model must be what
the worker's calls up to some one of them made, and no acknowledged call is after that one. With
one call in flight that leaves two states. With many on one connection it says more: calls of a
connection are stored in their order, so the crash keeps a prefix of them.

Memtables are so small that flushes and compactions are always under way.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import random
import re
import subprocess
import threading
import time

import grpc
import pytest

from conftest import DOG_SCHEMA
from harness import status
from harness.client import Database, delimited, listed, query
from harness.frames import FrameClient

CALLERS, STREAMERS = 3, 2
ROUNDS = int(os.environ.get("SEANDB_CRASH_ROUNDS", "20"))
SMALL = ("--memtable-size", "64K", "--cache-size", "1M")
MODELS = [f"Caller{n}" for n in range(CALLERS)] + [f"Streamer{n}" for n in range(STREAMERS)]
SCHEMA = 'syntax = "proto3";\npackage database;\n' + "".join(
    f"message {name} {{ string pk = 1; string text = 2; }}\n" for name in MODELS
)
KEYS = 40


@dataclasses.dataclass
class Call:
    """One write: what goes out, and what it does to what is stored."""

    method: str
    request: bytes
    puts: dict[str, bytes] = dataclasses.field(default_factory=dict)
    deletes: tuple[str, str] | None = None

    def apply(self, state: dict[str, bytes]):
        state.update(self.puts)
        if self.deletes:
            expression, bound = self.deletes
            is_gone = {
                "eq": lambda key: key == bound,
                "gte": lambda key: key >= bound,
                "lte": lambda key: key <= bound,
                "begins_with": lambda key: key.startswith(bound),
            }[expression]
            for key in [key for key in state if is_gone(key)]:
                del state[key]


class Worker:
    """One client with its own model, and what it knows for certain about it.

    `base` is the state after every acknowledged call; `sent` are the calls after it, oldest first.
    """

    def __init__(self, model: str, rng: random.Random):
        self.model, self.rng = model, rng
        self.base: dict[str, bytes] = {}
        self.sent: collections.deque[Call] = collections.deque()
        self.count = 0
        self.acknowledged = 0
        self.kept = 0

    # The sizes of texts and batches.
    texts, batches = [0, 10, 500], [2, 20, 300]

    def next_call(self) -> Call:
        self.count += 1
        choice, key = self.rng.random(), self.key()
        if choice < 0.35:
            record = self.record(key, 0)
            return Call(f"Put{self.model}", record, puts={key: record})
        if choice < 0.70:
            puts, items = {}, []
            for n in range(self.rng.choice(self.batches)):
                key = self.key() + (f"/{n}" if self.rng.random() < 0.5 else "")
                puts[key] = self.record(key, n)
                items.append(puts[key])
            return Call(f"BatchPut{self.model}s", listed(items), puts=puts)
        if choice < 0.85:
            deletes = "eq", key
        elif choice < 0.97:
            deletes = "begins_with", key[:1] if self.rng.random() < 0.3 else key
        else:
            # Most of the model, or nearly nothing of it.
            deletes = self.rng.choice(["gte", "lte"]), key
        request = query(**{deletes[0]: deletes[1]})
        return Call(f"Delete{self.model}sByPk", request, deletes=deletes)

    def key(self) -> str:
        return f"{self.rng.randrange(KEYS):02d}"

    def record(self, key: str, n: int) -> bytes:
        text = f"{self.count}.{n} " + "x" * self.rng.choice(self.texts)
        return delimited(1, key.encode()) + delimited(2, text.encode())

    def acknowledge(self, calls: int):
        """The oldest calls that were sent are stored."""
        for _ in range(calls):
            self.sent.popleft().apply(self.base)
        self.acknowledged += calls

    def verify(self, database: Database, said: str):
        found = database.model(self.model).get(begins_with="")
        possible, sizes = [None, *self.sent], []
        for number, call in enumerate(possible):
            if call is not None:
                call.apply(self.base)
            state = [self.base[key] for key in sorted(self.base, key=str.encode)]
            sizes.append(len(state))
            if found == state:
                self.kept += number
                self.sent.clear()
                return
        wrong = [item[:60] for item in found if item not in self.base.values()]
        raise AssertionError(
            f"{said}: {self.model} holds {len(found)} records, which is not what its acknowledged "
            f"calls made ({sizes[0]}), nor those and the next ones ({sizes[1:]}): "
            f"{[(c.method, c.deletes or list(c.puts)[:5]) for c in self.sent]}; "
            f"never the last of their key: {wrong[:5]}"
        )


class Caller(Worker):
    """grpcio, one call in flight; some records are larger than a whole memtable."""

    texts = [0, 10, 500, 500, 2_000, 100_000]

    def record(self, key: str, n: int) -> bytes:
        # One large record in a batch is enough.
        self.texts = Caller.texts if n == 0 else Caller.texts[:4]
        return super().record(key, n)

    def work(self, server, going: threading.Event):
        """Calls until the server is gone."""
        with Database(server.address) as database:
            try:
                while True:
                    call = self.next_call()
                    self.sent.append(call)
                    assert database.call(call.method, call.request) == b""
                    self.acknowledge(1)
                    going.set()
            except grpc.RpcError as error:
                # An answer of the server's own, such as READ_ONLY, is no crash.
                if status.DETAILS_KEY in dict(error.trailing_metadata() or ()):
                    raise
                if error.code() not in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.CANCELLED,
                    grpc.StatusCode.UNKNOWN,
                    grpc.StatusCode.INTERNAL,
                ):
                    raise


class Streamer(Worker):
    """Many calls in flight on one connection, in a certain order: written frame by frame."""

    batches = [2, 15]
    in_flight = 32

    def work(self, server, going: threading.Event):
        """Calls until the server is gone."""
        waiting: dict[int, int] = {}  # stream to number of the call
        sent = self.acknowledged + len(self.sent)
        try:
            with FrameClient(server, credit=True) as client:
                while True:
                    out = []
                    while len(waiting) < self.in_flight:
                        call = self.next_call()
                        stream, data = client.call(f"/database.Database/{call.method}", call.request)
                        self.sent.append(call)
                        sent += 1
                        waiting[stream] = sent
                        out.append(data)
                    client.send(b"".join(out))
                    if not client.receive():
                        return
                    for stream in [s for s in waiting if client.streams[s].is_over]:
                        answer = client.streams.pop(stream)
                        assert answer.fields.get("grpc-status") == "0", answer
                        number = waiting.pop(stream)
                        if number > self.acknowledged:
                            self.acknowledge(number - self.acknowledged)
                        going.set()
        except ConnectionError:
            pass


def run(worker: Worker, server, going: threading.Event, failures: list[BaseException]):
    """A worker's thread; pytest sees only what the main thread raises."""
    try:
        worker.work(server, going)
    except BaseException as failure:
        failures.append(failure)
        going.set()


def start_and_kill(creation, serve, flags, seconds: float):
    """A start that is cut off after so long."""
    command = [creation.server, "--engine", serve.engine, "--data", serve.data]
    starting = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        starting.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        pass
    starting.kill()
    starting.wait()


def highest_file_number(data) -> int:
    names = [path.name for path in (data / "store").iterdir()]
    matches = [re.fullmatch(r"(\d+)\.(log|sst|table)", name) for name in names]
    return max(int(match[1]) for match in matches if match)


@pytest.mark.timeout(60 + 12 * ROUNDS)
@pytest.mark.parametrize("durability", ["sync", "buffered"])
def test_kill_9_loses_nothing_acknowledged(create, serve, seed, durability):
    rng = random.Random(seed)
    creation, flags = create(SCHEMA), ("--durability", durability, *SMALL)
    kinds = [Caller] * CALLERS + [Streamer] * STREAMERS
    workers = [
        kind(model, random.Random(rng.randrange(2**32)))
        for kind, model in zip(kinds, MODELS, strict=True)
    ]
    server, opened, slowest = serve(creation, *flags), 0, 0.0
    for number in range(ROUNDS):
        failures: list[BaseException] = []
        going = [threading.Event() for _ in workers]
        threads = [
            threading.Thread(target=run, args=(worker, server, event, failures), daemon=True)
            for worker, event in zip(workers, going, strict=True)
        ]
        for thread in threads:
            thread.start()
        for event in going:
            assert event.wait(30), "a worker never had an answer"
        threading.Event().wait(rng.uniform(0.0, 0.4))  # the random moment
        server.kill()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        if failures:
            raise failures[0]

        if rng.random() < 0.3:
            start_and_kill(creation, serve, flags, rng.uniform(0.0, 0.1))
        began = time.monotonic()
        server = serve(creation, *flags)
        slowest = max(slowest, time.monotonic() - began)
        with Database(server.address) as database:
            for worker in workers:
                worker.verify(database, f"round {number}")
    server.stop()
    server = serve(creation, *flags)
    with Database(server.address) as database:
        for worker in workers:
            worker.verify(database, "after the last stop")
    server.stop()
    calls, files = sum(worker.acknowledged for worker in workers), highest_file_number(serve.data)
    kept = sum(worker.kept for worker in workers)
    print(
        f"{ROUNDS} kills, {calls} calls acknowledged and {kept} more kept, {durability}, "
        f"{files} files made, slowest restart {slowest:.2f} s"
    )
    assert calls > ROUNDS * len(workers)
    assert files > 4 * ROUNDS, "hardly anything was flushed: the memtables are too large"


def test_kill_9_in_the_middle_of_starting(create, serve, seed):
    """A start that is cut off at any moment leaves a directory that starts."""
    rng = random.Random(seed)
    creation = create(DOG_SCHEMA)
    server = serve(creation)
    dogs = serve.connect(server).model("Dog")
    batch = [delimited(1, b"k%05d" % n) for n in range(2_000)]
    dogs.batch_put(batch)
    server.kill()
    for _ in range(8):
        start_and_kill(creation, serve, (), rng.uniform(0.0, 0.05))
    assert serve.connect(serve(creation)).model("Dog").get(begins_with="") == batch
