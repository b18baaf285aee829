"""One measurement by pgbench, and what it prints."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster import Cluster, Failure
from dogs import Dogs

# What a commit waits for. Without: neither for the disk nor for the operating system.
SYNCHRONOUS_COMMIT = {"sync": "on", "buffered": "off"}
# The part of the transactions whose times are written down, one by one.
SAMPLING = 0.1

RATE = re.compile(r"^tps = ([0-9.]+) \(without initial connection time\)$", re.MULTILINE)
AVERAGE = re.compile(r"^latency average = ([0-9.]+) ms$", re.MULTILINE)
PROCESSED = re.compile(r"^number of transactions actually processed: ([0-9]+)", re.MULTILINE)
FAILED = re.compile(r"^number of failed transactions: ([0-9]+) ", re.MULTILINE)


def run(
    cluster: Cluster,
    dogs: Dogs,
    operation: str,
    *,
    clients: int,
    jobs: int,
    seconds: int,
    durability: str,
    is_unix: bool,
) -> dict[str, float]:
    """Transactions a second, the median and the 99th percentile of their times, and the server's processor time for
    each: as figures.Figure has them."""
    folder = Path(tempfile.mkdtemp(dir=cluster.folder))
    try:
        folder.chmod(0o777)
        script = folder / f"{operation}.sql"
        script.write_text(dogs.script(operation), encoding="utf-8")
        command = [
            cluster.programs.path("pgbench"), *cluster.address(is_unix), "--no-vacuum", "--protocol=prepared",
            f"--file={script}", f"--client={clients}", f"--jobs={jobs}", f"--time={seconds}",
            f"--define=name={dogs.name}", "--log", f"--log-prefix={folder}/times", f"--sampling-rate={SAMPLING}",
            "postgres",
        ]  # fmt: skip
        setting = f"-c synchronous_commit={SYNCHRONOUS_COMMIT[durability]}"
        before = cluster.cpu_seconds()
        found = Summary.parsed(cluster.run(command, {"PGOPTIONS": setting}))
        cpu = (cluster.cpu_seconds() - before) / max(1, found.count) * 1e6
        times = sorted(time for file in folder.glob("times.*") for time in latencies(file.read_text().splitlines()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not times:
        # Too few for the sample.
        times = [found.average]
    return {"rate": found.rate, "p50": percentile(times, 0.5), "p99": percentile(times, 0.99), "cpu": cpu}


@dataclass(frozen=True)
class Summary:
    count: int
    rate: float
    """Transactions a second."""
    average: float
    """Of a transaction. Unit: microseconds."""

    @staticmethod
    def parsed(printed: str) -> Summary:
        """- Throws: Failure when pgbench has printed something else, or a transaction has failed."""
        count, rate, average, failed = (one.search(printed) for one in (PROCESSED, RATE, AVERAGE, FAILED))
        if not count or not rate or not average:
            raise Failure(f"pgbench has printed something else:\n{printed[-2000:]}")
        if failed and int(failed[1]) > 0:
            raise Failure(f"{failed[1]} transactions of pgbench have failed")
        return Summary(int(count[1]), float(rate[1]), float(average[1]) * 1000)


def latencies(lines: Iterable[str]) -> list[float]:
    """The third word of each line of a log: the time of a transaction in microseconds, or `failed`."""
    times = []
    for line in lines:
        words = line.split()
        # The last one may be cut.
        if len(words) >= 6 and words[2].isdigit():
            times.append(float(words[2]))
    return times


def percentile(ascending: list[float], fraction: float) -> float:
    return ascending[min(len(ascending) - 1, int(fraction * len(ascending)))]
