"""What a call's header may have, row by row, over raw HTTP/2: HTTP status, grpc-status, and the code of a reset.

Against the interop server, one of whose methods reads metadata.
"""

from __future__ import annotations

import base64
import dataclasses

import pytest

from harness import http2, interop
from harness.process import ServerProcess

METHOD = f"/{interop.SERVICE}/UnaryCall"
TEXT, BYTES = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
PROTOCOL_ERROR = 1
HEADER = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", METHOD),
    (":authority", "localhost"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]


@dataclasses.dataclass
class Row:
    """Fields in place of, or beside, those of a good call, and what comes of it."""

    more: list = dataclasses.field(default_factory=list)
    drop: tuple = ()
    http: int | None = 200
    grpc: int | None = 0
    reset: int | None = None

    @property
    def header(self) -> list:
        names = {*self.drop, *(name for name, _ in self.more if name.startswith(":"))}
        kept = [field for field in HEADER if field[0] not in names]
        fields = [field for field in kept if field[0].startswith(":")]
        fields += [field for field in self.more if field[0].startswith(":")]
        fields += [field for field in kept if not field[0].startswith(":")]
        return fields + [field for field in self.more if not field[0].startswith(":")]


def refused(*more, drop=()) -> Row:
    """A request that HTTP/2 itself does not allow."""
    return Row(list(more), drop, None, None, PROTOCOL_ERROR)


ROWS = {
    "a good call": Row(),
    "GET": Row([(":method", "GET")], http=405, grpc=13),
    "GET, not gRPC": Row([(":method", "GET"), ("content-type", "text/html")], ("content-type",), 415, None),
    "path of one part": Row([(":path", "/nonsense")], grpc=12),
    "path without a slash": refused((":path", "grpc.testing.TestService")),
    "unknown service": Row([(":path", "/nobody.Service/UnaryCall")], grpc=12),
    "unknown method": Row([(":path", f"/{interop.SERVICE}/Nothing")], grpc=12),
    "path in other letters": Row([(":path", METHOD.lower())], grpc=12),
    "no content-type": Row(drop=("content-type",), http=415, grpc=None),
    "grpc-web": Row([("content-type", "application/grpc-web")], ("content-type",), 415, None),
    "json": Row([("content-type", "application/grpc+json")], ("content-type",), 415, None),
    "proto": Row([("content-type", "application/grpc+proto")], ("content-type",)),
    "content-type with a parameter": Row(
        [("content-type", "application/grpc;charset=utf-8")], ("content-type",)
    ),
    "no te": Row(drop=("te",)),
    "another te": refused(("te", "gzip"), drop=("te",)),
    "timeout of an hour": Row([("grpc-timeout", "1H")]),
    "longest timeout": Row([("grpc-timeout", "99999999H")]),
    "timeout of nine digits": Row([("grpc-timeout", "123456789m")], http=400, grpc=13),
    "timeout without a unit": Row([("grpc-timeout", "10")], http=400, grpc=13),
    "empty timeout": Row([("grpc-timeout", "")], http=400, grpc=13),
    "timeout of zero": Row([("grpc-timeout", "0n")], grpc=4),
    "accept-encoding twice": Row([("grpc-accept-encoding", "a,b"), ("grpc-accept-encoding", "gzip")]),
    "connection": refused(("connection", "close")),
    "transfer-encoding": refused(("transfer-encoding", "chunked")),
    "host in place of authority": Row([("host", "localhost")], (":authority",)),
    "host beside authority": Row([("host", "elsewhere")]),
    "two authorities": refused((":authority", "a"), (":authority", "b")),
    "two hosts": refused(("host", "a"), ("host", "b")),
    "neither": refused(drop=(":authority",)),
    "name in capitals": refused(("X-Name", "a")),
    "unknown pseudo-header": refused((":name", "a")),
    "name with a space": refused(("x name", "a")),
    "text beyond ASCII": Row([(TEXT, "für"), ("x-name", "für")]),
    "bytes, not base64": Row([(BYTES, "!")], http=400, grpc=13),
    "bytes of one digit": Row([(BYTES, "q")], http=400, grpc=13),
    "bytes with too much padding": Row([(BYTES, "q6ur=")], http=400, grpc=13),
    "bytes that nobody reads": Row([("x-other-bin", "!")]),
    "a reserved name": Row([("grpc-nobody-knows", "a")]),
    "16 KiB of metadata": Row([("x-name", "a" * (16 << 10))], grpc=8),
    "16 KiB in many fields": Row([(f"x-name-{index}", "a" * 100) for index in range(200)], grpc=8),
    "15 KiB of metadata": Row([("x-name", "a" * (15 << 10))]),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    log = tmp_path_factory.mktemp("headers") / "server.log"
    started = ServerProcess([interop.binary(), "--port", 0], log)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def connection(server):
    with http2.Connection(server.host, server.port) as connection:
        yield connection


def answer(connection, header: list, trailer: list | None = None) -> http2.Answer:
    stream = connection.h2.get_next_available_stream_id()
    connection.h2.send_headers(stream, header)
    connection.h2.send_data(stream, http2.frame(b""), end_stream=trailer is None)
    if trailer is not None:
        connection.h2.send_headers(stream, trailer, end_stream=True)
    connection._flush()
    return connection._answer(stream)


def outcome(answer: http2.Answer) -> tuple:
    """Of what goes well no reset is expected: NO_ERROR only asks a client to stop sending."""
    fields = {**answer.headers, **answer.trailers}
    status = fields.get("grpc-status")
    http = fields.get(":status")
    return http and int(http), status and int(status), answer.reset or None


@pytest.mark.parametrize("name", ROWS)
def test_rows(name, connection):
    row = ROWS[name]
    assert outcome(answer(connection, row.header)) == (row.http, row.grpc, row.reset)
    # The connection goes on.
    assert outcome(answer(connection, HEADER)) == (200, 0, None)


def test_too_much_metadata_is_answered_by_trailers_alone(connection):
    found = answer(connection, ROWS["16 KiB of metadata"].header)
    assert found.body == b"" and found.trailers == {}
    assert found.headers["grpc-status"] == "8"


def test_trailers_of_a_request_are_its_end(connection):
    assert outcome(answer(connection, HEADER, [("x-name", "a"), (BYTES, "!")])) == (200, 0, None)


@pytest.mark.parametrize(
    "sent",
    [["q6ur"], ["q6s"], ["q6s="], ["qw=="], [""], ["q6ur,q6s"], ["q6ur", "q6s="], ["q6s, qw=="]],
    ids=lambda sent: "|".join(sent),
)
def test_bytes_come_back(connection, sent):
    """With padding and without it, joined by commas or not; what goes back has no padding."""
    found = answer(connection, HEADER + [(BYTES, value) for value in sent])
    parts = [part.strip() for value in sent for part in value.split(",")]
    expected = [base64.b64decode(part + "=" * (-len(part) % 4)) for part in parts]
    # The last one of those that come, as the answer's fields are kept by name.
    assert "=" not in found.trailers[BYTES]
    assert base64.b64decode(found.trailers[BYTES] + "=" * (-len(found.trailers[BYTES]) % 4)) == expected[-1]
    assert outcome(found) == (200, 0, None)
