"""What was sampled: how long which chain of calls was running."""

from __future__ import annotations

import collections
import dataclasses


@dataclasses.dataclass(frozen=True)
class Frame:
    name: str
    # Who it belongs to: LSM, RocksDB, kernel …
    module: str


# From the outermost call to the innermost; first the process, then its thread where that has a name of its own.
Stack = tuple[Frame, ...]


@dataclasses.dataclass
class Profile:
    """Nanoseconds of processor time by stack."""

    stacks: dict[Stack, int]
    # What the stacks were restricted to.
    focus: str | None = None

    @property
    def total(self) -> int:
        return sum(self.stacks.values())

    def focused(self, text: str) -> Profile:
        """Only stacks with a function whose name contains `text`."""
        return Profile(
            {stack: time for stack, time in self.stacks.items() if any(text in frame.name for frame in stack[1:])},
            text,
        )

    def processes(self) -> dict[str, Profile]:
        """The profile of each process, the busiest first."""
        parts = collections.defaultdict(dict)
        for stack, time in self.stacks.items():
            parts[stack[0].name][stack] = time
        profiles = {name: Profile(stacks, self.focus) for name, stacks in parts.items()}
        return dict(sorted(profiles.items(), key=lambda item: -item[1].total))
