"""seandb beside PostgreSQL: the same table, the same two indexes, as many records, what a write survives alike.

    python3 -B Bench/Peers/postgresql --seconds 10            # docs/benchmarks.md, "PostgreSQL"
    python3 -B Bench/Peers/postgresql --records 20000 --seconds 1 --rounds 1 --durability buffered

PostgreSQL has a cluster of its own in a temporary folder, which is removed at the end, also after Ctrl-C; one that runs
on this machine already is left alone. It is asked by pgbench, seandb by seandb-bench. All figures are written to
.build/bench/postgresql.json. Ends with exit code 1 when a program fails or an answer is wrong.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import signal
import sys
import tempfile

import figures
import pgbench
import seandb
from cluster import Cluster, Failure, Programs
from dogs import Dogs

ROOT = pathlib.Path(__file__).resolve().parents[3]
CLIENTS = (16, 64)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="Bench/Peers/postgresql", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement; a quarter of it goes before")
    parser.add_argument("--rounds", type=int, default=3, help="both servers begin anew in each")
    parser.add_argument("--records", type=int, default=100_000, help="a multiple of 100, at most 7,000,000")
    parser.add_argument("--record-bytes", type=int, default=100)
    parser.add_argument("--durability", default="buffered,sync", help="reads run with the first one")
    parser.add_argument("--engines", default="lsm,rocksdb")
    parser.add_argument("--jobs", type=int, default=2, help="threads of pgbench")
    parser.add_argument("--socket", choices=("tcp", "unix"), default="tcp", help="of pgbench; seandb-bench has TCP")
    parser.add_argument("--postgresql", type=pathlib.Path, help="the folder of its programs")
    parser.add_argument("--user", default="postgres", help="who runs it when this is root, which may not")
    parser.add_argument("--directory", help="where to make the folders of the data (default: $TMPDIR or /var/tmp)")
    parser.add_argument("--seandb", type=pathlib.Path, default=ROOT / ".build/seandb")
    parser.add_argument("--bench", type=pathlib.Path, default=ROOT / ".build/release/seandb-bench")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / ".build/bench/postgresql.json")
    options = parser.parse_args()
    options.durability = options.durability.split(",")
    options.engines = options.engines.split(",")
    if set(options.durability) - {"buffered", "sync"}:
        parser.error("--durability: buffered, sync or both")
    if options.records % 100 or not 1000 <= options.records <= 7_000_000:
        parser.error("--records must be a multiple of 100, from 1,000 to 7,000,000")
    if not 70 <= options.record_bytes <= 170:
        parser.error("--record-bytes must be from 70 to 170")
    if min(options.seconds, options.rounds, options.jobs) < 1:
        parser.error("--seconds, --rounds and --jobs must be positive")
    return options


def main() -> int:
    # As Ctrl-C does: through every `with`, which ends the servers.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    options = arguments()
    try:
        measured = run(options)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(figures.table(measured, options.engines))
    return 0


def run(options: argparse.Namespace) -> list[figures.Figure]:
    dogs = Dogs(options.records, options.record_bytes)
    programs = Programs.found(options.postgresql)
    measured: list[figures.Figure] = []
    options.json.parent.mkdir(parents=True, exist_ok=True)
    with Cluster(programs, options.directory, options.user) as cluster:
        size = f"{options.records:,} records of {options.record_bytes} bytes"
        print(f"{cluster.version}; {size}; pgbench by {options.socket}", flush=True)
        for round in range(1, options.rounds + 1):
            turns = [of_postgresql, of_seandb]
            for turn in turns if round % 2 else reversed(turns):
                for durability in options.durability:
                    measured += turn(options, cluster, dogs, round, durability)
                    write(options, cluster, measured)
    return measured


def of_postgresql(
    options: argparse.Namespace, cluster: Cluster, dogs: Dogs, round: int, durability: str
) -> list[figures.Figure]:
    """All operations, with the table made anew. The server runs no longer than that."""
    measured: list[figures.Figure] = []
    with cluster.running():
        cluster.execute(dogs.table())
        for check in dogs.checks():
            cluster.check(check)
        for statement, index in dogs.plans():
            cluster.check_plan(statement, index)
        for operation in figures.operations(durability == options.durability[0]):
            for clients in CLIENTS:
                if operation in figures.WRITES:
                    cluster.execute(dogs.tidy())
                for seconds in (math.ceil(options.seconds / 4), options.seconds):
                    found = pgbench.run(
                        cluster,
                        dogs,
                        operation,
                        clients=clients,
                        jobs=min(options.jobs, clients),
                        seconds=seconds,
                        durability=durability,
                        is_unix=options.socket == "unix",
                    )
                at = figures.Load(clients, 1)
                survives = durability if operation in figures.WRITES else ""
                figure = figures.Figure("postgresql", operation, survives, at, round, **found)
                print(figure, flush=True)
                measured.append(figure)
        for check in dogs.checks_after_upserts():
            cluster.check(check)
    return measured


def of_seandb(
    options: argparse.Namespace, cluster: Cluster, dogs: Dogs, round: int, durability: str
) -> list[figures.Figure]:
    """All operations on all engines, each with a new server, while PostgreSQL does not run."""
    is_first = durability == options.durability[0]
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "seandb.json"
        command = seandb.command(
            options.bench,
            options.seandb,
            engines=options.engines,
            operations=figures.operations(is_first),
            clients=CLIENTS,
            seconds=options.seconds,
            records=options.records,
            record_bytes=options.record_bytes,
            durability=durability,
            # Another order of the engines and other keys in each round.
            seed=round,
            directory=options.directory,
            out=out,
        )
        seandb.run(command)
        measured = seandb.read(json.loads(out.read_text(encoding="utf-8")), round)
    for figure in measured:
        print(figure, flush=True)
    return measured


def write(options: argparse.Namespace, cluster: Cluster, measured: list[figures.Figure]) -> None:
    """All that was measured so far."""
    result = {
        "postgresql": cluster.version,
        "settings": cluster.settings,
        "options": {name: str(value) for name, value in vars(options).items()},
        "measurements": [figure.members() for figure in measured],
    }
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
