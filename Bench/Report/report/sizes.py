"""Runs of the same benchmark with stores of different sizes, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from report import preface, quantities, tables
from report.display import Look
from report.markup import Groups, escaped, table
from report.points import Point
from report.results import Value
from report.runs import Run

Looks = dict[str, Look]
Key = tuple[str, tuple[tuple[str, Value], ...]]

HOW = (
    "The same work on stores of different sizes. The runs were one after the other, so a ratio between them has the "
    "noise of both: only large differences mean something."
)


def side_by_side(runs: Sequence[Run], looks: Looks) -> str:
    """A table for each kind of which there are several sizes; "" when there is none."""
    html = ""
    for is_server in (False, True):
        kind = [run for run in runs if run.is_server == is_server]
        results = [run.result for run in kind]
        names = [preface.difference(run.result, results) for run in kind]
        if len(kind) > 1 and all(names) and (groups := groups_of(kind, looks)):
            title = "Servers" if is_server else "Storage engines"
            html += f"<h3>{title}</h3>{table(columns(names), groups, 'figures')}"
    return html


def columns(names: Sequence[str]) -> list[tuple[str, str]]:
    """Of every figure one for each run."""
    titles = [f"op/s, {name}" for name in names] + ["last to first"]
    titles += [f"{figure}, {name}" for figure in ("p99", "CPU/op") for name in names]
    return [("", "text"), *((title, "number") for title in titles)]


def groups_of(runs: Sequence[Run], looks: Looks) -> Groups:
    """Of each work that at least two runs have, a row for each target that does it in two of them."""
    known = [{key(point): point for point in run.points.values()} for run in runs]
    shown: dict[Key, tuple[str, list[list[str]]]] = {}
    for run in reversed(runs):
        for case in run.cases:
            loads = run.intensities(case, is_open=False)[::-1] + run.intensities(case, is_open=True)
            for own in (point for load in loads for point in run.at(case, load)):
                work, target = key(own)
                points = [of_run.pop((work, target), None) for of_run in known]
                if sum(point is not None for point in points) > 1:
                    title = ", ".join(filter(None, [case.title, own.intensity.title]))
                    shown.setdefault(work, (title, []))[1].append(row(points, looks[target]))
    return list(shown.values())


def key(point: Point) -> tuple[Key, str]:
    """What makes it the same work on the same target in another run, whatever else that run has measured."""
    load = point.rounds[0].load
    return (point.case.workload, tuple(sorted(load.items()))), point.target


def row(points: Sequence[Point | None], look: Look) -> list[str]:
    def cells(figure: Callable[[Point], float | None], text: Callable[[float], str]) -> list[str]:
        return [tables.shown(figure(point), text) if point else "" for point in points]

    first, last = points[0], points[-1]
    ratio = ""
    if first and last and first.intensity.offered is None and first.rate.median > 0:
        ratio = escaped(quantities.times(last.rate.median / first.rate.median))
    return [
        tables.name(look),
        *cells(lambda point: point.rate.median, quantities.whole),
        ratio,
        *cells(lambda point: point.latency.get(0.99), quantities.duration),
        *cells(lambda point: point.cpu_per_operation, quantities.duration),
    ]
