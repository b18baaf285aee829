"""The steps that README.md shows: its files and its commands with their output, in order."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
# A line of this means any lines, also none.
ELISION = "..."


@dataclasses.dataclass
class Step:
    """A command and what is shown of its output."""

    command: str
    shown: list[str]


def blocks(text: str, language: str) -> list[str]:
    return [body for found, body in BLOCK.findall(text) if found == language]


def steps(text: str) -> list[Step]:
    """The commands of all console blocks."""
    found: list[Step] = []
    for block in blocks(text, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step(line[2:], []))
            else:
                found[-1].shown.append(line)
    return found


def agrees(shown: list[str], lines: list[str]) -> bool:
    """Whether the output is what is shown: the same JSON, or the same lines.

    Each version of grpcurl spaces its JSON in its own way.
    """
    try:
        return json.loads("\n".join(shown)) == json.loads("\n".join(lines))
    except ValueError:
        return matches(shown, lines)


def matches(shown: list[str], lines: list[str]) -> bool:
    if not shown:
        return not lines
    if shown[0] == ELISION:
        return any(matches(shown[1:], lines[start:]) for start in range(len(lines) + 1))
    return bool(lines) and shown[0] == lines[0] and matches(shown[1:], lines[1:])


def read(repository: pathlib.Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")
