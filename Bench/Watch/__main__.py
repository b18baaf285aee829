"""What Puts notice of calls that watch their model, and what these cost in memory.

    .build/venv/bin/python -B Bench/Watch
    .build/venv/bin/python -B Bench/Watch --engines lsm --watchers 0,100 --seconds 5

Puts at a fixed rate, whose latency is taken, then as many as the server takes. The calls that watch are made over raw
sockets, 100 on a connection, whose bytes are read and dropped.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import h2.config
import h2.connection
import h2.settings

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / ".build"
SCHEMA = """\
syntax = "proto3";
package database;
import "seandb/options.proto";
message Dog {
  option (seandb.model) = {%s};
  string pk = 1;
  string name = 2;
  uint32 age = 3;
  string breed = 4;
  string chip = 5;
}
"""
STREAMS = 100
RATE = 5_000


class Watchers:
    """Calls that watch, and one thread that reads what comes."""

    def __init__(self, address: str, count: int) -> None:
        self.bytes = 0
        self.is_ended = False
        self.sockets: list[socket.socket] = []
        self.selector = selectors.DefaultSelector()
        host, port = address.rsplit(":", 1)
        for first in range(0, count, STREAMS):
            self.open(host, int(port), min(STREAMS, count - first))
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def open(self, host: str, port: int, streams: int) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        # Windows that never need to be opened again.
        connection.initiate_connection()
        connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
        connection.increment_flow_control_window(2**31 - 1 - 65535)
        opened = socket.create_connection((host, port))
        opened.sendall(connection.data_to_send())
        for _ in range(streams):
            stream = connection.get_next_available_stream_id()
            connection.send_headers(
                stream,
                [
                    (":method", "POST"),
                    (":scheme", "http"),
                    (":path", "/database.Database/WatchDogs"),
                    (":authority", "bench"),
                    ("content-type", "application/grpc"),
                    ("te", "trailers"),
                ],
            )
            connection.send_data(stream, b"\0\0\0\0\0", end_stream=True)
        opened.sendall(connection.data_to_send())
        connection.receive_data(opened.recv(65536))
        opened.sendall(connection.data_to_send())
        self.sockets.append(opened)
        self.selector.register(opened, selectors.EVENT_READ)

    def read(self) -> None:
        buffer = bytearray(1 << 20)
        while not self.is_ended:
            for key, _ in self.selector.select(0.2):
                count = key.fileobj.recv_into(buffer)
                if count == 0 and not self.is_ended:
                    raise SystemExit("a connection that watches has ended")
                self.bytes += count

    def close(self) -> None:
        self.is_ended = True
        self.thread.join()
        for opened in self.sockets:
            opened.close()


def resident(process: subprocess.Popen) -> int:
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) >> 10


def measure(options: argparse.Namespace, engine: str) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        scratch = pathlib.Path(name)
        for option, counts in (('plural: "Dogs"', [0]), ("watch: {}", [int(n) for n in options.watchers.split(",")])):
            (scratch / "schema.proto").write_text(SCHEMA % option)
            data = scratch / option.split(":")[0]
            command = [options.seandb, "serve", scratch / "schema.proto", "--data", data, "--engine", engine]
            command += ["--listen", "127.0.0.1:0", "--durability", "buffered"]
            server = subprocess.Popen(
                [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            try:
                address = server.stdout.readline().removeprefix("listening on ").strip()

                def puts(*flags: str) -> tuple[float, float]:
                    """p50 in milliseconds at the fixed rate, and the most Puts a second."""
                    out = scratch / "puts.json"
                    command = [options.bench, "server", "--targets", "external", "--address", address]
                    command += ["--workloads", "put", "--loads", "2x16", "--rates", RATE, "--durability", "buffered"]
                    command += ["--rounds", 1, "--records", 100_000, "--seconds", options.seconds]
                    command += ["--write-seconds", options.seconds, "--json", out, *flags]
                    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
                    found = json.loads(out.read_text())["measurements"]
                    [paced] = [each for each in found if each["load"].get("ratePerSecond") == RATE]
                    [closed] = [each for each in found if each["load"].get("ratePerSecond") != RATE]
                    return paced["p50Seconds"] * 1000, closed["operationsPerSecond"]

                puts()
                for count in counts:
                    watchers = Watchers(address, count)
                    time.sleep(1)
                    found = [puts("--filled") for _ in range(options.rounds)]
                    text = f"{count:,} that watch" if option.startswith("watch") else "a model that is not watched"
                    print(
                        f"{engine}, {text}: p50 of {RATE:,} Puts a second "
                        f"{statistics.median(p50 for p50, _ in found):.3f} ms; "
                        f"{statistics.median(rate for _, rate in found):,.0f} Puts a second at most; "
                        f"{watchers.bytes >> 20:,} MiB read; server {resident(server):,} MiB",
                        flush=True,
                    )
                    watchers.close()
            finally:
                server.terminate()
                server.wait(60)


def main() -> int:
    parser = argparse.ArgumentParser(prog="Bench/Watch", description=__doc__.split("\n")[0])
    parser.add_argument("--bench", type=pathlib.Path, default=BUILD / "release/seandb-bench")
    parser.add_argument("--seandb", type=pathlib.Path, default=BUILD / "seandb")
    parser.add_argument("--engines", default="lsm,rocksdb")
    parser.add_argument("--watchers", default="0,1,100,10000,0")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for engine in options.engines.split(","):
        measure(options, engine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
