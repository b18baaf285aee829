"""Runs the measured program under its tool, to the end of both, whatever signal comes."""

from __future__ import annotations

import signal
import subprocess


def run(command: list) -> int:
    """The program's exit code; 128 and the signal's number after a signal.

    A signal is handed on and then waited for: the tool ends the program, which cleans up after itself, and what was
    measured so far is written.
    """
    received = []
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        # A terminal that closes would end perf, but not the program.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )

    def hand_on(number, _frame):
        received.append(number)
        process.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 + received[0] if received else code
