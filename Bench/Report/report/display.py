"""How names are shown: order of workloads, names and colours of targets, words for parts of a load.

Nothing is left out for not being known here: unknown workloads come last, in the order they were measured,
and unknown targets go by their own name in the next colour of a palette.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from report import quantities

# Rows of charts are in groups: what writes, what reads, what does both, and the calls of a server.
WORKLOADS = (
    "fillseq fillbatch fillrandom overwrite fillsync compact deleterange deleterange.scan",
    "readrandom readhot readmissing seekrandom prefixscan readseq readreverse",
    "readwhilewriting readwhilewriting.writes ycsb-a ycsb-b ycsb-c ycsb-d ycsb-e ycsb-f",
    "get unique-get put put-changed insert batch-put range-get index-get page in count stream delete mixed",
)

# Nothing is written in these, so that their rate over time has no stalls to show.
READ_ONLY = set(
    "deleterange.scan readrandom readhot readmissing seekrandom prefixscan readseq readreverse ycsb-c "
    "get unique-get range-get index-get page in count stream".split()
)

# What the headlines speak of, where it was measured.
HEADLINES = ("get", "put", "mixed", "readrandom", "fillrandom", "readwhilewriting")

# The parts of a load that say how hard, not what.
INTENSITY = ("connections", "inFlight", "ratePerSecond")


@dataclass(frozen=True)
class Look:
    """A target as it is shown."""

    name: str
    """In sentences and tables."""
    label: str
    """Beside lines and bars."""
    light: str
    """Its colour on white, by which it is also named in the page."""
    dark: str
    is_ours: bool = True
    note: str = ""
    """What a reader must know of it to judge a comparison with it."""


# The engines of seandb in strong colours, wherever they run; all others muted.
LOOKS = {
    "rocksdb-tuned": Look("RocksDB, tuned alike", "RocksDB", "#d9660a", "#ff9a4d"),
    "rocksdb": Look("RocksDB", "RocksDB", "#d9660a", "#ff9a4d"),
    "lsm": Look("LSM", "LSM", "#1f63c6", "#6ea8ff"),
    "rocksdb-defaults": Look("RocksDB, its defaults", "defaults", "#94765c", "#b59d8a", is_ours=False),
    "seandb-rocksdb": Look("seandb on RocksDB", "seandb RocksDB", "#d9660a", "#ff9a4d"),
    "seandb-lsm": Look("seandb on LSM", "seandb LSM", "#1f63c6", "#6ea8ff"),
    "grpc-cpp-rocksdb": Look("gRPC C++ on RocksDB", "gRPC C++", "#66793f", "#9fb27a", is_ours=False),
    "etcd": Look("etcd", "etcd", "#7f659b", "#ad98c6", is_ours=False),
    "redis": Look("Redis", "Redis", "#a35f5f", "#cc9696", is_ours=False),
    "nghttpd": Look(
        "nghttpd", "nghttpd", "#747474", "#9c9c9c", is_ours=False, note="the limit of HTTP/2"
    ),
}

# Light and dark colour of what is no data.
PAPER = ("#fffffe", "#16181b")
INK = ("#1e2124", "#e4e5e7")
MUTED = ("#6b7075", "#9aa0a6")
RULE = ("#d9dbde", "#3a3e43")
ALERT = ("#b3261e", "#ff8a80")

PALETTE = (
    ("#3f827c", "#6fb8b2"),
    ("#8a7026", "#c2a659"),
    ("#a05a89", "#cc90b8"),
    ("#4f7899", "#82a9c9"),
    ("#93705a", "#b3917b"),
    ("#598a54", "#90bb8b"),
)


def looks(targets: Sequence[str]) -> dict[str, Look]:
    """The look of each target, also of those that were never heard of."""
    unknown = [target for target in targets if target not in LOOKS]
    found = {target: LOOKS[target] for target in targets if target in LOOKS}
    for index, target in enumerate(unknown):
        light, dark = PALETTE[index % len(PALETTE)]
        found[target] = Look(target, target, light, dark, is_ours=target.startswith("seandb"))
    return found


def colours(looks: Iterable[Look]) -> dict[str, str]:
    """The dark colour of every light one in use."""
    return dict([PAPER, INK, MUTED, RULE, ALERT, *((look.light, look.dark) for look in looks)])


def workload_rank(workload: str) -> tuple[int, int]:
    """Its group and its place there; unknown ones are a group of their own."""
    for group, names in enumerate(WORKLOADS):
        if workload in names.split():
            return group, names.split().index(workload)
    return len(WORKLOADS), 0


def is_share(workload: str) -> bool:
    """Whether it is a part of YCSB's mixes: its latency is its own, its rate a share of the whole's."""
    return workload.startswith("ycsb-") and "." in workload


def load_part(name: str, value: str | float | bool | None) -> str:
    """A part of a load in words: `sync`, `records of 1 KiB`, `zipfian keys`, `4 threads`."""
    if name == "durability":
        return str(value)
    if name == "keys":
        return f"{value} keys"
    if name == "tls":
        return "TLS" if value else "no TLS"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name.endswith("Bytes"):
            return f"{name.removesuffix('Bytes')}s of {quantities.size(value)}"
        if name.endswith("s"):
            return f"{value:,.0f} {name if value != 1 else name[:-1]}"
        return f"{name} {value:g}"
    return f"{name} {value}"
