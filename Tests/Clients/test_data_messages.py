"""What a data directory that is not as it should be says to a person, word by word, at a start and by the tools.

A row of the table is what was done to a stopped database, and the whole message. Each says what happened and what to do.
"""

from __future__ import annotations

import dataclasses
import fcntl
import shutil
from collections.abc import Callable

import pytest

from conftest import DOG_SCHEMA, ServerFactory
from harness import process
from harness.client import delimited
from harness.process import ServerFailed


@dataclasses.dataclass
class Case:
    name: str
    # Gets the data directory; DATA and STORE in the message are its paths.
    change: Callable
    says: str
    engine: str = "rocksdb"
    flags: tuple = ()
    # Whether `seandb verify` says the same.
    verifies: bool = True


REPAIR = "take the store as it is: `seandb repair DATA`"
LOST = "and a store was made here. Mount or restore it; to begin with an empty database, choose another directory with --data"


def write(name: str, text: str):
    return lambda data: (data / name).write_text(text)


def remove(name: str):
    return lambda data: (data / name).unlink()


def log(data):
    return next((data / "store").glob("*.log"))


def replace_store(make):
    def change(data):
        shutil.rmtree(data / "store")
        make(data / "store")

    return change


CASES = [
    Case(
        "the other engine",
        lambda data: None,
        "DATA: this data directory belongs to the engine rocksdb, not lsm. Start with --engine rocksdb, or without "
        "--engine, or choose another directory with --data",
        flags=("--engine", "lsm"),
        verifies=False,
    ),
    Case(
        "an engine of a newer program",
        write("SEANDB", "seandb data directory\nformat 2\nengine paper\nstore made\n"),
        "DATA: this data directory belongs to the engine paper, which this program does not know. Use a newer seandb",
    ),
    Case(
        "a newer format",
        write("SEANDB", "seandb data directory\nformat 4\nengine rocksdb\n"),
        "DATA: it has format 4, and this program knows formats up to 3. Use a newer seandb",
    ),
    Case(
        "another database's store",
        write("SEANDB", f"seandb data directory\nformat 3\nengine rocksdb\nstore {'0f' * 16}\n"),
        "DATA/store is not the store that was made here, but another database's. Put the right one back, or "
        + REPAIR.replace("the store as it is", "this one as it is"),
    ),
    Case(
        "a marker that is cut",
        write("SEANDB", "seandb data directory\nformat 2\n"),
        "DATA/SEANDB: this is not the marker that was written. Restore the file from a backup, or have it written "
        "anew: `seandb repair` with the data directory",
    ),
    Case(
        "no marker",
        remove("SEANDB"),
        "DATA: there is a store here, and its marker (the file SEANDB) is missing. Restore the file from a backup, or "
        "have it written anew: `seandb repair DATA`",
    ),
    Case(
        "a mark that is cut",
        write("COMMITTED", "SEANDBCM"),
        "DATA/COMMITTED: this is not what was written there. Restore the file, or take the store as it is: "
        "`seandb repair` with the data directory",
    ),
    Case(
        "no mark",
        remove("COMMITTED"),
        "DATA: the file COMMITTED is missing, which says how far the store must reach. Restore it, or " + REPAIR,
    ),
    Case("no store", replace_store(lambda store: None), f"STORE is missing, {LOST}", verifies=False),
    Case("a file", replace_store(lambda s: s.touch()), f"STORE is a file, not a folder, {LOST}"),
    Case(
        "a link to nothing",
        replace_store(lambda store: store.symlink_to("elsewhere")),
        f"STORE is a link to elsewhere, which is not there, {LOST}",
    ),
    Case(
        "no log",
        lambda data: log(data).rename(data / "kept"),
        "STORE is not as it was left: LOG is missing (it had SIZE bytes). Put it back as it was, or " + REPAIR,
    ),
    Case(
        "a stray number",
        lambda data: (data / "store" / "000000.log").touch(),
        "STORE/000000.log: no store gives a file this number, so it is not the store's. Move it away",
    ),
    Case(
        "a stray folder",
        lambda data: (data / "store" / "000077.sst").mkdir(),
        "STORE/000077.sst: this is no file, but has the name of one of the store's. Move it away, or restore the file",
    ),
]


@pytest.fixture(scope="module")
def stopped(create, tmp_path_factory):
    """A database with one record, which was stopped."""
    factory = ServerFactory(tmp_path_factory.mktemp("stopped"), "rocksdb")
    try:
        server = factory(create(DOG_SCHEMA))
        factory.connect(server).model("Dog").put(delimited(1, b"a"))
        server.stop()
    finally:
        factory.close()
    return factory.data


def message(stderr: str) -> str:
    lines = [line for line in stderr.strip().splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1 and lines[0].startswith("error: "), stderr
    return lines[0].removeprefix("error: ")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_says(create, stopped, tmp_path, case):
    data = tmp_path / "data"
    shutil.copytree(stopped, data)
    name, size = log(data).name, log(data).stat().st_size
    case.change(data)
    wanted = case.says.replace("LOG", name).replace("SIZE", str(size))
    wanted = wanted.replace("STORE", str(data / "store")).replace("DATA", str(data))
    with pytest.raises(ServerFailed) as refused:
        process.ServerProcess(
            [create(DOG_SCHEMA).server, "--data", data, "--listen", "127.0.0.1:0", *case.flags],
            tmp_path / "log",
        )
    assert refused.value.returncode == 1
    assert message(refused.value.stderr) == wanted
    if case.verifies:
        verified = process.run(process.binary(), "verify", data)
        # What is found in a store that opens is on stdout.
        found = verified.stdout.splitlines()
        assert verified.returncode == 1, verified
        assert (found[0] if found else message(verified.stderr)) == wanted, verified


def test_says_that_another_process_has_it(create, stopped, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(stopped, data)
    with open(data / "LOCK", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ServerFailed) as refused:
            process.ServerProcess(
                [create(DOG_SCHEMA).server, "--data", data, "--listen", "127.0.0.1:0"],
                tmp_path / "log",
            )
    assert message(refused.value.stderr) == (
        f"{data}: another process has this data directory. Stop it, or choose another with --data"
    )


def test_says_that_there_is_no_schema(tmp_path):
    data = tmp_path / "data"
    refused = process.run(process.binary(), "serve", "--data", data, "--listen", "127.0.0.1:0")
    assert refused.returncode == 1 and not data.exists()
    assert message(refused.stderr) == (
        f"{data}: no schema is stored here yet. Name one: seandb serve SCHEMA.proto --data {data}"
    )
