"""Transactions over several models, made whole or not at all. test_transfers.py has them beside each other, and kills the server."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc import StatusCode

from harness import process, status
from harness.client import query
from harness.generated import Client
from harness.process import eventually
from test_writes import FLAGS, SCHEMA, Bank

ACCOUNTS = [f"a{n:02}" for n in range(20)]


class TransactingBank(Bank):
    def transact(self, *writes: dict):
        """Each is {"account": {"put": …}}."""
        request = self.message("Transaction", writes=writes).SerializeToString()
        return list(self.message("Transaction.Result").FromString(self.database.call("Transact", request)).etags)

    def refused_transaction(self, *writes: dict) -> status.Failure:
        with pytest.raises(grpc.RpcError) as caught:
            self.transact(*writes)
        return status.failure(caught.value)

    def accounts(self) -> dict[str, tuple[int, str]]:
        """Cents and etag of each."""
        answer = self.database.call("GetAccountsByPk", query(begins_with="a", with_etags=True))
        found = self.message("Accounts").FromString(answer)
        return {account.pk: (account.cents, etag) for account, etag in zip(found.accounts, found.etags, strict=True)}


@pytest.fixture
def bank(create, serve):
    return TransactingBank(create(SCHEMA), serve)


def test_writes_to_several_models_are_made_together(bank):
    etags = bank.transact(
        {"account": {"put": {"pk": "a", "cents": 5}, "exists": False}},
        {"visit": {"put": {"pet": "rex", "day": 1, "room": "one"}}},
        {"account": {"delete": {"pk": "nobody"}}},
    )
    assert [bool(etag) for etag in etags] == [True, True, False]
    failure = bank.refused_transaction(
        {"account": {"update": {"pk": "a", "cents": 6}, "etag": etags[0]}},
        {"visit": {"put": {"pet": "tom", "day": 1, "room": "one"}}},
    )
    assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "UNIQUE_VIOLATION")
    assert failure.metadata["writeIndex"] == "1"
    assert bank.write("Account", check={"pk": "a"}, exists=True).etag == etags[0]
    # A value of a unique index goes from one record to another.
    bank.transact(
        {"visit": {"put": {"pet": "tom", "day": 1, "room": "one"}}},
        {"visit": {"update": {"pet": "rex", "day": 1, "room": "two"}}},
    )
    assert bank.transact() == []


def test_a_condition_is_about_what_there_was_before(bank):
    bank.write("Account", put={"pk": "a"})
    failure = bank.refused_transaction(
        {"account": {"delete": {"pk": "a"}}},
        {"account": {"put": {"pk": "b"}, "exists": True}},
    )
    assert (failure.reason, failure.metadata["writeIndex"]) == ("RECORD_NOT_FOUND", "1")
    bank.transact({"account": {"delete": {"pk": "a"}}}, {"account": {"put": {"pk": "b"}, "exists": False}})
    assert list(bank.accounts()) == []


def test_a_thousand_writes_of_a_megabyte(bank):
    writes = [{"account": {"put": {"pk": f"a{n:04}", "owner": "x" * 1000}}} for n in range(1000)]
    etags = bank.transact(*writes)
    assert len(set(etags)) == 1000
    failure = bank.refused_transaction(*writes[:-1], {"account": {"put": {"pk": "a0999"}, "exists": False}})
    assert (failure.reason, failure.metadata["writeIndex"]) == ("RECORD_EXISTS", "999")
    assert [etag for _, etag in bank.accounts().values()] == etags


@pytest.fixture
def cashier(create, serve, tmp_path):
    """A client, and the metadata of one who may write accounts and nothing else."""
    made = process.run(process.binary(), "token", "create", "cashier", "--roles", "cashier")
    token, _, table = made.stdout.split("\n", 2)
    access = tmp_path / "access.toml"
    access.write_text('[[role]]\nname = "cashier"\nallow = ["Account: write"]\n\n' + table)
    creation = create(SCHEMA)
    server = serve(creation, *FLAGS, "--access", access)
    client = Client(creation.out, serve.connect(server).channel)
    return client, [("authorization", f"Bearer {token}")]


def test_rights_are_asked_for_each_write(cashier):
    client, metadata = cashier
    Transaction = client.message("Transaction")

    def transact(*writes):
        return client.Transact(Transaction(writes=writes), metadata=metadata)

    put = {"account": {"put": {"pk": "a"}}}
    assert len(transact(put).etags) == 1
    for other in ({"visit": {"put": {"pet": "a"}}}, {"account": {"delete": {"pk": "b"}}}):
        with pytest.raises(grpc.RpcError) as caught:
            transact(put, other)
        failure = status.failure(caught.value)
        assert (failure.code, failure.reason) == (StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
        assert failure.metadata["writeIndex"] == "1"


def test_more_writes_when_the_server_takes_them(create, serve):
    bank = TransactingBank(create(SCHEMA), serve, "--max-transaction-writes", "1500")
    writes = [{"account": {"put": {"pk": f"a{n}"}}} for n in range(1501)]
    assert len(bank.transact(*writes[:1500])) == 1500
    failure = bank.refused_transaction(*writes)
    assert (failure.code, failure.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TRANSACTION_TOO_LARGE")
    assert failure.metadata == {"limit": "1500"}


def test_small_updates_of_large_records_are_bounded(bank):
    """Each makes a whole record anew, which is not in the request."""
    names = [f"a{n:02}" for n in range(24)]
    for name in names:
        bank.write("Account", put={"pk": name, "owner": "x" * 3_900_000})
    before = bank.write("Account", check={"pk": "a00"}, exists=True).etag
    updates = [{"account": {"update": {"pk": name, "cents": 1}}} for name in names]
    failure = bank.refused_transaction(*updates)
    assert (failure.code, failure.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TRANSACTION_TOO_LARGE"), failure
    assert failure.message.startswith("write 18 of the transaction: up to it the records"), failure
    assert failure.metadata == {"writeIndex": "18", "limitBytes": str(64 << 20)}
    assert bank.write("Account", check={"pk": "a00"}, exists=True).etag == before
    assert len(bank.transact(*updates[:16])) == 16


def test_index_entries_of_a_transaction_are_bounded(create, serve):
    schema = """\
syntax = "proto3";
package bank;
import "seandb/options.proto";
message Account {
  option (seandb.model) = {index: {fields: "tags", include: "*"}};
  string pk = 1;
  repeated string tags = 2;
}
"""
    bank = TransactingBank(create(schema), serve)
    writes = [{"account": {"put": {"pk": f"a{n}", "tags": [f"{n} {k:09}" for k in range(900)]}}} for n in range(4)]
    assert len(bank.transact(writes[0])) == 1
    failure = bank.refused_transaction(*writes)
    assert (failure.code, failure.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TRANSACTION_TOO_LARGE"), failure
    assert failure.metadata["writeIndex"] == "1", failure


def test_a_long_transaction_needs_the_same_rights(cashier):
    """It is read by another thread than a short one."""
    client, metadata = cashier
    long = "x" * 100_000
    Write = client.message("Accounts.Write")
    assert client.WriteAccount(Write(put={"pk": "a", "owner": long}), metadata=metadata).etag
    writes = [{"account": {"put": {"pk": "a", "owner": long}}}, {"visit": {"put": {"pet": "a"}}}]
    for call, request in (
        (client.WriteAccount, Write(put={"pk": "a", "owner": long}, returning=Write.OLD)),
        (client.Transact, client.message("Transaction")(writes=writes)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(request, metadata=metadata)
        assert status.failure(caught.value).reason == "NOT_ALLOWED"
