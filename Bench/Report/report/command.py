"""The command line."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from report import results
from report.page import page
from report.preface import Input


def main(arguments: Sequence[str]) -> int:
    """The exit code is 1 when a file is malformed; the others are shown all the same."""
    parser = argparse.ArgumentParser(
        prog="Bench/Report", description="Turns results of seandb-bench into one HTML page."
    )
    parser.add_argument("results", nargs="+", type=pathlib.Path, metavar="RESULT.json")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="PAGE.html")
    options = parser.parse_args(arguments)
    inputs = [read(path) for path in options.results]
    if not any(one.result for one in inputs):
        print("nothing to report: none of the files holds a valid result", file=sys.stderr)
        return 1
    options.out.write_text(page(inputs), encoding="utf-8")
    return 1 if any(one.is_malformed for one in inputs) else 0


def read(path: pathlib.Path) -> Input:
    """A file that is not there is no error: not every benchmark is run each time."""
    try:
        return Input(path, results.read(path))
    except FileNotFoundError:
        return Input(path, problem="there is no such file, so this was not measured.")
    except (results.Malformed, OSError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return Input(path, problem=f"not a valid result, and left out ({error}).", is_malformed=True)
