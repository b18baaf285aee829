"""Runs of different sizes, side by side."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest

import made_up
from made_up import load, measurement
from report import display, results, sizes
from report.command import main
from report.runs import Run

SMALL, LARGE = 100_000, 10_000_000


def server(records: int, rates: dict[str, float], **more: Any) -> dict[str, Any]:
    measured = [measurement("get", target, 1, rate, load()) for target, rate in rates.items()]
    made = made_up.server(measured, list(rates), **more)
    made["options"]["records"] = records
    return made


def engine(cache_bytes: int, threads: tuple[int, ...], rate: float) -> dict[str, Any]:
    made = made_up.engine({"readrandom": {"lsm": [rate]}}, targets=["lsm"])
    made["options"]["cacheBytes"] = cache_bytes
    made["measurements"] = [
        measurement("readrandom", "lsm", 1, rate * count, {"threads": count}) for count in threads
    ]
    return made


def table(tmp_path: pathlib.Path, *made: dict[str, Any]) -> str:
    runs = [
        Run(results.read(made_up.written(tmp_path, f"{index}.json", one)))
        for index, one in enumerate(made)
    ]
    looks = display.looks([target for run in runs for target in run.targets])
    return sizes.side_by_side(runs, looks)


def cells(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    return [[re.sub("<.*?>", "", cell) for cell in re.findall(r"<td.*?</td>", row)] for row in rows]


def test_shows_the_same_call_at_both_sizes(tmp_path: pathlib.Path) -> None:
    html = table(
        tmp_path,
        server(SMALL, {"seandb-lsm": 400.0, "etcd": 100.0}),
        server(LARGE, {"seandb-lsm": 100.0}),
    )
    assert "op/s, 100,000 records" in html and "op/s, 10,000,000 records" in html
    rows = [row for row in cells(html) if len(row) > 1]
    # What was measured at one size only is not there.
    assert [row[:4] for row in rows] == [["seandb LSM", "400", "100", "0.25×"]]


def test_takes_other_threads_for_other_work(tmp_path: pathlib.Path) -> None:
    html = table(tmp_path, engine(256 << 20, (1,), 900), engine(12 << 20, (1, 4), 300))
    assert "op/s, cache of 12 MiB" in html and "readrandom, 1 thread" in html
    assert [row[:4] for row in cells(html) if len(row) > 1] == [["LSM", "900", "300", "0.33×"]]


def test_has_no_ratio_of_offered_rates(tmp_path: pathlib.Path) -> None:
    made = [server(records, {"seandb-lsm": 100.0}) for records in (SMALL, LARGE)]
    for one in made:
        one["measurements"] = [measurement("get", "seandb-lsm", 1, 500, load(offered=500))]
    assert [row[3] for row in cells(table(tmp_path, *made)) if len(row) > 1] == [""]


@pytest.mark.parametrize("records", [(SMALL,), (SMALL, SMALL)])
def test_shows_nothing_without_several_sizes(tmp_path: pathlib.Path, records: tuple[int]) -> None:
    assert table(tmp_path, *(server(count, {"etcd": 1.0}) for count in records)) == ""


def test_names_the_size_wherever_the_runs_are_told_apart(tmp_path: pathlib.Path) -> None:
    paths = [
        str(made_up.written(tmp_path, f"{count}.json", server(count, {"seandb-lsm": 100.0})))
        for count in (SMALL, LARGE)
    ]
    assert main([*paths, "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for text in (
        "<h3>Servers, 10,000,000 records</h3>",
        "<dt>Get at 16 × 64, 10,000,000 records</dt>",
        "<td class=text>servers, 100,000 records</td>",
        "<h3>Options: servers, 100,000 records</h3>",
        '<a href="#by-size">By size</a>',
    ):
        assert text in page, text
