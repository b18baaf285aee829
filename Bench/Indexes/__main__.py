"""What indexes cost and give: a model with indexes beside a plain one, on each engine, as ratios within one run.

    python3 -B Bench/Indexes                                # docs/benchmarks.md, "Indexes"
    python3 -B Bench/Indexes --short                        # in some twenty seconds: whether it works
    python3 -B Bench/Indexes --rounds 9 --durability sync   # further flags are seandb-bench's
    python3 -B Bench/Indexes --show                         # the table of the last run again
    python3 -B Bench/Indexes --building                     # what writes lose while an index is built beside them

Writes .build/bench/indexes-ENGINE.json. Ends with exit code 1 when an answer is wrong.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys

import building
import comparison

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / ".build"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="Bench/Indexes", description=__doc__.split("\n")[0], epilog="All other flags are handed on."
    )
    parser.add_argument("--bench", type=pathlib.Path, default=BUILD / "release/seandb-bench")
    parser.add_argument("--seandb", type=pathlib.Path, default=BUILD / "seandb")
    parser.add_argument("--out", type=pathlib.Path, default=BUILD / "bench", help="the folder of the results")
    parser.add_argument("--engines", default="lsm,rocksdb")
    parser.add_argument("--short", action="store_true", help="few records and little time: no figures to trust")
    parser.add_argument("--show", action="store_true", help="measures nothing: the table of the last run")
    parser.add_argument("--building", action="store_true", help="beside writes of two clients; takes no other flags")
    parser.add_argument("--records", type=int, default=1_000_000, help="of --building")
    options, flags = parser.parse_known_args()
    if options.building:
        for engine in options.engines.split(","):
            print(building.measured(options.bench, options.seandb, engine, options.records).text(), flush=True)
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[comparison.Measurement]] = {}
    for engine in options.engines.split(","):
        file = options.out / f"indexes-{engine}.json"
        if not options.show:
            file.unlink(missing_ok=True)
            command = [options.bench, *comparison.flags(engine, options.short), "--json", file, *flags]
            code = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL).returncode
            if code != 0:
                print(f"exit code {code} of: {' '.join(map(str, command))}", file=sys.stderr)
                return 1
        results[engine] = comparison.measurements(json.loads(file.read_text(encoding="utf-8")))
    print(comparison.table(results))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        # seandb-bench has got it as well, and ends its servers.
        sys.exit(130)
