"""Shows where a program and its children spend their time (docs/profiling.md).

    python3 -B Bench/Profile -- .build/release/seandb-bench engine --engines lsm --workloads readrandom
    python3 -B Bench/Profile --tool callgrind -- .build/release/seandb-bench engine --records 20000

Writes into the output directory: flame.svg, summary.txt and perf.data; for callgrind summary.txt and callgrind.out.*.
Exit code: that of the program; 130 or 143 after a signal, with the profile of what had run until then.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import sys

import callgrind
import flame_graph
import perf
import summary

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Programs with symbols. Those that run may be stripped copies: they are told by their build ids.
WITH_SYMBOLS = [ROOT / ".build/release/seandb", ROOT / ".build/release/seandb-bench"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="Bench/Profile", description="Where a program spends its time.")
    parser.add_argument("--tool", choices=["perf", "callgrind"], default="perf", help="time, or instructions (slow)")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / ".build/profile", help="where the results go")
    parser.add_argument("--focus", help="only what runs inside functions whose name contains this")
    parser.add_argument("--frequency", type=int, default=499, help="samples a second of each busy core")
    parser.add_argument("command", nargs="+", help="the program and its arguments, after --")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    out = options.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    title = " ".join(options.command).replace(f"{ROOT}/", "")
    if options.tool == "callgrind":
        code = callgrind.run(options.command, out)
        text = callgrind.text(out, title)
    else:
        code = perf.record(options.command, out, options.frequency, WITH_SYMBOLS)
        profile = perf.read(out, options.focus)
        text = summary.text(profile, title)
        (out / "flame.svg").write_text(flame_graph.svg(profile, title), encoding="utf-8")
    (out / "summary.txt").write_text(text, encoding="utf-8")
    print(f"\n{text}")
    for name in ("summary.txt", "flame.svg"):
        if (out / name).exists():
            print(f"==> {out / name}".replace(f"{ROOT}/", ""))
    if code != 0:
        print(f"==> the program did not run to its end: exit code {code}")
    return code


sys.exit(main())
