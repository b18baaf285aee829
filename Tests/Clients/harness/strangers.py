"""Sends wrong tokens, a thousand a second, from a process of its own: `python -m harness.strangers PORT SECONDS`.

Writes `begun` when it begins, and at the end how many calls were refused as they should be, in how many seconds.
"""

from __future__ import annotations

import secrets
import select
import sys
import time
import types

from harness.frames import FrameClient

PATH = "/database.Database/GetDogsByPk"
CALLS_A_SECOND, STEP = 1000, 0.01


def main(port: int, seconds: float):
    client = FrameClient(types.SimpleNamespace(host="127.0.0.1", port=port), 1 << 20, 1 << 30)
    steps = int(seconds / STEP)
    # Made before, so that sending them costs this machine little.
    calls = [
        b"".join(
            client.call(PATH, b"\x0a\x01a", {"authorization": f"Bearer sdb_{secrets.token_urlsafe(32)}"})[1]
            for _ in range(int(CALLS_A_SECOND * STEP))
        )
        for _ in range(steps)
    ]
    print("begun", flush=True)
    start = time.monotonic()
    for number, data in enumerate(calls):
        client.send(data)
        while (left := start + (number + 1) * STEP - time.monotonic()) > 0:
            if select.select([client.socket], [], [], left)[0]:
                client.receive()
    client.receive_until(lambda: all(stream.is_over for stream in client.streams.values()))
    refused = sum(stream.fields.get("grpc-status") == "16" for stream in client.streams.values())
    print(refused, time.monotonic() - start, flush=True)


main(int(sys.argv[1]), float(sys.argv[2]))
