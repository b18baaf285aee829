"""Writes with conditions, as clients make them: by grpcio, with what is there told when a condition does not hold."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc import StatusCode

from harness import status
from harness.client import delimited, query, records
from harness.generated import Client

SCHEMA = """\
syntax = "proto3";
package bank;
import "seandb/options.proto";

message Account {
  string pk = 1;
  int64 cents = 2;
  string owner = 3;
}
message Visit {
  option (seandb.model) = {key: "pet, day", index: {fields: "room", unique: true, sparse: true}};
  string pet = 1;
  int32 day = 2;
  string room = 3;
  repeated string notes = 4;
}
"""
FLAGS = ("--durability", "buffered")


class Bank:
    def __init__(self, creation, serve, *flags, **more):
        self.server = serve(creation, *FLAGS, *flags, **more)
        self.database = serve.connect(self.server)

    def message(self, name: str, **fields):
        return self.database.message(f"bank.{name}")(**fields)

    def write(self, model: str, **fields):
        request = self.message(f"{model}s.Write", **fields).SerializeToString()
        answer = self.database.call(f"Write{model}", request)
        return self.database.message(f"bank.{model}s.Written").FromString(answer)

    def refused(self, model: str, **fields) -> status.Failure:
        with pytest.raises(grpc.RpcError) as caught:
            self.write(model, **fields)
        return status.failure(caught.value)


@pytest.fixture
def bank(create, serve):
    return Bank(create(SCHEMA), serve)


def test_a_call_with_a_request_id_is_made_once(bank):
    first = bank.write("Account", put={"pk": "a", "cents": 5}, exists=False, request_id="r1", returning="NEW")
    assert bank.write("Account", put={"pk": "a", "cents": 5}, exists=False, request_id="r1", returning="NEW") == first
    bank.write("Account", delete={"pk": "a"}, request_id="r2")
    bank.write("Account", put={"pk": "a", "cents": 7})
    assert bank.write("Account", delete={"pk": "a"}, request_id="r2").etag == ""
    assert bank.write("Account", check={"pk": "a"}, exists=True, returning="NEW").record.cents == 7
    # What the first one was answered is no answer to these.
    for model, fields in [
        ("Account", {"put": {"pk": "a"}}),
        ("Visit", {"put": {"pet": "rex", "day": 1}, "returning": "NEW"}),
    ]:
        failure = bank.refused(model, request_id="r1", **fields)
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
        assert failure.metadata == {"requestId": "r1"}
    # What failed is tried again.
    assert bank.refused("Account", put={"pk": "a"}, exists=False, request_id="r3").reason == "RECORD_EXISTS"
    bank.write("Account", delete={"pk": "a"})
    assert bank.write("Account", put={"pk": "a"}, exists=False, request_id="r3").etag



def test_a_condition_that_does_not_hold_says_what_is_there(bank):
    first = bank.write("Account", put={"pk": "a", "cents": 5}, exists=False)
    failure = bank.refused("Account", put={"pk": "a", "cents": 6}, exists=False)
    assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "RECORD_EXISTS")
    assert failure.metadata == {"model": "bank.Account", "key": "a", "etag": first.etag}
    second = bank.write("Account", update={"pk": "a", "cents": 7}, etag=first.etag)
    assert second.etag != first.etag
    failure = bank.refused("Account", delete={"pk": "a"}, etag=first.etag)
    assert (failure.code, failure.reason) == (StatusCode.ABORTED, "ETAG_MISMATCH")
    assert failure.metadata == {"model": "bank.Account", "key": "a", "etag": second.etag}
    assert failure.message == (
        f'the Account with the pk "a" has another etag, {second.etag}: it was changed since it was read; nothing was '
        "changed. Read it again, then try again"
    )
    # With what the failure says a client goes on.
    assert bank.write("Account", delete={"pk": "a"}, etag=failure.metadata["etag"]).etag == ""
    failure = bank.refused("Account", delete={"pk": "a"}, etag=second.etag)
    assert (failure.code, failure.reason) == (StatusCode.NOT_FOUND, "RECORD_NOT_FOUND")


def test_the_etag_is_that_of_reads_and_of_plain_puts(bank):
    record = bank.message("Account", pk="a", cents=5)
    bank.database.model("Account").put(record.SerializeToString())
    answer = bank.database.call("GetAccountsByPk", query(eq="a", with_etags=True))
    [etag] = bank.message("Accounts").FromString(answer).etags
    written = bank.write("Account", check={"pk": "a"}, etag=etag, returning="NEW")
    assert (written.etag, written.record) == (etag, record)
    # The same bytes have the same etag.
    assert bank.write("Account", put=record).etag == etag


def test_keys_of_several_fields_and_unique_indexes(bank):
    key = {"pet": "rex", "day": 3}
    bank.write("Visit", put={**key, "room": "one"}, exists=False)
    failure = bank.refused("Visit", put={"pet": "tom", "day": 3, "room": "one"})
    assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "UNIQUE_VIOLATION")
    bank.write("Visit", put={"pet": "tom", "day": 3, "room": "two"})
    failure = bank.refused("Visit", update={"pet": "tom", "day": 3, "room": "one"})
    assert failure.reason == "UNIQUE_VIOLATION"
    bank.write("Visit", update={**key, "notes": ["n"]}, update_mask={"paths": ["room", "notes"]})
    bank.write("Visit", update={"pet": "tom", "day": 3, "room": "one"})
    failure = bank.refused("Visit", delete={"pet": "rex", "day": 4}, exists=True)
    assert failure.metadata == {"model": "bank.Visit", "key": 'pet "rex", day 4'}
    left = bank.write("Visit", delete=key, returning="OLD").record
    assert (left.room, list(left.notes)) == ("", ["n"])


def test_a_record_of_a_megabyte_is_written_and_updated(bank):
    big = {"pk": "big", "owner": "x" * (1 << 20)}
    etag = bank.write("Account", put=big, exists=False).etag
    written = bank.write("Account", update={"pk": "big", "cents": 1}, etag=etag, returning="NEW")
    assert (written.record.cents, written.record.owner) == (1, big["owner"])


def test_an_update_makes_no_record_that_is_too_large(create, serve):
    bank = Bank(create(SCHEMA), serve, "--max-request-size", "1M")
    # The field that this schema does not know stays.
    record = bank.message("Account", pk="a").SerializeToString() + delimited(1000, b"y" * 100_000)
    bank.database.model("Account").put(record)
    failure = bank.refused("Account", update={"pk": "a", "owner": "x" * 1_000_000})
    assert (failure.code, failure.reason) == (StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE"), failure
    assert failure.metadata["limitBytes"] == str(1 << 20), failure
    assert records(bank.database.call("GetAccountsByPk", query(eq="a"))) == [record]


def test_an_update_that_an_index_cannot_have_is_refused(bank):
    bank.write("Visit", put={"pet": "rex", "day": 1, "room": "one"})
    failure = bank.refused("Visit", update={"pet": "rex", "day": 1, "room": "x" * 5000})
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INDEX_KEY_TOO_LONG"), failure
    assert failure.message.startswith("after the update: field `room` of Visit"), failure


def test_no_transfer_is_lost_when_many_compare_and_swap(bank, seed):
    """Money moves between accounts by reading and writing with etags; of two that collide one tries again."""
    names = [f"a{n}" for n in range(4)]
    for name in names:
        bank.write("Account", put={"pk": name, "cents": 1000})

    def add(name: str, cents: int):
        while True:
            answer = bank.database.call("GetAccountsByPk", query(eq=name, with_etags=True))
            found = bank.message("Accounts").FromString(answer)
            try:
                changed = {"pk": name, "cents": found.accounts[0].cents + cents}
                return bank.write("Account", update=changed, etag=found.etags[0])
            except grpc.RpcError as error:
                assert status.failure(error).reason == "ETAG_MISMATCH"

    def move(number: int):
        rng = random.Random(f"{seed} {number}")
        for _ in range(40):
            source, target = rng.sample(names, 2)
            add(source, -1)
            add(target, 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(move, range(8)))
    found = bank.message("Accounts").FromString(
        bank.database.call("GetAccountsByPk", query(begins_with="a"))
    )
    assert sum(account.cents for account in found.accounts) == 4000


def test_a_generated_client(create, serve):
    creation = create(SCHEMA)
    client = Client(creation.out, serve.connect(serve(creation, *FLAGS)).channel)
    Account, Accounts = client.message("Account"), client.message("Accounts")
    for cents in range(1, 4):
        request = client.message("Accounts.Write")(
            put=Account(pk="a", cents=cents), returning=client.message("Accounts.Write").OLD
        )
        written = client.WriteAccount(request)
        assert written.HasField("record") == (cents > 1)
        assert written.record.cents == cents - 1
    assert len(client.GetAccountsByPk(client.query(eq="a")).accounts) == 1
    assert Accounts.DESCRIPTOR.nested_types_by_name["Written"]
