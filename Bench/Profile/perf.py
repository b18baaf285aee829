"""Time by perf: samples of all threads of a program and its children, each with its stack."""

from __future__ import annotations

import collections
import pathlib
import re
import subprocess

import running
import symbols
from samples import Frame, Profile

# The bytes of stack that are kept of each sample. Frame pointers would do with none, and find every caller in Swift
# and RocksDB, but lose it in zstd, LZ4, nghttp2 and libc, which are compiled without: every fourth sample. With 16 KiB
# every sixth is cut off, with 32 one of twenty.
STACK_BYTES = 32 << 10

HEADER = re.compile(r"^(?P<comm>.*?)\s+(?P<process>\d+)/(?P<thread>\d+)\s+(?P<nanoseconds>\d+)\s*$")
FRAME = re.compile(r"^\t\s*[0-9a-f]+ (?P<symbol>.*?) \((?P<library>[/\[].*)\)$")
EXEC = re.compile(r"PERF_RECORD_COMM exec: (?P<name>.*):(?P<process>\d+)/\d+$")


def record(command: list[str], out: pathlib.Path, frequency: int, with_symbols: list[pathlib.Path]) -> int:
    """Runs the program; returns its exit code."""
    for program in with_symbols:
        if program.exists():
            subprocess.run([*perf(out), "buildid-cache", "--add", program], check=True)
    code = running.run(
        # Hardware counters are missing in virtual machines; the clock is always there.
        [*perf(out), "record", "--quiet", "--event", "cpu-clock", "--freq", frequency]
        # The stacks compress to a thirtieth. The build ids are kept, since servers are gone with their directory.
        + ["--call-graph", f"dwarf,{STACK_BYTES}", "--compression-level=1", "--buildid-mmap"]
        + ["--output", out / "perf.data", "--", *command]
    )
    if not (out / "perf.data").exists():
        raise SystemExit(
            f"perf recorded nothing (exit code {code}). If it may not: run as root, or allow it by"
            " `sysctl kernel.perf_event_paranoid=1`"
        )
    return code


def read(out: pathlib.Path, focus: str | None) -> Profile:
    script = subprocess.run(
        [*perf(out), "script", "--input", out / "perf.data", "--show-task-events", "--no-inline"]
        + ["--fields", "comm,pid,tid,period,ip,sym,dso"],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
    ).stdout
    raw = parse(script)
    names = symbols.demangle({symbol for stack in raw for symbol, _ in stack[1]})
    frames = {}

    def frame(symbol: str, library: str) -> Frame:
        if (symbol, library) not in frames:
            name = names.get(symbol) or symbols.shorten(symbol)
            frames[symbol, library] = Frame(name, symbols.module(symbol, library))
        return frames[symbol, library]

    stacks = collections.Counter()
    for (tasks, calls), nanoseconds in raw.items():
        stacks[tuple(Frame(task, "") for task in tasks) + tuple(frame(*call) for call in calls)] += nanoseconds
    profile = Profile(dict(stacks))
    if focus is not None:
        profile = profile.focused(focus)
    if not profile.stacks:
        raise SystemExit("no samples" + (f" inside a function named like {focus}" if focus else ""))
    return profile


def perf(out: pathlib.Path) -> list:
    """The command, with a directory of its own for programs with symbols."""
    return ["perf", "--buildid-dir", out / "build-ids"]


def parse(script: str) -> dict[tuple, int]:
    """Nanoseconds by (process and thread names, calls from the outermost on as (symbol, library))."""
    stacks, processes = collections.Counter(), {}
    for block in script.split("\n\n"):
        lines = block.split("\n")
        # Events of tasks are on lines of their own, before a sample or alone.
        while lines and not (header := HEADER.match(lines[0])):
            if started := EXEC.search(lines[0]):
                processes[started["process"]] = started["name"]
            del lines[0]
        if not lines:
            continue
        calls = [match.group("symbol", "library") for line in lines[1:] if (match := FRAME.match(line))]
        process = processes.setdefault(header["process"], header["comm"])
        # Threads of one kind are told by a number.
        thread = re.sub(r"\d+", "*", header["comm"])
        tasks = (process,) if header["comm"] == process else (process, f"thread {thread}")
        stacks[tasks, tuple(reversed(calls))] += int(header["nanoseconds"])
    return stacks
