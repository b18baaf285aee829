"""What charts make of figures before they draw them."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import made_up
from made_up import load, measurement
from report import display, results
from report.charts import canvas, latency
from report.charts.load import latency_by_offer
from report.charts.timelines import whole_steps
from report.points import Point
from report.results import Timeline
from report.runs import Run


@pytest.fixture
def points_of(tmp_path: pathlib.Path) -> Any:
    def points(result: dict[str, Any]) -> list[Point]:
        return list(Run(results.read(made_up.written(tmp_path, "result.json", result))).points.values())

    return points


def test_stretches_rare_quantiles_apart() -> None:
    places = [latency.nines(quantile) for quantile in (0.5, 0.9, 0.99, 0.9999, 1.0)]
    assert places == pytest.approx([0.301, 1, 2, 4, 5], abs=1e-3)


def test_draws_quantiles_from_the_median_to_the_axis_end_and_the_maximum(points_of: Any) -> None:
    one = measurement("get", "a", 1, 10, load(), latency=[[0.1, 1], [0.9, 2], [0.99999, 3]])
    (point,) = points_of(made_up.server([one], ["a"]))
    assert [round(place, 1) for place, _ in latency.shape(point)] == [0.3, 1, 2, 3, 5]


@pytest.mark.parametrize(("slowest", "worth"), [(2.0, True), (1.05, False)])
def test_draws_no_curve_of_a_single_long_operation(points_of: Any, slowest: float, worth: bool) -> None:
    alike = dict.fromkeys(("p50Seconds", "p99Seconds", "p999Seconds"), 1.0)
    one = measurement("compact", "a", 1, 10, {}, latency=None) | alike | {"maximumSeconds": slowest}
    (point,) = points_of(made_up.server([one], ["a"]))
    assert latency.is_worth_a_curve(point) is worth


def test_leaves_out_the_last_step_which_is_cut_short() -> None:
    assert whole_steps(Timeline(0.5, (10, 20, 1))) == [20, 40]
    assert whole_steps(Timeline(0.5, (10,))) == [20]


@pytest.mark.parametrize(("reached", "hollow"), [(1000, False), (600, True)])
def test_hollows_the_mark_of_a_rate_that_was_not_reached(
    points_of: Any, reached: float, hollow: bool
) -> None:
    points = points_of(made_up.server([measurement("get", "a", 1, reached, load(offered=1000))], ["a"]))
    drawn = latency_by_offer({"a": points}, 0.5, [0.001, 0.002], display.looks(["a"]), "")
    assert (f"fill: var(--c{display.PAPER[0][1:]})" in drawn) is hollow


def test_shows_an_engine_in_the_same_colour_wherever_it_runs() -> None:
    looks = display.looks(["rocksdb", "lsm", "seandb-rocksdb", "seandb-lsm"])
    assert looks["rocksdb"].light == looks["seandb-rocksdb"].light
    assert looks["lsm"].light == looks["seandb-lsm"].light != looks["rocksdb"].light


def test_gives_unknown_targets_colours_of_their_own() -> None:
    looks = display.looks(["lsm", "cassandra", "seandb-next"])
    assert len({look.light for look in looks.values()}) == 3
    assert (looks["cassandra"].name, looks["cassandra"].is_ours) == ("cassandra", False)
    assert looks["seandb-next"].is_ours


def test_names_parts_of_a_load_in_words() -> None:
    parts = {
        "durability": "sync",
        "recordBytes": 1024,
        "keys": "zipfian",
        "tls": True,
        "threads": 4,
        "batch": 10,
    }
    words = [display.load_part(*part) for part in parts.items()]
    assert words == ["sync", "records of 1 KiB", "zipfian keys", "TLS", "4 threads", "batch 10"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.9, 8, [1, 2, 5]),
        (3, 200, [3, 10, 30, 100]),
        (0.5, 9000, [1, 10, 100, 1000]),
    ],
)
def test_ticks_log_axes_at_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert canvas.decades(low, high) == pytest.approx(ticks)


def test_ticks_axes_from_zero_within_their_limits() -> None:
    assert canvas.even_ticks(208_000, 5) == [0, 50_000, 100_000, 150_000, 200_000]
