"""What is compared with what, and how ratios are made."""

from __future__ import annotations

from typing import Any

import pytest

import comparison
from comparison import ROWS, Call, Measurement


def measured(workload: str, target: str, round: int, rate: float, cpu: float | None = None) -> Measurement:
    return Measurement(workload, target, "16 x 64", round, rate, cpu)


def result(**more: Any) -> dict[str, Any]:
    load = {"connections": 16, "inFlight": 64, "durability": None}
    one = {"workload": "get", "target": "seandb-lsm", "round": 2, "load": load}
    one |= {"operations": 1000, "operationsPerSecond": 5000.0, "cpuSeconds": 0.004}
    return {"measurements": [one | more]}


def test_reads_a_result_of_seandb_bench() -> None:
    assert comparison.measurements(result()) == [
        Measurement("get", "seandb-lsm", "16 x 64", 2, 5000.0, pytest.approx(4.0))
    ]


@pytest.mark.parametrize("more", [{"cpuSeconds": None}, {"operations": 0}])
def test_does_without_a_cost(more: dict[str, Any]) -> None:
    assert comparison.measurements(result(**more))[0].cpu is None


def test_tells_writes_of_each_durability_apart() -> None:
    load = {"connections": 16, "inFlight": 64, "durability": "sync"}
    assert comparison.measurements(result(load=load))[0].load == "16 x 64 sync"


def test_asks_for_everything_that_is_compared() -> None:
    flags = comparison.flags("lsm", is_short=False)
    targets = flags[flags.index("--targets") + 1].split(",")
    workloads = flags[flags.index("--workloads") + 1].split(",")
    for row in ROWS:
        for call in (row.call, row.base):
            assert f"seandb-lsm{call.schema}" in targets
            assert call.workload in workloads


def test_compares_with_the_same_call_or_on_the_same_server() -> None:
    for row in ROWS:
        assert row.call != row.base
        assert row.call.workload == row.base.workload and row.base.schema == "" or row.call.schema == row.base.schema


def test_a_short_run_has_the_same_targets() -> None:
    assert comparison.flags("rocksdb", is_short=True)[:5] == comparison.flags("rocksdb", is_short=False)[:5]


def row() -> comparison.Row:
    return comparison.row("", ("put", "-indexed"), ("put", ""), "0.7", "0.6")


def test_a_ratio_is_of_one_round() -> None:
    known = [
        measured("put", "seandb-lsm", 1, 100, 2.0),
        measured("put", "seandb-lsm", 2, 400, 4.0),
        measured("put", "seandb-lsm", 3, 999),
        measured("put", "seandb-lsm-indexed", 2, 200, 6.0),
        measured("put", "seandb-lsm-indexed", 1, 80, 8.0),
        measured("put-changed", "seandb-lsm-indexed", 1, 1),
        measured("put", "seandb-rocksdb-indexed", 1, 1),
    ]
    found = comparison.compared(known, "lsm", row())["16 x 64"]
    assert found.ratios == (0.8, 0.5)
    assert (found.rate, found.base, found.cpu, found.base_cpu) == (140, 400, 7.0, 3.0)


def test_nothing_is_compared_with_what_was_not_measured() -> None:
    assert comparison.compared([measured("put", "seandb-lsm-indexed", 1, 80)], "lsm", row()) == {}
    known = [measured("put", "seandb-lsm", 1, 0), measured("put", "seandb-lsm-indexed", 1, 80)]
    assert comparison.compared(known, "lsm", row()) == {}


def test_the_table_has_what_was_measured() -> None:
    known = [measured("put", "seandb-lsm", 1, 2000, 5.0), measured("put", "seandb-lsm-indexed", 1, 1500, 6.0)]
    lines = comparison.table({"lsm": known, "rocksdb": []}).split("\n")
    assert len(lines) == 2
    assert lines[1].split("  ")[0] == "put, an index, fields unchanged"
    assert lines[1].split()[-7:] == ["1,500", "2,000", "0.75", "(0.75..0.75)", "0.70-0.89", "6.0", "5.0"]


def test_expects_something_of_each_engine() -> None:
    assert all(set(row.expected) == {"lsm", "rocksdb"} for row in ROWS)
    assert Call("get") == Call("get", "")
