"""Numbers as people read them: about three digits that count, and a unit."""

from __future__ import annotations

import math
import re


def digits(number: float) -> str:
    """About three digits that count: 0.034, 0.84, 4.62, 18.6, 168, 1,234."""
    size = abs(number)
    if size >= 99.95:
        return f"{number:,.0f}"
    if size >= 9.995:
        return f"{number:.1f}"
    if size >= 0.0995 or size == 0:
        return f"{number:.2f}" if size else "0"
    # Two digits after the zeros, however small.
    return f"{number:.{1 - math.floor(math.log10(size))}f}"


def ratio(number: float) -> str:
    """As much of a ratio as is ever repeated: 34, 4.6, 1.75, 0.84."""
    if number >= 9.95:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 1.995 else digits(number)


def times(number: float) -> str:
    """A ratio with its sign: 4.6×, 0.84×."""
    return ratio(number) + "×"


def short(text: str) -> str:
    """Without the zeros of a round number: `1 ms` for `1.00 ms`, `10k` for `10.0k`."""
    return re.sub(r"\.0+(?!\d)", "", text)


def rate(per_second: float) -> str:
    """Operations a second, without the unit: 168k, 1.4M, 230."""
    for limit, divisor, suffix in ((999.5e3, 1e6, "M"), (999.5, 1e3, "k")):
        if per_second >= limit:
            scaled = per_second / divisor
            return f"{scaled:.1f}{suffix}" if scaled < 99.95 else f"{scaled:,.0f}{suffix}"
    return f"{per_second:.1f}" if 0 < per_second < 9.95 else f"{per_second:.0f}"


def whole(number: float) -> str:
    """In groups of three digits: 1,234,567."""
    return f"{number:,.0f}"


def duration(seconds: float) -> str:
    """A time as long as a call takes: 850 ns, 12.3 µs, 1.5 ms, 2.9 s."""
    if seconds <= 0:
        return "0"
    for limit, divisor, unit in (
        (999.5e-9, 1e-9, "ns"),
        (999.5e-6, 1e-6, "µs"),
        (0.9995, 1e-3, "ms"),
    ):
        if seconds < limit:
            return f"{digits(seconds / divisor)} {unit}"
    return f"{digits(seconds)} s"


def elapsed(seconds: float) -> str:
    """A time as long as a run takes: 41 s, 8 min 32 s, 1 h 5 min."""
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600} h {total % 3600 // 60} min"


def size(count: float) -> str:
    """Bytes: 0, 40 B, 1 KiB, 64.9 MiB."""
    for exponent, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count >= 1024**exponent:
            return f"{short(digits(count / 1024**exponent))} {unit}"
    return f"{count:.0f} B" if count else "0"


def plural(count: int, noun: str) -> str:
    """1 round, 3 rounds."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(parts: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
