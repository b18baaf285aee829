"""The page as a whole: written from what is valid, complete in itself, and honest about what is missing."""

from __future__ import annotations

import html.parser
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree
from typing import Any

import pytest

import made_up
from made_up import load, measurement
from report.command import main

PROGRAM = pathlib.Path(__file__).parents[1]
TARGETS = ["grpc-cpp-rocksdb", "seandb-rocksdb", "newcomer"]


def engine(**more: Any) -> dict[str, Any]:
    rates = {
        "fillseq": {"rocksdb": [100, 110], "lsm": [200, 190]},
        "readseq": {"rocksdb": [300], "lsm": [250]},
    }
    result = made_up.engine(rates, **more)
    for one in result["measurements"]:
        one["timeline"] = {"stepSeconds": 0.1, "operations": [10, 9, 0, 0, 8, 1]}
    return result


def server(**more: Any) -> dict[str, Any]:
    rates = [(target, 1000.0 * (index + 1)) for index, target in enumerate(TARGETS)]
    loads = [load((1, 1)), load(), load(offered=500), load(offered=900)]
    measured = [measurement("get", target, 1, rate, one) for target, rate in rates for one in loads]
    return made_up.server(measured, TARGETS, **more)


class Made:
    """A page, with what the program said while it made it."""

    def __init__(self, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def of(self, *given: object, names: tuple[str, ...] = ("a.json", "b.json", "c.json")) -> str:
        """The page; a result that is None is a file that is not there."""
        paths = [
            self.folder / name if result is None else made_up.written(self.folder, name, result)
            for name, result in zip(names, given, strict=False)
        ]
        out = self.folder / "page.html"
        self.code = main([*map(str, paths), "--out", str(out)])
        self.said = self.capsys.readouterr().err
        return out.read_text(encoding="utf-8") if out.exists() else ""


@pytest.fixture
def made(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Made:
    return Made(tmp_path, capsys)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of all three benchmarks, made once."""
    folder = tmp_path_factory.mktemp("whole")
    results = {
        "engine": engine(),
        "server": server(),
        "agreement": made_up.agreement({"readseq": 1.02, "fillseq": 1.3}),
    }
    paths = [str(made_up.written(folder, f"{name}.json", result)) for name, result in results.items()]
    assert main([*paths, "--out", str(folder / "page.html")]) == 0
    return (folder / "page.html").read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    found = re.search(f'<section id="{title}">.*?</section>', page, re.DOTALL)
    return found[0] if found else ""


@pytest.mark.parametrize(
    ("title", "count"),
    [
        # One of ratios, one of the server's rates.
        ("throughput", 2),
        # Two workloads, and the call of the server.
        ("latency", 3),
        # Rate by calls, p99 by rate, three quantiles of the open loop.
        ("under-load", 5),
        # Not of reads.
        ("over-time", 1),
        # CPU, memory, written and disk, of either run.
        ("costs", 8),
        ("all-figures", 0),
        ("agreement", 1),
        ("what-is-fair-about-it", 0),
    ],
)
def test_draws_every_chart(whole: str, title: str, count: int) -> None:
    shown = section(whole, title)
    assert shown
    assert (shown.count("<svg"), shown.count("</figure>")) == (count, count)


def test_draws_well_formed_svg_with_ids_of_its_own(whole: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", whole, re.DOTALL)
    for drawing in drawings:
        assert xml.etree.ElementTree.fromstring(drawing).get("aria-label")
    ids = re.findall(r'\bid="([^"]+)"', whole)
    assert len(drawings) == 20 and len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', whole)) <= set(ids)


def test_closes_what_it_opens(whole: str) -> None:
    class Balance(html.parser.HTMLParser):
        open: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "br"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    balance = Balance()
    balance.feed(whole)
    assert balance.open == []


def test_loads_nothing(whole: str) -> None:
    assert not re.search(r"https?:|src=|@import|<link|<script|url\((?!#)|href=\"(?!#)", whole)


def test_colours_only_by_the_variables_it_defines(whole: str) -> None:
    defined = set(re.findall(r"(--\w+):", whole))
    assert set(re.findall(r"var\((--\w+)\)", whole)) <= defined
    drawings = "".join(re.findall(r"<svg.*?</svg>", whole, re.DOTALL))
    assert "var(--c1f63c6)" in drawings and not re.search(r"(?:fill|stroke): #", drawings)


def test_is_the_same_for_the_same_results(made: Made) -> None:
    first = made.of(engine(), server())
    second = made.of(engine(), server())
    assert re.sub(r"\bc\d+-", "", first) == re.sub(r"\bc\d+-", "", second)


def test_shows_medians_and_ratios_in_the_table(whole: str) -> None:
    figures = section(whole, "all-figures")
    assert "<td class=number>195</td><td class=number>1.86 <small>(1.73..2.00)</small></td>" in figures
    assert "newcomer" in figures and "<td class=number>3,000</td><td class=number>3.00</td>" in figures


def test_says_where_the_figures_come_from(whole: str) -> None:
    for text in (
        "A Processor, 2 cores, 25 GB, ext4, Linux 6.1.0",
        "fdc8b6e with local changes",
        "rocksdb 7.8.3",
    ):
        assert text in whole
    assert "2026-11-24 18:00 UTC" in whole and "8 min 32 s" in whole


def test_takes_a_complete_set_without_a_notice(made: Made) -> None:
    page = made.of(engine(), server(), made_up.agreement({"readseq": 1.0}))
    assert (made.code, made.said) == (0, "")
    assert "class=notice" not in page and "Not in this page" not in page


def test_says_that_a_run_was_interrupted(made: Made) -> None:
    rates = {"fillseq": {"rocksdb": [1.0] * 4, "lsm": [1.0] * 3}}
    page = made.of(made_up.engine(rates, rounds=5, complete=False))
    assert "this run was interrupted after 3 of 5 rounds" in page
    rates = {"fillseq": {"rocksdb": [1.0]}}
    page = made.of(made_up.engine(rates, rounds=5, complete=False))
    assert "this run was interrupted in the first of 5 rounds" in page
    page = made.of(made_up.agreement({"readseq": 1.0}, complete=False))
    assert "this run was interrupted after 1 case." in page


def test_shows_an_interrupted_run_without_any_measurement(made: Made) -> None:
    page = made.of(engine() | {"complete": False, "measurements": []})
    assert made.code == 0 and "interrupted before anything was measured" in page


def test_says_which_file_is_not_there(made: Made) -> None:
    page = made.of(engine(), None)
    assert made.code == 0 and "b.json: there is no such file" in page
    assert "Not in this page: servers and agreement." in page


def test_leaves_out_a_malformed_file_and_shows_the_others(made: Made) -> None:
    page = made.of(engine(), server() | {"targets": []})
    assert made.code == 1 and made.said.count("\n") == 1
    assert "b.json: targets: expected at least one target" in made.said
    assert "b.json: not a valid result" in page and "<svg" in section(page, "throughput")


def test_writes_no_page_of_nothing(made: Made) -> None:
    assert made.of("{", None) == "" and made.code == 1
    assert made.said.splitlines()[-1] == "nothing to report: none of the files holds a valid result"


def test_says_that_operations_failed(made: Made) -> None:
    result = server()
    result["measurements"][0]["errors"] = 12
    assert "grpc-cpp-rocksdb, get, 1 × 1: 12 of 1,000 operations failed." in made.of(result)


def test_warns_of_runs_that_do_not_belong_together(made: Made) -> None:
    page = made.of(engine(), server(commit="0000000", machine={"cpu": "Another"}))
    assert "The runs are of different commits: 0000000 and fdc8b6e+." in page
    assert "The runs are of different machines" in page


def test_shows_two_runs_of_a_kind_apart(made: Made) -> None:
    page = made.of(engine(), engine(commit="0000000"))
    for commit in ("fdc8b6e+", "0000000"):
        assert f"<h3>Storage engines, {commit}, 2026-11-24 18:00 UTC</h3>" in section(
            page, "throughput"
        )


def test_escapes_names(made: Made) -> None:
    name = 'a<b>&"$x$'
    result = made_up.engine(
        {name: {"rocksdb": [1], name: [2]}}, targets=["rocksdb", name], commit="<i>"
    )
    page = made.of(result)
    assert "a<b>" not in page and "<i>" not in page and page.count("a&lt;b&gt;&amp;") > 5


def test_draws_a_target_that_did_nothing(made: Made) -> None:
    result = server()
    for one in result["measurements"]:
        if one["target"] == "newcomer":
            times = dict.fromkeys(("p50Seconds", "p99Seconds", "p999Seconds", "maximumSeconds"), 0)
            one |= times | {"operationsPerSecond": 0, "latency": [], "operations": 0}
    page = made.of(result)
    assert made.code == 0 and section(page, "throughput").count("<svg") == 1


def test_draws_one_engine_alone_by_its_rates(made: Made) -> None:
    page = made.of(made_up.engine({"fillseq": {"rocksdb": [100]}}, targets=["rocksdb"]))
    assert "100/s" in section(page, "throughput")


def test_runs_as_a_program(tmp_path: pathlib.Path) -> None:
    result = made_up.written(tmp_path, "engine.json", engine())
    command = [sys.executable, "-B", str(PROGRAM), "--out", str(tmp_path / "page.html"), str(result)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
