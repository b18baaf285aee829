"""The tools beside a server that writes all the time: a healthy store is never called damaged."""

from __future__ import annotations

import os
import threading

import pytest

from conftest import DOG_SCHEMA
from harness import process
from harness.client import delimited

RUNS = int(os.environ.get("SEANDB_TOOL_RUNS", "12"))


class Load:
    """Writes and deletes in a thread, with memtables so small that files come and go all the time."""

    def __init__(self, serve, creation):
        server = serve(creation, "--memtable-size", "64K", "--durability", "buffered")
        self.dogs = serve.connect(server).model("Dog")
        self.ended, self.failure, self.batches = threading.Event(), None, 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            while not self.ended.is_set():
                first = self.batches * 37 % 4_000
                self.dogs.batch_put(
                    [
                        delimited(1, b"k%05d" % n) + delimited(2, os.urandom(40).hex().encode())
                        for n in range(first, first + 300)
                    ]
                )
                if self.batches % 20 == 0:
                    self.dogs.delete(begins_with=f"k0{self.batches // 20 % 4}5")
                self.batches += 1
        except Exception as failure:  # noqa: BLE001: told to the test's own thread
            self.failure = failure

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(30)
        assert self.failure is None, self.failure
        print(f"{self.batches} batches were written meanwhile")


@pytest.mark.timeout(120 + 10 * RUNS)
@pytest.mark.parametrize("name", ["verify", "inspect"])
def test_a_healthy_store_is_never_called_damaged(create, serve, name):
    with Load(serve, create(DOG_SCHEMA)):
        busy = 0
        for run in range(RUNS):
            done = process.run(process.binary(), name, serve.data)
            text = done.stdout + done.stderr
            assert "damage" not in text.lower().replace("0 damaged", ""), (run, done)
            assert "missing" not in text and not process.CRASH_MARKS.search(text), (run, done)
            if done.returncode == 75:
                assert "changes faster than it can be looked at" in done.stderr, (run, done)
                busy += 1
            else:
                assert done.returncode == 0, (run, done)
        print(f"{busy} of {RUNS} looks were told to try again")
        assert busy <= RUNS // 10
