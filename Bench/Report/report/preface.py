"""What comes before any figure: where it comes from, and what a reader must know before trusting it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from report import quantities
from report.markup import escaped, table
from report.results import Result, Value
from report.runs import Run

# The options that say how large a store is, and what of it fits into memory.
SIZES: dict[str, Callable[[float], str]] = {
    "records": lambda count: quantities.plural(int(count), "record"),
    "cacheBytes": lambda count: f"cache of {quantities.size(count)}",
}

BENCHMARKS = {
    "engine": "storage engines",
    "server": "servers",
    "agreement": "agreement",
}


@dataclass(frozen=True)
class Input:
    """A file that was asked for: its result, or why there is none."""

    path: pathlib.Path
    result: Result | None = None
    problem: str = ""
    is_malformed: bool = False


def facts(results: Sequence[Result]) -> str:
    """Machine and versions, each once, and a row for each run."""
    lines = list(dict.fromkeys(filter(None, map(machine, results))))
    versions: dict[str, dict[str, None]] = {}
    for result in results:
        for name, version in result.versions.items():
            versions.setdefault(name, {})[str(version)] = None
    if versions:
        lines.append(", ".join(f"{name} {' and '.join(known)}" for name, known in versions.items()))
    html = "".join(f"<p class=facts>{escaped(line)}</p>" for line in lines)
    columns = [("run", "text"), ("commit", "text"), ("started", "text"), ("took", "number")]
    columns += [("load before", "number"), ("", "text")]
    return html + table(columns, [("", [row(result, label(result, results)) for result in results])])


def absent(results: Sequence[Result]) -> str:
    """What the page says nothing about, "" when it is whole."""
    known = {result.benchmark for result in results}
    names = [name for benchmark, name in BENCHMARKS.items() if benchmark not in known]
    return f"<p class=facts>Not in this page: {quantities.listed(names)}.</p>" if names else ""


def machine(result: Result) -> str:
    known = result.machine
    cores, memory = known.get("cores"), known.get("memoryBytes")
    parts = [
        str(known.get("cpu") or ""),
        quantities.plural(int(cores), "core") if isinstance(cores, int | float) else "",
        f"{memory / 1e9:.0f} GB" if isinstance(memory, int | float) else "",
        str(known.get("fileSystem") or ""),
        f"Linux {known['kernel']}" if known.get("kernel") else "",
    ]
    return ", ".join(filter(None, parts))


def row(result: Result, name: str) -> list[str]:
    commit = escaped(result.commit.removesuffix("+"))
    if result.commit.endswith("+"):
        commit += " with local changes"
    load = result.machine.get("load")
    return [
        escaped(name),
        commit,
        escaped(moment(result.started_at)),
        quantities.elapsed(result.seconds) if result.seconds is not None else "",
        "" if load is None else escaped(load),
        "complete" if result.complete else "<span class=alert>interrupted</span>",
    ]


def moment(started_at: str) -> str:
    """2026-11-24 18:00 UTC, of 2026-11-24T18:00:00Z."""
    return f"{started_at[:16].replace('T', ' ')} UTC" if started_at.endswith("Z") else started_at


def title(run: Run, runs: Sequence[Run]) -> str:
    """What a run is called beside these others."""
    kind = "Servers" if run.is_server else "Storage engines"
    results = [one.result for one in runs]
    if len(alike(run.result, results)) == 1:
        return kind
    if known := difference(run.result, results):
        return f"{kind}, {known}"
    return ", ".join(filter(None, [kind, run.result.commit, moment(run.result.started_at)]))


def label(result: Result, results: Sequence[Result]) -> str:
    """The same, within a sentence."""
    return ", ".join(filter(None, [BENCHMARKS[result.benchmark], difference(result, results)]))


def alike(result: Result, results: Sequence[Result]) -> list[Result]:
    return [one for one in results if one.benchmark == result.benchmark]


def difference(result: Result, results: Sequence[Result]) -> str:
    """How the sizes of a run differ from those of its kind: `10,000,000 records`; "" when that does not tell them apart."""

    def sizes(one: Result) -> tuple[Value, ...]:
        return tuple(one.options.get(name) for name in SIZES)

    own_kind = alike(result, results)
    if len({sizes(one) for one in own_kind}) < len(own_kind) or len(own_kind) == 1:
        return ""
    parts = []
    for name, text in SIZES.items():
        value = result.options.get(name)
        if len({one.options.get(name) for one in own_kind}) > 1 and isinstance(value, int | float):
            parts.append(text(value))
    return ", ".join(parts)


def notices(inputs: Sequence[Input], runs: Sequence[Run]) -> list[str]:
    """What is missing, broken off, failed or not to be compared."""
    results = [one.result for one in inputs if one.result]
    texts = [f"{one.path.name}: {one.problem}" for one in inputs if one.problem]
    texts += [f"{title(run, runs)}: {interrupted(run)}" for run in runs if not run.result.complete]
    for result in results:
        if result.benchmark == "agreement" and not result.complete:
            cases = quantities.plural(len(result.checks), "case")
            texts.append(f"Agreement: this run was interrupted after {cases}.")
    texts += [text for run in runs for text in failures(run)]
    commits = sorted({result.commit for result in results if result.commit})
    if len(commits) > 1:
        texts.append(f"The runs are of different commits: {quantities.listed(commits)}.")
    if len({machine(result) for result in results}) > 1:
        texts.append("The runs are of different machines: compare within a run only.")
    return texts


def interrupted(run: Run) -> str:
    if not run.points:
        return "this run was interrupted before anything was measured."
    planned, finished = quantities.plural(run.rounds_planned, "round"), run.rounds_finished
    if finished == 0:
        return f"this run was interrupted in the first of {planned}; what is missing was not measured."
    return f"this run was interrupted after {finished} of {planned}; of the next, what was measured counts."


def failures(run: Run) -> list[str]:
    """Operations that failed: a rate with errors in it is not one to compare."""
    texts = []
    for point in run.points.values():
        if point.errors:
            where = ", ".join(filter(None, [point.target, point.case.title, point.intensity.title]))
            total = quantities.whole(sum(one.operations for one in point.rounds))
            texts.append(f"{where}: {quantities.whole(point.errors)} of {total} operations failed.")
    return texts
