"""A disk that fails is an error that says so: no short answer, no OK for a lost write."""

from __future__ import annotations

import itertools

import grpc
import pytest

from conftest import DOG_SCHEMA
from harness import status
from harness.client import delimited
from harness.process import ServerFailed


@pytest.fixture
def engine():
    """The files that are damaged here are RocksDB's."""
    return "rocksdb"


def test_a_damaged_table_is_data_loss_and_never_a_short_answer(create, serve):
    """Defect 3 and item 4: a scan that meets a bad block fails, whatever it has read so far."""
    creation = create(DOG_SCHEMA)
    server = serve(creation)
    dogs = serve.connect(server).model("Dog")
    items = [delimited(1, b"k%05d" % n) + delimited(2, b"%d" % (n * 7919)) for n in range(20_000)]
    for at in range(0, len(items), 4_000):
        dogs.batch_put(items[at : at + 4_000])
    server.stop()
    serve(creation).stop()  # the log is in tables now

    store = serve.data / "store"
    table = max(store.glob("*.sst"), key=lambda path: path.stat().st_size)
    image = bytearray(table.read_bytes())
    # In the middle of the data blocks; index and footer stand at the end.
    for at in range(len(image) // 3, len(image) // 3 + 64):
        image[at] ^= 0xFF
    table.write_bytes(image)

    try:
        server = serve(creation)
    except ServerFailed as refused:
        assert refused.returncode == 1 and refused.stderr.strip()
        return
    dogs = serve.connect(server).model("Dog")
    with pytest.raises(grpc.RpcError) as raised:
        dogs.get(begins_with="")
    failure = status.failure(raised.value)
    assert failure.code == grpc.StatusCode.DATA_LOSS, failure
    status.assert_sentence(failure.message, r"Dog|corrupt|checksum|damage")

    # Point reads: what can be read is right, what cannot says so; nothing is missing in silence.
    lost = 0
    for n in range(0, len(items), 97):
        try:
            assert dogs.get(eq=b"k%05d" % n) == [items[n]]
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DATA_LOSS
            lost += 1
    print(f"{lost} of {len(range(0, len(items), 97))} point reads met the damage")


def test_after_a_failed_write_it_takes_no_more_and_goes_on_reading(create, serve):
    """The log may not grow beyond a size that the kernel enforces, as a full disk would have it."""
    creation = create(DOG_SCHEMA)
    limited = ["sh", "-c", 'trap "" XFSZ; ulimit -f 12000; exec "$0" "$@"', creation.server]
    server = serve(command=limited)
    dogs = serve.connect(server).model("Dog")
    text = delimited(2, bytes(n % 10 + 48 for n in range(100_000)))
    acknowledged = []
    with pytest.raises(grpc.RpcError) as raised:
        for n in itertools.count():
            assert n < 1_000, "the limit was never met"
            dogs.put(record := delimited(1, b"k%04d" % n) + text)
            acknowledged.append(record)
    failure = status.failure(raised.value)
    assert failure.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED), (
        failure
    )
    status.assert_sentence(failure.message, r"write|log|stor")
    assert len(acknowledged) > 10

    # No more writes, however small, and each says why; reads go on.
    for write in (
        lambda: dogs.put(delimited(1, b"small")),
        lambda: dogs.delete(eq="k0000"),
        lambda: dogs.batch_put([delimited(1, b"small")]),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            write()
        failure = status.failure(raised.value)
        assert failure.code == grpc.StatusCode.UNAVAILABLE, failure
        status.assert_sentence(failure.message, r"restart")
    assert dogs.get(lte=f"k{len(acknowledged) - 1:04d}") == acknowledged
    server.stop()

    # With room again everything acknowledged is there, and it takes writes.
    dogs = serve.connect(serve(creation)).model("Dog")
    assert dogs.get(lte=f"k{len(acknowledged) - 1:04d}") == acknowledged
    dogs.put(delimited(1, b"small"))
    assert dogs.get(eq="small") == [delimited(1, b"small")]
