"""Names of functions as a person reads them, and whose they are."""

from __future__ import annotations

import functools
import pathlib
import re
import subprocess

KERNEL = "kernel"
UNKNOWN = "unknown"

# Modules of Swift packages that are shown as one.
SWIFT_MODULES = {"seandb_bench": "seandb-bench", "NIO": "SwiftNIO"}
# What is in our own programs is told by the names of its functions alone: by how they begin, or, where they have
# any name, by what the static library defines.
PREFIXES = [
    (re.compile(r"rocksdb(::|_)"), "RocksDB"),
    (re.compile(r"_?swift(_|::)|__swift_"), "Swift runtime"),
    (re.compile(r"(std|__gnu_cxx|__cxxabiv1)::|operator (new|delete)"), "libstdc++"),
]
STATIC_LIBRARIES = {"libnghttp2.a": "nghttp2", "libzstd.a": "zstd", "liblz4.a": "LZ4", "libz.a": "zlib"}
# Of the libraries of other programs.
LIBRARIES = [
    (re.compile(r"\[kernel|\[guest|\.ko(\.|$)"), KERNEL),
    (re.compile(r"librocksdb"), "RocksDB"),
    (re.compile(r"libzstd"), "zstd"),
    (re.compile(r"liblz4"), "LZ4"),
    (re.compile(r"libnghttp2"), "nghttp2"),
    (re.compile(r"libgrpc|libgpr|libabsl|libaddress_sorting|libupb"), "gRPC"),
    (re.compile(r"libproto"), "protobuf"),
    (re.compile(r"lib(c|m|dl|rt|pthread|resolv)[-.]|ld-linux|\[vdso\]"), "libc"),
    (re.compile(r"libstdc\+\+|libgcc"), "libstdc++"),
    (re.compile(r"lib(ssl|crypto)"), "OpenSSL"),
    (re.compile(r"libjemalloc"), "jemalloc"),
]


def is_swift(symbol: str) -> bool:
    return symbol.startswith(("$s", "$S", "_$s"))


def demangle(symbols: set[str]) -> dict[str, str]:
    """The readable names of Swift symbols: one run of `swift demangle` for all."""
    mangled = sorted(symbol for symbol in symbols if is_swift(symbol))
    if not mangled:
        return {}
    result = subprocess.run(
        ["swift", "demangle", "--simplified"], input="\n".join(mangled), capture_output=True, text=True, check=True
    )
    return dict(zip(mangled, result.stdout.splitlines(), strict=True))


@functools.cache
def static_functions() -> dict[str, str]:
    """The module of each function in the static libraries."""
    modules = {}
    for library, name in STATIC_LIBRARIES.items():
        for path in pathlib.Path("/usr/lib").glob(f"*/{library}"):
            listed = subprocess.run(["nm", "--defined-only", path], capture_output=True, text=True).stdout
            modules |= dict.fromkeys(re.findall(r"^[0-9a-f]+ [tTiW] (.+)$", listed, re.MULTILINE), name)
    return modules


def module(symbol: str, library: str) -> str:
    if is_swift(symbol):
        return swift_module(symbol)
    for pattern, name in LIBRARIES:
        if pattern.search(library):
            return name
    for pattern, name in PREFIXES:
        if pattern.search(symbol):
            return name
    return static_functions().get(symbol) or pathlib.PurePath(library).name or UNKNOWN


def swift_module(symbol: str) -> str:
    """The module that a mangled name begins with; the standard library's has an abbreviation instead of a name."""
    match = re.match(r"_?\$[sS](\d+)", symbol)
    if not match:
        return "Swift"
    name = symbol[match.end() :][: int(match[1])]
    if name.startswith("NIO"):
        name = "NIO"
    return SWIFT_MODULES.get(name, name)


def shorten(name: str) -> str:
    """A C or C++ name without template arguments and version."""
    name = name.split("@@")[0]
    if "operator" in name or "<" not in name or is_swift(name):
        return name
    kept, depth = [], 0
    for character in name:
        depth += character == "<"
        if depth == 0:
            kept.append(character)
        depth -= character == ">"
    return "".join(kept) if depth == 0 else name
