"""Runs the seandb binary: `create`, other commands, and servers that are stopped for certain."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
COMMAND_TIMEOUT = 30.0
START_TIMEOUT = 30.0
STOP_TIMEOUT = 20.0
PATIENCE = 15.0

# What a Swift or C++ process leaves on stderr when it dies of a fault instead of ending.
CRASH_MARKS = re.compile(
    r"Fatal error|Precondition failed|Assertion failed|\*\*\* Signal|Illegal instruction"
    r"|Segmentation fault|terminate called|AddressSanitizer|ThreadSanitizer|crashed:"
)


def binary() -> pathlib.Path:
    """The seandb under test: `SEANDB`, or the release build of this repository."""
    named = os.environ.get("SEANDB")
    path = pathlib.Path(named) if named else REPOSITORY / ".build" / "seandb"
    return path.resolve()


def tool(name: str) -> str:
    """A tool of this Python environment (grpcurl, buf)."""
    beside = pathlib.Path(sys.executable).parent / name
    return str(beside) if beside.exists() else (shutil.which(name) or name)


def run(*arguments: object, cwd=None, env=None, timeout=COMMAND_TIMEOUT, **more):
    """Runs a command to its end and returns it with stdout and stderr as text."""
    return subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=env,
        timeout=timeout,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        **more,
    )


def buf_curl(scratch: pathlib.Path, *arguments: object) -> subprocess.CompletedProcess:
    """`buf curl` by gRPC without TLS, which keeps what it writes in `scratch`."""
    environment = {**os.environ, "BUF_CACHE_DIR": str(scratch / "buf"), "HOME": str(scratch)}
    return run(
        tool("buf"),
        "curl",
        "--http2-prior-knowledge",
        "--protocol",
        "grpc",
        *arguments,
        env=environment,
    )


def write_files(directory: pathlib.Path, files: str | dict) -> pathlib.Path:
    """Writes schema files, text as UTF-8 without newline translation, and returns the directory."""
    if isinstance(files, str):
        files = {"schema.proto": files}
    for name, contents in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    return directory


@dataclasses.dataclass
class Creation:
    """One run of `seandb create` and what it wrote."""

    schema: pathlib.Path
    out: pathlib.Path
    include: list
    completed: subprocess.CompletedProcess

    @property
    def server(self) -> pathlib.Path:
        return self.out / "server"

    @property
    def database_proto(self) -> pathlib.Path:
        return self.out / "database.proto"


def create(schema: pathlib.Path, out: pathlib.Path, include=(), env=None) -> Creation:
    flags = [flag for directory in include for flag in ("-I", directory)]
    completed = run(binary(), "create", schema, *flags, "--out", out, env=env)
    return Creation(schema, out, list(include), completed)


class ServerFailed(Exception):
    """The server ended, or said nothing, before it was listening."""

    def __init__(self, returncode, stdout, stderr):
        self.returncode, self.stdout, self.stderr = returncode, stdout, stderr
        super().__init__(f"exit {returncode}\nstdout: {stdout}\nstderr: {stderr}")


class ServerProcess:
    """A running server. `stop()` is the polite end and checks it; `kill()` is kill -9."""

    def __init__(self, command, log: pathlib.Path, env=None, cwd=None):
        self.command = [str(part) for part in command]
        self.log = log
        self.host = self.port = None
        # Where it listens, in the order of its flags.
        self.addresses = []
        # The exit codes that its end may have.
        self.good_codes = {0}
        self._stdout = b""
        with open(log, "wb") as stderr:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=env,
                cwd=cwd,
            )
        for line in self._first_lines(max(1, self.command.count("--listen"))):
            match = re.fullmatch(r"listening on (\S+)", line)
            if not match:
                self._end()
                raise ServerFailed(self.process.returncode, self._stdout.decode(), self.stderr())
            self.addresses.append(match.group(1))
        if not self.address.startswith("unix:"):
            self.host, port = self.address.rsplit(":", 1)
            self.port = int(port)

    @property
    def address(self) -> str:
        """The first one."""
        return self.addresses[0]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def _first_lines(self, count: int) -> list[str]:
        deadline = time.monotonic() + START_TIMEOUT
        while self._stdout.count(b"\n") < count:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                break
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                break
            self._stdout += chunk
        return self._stdout.decode().split("\n")[:count]

    def _end(self):
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._drain_stdout()

    def _drain_stdout(self):
        if not self.process.stdout.closed:
            self._stdout += self.process.stdout.read()
            self.process.stdout.close()

    def stdout(self) -> str:
        """All of stdout; complete once the process has ended."""
        return self._stdout.decode()

    def stderr(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def send(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, timeout=STOP_TIMEOUT) -> int:
        code = self.process.wait(timeout=timeout)
        self._drain_stdout()
        return code

    def stop(self, number=signal.SIGTERM, code=None):
        """Ends the server by a signal and asserts that it went in good order, with this exit code."""
        if code is not None:
            self.good_codes = {code}
        if not self.running:
            self.assert_no_crash()
            return
        self.send(number)
        try:
            ended = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"no exit after signal {number}; stderr:\n{self.stderr()}"
            ) from None
        self.assert_no_crash()
        assert ended in self.good_codes, f"exit code {ended} after signal {number}; stderr:\n{self.stderr()}"
        assert self.stdout().count("\n") == len(self.addresses), f"more lines on stdout: {self.stdout()}"

    def kill(self):
        """kill -9."""
        if self.running:
            self.process.kill()
        self.process.wait(timeout=STOP_TIMEOUT)
        self._drain_stdout()

    def assert_no_crash(self):
        text = self.stderr()
        assert not CRASH_MARKS.search(text), f"the server crashed:\n{text}"
        code = self.process.poll()
        assert code in {None, -signal.SIGKILL, *self.good_codes}, f"the server ended by itself ({code}):\n{text}"


def eventually(condition, what: str, patience: float = PATIENCE):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience} s: {what}"
        time.sleep(0.01)


def memory(server, field: str = "VmRSS") -> int:
    """Bytes of memory in use; of `VmHWM`, the most that ever was."""
    text = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE).group(1)) << 10


def processor_time(server) -> float:
    """Seconds of user and system time so far."""
    fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
