"""A server of the seed's schema whose instructions or allocations are counted."""

import os
import pathlib
import shutil
import signal
import struct
import subprocess

from programs import Programs, run, total_of

SCHEMA = """\
syntax = "proto3";
package database;

message Dog {
  string pk = 1;
  string name = 2;
  uint32 age = 3;
  string breed = 4;
}
"""
# Under callgrind a server ends some twenty times more slowly.
STOP_SECONDS = 120


class CountedServer:
    """Runs while the `with` block does; `count` is known afterwards.

    `tool` counts "allocations" (calls of the allocator) or "instructions" (in user mode, by callgrind).
    """

    def __init__(self, programs: Programs, scratch: pathlib.Path, engine: str, tool: str) -> None:
        self.programs, self.scratch, self.tool = programs, scratch, tool
        self.data = scratch / "data"
        self.counts = scratch / "counts"
        self.count = 0
        shutil.rmtree(self.data, ignore_errors=True)
        self.counts.unlink(missing_ok=True)
        command = [self.program(), "--data", self.data, "--engine", engine, "--listen", "127.0.0.1:0"]
        # One loop: which of several gets a connection is chance.
        command += ["--durability", "buffered", "--event-loops", "1", "--log-level", "warning"]
        environment = dict(os.environ)
        if tool == "instructions":
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.counts}", *command]
        else:
            environment |= {"LD_PRELOAD": str(self.counter()), "ALLOCATION_COUNTER": str(self.counts)}
        self.log = open(scratch / "server.log", "w")
        self.process = subprocess.Popen(
            [str(word) for word in command], env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True
        )

    def program(self) -> pathlib.Path:
        """The server's program, created once."""
        server = self.scratch / "out" / "server"
        if not server.exists():
            schema = self.scratch / "schema.proto"
            schema.write_text(SCHEMA)
            run([self.programs.seandb, "create", schema, "--out", server.parent])
        return server

    def counter(self) -> pathlib.Path:
        """The library that counts allocations, built once."""
        library = self.scratch / "allocation_counter.so"
        if not library.exists():
            source = pathlib.Path(__file__).parent / "allocation_counter.c"
            run(["clang", "-O2", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source])
        return library

    def __enter__(self) -> "CountedServer":
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.stop()
            raise SystemExit(f"the server does not listen: {(self.scratch / 'server.log').read_text()[-2000:]}")
        self.address = line.removeprefix("listening on ").strip()
        return self

    def load(self, workload: str, calls: int, *flags: str) -> None:
        """Makes `calls` calls, one after the other, after the filling of 2000 records."""
        command = [self.programs.bench, "server", "--targets", "external", "--address", self.address]
        command += ["--workloads", workload, "--loads", "1x1", "--rates", "0", "--calls", str(calls)]
        command += ["--records", "2000", "--rounds", "1", "--durability", "buffered"]
        run([*command, *flags])

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self.tool == "instructions":
            self.count = total_of(self.counts)
        else:
            self.count = struct.unpack("Q", self.counts.read_bytes())[0]
        if self.count == 0:
            raise SystemExit(f"{self.tool}: nothing was counted")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
