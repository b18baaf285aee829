"""Files of a database that are gone, empty, cut or something else: the same answers, or an error that says so.

Never an emptier database, and never one that was made anew.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import pathlib
import shutil
import subprocess
import time

import grpc
import pytest

from conftest import DOGS_AND_TAGS, ServerFactory
from harness import process, status
from harness.client import Database, delimited
from harness.health import NOT_SERVING, SERVING, health
from harness.process import ServerFailed, ServerProcess

LONG = bool(os.environ.get("SEANDB_LONG_TESTS"))


def dog(n: int) -> bytes:
    return delimited(1, b"dog%03d" % n) + delimited(2, b"name %d" % n)


DOGS = [dog(n) for n in range(30)]
TAGS = [delimited(1, b"tag%03d" % n) + delimited(2, bytes([n]) * 200) for n in range(20)]


class Pristine:
    """A small database with a table and a log, and how it ended."""

    def __init__(self, creation, directory: pathlib.Path, engine: str, ending: str):
        self.creation, self.directory = creation, directory
        serve = ServerFactory(directory, engine)
        try:
            server = serve(creation)
            serve.connect(server).model("Dog").batch_put(DOGS[:20])
            server.stop()
            # This start writes what the log holds into a table.
            server = serve(creation)
            database = serve.connect(server)
            database.model("Dog").batch_put(DOGS[20:])
            for tag in TAGS:
                database.model("DogTag").put(tag)
            if ending == "killed":
                serve.forget(server)
                server.kill()
            else:
                server.stop()
        finally:
            serve.close()
        self.data = serve.data
        self.files = sorted(
            str(path.relative_to(self.data)) for path in self.data.rglob("*") if path.is_file()
        )
        assert len(self.files) > 6, self.files


@pytest.fixture(scope="module", params=["closed", "killed"])
def pristine(request, create, tmp_path_factory, engine):
    return Pristine(
        create(DOGS_AND_TAGS), tmp_path_factory.mktemp("lost"), engine, request.param
    )


def mutilate(path: pathlib.Path, how: str):
    if how == "cut in half":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "emptied":
        os.truncate(path, 0)
    else:
        path.unlink()
        if how == "replaced by a folder":
            path.mkdir()


def outcome(pristine: Pristine, number: int, changes: list[tuple[str, str]]) -> str:
    """Changes a copy, verifies and starts it: `refused`, or `as before`. All else is a failure."""
    data = pristine.directory / f"copy{number}"
    shutil.copytree(pristine.data, data)
    for name, how in changes:
        mutilate(data / name, how)
    before = sorted(str(path) for path in data.rglob("*"))
    verified = process.run(process.binary(), "verify", data)
    assert verified.returncode in (0, 1), (changes, verified)
    assert not process.CRASH_MARKS.search(verified.stderr), (changes, verified)
    assert before == sorted(str(path) for path in data.rglob("*")), changes
    try:
        server = ServerProcess(
            [pristine.creation.server, "--data", data, "--listen", "127.0.0.1:0"],
            pristine.directory / f"copy{number}.log",
        )
    except ServerFailed as refused:
        assert refused.returncode == 1 and refused.stdout == "", (changes, refused)
        assert len(refused.stderr.strip().splitlines()) == 1, (changes, refused)
        status.assert_sentence(refused.stderr.strip().removeprefix("error: "), ".")
        assert not process.CRASH_MARKS.search(refused.stderr), (changes, refused)
        shutil.rmtree(data)
        return "refused"
    database = Database(server.address)
    try:
        assert database.model("Dog").get(begins_with="") == DOGS, changes
        assert database.model("DogTag").get(begins_with="") == TAGS, changes
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DATA_LOSS, (changes, error)
        result = "refused"
    else:
        result = "as before"
    finally:
        database.close()
        server.kill()
    if result == "as before":
        assert verified.returncode == 0, (changes, verified)
    shutil.rmtree(data)
    return result


def outcomes(pristine: Pristine, cases: list) -> dict:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda case: outcome(pristine, *case), enumerate(cases)))
    found = {tuple(case): result for case, result in zip(cases, results)}
    for case, result in found.items():
        print(f"{case}: {result}")
    return found


HOWS = ["removed", "emptied", "cut in half", "replaced by a folder"]
# What no answer depends on.
NOTES = {"LOCK", "store/LOCK", "store/LOG", "store/IDENTITY"}


def is_note(name: str) -> bool:
    return name in NOTES or name.startswith(("store/OPTIONS-", "store/LOG."))


def test_each_file_of_a_store(pristine):
    found = outcomes(pristine, [[(name, how)] for name in pristine.files for how in HOWS])
    for ((name, how),), result in found.items():
        if result == "as before":
            # Behind a log's end are zeros that were written ahead.
            assert is_note(name) or (name.endswith(".log") and how == "cut in half"), (name, how)


def test_each_pair_of_files_of_a_store(pristine):
    pairs = itertools.combinations(pristine.files, 2)
    if not LONG:
        pairs = [pair for pair in pairs if not all(map(is_note, pair))]
    found = outcomes(pristine, [[(name, "removed") for name in pair] for pair in pairs])
    for pair, result in found.items():
        if result == "as before":
            assert all(is_note(name) for name, _ in pair), pair


@pytest.mark.parametrize("what", ["missing", "empty", "a link to nothing", "a file"])
def test_a_store_that_is_gone_is_named_and_not_made_anew(create, serve, what):
    creation = create(DOGS_AND_TAGS)
    server = serve(creation)
    serve.connect(server).model("Dog").batch_put(DOGS)
    server.stop()
    store, kept = serve.data / "store", serve.directory / "kept"
    store.rename(kept)
    if what == "empty":
        store.mkdir()
    elif what == "a link to nothing":
        store.symlink_to(serve.directory / "not mounted")
    elif what == "a file":
        store.write_text("")
    names = sorted(serve.data.rglob("*"))
    for arguments in ([creation], [None, []]):
        with pytest.raises(ServerFailed) as refused:
            if arguments[0]:
                serve(creation)
            else:
                serve(command=[process.binary(), "serve"])
        assert str(store) in refused.value.stderr, refused.value
        assert "a store was made here" in refused.value.stderr or "is not as it was left" in (
            refused.value.stderr
        ), refused.value
    verified = process.run(process.binary(), "verify", serve.data)
    assert verified.returncode == 1 and str(store) in verified.stderr, verified
    assert sorted(serve.data.rglob("*")) == names
    if what != "missing":
        store.rmdir() if what == "empty" else store.unlink()
    kept.rename(store)
    assert serve.connect(serve(creation)).model("Dog").get(begins_with="") == DOGS


def test_a_log_that_is_gone_can_be_put_back(create, serve, engine):
    """The refused start changed nothing: with its log the database is whole again."""
    creation = create(DOGS_AND_TAGS)
    server = serve(creation)
    serve.connect(server).model("Dog").batch_put(DOGS)
    serve.forget(server)
    server.kill()
    logs = list((serve.data / "store").glob("*.log"))
    for log in logs:
        log.rename(serve.directory / log.name)
    for _ in range(2):
        with pytest.raises(ServerFailed):
            serve(creation)
    for log in logs:
        (serve.directory / log.name).rename(log)
    assert serve.connect(serve(creation)).model("Dog").get(begins_with="") == DOGS


@pytest.mark.parametrize("ending", ["closed", "killed"])
def test_the_store_of_another_database_is_refused_until_it_is_taken(
    create, tmp_path_factory, engine, ending
):
    """Two databases with the same files; their stores change places."""
    creation = create(DOGS_AND_TAGS)
    factories = [ServerFactory(tmp_path_factory.mktemp("two"), engine) for _ in range(2)]
    try:
        for factory, dogs in zip(factories, [DOGS[10:20], DOGS[20:]]):
            server = factory(creation)
            factory.connect(server).model("Dog").batch_put(dogs)
            factory.forget(server)
            server.stop() if ending == "closed" else server.kill()
        mine, other = (factory.data / "store" for factory in factories)
        kept = factories[0].data.parent / "kept"
        mine.rename(kept)
        other.rename(mine)
        for _ in range(2):
            with pytest.raises(ServerFailed) as refused:
                factories[0](creation)
            assert refused.value.returncode == 1
            assert "another database's" in refused.value.stderr, refused.value.stderr
        mine.rename(other)
        kept.rename(mine)
        for factory, dogs in zip(factories, [DOGS[10:20], DOGS[20:]]):
            server = factory(creation)
            assert factory.connect(server).model("Dog").get(begins_with="") == dogs
            server.stop()
        mine.rename(kept)
        other.rename(mine)
        verified = process.run(process.binary(), "verify", factories[0].data)
        assert verified.returncode == 1, verified
        repaired = process.run(process.binary(), "repair", factories[0].data)
        assert "another database's" in repaired.stdout, repaired
        server = factories[0](creation)
        assert factories[0].connect(server).model("Dog").get(begins_with="") == DOGS[20:]
    finally:
        for factory in factories:
            factory.close()


@pytest.mark.engines("rocksdb")
def test_repair_takes_a_store_as_it_is_and_says_what_is_gone(create, serve):
    creation = create(DOGS_AND_TAGS)
    server = serve(creation)
    database = serve.connect(server)
    database.model("Dog").batch_put(DOGS)
    server.stop()
    server = serve(creation)
    for tag in TAGS:
        serve.connect(server).model("DogTag").put(tag)
    server.stop()
    for log in (serve.data / "store").glob("*.log"):
        log.unlink()
    with pytest.raises(ServerFailed) as refused:
        serve(creation)
    assert "is missing" in refused.value.stderr and "seandb repair" in refused.value.stderr
    planned = process.run(process.binary(), "repair", "--dry-run", serve.data)
    assert planned.returncode == 1 and "lost: the last 20 acknowledged changes" in planned.stdout
    with pytest.raises(ServerFailed):
        serve(creation)
    # What nobody could read is not forgotten.
    with open("/dev/full", "wb") as full:
        unread = subprocess.run([process.binary(), "repair", str(serve.data)], stdout=full, timeout=60)
    assert unread.returncode == 1
    repaired = process.run(process.binary(), "repair", serve.data)
    assert repaired.returncode == 1 and repaired.stdout.startswith("problem: "), repaired
    assert "lost: the last 20 acknowledged changes" in repaired.stdout, repaired
    database = serve.connect(serve(creation))
    assert database.model("Dog").get(begins_with="") == DOGS
    assert database.model("DogTag").get(begins_with="") == []


@pytest.mark.parametrize(
    "name", ["18446744073709551615.log", "000000.log", "9223372036854775807.log", "000077.log/"]
)
def test_a_stray_name_in_the_store_is_named(create, serve, name):
    creation = create(DOGS_AND_TAGS)
    server = serve(creation)
    serve.connect(server).model("Dog").batch_put(DOGS)
    server.stop()
    stray = serve.data / "store" / name.rstrip("/")
    stray.mkdir() if name.endswith("/") else stray.touch()
    for _ in range(2):
        with pytest.raises(ServerFailed) as refused:
            serve(creation)
        assert refused.value.returncode == 1 and stray.name in refused.value.stderr
        assert not process.CRASH_MARKS.search(refused.value.stderr)
    verified = process.run(process.binary(), "verify", serve.data)
    assert verified.returncode == 1 and stray.name in verified.stdout + verified.stderr, verified
    stray.rmdir() if name.endswith("/") else stray.unlink()
    assert serve.connect(serve(creation)).model("Dog").get(begins_with="") == DOGS


@pytest.mark.parametrize("how", ["renamed", "removed", "replaced", "emptied"])
def test_a_running_server_notices_that_its_store_is_gone(create, serve, how):
    creation = create(DOGS_AND_TAGS)
    server = serve(creation)
    database = serve.connect(server)
    dogs = database.model("Dog")
    dogs.batch_put(DOGS)
    store, away = serve.data / "store", serve.directory / "away"
    if how in ("renamed", "replaced"):
        store.rename(away)
        if how == "replaced":
            shutil.copytree(away, store)
    elif how == "removed":
        shutil.rmtree(store)
    else:
        for path in store.iterdir():
            path.unlink()
    deadline = time.monotonic() + 10
    with pytest.raises(grpc.RpcError) as raised:
        while time.monotonic() < deadline:
            dogs.put(DOGS[0])
            time.sleep(0.1)
    failure = status.failure(raised.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "READ_ONLY"), failure
    status.assert_sentence(failure.message, "not stored: .*data/store.* while the server ran.*Put it back")
    assert dogs.get(begins_with="") == DOGS
    assert health(database, "database.Database/write") == NOT_SERVING
    assert health(database) == SERVING
    server.stop(code=1)
    told = [line for line in server.stderr().splitlines() if "no more writes are taken" in line]
    assert len(told) == 1 and str(store) in told[0], server.stderr()

    # Nothing new is made in its place, and what was acknowledged is there once it is back.
    if how != "replaced":
        with pytest.raises(ServerFailed):
            serve(creation)
    if away.exists():
        shutil.rmtree(store, ignore_errors=True)
        away.rename(store)
        assert serve.connect(serve(creation)).model("Dog").get(begins_with="") == DOGS


def test_a_store_that_is_gone_is_noticed_by_a_server_that_ends_at_once(create, serve):
    creation = create(DOGS_AND_TAGS)
    server = serve(creation)
    serve.connect(server).model("Dog").batch_put(DOGS)
    shutil.rmtree(serve.data / "store")
    server.stop(code=1)
    assert "was removed or renamed while the server ran" in server.stderr()


def test_an_idle_server_does_not_miss_its_store(create, serve):
    server = serve(create(DOGS_AND_TAGS))
    database = serve.connect(server)
    time.sleep(3.5)
    database.model("Dog").batch_put(DOGS)
    assert health(database, "database.Database/write") == SERVING
    server.stop()
