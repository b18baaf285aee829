"""What charts of lines share: a line for each target with its name at the end, axes of rates and of times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from report import quantities
from report.charts.canvas import PAPER, SMALL, decades, even_ticks, grid
from report.display import Look
from report.points import Point

Looks = dict[str, Look]
Pairs = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class EndLabel:
    """Text for the end of a line, in the coordinates of the data."""

    x: float
    y: float
    text: str
    colour: str


def label_ends(axes: Axes, labels: Sequence[EndLabel]) -> None:
    """Writes each text to the right of its point, moved up or down where two would overlap.

    Call it when the limits of the axes are set.
    """
    gap = SMALL + 1.5
    box = axes.get_window_extent()
    low, high = float(box.y0) + gap / 3, float(box.y1) + 4
    pixels = [axes.transData.transform((label.x, label.y)) for label in labels]
    placed = sorted(
        ((float(x), float(y), label) for (x, y), label in zip(pixels, labels, strict=True)),
        key=lambda item: item[1],
    )
    heights = [min(max(y, low), high) for _, y, _ in placed]

    def touch(one: int, other: int) -> bool:
        """Texts side by side do not disturb each other."""
        longest = max(len(placed[one][2].text), len(placed[other][2].text))
        return abs(placed[one][0] - placed[other][0]) < text_width(longest) + 8

    for _ in range(300):
        moved = False
        for upper in range(1, len(placed)):
            for lower in range(upper):
                lack = gap - (heights[upper] - heights[lower])
                if lack > 0.05 and touch(lower, upper):
                    heights[upper] = min(high, heights[upper] + lack / 2)
                    heights[lower] = max(low, heights[lower] - lack / 2)
                    moved = True
        if not moved:
            break
    for (_, y, label), height in zip(placed, heights, strict=True):
        axes.annotate(
            label.text,
            (label.x, label.y),
            xytext=(7, height - y),
            textcoords="offset pixels",
            va="center_baseline",
            color=label.colour,
            fontsize=SMALL,
            annotation_clip=False,
            zorder=6,
        )


def curves(
    axes: Axes,
    series: dict[str, list[Point]],
    looks: Looks,
    x: Callable[[Point], float],
    y: Callable[[Point], float],
) -> None:
    """A line with a mark for each load; a hollow mark is an offered rate that was not reached."""
    ends = []
    for target, points in series.items():
        look = looks[target]
        pairs = [(x(point), y(point)) for point in points]
        draw(axes, pairs, look)
        mark(axes, pairs, look)
        short = [pair for pair, point in zip(pairs, points, strict=True) if not point.sustains]
        mark(axes, short, look, fill=PAPER)
        ends.append(EndLabel(*pairs[-1], look.label, look.light))
    label_ends(axes, ends)


def draw(axes: Axes, pairs: Pairs, look: Look, *, width: float = 1.8) -> None:
    """Our own lines lie above those of peers, and are stronger."""
    if pairs:
        width = width if look.is_ours else width * 0.7
        order = 3 if look.is_ours else 2.5
        axes.plot(*zip(*pairs, strict=True), color=look.light, linewidth=width, zorder=order)


def mark(axes: Axes, pairs: Pairs, look: Look, *, size: float = 3.4, fill: str = "") -> None:
    if pairs:
        axes.plot(
            *zip(*pairs, strict=True),
            "o",
            markersize=size,
            color=fill or look.light,
            markeredgecolor=look.light,
            markeredgewidth=1 if fill else 0,
            clip_on=False,
            zorder=4,
        )


def rate_axis(axes: Axes, axis: str, most: float) -> None:
    """From zero, so that heights and distances compare."""
    limit = most * 1.04 or 1
    (axes.set_ylim if axis == "y" else axes.set_xlim)(0, limit)
    ticks = even_ticks(limit, 5)
    named = axes.yaxis if axis == "y" else axes.xaxis
    named.set_ticks(ticks, [quantities.short(quantities.rate(tick)) for tick in ticks])
    grid(axes)


def time_axis(axes: Axes, times: Iterable[float]) -> None:
    """A log axis that holds all of these seconds."""
    known = list(times)
    low, high = min(known) / 1.25, max(known) * 1.25
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    ticks = decades(low, high)
    axes.set_yticks(ticks, [quantities.short(quantities.duration(tick)) for tick in ticks])
    axes.set_yticks([], minor=True)
    grid(axes)


def text_width(characters: int) -> float:
    """Pixels that so many characters of the small size may take."""
    return 5.6 * characters


def label_room(targets: Iterable[str], looks: Looks) -> float:
    return 12 + text_width(max(len(looks[target].label) for target in targets))
