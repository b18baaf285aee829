"""Throughput by workload: ratios of engines to the first of them, and rates of servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from report import display, quantities
from report.charts.canvas import FONT, INK, MUTED, SMALL, Margins, canvas, decades, grid, svg
from report.charts.lines import Looks, text_width
from report.points import Case, Spread
from report.runs import Run

BAR, ROW_GAP, GROUP_GAP = 11, 7, 10


@dataclass(frozen=True)
class Bar:
    label: str
    spread: Spread
    colour: str
    note: str = ""


def rates(bars: Sequence[Bar], description: str, width: float = 360) -> str:
    """Bars from zero, each with its name, its rate and a note; the least and the most as a whisker."""
    row = BAR + ROW_GAP
    left = 12 + text_width(max(len(bar.label) for bar in bars)) * FONT / SMALL
    note = 8 + text_width(max(len(bar.note) for bar in bars))
    figure, axes = canvas(width, row * len(bars) + 4, Margins(left, 52 + note, 0, 4))
    most = max(bar.spread.most for bar in bars) or 1
    axes.set_xlim(0, most)
    axes.set_ylim(row * len(bars), 0)
    bare(axes)
    for index, bar in enumerate(bars):
        y = row * (index + 0.5)
        axes.barh(y, bar.spread.median, height=BAR, color=bar.colour, linewidth=0)
        whisker(axes, bar.spread, y)
        beside(axes, (0, y), -6, bar.label, "right")
        beside(axes, (bar.spread.most, y), 6, f"{quantities.rate(bar.spread.median)}/s", "left")
        beside(axes, (most, y), 52 + note, bar.note, "right", MUTED)
    return svg(figure, description)


@dataclass(frozen=True)
class Row:
    """A case that can be compared: ratios to the first target, and all rates."""

    case: Case
    ratios: dict[str, Spread]
    rates: dict[str, float]


def rows_of(run: Run) -> list[Row]:
    rows = []
    for case in run.cases:
        if display.is_share(case.workload):
            continue
        load = run.heaviest(case)
        points = run.at(case, load) if load else []
        ratios = {p.target: ratio for p in points if (ratio := run.ratio(p, run.targets[0]))}
        if ratios:
            rows.append(Row(case, ratios, {p.target: p.rate.median for p in points}))
    return rows


def ratios(run: Run, looks: Looks, width: float = 760) -> str:
    """A row for each case: bars from 1, which is the first target, on a log axis, and rates as numbers.

    "" when nothing can be compared.
    """
    rows = rows_of(run)
    if not rows:
        return ""
    others = run.targets[1:]
    height = BAR * len(others) + ROW_GAP
    tops = row_tops(rows, height)
    column = 14 + text_width(max(7, *(len(looks[target].label) for target in run.targets)))
    left = 14 + text_width(max(len(row.case.title) for row in rows)) * FONT / SMALL
    margins = Margins(left, column * len(run.targets) + 36, 24, 20)
    total = tops[-1] + height
    figure, axes = canvas(width, total + margins.top + margins.bottom, margins)
    axes.set_ylim(total, 0)
    bare(axes)
    ratio_axis(axes, rows, width - margins.left - margins.right)
    low, high = axes.get_xlim()
    # Names over the line that all bars start from, and over the columns of rates.
    beside(axes, (1, 0), 0, f"{looks[run.targets[0]].label} = 1", "center", raised=11)
    places = {target: 36 + column * (index + 1) for index, target in enumerate(run.targets)}
    for target, x in places.items():
        label = f"{looks[target].label}/s"
        beside(axes, (high, 0), x, label, "right", looks[target].light, raised=11)
    for row, top in zip(rows, tops, strict=True):
        middle = top + height / 2
        beside(axes, (low, middle), -8, row.case.title, "right")
        for index, target in enumerate(others):
            if target in row.ratios:
                y = top + ROW_GAP / 2 + BAR * (index + 0.5)
                ratio_bar(axes, row.ratios[target], y, looks[target].light)
        for target, rate in row.rates.items():
            beside(axes, (high, middle), places[target], quantities.rate(rate), "right")
    axes.axvline(1, color=INK, linewidth=1)
    return svg(figure, f"Throughput of each workload as a ratio to {looks[run.targets[0]].name}")


def row_tops(rows: Sequence[Row], height: float) -> list[float]:
    """Where each row starts: groups of workloads are a little apart."""
    tops, top, before = [], 0.0, None
    for row in rows:
        group, _ = display.workload_rank(row.case.workload)
        top += GROUP_GAP if before is not None and group != before else 0
        tops.append(top)
        top, before = top + height, group
    return tops


def ratio_axis(axes: Axes, rows: Sequence[Row], pixels: float) -> None:
    """Around 1, with room for the number that is left of the least ratio below 1."""
    spreads = [spread for row in rows for spread in row.ratios.values()]
    high = max(1.1, max(spread.most for spread in spreads) * 1.05)
    low = min(0.95, min(spread.least for spread in spreads))
    if any(spread.median < 1 for spread in spreads):
        low = low / (high / low) ** (44 / (pixels - 44))
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = decades(low, high)
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.tick_params(axis="x", length=0)
    grid(axes, "x")


def ratio_bar(axes: Axes, spread: Spread, y: float, colour: str) -> None:
    axes.barh(y, spread.median - 1, left=1, height=BAR - 1, color=colour, linewidth=0)
    whisker(axes, spread, y)
    text = quantities.times(spread.median)
    if spread.median >= 1:
        beside(axes, (spread.most, y), 5, text, "left", colour)
    else:
        beside(axes, (spread.least, y), -5, text, "right", colour)


def bare(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])


def whisker(axes: Axes, spread: Spread, y: float) -> None:
    if spread.most > spread.least:
        axes.plot([spread.least, spread.most], [y, y], color=INK, linewidth=1)


def beside(
    axes: Axes,
    point: tuple[float, float],
    pixels: float,
    text: str,
    align: str,
    colour: str = INK,
    raised: float = 0,
) -> None:
    """Text so many pixels to the right of a point of the data, and above it."""
    axes.annotate(
        text,
        point,
        xytext=(pixels, raised),
        textcoords="offset pixels",
        ha=align,
        va="center_baseline",
        color=colour,
        fontsize=FONT if colour == INK else SMALL,
        annotation_clip=False,
    )
