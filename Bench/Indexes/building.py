"""What writes lose while an index over their model is built beside them.

One server after the other on the same directory: without the index, with it while it is built, and with it once it is.
Each is asked at once after its start, so that all three begin with a cold cache.
"""

from __future__ import annotations

import json
import pathlib
import queue
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field

PLAIN, INDEXED = (
    """\
syntax = "proto3";
package database;
{head}
message Dog {{
{option}  string pk = 1;
  string name = 2;
  uint32 age = 3;
  string breed = 4;
  string chip = 5;
}}
""".format(head=head, option=option)
    for head, option in (
        ("", ""),
        ('import "seandb/options.proto";\n', '  option (seandb.model) = {index: {fields: "breed"}};\n'),
    )
)
# Two clients, some calls of each in flight; fields with an index change in each call.
LOAD = ("--workloads", "put-changed", "--loads", "2x16", "--rates", "0", "--durability", "buffered", "--rounds", "1")
SECONDS = 1.0
# Windows of a server that builds nothing.
WINDOWS = 8
LONGEST_WINDOWS = 600
STOP_SECONDS = 60


class Server:
    """Runs while the `with` block does."""

    def __init__(self, seandb: pathlib.Path, schema: pathlib.Path, data: pathlib.Path, engine: str) -> None:
        command = [seandb, "serve", schema, "--data", data, "--engine", engine, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*map(str, command), "--durability", "buffered"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()
        self.started = time.monotonic()
        self.reader = threading.Thread(target=self.read, daemon=True)

    def read(self) -> None:
        for line in self.process.stderr:
            self.lines.put((time.monotonic() - self.started, line))

    def __enter__(self) -> Server:
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise SystemExit(f"the server does not listen: {self.process.stderr.read()[-2000:]}")
        self.address = line.removeprefix("listening on ").strip()
        self.reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(STOP_SECONDS)

    def built_after(self) -> float | None:
        """The seconds from its start on, when it has said so since it was asked last."""
        while not self.lines.empty():
            seconds, line = self.lines.get()
            if "an index is built" in line:
                return seconds
            if "cannot be built" in line:
                raise SystemExit(line)
        return None


@dataclass
class Building:
    """Calls a second, in each window of time after the start of a server."""

    engine: str
    records: int
    plain: list[float] = field(default_factory=list)
    building: list[float] = field(default_factory=list)
    built: list[float] = field(default_factory=list)
    seconds: float = 0
    """From the start of the server until the index was built."""

    @property
    def lost(self) -> float:
        """The share that the building takes of the rate with the index."""
        return 1 - statistics.mean(self.building) / statistics.mean(self.built)

    def text(self) -> str:
        rates = (f"{name} {statistics.mean(getattr(self, name)):,.0f}" for name in ("plain", "building", "built"))
        return (
            f"{self.engine}: {self.records:,} records, built {self.seconds:.1f} s after the start;"
            f" writes a second: {', '.join(rates)}; lost to the building: {self.lost:.0%}"
        )


def measured(bench: pathlib.Path, seandb: pathlib.Path, engine: str, records: int) -> Building:
    """Takes a minute or so for a million records, and 1 GB in a temporary folder."""
    found = Building(engine, records)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        scratch = pathlib.Path(name)
        schema, data = scratch / "schema.proto", scratch / "data"

        def rate(server: Server, *flags: str) -> float:
            out = scratch / "rate.json"
            command = [bench, "server", "--targets", "external", "--address", server.address, *LOAD]
            command += ["--records", records, "--write-seconds", SECONDS, "--json", out, *flags]
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
            return json.loads(out.read_text())["measurements"][0]["operationsPerSecond"]

        schema.write_text(PLAIN)
        with Server(seandb, schema, data, engine) as server:
            rate(server)
        with Server(seandb, schema, data, engine) as server:
            found.plain = [rate(server, "--filled") for _ in range(WINDOWS)]
        schema.write_text(INDEXED)
        with Server(seandb, schema, data, engine) as server:
            seconds = None
            while seconds is None:
                if len(found.building) == LONGEST_WINDOWS:
                    raise SystemExit("the index is not built")
                found.building.append(rate(server, "--filled"))
                seconds = server.built_after()
            found.seconds = seconds
        with Server(seandb, schema, data, engine) as server:
            found.built = [rate(server, "--filled") for _ in range(WINDOWS)]
    return found
