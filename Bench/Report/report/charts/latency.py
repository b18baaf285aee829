"""Latency by quantile: how slow the slow ones are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from report.charts.canvas import Margins, canvas, grid, svg
from report.charts.lines import (
    EndLabel,
    Looks,
    draw,
    label_ends,
    label_room,
    mark,
    time_axis,
)
from report.points import Point

# Where 99.99 % is on the axis of nines, and the maximum a little further.
LAST, MAXIMUM = 4.0, 5.0


def nines(quantile: float) -> float:
    """0.9 is 1, 0.99 is 2: each step is ten times as rare."""
    return -math.log10(1 - quantile) if quantile < 1 else MAXIMUM


def shape(point: Point) -> list[tuple[float, float]]:
    """Places on the axis of nines, and seconds. What is rarer than its end is told by the maximum."""
    pairs = [(nines(q), seconds) for q, seconds in point.latency.items() if q >= 0.5 and seconds > 0]
    return [pair for pair in pairs if pair[0] <= LAST + 1e-9 or pair[0] == MAXIMUM]


def is_worth_a_curve(point: Point) -> bool:
    """Not so a handful of long operations, like one compaction: all its quantiles are the same."""
    pairs = shape(point)
    return len(pairs) >= 2 and pairs[-1][1] > 1.1 * pairs[0][1]


def by_quantile(
    points: Sequence[Point], looks: Looks, description: str, width: float, height: float
) -> str:
    """From the median to the maximum, on an axis that stretches the rare ones apart."""
    room = label_room([point.target for point in points], looks)
    figure, axes = canvas(width, height, Margins(44, room, 8, 20))
    shapes = {point.target: shape(point) for point in points}
    axes.set_xlim(nines(0.5), MAXIMUM)
    time_axis(axes, [seconds for pairs in shapes.values() for _, seconds in pairs])
    axes.set_xticks([nines(0.5), 1, 2, 3, LAST, MAXIMUM], ["50", "90", "99", "99.9", "99.99", "max"])
    grid(axes)
    ends = []
    for target, pairs in shapes.items():
        look = looks[target]
        draw(axes, [pair for pair in pairs if pair[0] < MAXIMUM], look)
        # The maximum is one call and no quantile: it hangs on by dots.
        if pairs[-1][0] == MAXIMUM:
            axes.plot(
                *zip(*pairs[-2:], strict=True), color=look.light, linewidth=1, linestyle=(0, (1, 2))
            )
            mark(axes, pairs[-1:], look, size=2.6)
        ends.append(EndLabel(MAXIMUM, pairs[-1][1], look.label, look.light))
    label_ends(axes, ends)
    return svg(figure, description)
