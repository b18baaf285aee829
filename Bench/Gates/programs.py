"""The programs that are measured, and how they are run."""

import pathlib
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Programs:
    seandb: str
    bench: str
    # Where engines write when the disk counts.
    directory: str


def run(command: list[str]) -> str:
    """Runs a command to its end and returns what it printed; says what it said when it fails."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise SystemExit(f"exit code {result.returncode} of: {words}\n{result.stderr[-2000:]}")
    return result.stdout


def total_of(out: pathlib.Path) -> int:
    """The sum that callgrind wrote at its end."""
    for line in out.read_text().splitlines():
        if line.startswith("summary:"):
            return int(line.split()[1])
    raise SystemExit(f"callgrind has counted nothing in {out}")
