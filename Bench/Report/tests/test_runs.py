"""Rounds brought together: medians, ratios, cases, loads."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import made_up
from made_up import load, measurement
from report import results
from report.points import Case, Intensity, Point, Spread, longest_stall
from report.results import Timeline
from report.runs import Run

NONE, HEAVY = Intensity(), Intensity(16, 64)


@pytest.fixture
def run_of(tmp_path: pathlib.Path) -> Any:
    return lambda result: Run(results.read(made_up.written(tmp_path, "result.json", result)))


def point(run: Run, title: str, target: str, intensity: Intensity = NONE) -> Point:
    (case,) = [case for case in run.cases if case.title == title]
    return run.points[case, intensity, target]


def test_takes_the_median_of_the_rounds_and_their_extremes(run_of: Any) -> None:
    run = run_of(made_up.engine({"readrandom": {"rocksdb": [100, 300, 110], "lsm": [1, 2, 3]}}))
    assert point(run, "readrandom", "rocksdb").rate == Spread(110, 100, 300)
    assert point(run, "readrandom", "rocksdb").latency[0.9] == pytest.approx(2 / 110)


def test_takes_ratios_within_each_round(run_of: Any) -> None:
    # The ratio of the medians would be 300 / 200; the machine was slow in the second round for both.
    run = run_of(made_up.engine({"readrandom": {"rocksdb": [200, 10, 300], "lsm": [300, 30, 330]}}))
    ratio = run.ratio(point(run, "readrandom", "lsm"), "rocksdb")
    assert ratio == Spread(1.5, pytest.approx(1.1), 3)
    assert run.ratio(point(run, "readrandom", "rocksdb"), "rocksdb") is None


def test_takes_ratios_of_rounds_that_both_have(run_of: Any) -> None:
    run = run_of(made_up.engine({"readrandom": {"rocksdb": [100, 100], "lsm": [200, 400, 900]}}))
    assert run.ratio(point(run, "readrandom", "lsm"), "rocksdb") == Spread(3, 2, 4)


def test_has_no_ratio_of_a_round_in_which_nothing_was_done(run_of: Any) -> None:
    run = run_of(made_up.engine({"readrandom": {"rocksdb": [0, 100], "lsm": [200, 0]}}))
    assert run.ratio(point(run, "readrandom", "lsm"), "rocksdb") is None


def test_shows_known_workloads_in_their_order_and_unknown_ones_last(run_of: Any) -> None:
    rates = {name: {"rocksdb": [1]} for name in ("ownwork", "readrandom", "fillseq", "another")}
    run = run_of(made_up.engine(rates))
    assert [case.workload for case in run.cases] == ["fillseq", "readrandom", "ownwork", "another"]


def test_tells_cases_apart_by_what_varies_in_their_workload(run_of: Any) -> None:
    run = run_of(
        made_up.server(
            [
                measurement("put", "a", 1, 10, load()),
                measurement("put", "a", 1, 20, load(durability="buffered")),
                measurement("get", "a", 1, 30, load()),
                measurement("get", "b", 1, 40, load(durability=None, threads=2)),
            ],
            ["a", "b"],
        )
    )
    assert [case.title for case in run.cases] == ["get", "put, sync", "put, buffered"]
    # A file server without durability and a load generator with more threads are still compared.
    assert run.ratio(point(run, "get", "b", HEAVY), "a") == Spread(4 / 3, 4 / 3, 4 / 3)


def test_takes_the_threads_of_an_engine_as_a_case(run_of: Any) -> None:
    result = made_up.engine({"readrandom": {"rocksdb": [100]}})
    result["measurements"].append(measurement("readrandom", "rocksdb", 1, 150, {"threads": 4}))
    assert [case.title for case in run_of(result).cases] == [
        "readrandom, 1 thread",
        "readrandom, 4 threads",
    ]


def test_orders_loads_and_keeps_open_loops_apart(run_of: Any) -> None:
    loads = [load((16, 64)), load((1, 1)), load((8, 16)), load(offered=5000), load(offered=500)]
    run = run_of(made_up.server([measurement("get", "a", 1, 10, one) for one in loads], ["a"]))
    (case,) = run.cases
    closed = [one.title for one in run.intensities(case, is_open=False)]
    assert closed == ["1 × 1", "8 × 16", "16 × 64"]
    assert [one.title for one in run.intensities(case, is_open=True)] == [
        "500/s offered",
        "5k/s offered",
    ]
    assert run.heaviest(case) == HEAVY


def test_knows_a_rate_that_was_not_reached(run_of: Any) -> None:
    run = run_of(
        made_up.server(
            [
                measurement("get", "slow", 1, 999, load(offered=1000)),
                measurement("get", "slow", 1, 1200, load(offered=4000)),
                measurement("get", "fast", 1, 1000, load(offered=1000)),
                measurement("get", "fast", 1, 3990, load(offered=4000)),
                measurement("get", "fast", 1, 8000, load(offered=8000), errors=3),
            ],
            ["slow", "fast"],
        )
    )
    case = Case("get")
    at_4000 = {one.target: one.sustains for one in run.at(case, Intensity(16, 64, 4000))}
    assert at_4000 == {"slow": False, "fast": True}
    assert not run.at(case, Intensity(16, 64, 8000))[0].sustains
    assert run.calm_rate(case) == Intensity(16, 64, 1000)


def test_computes_costs(run_of: Any) -> None:
    one = measurement("put", "a", 1, 10, load(), liveBytes=1024**2)
    put = point(run_of(made_up.server([one], ["a"])), "put", "a", HEAVY)
    costs = (put.cpu_per_operation, put.write_amplification, put.space_amplification)
    assert costs == (0.5 / 1000, 3, 2)


def test_has_no_costs_of_what_is_unknown(run_of: Any) -> None:
    one = measurement("get", "a", 1, 10, load(), userBytes=0, cpuSeconds=None)
    get = point(run_of(made_up.server([one], ["a"])), "get", "a", HEAVY)
    assert (get.cpu_per_operation, get.write_amplification, get.space_amplification) == (None,) * 3


def test_keeps_only_quantiles_that_every_round_has(run_of: Any) -> None:
    result = made_up.engine({"readrandom": {"rocksdb": [100, 100]}})
    result["measurements"][0]["latency"].append([0.99999, 1.0])
    known = point(run_of(result), "readrandom", "rocksdb").latency
    assert list(known) == [0.5, 0.9, 0.99, 0.999, 1.0]


@pytest.mark.parametrize(("rates", "middle"), [([10, 30, 20], 20), ([10, 40, 20, 30], 20), ([7], 7)])
def test_shows_the_round_in_the_middle_over_time(
    run_of: Any, rates: list[float], middle: float
) -> None:
    run = run_of(made_up.engine({"fillseq": {"rocksdb": rates}}))
    assert point(run, "fillseq", "rocksdb").median_round.rate == middle


@pytest.mark.parametrize(
    ("lsm_rounds", "complete", "finished"), [(5, True, 5), (4, False, 4), (3, False, 3), (0, True, 0)]
)
def test_counts_rounds_that_hold_everything(
    run_of: Any, lsm_rounds: int, complete: bool, finished: int
) -> None:
    rates = {
        "fillseq": {"rocksdb": [1.0] * 5},
        "readseq": {"rocksdb": [1.0] * 5, "lsm": [1.0] * lsm_rounds},
    }
    if lsm_rounds == 0:
        rates = {"fillseq": {"rocksdb": [1.0]}}
        complete = False
    run = run_of(made_up.engine(rates, rounds=5, complete=complete))
    assert (run.rounds_planned, run.rounds_finished) == (5, finished)


@pytest.mark.parametrize(
    ("operations", "stall"),
    [
        ([100, 100, 100, 100, 1], 0),
        ([100, 9, 0, 100, 5, 100, 100, 100], 1.0),
        ([0, 0, 0, 100, 7], 1.5),
        ([100, 50, 20, 11, 100], 0),
        ([5], 0),
    ],
)
def test_finds_the_longest_stall(operations: list[float], stall: float) -> None:
    assert longest_stall(Timeline(0.5, tuple(operations))) == stall
