"""A disk that fails is an error that says so: no short answer, no OK for a lost write."""

from __future__ import annotations

import itertools
import os
import pathlib
import random
import re
import shutil
import time

import grpc
import pytest

from conftest import DOG_SCHEMA, DOGS_AND_TAGS, ServerFactory
from harness import process, status
from harness.client import delimited
from harness.health import NOT_SERVING, SERVING, health
from harness.process import ServerFailed

TABLES = {"rocksdb": "*.sst", "lsm": "*.table"}


def assert_told(server, words: str):
    """One line of the log says why no writes are taken."""
    lines = [line for line in server.stderr().splitlines() if words in line]
    assert len(lines) == 1 and "cause=" in lines[0], server.stderr()


def test_a_damaged_table_is_data_loss_and_never_a_short_answer(create, serve, engine):
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
    table = max(store.glob(TABLES[engine]), key=lambda path: path.stat().st_size)
    image = bytearray(table.read_bytes())
    # In the middle of the data blocks; index and footer are at the end.
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
    database = serve.connect(server)
    dogs = database.model("Dog")
    assert health(database, "database.Database/write") == SERVING
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
    assert health(database, "database.Database/write") == NOT_SERVING
    assert health(database) == health(database, "database.Database") == SERVING
    server.stop(code=1)
    assert_told(server, "no more writes are taken")

    # With room again everything acknowledged is there, and it takes writes.
    dogs = serve.connect(serve(creation)).model("Dog")
    assert dogs.get(lte=f"k{len(acknowledged) - 1:04d}") == acknowledged
    dogs.put(delimited(1, b"small"))
    assert dogs.get(eq="small") == [delimited(1, b"small")]


@pytest.mark.parametrize("free", [0, 4, 8, 20, 60, 500, 2000])
def test_a_start_on_a_full_disk_is_told_and_loses_nothing(create, serve, small_disk, free):
    """KiB that are left. RocksDB ends the process by itself when it has less than a few."""
    creation, data = create(DOGS_AND_TAGS), small_disk / "data"
    server = serve(creation, data=data)
    records = [delimited(1, b"k%04d" % n) + delimited(2, os.urandom(1000)) for n in range(3000)]
    serve.connect(server).model("DogTag").batch_put(records)
    serve.forget(server)
    server.kill()
    # Of RocksDB's log the part that was written ahead goes with the copy.
    process.run("cp", "-r", "--sparse=always", data, small_disk / "copy")
    ballast = small_disk / "ballast"
    with open(ballast, "wb") as file:
        while (left := os.statvfs(small_disk).f_bavail * 4) > free:
            file.write(b"x" * min((left - free) << 10, 1 << 20))
            file.flush()
    with pytest.raises(ServerFailed) as refused:
        serve(creation, data=small_disk / "copy")
    assert refused.value.returncode == 1, refused.value
    status.assert_sentence(refused.value.stderr.splitlines()[-1].removeprefix("error: "), ".*Free|free")
    ballast.unlink()
    server = serve(creation, data=small_disk / "copy")
    assert serve.connect(server).model("DogTag").get(gte="") == records
    server.stop()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = process.run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk)
    if mounted.returncode != 0:
        pytest.skip(f"only root may mount: {mounted.stderr.strip()}")
    yield disk
    process.run("umount", "--lazy", disk)


class FullDisk:
    """A server on a small disk, written to until there is no room."""

    def __init__(self, create, serve, disk, memtable):
        self.serve, self.creation, self.data = serve, create(DOGS_AND_TAGS), disk / "data"
        self.flags = ("--durability", "buffered", "--memtable-size", memtable)
        self.ballast = disk / "ballast"
        self.ballast.write_bytes(b"x" * (40 << 20))
        self.server = serve(self.creation, *self.flags, data=self.data)
        self.database = serve.connect(self.server)
        self.tags = self.database.model("DogTag")
        self.acknowledged, self.last, self.failure = [], b"", None
        while self.failure is None:
            assert len(self.acknowledged) < 1_000, "the disk was never full"
            self.last = self.record(len(self.acknowledged))
            try:
                self.tags.put(self.last)
                self.acknowledged.append(self.last)
            except grpc.RpcError as error:
                self.failure = status.failure(error)

    @staticmethod
    def record(n: int) -> bytes:
        return delimited(1, b"k%04d" % n) + delimited(2, os.urandom(100_000))

    def assert_writes_fail(self, code, reason):
        tags = self.tags
        for write in (lambda: tags.put(delimited(1, b"no")), lambda: tags.delete(begins_with="k")):
            with pytest.raises(grpc.RpcError) as raised:
                write()
            failure = status.failure(raised.value)
            assert (failure.code, failure.reason) == (code, reason), failure
            status.assert_sentence(failure.message, r"not stored: .*No space left")
        assert tags.get(begins_with="") == self.acknowledged
        assert health(self.database, "database.Database/write") == NOT_SERVING
        assert health(self.database) == SERVING

    def make_room(self):
        self.ballast.unlink()

    def restart(self):
        self.server = self.serve(self.creation, *self.flags, data=self.data)
        self.tags = self.serve.connect(self.server).model("DogTag")


def assert_heals(disk: FullDisk, engine: str):
    """With room again, writes go on without a restart, and nothing is lost by it."""
    if engine == "rocksdb":
        disk.assert_writes_fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL")
    else:
        # It gives the space of unfinished tables back and tries again: what is small may fit meanwhile.
        status.assert_sentence(disk.failure.message, r"not stored: .*No space left")
        assert disk.tags.get(begins_with="") == disk.acknowledged
        assert health(disk.database) == SERVING
    disk.make_room()
    # Nobody writes meanwhile: the server finds out by itself.
    deadline = time.monotonic() + 60
    while health(disk.database, "database.Database/write") != SERVING:
        assert time.monotonic() < deadline, disk.server.stderr()
        time.sleep(0.1)
    disk.tags.put(disk.last)
    everything = [*disk.acknowledged, disk.last]
    assert disk.tags.get(begins_with="") == everything
    # Our engine takes small writes before it has flushed the large ones, which it tries again by and by.
    while "writes are taken again" not in disk.server.stderr():
        assert time.monotonic() < deadline, disk.server.stderr()
        time.sleep(0.1)
    disk.server.stop()
    told = [line for line in disk.server.stderr().splitlines() if "writes are taken" in line]
    if engine == "rocksdb":
        assert_told(disk.server, "no writes are taken for now")
    assert "no writes are taken for now" in told[0] and "cause=" in told[0], told
    assert "writes are taken again" in told[-1], told

    disk.restart()
    assert disk.tags.get(begins_with="") == everything
    disk.server.stop()


@pytest.mark.engines("rocksdb")
def test_a_log_that_fills_the_disk_ends_the_writes_and_loses_nothing(create, serve, small_disk):
    """What is at the end of the log is not known: no more writes, until the next start."""
    disk = FullDisk(create, serve, small_disk, memtable="64M")
    assert len(disk.acknowledged) > 50
    assert (disk.failure.code, disk.failure.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "DISK_FULL",
    )
    status.assert_sentence(disk.failure.message, r"No space left.*not known")
    disk.assert_writes_fail(grpc.StatusCode.UNAVAILABLE, "READ_ONLY")
    disk.server.stop(code=1)
    assert_told(disk.server, "no more writes are taken")

    disk.make_room()
    disk.restart()
    # Of the write that failed it was said that nobody knows.
    assert disk.tags.get(begins_with="") in (
        disk.acknowledged,
        [*disk.acknowledged, disk.last],
    )
    disk.tags.put(delimited(1, b"small"))
    assert disk.tags.get(eq="small") == [delimited(1, b"small")]
    disk.server.stop()


@pytest.mark.engines("lsm")
def test_a_log_that_fills_the_disk_pauses_the_writes(create, serve, small_disk, engine):
    """The log is ended before the write that found no room, which is certainly not stored."""
    disk = FullDisk(create, serve, small_disk, memtable="64M")
    assert len(disk.acknowledged) > 50
    assert (disk.failure.code, disk.failure.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "DISK_FULL",
    )
    status.assert_sentence(disk.failure.message, r"not stored.*No space left")
    assert_heals(disk, engine)


def test_tables_that_fill_the_disk_pause_the_writes_until_there_is_room(
    create, serve, small_disk, engine
):
    """With small memtables a flush meets the full disk first: nothing is in doubt, and it heals."""
    disk = FullDisk(create, serve, small_disk, memtable="4M")
    assert (disk.failure.code, disk.failure.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "DISK_FULL",
    )
    assert_heals(disk, engine)


def test_a_server_that_is_ended_on_a_full_disk_loses_nothing(create, serve, small_disk, engine):
    """Ended while writes are paused: exit code 1, and all is there at the next start."""
    disk = FullDisk(create, serve, small_disk, memtable="4M")
    # The LSM may have found room for a log again.
    disk.server.good_codes = {1} if engine == "rocksdb" else {0, 1}
    disk.server.stop()
    disk.make_room()
    disk.restart()
    assert disk.tags.get(begins_with="") == disk.acknowledged
    disk.tags.put(disk.last)
    disk.server.stop()


# The files of the LSM ------------------------------------------------------------------------------

KEYS = 12_000
FLIPS = int(os.environ.get("SEANDB_BYTE_FLIPS", "4"))
# The last chunk of a log or manifest that was finished: Sources/LSM/WAL/LogFormat.swift.
SEAL_BYTES = 23 + 8


def key(n: int) -> bytes:
    return b"k%05d" % n


def stored(n: int, life: int) -> bytes:
    return delimited(1, key(n)) + delimited(2, b"%d.%d " % (n, life) * (n % 9))


@pytest.fixture(scope="module")
def closed(create, tmp_path_factory, engine):
    """A store in good order with tables on several levels and a log, and what it holds."""
    factory = ServerFactory(tmp_path_factory.mktemp("closed"), engine)
    expected = {}
    try:
        server = factory(create(DOG_SCHEMA), "--memtable-size", "128K", "--durability", "buffered")
        dogs = factory.connect(server).model("Dog")
        for life in range(3):
            for first in range(0, KEYS, 1_500):
                numbers = range(first + life, first + 1_500, 1 + life)
                dogs.batch_put([stored(n, life) for n in numbers])
                expected.update({key(n): stored(n, life) for n in numbers})
            # Ten records: of a block that holds nothing else no answer depends.
            gone = f"k0{life}55"
            dogs.delete(begins_with=gone)
            expected = {k: v for k, v in expected.items() if not k.startswith(gone.encode())}
        dogs.put(stored(1, 9))
        expected[key(1)] = stored(1, 9)
        server.stop()
    finally:
        factory.close()
    names = {path.name for path in (factory.data / "store").iterdir()}
    assert len([name for name in names if name.endswith(".table")]) >= 2, names
    assert [name for name in names if name.endswith(".log")], names
    return factory.data, expected


def lsm_files(data: pathlib.Path) -> dict[str, bytes]:
    """The files that matter, without the zeros that are written ahead of a log."""
    files = {path.name: path.read_bytes() for path in sorted((data / "store").iterdir())}
    del files["LOCK"]
    return {n: image.rstrip(b"\0") if n.endswith(".log") else image for n, image in files.items()}


def serve_damaged(create, serve, data: pathlib.Path, expected: dict, name: str) -> str:
    """What becomes of a damaged store: it does not open, or reads fail, or all is well."""
    try:
        server = serve(create(DOG_SCHEMA), data=data)
    except ServerFailed as refused:
        assert refused.returncode == 1 and refused.stdout == "", refused
        assert len(refused.stderr.strip().splitlines()) == 1 and name in refused.stderr, refused
        return "refused"
    dogs, lost = serve.connect(server).model("Dog"), []

    def ask(answer: list, **expression):
        try:
            assert dogs.get(**expression) == answer, expression
        except grpc.RpcError as error:
            failure = status.failure(error)
            assert failure.code == grpc.StatusCode.DATA_LOSS, failure
            status.assert_sentence(failure.message, re.escape(name))
            lost.append(expression)

    items = [expected[k] for k in sorted(expected)]
    # Should a job in the background meet the damage, no more writes are taken: that is exit code 1.
    server.good_codes = {0, 1}
    ask(items, begins_with="")
    ask([expected[k] for k in sorted(expected) if k >= b"k07"], gte="k07")
    ask([expected[k] for k in sorted(expected) if k <= b"k05"], lte="k05")
    for n in range(0, KEYS, 251):
        ask([expected[key(n)]] if key(n) in expected else [], eq=key(n))
    server.stop()
    return "data loss" if lost else "as before"


@pytest.mark.engines("lsm")
def test_a_changed_byte_is_an_error_and_never_another_answer(create, serve, closed, seed):
    """Any byte of any file of the store but the manifest's seal: a scan reads every block."""
    rng, (pristine, expected) = random.Random(seed), closed
    for name, image in lsm_files(pristine).items():
        for number in range(FLIPS):
            data = serve.directory / f"copy{number} of {name}"
            shutil.copytree(pristine, data)
            at, bit = rng.randrange(len(image)), rng.randrange(8)
            with open(data / "store" / name, "r+b") as file:
                file.seek(at)
                file.write(bytes([image[at] ^ 1 << bit]))
            print(f"{name}: bit {bit} of byte {at} of {len(image)}:", end=" ", flush=True)
            outcome = serve_damaged(create, serve, data, expected, name)
            print(outcome)
            in_last_seal = name.startswith("MANIFEST-") and at >= len(image) - SEAL_BYTES
            assert (outcome == "as before") == in_last_seal
            shutil.rmtree(data)


@pytest.mark.engines("lsm")
def test_a_manifest_whose_seal_is_damaged_reads_as_after_a_crash(create, serve, closed):
    """The seal is a store's last write, and all before it is whole: nothing is lost or hidden."""
    pristine, expected = closed
    name, image = next(x for x in lsm_files(pristine).items() if x[0].startswith("MANIFEST-"))
    for at in (len(image) - SEAL_BYTES, len(image) - 1):
        data = serve.directory / f"copy with {at} changed"
        shutil.copytree(pristine, data)
        changed = bytearray(image)
        changed[at] ^= 1
        (data / "store" / name).write_bytes(changed)
        assert serve_damaged(create, serve, data, expected, name) == "as before"


@pytest.mark.engines("lsm")
def test_a_missing_file_is_an_error(create, serve, closed):
    pristine, expected = closed
    for name in lsm_files(pristine):
        data = serve.directory / f"without {name}"
        shutil.copytree(pristine, data)
        (data / "store" / name).unlink()
        assert serve_damaged(create, serve, data, expected, name) == "refused", name


@pytest.mark.engines("lsm")
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_that_was_cut_is_an_error(create, serve, closed, share):
    """All of it was synced when the server ended, so no crash leaves it shorter."""
    pristine, expected = closed
    for name, image in lsm_files(pristine).items():
        if name.endswith(".log") and share > 0:
            continue  # that looks like what a power cut leaves: docs/file-formats/lsm-wal.md
        data = serve.directory / f"cut {name}"
        shutil.copytree(pristine, data)
        (data / "store" / name).write_bytes(image[: int(len(image) * share)])
        assert serve_damaged(create, serve, data, expected, name) == "refused", name
