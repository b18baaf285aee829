"""A run: its points, to be asked for cases, loads and ratios."""

from __future__ import annotations

from functools import cached_property

from report import display
from report.points import Case, Intensity, Point, Spread
from report.results import Measurement, Result, Value


class Run:
    """An engine or a server run."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.targets = result.targets
        self.is_server = result.benchmark == "server"
        varying = self._varying()
        rounds: dict[tuple[Case, Intensity, str], list[Measurement]] = {}
        for one in sorted(result.measurements, key=lambda one: one.round):
            variant = tuple(
                (name, one.load[name])
                for name in varying[one.workload]
                if one.load.get(name) is not None
            )
            key = (Case(one.workload, variant), intensity(one.load), one.target)
            rounds.setdefault(key, []).append(one)
        self.points = {key: Point(*key, tuple(ones)) for key, ones in rounds.items()}

    def _varying(self) -> dict[str, list[str]]:
        """Of each workload, the parts of the load that tell its cases apart.

        A part that is null for a target (a file server has no durability) does not.
        """
        seen: dict[str, dict[str, set[Value]]] = {}
        for one in self.result.measurements:
            parts = seen.setdefault(one.workload, {})
            for name, value in one.load.items():
                # The threads of a load generator are its own matter, those of an engine's are the load.
                is_own_matter = name == "threads" and self.is_server
                if value is not None and name not in display.INTENSITY and not is_own_matter:
                    parts.setdefault(name, set()).add(value)
        return {
            workload: [name for name, values in parts.items() if len(values) > 1]
            for workload, parts in seen.items()
        }

    @cached_property
    def cases(self) -> list[Case]:
        """In the order of display."""
        cases = list(dict.fromkeys(case for case, _, _ in self.points))
        return sorted(cases, key=lambda case: display.workload_rank(case.workload))

    def intensities(self, case: Case, *, is_open: bool) -> list[Intensity]:
        """From the lightest to the heaviest."""
        found = {load for own, load, _ in self.points if own == case}
        return sorted(
            (load for load in found if (load.offered is not None) == is_open),
            key=lambda load: (load.offered or 0, load.calls_in_flight, load.connections or 0),
        )

    def heaviest(self, case: Case) -> Intensity | None:
        """The closed loop with the most calls in flight."""
        loads = self.intensities(case, is_open=False)
        return loads[-1] if loads else None

    def at(self, case: Case, load: Intensity) -> list[Point]:
        """The targets that were measured there, in their order."""
        found = (self.points.get((case, load, target)) for target in self.targets)
        return [point for point in found if point]

    def ratio(self, point: Point, to: str) -> Spread | None:
        """To another target in the same case and round: a round's noise is in both.

        A round in which either did nothing has no ratio.
        """
        base = self.points.get((point.case, point.intensity, to))
        if base is None or to == point.target:
            return None
        rates = {one.round: one.rate for one in base.rounds}
        return Spread.of(
            one.rate / rates[one.round]
            for one in point.rounds
            if one.rate > 0 and rates.get(one.round, 0) > 0
        )

    def calm_rate(self, case: Case) -> Intensity | None:
        """The offered rate that the most targets sustain; of several the highest."""
        loads = self.intensities(case, is_open=True)
        return max(
            loads,
            key=lambda load: (sum(p.sustains for p in self.at(case, load)), load.offered or 0),
            default=None,
        )

    @cached_property
    def rounds_planned(self) -> int:
        planned = self.result.options.get("rounds")
        seen = max((one.round for one in self.result.measurements), default=0)
        return int(planned) if isinstance(planned, int | float) else seen

    @cached_property
    def rounds_finished(self) -> int:
        """Rounds that hold all that any round holds. A single round of an interrupted run is not finished."""
        rounds: dict[int, set[tuple[Case, Intensity, str]]] = {}
        for key, point in self.points.items():
            for one in point.rounds:
                rounds.setdefault(one.round, set()).add(key)
        if len(rounds) == 1 and not self.result.complete:
            return 0
        return sum(keys == set(self.points) for keys in rounds.values())


def intensity(load: dict[str, Value]) -> Intensity:
    def number(name: str) -> float | None:
        value = load.get(name)
        return float(value) if isinstance(value, int | float) else None

    return Intensity(number("connections"), number("inFlight"), number("ratePerSecond"))
