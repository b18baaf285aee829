"""Checks what an operation costs against thresholds.toml: instructions, allocations and bytes written.

Times differ from run to run, so no build should fail for them; these counts do not. Each is a slope: a run with more
operations minus one with fewer, so that what starting and filling cost is in neither.

    python3 -B Bench/Gates --seandb .build/seandb --bench .build/release/seandb-bench
    python3 -B Bench/Gates --ranges 64,65,500,600      # no gates: what range reads cost by their length

Ends with exit code 1 when a gate fails or a program does.
"""

import argparse
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import tomllib

from counted_server import INDEXED_SCHEMA, SCHEMA, CountedServer
from programs import Programs, run, total_of

HERE = pathlib.Path(__file__).parent
# Fewer where a call does more.
CALLS = {
    "get": (2_000, 6_000),
    "put": (2_000, 6_000),
    "range-get": (1_000, 3_000),
    "page": (1_000, 3_000),
    "in": (300, 900),
    "batch-put": (100, 300),
}
# On a server whose model has an index.
INDEXED_CALLS = {
    "put": (500, 1_500),
    "put-changed": (500, 1_500),
}
RANGE_CALLS = (100, 300)
# A store of 24 MB in tables and a cache of 1 MiB: of the blocks that a random Get needs, one in thirty is there.
MISS_RECORDS = 200_000
MISS_CALLS = (1_000, 3_000)
MISS_FLAGS = ("--cache-size", "1M", "--memtable-size", "1M")
RECORDS = (10_000, 30_000)
ENGINES = ("rocksdb", "lsm")
# A threshold of no more than this is met by nothing at all.
SMALLEST_HALVED = 2


def server_figures(programs: Programs, scratch: pathlib.Path) -> dict[str, float]:
    """Instructions and allocations of a call: one call at a time, so that no batch is larger by chance."""
    return {
        f"server.{engine}.{workload}.{tool}": cost_of_call(programs, scratch, engine, tool, workload, calls)
        for engine in ENGINES
        for workload, calls in CALLS.items()
        for tool in ("allocations", "instructions")
    }


def cost_of_call(
    programs: Programs,
    scratch: pathlib.Path,
    engine: str,
    tool: str,
    workload: str,
    calls: tuple[int, int],
    *flags: str,
    schema: str = SCHEMA,
) -> float:
    """How much more is counted for each call when there are more of them."""
    counts = []
    for count in calls:
        with CountedServer(programs, scratch, engine, tool, schema=schema) as server:
            server.load(workload, count, *flags)
        counts.append(server.count)
    return (counts[1] - counts[0]) / (calls[1] - calls[0])


def index_figures(programs: Programs, scratch: pathlib.Path) -> dict[str, float]:
    """The same, where an index is kept."""
    return {
        f"server.{engine}.indexed.{workload}.{tool}": cost_of_call(
            programs, scratch, engine, tool, workload, calls, schema=INDEXED_SCHEMA
        )
        for engine in ENGINES
        for workload, calls in INDEXED_CALLS.items()
        for tool in ("allocations", "instructions")
    }


def miss_figures(programs: Programs, scratch: pathlib.Path) -> dict[str, float]:
    """Instructions of a Get whose block is not in the cache, on whichever thread of the server they run."""
    return {
        f"server.{engine}.get-miss.instructions": cost_of_miss(programs, scratch, engine)
        for engine in ENGINES
    }


def cost_of_miss(programs: Programs, scratch: pathlib.Path, engine: str) -> float:
    """As ``cost_of_call``, of servers that all begin with the same tables."""
    with CountedServer(programs, scratch, engine, "nothing", *MISS_FLAGS) as server:
        server.load("get", 1, records=MISS_RECORDS)
        server.wait_until_quiet()
    filled = server.data.rename(scratch / f"filled-{engine}")
    counts = []
    for count in MISS_CALLS:
        with CountedServer(
            programs, scratch, engine, "instructions", *MISS_FLAGS, filled=filled
        ) as server:
            server.load("get", count, records=MISS_RECORDS)
        counts.append(server.count)
    shutil.rmtree(filled)
    return (counts[1] - counts[0]) / (MISS_CALLS[1] - MISS_CALLS[0])


def print_ranges(programs: Programs, scratch: pathlib.Path, lengths: list[int]) -> None:
    """Instructions of a range-get, for each of its records."""
    for engine in ENGINES:
        for length in lengths:
            flags = ("--range-records", str(length))
            cost = cost_of_call(programs, scratch, engine, "instructions", "range-get", RANGE_CALLS, *flags)
            print(f"{engine:8} {length:6,} records {cost:12,.0f} {cost / length:8,.1f} a record", flush=True)


def engine_figures(programs: Programs, scratch: pathlib.Path) -> dict[str, float]:
    """Instructions of a call into the LSM."""

    def growth(workload: str) -> tuple[int, int]:
        """How many more instructions and operations of the workload there are with more records."""
        (few, less), (many, more) = (engine_run(programs, scratch, workload, n) for n in RECORDS)
        return many - few, more - less

    count, operations = growth("fillrandom")
    figures = {"engine.lsm.fillrandom.instructions": count / operations}
    # A workload on the compacted store comes with the making of that store.
    base, _ = growth("compact")
    for workload in ("readrandom", "readmissing", "seekrandom"):
        count, operations = growth(workload)
        figures[f"engine.lsm.{workload}.instructions"] = (count - base) / operations
    return figures


def engine_run(
    programs: Programs, scratch: pathlib.Path, workload: str, records: int
) -> tuple[int, int]:
    """All instructions of the engine benchmark, which runs what comes before `workload` as well, and the operations
    of `workload`."""
    out, measured = scratch / "callgrind.out", scratch / "engine.json"
    command = [programs.bench, "engine", "--engines", "lsm", "--workloads", workload]
    command += ["--records", str(records), "--rounds", "1", "--directory", str(scratch)]
    command += ["--json", str(measured)]
    run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *command])
    measurements = json.loads(measured.read_text())["measurements"]
    operations = [one["operations"] for one in measurements if one["workload"] == workload]
    return total_of(out), operations[0]


def written_figures(programs: Programs, scratch: pathlib.Path) -> dict[str, float]:
    """Bytes that a record of 116 bytes makes an engine write: synced alone, and in a random fill with the compaction
    that it causes, whenever that runs."""
    out = scratch / "written.json"
    command = [programs.bench, "engine", "--engines", "rocksdb,lsm", "--rounds", "1"]
    command += ["--workloads", "fillsync,fillrandom,compact", "--records", "200000"]
    run([*command, "--directory", programs.directory, "--json", str(out)])
    figures: dict[str, float] = {}
    for one in json.loads(out.read_text())["measurements"]:
        kind = "fillsync" if one["workload"] == "fillsync" else "fill_and_compact"
        name = f"engine.{one['target']}.{kind}.written_bytes"
        figures[name] = figures.get(name, 0) + one["writtenBytes"] / one["operations"]
    return figures


def main() -> int:
    # As Ctrl-C does: through every `with` and `finally`, which end the servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seandb", default=".build/seandb")
    parser.add_argument("--bench", default=".build/release/seandb-bench")
    parser.add_argument("--directory", default="/var/tmp", help="on a real disk")
    parser.add_argument("--ranges", help="prints what range reads of these lengths cost, and does nothing else")
    arguments = parser.parse_args()
    programs = Programs(arguments.seandb, arguments.bench, arguments.directory)
    thresholds = tomllib.loads((HERE / "thresholds.toml").read_text())
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        if arguments.ranges:
            print_ranges(programs, scratch, [int(length) for length in arguments.ranges.split(",")])
            return 0
        for measure in (written_figures, engine_figures, server_figures, index_figures, miss_figures):
            measured = measure(programs, scratch)
            # Now and then a compaction that ran in one run and not in the other is in the difference. What an operation
            # costs is in it every time.
            if any(figure > thresholds.get(name, 0) for name, figure in measured.items()):
                again = measure(programs, scratch)
                measured = {name: min(figure, again[name]) for name, figure in measured.items()}
            figures |= measured
    return report(figures, thresholds)


def report(figures: dict[str, float], thresholds: dict[str, float]) -> int:
    """Prints every figure beside its threshold; 1 when one is above, or is in only one of the two."""
    failed = False
    for name in sorted(figures | thresholds):
        figure, most = figures.get(name), thresholds.get(name)
        verdict = "ok"
        if figure is None or most is None:
            verdict = "FAILED: no threshold" if most is None else "FAILED: not measured"
        elif figure > most:
            verdict = "FAILED: too much"
        elif figure < most / 2 and most > SMALLEST_HALVED:
            verdict = "FAILED: too little to be true, or a threshold of another time"
        failed |= verdict != "ok"
        print(f"{name:45} {number(figure):>10} of at most {number(most):>10}  {verdict}")
    return 1 if failed else 0


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
