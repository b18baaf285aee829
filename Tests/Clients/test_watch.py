"""Changes as they are made: nothing missing, nothing twice, over restarts and kill -9, however slow the reader is."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time

import grpc
import pytest
from grpc import StatusCode

from harness import process, status
from harness.client import query
from harness.process import eventually
from test_writes import Bank

SCHEMA = """\
syntax = "proto3";
package bank;
import "seandb/options.proto";

message Dog {
  option (seandb.model) = {
    watch: {with_old: true}
    index: {fields: "name"}
    expires: "until"
  };
  string pk = 1;
  string name = 2;
  int64 until = 3;
  bytes photo = 4;
}
message Cat {
  option (seandb.model) = {watch: {keep_bytes: 65536}};
  string pk = 1;
  string name = 2;
}
message Visit {
  option (seandb.model) = {key: "pet, -day", watch: {keys_only: true}};
  string pet = 1;
  int32 day = 2;
  string reason = 3;
}
message Fish { string pk = 1; }
"""
LONG = 60


class Zoo(Bank):
    def put(self, model: str, **fields):
        self.database.call(f"Put{model}", self.database.message(f"bank.{model}")(**fields).SerializeToString())

    def watch(self, model: str, **request) -> Watch:
        return Watch(self, model, request)

    def all_of(self, model: str) -> dict:
        found, token = {}, ""
        while True:
            answer = self.database.call(f"Get{model}sByPk", query(begins_with="", page_size=1000, page_token=token))
            page = self.message(f"{model}s").FromString(answer)
            found |= {each.pk: each for each in getattr(page, f"{model.lower()}s")}
            token = page.next_page_token
            if not token:
                return found


class Watch:
    """One call, read by whoever calls `next`."""

    def __init__(self, zoo: Zoo, model: str, request: dict):
        self.kind = zoo.database.message(f"bank.{model}s.Changes")
        message = zoo.message(f"{model}s.Watch", **request).SerializeToString()
        self.call = zoo.database.channel.unary_stream(f"/bank.Database/Watch{model}s")(message, timeout=LONG)

    def next(self):
        return self.kind.FromString(next(self.call))

    def until(self, count: int) -> list:
        """The next changes, at least so many."""
        changes = []
        while len(changes) < count:
            changes += self.next().changes
        return changes

    def failure(self) -> status.Failure:
        with pytest.raises(grpc.RpcError) as caught:
            while True:
                next(self.call)
        return status.failure(caught.value)


PUT, DELETE, EXPIRED = 0, 1, 2


@pytest.fixture
def zoo(create, serve):
    return Zoo(create(SCHEMA), serve)


def test_tells_what_was_changed(zoo):
    watch = zoo.watch("Dog", with_old=True)
    start = watch.next()
    assert (len(start.changes), start.more, start.initial_done) == (0, False, False)
    zoo.put("Dog", pk="a", name="Rex")
    zoo.write("Dog", update={"pk": "a", "name": "Max"})
    zoo.write("Dog", delete={"pk": "a"})
    zoo.put("Dog", pk="b", until=int(time.time()) + 1)
    zoo.put("Cat", pk="c")
    changes = watch.until(5)
    assert [(each.kind, each.key.pk, each.record.name, each.old.name) for each in changes] == [
        (PUT, "a", "Rex", ""),
        (PUT, "a", "Max", "Rex"),
        (DELETE, "a", "", "Max"),
        (PUT, "b", "", ""),
        (EXPIRED, "b", "", ""),
    ]
    assert [each.HasField("record") for each in changes] == [True, True, False, True, False]
    assert [each.HasField("old") for each in changes] == [False, True, True, False, True]
    # A transaction's changes come together, whatever is refused beside them.
    zoo.refused("Dog", put={"pk": "x"}, exists=True)
    request = zoo.message("Transaction", writes=[{"dog": {"put": {"pk": pk}}} for pk in "pqr"])
    zoo.database.call("Transact", request.SerializeToString())
    message = watch.next()
    assert [each.key.pk for each in message.changes] == ["p", "q", "r"] and not message.more
    # And those of a Delete of everything, each with its record.
    zoo.database.call("DeleteDogsByPk", query(begins_with=""))
    message = watch.next()
    assert [(each.kind, each.key.pk) for each in message.changes] == [(DELETE, pk) for pk in "pqr"]


def test_tells_it_at_once(zoo):
    """The thread that serves looks once a second, and is woken by each change before that."""
    watch = zoo.watch("Dog")
    watch.next()
    times = []
    for number in range(300):
        begun = time.monotonic()
        zoo.put("Dog", pk=f"d{number}")
        assert watch.until(1)[0].key.pk == f"d{number}"
        times.append(time.monotonic() - begun)
    times.sort()
    assert times[150] < 0.1, times[150]
    assert times[-4] < 0.9, times[-4:]


def test_keys_only_and_keys_of_columns(zoo):
    watch = zoo.watch("Visit", pk={"pet": {"eq": "rex"}})
    watch.next()
    for pet, day in [("rex", 3), ("tom", 4), ("rex", -5)]:
        zoo.database.call("PutVisit", zoo.message("Visit", pet=pet, day=day, reason="limps").SerializeToString())
    changes = watch.until(2)
    assert [(each.key.pet, each.key.day) for each in changes] == [("rex", 3), ("rex", -5)]
    assert "record" not in {field.name for field in changes[0].DESCRIPTOR.fields}


def test_all_records_then_every_change(zoo):
    for number in range(50):
        zoo.put("Dog", pk=f"d{number:02}", name="before")
    zoo.put("Dog", pk="past", until=5)
    watch = zoo.watch("Dog", initial=True)
    assert watch.next().SerializeToString() == b""
    records = []
    while True:
        message = watch.next()
        records += message.changes
        if message.initial_done:
            break
    assert [each.key.pk for each in records] == [f"d{number:02}" for number in range(50)]
    assert {each.record.name for each in records} == {"before"} and message.revision >= 51
    zoo.put("Dog", pk="new")
    assert watch.until(1)[0].key.pk == "new"


def test_goes_on_where_another_call_ended(create, serve):
    creation, data = create(SCHEMA), serve.directory / "zoo"
    zoo = Zoo(creation, serve, data=data)
    zoo.put("Dog", pk="a")
    watch = zoo.watch("Dog", after=0)
    watch.next()
    first = watch.next()
    assert [each.key.pk for each in first.changes] == ["a"]
    watch.call.cancel()
    zoo.put("Dog", pk="b")
    serve.forget(zoo.server)
    zoo.server.kill()
    zoo = Zoo(creation, serve, data=data)
    zoo.put("Dog", pk="c")
    watch = zoo.watch("Dog", after=first.revision)
    assert watch.next().revision == first.revision
    changes = watch.until(2)
    assert [each.key.pk for each in changes] == ["b", "c"]
    failure = zoo.watch("Dog", after=1 << 60).failure()
    assert (failure.code, failure.reason) == (StatusCode.OUT_OF_RANGE, "REVISION_UNKNOWN")
    assert int(failure.metadata["newest"]) > first.revision


def test_says_that_a_reader_is_too_late(zoo):
    start = zoo.watch("Cat").next().revision
    name = "x" * 1000
    for number in range(200):
        zoo.put("Cat", pk=f"c{number}", name=name)
    found = []

    def is_compacted():
        watch = zoo.watch("Cat", after=start)
        try:
            watch.next()
        except grpc.RpcError as error:
            found.append(status.failure(error))
            return True
        watch.call.cancel()
        return False

    eventually(is_compacted, "the trimming of old changes")
    assert (found[0].code, found[0].reason) == (StatusCode.OUT_OF_RANGE, "REVISION_COMPACTED")
    oldest = int(found[0].metadata["oldest"])
    assert start < oldest
    watch = zoo.watch("Cat", after=oldest)
    watch.next()
    kept = watch.until(1)
    assert 40 <= 200 - int(kept[0].key.pk[1:]) <= 70


def test_refuses_what_it_cannot_tell(zoo):
    for model, request, reason, words in [
        ("Cat", {"pk": {"eq": "a", "page_size": 5}}, "BAD_QUERY", "page_size"),
        ("Dog", {"pk": {}}, "BAD_QUERY", "expression"),
    ]:
        failure = zoo.watch(model, **request).failure()
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, reason)
        assert words in failure.message, failure.message
    call = zoo.database.channel.unary_stream("/bank.Database/WatchCats")
    for request, words in [(b"\x20\x01", "with_old"), (b"\x08\x01\x10\x01", "two starts"), (b"\x48\x01", "field 9")]:
        with pytest.raises(grpc.RpcError) as caught:
            next(call(request, timeout=LONG))
        failure = status.failure(caught.value)
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_WATCH")
        assert words in failure.message
    with pytest.raises(grpc.RpcError) as caught:
        next(zoo.database.channel.unary_stream("/bank.Database/WatchFishs")(b"", timeout=LONG))
    assert caught.value.code() == StatusCode.UNIMPLEMENTED


def test_a_slow_reader_costs_nothing_and_misses_nothing(zoo):
    """It reads one message, then nothing until 64 MB of changes are there."""
    watch = zoo.watch("Dog")
    watch.next()
    photo = random.Random(5).randbytes(100_000)
    before = process.memory(zoo.server)
    count = 640
    for number in range(count):
        zoo.put("Dog", pk=f"{number:04}", photo=photo)
    grown = process.memory(zoo.server) - before
    # The memtable of the store is a part of it.
    assert grown < 300 << 20, grown
    assert [each.key.pk for each in watch.until(count)] == [f"{number:04}" for number in range(count)]


class Follower(threading.Thread):
    """Keeps a copy of a model; stops, cancels and goes on as it likes, over servers that are killed."""

    def __init__(self, number: int, seed: str):
        super().__init__()
        self.random = random.Random(f"{seed} follower {number}")
        self.copy: dict = {}
        self.seen: list = []
        self.revision = None
        self.zoo = None
        self.failures: list = []
        self.is_ended = False
        self.goal = None

    def run(self):
        try:
            while not self.is_ended:
                self.follow()
        except Exception as error:  # noqa: BLE001
            self.failures.append(repr(error))

    def follow(self):
        zoo = self.zoo
        request = {"initial": True} if self.revision is None else {"after": self.revision}
        if self.revision is None:
            self.copy = {}
        pending = []
        try:
            watch = zoo.watch("Dog", **request)
            while True:
                message = watch.next()
                pending += message.changes
                if self.revision is None and not message.initial_done or message.more:
                    continue
                for change in pending:
                    if change.kind == PUT:
                        self.copy[change.key.pk] = change.record
                    else:
                        self.copy.pop(change.key.pk, None)
                if self.revision is not None:
                    assert message.revision >= self.revision
                self.revision = message.revision
                pending = []
                if self.goal is not None and self.revision >= self.goal:
                    self.is_ended = True
                    watch.call.cancel()
                    return
                if self.random.random() < 0.02:
                    time.sleep(self.random.random() * 0.05)
                if self.random.random() < 0.02 and self.goal is None:
                    watch.call.cancel()
                    return
        except grpc.RpcError as error:
            if error.code() not in (StatusCode.UNAVAILABLE, StatusCode.CANCELLED):
                raise
            time.sleep(0.05)


def test_copies_are_the_store_whatever_dies(create, serve, seed):
    """SEANDB_SEED replays what is written and when readers stop, not when the server dies."""
    creation, data = create(SCHEMA), serve.directory / "zoo"
    followers = [Follower(number, f"{seed}") for number in range(4)]
    rounds = 5
    revisions = []
    for number in range(rounds + 1):
        zoo = Zoo(creation, serve, "--memtable-size", "64K", data=data)
        zoo.message("Dog")
        for follower in followers:
            follower.zoo = zoo
            if number == 0:
                follower.start()
        revisions.append(zoo.watch("Dog").next().revision)
        if number == rounds:
            break
        rng = random.Random(f"{seed} {number}")
        for _ in range(150):
            pk = f"d{rng.randrange(60)}"
            match rng.randrange(5):
                case 0:
                    zoo.write("Dog", delete={"pk": pk})
                case 1:
                    dogs = [{"pk": f"d{rng.randrange(60)}", "name": f"b{number}"} for _ in range(20)]
                    zoo.database.call("BatchPutDogs", zoo.message("Dogs", dogs=dogs).SerializeToString())
                case 2:
                    zoo.put("Dog", pk=pk, name="short", until=int(time.time()) + rng.randrange(1, 3))
                case 3 if rng.randrange(20) == 0:
                    zoo.database.call("DeleteDogsByPk", query(begins_with="d1"))
                case _:
                    zoo.put("Dog", pk=pk, name=f"n{rng.randrange(9)}", photo=rng.randbytes(rng.randrange(3000)))
        serve.forget(zoo.server)
        zoo.server.kill()
    assert revisions == sorted(set(revisions))
    # What ends by itself has ended.
    time.sleep(2.5)
    zoo.put("Dog", pk="last")
    eventually(lambda: "0 problems" in process.run(process.binary(), "verify", data).stdout, "verify")
    goal = zoo.watch("Dog").next().revision
    for follower in followers:
        follower.goal = goal
    zoo.put("Dog", pk="last", name="very")
    for follower in followers:
        follower.join(LONG)
        assert not follower.is_alive() and follower.failures == [], follower.failures
    # It is not the same to all of them: each stops after the goal.
    stored = zoo.all_of("Dog")
    for copy in [stored, *(follower.copy for follower in followers)]:
        del copy["last"]
    # Messages of two servers are of two descriptors.
    stored = {pk: record.SerializeToString() for pk, record in stored.items()}
    for follower in followers:
        assert {pk: record.SerializeToString() for pk, record in follower.copy.items()} == stored
    zoo.server.stop()
    verified = process.run(process.binary(), "verify", data)
    assert verified.returncode == 0 and "changes" in verified.stdout, verified


def test_watching_needs_the_right_to_read(create, serve, tmp_path):
    made = process.run(process.binary(), "token", "create", "reader", "--roles", "reader")
    token, _, table = made.stdout.split("\n", 2)
    access = tmp_path / "access.toml"
    access.write_text('[[role]]\nname = "reader"\nallow = ["Cat: read"]\n\n' + table)
    zoo = Zoo(create(SCHEMA), serve, "--access", access)
    headers = [("authorization", f"Bearer {token}")]
    call = zoo.database.channel.unary_stream
    assert next(call("/bank.Database/WatchCats")(b"", timeout=LONG, metadata=headers)) is not None
    for method in ("WatchDogs", "WatchVisits"):
        with pytest.raises(grpc.RpcError) as caught:
            next(call(f"/bank.Database/{method}")(b"", timeout=LONG, metadata=headers))
        assert caught.value.code() == StatusCode.PERMISSION_DENIED


def test_grpcurl_shows_changes(zoo):
    """As a newcomer looks at it."""
    tools = os.path.dirname(sys.executable)
    command = [f"{tools}/grpcurl", "-plaintext", "-d", "{}", zoo.server.address, "bank.Database.WatchDogs"]
    call = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        decoder, text = json.JSONDecoder(), ""
        while True:
            text += call.stdout.readline()
            try:
                decoder.decode(text)
                break
            except ValueError:
                continue
        zoo.put("Dog", pk="a", name="Rex")
        text = ""
        while True:
            text += call.stdout.readline()
            try:
                message = decoder.decode(text)
                break
            except ValueError:
                continue
        assert message["changes"] == [{"key": {"pk": "a"}, "record": {"pk": "a", "name": "Rex"}}]
    finally:
        call.terminate()
        call.wait(LONG)
