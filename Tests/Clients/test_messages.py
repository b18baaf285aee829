"""What the command line says to a person, word by word: what happened, and what to do.

A row of the table is a command in a folder, its exit code and all it prints on stderr. New messages get a
row here; a message never names a place that the user did not.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from harness import process

SCHEMA = 'syntax = "proto3";\nmessage Dog { string pk = 1; }\n'
COMMANDS = "the commands are create, serve, check, inspect, verify, repair and token"
ADDRESS = "takes HOST:PORT, such as 127.0.0.1:50051, or unix:PATH;"


def help_on(command: str) -> str:
    return f"See 'seandb {command} --help' for more information."


@dataclasses.dataclass
class Message:
    command: str
    says: str
    code: int = 64
    files: dict = dataclasses.field(default_factory=dict)
    # Where to look for help: a wrong command line says so in a second line.
    see: str | None = None


def flag(arguments: str, says: str) -> Message:
    return Message(f"serve {arguments}", says, see="serve")


MESSAGES = [
    # Commands
    Message("creat schema.proto", "no command `creat`; did you mean `create`?"),
    Message("Create schema.proto", "no command `Create`; did you mean `create`?"),
    Message("verfiy data", "no command `verfiy`; did you mean `verify`?"),
    Message("destroy", f"no command `destroy`; {COMMANDS}"),
    Message("schema.proto", "no command `schema.proto`; did you mean `create schema.proto`?"),
    Message("help backup", f"no help on `backup`; {COMMANDS}"),
    Message("help creat", "no help on `creat`; did you mean `create`?"),
    Message("--frobnicate", "unknown option '--frobnicate'", see=""),
    Message("create", "missing expected argument '<schema>'", see="create"),
    Message("create a.proto b.proto", "unexpected argument 'b.proto'", see="create"),
    Message("serve --frobnicate", "unknown option '--frobnicate'", see="serve"),
    Message(
        "check a.proto",
        "two schemas are needed, OLD and NEW; or --data DIR and NEW",
        see="check",
    ),
    Message("inspect", "missing expected argument '<directory>'", see="inspect"),
    # Flags of a server
    flag("--data", "missing value for '--data <data>'"),
    flag("--data ''", "--data takes a directory; it is empty"),
    flag("--listen 50051", f'--listen {ADDRESS} "50051" is not one'),
    flag("--listen localhost", f'--listen {ADDRESS} "localhost" is not one'),
    flag("--listen ''", f"--listen {ADDRESS} it is empty"),
    flag("--listen http://localhost:1", f'--listen {ADDRESS} "http://localhost:1" is not one'),
    flag("--listen localhost:http", f'--listen {ADDRESS} "localhost:http" is not one'),
    flag("--listen localhost:-1", f'--listen {ADDRESS} "localhost:-1" is not one'),
    flag("--listen []:1", f'--listen {ADDRESS} "[]:1" is not one'),
    flag("--listen localhost:99999", "--listen takes a port from 0 to 65535; 99999 is not one"),
    flag("--listen ::1:1", "--listen takes an IPv6 address in brackets, such as [::1]:1"),
    flag("--listen unix:", f'--listen {ADDRESS} "unix:" is not one'),
    flag("--listen unix:///run/seandb", f'--listen {ADDRESS} "unix:///run/seandb" is not one'),
    flag("--listen /run/seandb", f'--listen {ADDRESS} "/run/seandb" is not one'),
    flag("--tls-cert a.pem", "--tls-cert and --tls-key need each other"),
    flag("--tls-key a.key", "--tls-cert and --tls-key need each other"),
    flag("--tls-client-ca a.pem", "--tls-client-ca goes with --tls-cert and --tls-key"),
    flag("--tls-cert ''", "--tls-cert takes a file; it is empty"),
    flag(
        "--listen unix:/s --tls-cert a --tls-key b",
        "--tls-cert is for addresses of TCP, and none is listened on; leave it out, or add --listen HOST:PORT",
    ),
    flag(
        "--listen 0.0.0.0:1",
        "--listen 0.0.0.0:1 is open to other machines: give it TLS (--tls-cert and --tls-key) and rules "
        "(--access, or --tls-client-ca), or --insecure where everybody on the network may read and write everything",
    ),
    *[
        flag(
            f"--listen {host}:50051",
            f"--listen {ADDRESS} for all interfaces write 0.0.0.0:50051, or [::]:50051 with those of IPv6",
        )
        for host in ("*", "")
    ],
    flag("--engine paper", '--engine takes rocksdb or lsm; "paper" is not one'),
    flag("--durability maybe", '--durability takes sync or buffered; "maybe" is not one'),
    flag(
        "--log-level loud",
        "--log-level takes trace, debug, info, notice, warning, error or critical; "
        '"loud" is not one',
    ),
    flag("--event-loops 0", '--event-loops takes a number from 1 to 1024; "0" is not one'),
    flag("--event-loops two", '--event-loops takes a number from 1 to 1024; "two" is not one'),
    *[
        flag(
            f"{name} many",
            f'{name} takes a number of bytes, or one with K, M or G, such as 256M; "many" is not one',
        )
        for name in ("--memtable-size", "--max-request-size", "--max-response-size")
    ],
    flag(
        "--cache-size many",
        '--cache-size takes auto, a number of bytes, or one with K, M or G, such as 256M; "many" is not one',
    ),
    flag("--cache-size 2048G", '--cache-size takes a size from 0 to 1024G; "2048G" is not in it'),
    flag("--memtable-size 1K", '--memtable-size takes a size from 64K to 1G; "1K" is not in it'),
    flag(
        "--max-request-size 2G", '--max-request-size takes a size from 1K to 1G; "2G" is not in it'
    ),
    *[
        flag(
            f"--max-response-size {size}",
            f'--max-response-size takes a size from 1K to 2G; "{size}" is not in it',
        )
        for size in ("0", "1")
    ],
    *[
        flag(
            f"--{name} {text}",
            f"--{name} takes a time with s, m or h, such as 20s or 5m; "
            + (f'"{text}" is not one' if text != "''" else "it is empty"),
        )
        for name in ("keepalive-time", "keepalive-timeout", "max-connection-idle", "drain-grace")
        for text in ("20", "soon", "+1s", "-1s", "1.5s", "99999h", "''")
    ],
    flag("--drain-grace 0s", '--drain-grace takes a time of at least 1s; "0s" is not one'),
    *[
        flag(f"--{name} off", f"--{name} takes a time with s, m or h; it cannot be off")
        for name in ("drain-grace", "keepalive-timeout")
    ],
    # Numbers that no machine has, and what looks like another flag
    *[
        flag(
            f"--cache-size {size}", f'--cache-size takes a size from 0 to 1024G; "{size}" is not in it'
        )
        for size in ("-1", "-1G", "99999999999G", "9" * 40)
    ],
    flag("--event-loops -1", '--event-loops takes a number from 1 to 1024; "-1" is not one'),
    flag("--engine --data", '--engine takes rocksdb or lsm; "--data" is not one'),
    # Names and places
    *[
        Message(
            f"create schema.proto --name {name}",
            "--name takes 1 to 64 lower-case letters, digits and _, the first one a letter, such as "
            f'pet_clinic; "{name}" is no such name',
            see="create",
        )
        for name in ("Clinic", "pet-clinic", "pets.clinic", "1st", "-x")
    ],
    Message(
        "serve --name clinic",
        "--name goes with a SCHEMA; the stored schema keeps its own name",
        see="serve",
    ),
    Message("create schema.proto --out ''", "--out takes a directory; it is empty", see="create"),
    Message(
        "create schema.proto",
        "will not replace out/server: it is a folder; move it away, or choose another directory with --out",
        code=1,
        files={"out/server/mine": ""},
    ),
    Message(
        "create schema.proto",
        "will not replace out/database.proto: it is a file that seandb did not write; move it away, or "
        "choose another directory with --out",
        code=1,
        files={"out/database.proto": SCHEMA},
    ),
    Message(
        "create nothing.proto",
        "cannot open nothing.proto: No such file or directory. Check the path",
        code=1,
    ),
    Message("create .", "cannot read .: Is a directory. Name a file", code=1),
    Message(
        "create schema.proto --out schema.proto",
        "schema.proto is a file, not a directory. Name another with --out",
        code=1,
    ),
    Message(
        "create schema.proto --out schema.proto/out",
        "cannot open schema.proto/out/server: schema.proto is a file, not a directory. Name another path",
        code=1,
    ),
    Message(
        "create schema.proto -I nowhere",
        "the import directory nowhere (-I) is not there or is no directory. Check the path",
        code=1,
    ),
    Message(
        "create database.proto --out .",
        "will not overwrite ./database.proto: the schema is made from it; choose another output directory",
        code=1,
        files={"database.proto": SCHEMA},
    ),
    Message(
        "create server.proto",
        'server.proto:2:1: the import "server/a.proto" needs the path "server" of the output directory, '
        "where the program goes: rename the imported folder",
        code=65,
        files={
            "server.proto": 'syntax = "proto3";\nimport "server/a.proto";\n'
            "message Dog { string pk = 1; A a = 2; }\n",
            "server/a.proto": 'syntax = "proto3";\nmessage A {}\n',
        },
    ),
    Message(
        "create schema.proto --name dogs",
        "schema.proto:2:9: message Dogs, generated for model Dog, clashes with the service Dogs that the "
        "name dogs gives: choose another --name",
        code=65,
    ),
]


def run(folder, *command, **more):
    done = process.run(process.binary(), *command, cwd=folder, **more)
    assert not process.CRASH_MARKS.search(done.stderr), done
    return done


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.command)
def test_says(message, tmp_path):
    process.write_files(tmp_path, {"schema.proto": SCHEMA, **message.files})
    done = run(tmp_path, *shlex.split(message.command))
    # Diagnostics of a schema are alone, as compilers print them.
    expected = ("" if message.code == 65 else "error: ") + message.says + "\n"
    if message.see is not None:
        expected += help_on(message.see).replace("  ", " ") + "\n"
    assert done.stderr == expected, done
    assert (done.returncode, done.stdout) == (message.code, ""), done
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", [(), ("help",), ("--help",), ("help", "create")], ids=" ".join)
def test_help_is_there_when_asked_for_or_when_nothing_is(command, tmp_path):
    done = run(tmp_path, *command)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "USAGE: seandb" in done.stdout and "create" in done.stdout


@pytest.mark.parametrize("flags", [["--data"], ["--engine", "lsm", "--data"]], ids=len)
def test_bytes_that_are_no_text_are_refused_and_not_changed(flags, tmp_path):
    done = subprocess.run(
        [os.fsencode(process.binary()), b"serve", *map(str.encode, flags), b"da\xffta"],
        cwd=tmp_path,
        capture_output=True,
        timeout=process.COMMAND_TIMEOUT,
    )
    assert done.returncode == 64
    assert done.stderr == (
        b'error: the argument "da\\xffta" is not UTF-8; rename the file, or set up the terminal for UTF-8\n'
    )
    assert list(tmp_path.iterdir()) == []


class TestEnvironment:
    """Surroundings that a program seldom meets, in containers and under preloaded libraries."""

    @pytest.fixture
    def preloaded(self, tmp_path):
        """A library that sets a variable before the program begins, and so moves its environment."""
        if not shutil.which("gcc"):
            pytest.skip("needs gcc")
        source = tmp_path / "preloaded.c"
        source.write_text(
            "#include <stdlib.h>\n"
            '__attribute__((constructor)) static void begin(void) { setenv("ANY_NEW", "1", 1); }\n'
        )
        library = tmp_path / "preloaded.so"
        built = process.run("gcc", "-shared", "-fPIC", "-o", library, source)
        assert built.returncode == 0, built
        return {**os.environ, "LD_PRELOAD": str(library)}

    def test_arguments_are_heard_under_a_preloaded_library(self, preloaded, tmp_path):
        process.write_files(tmp_path, SCHEMA)
        done = run(tmp_path, "create", "schema.proto", "--out", "made", env=preloaded)
        assert done.returncode == 0 and (tmp_path / "made" / "server").exists(), done
        done = run(tmp_path, "serve", "--listen", "", env=preloaded)
        assert (done.returncode, "it is empty" in done.stderr) == (64, True), done
        assert run(tmp_path, env=preloaded).stdout.startswith("OVERVIEW:")

    @pytest.mark.one_engine
    def test_a_server_hears_its_flags_under_a_preloaded_library(self, preloaded, create, serve):
        server = serve(create(SCHEMA), env=preloaded)
        assert serve.data.is_dir() and server.port != 50051

    @pytest.fixture
    def without_proc(self):
        """Runs a command where /proc is an empty folder."""
        command = ["unshare", "-m", "bash", "-c", 'mount -t tmpfs tmpfs /proc && exec "$0" "$@"']
        if process.run(*command, "true").returncode != 0:
            pytest.skip("only root may mount")
        return command

    def test_without_proc_it_says_what_it_needs(self, without_proc, create, tmp_path):
        for program in (process.binary(), create(SCHEMA).server):
            done = process.run(*without_proc, program, "--version", cwd=tmp_path)
            assert (done.returncode, done.stdout) == (1, ""), done
            assert done.stderr == (
                "error: there is no /proc, which this program's threads need; mount it: "
                "mount -t proc proc /proc\n"
            )


@pytest.mark.one_engine
def test_sizes_beyond_the_machine_are_warned_of(create, serve):
    # RocksDB takes memory for a cache as it fills; 1024G is more than any machine of ours has.
    server = serve(create(SCHEMA), "--cache-size", "1024G", engine="rocksdb")
    server.stop()
    [warning] = [line for line in server.stderr().splitlines() if line.startswith("warning: ")]
    assert "--cache-size" in warning and "smaller" in warning
    server = serve(create(SCHEMA), engine="rocksdb")
    server.stop()
    assert "warning: " not in server.stderr()


def at_the_root_of_control_groups() -> bool:
    lines = pathlib.Path("/proc/self/cgroup").read_text().split()
    return all(line.endswith(":/") for line in lines if line.startswith("0::") or ":memory" in line)


def test_the_cache_takes_a_quarter_of_the_memory_and_says_so(create, serve):
    server = serve(create(SCHEMA))
    server.stop()
    [line] = [line for line in server.stderr().splitlines() if "cacheSize=" in line]
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    limits = [
        int(text)
        for name in ("memory.max", "memory/memory.limit_in_bytes")
        if (path := pathlib.Path("/sys/fs/cgroup", name)).exists()
        and (text := path.read_text().strip()).isdigit()
    ]
    memory = min([machine, *(limit >> 20 for limit in limits)])
    [(number, unit)] = re.findall(r"\bcacheSize=(\d+)([MG])\b", line)
    size = int(number) * {"M": 1, "G": 1024}[unit]
    # The group of the tests may have a limit of its own.
    assert 256 <= size <= max(256, memory // 4)
    assert size == max(256, memory // 4) or not at_the_root_of_control_groups()
    given = serve(create(SCHEMA), "--cache-size", "auto", "--log-level", "warning")
    given.stop()
    assert "cacheSize" not in given.stderr()


@pytest.mark.one_engine
def test_a_limit_of_address_space_leaves_less_for_the_cache(create, serve):
    """Two gibibytes: what a server needs beside its cache leaves less than a quarter of most machines."""
    command = ["prlimit", f"--as={2 << 30}", create(SCHEMA).server, "--event-loops", "2"]
    server = serve(None, command=command)
    server.stop()
    [line] = [line for line in server.stderr().splitlines() if "cacheSize=" in line]
    [size] = re.findall(r"\bcacheSize=(\d+)M\b", line)
    assert 256 <= int(size) <= 640
