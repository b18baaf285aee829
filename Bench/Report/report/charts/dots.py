"""Dots in rows: what an operation costs on each target, and how our figures agree with another tool's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from report.charts.bars import bare, beside
from report.charts.canvas import (
    ALERT,
    FONT,
    INK,
    RULE,
    SMALL,
    Margins,
    canvas,
    decades,
    even_ticks,
    grid,
    svg,
)
from report.charts.lines import Looks, text_width
from report.results import Check

ROW = 16


def left_room(titles: Sequence[str]) -> float:
    return 14 + text_width(max(map(len, titles))) * FONT / SMALL


def costs(
    rows: Sequence[tuple[str, dict[str, float]]],
    looks: Looks,
    text: Callable[[float], str],
    description: str,
) -> str:
    """A row for each title, a dot for each target; a log axis where a linear one would push them together."""
    numbers = [number for _, row in rows for number in row.values()]
    low, high = min(numbers), max(numbers)
    left = left_room([title for title, _ in rows])
    figure, axes = canvas(360, ROW * len(rows) + 24, Margins(left, 18, 2, 22))
    axes.set_ylim(ROW * len(rows), 0)
    bare(axes)
    if low > 0 and high / low > 20:
        low, high = low / 1.3, high * 1.3
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        ticks = decades(low, high)
    else:
        high = high * 1.06 or 1
        axes.set_xlim(0, high)
        ticks = even_ticks(high)
    axes.set_xticks(ticks, [text(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.tick_params(axis="x", length=0)
    grid(axes, "x")
    for index, (title, row) in enumerate(rows):
        y = ROW * (index + 0.5)
        beside(axes, (axes.get_xlim()[0], y), -8, title, "right")
        axes.plot([min(row.values()), max(row.values())], [y, y], color=RULE, linewidth=1.5)
        for target, number in row.items():
            look = looks[target]
            size, order = (6, 4) if look.is_ours else (4.5, 3)
            axes.plot(
                [number],
                [y],
                "o",
                markersize=size,
                color=look.light,
                markeredgewidth=0,
                zorder=order,
            )
    return svg(figure, description)


def agreement(checks: Sequence[Check]) -> str:
    """Our rate to the other tool's, a dot for each round, over the band within which they agree."""
    names = [f"{check.case}, {check.tool}" for check in checks]
    figure, axes = canvas(420, ROW * len(checks) + 24, Margins(left_room(names), 40, 2, 22))
    every = [ratio for check in checks for ratio in (*check.ratios, check.ratio)]
    reach = max(check.tolerance for check in checks) * 1.2
    axes.set_xlim(min(1 - reach, min(every) - 0.02), max(1 + reach, max(every) + 0.02))
    axes.set_ylim(ROW * len(checks), 0)
    bare(axes)
    for index, (name, check) in enumerate(zip(names, checks, strict=True)):
        y = ROW * (index + 0.5)
        colour = INK if check.agrees else ALERT
        width = 2 * check.tolerance
        axes.barh(
            y, width, left=1 - check.tolerance, height=ROW - 3, color=RULE, alpha=0.5, linewidth=0
        )
        rounds = list(check.ratios)
        axes.plot(
            rounds, [y] * len(rounds), "o", markersize=4, color=colour, alpha=0.4, markeredgewidth=0
        )
        axes.plot([check.ratio], [y], "|", markersize=10, color=colour, markeredgewidth=2)
        beside(axes, (axes.get_xlim()[0], y), -8, name, "right")
        beside(axes, (axes.get_xlim()[1], y), 34, f"{check.ratio:.2f}", "right", colour)
    tolerance = max(check.tolerance for check in checks)
    ticks = [1 - tolerance, 1, 1 + tolerance]
    axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
    axes.tick_params(axis="x", length=0)
    axes.axvline(1, color=INK, linewidth=0.8)
    return svg(figure, "Our rate divided by the other tool's, in each case")
