"""README.md, followed line by line in a fresh folder, does what it says."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from harness import process, readme

README = readme.read(process.REPOSITORY)
LISTENING = "listening on "


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Shell:
    """Runs commands in one folder; those that show `listening on` at their end stay, as in a terminal of their own."""

    def __init__(self, folder):
        self.folder = folder
        tools = os.path.dirname(sys.executable)
        self.env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        # This make is no part of the one that may have started the tests.
        for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
            self.env.pop(name, None)
        self.servers: list[subprocess.Popen] = []

    def run(self, command: str) -> list[str]:
        done = process.run("bash", "-c", command, cwd=self.folder, env=self.env)
        assert done.returncode == 0, (command, done)
        assert done.stderr == "", (command, done)
        return done.stdout.splitlines()

    def serve(self, command: str) -> list[str]:
        """All output up to the line that says where it listens."""
        log = self.folder / f"server{len(self.servers)}.log"
        with open(log, "wb") as stderr:
            server = subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        self.servers.append(server)
        output = b""
        deadline = time.monotonic() + process.START_TIMEOUT
        while not re.search(rb"^listening on .*\n", output, re.M):
            ready, _, _ = select.select([server.stdout], [], [], deadline - time.monotonic())
            chunk = os.read(server.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"{command} does not listen:\n{output.decode()}\n{log.read_text()}"
            output += chunk
        return output.decode().splitlines()

    def close(self):
        """Ctrl-C in each terminal."""
        for server in self.servers:
            os.killpg(server.pid, signal.SIGINT)
        for server in self.servers:
            try:
                server.wait(timeout=process.STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
            server.stdout.close()


@pytest.fixture
def clone(tmp_path):
    """What a fresh clone has once it is built."""
    (tmp_path / ".build").mkdir()
    (tmp_path / ".build" / "seandb").symlink_to(process.binary())
    shutil.copy2(process.REPOSITORY / "Makefile", tmp_path)
    shutil.copytree(
        process.REPOSITORY / "Examples",
        tmp_path / "Examples",
        ignore=shutil.ignore_patterns("out", "data"),
    )
    return tmp_path


@pytest.fixture
def shell(clone):
    shell = Shell(clone)
    try:
        yield shell
    finally:
        shell.close()


def test_the_readme_works_from_its_first_line_to_its_last(shell):
    """Every command in order, and the output that is shown. Only ports are replaced, by free ones."""
    [schema] = readme.blocks(README, "proto")
    (shell.folder / "schema.proto").write_text(schema)
    ports = sorted(set(re.findall(r"(?:localhost|127\.0\.0\.1):(\d+)", README)))
    replacements = dict(zip(ports, map(str, free_ports(len(ports)))))

    def replaced(text: str) -> str:
        return re.sub(r"\b\d+\b", lambda found: replacements.get(found[0], found[0]), text)

    steps = readme.steps(README)
    assert len(steps) >= 7, steps
    for step in steps:
        command = replaced(step.command)
        # What `make run` does once everything is built: its recipe, without that of `build`.
        if command == "make run":
            command = f"make -s -o build run LISTEN={replaced('127.0.0.1:50051')}"
        shown = [replaced(line) for line in step.shown]
        serves = bool(shown) and shown[-1].startswith(LISTENING)
        lines = shell.serve(command) if serves else shell.run(command)
        assert readme.agrees(shown, lines), "\n".join(
            [f"README.md shows of `{step.command}`:", *shown, "and it printed:", *lines]
        )


def test_the_example_and_the_own_schema_share_neither_data_nor_program(shell):
    texts = [step.command for step in readme.steps(README) if step.command.startswith("out/")]
    assert texts and all("--data" in text and "--listen" in text for text in texts), texts
    recipe = process.run("make", "-n", "-o", "build", "run", cwd=shell.folder, env=shell.env).stdout
    places = re.findall(r"--(?:out|data) (\S+)", recipe)
    assert places == ["Examples/pets/out", "Examples/pets/data"], recipe
