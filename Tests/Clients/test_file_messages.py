"""What a person reads when the system refuses a file, or a program's own file is not whole: what happened, and what
to do. Each row is a place that is made, a command, and the whole message.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
from collections.abc import Callable

import pytest

from conftest import DOG_SCHEMA
from harness import process

LONG = "x" * 300
DEAD = "which is not there. Mend the link, or name another path"
CIRCLE = "Too many levels of symbolic links. Mend the links, which lead in a circle, or name another path"
TOO_LONG = "File name too long. Name a shorter path"
DENIED = "Permission denied. Give this user the right to it (chmod, chown), or name another path"
READ_ONLY = "Read-only file system. Mount the file system for writing, or name another path"
CUT = (
    "this program's file is cut short, or was changed since it was written. Make a server again with "
    "`seandb create`, or install the tool again"
)


@dataclasses.dataclass
class Case:
    command: str
    says: str
    # Gets the folder.
    make: Callable = lambda folder: None


def link(name: str, target: str):
    return lambda folder: (folder / name).symlink_to(target)


SERVE = "serve schema.proto --listen 127.0.0.1:0 --data"

CASES = [
    # Links
    Case("create s.proto", f"cannot open s.proto: it is a link to gone, {DEAD}", link("s.proto", "gone")),
    Case("create d/s.proto", f"cannot open d/s.proto: d is a link to gone, {DEAD}", link("d", "gone")),
    Case(
        "create schema.proto --out d", f"cannot open d: it is a link to gone, {DEAD}", link("d", "gone")
    ),
    Case(f"{SERVE} d", f"d: cannot use it: it is a link to gone, {DEAD}", link("d", "gone")),
    Case(f"{SERVE} d/x", f"d/x: cannot create it: d is a link to gone, {DEAD}", link("d", "gone")),
    Case("verify d", f"d: cannot read it: it is a link to gone, {DEAD}", link("d", "gone")),
    Case("create loop", f"cannot open loop: {CIRCLE}", link("loop", "loop")),
    Case(f"{SERVE} loop", f"loop: cannot use it: {CIRCLE}", link("loop", "loop")),
    # Names
    Case(f"create {LONG}", f"cannot open {LONG}: {TOO_LONG}"),
    Case(f"create schema.proto --out {LONG}", f"cannot open {LONG}/server: {TOO_LONG}"),
    Case(f"{SERVE} {LONG}", f"{LONG}: cannot use it: {TOO_LONG}"),
    Case(f"verify {LONG}", f"{LONG}/SEANDB: cannot read it: {TOO_LONG}"),
    # Others in the way
    Case(
        f"{SERVE} schema.proto", "schema.proto: this is a file, not a directory. Choose another with --data"
    ),
    Case(
        f"{SERVE} schema.proto/x",
        "schema.proto/x: cannot use it: schema.proto is a file, not a directory. Name another path",
    ),
    Case("verify gone", "gone: cannot read it: No such file or directory. Check the path"),
    Case(
        "verify .",
        ".: neither a seandb data directory nor a store of one of its engines. Name the directory that a server "
        "has as --data",
    ),
]


def run(*command, **more):
    done = process.run(*command, **more)
    assert not process.CRASH_MARKS.search(done.stderr), done
    return done


def message(done) -> str:
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done
    return done.stderr.removeprefix("error: ").rstrip("\n")


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.command.replace(LONG, "LONG"))
def test_says(case, tmp_path):
    process.write_files(tmp_path, DOG_SCHEMA)
    case.make(tmp_path)
    before = names(tmp_path)
    done = run(process.binary(), *shlex.split(case.command), cwd=tmp_path)
    assert message(done) == case.says
    assert names(tmp_path) == before


class TestRights:
    @pytest.fixture
    def somebody(self, tmp_path):
        """Runs seandb as a user without rights to `closed`, which is in the folder it runs in."""
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if not shutil.which("setpriv") or run(*user, "true").returncode != 0:
            pytest.skip("only root may be another user")
        process.write_files(tmp_path, {"schema.proto": DOG_SCHEMA, "closed/schema.proto": DOG_SCHEMA})
        (tmp_path / "closed" / "data").mkdir()
        (tmp_path / "closed").chmod(0o700)
        program = tmp_path / "seandb"
        shutil.copy(process.binary(), program)
        folder = tmp_path
        while folder != folder.parent:
            if not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o011)
            folder = folder.parent
        return lambda command: run(*user, program, *shlex.split(command), cwd=tmp_path)

    @pytest.mark.parametrize(
        "command, says",
        [
            ("create closed/schema.proto", "cannot open closed/schema.proto"),
            ("create schema.proto --out closed/out", "cannot open closed/out/server"),
            ("create schema.proto --out new", "cannot make the directory new/"),
            (f"{SERVE} closed/data", "closed/data: cannot use it"),
            (f"{SERVE} closed", "closed/SEANDB: cannot read it"),
            (f"{SERVE} new", "new: cannot create it"),
            ("verify closed", "closed/SEANDB: cannot read it"),
            ("repair closed", "closed/SEANDB: cannot read it"),
            ("check schema.proto --data closed", "closed/SEANDB: cannot read it"),
        ],
    )
    def test_without_rights(self, somebody, command, says):
        assert message(somebody(command)) == f"{says}: {DENIED}"


class TestReadOnly:
    @pytest.fixture
    def mounted(self, tmp_path):
        """Runs a program in a folder whose file system cannot be written."""

        def run_there(*command):
            text = 'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && exec "$0" "$@"'
            return run("unshare", "-m", "bash", "-c", text, *command, cwd=tmp_path)

        if run_there("true").returncode != 0:
            pytest.skip("only root may mount")
        process.write_files(tmp_path, DOG_SCHEMA)
        return run_there

    @pytest.mark.one_engine
    @pytest.mark.parametrize(
        "command, says",
        [
            ("create schema.proto", "cannot make the directory out/"),
            ("create schema.proto --out .", "cannot create ./server"),
            (f"{SERVE} new", "new: cannot create it"),
            (f"{SERVE} data", "data/LOCK: cannot open it"),
        ],
    )
    def test_nothing_can_be_written(self, mounted, serve, create, command, says):
        serve(create(DOG_SCHEMA)).stop()
        assert message(mounted(process.binary(), *shlex.split(command))) == f"{says}: {READ_ONLY}"

    def test_a_store_can_be_verified(self, mounted, serve, create):
        serve(create(DOG_SCHEMA)).stop()
        done = mounted(process.binary(), "verify", "data")
        assert done.returncode == 0 and done.stdout.startswith("ok: "), done


class TestCutServer:
    """A server's file that was copied in part."""

    @pytest.fixture
    def cut(self, create, tmp_path):
        whole = create(DOG_SCHEMA).server.read_bytes()
        tool = process.binary().stat().st_size

        def cut(how: str):
            file = tmp_path / "out" / "server"
            file.parent.mkdir(exist_ok=True)
            size = {"trailer": -5, "schema": tool + 100, "sections": tool - 100}.get(how)
            file.write_bytes(whole + b"more" if size is None else whole[:size])
            file.chmod(0o755)
            return file

        return cut

    @pytest.mark.parametrize("how", ["trailer", "schema", "sections", "longer"])
    def test_says_so_and_can_be_made_again(self, cut, tmp_path, how):
        server = cut(how)
        for flags in ([], ["--data", tmp_path / "data"]):
            assert message(run(server, *flags)) == CUT
        process.write_files(tmp_path, DOG_SCHEMA)
        done = run(process.binary(), "create", "schema.proto", cwd=tmp_path)
        assert done.returncode == 0, done
        assert run(server, "--version").returncode in (0, 64)

    def test_a_part_of_the_program_is_ours_to_replace_too(self, cut, tmp_path):
        server = cut("schema")
        server.write_bytes(server.read_bytes()[:1000])
        process.write_files(tmp_path, DOG_SCHEMA)
        assert run(process.binary(), "create", "schema.proto", cwd=tmp_path).returncode == 0


class TestLimits:
    """Limits of the process under which nothing works."""

    @pytest.mark.parametrize("files", [10, 16, 20, 23])
    def test_a_command_with_too_few_files(self, tmp_path, files):
        process.write_files(tmp_path, DOG_SCHEMA)
        done = run("prlimit", f"--nofile={files}", process.binary(), "create", "schema.proto", cwd=tmp_path)
        assert message(done) == (
            f"this process may open {files} files, which is too few. Raise the limit: ulimit -n 4096"
        )

    @pytest.mark.parametrize("files", [24, 30, 47])
    def test_a_server_with_too_few_files(self, create, tmp_path, files):
        server = [create(DOG_SCHEMA).server, "--event-loops", 2, "--data", tmp_path / "data"]
        done = run("prlimit", f"--nofile={files}", *server)
        assert message(done) == (
            f"this process may open {files} files, and a server needs at least 48. Raise the limit: ulimit -n 4096"
        )
        assert not (tmp_path / "data").exists()

    def test_a_server_with_just_enough_files(self, create, serve):
        command = ["prlimit", "--nofile=48", create(DOG_SCHEMA).server, "--event-loops", "2"]
        assert serve.connect(serve(command=command)).model("Dog").get(begins_with="") == []

    def test_the_least_files_do_for_a_command(self, tmp_path):
        process.write_files(tmp_path, DOG_SCHEMA)
        done = run("prlimit", "--nofile=24", process.binary(), "create", "schema.proto", cwd=tmp_path)
        assert done.returncode == 0, done

    @pytest.mark.parametrize("mebibytes", [1024, 1791])
    def test_a_server_with_too_little_address_space(self, create, tmp_path, mebibytes):
        server = [create(DOG_SCHEMA).server, "--event-loops", 2, "--data", tmp_path / "data"]
        done = run("prlimit", f"--as={mebibytes << 20}", *server)
        assert message(done) == (
            f"this process may have {mebibytes} MiB of address space, and a server with these sizes needs 1792 MiB. "
            "Lift the limit (ulimit -v unlimited), or give it smaller --cache-size and --memtable-size"
        )
        assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize("mebibytes", [100, 200, 400, 1023])
    def test_a_command_with_too_little_address_space(self, create, tmp_path, mebibytes):
        process.write_files(tmp_path, DOG_SCHEMA)
        for command in (
            [process.binary(), "create", "schema.proto"],
            [process.binary(), "serve", "schema.proto"],
            [create(DOG_SCHEMA).server],
        ):
            done = run("prlimit", f"--as={mebibytes << 20}", *command, cwd=tmp_path)
            assert message(done) == (
                f"this process may have {mebibytes} MiB of address space, and needs at least 1024 MiB. "
                "Lift the limit: ulimit -v unlimited"
            )
        assert names(tmp_path) == ["schema.proto"]

    def test_a_server_with_just_enough_address_space(self, create, serve):
        command = ["prlimit", f"--as={1792 << 20}", create(DOG_SCHEMA).server, "--event-loops", "2"]
        dogs = serve.connect(serve(command=command)).model("Dog")
        dogs.put(b"\x0a\x01a")
        assert dogs.get(begins_with="") == [b"\x0a\x01a"]


MODEL = "message %s { string pk = 1; }"
PACKAGE = "package %s;\nmessage Dog { string pk = 1; }"


# Of longer packages protoc itself says that they are too long.
@pytest.mark.parametrize(
    "schema, what, column, letters",
    [
        (MODEL, "model's name", 9, 256),
        (MODEL, "model's name", 9, 100_000),
        (PACKAGE, "package", 1, 256),
    ],
)
def test_names_have_a_limit(tmp_path, schema, what, column, letters):
    head = 'syntax = "proto3";\n\n'
    process.write_files(tmp_path, head + schema % ("A" * letters) + "\n")
    done = run(process.binary(), "create", "schema.proto", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        65,
        f"schema.proto:3:{column}: the {what} AAAAAAAAAAAAAAAAAAAA… has {letters} letters, and at most 255 are "
        "allowed: shorten it\n",
    )
    assert os.listdir(tmp_path) == ["schema.proto"]
    process.write_files(tmp_path, head + schema % ("A" * 255) + "\n")
    assert run(process.binary(), "create", "schema.proto", cwd=tmp_path).returncode == 0
