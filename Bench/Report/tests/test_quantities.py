"""Numbers as people read them."""

from __future__ import annotations

import pytest

from report import quantities


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (168_412, "168k"),
        (1_393_066, "1.4M"),
        (4796, "4.8k"),
        (230, "230"),
        (2.5, "2.5"),
        (999_800, "1.0M"),
        (0, "0"),
    ],
)
def test_writes_rates_with_a_suffix(number: float, text: str) -> None:
    assert quantities.rate(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (4.62, "4.6×"),
        (34.2, "34×"),
        (1.754, "1.75×"),
        (0.84, "0.84×"),
        (0.0341, "0.034×"),
        (1.999, "2.0×"),
    ],
)
def test_writes_ratios_shorter_the_larger_they_are(number: float, text: str) -> None:
    assert quantities.times(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.34e-6, "12.3 µs"),
        (850e-9, "850 ns"),
        (1.492e-3, "1.49 ms"),
        (2.919, "2.92 s"),
        (0, "0"),
        (999.7e-6, "1.00 ms"),
    ],
)
def test_writes_times_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert quantities.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (40, "40 B"), (1024, "1 KiB"), (68_052_582, "64.9 MiB"), (3 * 2**30, "3 GiB")],
)
def test_writes_sizes_in_binary_units(count: float, text: str) -> None:
    assert quantities.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(41.2, "41 s"), (512.3, "8 min 32 s"), (3900, "1 h 5 min")]
)
def test_writes_how_long_a_run_took(seconds: float, text: str) -> None:
    assert quantities.elapsed(seconds) == text


@pytest.mark.parametrize(
    ("text", "short"),
    [("1.00 ms", "1 ms"), ("10.0k", "10k"), ("1.50 ms", "1.50 ms"), ("1.05k", "1.05k"), ("100", "100")],
)
def test_shortens_round_numbers_only(text: str, short: str) -> None:
    assert quantities.short(text) == short


def test_lists_in_words() -> None:
    assert [quantities.listed(list(names)) for names in ("", "a", "ab", "abc")] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
