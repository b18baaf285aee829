"""The same measurements of seandb, by seandb-bench."""

from __future__ import annotations

import pathlib
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from cluster import Failure
from figures import Figure, Load

# By our name of an operation, that of a workload.
WORKLOADS = {"get": "get", "index-get": "index-get", "upsert": "put-changed", "transaction": "transact"}
# How seandb is asked usually: many calls in flight on a connection.
USUAL_LOAD = Load(16, 64)
STOP_SECONDS = 60


def command(
    bench: pathlib.Path,
    program: pathlib.Path,
    *,
    engines: Sequence[str],
    operations: Sequence[str],
    clients: Sequence[int],
    seconds: int,
    records: int,
    record_bytes: int,
    durability: str,
    seed: int,
    directory: str | None,
    out: pathlib.Path,
) -> list[str]:
    """One round on each engine, with breed and chip indexed. A client of pgbench has one call in flight, as connections
    have here but for the last load."""
    turned = engines if seed % 2 else list(reversed(engines))
    loads = [Load(count, 1) for count in clients] + [USUAL_LOAD]
    words = [
        str(bench), "server", "--seandb", str(program), "--json", str(out),
        "--targets", ",".join(f"seandb-{engine}-indexed-2" for engine in turned),
        "--workloads", ",".join(WORKLOADS[operation] for operation in operations),
        "--loads", ",".join(f"{load.connections}x{load.in_flight}" for load in loads),
        "--rates", "0", "--rounds", "1", "--durability", durability, "--seed", str(seed),
        "--seconds", str(seconds), "--write-seconds", str(seconds),
        "--records", str(records), "--record-bytes", str(record_bytes),
    ]  # fmt: skip
    return words + (["--directory", directory] if directory else [])


def run(words: Sequence[str]) -> None:
    """To its end; a signal ends it in the ordinary way, so that it removes its servers and their data."""
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        _, said = process.communicate()
    except BaseException:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STOP_SECONDS)
        raise
    if process.returncode != 0:
        raise Failure(f"exit code {process.returncode} of: {' '.join(words)}\n{said[-2000:]}")


def read(result: Mapping[str, Any], round: int) -> list[Figure]:
    """The figures of a result, which has one round."""
    operations = {workload: operation for operation, workload in WORKLOADS.items()}
    return [
        Figure(
            server=one["target"].removesuffix("-indexed-2"),
            operation=operations[one["workload"]],
            durability=one["load"]["durability"] or "",
            load=Load(one["load"]["connections"], one["load"]["inFlight"]),
            round=round,
            rate=one["operationsPerSecond"],
            p50=one["p50Seconds"] * 1e6,
            p99=one["p99Seconds"] * 1e6,
            cpu=(one["cpuSeconds"] or 0) / max(1, one["operations"]) * 1e6,
        )
        for one in result["measurements"]
    ]
