"""What is measured together: a case at an intensity on a target, over all rounds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from report import display, quantities
from report.results import Measurement, Timeline, Value


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, and the least and the most of them."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(numbers: Iterable[float]) -> Spread | None:
        """None when there are no numbers."""
        known = list(numbers)
        return Spread(statistics.median(known), min(known), max(known)) if known else None


@dataclass(frozen=True)
class Case:
    """What is compared within itself alone: a workload, with what of its load changes the work.

    Synced puts and buffered ones are two cases, 16 and 64 connections are not.
    """

    workload: str
    variant: tuple[tuple[str, Value], ...] = ()

    @property
    def title(self) -> str:
        return ", ".join([self.workload, *(display.load_part(*part) for part in self.variant)])


@dataclass(frozen=True)
class Intensity:
    """How hard a case is driven; `offered` calls a second make an open loop, None a closed one."""

    connections: float | None = None
    in_flight: float | None = None
    offered: float | None = None

    @property
    def calls_in_flight(self) -> float:
        return (self.connections or 1) * (self.in_flight or 1)

    @property
    def title(self) -> str:
        if self.offered is not None:
            return f"{quantities.short(quantities.rate(self.offered))}/s offered"
        if self.connections is None:
            return ""
        return f"{self.connections:.0f} × {self.in_flight or 1:.0f}"


@dataclass(frozen=True)
class Point:
    """All rounds of one case at one intensity on one target, in the order of the rounds."""

    case: Case
    intensity: Intensity
    target: str
    rounds: tuple[Measurement, ...]

    def spread(self, figure: Callable[[Measurement], float | None]) -> Spread | None:
        return Spread.of(number for one in self.rounds if (number := figure(one)) is not None)

    def median(self, figure: Callable[[Measurement], float | None]) -> float | None:
        spread = self.spread(figure)
        return spread.median if spread else None

    @property
    def rate(self) -> Spread:
        spread = self.spread(lambda one: one.rate)
        assert spread  # a point has at least one round
        return spread

    @property
    def errors(self) -> float:
        return sum(one.errors for one in self.rounds)

    @cached_property
    def latency(self) -> dict[float, float]:
        """Quantiles that every round has, with the median of the rounds' seconds."""
        curves = [dict(one.latency) for one in self.rounds]
        shared = set(curves[0]).intersection(*curves[1:])
        return {q: statistics.median(curve[q] for curve in curves) for q in sorted(shared)}

    @property
    def median_round(self) -> Measurement:
        """The round in the middle by rate; the slower of two."""
        ordered = sorted(self.rounds, key=lambda one: one.rate)
        return ordered[(len(ordered) - 1) // 2]

    @property
    def sustains(self) -> bool:
        """Whether an offered rate was really reached, and without errors."""
        offered = self.intensity.offered
        return offered is None or (self.rate.median >= 0.97 * offered and self.errors == 0)

    @property
    def cpu_per_operation(self) -> float | None:
        return self.median(lambda one: over(one.cpu_seconds, one.operations))

    @property
    def write_amplification(self) -> float | None:
        return self.median(lambda one: over(one.written_bytes, one.user_bytes))

    @property
    def space_amplification(self) -> float | None:
        return self.median(lambda one: over(one.disk_bytes, one.live_bytes))


def over(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def longest_stall(timeline: Timeline) -> float:
    """Seconds of the longest stretch below a tenth of the median rate; the last step is cut short."""
    steps = timeline.operations[:-1]
    if not steps:
        return 0
    limit = statistics.median(steps) / 10
    longest = current = 0
    for count in steps:
        current = current + 1 if count <= limit else 0
        longest = max(longest, current)
    return longest * timeline.step_seconds
