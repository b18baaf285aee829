"""A million records through a real client, and reads of any size against an independent model."""

from __future__ import annotations

import collections
import math
import random
import time

import grpc
import pytest

from conftest import DOG_SCHEMA
from harness import status
from harness.client import delimited, query, records
from harness.model import SortedModel

RECORDS = 1_000_000
IN_FLIGHT = 6


def entry(key: bytes, number: int) -> bytes:
    """A record as it is in a list: tag, length, bytes."""
    name = b"dog number %d" % number
    data = b"\x0a%c%b\x12%c%b\x18\x05" % (len(key), key, len(name), name)
    return b"\x0a%c%b" % (len(data), data)


@pytest.mark.timeout(240)
def test_a_million_records(create, serve, seed):
    rng = random.Random(seed)
    server = serve(
        create(DOG_SCHEMA), "--durability", "buffered", "--max-response-size", str(256 << 20)
    )
    database = serve.connect(server)
    # Keys of several lengths; the order of loading is far from theirs.
    items = {}
    step = rng.randrange(RECORDS) | 1
    while math.gcd(step, RECORDS) != 1:
        step += 2
    for n in range(RECORDS):
        number = n * step % RECORDS
        key = b"%x/%d" % (number % 256, number)
        items[key] = entry(key, number)
    assert len(items) == RECORDS
    model = SortedModel(items)

    started = time.monotonic()
    batch_put = database.stub("BatchPutDogs")
    pending, at, values = collections.deque(), 0, list(items.values())
    while at < RECORDS:
        size = rng.randint(1_000, 5_000)
        pending.append(batch_put.future(b"".join(values[at : at + size]), timeout=60))
        at += size
        if len(pending) >= IN_FLIGHT:
            assert pending.popleft().result() == b""
    while pending:
        assert pending.popleft().result() == b""
    seconds = time.monotonic() - started
    print(f"loaded {RECORDS} records in {seconds:.1f} s, {RECORDS / seconds:,.0f} a second")

    def agree(expression: str, bound) -> int:
        expected = model.get(expression, bound)
        # Compared as one run of bytes: content, order and count at once.
        answer = database.call("GetDogsByPk", query(**{expression: bound}), timeout=60)
        assert answer == b"".join(expected), (expression, bound, len(expected))
        return len(expected)

    largest = agree("begins_with", b"")
    assert largest == RECORDS
    for bound in (b"8", b"5/", b"ff/", b"0/1", b"00", b"g"):
        agree("begins_with", bound)
    for expression in ("gte", "lte", "gt", "lt"):
        for _ in range(3):
            number = rng.randrange(RECORDS)
            largest = max(largest, agree(expression, b"%x/%d" % (number % 256, number)))
        agree(expression, rng.choice([b"7", b"c/", b"3/9", b"\x7f", b"ee/5000000"]))
    for _ in range(100):
        number, count = rng.randrange(RECORDS), rng.choice([0, 1, 100, 10_000])
        lower, upper = (b"%x/%d" % (n % 256, n) for n in (number, number + 256 * count))
        ends = (rng.choice(["gte", "gt"]), lower), (rng.choice(["lte", "lt"]), upper)
        agree("range", dict(rng.sample(ends, rng.choice([1, 2, 2, 2]))))
    for _ in range(300):
        number = rng.randrange(2 * RECORDS)  # half of them are not there
        agree("eq", b"%x/%d" % (number % 256, number))
        agree("begins_with", b"%x/%d" % (number % 256, number // 100))

    # A stock client's limit of 4 MiB is its own affair: it is told, and nothing is cut.
    with_limit = serve.connect(server, receive_limit=4 << 20)
    with pytest.raises(grpc.RpcError) as raised:
        with_limit.call("GetDogsByPk", query(begins_with=""))
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

    # A range delete of a large part costs no read, and takes exactly that part.
    for bound in (b"3", b"c/", b"7f/1"):
        started = time.monotonic()
        database.call("DeleteDogsByPk", query(begins_with=bound))
        print(f"deleted {bound} in {(time.monotonic() - started) * 1000:.1f} ms")
        model.delete("begins_with", bound)
        agree("begins_with", bound[:1])
    agree("gte", b"")


def test_the_default_response_limit_is_64_mib(create, serve):
    database = serve.connect(serve(create(DOG_SCHEMA), "--durability", "buffered"))
    dogs = database.model("Dog")
    items = [delimited(1, b"k%03d" % n) + delimited(2, b"x" * ((1 << 20) - 30)) for n in range(65)]
    for at in range(0, len(items), 3):
        dogs.batch_put(items[at : at + 3])
    assert records(database.call("GetDogsByPk", query(lte="k062"), timeout=60)) == items[:63]
    with pytest.raises(grpc.RpcError) as raised:
        dogs.get(begins_with="")
    failure = status.failure(raised.value)
    assert failure.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    status.assert_sentence(failure.message, r"67,?108,?864|64 MiB")
