"""The whole page, in the order a reader needs it: what was measured, how fast, at what cost, how fair."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

from report import display, headlines, markup, preface, sections, sizes, tables
from report.charts import dots
from report.display import Look
from report.headlines import Headline
from report.markup import anchor, escaped, section
from report.preface import Input
from report.results import Check, Result
from report.runs import Run

STYLE = (pathlib.Path(__file__).parent / "style.css").read_text(encoding="utf-8")

# Sections that are made of each run: title, how to read it, and what it shows.
SECTIONS: list[tuple[str, str, Callable[[Run, dict[str, Look]], str]]] = [
    (
        "Throughput",
        "Bars are medians of the rounds; a thin line spans the least and the most of them. Engines: the "
        "rate divided by that of the first engine, on a log axis, and all rates as numbers. Servers: calls "
        "a second with the most calls in flight (connections × calls on each); every panel has its own "
        "scale, from 0, and the ratio is to the first server.",
        sections.throughput,
    ),
    (
        "Latency",
        "How many in a hundred operations took no longer than this, by median of the rounds. The axis "
        "stretches: each step is ten times as rare; the last dot is the slowest of all. Every panel has its "
        "own time axis.",
        sections.latencies,
    ),
    (
        "Under load",
        "Closed loop: a new call starts when one is answered, so more calls in flight mean more throughput, "
        "until they only wait. Open loop: calls start when they are due, answered or not, and their time "
        "counts from then. A hollow mark is a rate that was offered and not reached.",
        sections.under_load,
    ),
    (
        "Over time",
        "Operations a second in each step of the round in the middle. A line that ends earlier was done "
        "earlier. Stalled: the longest stretch below a tenth of the usual rate.",
        sections.over_time,
    ),
    (
        "Costs",
        "What the rates were bought with, at the heaviest load. Left is cheaper.",
        sections.costs,
    ),
    (
        "All figures",
        "Medians of the rounds; of ratios also the least and the most.",
        tables.figures,
    ),
]

FAIR = (
    "Every target is driven by the same loop, with the same keys, values and order. Targets take turns "
    "within a round, another one first in each, so that the noise of the machine hits all of them: trust "
    "ratios and their spread more than single figures. Where a whisker or a range crosses 1, the rounds "
    "do not say who is ahead."
)
FAIR_ENGINES = (
    "Engines run through the same interface with the same cache, filters, memtable and durability; every "
    "answer is checked. The page cache holds all files: reads from a disk are not measured."
)
FAIR_SERVERS = (
    "Server and load share one machine, so a server that needs less of it leaves more to the load. Peers "
    "promise other things than seandb does, some more, some less."
)


def page(inputs: Sequence[Input]) -> str:
    results = [one.result for one in inputs if one.result]
    runs = [Run(result) for result in results if result.benchmark != "agreement"]
    runs.sort(key=lambda run: run.is_server)
    checks = [check for result in results for check in result.checks]
    looks = display.looks(list(dict.fromkeys(target for run in runs for target in run.targets)))

    def of_each(content: Callable[[Run, dict[str, Look]], str]) -> str:
        parts = [(preface.title(run, runs), content(run, looks)) for run in runs]
        return "".join(f"<h3>{escaped(name)}</h3>{part}" for name, part in parts if part)

    known = [(title, section(title, how, of_each(content))) for title, how, content in SECTIONS]
    sized = section("By size", sizes.HOW, sizes.side_by_side(runs, looks))
    known.insert(1, ("By size", sized))
    known.append(("Agreement", agreement(checks)))
    known.append(("What is fair about it", fairness(results, runs)))
    known = [(title, html) for title, html in known if html]
    links = "".join(f'<a href="#{anchor(title)}">{escaped(title)}</a> ' for title, _ in known)
    spoken = [one for run in runs for one in spoken_of(run, results, looks)]
    spoken += headlines.of_agreement(checks)
    parts = [
        "<h1>How fast is seandb?</h1>",
        preface.facts(results),
        preface.absent(results),
        *(f"<p class=notice>{escaped(text)}</p>" for text in preface.notices(inputs, runs)),
        markup.headlines(spoken),
        f"<nav>{links}</nav>",
        *(html for _, html in known),
    ]
    body = "\n".join(filter(None, parts))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>How fast is seandb?</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{variables(display.colours(looks.values()))}\n{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def spoken_of(run: Run, results: Sequence[Result], looks: dict[str, Look]) -> list[Headline]:
    """Its headlines; beside runs of other sizes they say which one is meant."""
    size = preface.difference(run.result, results)
    return [
        Headline(", ".join(filter(None, [one.subject, size])), one.text)
        for one in headlines.of(run, looks)
    ]


def variables(colours: dict[str, str]) -> str:
    """Every colour as a variable named by its light form, so that drawings follow the reader's scheme."""
    names = {
        "paper": display.PAPER,
        "ink": display.INK,
        "muted": display.MUTED,
        "rule": display.RULE,
        "alert": display.ALERT,
    }
    light = " ".join(f"--c{colour[1:]}: {colour};" for colour in colours)
    dark = " ".join(f"--c{colour[1:]}: {dark};" for colour, dark in colours.items())
    named = " ".join(f"--{name}: var(--c{pair[0][1:]});" for name, pair in names.items())
    return f":root {{ {light} {named} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"


def agreement(checks: Sequence[Check]) -> str:
    if not checks:
        return ""
    how = (
        "The same case by our own program and by a known tool, in turns: our rate divided by the tool's. "
        "The band is the tolerance, a dot is a turn, the bar their median."
    )
    figure = f"<figure>{dots.agreement(checks)}</figure>"
    return section("Agreement", how, f"<div class=beside>{figure}{tables.agreement(checks)}</div>")


def fairness(results: Sequence[Result], runs: Sequence[Run]) -> str:
    texts = [FAIR]
    texts += [FAIR_ENGINES] if any(not run.is_server for run in runs) else []
    texts += [FAIR_SERVERS] if any(run.is_server for run in runs) else []
    html = "".join(f"<p>{escaped(text)}</p>" for text in texts)
    html += "<p>All of it, and how each peer is set up: <code>docs/benchmarks.md</code>.</p>"
    for result in results:
        name = preface.label(result, results)
        html += f"<h3>Options: {escaped(name)}</h3>{tables.options(result)}"
    return section("What is fair about it", "", html)
