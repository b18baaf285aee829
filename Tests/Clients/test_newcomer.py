"""The mistakes of a first hour: each is answered by a sentence that lets one go on, and costs nothing.

Every answer has one or two sentences, names what the user named, and the way out that it names works.
"""

from __future__ import annotations

import re
import socket

import pytest

from harness import process
from harness.client import delimited
from harness.process import ServerFailed

PETS = 'syntax = "proto3";\npackage pets;\nmessage Pet { string pk = 1; string name = 2; }\n'
DOGS = 'syntax = "proto3";\nmessage Dog { string pk = 1; string name = 2; }\n'

pytestmark = pytest.mark.one_engine


@pytest.fixture
def start(serve, tmp_path):
    """Starts a server in the user's folder, with the flags that he wrote and no others."""
    started = []

    def start(program, *flags):
        log = tmp_path / f"start{len(started)}.log"
        server = process.ServerProcess([program, *flags], log, cwd=tmp_path)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def create(folder, text, *flags, name="schema.proto"):
    (folder / name).write_text(text)
    done = process.run(process.binary(), "create", name, *flags, cwd=folder)
    assert done.returncode == 0, done


def mistake(start, *command) -> str:
    """A start that fails with one answer, of two sentences at most besides the places it lists."""
    with pytest.raises(ServerFailed) as raised:
        start(*command)
    error = raised.value
    assert (error.returncode, error.stdout) == (1, ""), error
    assert not process.CRASH_MARKS.search(error.stderr), error
    last = error.stderr.strip().splitlines()[-1]
    assert len(re.findall(r"[.!?](?= [A-Z]|$)", last)) <= 2, last
    assert len(last) < 400, last
    return error.stderr


class TestWrongFolder:
    def test_create_names_the_schema_it_did_not_find(self, tmp_path):
        done = process.run(process.binary(), "create", "schema.proto", cwd=tmp_path)
        assert done.returncode == 1 and list(tmp_path.iterdir()) == []
        assert done.stderr == "error: cannot open schema.proto: No such file or directory. Check the path\n"

    def test_serve_says_that_a_schema_is_needed_and_makes_nothing(self, start, tmp_path):
        said = mistake(start, process.binary(), "serve")
        assert "./data" in said and "serve SCHEMA.proto" in said, said
        assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize("tool", ["inspect", "verify", "repair"])
    def test_tools_say_that_there_is_no_store(self, tmp_path, tool):
        done = process.run(process.binary(), tool, "data", cwd=tmp_path)
        assert done.returncode == 1 and "data" in done.stderr, done
        assert len(done.stderr.splitlines()) == 1 and list(tmp_path.iterdir()) == []


class TestWrongEngine:
    def test_the_engine_of_the_data_is_named_and_taken_without_a_flag(self, start, serve, tmp_path):
        create(tmp_path, DOGS)
        server = start(tmp_path / "out" / "server", "--listen", "127.0.0.1:0", "--engine", "lsm")
        serve.connect(server).model("Dog").put(delimited(1, b"rex"))
        server.stop()
        command = (tmp_path / "out" / "server", "--listen", "127.0.0.1:0")
        said = mistake(start, *command, "--engine", "rocksdb")
        assert "./data" in said and "--engine lsm" in said, said
        # The way out that needs no knowledge: no flag at all.
        database = serve.connect(start(*command))
        assert database.model("Dog").get(begins_with="") == [delimited(1, b"rex")]


class TestPortInUse:
    def test_the_address_is_named_and_nothing_is_made(self, start, tmp_path):
        create(tmp_path, DOGS)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            said = mistake(start, tmp_path / "out" / "server", "--listen", address)
        assert address in said and "in use" in said and "--listen" in said, said
        assert not (tmp_path / "data").exists()
        # Another engine is still free to choose.
        start(tmp_path / "out" / "server", "--listen", address, "--engine", "lsm")


class TestOldData:
    @pytest.mark.parametrize("records", [0, 1])
    def test_data_of_another_schema_are_kept_and_the_way_out_is_named(
        self, start, serve, tmp_path, records
    ):
        create(tmp_path, PETS, "--out", "pets")
        server = start(tmp_path / "pets" / "server", "--listen", "127.0.0.1:0")
        pet = delimited(1, b"rover")
        if records:
            serve.connect(server).model("Pet").put(pet)
        server.stop()
        create(tmp_path, DOGS)
        command = (tmp_path / "out" / "server", "--listen", "127.0.0.1:0")
        said = mistake(start, *command)
        assert "--data" in said, said
        # The way out.
        other = start(*command, "--data", "./dogs")
        assert serve.connect(other).models == ["Dog"]
        # Nothing was lost by the mistake.
        server = start(tmp_path / "pets" / "server", "--listen", "127.0.0.1:0")
        assert serve.connect(server).model("Pet").get(begins_with="") == [pet] * records
