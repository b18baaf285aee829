"""The parts of sections that show one run: each function returns HTML, "" when there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from report import display, quantities
from report.charts import bars, dots, latency, load, timelines
from report.display import Look
from report.markup import escaped, key, panel, panels
from report.points import Case, Intensity, Point, longest_stall
from report.runs import Run

Looks = dict[str, Look]
MEBI = 1024**2


def throughput(run: Run, looks: Looks) -> str:
    if not run.is_server and (drawing := bars.ratios(run, looks)):
        return panels([f"<figure>{drawing}</figure>"], "wide")
    figures = []
    for case in run.cases:
        if heaviest := run.heaviest(case):
            rates = [bar(run, point, looks) for point in run.at(case, heaviest)]
            drawing = bars.rates(rates, f"Throughput of {case.title}")
            figures.append(panel(case.title, drawing, heaviest.title))
    return panels(figures, "middle")


def bar(run: Run, point: Point, looks: Looks) -> bars.Bar:
    look, ratio = looks[point.target], run.ratio(point, run.targets[0])
    return bars.Bar(look.label, point.rate, look.light, quantities.times(ratio.median) if ratio else "")


def latencies(run: Run, looks: Looks) -> str:
    """Servers at the offered rate that the most sustain, if any: a closed loop shows queues only."""
    width, height, kind = (350, 190, "middle") if run.is_server else (260, 165, "small")
    figures = []
    for case in run.cases:
        one = run.calm_rate(case) or run.heaviest(case)
        points = [p for p in run.at(case, one) if latency.is_worth_a_curve(p)] if one else []
        if one and points:
            description = f"Latency of {case.title} by quantile"
            drawing = latency.by_quantile(points, looks, description, width, height)
            figures.append(panel(case.title, drawing, one.title))
    return panels(figures, kind)


def under_load(run: Run, looks: Looks) -> str:
    return "".join(closed_loop(run, case, looks) + open_loop(run, case, looks) for case in run.cases)


def series_of(run: Run, case: Case, loads: Sequence[Intensity]) -> load.Series:
    """{} when no target was measured under more than one load."""
    series: load.Series = {}
    for one in loads:
        for point in run.at(case, one):
            series.setdefault(point.target, []).append(point)
    return series if any(len(points) > 1 for points in series.values()) else {}


def with_quantile(series: load.Series, quantile: float) -> load.Series:
    timed = {t: [p for p in points if p.latency.get(quantile)] for t, points in series.items()}
    return {target: points for target, points in timed.items() if points}


def closed_loop(run: Run, case: Case, looks: Looks) -> str:
    loads = run.intensities(case, is_open=False)
    series = series_of(run, case, loads)
    if not series:
        return ""
    lead = f"<b>{escaped(case.title)}</b><br>Closed loop, {loads[0].title} to {loads[-1].title}."
    for target, points in series.items():
        if looks[target].is_ours:
            best = max(points, key=lambda point: point.rate.median)
            lead += f" <br>{key(looks[target])}: at most {quantities.rate(best.rate.median)}/s, "
            lead += f"at {best.intensity.title}."
    drawing = load.rate_by_calls(series, looks, f"Calls a second of {case.title} by calls in flight")
    figures = [f"<div class=lead>{lead}</div>", panel("calls a second", drawing)]
    if timed := with_quantile(series, 0.99):
        drawing = load.p99_by_rate(timed, looks, f"99th percentile of {case.title} by calls a second")
        figures.append(panel("99 % within", drawing, "at the rate that was reached"))
    return panels(figures, "middle")


def open_loop(run: Run, case: Case, looks: Looks) -> str:
    series = series_of(run, case, run.intensities(case, is_open=True))
    quantiles = {"half within": 0.5, "99 % within": 0.99, "99.9 % within": 0.999}
    times = [
        p.latency[q]
        for points in series.values()
        for p in points
        for q in quantiles.values()
        if p.latency.get(q)
    ]
    figures = []
    for title, quantile in quantiles.items():
        if timed := with_quantile(series, quantile):
            description = f"{case.title}, {title}, by offered rate"
            drawing = load.latency_by_offer(timed, quantile, times, looks, description)
            figures.append(panel(title, drawing, f"{case.title}, open loop"))
    return panels(figures, "middle")


def over_time(run: Run, looks: Looks) -> str:
    figures = []
    for case in run.cases:
        heaviest = run.heaviest(case)
        if case.workload in display.READ_ONLY or not heaviest:
            continue
        known = {
            point.target: timeline
            for point in run.at(case, heaviest)
            if (timeline := point.median_round.timeline) and len(timeline.operations) > 2
        }
        if known:
            stalls = {target: longest_stall(timeline) for target, timeline in known.items()}
            keys = [
                key(
                    looks[target],
                    f" stalled {quantities.short(quantities.duration(stall))}" if stall else "",
                )
                for target, stall in stalls.items()
            ]
            drawing = timelines.over_time(
                known, looks, f"Operations a second of {case.title} over time"
            )
            figures.append(panel(case.title, drawing, heaviest.title, keys))
    return panels(figures, "middle")


def costs(run: Run, looks: Looks) -> str:
    def of_writes(figure: Callable[[Point], float | None]) -> Callable[[Point], float | None]:
        """What a store weighs is of interest only after something was written to it."""
        return lambda p: figure(p) if p.median(lambda one: one.written_bytes) else None

    def time(seconds: float) -> str:
        return quantities.short(quantities.duration(seconds))

    metrics: list[tuple[str, Callable[[Point], float | None], Callable[[float], str]]] = [
        ("CPU time per operation", lambda p: p.cpu_per_operation, time),
        (
            "peak memory, MiB",
            lambda p: over_mebi(p.median(lambda one: one.peak_bytes)),
            "{:,g}".format,
        ),
        ("bytes written per byte put", lambda p: p.write_amplification, "{:g}".format),
        (
            "disk afterwards, MiB",
            of_writes(lambda p: over_mebi(p.median(lambda one: one.disk_bytes))),
            "{:,g}".format,
        ),
        ("bytes on disk per live byte", of_writes(lambda p: p.space_amplification), "{:g}".format),
    ]
    figures = []
    for title, figure, text in metrics:
        rows = []
        for case in run.cases:
            heaviest = run.heaviest(case)
            points = run.at(case, heaviest) if heaviest else []
            if found := {p.target: cost for p in points if (cost := figure(p)) is not None}:
                rows.append((case.title, found))
        if rows:
            keys = [key(looks[t]) for t in run.targets if any(t in row for _, row in rows)]
            drawing = dots.costs(rows, looks, text, f"{title}, of each workload")
            figures.append(panel(title, drawing, "", keys))
    return panels(figures, "columns")


def over_mebi(count: float | None) -> float | None:
    return None if count is None else count / MEBI
