"""What was measured, and the table of the ratios to PostgreSQL."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

POSTGRESQL = "postgresql"
# In the order in which they run: reads before writes.
READS = ("get", "index-get")
WRITES = ("upsert", "transaction")
OPERATIONS = (*READS, *WRITES)
TITLES = {
    "get": "get by key",
    "index-get": "10 records by an index",
    "upsert": "upsert, two indexes, one field changed",
    "transaction": "transaction of two such upserts",
}


def operations(has_reads: bool) -> tuple[str, ...]:
    """Of one durability: reads run with the first one alone."""
    return OPERATIONS if has_reads else OPERATIONS[len(READS) :]


@dataclass(frozen=True, order=True)
class Load:
    connections: int
    in_flight: int
    """Calls on each connection."""

    def __str__(self) -> str:
        return f"{self.connections} x {self.in_flight}"


@dataclass(frozen=True)
class Figure:
    server: str
    operation: str
    durability: str
    """Empty for reads."""
    load: Load
    round: int
    rate: float
    """Calls a second."""
    p50: float
    p99: float
    cpu: float
    """Of the server's processes, for each call. Unit of all three: microseconds."""

    def __str__(self) -> str:
        what = " ".join(filter(None, [self.operation, self.durability]))
        return f"round {self.round} {self.server} {what} {self.load}: {self.rate:,.0f}/s, p50 {self.p50:,.0f} µs"

    def members(self) -> dict[str, Any]:
        return asdict(self)


HEAD = ("", "server", "load", "op/s", "p50 µs", "p99 µs", "CPU µs", "to PostgreSQL at the same load", "to its best")


def table(measured: Sequence[Figure], engines: Sequence[str]) -> str:
    """Medians of the rounds; a ratio is the median of the rounds' ratios, with the least and the most."""
    lines = [HEAD]
    cases = sorted({(OPERATIONS.index(one.operation), one.durability) for one in measured})
    for number, durability in cases:
        operation = OPERATIONS[number]
        case = [one for one in measured if (one.operation, one.durability) == (operation, durability)]
        title = ", ".join(filter(None, [TITLES[operation], durability]))
        for server in (POSTGRESQL, *(f"seandb-{engine}" for engine in engines)):
            own = [one for one in case if one.server == server]
            for load in sorted({one.load for one in own}):
                rounds = [one for one in own if one.load == load]
                same = [one for one in case if one.server == POSTGRESQL and one.load == load]
                is_ours = server != POSTGRESQL
                lines.append(
                    (
                        title,
                        server,
                        str(load),
                        *(f"{median(rounds, name):,.0f}" for name in ("rate", "p50", "p99")),
                        f"{median(rounds, 'cpu'):,.1f}",
                        spread(ratios(rounds, same)) if is_ours else "",
                        spread(ratios(rounds, best(case))) if is_ours else "",
                    )
                )
    return aligned(lines, texts=3)


def median(rounds: Sequence[Figure], name: str) -> float:
    return statistics.median(getattr(one, name) for one in rounds)


def best(case: Sequence[Figure]) -> list[Figure]:
    """PostgreSQL's fastest of each round, with whatever number of clients."""
    found: dict[int, Figure] = {}
    for one in case:
        if one.server == POSTGRESQL and (one.round not in found or one.rate > found[one.round].rate):
            found[one.round] = one
    return list(found.values())


def ratios(own: Sequence[Figure], other: Sequence[Figure]) -> list[float]:
    """Of the rounds that have both."""
    base = {one.round: one.rate for one in other if one.rate > 0}
    return [one.rate / base[one.round] for one in own if one.round in base]


def spread(ratios: Sequence[float]) -> str:
    """2.2 (1.9..2.5)"""
    if not ratios:
        return ""
    return f"{statistics.median(ratios):.1f} ({min(ratios):.1f}..{max(ratios):.1f})"


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
