"""The few sentences that come first, each computed from the figures.

A number between asterisks is one to be seen at a glance.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from report import display, quantities
from report.display import Look
from report.points import Case, Spread
from report.results import Check
from report.runs import Run

Looks = dict[str, Look]


@dataclass(frozen=True)
class Headline:
    subject: str
    text: str


def of(run: Run, looks: Looks) -> list[Headline]:
    if run.is_server:
        found = [throughput(run, case, looks) for case in headline_cases(run, display.HEADLINES)]
        # Open loops only of the plainest calls: the rest is for the charts.
        found += [answers(run, case, looks) for case in headline_cases(run, display.HEADLINES[:2])]
    else:
        # What is a peer of the first, like the same engine otherwise set, is for the charts.
        ours = [target for target in run.targets[1:] if looks[target].is_ours]
        found = [balance(run, target, run.targets[0], looks) for target in ours]
        found += [engines(run, case, looks) for case in headline_cases(run, display.HEADLINES)]
    return [headline for headline in found if headline]


def balance(run: Run, target: str, base: str, looks: Looks) -> Headline | None:
    """On how many workloads one target is ahead of another.

    Ahead means in every round: a spread across 1 is level.
    """
    ratios: list[tuple[str, Spread]] = []
    for case in run.cases:
        if display.is_share(case.workload):
            continue
        load = run.heaviest(case)
        point = run.points.get((case, load, target)) if load else None
        if point and (ratio := run.ratio(point, base)):
            ratios.append((case.title, ratio))
    if not ratios:
        return None
    ratios.sort(key=lambda item: item[1].median)
    ahead = [item for item in ratios if item[1].least > 1]
    behind = [item for item in ratios if item[1].most < 1]
    level = [item for item in ratios if item not in ahead and item not in behind]

    def named(items: Sequence[tuple[str, Spread]]) -> str:
        return quantities.listed([f"{title} ({quantities.times(s.median)})" for title, s in items])

    text = f"ahead on *{len(ahead)} of {quantities.plural(len(ratios), 'workload')}*"
    if len(ahead) > 1:
        (low_title, low), (high_title, high) = ahead[0], ahead[-1]
        text += f", by {quantities.times(low.median)} ({low_title})"
        text += f" to {quantities.times(high.median)} ({high_title})"
    elif ahead:
        text += f": {named(ahead)}"
    if behind:
        text += f"; behind on {named(behind)}"
    if level:
        text += f"; level, within the spread of the rounds, on {named(level)}"
    middle = statistics.median(ratio.median for _, ratio in ratios)
    text += f". The ratio in the middle is *{quantities.times(middle)}*."
    return Headline(f"{looks[target].name} against {looks[base].name}", text)


def engines(run: Run, case: Case, looks: Looks) -> Headline | None:
    """What each of our engines does on one workload."""
    load = run.heaviest(case)
    points = [p for p in run.at(case, load) if looks[p.target].is_ours] if load else []
    if not points:
        return None
    parts = []
    for point in points:
        part = f"{looks[point.target].name} *{quantities.rate(point.rate.median)}/s*"
        if ratio := run.ratio(point, run.targets[0]):
            part += f" ({quantities.times(ratio.median)})"
        parts.append(part)
    text = ", ".join(parts)
    times = [quantities.duration(p.latency[0.99]) for p in points if 0.99 in p.latency]
    if len(times) == len(points):
        text += f"; 99 % within {quantities.listed(times)}"
    return Headline(case.title, f"{text}.")


def throughput(run: Run, case: Case, looks: Looks) -> Headline | None:
    """Our first server at the heaviest load against each peer, and our others."""
    load = run.heaviest(case)
    points = run.at(case, load) if load else []
    ours = [point for point in points if looks[point.target].is_ours]
    if not load or not ours:
        return None
    lead = ours[0]
    against = [
        compared(ratio.median, looks[point.target])
        for point in points
        if not looks[point.target].is_ours and (ratio := run.ratio(lead, point.target))
    ]
    text = f"{looks[lead.target].name} does *{quantities.rate(lead.rate.median)}/s*"
    if against:
        text += f", {quantities.listed(against)}"
    for point in ours[1:]:
        text += f"; {looks[point.target].name} *{quantities.rate(point.rate.median)}/s*"
    return Headline(f"{capitalised(case.title)} at {load.title}", f"{text}.")


def compared(ratio: float, look: Look) -> str:
    """4.6 times gRPC C++; 0.84 of nghttpd (the limit of HTTP/2)."""
    note = f" ({look.note})" if look.note else ""
    return f"{quantities.ratio(ratio)} {'times' if ratio >= 1 else 'of'} {look.name}{note}"


def answers(run: Run, case: Case, looks: Looks) -> Headline | None:
    """How long answers take at the offered rate that the most sustain."""
    load = run.calm_rate(case)
    points = run.at(case, load) if load else []
    within = [
        f"{quantities.duration(point.latency[0.99])} by {looks[point.target].name}"
        for point in points
        if point.sustains and 0.99 in point.latency
    ]
    if not load or not within:
        return None
    text = f"99 % are answered within {quantities.listed(within)}"
    short = [looks[point.target].name for point in points if not point.sustains]
    text += f"; {quantities.listed(short)} cannot keep up." if short else "."
    return Headline(f"{capitalised(case.title)} at {load.title}", text)


def of_agreement(checks: Sequence[Check]) -> list[Headline]:
    if not checks:
        return []
    agreeing = [check for check in checks if check.agrees]
    tools = quantities.listed(list(dict.fromkeys(check.tool for check in checks)))
    text = f"our figures are theirs in *{len(agreeing)} of {quantities.plural(len(checks), 'case')}*"
    differing = [f"{c.case} ({quantities.times(c.ratio)})" for c in checks if not c.agrees]
    text += f"; they differ in {quantities.listed(differing)}." if differing else "."
    return [Headline(f"Agreement with {tools}", text)]


def headline_cases(run: Run, workloads: Sequence[str]) -> list[Case]:
    """One case of a workload for each durability, so that many variants do not crowd the top."""
    chosen: dict[tuple[str, str], Case] = {}
    for case in run.cases:
        if case.workload in workloads:
            chosen.setdefault((case.workload, str(dict(case.variant).get("durability"))), case)
    return sorted(chosen.values(), key=lambda case: workloads.index(case.workload))


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
