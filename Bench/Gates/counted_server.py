"""A server of the seed's schema whose instructions or allocations are counted, those of all its threads."""

import os
import pathlib
import shutil
import signal
import struct
import subprocess
import time

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
# The same records with an index on a field that changes.
INDEXED_SCHEMA = """\
syntax = "proto3";
package database;
import "seandb/options.proto";

message Dog {
  option (seandb.model) = {index: {fields: "breed"}};
  string pk = 1;
  string name = 2;
  uint32 age = 3;
  string breed = 4;
  string chip = 5;
}
"""
# Under callgrind a server ends some twenty times more slowly.
STOP_SECONDS = 120
# A server that finds its records there has finished compacting when it has used no time for so long.
QUIET_SECONDS = 1.0
QUIET_WITHIN_SECONDS = 60


class CountedServer:
    """Runs while the `with` block does; `count` is known afterwards.

    `tool` counts "allocations" (calls of the allocator), "instructions" (in user mode, by callgrind) or "nothing".
    It begins with a copy of the data in `filled`, or with none.
    """

    def __init__(
        self,
        programs: Programs,
        scratch: pathlib.Path,
        engine: str,
        tool: str,
        *flags: str,
        filled: pathlib.Path | None = None,
        schema: str = SCHEMA,
    ) -> None:
        self.programs, self.scratch, self.tool, self.is_filled = programs, scratch, tool, filled is not None
        self.schema = schema
        self.data = scratch / "data"
        self.counts = scratch / "counts"
        self.count = 0
        shutil.rmtree(self.data, ignore_errors=True)
        if filled:
            shutil.copytree(filled, self.data)
        self.counts.unlink(missing_ok=True)
        command = [self.program(), "--data", self.data, "--engine", engine, "--listen", "127.0.0.1:0"]
        # One loop: which of several gets a connection is chance.
        command += ["--durability", "buffered", "--event-loops", "1", "--log-level", "warning", *flags]
        environment = dict(os.environ)
        if tool == "instructions":
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.counts}", *command]
        elif tool == "allocations":
            environment |= {"LD_PRELOAD": str(self.counter()), "ALLOCATION_COUNTER": str(self.counts)}
        self.log = open(scratch / "server.log", "w")
        self.process = subprocess.Popen(
            [str(word) for word in command], env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True
        )

    def program(self) -> pathlib.Path:
        """The server's program, created once."""
        server = self.scratch / ("out" if self.schema == SCHEMA else "indexed") / "server"
        if not server.exists():
            schema = self.scratch / "schema.proto"
            schema.write_text(self.schema)
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

    def load(self, workload: str, calls: int, *flags: str, records: int = 2000) -> None:
        """Makes `calls` calls, one after the other, after the filling of `records` unless they are there."""
        command = [self.programs.bench, "server", "--targets", "external", "--address", self.address]
        command += ["--workloads", workload, "--loads", "1x1", "--rates", "0", "--calls", str(calls)]
        command += ["--records", str(records), "--rounds", "1", "--durability", "buffered"]
        command += ["--filled"] if self.is_filled else []
        run([*command, *flags])

    def wait_until_quiet(self) -> None:
        """Until nothing runs in the background any more."""
        end, before = time.monotonic() + QUIET_WITHIN_SECONDS, None
        while (now := self.processor_time()) != before:
            if time.monotonic() > end:
                raise SystemExit(f"the server is busy {QUIET_WITHIN_SECONDS} s after its last call")
            before = now
            time.sleep(QUIET_SECONDS)

    def processor_time(self) -> tuple[str, str]:
        """In ticks of a hundredth of a second, in user mode and in the kernel."""
        # The name of the program, in brackets, may hold anything.
        words = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return words[11], words[12]

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self.tool == "instructions":
            self.count = total_of(self.counts)
        elif self.tool == "allocations":
            self.count = struct.unpack("Q", self.counts.read_bytes())[0]
        if self.count == 0 and self.tool != "nothing":
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
