"""Small results, made up so that their figures can be checked by hand."""

from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

HEAD = {
    "format": 1,
    "complete": True,
    "startedAt": "2026-11-24T18:00:00Z",
    "seconds": 512.3,
    "machine": {
        "cpu": "A Processor",
        "cores": 2,
        "memoryBytes": 25_200_000_000,
        "kernel": "6.1.0",
        "fileSystem": "ext4",
        "load": "0.18",
    },
    "versions": {"seandb": "0.1.0", "rocksdb": "7.8.3"},
    "commit": "fdc8b6e+",
}


def measurement(
    workload: str, target: str, round: int, rate: float, load: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """All times follow from the rate: the median is its inverse, p99 three times that."""
    p50 = 1 / rate if rate else 0.0
    made = {
        "workload": workload,
        "target": target,
        "round": round,
        "load": load,
        "operations": 1000,
        "errors": 0,
        "seconds": 1000 * p50,
        "operationsPerSecond": rate,
        "p50Seconds": p50,
        "p99Seconds": 3 * p50,
        "p999Seconds": 9 * p50,
        "maximumSeconds": 50 * p50,
        "latency": [[0.5, p50], [0.9, 2 * p50], [0.99, 3 * p50], [0.999, 9 * p50], [1.0, 50 * p50]],
        "timeline": None,
        "cpuSeconds": 0.5,
        "writtenBytes": 300,
        "userBytes": 100,
        "diskBytes": 2 * 1024**2,
        "peakResidentBytes": 64 * 1024**2,
    }
    return made | more


def engine(
    rates: Mapping[str, Mapping[str, Sequence[float]]],
    targets: Sequence[str] = ("rocksdb", "lsm"),
    rounds: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """`rates` are of each workload and target, round by round."""
    longest = max(len(known) for of_targets in rates.values() for known in of_targets.values())
    measurements = [
        measurement(workload, target, index + 1, known[index], {"threads": 1})
        for index in range(longest)
        for workload, of_targets in rates.items()
        for target, known in of_targets.items()
        if index < len(known)
    ]
    made = copy.deepcopy(HEAD) | {
        "benchmark": "engine",
        "options": {"records": 1000, "valueBytes": 100, "rounds": rounds or longest, "seed": "1"},
        "targets": list(targets),
        "measurements": measurements,
        "ratios": [],
    }
    return made | more


def load(
    calls: tuple[int, int] = (16, 64), offered: float | None = None, **more: Any
) -> dict[str, Any]:
    made = {
        "connections": calls[0],
        "inFlight": calls[1],
        "threads": 1,
        "ratePerSecond": offered,
        "tls": False,
        "durability": "sync",
        "recordBytes": 40,
        "keys": "uniform",
    }
    return made | more


def server(
    measurements: Sequence[dict[str, Any]], targets: Sequence[str], **more: Any
) -> dict[str, Any]:
    made = copy.deepcopy(HEAD) | {
        "benchmark": "server",
        "options": {"rounds": max(one["round"] for one in measurements), "secondsEach": 5},
        "targets": list(targets),
        "measurements": list(measurements),
        "ratios": [],
    }
    return made | more


def agreement(ratios: dict[str, float], **more: Any) -> dict[str, Any]:
    checks = [
        {
            "case": case,
            "tool": "db_bench",
            "ours": [1000 * ratio],
            "theirs": [1000],
            "ratios": [ratio],
            "ratio": ratio,
            "tolerance": 0.1,
            "agrees": abs(ratio - 1) <= 0.1,
        }
        for case, ratio in ratios.items()
    ]
    return copy.deepcopy(HEAD) | {"benchmark": "agreement", "options": {}, "checks": checks} | more


def written(folder: pathlib.Path, name: str, result: object) -> pathlib.Path:
    path = folder / name
    path.write_text(result if isinstance(result, str) else json.dumps(result), encoding="utf-8")
    return path
