"""What becomes of rates and times as the load grows, of servers."""

from __future__ import annotations

from collections.abc import Sequence

from report import quantities
from report.charts.canvas import Margins, canvas, svg
from report.charts.lines import Looks, curves, label_room, rate_axis, time_axis
from report.points import Point

Series = dict[str, list[Point]]
"""The points of each target, from the lightest load to the heaviest."""

WIDTH, HEIGHT = 350, 190


def margins(series: Series, looks: Looks) -> Margins:
    return Margins(44, label_room(series, looks), 8, 34)


def rate_by_calls(series: Series, looks: Looks, description: str) -> str:
    """Calls a second by calls in flight, in a closed loop."""
    figure, axes = canvas(WIDTH, HEIGHT, margins(series, looks))
    every = [point for points in series.values() for point in points]
    loads = sorted({point.intensity.calls_in_flight for point in every})
    axes.set_xscale("log")
    axes.set_xlim(loads[0] / 1.15, loads[-1] * 1.15)
    # Ticks where something was measured, as far as their texts do not touch.
    ticks: list[float] = []
    for load in loads:
        x = float(axes.transData.transform((load, 1))[0])
        if not ticks or x - float(axes.transData.transform((ticks[-1], 1))[0]) > 24:
            ticks.append(load)
    axes.set_xticks(ticks, [quantities.whole(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("calls in flight", labelpad=3)
    rate_axis(axes, "y", max(point.rate.most for point in every))
    curves(axes, series, looks, lambda p: p.intensity.calls_in_flight, lambda p: p.rate.median)
    return svg(figure, description)


def p99_by_rate(series: Series, looks: Looks, description: str) -> str:
    """The 99th percentile by calls a second: what more throughput costs in time."""
    figure, axes = canvas(WIDTH, HEIGHT, margins(series, looks))
    every = [point for points in series.values() for point in points]
    rate_axis(axes, "x", max(point.rate.median for point in every))
    axes.set_xlabel("calls a second", labelpad=3)
    time_axis(axes, [point.latency[0.99] for point in every])
    curves(axes, series, looks, lambda p: p.rate.median, lambda p: p.latency[0.99])
    return svg(figure, description)


def latency_by_offer(
    series: Series, quantile: float, times: Sequence[float], looks: Looks, description: str
) -> str:
    """A percentile by offered rate, in an open loop.

    `times` are all that the axis has to hold, so that panels beside each other share it.
    """
    figure, axes = canvas(WIDTH, HEIGHT, margins(series, looks))
    offers = [point.intensity.offered or 0 for points in series.values() for point in points]
    rate_axis(axes, "x", max(offers))
    axes.set_xlabel("calls a second offered", labelpad=3)
    time_axis(axes, times)
    curves(axes, series, looks, lambda p: p.intensity.offered or 0, lambda p: p.latency[quantile])
    return svg(figure, description)
