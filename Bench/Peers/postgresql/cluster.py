"""A cluster of PostgreSQL that lives in a temporary folder as long as a `with` block does."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Where Debian has the programs of the server, which are not in PATH.
DEBIAN = pathlib.Path("/usr/lib/postgresql/15/bin")
START_SECONDS = 60
STOP_SECONDS = 120


class Failure(Exception):
    """A program that fails, or an answer that is wrong; the text says which, and what the program said."""


@dataclass(frozen=True)
class Programs:
    folder: pathlib.Path

    @staticmethod
    def found(folder: pathlib.Path | None) -> Programs:
        """Those in `folder`, or Debian's."""
        programs = Programs(folder or DEBIAN)
        for path in map(programs.path, ("initdb", "postgres", "psql", "pgbench")):
            if not os.access(path, os.X_OK):
                raise Failure(f"there is no {path}: apt-get install postgresql-15, or --postgresql FOLDER")
        return programs

    def path(self, name: str) -> str:
        return str(self.folder / name)


class Cluster:
    """Thread-safety: none."""

    settings = {
        # As much as seandb's cache by default.
        "shared_buffers": "256MB",
        # No checkpoint begins during a measurement; there is one before each.
        "max_wal_size": "16GB",
        "checkpoint_timeout": "1h",
        # No standby and no archive: the least that is written for a change.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_connections": "100",
        # Compiling a statement pays off when it runs for long.
        "jit": "off",
        "fsync": "on",
        "listen_addresses": "127.0.0.1",
    }

    def __init__(self, programs: Programs, directory: str | None, user: str) -> None:
        self.programs = programs
        self.user = user if os.geteuid() == 0 else None
        parent = directory or os.environ.get("TMPDIR") or "/var/tmp"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="seandb-postgresql.", dir=parent))
        self.port = 0
        self.version = ""
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cluster:
        try:
            if self.user:
                try:
                    account = pwd.getpwnam(self.user)
                except KeyError:
                    raise Failure(f"there is no user {self.user}, and root may not run PostgreSQL: --user") from None
                os.chown(self.folder, account.pw_uid, account.pw_gid)
            self.version = self.run([self.programs.path("postgres"), "--version"]).strip()
            command = [self.programs.path("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust"]
            self.run([*command, "--locale=C", "--encoding=UTF8", "--no-instructions"])
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    @property
    def log(self) -> pathlib.Path:
        return self.folder / "log"

    def run(self, command: Sequence[str], environment: dict[str, str] | None = None) -> str:
        """Runs a program to its end, as the user whose cluster this is, and returns what it printed."""
        return run(command, environment=environment, user=self.user, folder=self.folder)

    # The server

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The server runs while the block does. At its end it writes a checkpoint, so that nothing is left to do."""
        self.port = free_port()
        # Short: the path of a socket has 107 bytes at most.
        settings = self.settings | {"port": str(self.port), "unix_socket_directories": str(self.folder)}
        command = [self.programs.path("postgres"), "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open(self.log, "ab") as log:
            # Ctrl-C does not reach it: whoever leaves the block ends it.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder,
                **identity(self.user),
            )  # fmt: skip
        self.process = process
        try:
            self.wait_until_it_answers(process)
            yield
        finally:
            self.process = None
            stop(process)

    def wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute(["SELECT 1"])
                return
            except Failure as failure:
                if process.poll() is not None or time.monotonic() > end:
                    said = self.log.read_text(errors="replace")[-2000:]
                    raise Failure(f"PostgreSQL does not answer: {failure}\n{said}") from None
            time.sleep(0.1)

    def cpu_seconds(self) -> float:
        """Of the running server, its processes and those of them that have ended."""
        assert self.process
        processes = [stat for folder in pathlib.Path("/proc").glob("[0-9]*") if (stat := status(folder / "stat"))]
        own = self.process.pid
        return sum(
            one.own_seconds + (one.ended_seconds if one.pid == own else 0)
            for one in processes
            if own in (one.pid, one.parent)
        )

    # Statements

    def address(self, is_unix: bool = False) -> list[str]:
        """As psql and pgbench take it."""
        host = str(self.folder) if is_unix else "127.0.0.1"
        return ["-h", host, "-p", str(self.port), "-U", "postgres"]

    def execute(self, statements: Sequence[str]) -> str:
        """Each in a transaction of its own."""
        command = [self.programs.path("psql"), *self.address(), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"]
        for statement in statements:
            command += ["-c", statement]
        return self.run([*command, "postgres"])

    def check(self, expected: tuple[str, str]) -> None:
        """- Throws: Failure when a statement answers something else."""
        statement, answer = expected
        found = self.execute([statement]).strip()
        if found != answer:
            raise Failure(f"{statement}\nanswers {found}, and not {answer}")

    def check_plan(self, statement: str, index: str) -> None:
        """- Throws: Failure when a statement does without that index."""
        plan = self.execute([f"EXPLAIN (COSTS OFF) {statement}"])
        if index not in plan:
            raise Failure(f"{statement}\ndoes not use {index}:\n{plan}")


@dataclass(frozen=True)
class Status:
    """A process as the system sees it."""

    pid: int
    parent: int
    own_seconds: float
    ended_seconds: float
    """Of its children that have ended."""

    @staticmethod
    def parsed(text: str) -> Status:
        """proc(5), "/proc/pid/stat". The name of the program, in brackets, may hold anything."""
        pid, words = text.split()[0], text.rpartition(")")[2].split()
        ticks = [int(word) for word in words[11:15]]
        hertz = os.sysconf("SC_CLK_TCK")
        return Status(int(pid), int(words[1]), sum(ticks[:2]) / hertz, sum(ticks[2:]) / hertz)


def status(file: pathlib.Path) -> Status | None:
    """Nothing when it has ended meanwhile."""
    try:
        return Status.parsed(file.read_text(errors="replace"))
    except OSError:
        return None


def run(
    command: Sequence[str],
    *,
    environment: dict[str, str] | None = None,
    user: str | None = None,
    folder: pathlib.Path | None = None,
) -> str:
    """Runs a program to its end and returns what it printed; it is ended when this is interrupted."""
    words = [str(word) for word in command]
    result = subprocess.run(
        words, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=folder,
        env=os.environ | (environment or {}), **identity(user),
    )  # fmt: skip
    if result.returncode != 0:
        raise Failure(f"exit code {result.returncode} of: {' '.join(words)}\n{result.stderr[-2000:]}")
    return result.stdout


def identity(user: str | None) -> dict[str, object]:
    """Of a process that another user runs."""
    if user is None:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a server: what is under way is broken off, what is acknowledged is kept."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # At once; its own children end with it.
        process.send_signal(signal.SIGQUIT)
        process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
