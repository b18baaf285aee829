"""The sentences at the top say what the figures say."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import made_up
from made_up import load, measurement
from report import display, headlines, results
from report.runs import Run


@pytest.fixture
def said_of(tmp_path: pathlib.Path) -> Any:
    """The sentences about a result, by subject."""

    def said(result: dict[str, Any]) -> dict[str, str]:
        read = results.read(made_up.written(tmp_path, "result.json", result))
        known = headlines.of_agreement(read.checks)
        if not read.checks:
            known = headlines.of(Run(read), display.looks(read.targets))
        return {one.subject: one.text.replace("*", "") for one in known}

    return said


def test_compares_a_server_with_each_peer(said_of: Any) -> None:
    targets = ["grpc-cpp-rocksdb", "seandb-rocksdb", "seandb-lsm", "nghttpd"]
    rates = dict(zip(targets, (36_500, 168_000, 171_000, 200_000), strict=True))
    lighter = [measurement("get", target, 1, 9, load((1, 1))) for target in targets]
    measured = [measurement("get", target, 1, rate, load()) for target, rate in rates.items()]
    said = said_of(made_up.server(lighter + measured, targets))
    assert said["Get at 16 × 64"] == (
        "seandb on RocksDB does 168k/s, 4.6 times gRPC C++ on RocksDB and 0.84 of nghttpd "
        "(the limit of HTTP/2); seandb on LSM 171k/s."
    )


def test_speaks_of_synced_and_buffered_puts_apart(said_of: Any) -> None:
    measured = [
        measurement("put", "seandb-lsm", 1, 120_000, load()),
        measurement("put", "etcd", 1, 3000, load()),
        measurement("put", "seandb-lsm", 1, 150_000, load(durability="buffered")),
        measurement("put", "redis", 1, 100_000, load(durability="buffered")),
    ]
    said = said_of(made_up.server(measured, ["etcd", "seandb-lsm", "redis"]))
    assert said["Put, sync at 16 × 64"] == "seandb on LSM does 120k/s, 40 times etcd."
    assert said["Put, buffered at 16 × 64"] == "seandb on LSM does 150k/s, 1.50 times Redis."


def test_says_who_answers_in_time_and_who_cannot_keep_up(said_of: Any) -> None:
    measured = [
        measurement("get", "seandb-lsm", 1, 10_000, load(offered=10_000)),
        measurement("get", "redis", 1, 9_990, load(offered=10_000)),
        measurement("get", "etcd", 1, 7_000, load(offered=10_000)),
    ]
    said = said_of(made_up.server(measured, ["seandb-lsm", "redis", "etcd"]))
    assert said == {
        "Get at 10k/s offered": "99 % are answered within 300 µs by seandb on LSM and 300 µs by Redis; "
        "etcd cannot keep up."
    }


def test_counts_where_an_engine_is_ahead_behind_and_level(said_of: Any) -> None:
    base = [100, 100, 100]
    said = said_of(
        made_up.engine(
            {
                "fillseq": {"rocksdb": base, "lsm": [200, 210, 190]},
                "readseq": {"rocksdb": base, "lsm": [300, 310, 290]},
                "compact": {"rocksdb": base, "lsm": [80, 85, 75]},
                "readhot": {"rocksdb": base, "lsm": [105, 90, 110]},
            }
        )
    )
    assert said["LSM against RocksDB"] == (
        "ahead on 2 of 4 workloads, by 2.0× (fillseq) to 3.0× (readseq); behind on compact (0.80×); "
        "level, within the spread of the rounds, on readhot (1.05×). The ratio in the middle is 1.52×."
    )


def test_counts_a_mix_once_and_not_again_for_its_parts(said_of: Any) -> None:
    rates = {"rocksdb": [100], "lsm": [300]}
    said = said_of(made_up.engine({"ycsb-a": rates, "ycsb-a.read": rates, "readseq.more": rates}))
    assert said["LSM against RocksDB"].startswith("ahead on 2 of 2 workloads")


def test_gives_the_rates_of_our_engines_and_leaves_peers_to_the_charts(said_of: Any) -> None:
    rates = {"rocksdb": [194_000], "lsm": [473_000], "rocksdb-defaults": [160_000]}
    said = said_of(made_up.engine({"readrandom": rates}, targets=list(rates)))
    assert said["readrandom"] == "RocksDB 194k/s, LSM 473k/s (2.4×); 99 % within 15.5 µs and 6.34 µs."
    assert not any("defaults" in subject for subject in said)


def test_names_the_cases_in_which_tools_differ(said_of: Any) -> None:
    said = said_of(made_up.agreement({"readseq": 1.04, "fillseq": 1.25}))
    assert said == {
        "Agreement with db_bench": "our figures are theirs in 1 of 2 cases; they differ in fillseq (1.25×)."
    }


def test_says_nothing_of_what_was_not_measured(said_of: Any) -> None:
    assert said_of(made_up.engine({"readseq": {"rocksdb": [100]}})) == {}
