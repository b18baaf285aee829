"""Result files as they are on disk: format 1, checked field by field."""

from __future__ import annotations

import json
import math
import pathlib
from dataclasses import dataclass
from typing import Any

Value = str | float | bool | None


class Malformed(Exception):
    """A file that is not a result of format 1; the text says which field, in one line."""


@dataclass(frozen=True)
class Timeline:
    step_seconds: float
    operations: tuple[float, ...]


@dataclass(frozen=True)
class Measurement:
    """One workload on one target in one round. What a target cannot tell is None."""

    workload: str
    target: str
    round: int
    load: dict[str, Value]
    operations: float
    errors: float
    rate: float
    latency: tuple[tuple[float, float], ...]
    """Pairs of quantile and seconds, ascending, with 1.0 for the maximum."""
    timeline: Timeline | None
    cpu_seconds: float | None
    written_bytes: float | None
    user_bytes: float | None
    live_bytes: float | None
    disk_bytes: float | None
    peak_bytes: float | None


@dataclass(frozen=True)
class Check:
    """One case as our harness and as another tool measured it."""

    case: str
    tool: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    ratios: tuple[float, ...]
    ratio: float
    tolerance: float
    agrees: bool


@dataclass(frozen=True)
class Result:
    """One file. `checks` belongs to the benchmark "agreement", targets and measurements to the others."""

    benchmark: str
    complete: bool
    started_at: str
    seconds: float | None
    command: str
    machine: dict[str, Value]
    versions: dict[str, Value]
    commit: str
    options: dict[str, Value]
    targets: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    checks: tuple[Check, ...]


class Node:
    """A JSON value that knows where it is, so that an error can say it."""

    def __init__(self, value: Any, path: str) -> None:
        self.value, self.path = value, path

    def expected(self, what: str) -> Malformed:
        shown = "nothing" if self.value is None else json.dumps(self.value)
        shown = shown if len(shown) <= 40 else shown[:37] + "..."
        return Malformed(f"{self.path or 'the file'}: expected {what}, found {shown}")

    def __getitem__(self, name: str) -> Node:
        if not isinstance(self.value, dict):
            raise self.expected("an object")
        return Node(self.value.get(name), f"{self.path}.{name}".lstrip("."))

    def items(self) -> list[Node]:
        if not isinstance(self.value, list):
            raise self.expected("an array")
        return [Node(item, f"{self.path}[{index}]") for index, item in enumerate(self.value)]

    def text(self, default: str | None = None) -> str:
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, str):
            raise self.expected("a string")
        return self.value

    def number(self) -> float:
        # A bool is an int to Python, and NaN a number to its JSON reader.
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.expected("a number")
        if not math.isfinite(self.value) or self.value < 0:
            raise self.expected("a finite number, not below 0")
        return self.value

    def optional_number(self) -> float | None:
        return None if self.value is None else self.number()

    def numbers(self) -> tuple[float, ...]:
        return tuple(item.number() for item in self.items())

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.expected("true or false")
        return self.value

    def flat(self) -> dict[str, Value]:
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.expected("an object")
        for name, value in self.value.items():
            if isinstance(value, dict | list):
                raise self[name].expected("a string, a number, true, false or null")
        return dict(self.value)


def read(path: pathlib.Path) -> Result:
    """Throws Malformed, or OSError when there is no such file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Malformed(f"not JSON: {error}") from error
    root = Node(value, "")
    if root["format"].value != 1:
        raise root["format"].expected("1, the only one that this program reads")
    benchmark = root["benchmark"].text()
    if benchmark not in ("engine", "server", "agreement"):
        raise root["benchmark"].expected('"engine", "server" or "agreement"')
    is_agreement = benchmark == "agreement"
    targets = () if is_agreement else tuple(item.text() for item in root["targets"].items())
    if not is_agreement and not targets:
        raise root["targets"].expected("at least one target")
    measurements = () if is_agreement else tuple(map(measurement, root["measurements"].items()))
    for index, one in enumerate(measurements):
        if one.target not in targets:
            raise root["measurements"].items()[index]["target"].expected('one of "targets"')
    return Result(
        benchmark=benchmark,
        complete=root["complete"].flag(),
        started_at=root["startedAt"].text(""),
        seconds=root["seconds"].optional_number(),
        command=root["command"].text(""),
        machine=root["machine"].flat(),
        versions=root["versions"].flat(),
        commit=root["commit"].text(""),
        options=root["options"].flat(),
        targets=targets,
        measurements=measurements,
        checks=tuple(map(check, root["checks"].items())) if is_agreement else (),
    )


def measurement(node: Node) -> Measurement:
    return Measurement(
        workload=node["workload"].text(),
        target=node["target"].text(),
        round=int(node["round"].number()),
        load=node["load"].flat(),
        operations=node["operations"].number(),
        errors=node["errors"].optional_number() or 0,
        rate=node["operationsPerSecond"].number(),
        latency=latency(node),
        timeline=timeline(node["timeline"]),
        cpu_seconds=node["cpuSeconds"].optional_number(),
        written_bytes=node["writtenBytes"].optional_number(),
        user_bytes=node["userBytes"].optional_number(),
        live_bytes=node["liveBytes"].optional_number(),
        disk_bytes=node["diskBytes"].optional_number(),
        peak_bytes=node["peakResidentBytes"].optional_number(),
    )


def latency(node: Node) -> tuple[tuple[float, float], ...]:
    """The curve; the four figures of their own fields fill in where it lacks them."""
    points: dict[float, float] = {}
    for name, quantile in (
        ("p50Seconds", 0.5),
        ("p99Seconds", 0.99),
        ("p999Seconds", 0.999),
        ("maximumSeconds", 1.0),
    ):
        seconds = node[name].optional_number()
        if seconds is not None:
            points[quantile] = seconds
    if node["latency"].value is not None:
        for item in node["latency"].items():
            pair = item.numbers()
            if len(pair) != 2 or pair[0] > 1:
                raise item.expected("a pair of a quantile up to 1 and seconds")
            points[pair[0]] = pair[1]
    return tuple(sorted(points.items()))


def timeline(node: Node) -> Timeline | None:
    if node.value is None:
        return None
    step = node["stepSeconds"].number()
    if step == 0:
        raise node["stepSeconds"].expected("a number above 0")
    return Timeline(step, node["operations"].numbers())


def check(node: Node) -> Check:
    return Check(
        case=node["case"].text(),
        tool=node["tool"].text(),
        ours=node["ours"].numbers(),
        theirs=node["theirs"].numbers(),
        ratios=node["ratios"].numbers(),
        ratio=node["ratio"].number(),
        tolerance=node["tolerance"].number(),
        agrees=node["agrees"].flag(),
    )
