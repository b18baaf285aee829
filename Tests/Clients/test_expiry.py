"""Records that end by themselves: absent for every call at once, then deleted."""

from __future__ import annotations

import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

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
import "google/protobuf/timestamp.proto";
import "seandb/options.proto";

message Session {
  option (seandb.model) = {
    expires: "ends"
    index: {fields: "user"}
    index: {fields: "token", unique: true, sparse: true}
    index: {fields: "room", include: "user"}
  };
  string pk = 1;
  google.protobuf.Timestamp ends = 2;
  string user = 3;
  string token = 4;
  string room = 5;
}
message Lock {
  option (seandb.model) = {expires: "until"};
  string pk = 1;
  int64 until = 2;
  string owner = 3;
}
"""


def moment(seconds: float) -> dict:
    return {"seconds": int(seconds), "nanos": int(seconds % 1 * 1e9)}


class Sessions(Bank):
    def put(self, pk: str, ends: float | None, **fields):
        if ends is not None:
            fields["ends"] = moment(ends)
        self.database.call("PutSession", self.message("Session", pk=pk, **fields).SerializeToString())

    def get(self, method: str, request: bytes, kind: str = "Sessions"):
        return self.message(kind).FromString(self.database.call(method, request))

    def seen(self) -> list[set[str]]:
        """The keys that each way to read answers."""
        everything = query(begins_with="")
        found = [{each.pk for each in self.get("GetSessionsByPk", everything).sessions}]
        for index in ("User", "Token", "Room"):
            request = self.message(f"Sessions.By{index}").SerializeToString()
            found.append({each.pk for each in self.get(f"GetSessionsBy{index}", request).sessions})
        streamed = set()
        for chunk in self.database.channel.unary_stream("/bank.Database/StreamSessionsByPk")(everything):
            streamed |= {each.pk for each in self.message("Sessions").FromString(chunk).sessions}
        found.append(streamed)
        covered = self.message("Sessions.ByRoom", read_mask={"paths": ["pk", "user"]}).SerializeToString()
        found.append({each.pk for each in self.get("GetSessionsByRoom", covered).sessions})
        return found

    def counts(self) -> list[int]:
        requests = [("GetSessionsByPk", query(begins_with="", count_only=True))]
        for index in ("User", "Token", "Room"):
            request = self.message(f"Sessions.By{index}", count_only=True).SerializeToString()
            requests.append((f"GetSessionsBy{index}", request))
        return [self.get(method, request).count for method, request in requests]


def stored(data) -> str:
    """What verify says of a store, beside its server."""
    verified = process.run(process.binary(), "verify", data)
    assert verified.returncode == 0, verified
    return verified.stdout


@pytest.fixture
def sessions(create, serve):
    return Sessions(create(SCHEMA), serve)


def test_ends_for_every_call_at_once(sessions):
    now = time.time()
    end = now + 1.5
    sessions.put("short", end, user="ann", token="t1", room="a")
    sessions.put("long", now + 3600, user="ann", token="t2", room="a")
    sessions.put("never", None, user="bob", token="t3", room="b")
    sessions.put("zero", 0, user="bob", token="t4", room="b")
    every = {"short", "long", "never", "zero"}
    if time.time() < end - 0.5:
        assert sessions.seen() == [every] * 6
        assert sessions.counts() == [4] * 4
    etag = sessions.write("Session", check={"pk": "long"}, exists=True).etag
    assert etag
    time.sleep(max(0.0, end - time.time()))
    left = every - {"short"}
    assert sessions.seen() == [left] * 6
    assert sessions.counts() == [3] * 4
    with pytest.raises(grpc.RpcError) as caught:
        sessions.database.call("GetSession", sessions.message("Sessions.Key", pk="short").SerializeToString())
    assert status.failure(caught.value).reason == "RECORD_NOT_FOUND"
    by_token = sessions.message("Sessions.ByToken", token={"eq": "t1"}).SerializeToString()
    assert sessions.get("GetSessionsByToken", by_token).sessions == []
    assert sessions.refused("Session", update={"pk": "short", "user": "x"}).reason == "RECORD_NOT_FOUND"
    assert sessions.refused("Session", delete={"pk": "short"}, exists=True).reason == "RECORD_NOT_FOUND"
    sessions.write("Session", check={"pk": "short"}, exists=False)
    # Its key and its token are free.
    sessions.put("other", now + 3600, user="eve", token="t1")
    sessions.write("Session", put={"pk": "short", "user": "new"}, exists=False)
    assert sessions.seen()[0] == every | {"other"}


def test_deletes_what_has_ended(create, serve):
    data = serve.directory / "sessions"
    sessions = Sessions(create(SCHEMA), serve, data=data)
    now = time.time()
    for number in range(200):
        sessions.put(f"s{number}", now + 1 if number % 2 else now + 3600, user="u", token=f"t{number}", room="r")
    sessions.put("old", now - 1000, user="u", token="t0x")
    # 100 sessions, and the one that had ended when it was put, in four indexes.
    eventually(lambda: re.search(r"\b100 records", stored(data)), "the deletion of what has ended", patience=70)
    assert "with 400 entries" in stored(data)
    assert len(sessions.seen()[0]) == 100


def test_a_lock_is_taken_by_one_and_ends(sessions):
    """An integer field of seconds; the holder that dies loses it."""
    sessions.put("first", None)

    def take(owner: str, until: float) -> bool:
        try:
            sessions.write("Lock", put={"pk": "job", "until": int(until), "owner": owner}, exists=False)
            return True
        except grpc.RpcError as error:
            assert status.failure(error).reason == "RECORD_EXISTS"
            return False

    until = int(time.time()) + 2
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda number: take(f"o{number}", until), range(8))) == 1
        taken = []

        def wait(number: int):
            while time.time() < until + 10:
                if take(f"p{number}", time.time() + 3600):
                    taken.append((number, time.time()))
                    return
                if taken:
                    return
                time.sleep(0.01)

        list(pool.map(wait, range(8)))
    assert len(taken) == 1
    assert until <= taken[0][1] < until + 5


def test_what_ended_is_never_seen_again(create, serve, seed):
    """Readers beside writers and the sweeper: no answer has a record whose time was over when the call began."""
    sessions = Sessions(create(SCHEMA), serve, "--record-cache-size", "8M", "--cache-size", "64M")
    # Loads the schema, which threads must not do at once.
    sessions.put("first", None)
    stop = time.time() + 4
    failures = []

    def write(number: int):
        rng = random.Random(f"{seed} {number}")
        while time.time() < stop:
            pk, ends = f"s{rng.randrange(50)}", time.time() + rng.uniform(-0.2, 0.5)
            try:
                sessions.put(pk, ends, user=f"u{number}", token=f"{number}", room="r")
            except grpc.RpcError as error:
                if status.failure(error).reason != "UNIQUE_VIOLATION":
                    failures.append(str(error))

    def read(number: int):
        rng = random.Random(f"{seed} r{number}")
        requests = [
            ("GetSessionsByPk", query(begins_with="")),
            ("GetSessionsByPk", query(eq=f"s{rng.randrange(50)}")),
            ("GetSessionsByUser", b""),
            ("GetSessionsByRoom", b""),
            ("GetSessionsByToken", b""),
        ]
        while time.time() < stop:
            method, request = rng.choice(requests)
            begun = time.time()
            for each in sessions.get(method, request).sessions:
                end = each.ends.seconds + each.ends.nanos / 1e9
                if end and end < begun - 0.001:
                    failures.append(f"{method} answered {each.pk}, {begun - end} s after its end")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    threads += [threading.Thread(target=read, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:5]


def test_a_time_that_is_none_is_refused(sessions):
    failure = sessions.refused("Session", put={"pk": "a", "ends": {"seconds": 1, "nanos": -5}})
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_RECORD")
    assert failure.message == (
        "field `ends` of Session, which says when a record ends, has a value out of the range of its type: put "
        "another one"
    )


def test_records_that_are_there_end_when_the_schema_says_so(create, serve):
    """`check` warns of it, and an earlier schema hides them as well."""
    data = serve.directory / "sessions"
    before = SCHEMA.replace('expires: "ends"', 'plural: "Sessions"')
    plain = Sessions(create(before), serve, data=data)
    now = time.time()
    for number in range(50):
        plain.put(f"s{number}", now - 10 if number % 2 else now + 3600, user="u")
    assert len(plain.seen()[0]) == 50
    plain.server.stop()
    creation = create(SCHEMA)
    checked = process.run(process.binary(), "check", "--data", data, creation.schema)
    assert checked.returncode == 0, checked
    assert "warning: records of model Session end by `ends` now: those whose time has passed are deleted" in (
        checked.stdout + checked.stderr
    )
    sessions = Sessions(creation, serve, data=data)
    assert len(sessions.seen()[0]) == 25
    eventually(lambda: re.search(r"\b25 records", stored(data)), "the deletion of what has ended", patience=70)
