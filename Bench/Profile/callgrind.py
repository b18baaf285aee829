"""Instructions by callgrind: nearly the same in each run, but some thirty times slower than the program itself."""

from __future__ import annotations

import collections
import itertools
import pathlib
import re
import subprocess

import running
import summary
import symbols
from samples import Frame

# What a benchmark asks about the machine: it would only take time.
SKIPPED = "*/sh,*/git,*/date,*/dpkg-query"
# Of all processes' instructions: one with fewer only helped to start another.
SMALLEST_PART = 0.01
TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
COMMAND = re.compile(r"^cmd: *(\S+)", re.MULTILINE)
ROW = re.compile(r"^\s*(?P<count>[\d,]+) \(.*?%\)\s+[^:]*:(?P<symbol>.*?)(?: \[(?P<library>[^\[\]]*)\])?$")


def run(command: list[str], out: pathlib.Path) -> int:
    """Runs the program and its children; returns its exit code."""
    return running.run(
        ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={out}/callgrind.out.%p"]
        + ["--trace-children=yes", f"--trace-children-skip={SKIPPED}", *command]
    )


def text(out: pathlib.Path, title: str) -> str:
    contents = {path: path.read_text(errors="replace") for path in out.glob("callgrind.out.*")}
    # A program that was killed leaves an empty file.
    counts = {path: int(found[-1]) for path, content in contents.items() if (found := TOTAL.findall(content))}
    total = sum(counts.values())
    if total == 0:
        raise SystemExit("callgrind counted nothing")
    lines = [title, f"{total:,} instructions in user mode, in"]
    busy = sorted((path for path in counts if counts[path] >= SMALLEST_PART * total), key=counts.get, reverse=True)
    names = {path: pathlib.PurePath(COMMAND.search(contents[path])[1]).name for path in busy}
    lines += [f"{summary.percent(counts[path], total)}  {names[path]} ({path.name})" for path in busy]
    for path in busy:
        lines += ["", f"--- {names[path]}: {counts[path]:,} instructions", *process(path)]
    return "\n".join(lines) + "\n"


def process(path: pathlib.Path) -> list[str]:
    own, inclusive = annotated(path, is_inclusive=False), annotated(path, is_inclusive=True)
    # Callgrind says who calls whom, but its summary does not: a function is left out when the next one takes as much.
    ordered = sorted(inclusive, key=inclusive.get, reverse=True)
    passing = {
        frame
        for frame, following in itertools.pairwise(ordered)
        if inclusive[following] >= summary.PASSED_ON * inclusive[frame] and own.get(frame, 0) < inclusive[frame] / 100
    }
    return summary.tables(own, inclusive, passing)


def annotated(path: pathlib.Path, is_inclusive: bool) -> dict[Frame, int]:
    """Instructions by function, from callgrind_annotate."""
    listed = subprocess.run(
        ["callgrind_annotate", "--auto=no", "--threshold=100", f"--inclusive={'yes' if is_inclusive else 'no'}", path],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = [match for line in listed.splitlines() if (match := ROW.match(line))]
    names = symbols.demangle({row["symbol"].removesuffix("'2") for row in rows})
    amounts = collections.defaultdict(list)
    for row in rows:
        # A function that calls itself is listed twice, the inner calls with this mark.
        symbol = row["symbol"].removesuffix("'2")
        name = names.get(symbol) or symbols.shorten(without_parameters(symbol))
        amounts[Frame(name, symbols.module(symbol, row["library"] or ""))].append(int(row["count"].replace(",", "")))
    # A function has a row for each file that something in it was inlined from. Each of them is a part of what it does
    # itself, but all of what it does with its calls.
    return {frame: max(counts) if is_inclusive else sum(counts) for frame, counts in amounts.items()}


def without_parameters(name: str) -> str:
    """A C++ function's name as perf gives it."""
    end = name.rfind(")")
    if end < 0 or name[end:] not in (")", ") const"):
        return name
    depth = 0
    for at in range(end, 0, -1):
        depth += (name[at] == ")") - (name[at] == "(")
        if depth == 0:
            return name[:at]
    return name
