"""What all charts share: sizes in pixels, quiet axes, labels beside their data, and SVG for a page."""

from __future__ import annotations

import html
import io
import itertools
import math
import re
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from report import display

PAPER, INK, MUTED = display.PAPER[0], display.INK[0], display.MUTED[0]
RULE, ALERT = display.RULE[0], display.ALERT[0]
FONT, SMALL = 10.5, 9.5

matplotlib.rcParams.update(
    {
        # Text stays text: it can be searched, and has the page's font.
        "svg.fonttype": "none",
        # The same file for the same figures.
        "svg.hashsalt": "seandb",
        # A name with dollars in it is no formula.
        "text.parse_math": False,
        "font.size": FONT,
        "text.color": INK,
        "axes.edgecolor": RULE,
        "axes.labelcolor": MUTED,
        "axes.linewidth": 1,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "xtick.color": RULE,
        "ytick.color": RULE,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)

_serial = itertools.count(1)


@dataclass(frozen=True)
class Margins:
    """Room around the axes, in pixels."""

    left: float
    right: float
    top: float = 8
    bottom: float = 22


def canvas(width: float, height: float, margins: Margins) -> tuple[Figure, Axes]:
    """A drawing of so many pixels: one point of matplotlib is one pixel of the page at its natural size."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    axes = figure.add_axes(
        (
            margins.left / width,
            margins.bottom / height,
            (width - margins.left - margins.right) / width,
            (height - margins.top - margins.bottom) / height,
        )
    )
    axes.tick_params(length=3, pad=3)
    return figure, axes


def svg(figure: Figure, description: str) -> str:
    """The drawing as an element of a page: ids of its own, colours by the variables of the style sheet."""
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    width, height = (float(side) * 72 for side in figure.get_size_inches())
    body = text[text.index("</defs>") + len("</defs>") : text.rindex("</svg>")]
    prefix = f"c{next(_serial)}-"
    body = re.sub(r'\bid="', f'id="{prefix}', body)
    body = re.sub(r'xlink:href="#', f'href="#{prefix}', body)
    body = re.sub(r"url\(#", f"url(#{prefix}", body)
    body = re.sub(r"#[0-9a-f]{6}\b(?=[;\"])", lambda colour: f"var(--c{colour[0][1:]})", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r' transform="rotate\(-0 [^"]*"', "", body)
    body = re.sub(r'\b([dxy]|points)="[^"]*"', lambda part: rounded(part[0]), body)
    body = re.sub(r"\n\s*", " ", body)
    label = html.escape(description)
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">{body}</svg>'


def rounded(attribute: str) -> str:
    """A tenth of a pixel is enough for any screen."""
    return re.sub(r"\d+\.\d\d+", lambda number: f"{float(number[0]):.1f}", attribute)


def grid(axes: Axes, axis: str = "y") -> None:
    axes.grid(True, axis="y" if axis == "y" else "x", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)


def decades(low: float, high: float) -> list[float]:
    """Ticks for a log axis: powers of ten, or 1, 2 and 5 of each where there are few."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide = high / low >= 200
    steps = (1,) if wide else (1, 2, 5) if high / low < 30 else (1, 3)
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def even_ticks(high: float, count: int = 4) -> list[float]:
    """About so many ticks for an axis from 0, at numbers that one can count in."""
    ticks = MaxNLocator(count, steps=[1, 2, 5, 10]).tick_values(0, high)
    return [float(tick) for tick in ticks if 0 <= tick <= high]
