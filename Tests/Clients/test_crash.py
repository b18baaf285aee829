"""kill -9 under load: what was acknowledged is there, and no batch or range delete is half there.

The oracle stands outside: each worker owns a range of keys and has one call in flight, so that
after a crash its range must be exactly what was acknowledged, or that with the one call whole on
top.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading

import grpc
import pytest

from conftest import DOG_SCHEMA
from harness.client import Database, delimited

WORKERS = 4
ROUNDS = int(os.environ.get("SEANDB_CRASH_ROUNDS", "20"))


class Worker:
    """One client with its own keys, and what it knows for certain about them."""

    def __init__(self, number: int, rng: random.Random):
        self.prefix = f"w{number}/"
        self.rng = rng
        self.acknowledged: dict[str, bytes] = {}
        self.in_flight: dict[str, bytes] | None = None
        self.operation = None
        self.count = 0

    def next_operation(self):
        """A call and the state after it."""
        self.count += 1
        choice, after = self.rng.random(), dict(self.acknowledged)
        key = f"{self.prefix}{self.rng.randrange(40):02d}"
        if choice < 0.35:
            after[key] = self.record(key, 0)
            return ("put", after[key]), after
        if choice < 0.75:
            batch = []
            for n in range(self.rng.choice([2, 20, 300])):
                key = f"{self.prefix}{self.rng.randrange(40):02d}"
                key += f"/{n}" if self.rng.random() < 0.5 else ""
                after[key] = self.record(key, n)
                batch.append(after[key])
            return ("batch_put", batch), after
        if choice < 0.9:
            after.pop(key, None)
            return ("delete", {"eq": key}), after
        prefix = self.prefix + str(self.rng.randrange(4))
        after = {k: v for k, v in after.items() if not k.startswith(prefix)}
        return ("delete", {"begins_with": prefix}), after

    def record(self, key: str, n: int) -> bytes:
        text = f"{self.count}.{n} " + "x" * self.rng.choice([0, 10, 500])
        return delimited(1, key.encode()) + delimited(2, text.encode())

    def work(self, address: str, going: threading.Event):
        """Calls until the server is gone."""
        with Database(address) as database:
            dogs = database.model("Dog")
            try:
                while True:
                    self.operation, self.in_flight = self.next_operation()
                    name, argument = self.operation
                    if name == "delete":
                        dogs.delete(**argument)
                    else:
                        getattr(dogs, name)(argument)
                    self.acknowledged, self.in_flight = self.in_flight, None
                    going.set()
            except grpc.RpcError as error:
                if error.code() in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.CANCELLED,
                    grpc.StatusCode.UNKNOWN,
                    grpc.StatusCode.INTERNAL,
                ):
                    return
                raise

    def verify(self, database: Database, said: str):
        items = database.model("Dog").get(begins_with=self.prefix)

        def expected(state):
            return [state[key] for key in sorted(state, key=str.encode)]

        possible = [expected(self.acknowledged)]
        if self.in_flight is not None:
            possible.append(expected(self.in_flight))
        assert items in possible, (
            f"{said}: {self.prefix} holds {len(items)} records, which is neither the "
            f"{len(possible[0])} acknowledged nor those and {str(self.operation)[:200]}"
        )
        if items != possible[0]:
            self.acknowledged = self.in_flight
        self.in_flight = None


def run(worker: Worker, address: str, going: threading.Event, failures: list[BaseException]):
    """A worker's thread; pytest sees only what the main thread raises."""
    try:
        worker.work(address, going)
    except BaseException as failure:
        failures.append(failure)
        going.set()


@pytest.mark.timeout(60 + 6 * ROUNDS)
@pytest.mark.parametrize("durability", ["sync", "buffered"])
def test_kill_9_loses_nothing_acknowledged(create, serve, seed, durability):
    rng = random.Random(seed)
    creation = create(DOG_SCHEMA)
    workers = [Worker(n, random.Random(rng.randrange(2**32))) for n in range(WORKERS)]
    server = serve(creation, "--durability", durability)
    for number in range(ROUNDS):
        failures: list[BaseException] = []
        going = [threading.Event() for _ in workers]
        threads = [
            threading.Thread(
                target=run, args=(worker, server.address, event, failures), daemon=True
            )
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

        server = serve(creation, "--durability", durability)
        with Database(server.address) as database:
            for worker in workers:
                worker.verify(database, f"round {number}")
    calls = sum(worker.count for worker in workers)
    print(f"{ROUNDS} kills, {calls} calls, {durability}")
    assert calls > ROUNDS * WORKERS
    server.stop()


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
        starting = subprocess.Popen(
            [
                str(creation.server),
                "--engine",
                serve.engine,
                "--data",
                str(serve.data),
                "--listen",
                "127.0.0.1:0",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            starting.wait(timeout=rng.uniform(0.0, 0.05))
        except subprocess.TimeoutExpired:
            pass
        starting.kill()
        starting.wait()
    assert serve.connect(serve(creation)).model("Dog").get(begins_with="") == batch
