"""Reads a log of the thread sanitizer: prints the reports whose race is in sources of this project; 1 when there are any.

The Swift runtime and libdispatch are not built for the sanitizer: how they hand a task over from thread to thread is not
seen, and now and then is reported. Such a report has no line of ours where memory is touched.
"""

import re
import sys

# Frames below the access: a copy of memory, or a small function of the standard library, may be on top.
LOOKED_AT = 4
OURS = re.compile(r"/tree/(Sources|Tests)/|Tests/ThreadSanitizer/Race")


def stacks(report: str) -> list[list[str]]:
    """The frames of both accesses."""
    found = []
    for part in report.split("\n\n"):
        lines = part.splitlines()
        for number, line in enumerate(lines):
            if re.search(r"(Write|Read|write|read|access) of size|modifying access|access .*by", line):
                found.append([each for each in lines[number + 1 :] if re.match(r"\s+#\d+ ", each)])
                break
    return found


def main() -> int:
    text = open(sys.argv[1], errors="replace").read()
    reports = text.split("WARNING: ThreadSanitizer")[1:]
    ours = [
        report.split("SUMMARY: ")[0]
        for report in reports
        if any(OURS.search(frame) for stack in stacks(report) for frame in stack[:LOOKED_AT])
    ]
    for report in ours:
        print("WARNING: ThreadSanitizer" + report)
    print(f"{len(reports)} reports of the thread sanitizer, {len(ours)} of them in sources of ours")
    return 1 if ours else 0


sys.exit(main())
