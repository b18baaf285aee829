"""The cases of the client in C++ against the interop server, in plaintext and over TLS. `make check` runs it."""

from __future__ import annotations

import pytest

from harness import interop, process
from harness.certificates import Authority
from harness.process import ServerProcess

PROGRAM = process.REPOSITORY / ".build" / "interop" / "client"
CASES = [
    *["empty_unary", "large_unary", "server_compressed_unary", "server_compressed_streaming"],
    *["ping_pong", "special_status_message"],
]


@pytest.fixture(scope="module", params=["plaintext", "tls"])
def server(request, tmp_path_factory):
    """Its address, and the authority's certificate if it has one."""
    directory = tmp_path_factory.mktemp("interop")
    flags, more = [], []
    if request.param == "tls":
        authority = Authority(directory / "authority")
        flags, more = authority.sign("server").flags, [authority.root.path]
    started = ServerProcess([interop.binary(), "--port", 0, *flags], directory / "server.log")
    try:
        yield started.address, more
    finally:
        started.stop()


@pytest.mark.parametrize("case", CASES)
def test_cases(server, case):
    address, more = server
    completed = process.run(PROGRAM, address, case, *more)
    assert (completed.returncode, completed.stderr) == (0, "")
