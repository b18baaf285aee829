"""Requests that take long to check, beside a client that wants each answer at once."""

from __future__ import annotations

import contextlib
import threading
import time

from conftest import DOGS_AND_TAGS
from harness.client import Database, delimited, listed, query
from harness.frames import FrameClient

SERVICE = "/database.Database/"
LIMIT = 4 << 20
SECONDS = 4.0


def tiny_records(first: int) -> bytes:
    """A list of about as many records as a request may have: a third of a million."""
    count = (LIMIT - 100) // 12
    return listed(delimited(1, b"t%07d" % (first + n)) for n in range(count))


def times(client: FrameClient, path: str, message: bytes, seconds: float) -> list[float]:
    """How long each of a row of calls takes, the shortest first."""
    out, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        received = client.answer(client.request(SERVICE + path, message))
        out.append(time.monotonic() - began)
        assert received.fields.get("grpc-status") == "0", received.fields
    return sorted(out)


def test_batches_of_tiny_records_hold_no_event_loop(create, serve):
    """Checked on a loop, such a batch would hold it for more than a tenth of a second."""
    server = serve(create(DOGS_AND_TAGS), "--durability", "buffered")
    batches = [tiny_records(n * 400_000) for n in range(2)]
    stop = threading.Event()
    stored = []

    def write(batch: bytes):
        with Database(server.address) as database:
            while not stop.is_set():
                database.call("BatchPutDogs", batch, timeout=60)
                stored.append(batch)

    with contextlib.ExitStack() as stack:
        client = stack.enter_context(FrameClient(server, credit=True))
        client.answer(client.request(SERVICE + "PutDogTag", delimited(1, b"mine")))
        writers = [threading.Thread(target=write, args=(batch,)) for batch in batches]
        for writer in writers:
            writer.start()
        stack.callback(lambda: [writer.join() for writer in writers])
        stack.callback(stop.set)
        gets = times(client, "GetDogTagsByPk", query(eq="mine"), SECONDS)
    print(f"{len(stored)} batches, {len(gets)} Gets, p99 {gets[len(gets) * 99 // 100]:.4f}, most {gets[-1]:.4f}")
    assert len(stored) >= 2
    assert gets[-1] < 0.1
