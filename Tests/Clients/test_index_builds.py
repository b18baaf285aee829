"""Indexes that are added to a model with records: built while others write, and over kill -9."""

from __future__ import annotations

import random
import types

import grpc
import pytest
from grpc import StatusCode

from conftest import ServerFactory
from harness import process, status
from harness.index_schemas import Index
from harness.index_tables import Table
from harness.pipeline import Pipeline

# The first 10,000 are built before a server listens.
COUNT = 20_000
SCHEMA = """\
syntax = "proto3";
package oracle;
import "seandb/options.proto";

message Item {
  option (seandb.model) = { INDEXES };
  string pk = 1;
  int32 number = 2;
  repeated string tags = 3;
  string mail = 4;
  optional double weight = 5;
}
"""
INDEXES = [
    Index((("number", False), ("weight", True))),
    Index((("tags", True),), include="number"),
    Index((("mail", False),), unique=True, sparse=True),
]


class Builds:
    """A server of many records, and what it should hold."""

    def __init__(self, serve: ServerFactory, rng: random.Random):
        self.serve, self.rng = serve, rng
        self.model = types.SimpleNamespace(
            name="Item", plural="Items", key=(("pk", False),), has_plain_key=True, indexes=[]
        )
        self.table = Table(self.model, "builds")
        self.server, self.mails = None, 0

    def start(self, indexes: list[Index]):
        self.model.indexes = indexes
        text = SCHEMA.replace("INDEXES", " ".join(f"index: {index.text()}" for index in indexes))
        schema = process.write_files(self.serve.directory, text) / "schema.proto"
        command = [process.binary(), "serve", schema]
        self.server = self.serve(None, "--durability", "buffered", command=command)
        self.table.connect(self.serve.connect(self.server))

    def kill(self):
        self.serve.forget(self.server)
        self.server.kill()

    def record(self, pk: str) -> bytes:
        rng, message = self.rng, self.table.message(pk=pk, number=self.rng.randrange(5))
        message.tags.extend(rng.choices(["", "a", "a\0", "b"], k=rng.choice([0, 1, 2, 3])))
        if rng.random() < 0.8:
            self.mails += 1
            message.mail = f"{self.mails}@example.com"
        if rng.random() < 0.8:
            message.weight = rng.choice([0.0, -1.5, 1e300])
        return message.SerializeToString()

    def fill(self):
        for start in range(0, COUNT, 5000):
            self.table.put([self.record(f"{n:06}") for n in range(start, start + 5000)], in_batch=True)

    def write(self):
        """Some writes on one connection, anywhere among the records; two exchange what is unique."""
        rng, table = self.rng, self.table
        calls, records = [], []
        for _ in range(10):
            records.append([self.record(f"{rng.randrange(COUNT + 50):06}") for _ in range(rng.choice([1, 5]))])
            calls.append(table.put_call(records[-1], in_batch=True))
        with Pipeline(self.server.host, self.server.port) as connection:
            assert connection.failures(connection.start(calls)) == [None] * len(calls)
        for each in records:
            table.rows |= {row.key: row for row in map(table.row, each)}
        if rng.random() < 0.5:
            rotated = [table.row(record) for record in table.rotated(rng)]
            table.call(*table.put_call([row.data for row in rotated], in_batch=True))
            table.rows |= {row.key: row for row in rotated}
        start = rng.randrange(COUNT)
        gone = [f"{n:06}" for n in range(start, start + rng.choice([1, 3]))]
        bounds = {"gte": gone[0], "lte": gone[-1]}
        request = table.database.message("oracle.IndexQuery")(range=bounds).SerializeToString()
        table.call(table.path("Delete", table.key), request)
        for pk in gone:
            table.rows.pop((pk.encode(),), None)

    def state(self, index) -> str:
        """The reason why an index does not answer; nothing when it does."""
        try:
            self.table.call(self.table.path("Get", index), self.table.request(index, [], page_size=1))
        except grpc.RpcError as error:
            failure = status.failure(error)
            assert failure.code == StatusCode.FAILED_PRECONDITION and failure.metadata["index"] == index.name
            status.assert_sentence(failure.message, index.name)
            if failure.reason == "INDEX_BUILDING":
                assert 0 <= int(failure.metadata["done"]) <= int(failure.metadata["total"]) + 100, failure
                assert "being built" in failure.message and failure.metadata["done"] in failure.message
            return failure.reason
        return ""

    def check(self):
        table = self.table
        table.check(table.key, [])
        for index in table.ready:
            table.check(index, [])
            table.check(index, [index.equal(index.columns[0], table.values, self.rng)], 1)


def is_building(builds: Builds) -> bool:
    return "INDEX_BUILDING" in [builds.state(index) for index in builds.table.indexes]


@pytest.mark.parametrize("kills", [0, 3])
def test_builds_beside_writers(serve, seed, kills):
    builds = Builds(serve, random.Random(seed))
    builds.start([])
    builds.fill()
    builds.server.stop()
    builds.start(INDEXES)
    for _ in range(kills):
        for _ in range(builds.rng.randrange(4)):
            builds.write()
        builds.kill()
        builds.start(INDEXES)
    while is_building(builds):
        builds.write()
    builds.write()
    assert [builds.state(index) for index in builds.table.indexes] == ["", "", ""]
    builds.check()


def test_a_value_that_is_there_twice_fails_a_build_beside_writers(serve, seed):
    builds = Builds(serve, random.Random(seed))
    builds.start([])
    builds.fill()
    table = builds.table
    twice = [table.message(pk=pk, mail="twice").SerializeToString() for pk in ("000001", "019999")]
    table.put(twice, in_batch=True)
    builds.server.stop()
    builds.start(INDEXES)
    while is_building(builds):
        builds.write()
    [mail] = [index for index in table.indexes if index.name == "mail"]
    row = table.rows.get((b"019999",)), table.rows.get((b"000001",))
    if all(each and each.message.mail == "twice" for each in row):
        assert [builds.state(index) for index in table.indexes] == ["", "", "INDEX_FAILED"]
        # Written as if it were not there, and built once the records allow it.
        table.failed = [mail]
        table.put([table.message(pk="000002", mail="twice").SerializeToString()], in_batch=False)
        table.put([table.message(pk="000001", mail="once").SerializeToString()], in_batch=False)
        table.put([table.message(pk="000002", mail="").SerializeToString()], in_batch=False)
    builds.server.stop()
    builds.start(INDEXES)
    while is_building(builds):
        builds.write()
    assert [builds.state(index) for index in table.indexes] == ["", "", ""]
    builds.check()
