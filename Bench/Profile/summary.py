"""A profile as text: modules, and functions by what they take themselves and with all they call."""

from __future__ import annotations

import collections
import itertools

from samples import Frame, Profile

FUNCTIONS = 25
# A process with a smaller part is only named.
SMALLEST_PART = 0.05
# A function that leaves so much of its time to one other says nothing that the other does not.
PASSED_ON = 0.97
NAME_WIDTH = 84


def text(profile: Profile, title: str) -> str:
    lines = [title]
    if profile.focus:
        lines.append(f"only inside functions named like {profile.focus}")
    lines.append(f"{profile.total / 1e9:.2f} s of processor time, in")
    processes = profile.processes()
    for name, part in processes.items():
        lines.append(f"{percent(part.total, profile.total)}  {name}")
    for name, part in processes.items():
        if part.total >= SMALLEST_PART * profile.total:
            lines += ["", f"--- {name}: {part.total / 1e9:.2f} s", *process(part)]
    return "\n".join(lines) + "\n"


def process(profile: Profile) -> list[str]:
    own, inclusive, calls = collections.Counter(), collections.Counter(), collections.Counter()
    for stack, time in profile.stacks.items():
        functions = [frame for frame in stack if frame.module]
        if functions:
            own[functions[-1]] += time
        # A function that calls itself counts once.
        for frame in set(functions):
            inclusive[frame] += time
        for call in set(itertools.pairwise(functions)):
            calls[call] += time
    passing = {caller for (caller, _), time in calls.items() if time >= PASSED_ON * inclusive[caller]}
    return tables(own, inclusive, passing)


def tables(own: dict[Frame, int], inclusive: dict[Frame, int], passing: set[Frame]) -> list[str]:
    """`passing` are those that only call one other."""
    total = sum(own.values())
    modules = collections.Counter()
    for frame, amount in own.items():
        modules[frame.module] += amount

    def row(frame: Frame) -> str:
        name = frame.name if len(frame.name) <= NAME_WIDTH else frame.name[: NAME_WIDTH - 1] + "…"
        self, with_calls = percent(own.get(frame, 0), total), percent(inclusive.get(frame, 0), total)
        return f"{self}     {with_calls}  {name}  [{frame.module}]"

    lines = ["", "   self  module"]
    lines += [f"{percent(amount, total)}  {name}" for name, amount in modules.most_common() if amount >= total / 1000]
    lines += ["", "   self  with calls  function"]
    lines += [row(frame) for frame in sorted(own, key=own.get, reverse=True)[:FUNCTIONS]]
    lines += ["", "   self  with calls  function, by the second column; without those that only call one other"]
    listed = (frame for frame in sorted(inclusive, key=inclusive.get, reverse=True) if frame not in passing)
    return lines + [row(frame) for frame in itertools.islice(listed, FUNCTIONS)]


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:6.1f}%"
