"""Fixtures: a schema becomes a server, a server an address, and both are gone at the end."""

from __future__ import annotations

import itertools
import os
import pathlib
import random
import zlib

import pytest

from harness import process
from harness.client import Database

# The storage engines under test.
ENGINES = [name for name in os.environ.get("SEANDB_ENGINES", "rocksdb,lsm").split(",") if name]

DOG_SCHEMA = """\
syntax = "proto3";
package database;

message Dog {
  string pk = 1;
  string name = 2;
  uint32 age = 3;
  string breed = 4;
}
"""

# Two models whose names share a prefix, so that one running into the other is seen.
DOGS_AND_TAGS = (
    DOG_SCHEMA
    + """
message DogTag {
  string pk = 1;
  bytes payload = 2;
}
"""
)


@pytest.fixture(scope="session", autouse=True)
def seandb() -> pathlib.Path:
    """The binary under test."""
    path = process.binary()
    if not os.access(path, os.X_OK):
        pytest.exit(f"{path} is missing: run `make build`, or name the binary in SEANDB", 2)
    return path


def pytest_generate_tests(metafunc):
    """Each test that asks for an engine, by whatever fixture, runs on every one.

    `@pytest.mark.engines("rocksdb")` restricts it to what is that engine's own matter,
    `@pytest.mark.one_engine` to any one, for what no engine has a part in: such tests are dealt out.
    """
    if "engine" not in metafunc.fixturenames:
        return
    engines = ENGINES
    if restriction := metafunc.definition.get_closest_marker("engines"):
        engines = [name for name in ENGINES if name in restriction.args]
    elif metafunc.definition.get_closest_marker("one_engine"):
        engines = [ENGINES[zlib.crc32(metafunc.definition.name.encode()) % len(ENGINES)]]
    metafunc.parametrize("engine", engines, indirect=True, scope="module")


@pytest.fixture(scope="module")
def engine(request) -> str:
    return request.param


@pytest.fixture
def seed(request) -> int:
    """A seed for random tests: printed, and replayed by SEANDB_SEED."""
    value = int(os.environ.get("SEANDB_SEED") or random.SystemRandom().randrange(2**32))
    print(f"replay with: SEANDB_SEED={value} pytest {request.node.nodeid!r}")
    return value


class SchemaFactory:
    """`create(text, dict of files, file or directory)` runs `seandb create`.

    A directory's root is its `schema.proto`, and its `include` folder, if any, is given by -I.
    The same schema is created once in a session.
    """

    def __init__(self, directory: pathlib.Path):
        self._directories = (directory / f"schema{n}" for n in itertools.count())
        self._known = {}

    def __call__(self, schema=DOG_SCHEMA, root="schema.proto", include=(), check=True):
        contents = tuple(schema.items()) if isinstance(schema, dict) else schema
        identity = (contents, root, tuple(include))
        if identity not in self._known:
            self._known[identity] = self._create(schema, root, include)
        creation = self._known[identity]
        if check:
            assert creation.completed.returncode == 0, creation.completed.stderr
            assert creation.server.is_file() and os.access(creation.server, os.X_OK)
        return creation

    def _create(self, schema, root, include) -> process.Creation:
        directory = next(self._directories)
        directory.mkdir(parents=True)
        if not isinstance(schema, pathlib.Path):
            source = process.write_files(directory / "source", schema)
            include = [source / folder for folder in include]
        elif schema.is_dir():
            source = schema
            include = [folder for folder in [schema / "include"] if folder.is_dir()]
        else:
            source, root = schema.parent, schema.name
        return process.create(source / root, directory / "out", include)


@pytest.fixture(scope="session")
def create(tmp_path_factory, seandb) -> SchemaFactory:
    return SchemaFactory(tmp_path_factory.mktemp("create"))


class ServerFactory:
    """`serve(creation)` starts `out/server`; `serve(command=[…])` any other form of serving.

    Whatever still runs at the end is stopped by SIGTERM and must go in good order.
    """

    def __init__(self, directory: pathlib.Path, engine: str):
        self.directory, self.engine = directory, engine
        self.data = directory / "data"
        self._started: list[process.ServerProcess] = []
        self._forgotten: list[process.ServerProcess] = []
        self._logs = (directory / f"server{n}.log" for n in itertools.count())
        self._databases: list[Database] = []

    def __call__(
        self,
        creation=None,
        *flags,
        data=None,
        listen="127.0.0.1:0",
        command=None,
        env=None,
        engine=None,
    ):
        if command is None:
            command = [creation.server]
        listens = [listen] if isinstance(listen, str) else listen
        log = next(self._logs)
        started = process.ServerProcess(
            [
                *command,
                "--engine",
                engine or self.engine,
                "--data",
                data or self.data,
                *[part for each in listens for part in ("--listen", each)],
                *flags,
            ],
            log,
            env=env,
        )
        self._started.append(started)
        return started

    def connect(self, server: process.ServerProcess, **options) -> Database:
        database = Database(server.address, **options)
        self._databases.append(database)
        return database

    def forget(self, server: process.ServerProcess):
        """Leaves the end of a server to the test."""
        self._started.remove(server)
        self._forgotten.append(server)

    def close(self):
        for database in self._databases:
            database.close()
        for server in self._forgotten:
            server.kill()
        problems = []
        for server in self._started:
            try:
                server.stop()
            except AssertionError as problem:
                problems.append(str(problem))
        assert not problems, "\n".join(problems)


@pytest.fixture
def serve(tmp_path, engine):
    factory = ServerFactory(tmp_path, engine)
    try:
        yield factory
    finally:
        factory.close()


@pytest.fixture
def database(create, serve) -> Database:
    """A connection to a fresh server with the models Dog and DogTag."""
    return serve.connect(serve(create(DOGS_AND_TAGS)))


@pytest.fixture
def dogs(database):
    return database.model("Dog")
