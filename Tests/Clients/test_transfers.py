"""Money that many clients move at once, while the server is killed again and again: none is lost, none is made, and what
a client sends again because nobody answered is done once."""

from __future__ import annotations

import os
import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc import StatusCode

from harness import process, status
from harness.client import query
from harness.process import eventually
from test_writes import Bank

SCHEMA = """\
syntax = "proto3";
package bank;
message Account {
  string pk = 1;
  int64 cents = 2;
  int64 saved = 3;
  int64 savings = 4;  // How often something was saved.
}
message Transfer {
  string pk = 1;
  string source = 2;
  string target = 3;
  int64 cents = 4;
}
"""
CLIENTS = 32
ACCOUNTS = [f"a{n:03}" for n in range(100)]
ROUNDS = int(os.environ.get("SEANDB_TRANSFER_ROUNDS", "20"))
UNANSWERED = (StatusCode.UNAVAILABLE, StatusCode.CANCELLED)


class Teller:
    """A client that moves money, one thing after the other. What nobody answered it sends again to the next server, with
    the same request id."""

    def __init__(self, number: int, seed: str):
        self.number = number
        self.random = random.Random(f"{seed} {number}")
        self.done = 0
        self.transfers: dict[str, tuple[str, str, int]] = {}
        self.saved = 0
        self.repeated = 0
        self.unanswered = None

    def work(self, bank: Bank, is_dead: threading.Event):
        try:
            while not is_dead.is_set():
                # The first ones do it by a transaction over three records, the others by an etag loop on one.
                if self.number % 2 == 0:
                    self.transfer(bank)
                else:
                    self.save(bank)
        except grpc.RpcError as error:
            assert error.code() in UNANSWERED, error

    def send(self, call):
        """Makes a call that changes something; not again when its condition does not hold any more.

        Returns whether it was made."""
        if self.unanswered is not None:
            self.repeated += 1
            call = self.unanswered
        self.unanswered = call
        try:
            call[1](*call[2:])
        except grpc.RpcError as error:
            if error.code() in UNANSWERED:
                raise
            assert status.failure(error).reason == "ETAG_MISMATCH", error
            self.unanswered = None
            return
        self.unanswered = None
        call[0]()
        self.done += 1

    def transfer(self, bank: Bank):
        if self.unanswered is not None:
            return self.send(None)
        source, target = self.random.sample(ACCOUNTS, 2)
        cents = self.random.randint(1, 5)
        key = f"{self.number}-{self.done}"
        writes = [{"transfer": {"put": {"pk": key, "source": source, "target": target, "cents": cents}}}]
        for pk, change in ((source, -cents), (target, cents)):
            account, etag = get(bank, pk)
            writes.append({"account": {"update": {"pk": pk, "cents": account.cents + change}, "etag": etag}})
        # Zero is not set, and an update without a mask replaces what is set.
        for write in writes[1:]:
            write["account"]["update_mask"] = {"paths": ["cents"]}
        request = {"writes": writes, "request_id": str(uuid.UUID(int=self.random.getrandbits(128)))}

        def made():
            assert key not in self.transfers
            self.transfers[key] = (source, target, cents)

        self.send((made, self.transact, request))

    def transact(self, request):
        message = self.bank.message("Transaction", **request).SerializeToString()
        etags = self.bank.message("Transaction.Result").FromString(self.bank.database.call("Transact", message)).etags
        assert len(etags) == 3

    def save(self, bank: Bank):
        if self.unanswered is not None:
            return self.send(None)
        account, etag = get(bank, self.random.choice(ACCOUNTS))
        cents = self.random.randint(1, 5)
        change = {
            "update": {
                "pk": account.pk,
                "cents": account.cents - cents,
                "saved": account.saved + cents,
                "savings": account.savings + 1,
            },
            "update_mask": {"paths": ["cents", "saved", "savings"]},
            "etag": etag,
            "request_id": str(uuid.UUID(int=self.random.getrandbits(128))),
        }

        def made():
            self.saved += 1

        self.send((made, self.write, change))

    def write(self, change):
        assert self.bank.write("Account", **change).etag


def get(bank: Bank, pk: str):
    answer = bank.database.call("GetAccountsByPk", query(eq=pk, with_etags=True))
    found = bank.message("Accounts").FromString(answer)
    return found.accounts[0], found.etags[0]


def all_of(bank: Bank, model: str):
    found, token = [], ""
    while True:
        answer = bank.database.call(f"Get{model}sByPk", query(begins_with="", page_size=1000, page_token=token))
        page = bank.message(f"{model}s").FromString(answer)
        found += getattr(page, f"{model.lower()}s")
        token = page.next_page_token
        if not token:
            return found


def test_what_was_sent_again_is_done_once(create, serve, seed):
    """SEANDB_SEED replays who moves how much, not when the server dies; SEANDB_TRANSFER_ROUNDS says how often it does."""
    creation = create(SCHEMA)
    data = serve.directory / "bank"
    tellers = [Teller(number, f"{seed}") for number in range(CLIENTS)]
    rounds = ROUNDS
    for number in range(rounds + 1):
        bank = Bank(creation, serve, "--memtable-size", "64K", data=data)
        if number == 0:
            request = bank.message(
                "Transaction", writes=[{"account": {"put": {"pk": pk, "cents": 1000}}} for pk in ACCOUNTS]
            )
            bank.database.call("Transact", request.SerializeToString())
        assert sum(account.cents + account.saved for account in all_of(bank, "Account")) == 1000 * len(ACCOUNTS)
        for teller in tellers:
            teller.bank = bank
        if number == rounds:
            break
        is_dead = threading.Event()
        before = sum(teller.done for teller in tellers)
        with ThreadPoolExecutor(len(tellers)) as pool:
            running = [pool.submit(teller.work, bank, is_dead) for teller in tellers]
            eventually(
                lambda before=before: sum(teller.done for teller in tellers) >= before + 400, "four hundred changes"
            )
            serve.forget(bank.server)
            bank.server.kill()
            is_dead.set()
            for each in running:
                each.result()
    for teller in tellers:
        if teller.unanswered is not None:
            teller.send(None)
    assert sum(teller.repeated for teller in tellers) > 0
    made = {key: transfer for teller in tellers for key, transfer in teller.transfers.items()}
    stored = {each.pk: (each.source, each.target, each.cents) for each in all_of(bank, "Transfer")}
    assert stored == made
    accounts = all_of(bank, "Account")
    assert sum(account.savings for account in accounts) == sum(teller.saved for teller in tellers)
    for account in accounts:
        moved = sum(
            cents * ((target == account.pk) - (source == account.pk)) for source, target, cents in made.values()
        )
        assert account.cents + account.saved == 1000 + moved, account
    bank.server.stop()
    verified = process.run(process.binary(), "verify", data)
    assert verified.returncode == 0, verified
    assert "request ids" in verified.stdout
