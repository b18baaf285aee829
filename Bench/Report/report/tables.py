"""The tables of the page: all figures, the agreement with other tools, options."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from report import quantities
from report.display import Look
from report.markup import Groups, escaped, table
from report.points import Case, Point, Spread
from report.results import Check, Result, Value
from report.runs import Run

Looks = dict[str, Look]
Column = tuple[str, Callable[[Point], str]]


def figures(run: Run, looks: Looks) -> str:
    """Every case, load and target: medians of the rounds, ratios with the least and the most."""
    columns = columns_of(run, looks)
    titles = [("", "text"), *((title, "number") for title, _ in columns)]

    def groups(case: Case) -> Groups:
        """A group for each load, the heaviest closed loop first."""
        loads = run.intensities(case, is_open=False)[::-1] + run.intensities(case, is_open=True)
        return [
            (
                ", ".join(filter(None, [case.title, load.title])),
                [
                    [name(looks[p.target]), *(cell(p) for _, cell in columns)]
                    for p in run.at(case, load)
                ],
            )
            for load in loads
        ]

    if not run.is_server:
        return table(titles, [one for case in run.cases for one in groups(case)], "figures")
    return "".join(
        f"<details><summary><b>{escaped(case.title)}</b>, "
        f"{quantities.plural(len(groups(case)), 'load')}</summary>"
        f"{table(titles, groups(case), 'figures')}</details>"
        for case in run.cases
    )


def columns_of(run: Run, looks: Looks) -> list[Column]:
    """A column that no point fills is left out."""
    base = run.targets[0]

    def time(quantile: float) -> Callable[[Point], str]:
        return lambda p: shown(p.latency.get(quantile), quantities.duration)

    columns: list[Column] = [
        ("op/s", lambda p: quantities.whole(p.rate.median)),
        (f"to {looks[base].label}", lambda p: "" if p.intensity.offered else ratio(run.ratio(p, base))),
        ("p50", time(0.5)),
        ("p99", time(0.99)),
        ("p99.9", time(0.999)),
        ("max", time(1.0)),
        ("CPU/op", lambda p: shown(p.cpu_per_operation, quantities.duration)),
        ("written", lambda p: shown(p.median(lambda one: one.written_bytes), quantities.size)),
        ("write amp.", lambda p: shown(p.write_amplification, quantities.times)),
        ("disk", lambda p: shown(p.median(lambda one: one.disk_bytes), quantities.size)),
        ("space amp.", lambda p: shown(p.space_amplification, quantities.times)),
        ("peak", lambda p: shown(p.median(lambda one: one.peak_bytes), quantities.size)),
        ("errors", lambda p: quantities.whole(p.errors) if p.errors else ""),
        ("rounds", lambda p: str(len(p.rounds)) if len(p.rounds) < run.rounds_planned else ""),
    ]
    return [(title, cell) for title, cell in columns if any(map(cell, run.points.values()))]


def name(look: Look) -> str:
    return f'<i style="background:var(--c{look.light[1:]})"></i>{escaped(look.label)}'


def shown(number: float | None, text: Callable[[float], str]) -> str:
    return "" if number is None else text(number)


def ratio(spread: Spread | None) -> str:
    """2.17 (1.90..2.18)"""
    if spread is None:
        return ""
    if spread.least == spread.most:
        return f"{spread.median:.2f}"
    return f"{spread.median:.2f} <small>({spread.least:.2f}..{spread.most:.2f})</small>"


def agreement(checks: Sequence[Check]) -> str:
    columns = [
        ("case", "text"),
        ("tool", "text"),
        ("ours, op/s", "number"),
        ("theirs, op/s", "number"),
    ]
    columns += [("ratio", "number"), ("within", "number"), ("", "text")]
    rows = [
        [
            escaped(check.case),
            escaped(check.tool),
            middle(check.ours),
            middle(check.theirs),
            ratio(Spread(check.ratio, min(check.ratios), max(check.ratios)))
            if check.ratios
            else f"{check.ratio:.2f}",
            f"± {check.tolerance * 100:g} %",
            "agrees" if check.agrees else "<span class=alert>differs</span>",
        ]
        for check in checks
    ]
    return table(columns, [("", rows)])


def middle(rates: Sequence[float]) -> str:
    return quantities.whole(statistics.median(rates)) if rates else ""


def options(result: Result) -> str:
    """The command, when the file tells it, and every option."""
    command = f"<pre>{escaped(result.command)}</pre>" if result.command else ""
    pairs = "".join(
        f"<div><dt>{escaped(title)}</dt><dd>{escaped(option(title, value))}</dd></div>"
        for title, value in result.options.items()
    )
    return command + (f"<dl class=options>{pairs}</dl>" if pairs else "")


def option(title: str, value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return quantities.size(value) if title.endswith("Bytes") else f"{value:,}"
    return "" if value is None else value
