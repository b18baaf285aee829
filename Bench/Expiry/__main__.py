"""What Gets notice of records that end beside them, and how long these stay in the store.

    .build/venv/bin/python -B Bench/Expiry
    .build/venv/bin/python -B Bench/Expiry --engines lsm --records 100000 --seconds 10

A server has as many records that never end as others that end within --seconds, from --wait seconds after its start on.
Gets of the former come at a fixed rate before, while and after the others end.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import grpc

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / ".build"
SCHEMA = """\
syntax = "proto3";
package database;
import "seandb/options.proto";
message Dog {
  option (seandb.model) = {expires: "until", index: {fields: "owner", sparse: true}};
  string pk = 1;
  string name = 2;
  uint32 age = 3;
  string breed = 4;
  string chip = 5;
  int64 until = 6;
  string owner = 7;
}
"""
RATE = 20_000
BATCH = 1_000


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def delimited(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def record(number: int, until: int) -> bytes:
    return (
        delimited(1, b"ends%09d" % number)
        + delimited(2, b"x" * 60)
        + varint(6 << 3)
        + varint(until)
        + delimited(7, b"owner%d" % (number % 1000))
    )


def count(channel: grpc.Channel, method: str, request: bytes) -> int:
    answer = channel.unary_unary(f"/database.Database/{method}")(request, timeout=600)
    if not answer:
        return 0
    assert answer[0] == 3 << 3, answer[:10]
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(answer[1:]))


def measure(options: argparse.Namespace, engine: str) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        scratch = pathlib.Path(name)
        (scratch / "schema.proto").write_text(SCHEMA)
        data = scratch / "data"
        command = [options.seandb, "serve", scratch / "schema.proto", "--data", data, "--engine", engine]
        command += ["--listen", "127.0.0.1:0", "--durability", "buffered"]
        server = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        try:
            address = server.stdout.readline().removeprefix("listening on ").strip()

            def p99(*flags: str) -> float:
                out = scratch / "gets.json"
                command = [options.bench, "server", "--targets", "external", "--address", address]
                command += ["--workloads", "get", "--loads", "2x16", "--rates", RATE, "--durability", "buffered"]
                command += ["--rounds", 1, "--records", options.records, "--seconds", 1, "--json", out, *flags]
                subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
                found = json.loads(out.read_text())["measurements"]
                [paced] = [each for each in found if each["load"].get("ratePerSecond") == RATE]
                return paced["p99Seconds"] * 1000

            p99()
            channel = grpc.insecure_channel(address)
            put = channel.unary_unary("/database.Database/BatchPutDogs")
            begin = int(time.time()) + options.wait
            for first in range(0, options.records, BATCH):
                numbers = range(first, min(options.records, first + BATCH))
                shares = (number * 7919 % options.records / options.records for number in numbers)
                ends = [begin + int(share * options.seconds) for share in shares]
                put(b"".join(delimited(1, record(*each)) for each in zip(numbers, ends, strict=True)))
            filled = time.time()
            if filled > begin - 5:
                raise SystemExit("the records end before all are stored: take a larger --wait")
            before, beside, after = [], [], []
            while time.time() < begin - 2:
                before.append(p99("--filled"))
            time.sleep(max(0.0, begin - time.time()))
            while time.time() < begin + options.seconds:
                beside.append(p99("--filled"))
            if (left := count(channel, "GetDogsByOwner", b"\xa0\x01\x01")) != 0:
                raise SystemExit(f"{left} records are seen after their end")
            # Their entries and bytes, beside the server.
            while True:
                looked = time.time()
                verified = subprocess.run([options.seandb, "verify", data], capture_output=True, text=True)
                assert verified.returncode == 0, verified
                if "with 0 entries" in verified.stdout:
                    break
                if time.time() > begin + options.seconds + 120:
                    raise SystemExit(f"entries are left: {verified.stdout}")
            gone = max(0.0, looked - begin - options.seconds)
            after = [p99("--filled") for _ in range(5)]
        finally:
            server.terminate()
            server.wait(60)
    quiet = statistics.median(before + after)
    print(
        f"{engine}: {options.records:,} records ended within {options.seconds} s and were deleted at most {gone:.1f} s "
        f"later; p99 of {RATE:,} Gets a second: {statistics.median(before):.2f} ms before, "
        f"{statistics.median(beside):.2f} ms beside them, {statistics.median(after):.2f} ms after: "
        f"{statistics.median(beside) / quiet:.1f} times",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="Bench/Expiry", description=__doc__.split("\n")[0])
    parser.add_argument("--bench", type=pathlib.Path, default=BUILD / "release/seandb-bench")
    parser.add_argument("--seandb", type=pathlib.Path, default=BUILD / "seandb")
    parser.add_argument("--engines", default="lsm,rocksdb")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--wait", type=int, default=90)
    options = parser.parse_args()
    for engine in options.engines.split(","):
        measure(options, engine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
