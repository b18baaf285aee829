"""Operations over time: stalls show as dips."""

from __future__ import annotations

import math
import statistics

from report.charts.canvas import Margins, canvas, even_ticks, svg
from report.charts.lines import Looks, draw, rate_axis
from report.results import Timeline

# More points than this are not told apart in a panel.
MAXIMUM_POINTS = 300


def over_time(timelines: dict[str, Timeline], looks: Looks, description: str) -> str:
    """Operations a second in each step; steps of long runs are drawn together, with their least and most."""
    figure, axes = canvas(350, 180, Margins(44, 10, 8, 34))
    rates = {target: whole_steps(timeline) for target, timeline in timelines.items()}
    rate_axis(axes, "y", max(max(steps) for steps in rates.values()))
    end = max(len(steps) * timelines[target].step_seconds for target, steps in rates.items())
    axes.set_xlim(0, end)
    ticks = even_ticks(end, 6)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("seconds", labelpad=3)
    for target, steps in rates.items():
        look = looks[target]
        together = math.ceil(len(steps) / MAXIMUM_POINTS)
        parts = [steps[start : start + together] for start in range(0, len(steps), together)]
        seconds = [(i + 0.5) * together * timelines[target].step_seconds for i in range(len(parts))]
        if together > 1:
            low, high = [min(part) for part in parts], [max(part) for part in parts]
            axes.fill_between(seconds, low, high, color=look.light, alpha=0.35, linewidth=0)
        middle = [statistics.median(part) for part in parts]
        draw(axes, list(zip(seconds, middle, strict=True)), look, width=1.3)
    return svg(figure, description)


def whole_steps(timeline: Timeline) -> list[float]:
    """Operations a second. The last step ends with the run, not with its time: it would look like a stall."""
    counts = timeline.operations[:-1] or timeline.operations
    return [count / timeline.step_seconds for count in counts]
