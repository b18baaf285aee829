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
        write("SEANDB", "seandb data directory\nformat 7\nengine rocksdb\n"),
        "DATA: it has format 7, and this program knows formats up to 6. Use a newer seandb",
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


UNFINISHED = (
    "DATA: the first start was not finished, and no store is here yet. Start a server on it again, which makes it"
)


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


@pytest.mark.parametrize("has_folder", [False, True], ids=["no folder", "an empty folder"])
def test_says_that_the_first_start_was_not_finished(create, tmp_path, engine, has_folder):
    data = tmp_path / "data"
    data.mkdir()
    (data / "SEANDB").write_text(f"seandb data directory\nformat 2\nengine {engine}\n")
    if has_folder:
        (data / "store").mkdir()
    schema = process.write_files(tmp_path, DOG_SCHEMA) / "schema.proto"
    before = sorted(data.rglob("*"))
    for command in (["verify"], ["inspect"], ["repair"], ["check", schema, "--data"]):
        done = process.run(process.binary(), *command, data)
        assert done.returncode == 1, done
        assert message(done.stderr) == UNFINISHED.replace("DATA", str(data))
    assert sorted(data.rglob("*")) == before
    # As it says, a start makes it.
    factory = ServerFactory(tmp_path, engine)
    try:
        factory(create(DOG_SCHEMA))
    finally:
        factory.close()


class TestInnerFolder:
    """The engine's own directory, where a data directory was asked for."""

    @pytest.mark.parametrize("end", ["", "/"], ids=["", "a slash"])
    def test_a_start_names_the_data_directory(self, create, stopped, end):
        with pytest.raises(ServerFailed) as refused:
            process.ServerProcess(
                [create(DOG_SCHEMA).server, "--data", f"{stopped}/store{end}"],
                stopped.parent / "inner.log",
            )
        assert message(refused.value.stderr).endswith(
            f": this is the store inside of a data directory. Start with --data {stopped}"
        )

    @pytest.mark.parametrize("command", ["verify", "inspect", "repair"])
    def test_the_tools_take_it_and_say_so(self, stopped, command):
        for given, folder in ((f"{stopped}/store/", None), (".", stopped / "store")):
            done = process.run(process.binary(), command, given, cwd=folder)
            place = "." if folder else f"{stopped}/store"
            assert done.returncode == 0, done
            assert (
                f"note: {place} is the store inside of the data directory {stopped}\n"
            ) in done.stderr

    def test_what_is_wrong_is_told_of_the_data_directory(self, stopped, tmp_path):
        data = tmp_path / "data"
        shutil.copytree(stopped, data)
        (data / "COMMITTED").unlink()
        done = process.run(process.binary(), "verify", data / "store")
        assert (done.returncode, ".." in done.stderr) == (1, False)
        assert message(done.stderr).startswith(f"{data}: the file COMMITTED is missing")


@pytest.mark.one_engine
def test_a_missing_table_is_told_by_its_name_on_the_disk(create, serve):
    server = serve(create(DOG_SCHEMA), engine="rocksdb")
    serve.connect(server).model("Dog").put(delimited(1, b"a"))
    serve.forget(server)
    server.kill()
    # The start after the death writes the log into a table.
    server = serve(create(DOG_SCHEMA), engine="rocksdb")
    serve.forget(server)
    server.kill()
    table = next((serve.data / "store").glob("*.sst"))
    table.unlink()
    done = process.run(process.binary(), "verify", serve.data)
    assert done.returncode == 1 and table.name in done.stdout + done.stderr, done
    assert ".ldb" not in done.stdout + done.stderr


class TestRepairBesideAServer:
    @pytest.mark.parametrize("flags", [[], ["--dry-run"]], ids=["", "dry run"])
    def test_is_refused_and_changes_nothing(self, create, serve, flags):
        serve(create(DOG_SCHEMA))
        # Something to repair: a marker that is gone.
        (serve.data / "SEANDB").unlink()
        for place in (serve.data, serve.data / "store"):
            done = process.run(process.binary(), "repair", *flags, place)
            assert (done.returncode, done.stdout) == (75, ""), done
            assert message(done.stderr).endswith(
                " is in use; stop the server that has it, then run this again"
            )
        assert not (serve.data / "SEANDB").exists()


@pytest.mark.one_engine
class TestAnotherName:
    def test_is_warned_of(self, create, serve, tmp_path):
        serve(create(DOG_SCHEMA)).stop()
        schema = process.write_files(tmp_path, DOG_SCHEMA) / "schema.proto"
        server = serve(command=[process.binary(), "serve", schema, "--name", "clinic"])
        server.stop()
        assert (
            "the service was called database.Database and is database.Clinic now: clients made for the old name "
            "do not find it. To keep the old one, give --name database\n"
        ) in server.stderr()

    def test_is_refused_where_it_changes_the_package(self, serve, tmp_path):
        text = DOG_SCHEMA.replace("package database;\n", "")
        schema = process.write_files(tmp_path, text) / "schema.proto"
        serve(command=[process.binary(), "serve", schema, "--name", "clinic"]).stop()
        with pytest.raises(ServerFailed) as refused:
            serve(command=[process.binary(), "serve", schema])
        assert (
            'the package changed from "clinic" to "database": change it back, or give --name clinic when the '
            "schema has no package of its own [FILE_SAME_PACKAGE]"
        ) in refused.value.stderr
