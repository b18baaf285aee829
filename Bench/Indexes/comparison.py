"""Which measurements are compared with which, and the table of their ratios."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What is added to the name of a plain target (docs/benchmarks.md, "Indexes").
SCHEMAS = ("", "-indexed", "-indexed-3", "-covered")
WORKLOADS = "get,range-get,unique-get,index-get,put,put-changed,insert"
USUAL = ("--loads", "16x64", "--rates", "0", "--durability", "buffered", "--rounds", "5")
SHORT = (*USUAL[:-1], "1", "--records", "20000", "--seconds", "0.2", "--write-seconds", "0.2")


@dataclass(frozen=True)
class Call:
    workload: str
    schema: str = ""


@dataclass(frozen=True)
class Row:
    title: str
    call: Call
    base: Call
    """What it is compared with: the same call on a plain model, or the usual one on the same server."""
    expected: Mapping[str, str]
    """By engine: the ratios that what each part of a call costs lets one expect."""


def row(title: str, call: tuple[str, str], base: tuple[str, str], lsm: str, rocksdb: str) -> Row:
    return Row(title, Call(*call), Call(*base), {"lsm": lsm, "rocksdb": rocksdb})


ROWS = (
    row("get by key, a model with an index", ("get", "-indexed"), ("get", ""), "1.00", "1.00"),
    row("put, an index, fields unchanged", ("put", "-indexed"), ("put", ""), "0.70-0.89", "0.57-0.75"),
    row(
        "put, an index, field changed",
        ("put-changed", "-indexed"),
        ("put-changed", ""),
        "0.46-0.64",
        "0.34-0.48",
    ),
    row("insert, an index", ("insert", "-indexed"), ("insert", ""), "0.69-0.76", "0.57-0.66"),
    row("insert, three indexes", ("insert", "-indexed-3"), ("insert", ""), "0.5", "0.35"),
    row(
        "one record, unique index : key",
        ("unique-get", "-covered"),
        ("get", "-covered"),
        "0.65-0.85",
        "0.5-0.7",
    ),
    row(
        "ten records, index : range of keys",
        ("index-get", "-indexed"),
        ("range-get", "-indexed"),
        "0.25-0.6",
        "0.25-0.5",
    ),
    row(
        "ten records, covering index : range",
        ("index-get", "-covered"),
        ("range-get", "-covered"),
        "0.95",
        "0.95",
    ),
)


def flags(engine: str, is_short: bool) -> list[str]:
    """Of seandb-bench, all of one engine's schemas in one run."""
    targets = ",".join(f"seandb-{engine}{schema}" for schema in SCHEMAS)
    return ["server", "--targets", targets, "--workloads", WORKLOADS, *(SHORT if is_short else USUAL)]


@dataclass(frozen=True)
class Measurement:
    workload: str
    target: str
    load: str
    """Connections x calls in flight, and what a write survives."""
    round: int
    rate: float
    cpu: float | None
    """Of the server, for each call. Unit: microseconds."""


def measurements(result: Mapping[str, Any]) -> list[Measurement]:
    """Those of a result of seandb-bench."""
    return [
        Measurement(
            workload=one["workload"],
            target=one["target"],
            load=load(one["load"]),
            round=one["round"],
            rate=one["operationsPerSecond"],
            cpu=one["cpuSeconds"] / one["operations"] * 1e6
            if one["cpuSeconds"] is not None and one["operations"]
            else None,
        )
        for one in result["measurements"]
    ]


def load(known: Mapping[str, Any]) -> str:
    durability = known.get("durability")
    return f"{known['connections']} x {known['inFlight']}" + (f" {durability}" if durability else "")


@dataclass(frozen=True)
class Comparison:
    rate: float
    base: float
    ratios: tuple[float, ...]
    """Of the rounds that have both."""
    cpu: float | None
    base_cpu: float | None


def compared(known: Sequence[Measurement], engine: str, row: Row) -> dict[str, Comparison]:
    """By load; nothing for what was not measured."""

    def of(call: Call) -> dict[str, dict[int, Measurement]]:
        found: dict[str, dict[int, Measurement]] = {}
        for one in known:
            if (one.workload, one.target) == (call.workload, f"seandb-{engine}{call.schema}"):
                found.setdefault(one.load, {})[one.round] = one
        return found

    def middle(rounds: Mapping[int, Measurement]) -> tuple[float, float | None]:
        costs = [one.cpu for one in rounds.values() if one.cpu is not None]
        rates = [one.rate for one in rounds.values()]
        return statistics.median(rates), statistics.median(costs) if costs else None

    own, base = of(row.call), of(row.base)
    comparisons: dict[str, Comparison] = {}
    for at in own:
        shared = own[at].keys() & base.get(at, {}).keys()
        ratios = tuple(own[at][n].rate / base[at][n].rate for n in sorted(shared) if base[at][n].rate)
        if ratios:
            (rate, cpu), (base_rate, base_cpu) = middle(own[at]), middle(base[at])
            comparisons[at] = Comparison(rate, base_rate, ratios, cpu, base_cpu)
    return comparisons


HEAD = ("", "engine", "load", "op/s", "compared with", "ratio (least..most)", "expected", "CPU µs", "with")


def table(results: Mapping[str, Sequence[Measurement]]) -> str:
    """By engine, one line for each row and load that were measured."""
    lines = [HEAD]
    for row in ROWS:
        for engine, known in results.items():
            for at, found in compared(known, engine, row).items():
                lines.append(
                    (
                        row.title,
                        engine,
                        at,
                        f"{found.rate:,.0f}",
                        f"{found.base:,.0f}",
                        f"{statistics.median(found.ratios):.2f} ({min(found.ratios):.2f}..{max(found.ratios):.2f})",
                        row.expected.get(engine, ""),
                        microseconds(found.cpu),
                        microseconds(found.base_cpu),
                    )
                )
    return aligned(lines, texts=3)


def microseconds(cost: float | None) -> str:
    return "" if cost is None else f"{cost:.1f}"


def aligned(lines: Sequence[Sequence[str]], texts: int) -> str:
    """In columns, of which the first `texts` are words and the others numbers."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    )
