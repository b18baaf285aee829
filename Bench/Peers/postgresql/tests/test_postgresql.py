"""Without a server: the statements' arithmetic, what pgbench prints, what seandb-bench is told, and the ratios."""

from __future__ import annotations

import pathlib
import re

import pytest

import figures
import pgbench
import seandb
from cluster import Failure, Programs, Status
from dogs import BREED_PRIME, CHIP_PRIME, GENERATIONS, GROUP, Dogs
from figures import Figure, Load

DOGS = Dogs(records=1000, record_bytes=100)
MOST_RECORDS = 7_000_000

PRINTED = """pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: /tmp/get.sql
scaling factor: 1
query mode: prepared
number of clients: 16
number of threads: 2
maximum number of tries: 1
duration: 5 s
number of transactions actually processed: 123456
number of failed transactions: 0 (0.000%)
latency average = 0.648 ms
initial connection time = 31.220 ms
tps = 24691.350000 (without initial connection time)
"""


def test_reads_what_pgbench_prints() -> None:
    assert pgbench.Summary.parsed(PRINTED) == pgbench.Summary(123_456, 24_691.35, pytest.approx(648))


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        (PRINTED.replace("transactions: 0", "transactions: 3"), "3 transactions"),
        (PRINTED.replace("tps", "rate"), "something else"),
        ("", "something else"),
    ],
)
def test_refuses_what_is_no_measurement(printed: str, says: str) -> None:
    with pytest.raises(Failure, match=says):
        pgbench.Summary.parsed(printed)


def test_reads_the_times_of_transactions() -> None:
    whole = ["0 12 640 0 1795810000 123456", "15 2 655 0 1795810001 5"]
    others = ["1 7 failed 0 1795810000 200000", "3 9 71 0 1795", ""]
    assert pgbench.latencies(whole + others) == [640, 655]


def test_percentiles_are_times_that_were_there() -> None:
    times = [float(number) for number in range(1, 101)]
    assert (pgbench.percentile(times, 0.5), pgbench.percentile(times, 0.99)) == (51, 100)
    assert pgbench.percentile([7.0], 0.99) == 7


def test_a_commit_waits_for_the_disk_when_it_has_to() -> None:
    assert pgbench.SYNCHRONOUS_COMMIT == {"sync": "on", "buffered": "off"}


def computed(expression: str, **values: int) -> int:
    """An expression for pgbench, whose numbers have 64 bits."""
    for name, value in values.items():
        expression = expression.replace(f":{name}", str(value))
    assert re.fullmatch(r"[0-9+*%() ]+", expression)
    return eval(expression)


def test_numbers_stay_in_64_bits() -> None:
    breed, chip = (expression.split("%")[0] for expression in (DOGS.breed(":group", ":age"), DOGS.chip(":record")))
    assert computed(breed, group=MOST_RECORDS // GROUP, age=GENERATIONS) < 1 << 63
    assert computed(chip, record=MOST_RECORDS) < 1 << 63
    assert MOST_RECORDS // GROUP * GENERATIONS < BREED_PRIME < CHIP_PRIME


def test_breeds_and_chips_differ_and_are_as_long() -> None:
    breeds = {
        computed(DOGS.breed(":group", ":age"), group=group, age=age)
        for group in range(DOGS.groups)
        for age in range(1, GENERATIONS)
    }
    assert len(breeds) == DOGS.groups * (GENERATIONS - 1)
    chips = {computed(DOGS.chip(":record"), record=record) for record in range(DOGS.records)}
    assert len(chips) == DOGS.records
    assert {len(str(breed)) for breed in breeds} == {8}
    assert {len(str(chip)) for chip in chips} == {16}


def test_an_upsert_asks_for_the_group_of_its_record() -> None:
    lines = DOGS.script("upsert").splitlines()
    values = {"record": 123, "age": 5}
    (breed,) = (line.removeprefix("\\set breed ") for line in lines if line.startswith("\\set breed"))
    assert computed(breed, **values) == computed(DOGS.breed(":group", ":age"), group=123 % DOGS.groups, age=5)


def test_a_transaction_is_two_upserts_of_two_records() -> None:
    lines = DOGS.script("transaction").splitlines()
    assert (lines[0], lines[-1]) == ("BEGIN;", "END;")
    assert sum(line.startswith("INSERT ") for line in lines) == 2
    assert f"\\set record2 random(:record + 1, {DOGS.records - 1})" in lines


@pytest.mark.parametrize("operation", [one for one in figures.OPERATIONS if one != "transaction"])
def test_scripts_are_one_statement_without_a_number_made_text(operation: str) -> None:
    lines = DOGS.script(operation).splitlines()
    assert all(line.startswith("\\set ") for line in lines[:-1])
    assert lines[-1].endswith(";")
    assert "::" not in lines[-1] and "||" not in lines[-1]


@pytest.mark.parametrize("record_bytes", [70, 100, 170])
def test_names_fill_the_record(record_bytes: int) -> None:
    dogs = Dogs(1000, record_bytes)
    assert len(dogs.name) == dogs.name_bytes == record_bytes - 50


def flags(**more: object) -> list[str]:
    known = {"engines": ["lsm", "rocksdb"], "operations": figures.OPERATIONS, "clients": (16, 64), "seconds": 5}
    known |= {"records": 1000, "record_bytes": 100, "durability": "sync", "seed": 1, "directory": None}
    return seandb.command(pathlib.Path("bench"), pathlib.Path("seandb"), out=pathlib.Path("out"), **known | more)


def test_asks_seandb_for_the_same() -> None:
    words = flags()
    assert words[words.index("--workloads") + 1] == "get,index-get,put-changed,transact"
    assert words[words.index("--loads") + 1] == "16x1,64x1,16x64"
    assert words[words.index("--durability") + 1] == "sync"
    assert words[words.index("--targets") + 1] == "seandb-lsm-indexed-2,seandb-rocksdb-indexed-2"


def test_engines_take_turns() -> None:
    words = flags(seed=2)
    assert words[words.index("--targets") + 1] == "seandb-rocksdb-indexed-2,seandb-lsm-indexed-2"


def test_reads_run_once() -> None:
    assert figures.operations(has_reads=True) == ("get", "index-get", "upsert", "transaction")
    assert figures.operations(has_reads=False) == ("upsert", "transaction")


def test_reads_a_result_of_seandb_bench() -> None:
    load = {"connections": 16, "inFlight": 1, "durability": "sync"}
    one = {"workload": "put-changed", "target": "seandb-lsm-indexed-2", "load": load}
    one |= {"operations": 1000, "operationsPerSecond": 500.0, "cpuSeconds": 0.005}
    one |= {"p50Seconds": 0.002, "p99Seconds": 0.01}
    (figure,) = seandb.read({"measurements": [one]}, 3)
    assert (figure.server, figure.operation, figure.durability) == ("seandb-lsm", "upsert", "sync")
    assert (figure.load, figure.round, figure.rate) == (Load(16, 1), 3, 500)
    assert (figure.p50, figure.p99, figure.cpu) == tuple(map(pytest.approx, (2000, 10_000, 5)))


def made(server: str, load: tuple[int, int], round: int, rate: float, operation: str = "get") -> Figure:
    return Figure(server, operation, "", Load(*load), round, rate, p50=1, p99=2, cpu=3)


MEASURED = [
    made("postgresql", (16, 1), 1, 100),
    made("postgresql", (64, 1), 1, 200),
    made("postgresql", (16, 1), 2, 400),
    made("postgresql", (64, 1), 2, 100),
    made("seandb-lsm", (16, 1), 1, 500),
    made("seandb-lsm", (16, 1), 2, 800),
    made("seandb-lsm", (16, 64), 1, 1000),
]


def test_its_best_is_that_of_the_round() -> None:
    assert [(one.round, one.rate) for one in figures.best(MEASURED)] == [(1, 200), (2, 400)]


def test_ratios_are_of_one_round() -> None:
    own = [one for one in MEASURED if one.server == "seandb-lsm" and one.load == Load(16, 1)]
    same = [one for one in MEASURED if one.server == "postgresql" and one.load == Load(16, 1)]
    assert figures.ratios(own, same) == [5.0, 2.0]
    assert figures.spread([5.0, 2.0]) == "3.5 (2.0..5.0)"
    assert figures.spread(figures.ratios(own, [])) == ""


def test_the_table_has_every_load() -> None:
    lines = figures.table(MEASURED, ["lsm"]).splitlines()
    assert len(lines) == 5
    assert lines[3].split()[-4:] == ["3.5", "(2.0..5.0)", "2.2", "(2.0..2.5)"]
    # What PostgreSQL has no such load for is compared with its best alone.
    assert lines[4].split()[-3:] == ["3.0", "5.0", "(5.0..5.0)"]


def test_reads_are_before_writes_in_it() -> None:
    lines = figures.table([made("postgresql", (16, 1), 1, 1, "upsert"), *MEASURED], ["lsm"]).splitlines()
    assert lines[1].startswith("get by key") and lines[-1].startswith("upsert")


def test_reads_the_status_of_a_process() -> None:
    text = "42 (a ) name) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 1000 200 20 0 1 0 9 10 11"
    assert Status.parsed(text) == Status(42, 7, 2.0, 12.0)


def test_says_what_is_missing(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Failure, match="apt-get install postgresql-15"):
        Programs.found(tmp_path)
