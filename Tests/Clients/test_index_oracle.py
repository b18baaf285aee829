"""Indexes against an oracle: random schemas, random programs of all calls, each answer compared with what decoding,
filtering and sorting all records gives.

`SEANDB_ORACLE_PROGRAMS` says how many programs run on each engine. A failure prints how to replay it, the schema, and
the calls.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc import StatusCode

from conftest import ServerFactory
from harness import process, status
from harness.encodings import scrambled
from harness.index_schemas import Schema
from harness.index_tables import Answer, Row, Table, comparable, transact
from harness.pipeline import Pipeline

PROGRAMS = int(os.environ.get("SEANDB_ORACLE_PROGRAMS", "54"))
PROGRAMS_OF_A_SCHEMA = 9
FLAGS = ("--durability", "buffered")
# What is written leaves the memory soon, and has to be read again when it is overwritten.
SMALL = (*FLAGS, "--memtable-size", "64K", "--cache-size", "0")


class World:
    """A server of a random schema, and what it should hold."""

    def __init__(self, serve: ServerFactory, seed: int, schema=None, flags=FLAGS, padding: int = 0):
        self.serve, self.seed, self.flags = serve, seed, flags
        self.directory = serve.directory / f"world{seed}"
        self.schema = schema or Schema(random.Random(f"schema {seed}"))
        self.tables = [Table(model, f"{seed}", padding) for model in self.schema.models]
        self.trace: list[str] = []
        for table in self.tables:
            table.trace = self.trace
        self.server = None
        self.start()

    def start(self):
        """Serves the schema as it is now, and waits until its indexes are built."""
        files = self.schema.files()
        self.trace.append(f"serve\n{files['schema.proto']}")
        schema = process.write_files(self.directory, files) / "schema.proto"
        command = [process.binary(), "serve", schema]
        self.server = self.serve(None, *self.flags, data=self.directory / "data", command=command)
        database = self.serve.connect(self.server)
        for table in self.tables:
            table.connect(database)
            for index in table.indexes:
                self.wait(table, index)

    def wait(self, table: Table, index):
        """Until the index is ready; or failed, when and only when records have the same values."""
        conflicts = index.conflicts(table.rows)
        for _ in range(1000):
            try:
                table.call(table.path("Get", index), table.request(index, [], count_only=True))
            except grpc.RpcError as error:
                failure = status.failure(error)
                assert failure.code == StatusCode.FAILED_PRECONDITION, failure
                assert failure.metadata["index"] == index.name, failure
                if failure.reason == "INDEX_BUILDING":
                    time.sleep(0.01)
                    continue
                assert failure.reason == "INDEX_FAILED", failure
                assert conflicts, f"failed without a reason: {failure}"
                table.failed.append(index)
                return
            assert not conflicts, f"built, and these have the same values: {conflicts}"
            return
        raise AssertionError(f"index {index.name} is never built")

    def stop(self):
        """After it `verify` finds that records and entries agree."""
        self.server.stop()
        verified = process.run(process.binary(), "verify", self.directory / "data")
        assert verified.returncode == 0, verified

    def restart(self, rng: random.Random):
        """In good order, or by kill -9, which loses nothing either."""
        if rng.random() < 0.5:
            self.server.stop()
        else:
            self.serve.forget(self.server)
            self.server.kill()
        self.start()

    def change_schema(self, rng: random.Random):
        for table in self.tables:
            table.model.change(rng)
        self.restart(rng)

    def clear(self):
        for table in self.tables:
            if table.rows:
                table.delete_everything()


class Program:
    """Some 30 random calls and comparisons."""

    def __init__(self, world: World, rng: random.Random):
        self.world, self.rng = world, rng

    def run(self):
        rng = self.rng
        for _ in range(rng.randint(4, 10)):
            self.write(rng.choice(self.world.tables))
        kinds = [self.write] * 7 + [self.conditional] * 4 + [self.read] * 12 + [self.delete] * 2 + [self.pipeline, self.crowd]
        for _ in range(rng.randint(10, 20)):
            rng.choice(kinds)(rng.choice(self.world.tables))
        if rng.random() < 0.3:
            self.world.change_schema(rng)
        elif rng.random() < 0.2:
            self.world.restart(rng)
        for _ in range(rng.randint(5, 15)):
            rng.choice(kinds)(rng.choice(self.world.tables))
        for table in self.world.tables:
            table.check_all()
            for index in table.ready:
                table.check_in_parts(index, [], rng)

    def write(self, table: Table):
        rng = self.rng
        kind = rng.choice(["put", "put", "put", "change", "change", "batch", "batch", "rotate"])
        if kind == "put" or not table.rows:
            table.put([table.random_record(rng)], in_batch=False)
        elif kind == "change":
            table.put([table.changed(rng)], in_batch=False)
        elif kind == "batch":
            records = [table.random_record(rng) for _ in range(rng.randint(1, 6))]
            table.put(records + [rng.choice(records)] * rng.randint(0, 1), in_batch=True)
        elif records := table.rotated(rng):
            table.put(records, in_batch=True)

    def conditional(self, table: Table):
        if self.rng.random() < 0.4:
            transact(self.world.tables, self.rng)
        else:
            table.write(self.rng)

    def delete(self, table: Table):
        if self.rng.random() < 0.05:
            table.delete_everything()
        elif deletion := self.deletion(table):
            table.delete(*deletion)

    def deletion(self, table: Table):
        """An index and matches that a Delete takes."""
        rng = self.rng
        unique = [index for index in table.ready if index.index.unique]
        if not unique or rng.random() < 0.5:
            matches = table.key.random_matches(table.values, rng)
            return (table.key, matches) if matches else None
        index = rng.choice(unique)
        if table.rows and rng.random() < 0.6:
            row = rng.choice(list(table.rows.values()))
            entries = sorted(entry for entry in index.entries(row.message) if None not in entry)
            if entries and (matches := index.equal_to(rng.choice(entries), table.values)):
                return index, matches
        return index, [index.equal(column, table.values, rng) for column in index.columns]

    def read(self, table: Table):
        rng = self.rng
        if rng.random() < 0.1:
            return table.check_one(rng)
        index = rng.choice([table.key, *table.ready, *table.ready])
        matches = index.random_matches(table.values, rng)
        if index is table.key and not matches and table.model.has_plain_key:
            return table.check_all()
        table.check(index, matches, rng.randrange(2))
        table.check_in_parts(index, matches, rng)

    def pipeline(self, table: Table):
        """Writes that do not wait for each other: the server commits several at once, in their order."""
        calls, ends = self.writes(table)
        with Pipeline(self.world.server.host, self.world.server.port) as connection:
            for end, failure in zip(ends, connection.failures(connection.start(calls)), strict=True):
                end(failure)
        table.check_all()

    def crowd(self, table: Table):
        """The same on two connections: in whatever order, all indexes agree with what is there then."""
        sent = {row.data for row in table.rows.values()}
        host, port = self.world.server.host, self.world.server.port
        with Pipeline(host, port) as one, Pipeline(host, port) as other:
            calls = [self.writes(table, sent)[0] for _ in range(2)]
            streams = one.start(calls[0]), other.start(calls[1])
            for failure in one.failures(streams[0]) + other.failures(streams[1]):
                assert failure is None or failure.reason == "UNIQUE_VIOLATION", failure
        table.reload(sent)
        table.check_all()

    def writes(self, table: Table, sent: set[bytes] | None = None):
        """Calls, and for each what its end says."""
        rng, calls, ends = self.rng, [], []
        # Less than a window.
        while sum(len(request) for _, request in calls) < 32_000 and rng.random() < 0.9:
            deletion = self.deletion(table) if rng.random() < 0.2 else None
            if deletion:
                calls.append((table.path("Delete", deletion[0]), table.request(*deletion)))
                ends.append(functools.partial(self.deleted, table, deletion))
            else:
                records = [table.random_record(rng) for _ in range(rng.choice([1, 1, 1, 3]))]
                if sent is not None:
                    sent.update(records)
                calls.append(table.put_call(records, in_batch=len(records) > 1))
                ends.append(functools.partial(table.did_put, records))
            table.trace.append(f"at once: {calls[-1][0].rsplit('/')[-1]} {calls[-1][1].hex()[:4000]}")
        return calls, ends

    @staticmethod
    def deleted(table: Table, deletion, failure):
        assert failure is None, failure
        table.did_delete(*deletion)


def run_programs(serve: ServerFactory, seed: int, count: int, node: str):
    """Programs on one schema; says how to replay the last one when it fails."""
    world, number = None, 0
    try:
        world = World(serve, seed, None, *random.Random(seed).choice([(FLAGS, 0), (SMALL, 5000)]))
        for number in range(count):
            del world.trace[1:]
            world.clear()
            Program(world, random.Random(f"program {seed} {number}")).run()
        world.stop()
    except BaseException:
        print(f"replay with: SEANDB_SEED={seed} SEANDB_ORACLE_PROGRAMS={number + 1} pytest {node!r}")
        if world is not None:
            print("\n".join(world.trace))
        raise


@pytest.mark.timeout(120 + 5 * PROGRAMS)
def test_random_programs(serve, seed, request):
    """SEANDB_SEED replays it; the line that a failure prints replays its last schema alone."""
    for group in range(-(-PROGRAMS // PROGRAMS_OF_A_SCHEMA)):
        count = min(PROGRAMS_OF_A_SCHEMA, PROGRAMS - group * PROGRAMS_OF_A_SCHEMA)
        run_programs(serve, seed + group, count, request.node.nodeid)


def schema_of_many(rng: random.Random) -> Schema:
    """One model whose key has any number of values, and no value of an index is taken."""
    while True:
        schema = Schema(rng)
        [model, *_] = schema.models
        model.add_indexes(3, rng)
        shapes = {index.columns + (index.sparse,): index for index in model.indexes}
        if model.has_plain_key and any(map(model.has_elements, shapes.values())):
            model.indexes = [dataclasses.replace(index, unique=False) for index in shapes.values()]
            schema.models = [model]
            return schema


@pytest.mark.parametrize("flags, padding", [(FLAGS, 0), (SMALL, 5000)], ids=["small", "large"])
def test_many_records(serve, seed, flags, padding):
    """More than a read takes at once, and all its borders: SEANDB_SEED replays it."""
    rng = random.Random(seed)
    world = World(serve, seed, schema_of_many(rng), flags, padding)
    [table] = world.tables
    table.values.key_count = 600
    for _ in range(5):
        table.put([table.random_record(rng) for _ in range(100)], in_batch=True)
    for _ in range(40):
        index = rng.choice([table.key, *table.ready])
        matches = index.random_matches(table.values, rng)[: rng.choice([0, 1, 3])]
        if index is not table.key or matches:
            table.check(index, matches, rng.randrange(2))
            table.check_in_parts(index, matches, rng)
    world.restart(rng)
    table.check_all()


def test_reads_beside_writes(serve, seed):
    """An answer is of one moment: its records alone give the same answer. SEANDB_SEED replays what is written."""
    rng = random.Random(seed)
    world = World(serve, seed, None, SMALL, 3000)
    writers = Program(world, random.Random(f"writes {seed}"))
    is_over = threading.Event()

    def write():
        with Pipeline(world.server.host, world.server.port) as connection:
            while not is_over.is_set():
                calls, _ = writers.writes(writers.rng.choice(world.tables), set())
                connection.failures(connection.start(calls))

    pool = ThreadPoolExecutor(1)
    writing = pool.submit(write)
    try:
        for _ in range(150):
            table = rng.choice(world.tables)
            index = rng.choice([table.key, *table.ready, *table.ready])
            matches, order = index.random_matches(table.values, rng)[: rng.choice([0, 1, 3])], rng.randrange(2)
            if index is not table.key or matches:
                request = table.request(index, matches, order=order)
                rows = [table.row(each) for each in Answer.of(table.call(table.path("Get", index), request)).records]
                expected = index.answer({row.key: row for row in rows}, table.key, matches, order == 1)
                assert [row.key for row in rows] == [row.key for row in expected], (index.index, matches, order)
    finally:
        is_over.set()
        writing.result()
    for table in world.tables:
        table.reload(None)
        table.check_all()
    world.stop()


def in_other_bytes(table: Table, row: Row, rng: random.Random) -> bytes | None:
    """What decodes to the same: values that are replaced, also by another member of a oneof, fields in any order,
    messages in parts, numbers overlong or one by one. None when the parts came in an order that says something else.
    """
    before = table.message()
    set_fields = {field.name for field, _ in row.message.ListFields()}
    for field, value in table.message.FromString(table.random_record(rng)).ListFields():
        oneof = field.containing_oneof
        last = row.message.WhichOneof(oneof.name) if oneof is not None else field.name
        if field.is_repeated or last not in set_fields:
            continue
        if field.message_type is None:
            setattr(before, field.name, value)
        elif last != field.name:
            getattr(before, field.name).CopyFrom(value)
    parts = [before.SerializeToString(), row.message.SerializeToString()]
    data = b"".join(scrambled(part, table.message.DESCRIPTOR, rng) for part in parts)
    decoded = table.message.FromString(data)
    decoded.DiscardUnknownFields()
    return data if comparable(decoded) == comparable(row.message) else None


def test_the_same_records_in_other_bytes(serve, seed):
    """All indexes have the same entries, and a mask leaves the same of a record: SEANDB_SEED replays it."""
    rng, changed = random.Random(seed), 0
    for n in range(4):
        world = World(serve, seed + n)
        for table in world.tables:
            for _ in range(25):
                message = table.message.FromString(table.random_record(rng))
                message.DiscardUnknownFields()
                table.put([message.SerializeToString()], in_batch=False)
            before = table.keys()
            for row in list(table.rows.values()) * 6:
                if data := in_other_bytes(table, row, rng):
                    table.put([data], in_batch=False)
                    changed += 1
            # In other bytes, and with the same keys; `check_all` compares them with the oracle.
            assert table.keys() == before
            table.check_all()
            for index in table.indexes:
                table.check_in_parts(index, [], rng)
                table.check_in_parts(index, [], rng)
        world.stop()
    assert changed
