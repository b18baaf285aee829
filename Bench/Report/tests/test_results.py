"""Reading a file: what is malformed is named, and what may be missing may be missing."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import made_up
from report import results


def read(folder: pathlib.Path, result: object) -> results.Result:
    return results.read(made_up.written(folder, "result.json", result))


def test_reads_what_was_written(tmp_path: pathlib.Path) -> None:
    read_back = read(tmp_path, made_up.engine({"readrandom": {"rocksdb": [1000], "lsm": [2000]}}))
    assert (read_back.benchmark, read_back.complete, read_back.commit) == ("engine", True, "fdc8b6e+")
    assert read_back.targets == ("rocksdb", "lsm")
    lsm = read_back.measurements[1]
    assert (lsm.target, lsm.rate, lsm.load) == ("lsm", 2000, {"threads": 1})
    assert dict(lsm.latency)[0.9] == pytest.approx(0.001)


def test_takes_quantiles_from_their_own_fields_where_the_curve_lacks_them(
    tmp_path: pathlib.Path,
) -> None:
    result = made_up.engine({"readrandom": {"rocksdb": [1000]}})
    result["measurements"][0] |= {"latency": [[0.99, 7.0]], "p50Seconds": 1.0, "p99Seconds": 8.0}
    known = dict(read(tmp_path, result).measurements[0].latency)
    assert (known[0.5], known[0.99]) == (1.0, 7.0)


def test_does_without_what_a_target_cannot_tell(tmp_path: pathlib.Path) -> None:
    result = made_up.engine({"readrandom": {"rocksdb": [1000]}})
    for name in ("cpuSeconds", "writtenBytes", "userBytes", "diskBytes", "peakResidentBytes"):
        result["measurements"][0][name] = None
    one = read(tmp_path, result).measurements[0]
    assert (one.cpu_seconds, one.disk_bytes, one.live_bytes, one.timeline) == (None,) * 4


def changed(path: list[Any], value: object) -> dict[str, Any]:
    result = made_up.engine({"readrandom": {"rocksdb": [1000], "lsm": [2000]}})
    node: Any = result
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return result


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ("{", "not JSON"),
        ("[]", "the file: expected an object"),
        (changed(["format"], 2), "format: expected 1, .*found 2"),
        (changed(["benchmark"], "speed"), "benchmark: expected"),
        (changed(["complete"], "yes"), 'complete: expected true or false, found "yes"'),
        (changed(["targets"], []), "targets: expected at least one"),
        (changed(["options"], {"a": []}), "options.a: expected a string, a number"),
        (changed(["measurements", 1, "target"], "redis"), r"measurements\[1\].target: expected one of"),
        (
            changed(["measurements", 1, "operationsPerSecond"], "fast"),
            r"\[1\].operationsPerSecond: expected a num",
        ),
        (changed(["measurements", 1, "operationsPerSecond"], None), "found nothing"),
        (changed(["measurements", 0, "operations"], -1), "not below 0"),
        (changed(["measurements", 0, "operations"], True), "expected a number, found true"),
        (changed(["measurements", 0, "cpuSeconds"], float("nan")), "finite"),
        (changed(["measurements", 0, "latency"], [[0.5]]), r"latency\[0\]: expected a pair"),
        (changed(["measurements", 0, "latency"], [[50, 1.0]]), r"latency\[0\]: expected a pair"),
        (
            changed(["measurements", 0, "timeline"], {"stepSeconds": 0, "operations": []}),
            "stepSeconds: .*above 0",
        ),
    ],
)
def test_names_the_field_that_is_malformed(tmp_path: pathlib.Path, result: object, says: str) -> None:
    with pytest.raises(results.Malformed, match=says) as raised:
        read(tmp_path, result)
    assert "\n" not in str(raised.value)


def test_shortens_what_it_found(tmp_path: pathlib.Path) -> None:
    with pytest.raises(results.Malformed) as raised:
        read(tmp_path, changed(["complete"], "x" * 1000))
    assert len(str(raised.value)) < 120
