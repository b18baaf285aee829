"""What a failed call says to the person who wrote the client, word by word: code, reason and sentence.

A row is a request and all of its status. Each reason that the sources can give has a row here, or is named below
with the test that has it. A sentence says what is wrong and what to do.
"""

from __future__ import annotations

import dataclasses
import re

import grpc
import pytest
from grpc import StatusCode
from grpc_reflection.v1alpha import reflection_pb2

from conftest import ServerFactory
from harness import http2, process, status
from harness.client import delimited, listed, query, tag, varint

SCHEMA = """\
syntax = "proto3";
package database;
import "old.proto";

message Dog {
  string pk = 1;
  string name = 2;
  uint32 age = 3;
  Dog puppy = 4;
  repeated int32 packed = 5;
  old.Tag tag = 6;
}
"""
OLD = 'syntax = "proto2";\npackage old;\nmessage Tag { required string text = 1; }\n'

PUT, BATCH, GET, DELETE = (
    f"/database.Database/{name}" for name in ("PutDog", "BatchPutDogs", "GetDogsByPk", "DeleteDogsByPk")
)
ONE, STREAM = "/database.Database/GetDog", "/database.Database/StreamDogsByPk"
WRITE, TRANSACT = "/database.Database/WriteDog", "/database.Database/Transact"
# Of dogs in a transaction.
DOG = 275040672
HEALTH = "/grpc.health.v1.Health/"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
PK = delimited(1, b"k")
LIBRARY = "; encode it with a protobuf library"
CLIENT = "; generate the client from this server's schema"


@dataclasses.dataclass
class Row:
    reason: str
    says: str
    code: StatusCode
    path: str = PUT
    # The message, which gets its prefix; or the bytes of the request.
    message: bytes | None = PK
    body: bytes | None = None
    headers: dict = dataclasses.field(default_factory=dict)
    http_status: int = 200
    # That of its ErrorInfo, where there is more than its sentence.
    metadata: dict | None = None


def record(says: str, message: bytes, reason: str = "BAD_RECORD", path: str = PUT) -> Row:
    return Row(reason, says, StatusCode.INVALID_ARGUMENT, path, message)


def bad_query(says: str, message: bytes, path: str = GET) -> Row:
    return Row("BAD_QUERY", says, StatusCode.INVALID_ARGUMENT, path, message)


def bad_write(says: str, message: bytes, path: str = WRITE) -> Row:
    return Row("BAD_WRITE", says, StatusCode.INVALID_ARGUMENT, path, message)


def one_write(write: bytes) -> bytes:
    """Of a transaction, with a `Dogs.Write`."""
    return delimited(1, delimited(DOG, write))


def bad_mask(path: str, says: str, mask: list | bytes | None = None) -> Row:
    message = query(eq="a", read_mask=[path] if mask is None else mask)
    return Row("BAD_MASK", says, StatusCode.INVALID_ARGUMENT, GET, message, metadata={"path": path[:256]})


def unimplemented(reason: str, says: str, path: str = PUT, **more) -> Row:
    return Row(reason, says, StatusCode.UNIMPLEMENTED, path, **more)


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = delimited(4, data)
    return PK + data


ROWS = [
    # Records
    record(
        "the record is cut off: a field or value at byte 4 does not end in it; send it whole",
        PK + tag(2, 2) + b"\x05abc",
    ),
    record(
        f"the record is no protobuf message: the number at byte 4 is too long{LIBRARY}",
        PK + tag(3, 0) + b"\xff" * 10 + b"\x01",
    ),
    record(
        f"the record is no protobuf message: there is no valid field number at byte 3{LIBRARY}",
        PK + b"\x00\x01",
    ),
    record(
        f"the record is no protobuf message: byte 3 has wire type 6, which does not exist{LIBRARY}",
        PK + b"\x16",
    ),
    record(
        f"the record is no protobuf message: a group ends at byte 3 that did not begin{LIBRARY}",
        PK + tag(2, 4),
    ),
    record(
        f"field `packed` (5) of database.Dog: the packed value at byte 5 is cut off or too long{LIBRARY}",
        PK + delimited(5, b"\x80"),
    ),
    record(
        "field `age` (3) of database.Dog: expected a varint, found a length-delimited value at byte 3" + CLIENT,
        PK + delimited(3, b"abc"),
    ),
    record(
        "field `name` (2) of database.Dog: the string is not UTF-8 at byte 5; use a bytes field for other data",
        PK + delimited(2, b"\xff"),
    ),
    record("the record nests messages deeper than 100 levels at byte 287; nest less", nested(150)),
    record(
        "field `text` (1) of old.Tag: the field is required and missing in the message at byte 5; set it",
        PK + delimited(6, b""),
    ),
    record(
        "field `pk` (1) of database.Dog: the key is missing; set it to 1 to 4096 bytes",
        delimited(2, b"Rex"),
        "BAD_KEY",
    ),
    record(
        "field `pk` (1) of database.Dog: the key is empty; set it to 1 to 4096 bytes",
        delimited(1, b""),
        "BAD_KEY",
    ),
    record(
        "field `pk` (1) of database.Dog: the key has more than 4096 bytes; take a shorter one",
        delimited(1, b"k" * 4097),
        "BAD_KEY",
    ),
    record(
        "record 1 of the batch: field `pk` (1) of database.Dog: the key is empty; set it to 1 to 4096 bytes; "
        "nothing was stored",
        listed([PK, delimited(1, b"")]),
        "BAD_KEY",
        BATCH,
    ),
    # Queries
    *[
        bad_query(
            'the query has no expression: set one of eq, gte, gt, lte, lt, range, in, begins_with (begins_with: "" is everything)',
            b"",
            path,
        )
        for path in (GET, DELETE)
    ],
    bad_query(
        "the query has two expressions, both eq: set one alone", query(eq="a") + query(eq="b"), DELETE
    ),
    bad_query(
        "the query has two expressions, gte and lte: set one alone", query(gte="a") + query(lte="b")
    ),
    bad_query(
        "the query uses field 22 of IndexQuery, which this server does not support: leave it out, or use a newer "
        "server",
        query(eq="a") + delimited(22, b"a"),
    ),
    bad_query(
        'the range of the query has no bound: set one of gte and gt, one of lte and lt, or both (begins_with: "" '
        "is everything)",
        query(range={}),
        DELETE,
    ),
    bad_query(
        "the range of the query has two bounds of one end, gte and gt: set one alone",
        query(range={"gte": "a", "gt": "b"}),
    ),
    bad_query(
        "the range of the query has two bounds of one end, both lt: set one alone",
        delimited(7, delimited(4, b"a") + delimited(4, b"b")),
    ),
    bad_query(
        "the query uses field 5 of IndexQuery.Range, which this server does not support: leave it out, or use a "
        "newer server",
        delimited(7, delimited(5, b"a")),
    ),
    bad_query(
        "gt of the query's range is not UTF-8 at byte 4; keys are UTF-8 text", query(range={"gt": b"\xff"})
    ),
    bad_query(f"range of the query is no message, at byte 0{CLIENT}", tag(7, 0) + b"\x01"),
    bad_query(
        'the key of eq is empty: no record has an empty key (begins_with: "" is everything)', query(eq="")
    ),
    bad_query(
        "the key of the query has 4097 bytes; keys have at most 4096: take a shorter one",
        query(eq="k" * 4097),
    ),
    bad_query("lte of the query is not UTF-8 at byte 2; keys are UTF-8 text", query(lte=b"\xff")),
    bad_query(f"eq of the query is no string, at byte 0{CLIENT}", tag(1, 0) + b"\x01"),
    bad_query(
        f"the query is no message of its type: it is malformed at byte 1{LIBRARY}", query(eq="abc")[:-1]
    ),
    bad_query(
        'in of the query names no key: name 1 to 1000 (begins_with: "" is everything)', query(keys=[])
    ),
    bad_query(
        "in of the query names 1001 keys; at most 1000 are allowed: ask in several calls",
        query(keys=["k"] * 1_001),
        DELETE,
    ),
    bad_query("key 1 of in is empty: no record has an empty key", query(keys=["k", ""])),
    bad_query("in of the query is not UTF-8 at byte 7; keys are UTF-8 text", query(keys=["k", b"\xff"])),
    bad_query(f"in of the query is no message, at byte 0{CLIENT}", tag(8, 0) + b"\x01"),
    bad_query(
        "the request uses field 2 of IndexQuery.Keys, which this server does not support: leave it out, or use a "
        "newer server",
        delimited(8, delimited(2, b"k")),
    ),
    bad_query("the query has two expressions, in and eq: set one alone", query(keys=["k"], eq="k")),
    bad_query(
        "order of the query is 2, which this server does not know: set ASCENDING (0) or DESCENDING (1), or use a "
        "newer server",
        query(eq="a", order=2),
    ),
    bad_query(
        "page_size is set in a Delete, which has no place for it: leave it out; a Delete takes an expression alone",
        query(eq="a", page_size=1),
        DELETE,
    ),
    bad_query(
        "count_only is set in a stream, which has no place for it: leave it out, or call Get",
        query(eq="a", count_only=True),
        STREAM,
    ),
    bad_query(
        "count_only and page_size are set together: the count is that of all records of the expression; leave one of "
        "them out",
        query(eq="a", count_only=True, page_size=1),
    ),
    *[
        bad_query(f"{name} of the query is no {kind}, at byte 3{CLIENT}", query(eq="a") + request, path)
        for path in (GET, STREAM)
        for name, kind, request in (
            ("page_size", "number", delimited(16, b"1")),
            ("page_token", "string", tag(17, 0) + b"\1"),
            ("order", "enum", delimited(18, b"1")),
            ("read_mask", "message", tag(19, 0) + b"\1"),
            ("count_only", "bool", delimited(20, b"1")),
            ("with_etags", "bool", delimited(21, b"1")),
        )
    ],
    *[
        Row(
            "BAD_PAGE_TOKEN",
            "page_token is cut off, changed, or of another database: pass next_page_token as it came",
            StatusCode.INVALID_ARGUMENT,
            path,
            query(eq="a", page_token=text),
        )
        for path in (GET, STREAM)
        for text in ("a", b"\xff")
    ],
    bad_mask(
        "nmae",
        'the path "nmae" of the mask: database.Dog has no field "nmae"; write fields as in the schema, with dots '
        "between them",
    ),
    bad_mask("name.a", 'the path "name.a" of the mask goes on after name, which is no message: end it there'),
    bad_mask(
        "packed.a",
        'the path "packed.a" of the mask goes on after packed, which is repeated or a map: end it there; it is taken '
        "as a whole",
    ),
    bad_mask(
        "tag..text",
        'the path "tag..text" of the mask has an empty part: write fields with one dot between them',
    ),
    bad_mask(
        "",
        "the mask is too long: at most 16384 bytes and 100 levels are allowed; name fewer fields",
        ["name"] * 3_000,
    ),
    bad_mask("", f"the mask is no FieldMask message{LIBRARY}", b"\x0a\x05a"),
    bad_mask(
        "é" * 300,
        f"the path \"{'é' * 200}…\" of the mask: database.Dog has no field \"{'é' * 200}…\"; write fields as in the "
        "schema, with dots between them",
        ["é" * 300],
    ),
    # One record
    Row(
        "RECORD_NOT_FOUND",
        'no database.Dog has the pk "nobody"',
        StatusCode.NOT_FOUND,
        ONE,
        delimited(1, b"nobody"),
        metadata={"model": "database.Dog", "key": "nobody"},
    ),
    record("the key is missing; set it to 1 to 4096 bytes", b"", "BAD_KEY", ONE),
    record(
        "the key has 4097 bytes; keys have at most 4096: take a shorter one",
        delimited(1, b"k" * 4097),
        "BAD_KEY",
        ONE,
    ),
    record("the key is not UTF-8 at byte 2; keys are UTF-8 text", delimited(1, b"\xff"), "BAD_KEY", ONE),
    record(
        f"the request is no Key message: it is malformed at byte 1{CLIENT}", b"\x0a\x05a", "BAD_KEY", ONE
    ),
    record(
        "the request uses field 2 of Key, which this server does not support: leave it out, or use a newer server",
        PK + delimited(2, b"a"),
        "BAD_KEY",
        ONE,
    ),
    # Writes with conditions
    bad_write("the write has no action: set one of put, update, delete, check", b""),
    bad_write(
        "the write has two actions, put and check: set one alone", delimited(1, PK) + delimited(4, PK)
    ),
    bad_write(
        "the write has two actions, both delete: set one alone, and write several records one by one",
        delimited(3, PK) * 2,
    ),
    bad_write(
        "the write has two conditions: set one of exists and etag, once",
        delimited(3, PK) + tag(6, 0) + b"\x01" + delimited(7, b"a"),
    ),
    bad_write(
        "etag of the write is empty: set the etag that an answer had, or exists, or no condition",
        delimited(3, PK) + delimited(7, b""),
    ),
    bad_write("the write is a check and has no condition: set exists or etag", delimited(4, PK)),
    bad_write(
        "the write is an update and has exists: false: an update needs a record; put makes one",
        delimited(2, PK) + tag(6, 0) + b"\x00",
    ),
    bad_write(
        "update_mask is set in a write that is a put: it is for update alone; leave it out",
        delimited(1, PK) + delimited(5, delimited(1, b"name")),
    ),
    bad_write(
        "returning of the write is 3, which this server does not know: set NOTHING (0), NEW (1) or OLD (2), or use a "
        "newer server",
        delimited(1, PK) + tag(9, 0) + b"\x03",
    ),
    bad_write(
        "request_id has 3 bytes: set 1 to 36 printable ASCII characters, a new UUID for each call, or leave it out",
        delimited(1, PK) + delimited(8, b"a b"),
    ),
    bad_write(
        "the write uses field 12 of Write, which this server does not support: leave it out, or use a newer server",
        delimited(1, PK) + delimited(12, b""),
    ),
    bad_write(f"the write is no message of its type: it is malformed at byte 1{LIBRARY}", b"\x0a\x05a"),
    record("the key is missing; set it to 1 to 4096 bytes", delimited(3, b""), "BAD_KEY", WRITE),
    record(
        "field `pk` (1) of database.Dog: the key is missing; set it to 1 to 4096 bytes",
        delimited(1, delimited(2, b"Rex")),
        "BAD_KEY",
        WRITE,
    ),
    Row(
        "BAD_MASK",
        'the path "nam" of the mask: database.Dog has no field "nam"; write fields as in the schema, with dots between '
        "them",
        StatusCode.INVALID_ARGUMENT,
        WRITE,
        delimited(2, PK) + delimited(5, delimited(1, b"nam")),
        metadata={"path": "nam"},
    ),
    Row(
        "RECORD_NOT_FOUND",
        'there is no Dog with the pk "nobody"; nothing was changed',
        StatusCode.NOT_FOUND,
        WRITE,
        delimited(2, delimited(1, b"nobody")),
        metadata={"model": "database.Dog", "key": "nobody"},
    ),
    # Transactions
    bad_write(
        f"the transaction is no message of its type: it is cut off at byte 1{LIBRARY}", b"\x0a\x05a", TRANSACT
    ),
    bad_write(
        "request_id has 37 bytes: set 1 to 36 printable ASCII characters, a new UUID for each call, or leave it out",
        delimited(2, b"x" * 37),
        TRANSACT,
    ),
    bad_write(
        "write 0 of the transaction: request_id is set, and it is for the transaction: set request_id of Transaction",
        one_write(delimited(3, PK) + delimited(8, b"x")),
        TRANSACT,
    ),
    bad_write(
        "the transaction uses field 3 of Transaction, which this server does not support: leave it out, or use a newer "
        "server",
        tag(3, 0) + b"\x01",
        TRANSACT,
    ),
    bad_write(
        "write 0 of the transaction: field 7 of Transaction.Write is of no model that this server has: generate the "
        "client from this server's schema",
        delimited(1, tag(7, 0) + b"\x01"),
        TRANSACT,
    ),
    bad_write(
        "write 0 of the transaction: it has no record: set the field of one model", delimited(1, b""), TRANSACT
    ),
    bad_write(
        "write 1 of the transaction: it has two records: set the field of one model",
        one_write(delimited(3, PK)) + delimited(1, delimited(DOG, b"") * 2),
        TRANSACT,
    ),
    bad_write(
        "write 0 of the transaction: field 7 of Transaction.Write is of no model that this server has: generate the "
        "client from this server's schema",
        delimited(1, delimited(7, b"")),
        TRANSACT,
    ),
    bad_write(
        "write 0 of the transaction: returning is set, and a transaction answers with etags alone: leave it out",
        one_write(delimited(3, PK) + tag(9, 0) + b"\x01"),
        TRANSACT,
    ),
    bad_write(
        "write 0 of the transaction: the write has no action: set one of put, update, delete, check",
        one_write(b""),
        TRANSACT,
    ),
    Row(
        "DUPLICATE_WRITE",
        'write 1 of the transaction: it is of the Dog with the pk "k", as one before it: write each record once; '
        "nothing was changed",
        StatusCode.INVALID_ARGUMENT,
        TRANSACT,
        one_write(delimited(3, PK)) + one_write(delimited(1, PK)),
        metadata={"writeIndex": "1", "model": "database.Dog", "key": "k"},
    ),
    Row(
        "TRANSACTION_TOO_LARGE",
        "the transaction has more than 1000 writes: make fewer at once, or raise --max-transaction-writes; nothing was "
        "changed",
        StatusCode.RESOURCE_EXHAUSTED,
        TRANSACT,
        b"".join(one_write(delimited(3, delimited(1, b"%d" % n))) for n in range(1001)),
        metadata={"limit": "1000"},
    ),
    Row(
        "RECORD_NOT_FOUND",
        'write 1 of the transaction: there is no Dog with the pk "nobody"; nothing was changed',
        StatusCode.NOT_FOUND,
        TRANSACT,
        one_write(delimited(1, PK)) + one_write(delimited(2, delimited(1, b"nobody"))),
        metadata={"writeIndex": "1", "model": "database.Dog", "key": "nobody"},
    ),
    # Methods
    unimplemented(
        "MALFORMED_METHOD",
        'malformed method name "/database": expected /package.Service/Method',
        "/database",
    ),
    unimplemented(
        "UNKNOWN_SERVICE",
        "unknown service other.Service; this server has database.Database, grpc.health.v1.Health, "
        "grpc.reflection.v1.ServerReflection, grpc.reflection.v1alpha.ServerReflection",
        "/other.Service/Put",
    ),
    unimplemented(
        "UNKNOWN_METHOD",
        "unknown method PutCat for service database.Database; list them by reflection",
        "/database.Database/PutCat",
    ),
    # Calls
    Row(
        "NOT_POST",
        "gRPC calls use the method POST",
        StatusCode.INTERNAL,
        headers={":method": "GET"},
        body=b"",
        http_status=405,
    ),
    Row(
        "MALFORMED_TIMEOUT",
        "malformed grpc-timeout: expected 1 to 8 digits and a unit of H, M, S, m, u or n",
        StatusCode.INTERNAL,
        headers={"grpc-timeout": "1D"},
        http_status=400,
    ),
    Row(
        "DEADLINE_EXCEEDED",
        "the call's deadline passed before its answer was ready; a write may still have happened: look, then call "
        "again with more time",
        StatusCode.DEADLINE_EXCEEDED,
        headers={"grpc-timeout": "0n"},
    ),
    unimplemented(
        "UNKNOWN_ENCODING",
        "this server decompresses gzip alone: send messages with grpc-encoding gzip or identity",
        headers={"grpc-encoding": "snappy"},
        body=http2.frame(PK, flag=1),
    ),
    Row(
        "MALFORMED_COMPRESSION",
        "the compressed message is not one whole gzip stream, or is damaged; send it again, or uncompressed",
        StatusCode.INTERNAL,
        headers={"grpc-encoding": "gzip"},
        body=http2.frame(PK, flag=1),
    ),
    Row(
        "HEADERS_TOO_LARGE",
        "the request's headers are larger than 16384 bytes; send less metadata",
        StatusCode.RESOURCE_EXHAUSTED,
        headers={f"x-{n}": "v" * 4000 for n in range(5)},
    ),
    *[
        Row("MALFORMED_FRAMING", says, StatusCode.INTERNAL, body=body)
        for says, body in (
            (
                "malformed message prefix: compressed flag set, but grpc-encoding is identity; send it uncompressed",
                http2.frame(PK, flag=1),
            ),
            ("malformed message prefix: unknown flag 2; send 0", http2.frame(PK, flag=2)),
            ("the request ended in the middle of a message; send it whole", http2.frame(PK, length=9)),
        )
    ],
    *[
        unimplemented(
            "WRONG_CARDINALITY",
            f"this method takes exactly one request message, got {what}: send one",
            body=body,
        )
        for what, body in (
            ("no request message", b""),
            ("more than one request message", http2.frame(PK) * 2),
        )
    ],
    Row(
        "REQUEST_TOO_LARGE",
        "the request message has 4194305 bytes, the limit is 4194304; send less in one call or raise "
        "--max-request-size",
        StatusCode.RESOURCE_EXHAUSTED,
        body=http2.frame(b"", length=(4 << 20) + 1),
    ),
    Row(
        "RESPONSE_TOO_LARGE",
        "the answer is larger than 2048 bytes; ask for pages with page_size, for a stream, or for a smaller range, or "
        "raise --max-response-size",
        StatusCode.RESOURCE_EXHAUSTED,
        GET,
        query(begins_with=""),
        metadata={"limitBytes": "2048"},
    ),
    # Health and reflection
    Row(
        "UNKNOWN_SERVICE",
        'no service "Cats"; List names those there are',
        StatusCode.NOT_FOUND,
        HEALTH + "Check",
        delimited(1, b"Cats"),
    ),
    *[
        Row(
            "MALFORMED_REQUEST",
            f"the request is not a {what}: it is cut off at byte 1{LIBRARY}",
            StatusCode.INTERNAL,
            path,
            b"\x0a\x05",
        )
        for what, path in (
            ("HealthCheckRequest", HEALTH + "Check"),
            ("HealthCheckRequest", HEALTH + "Watch"),
            ("ServerReflectionRequest", REFLECTION),
        )
    ],
    unimplemented(
        "WRONG_CARDINALITY",
        "this method takes exactly one request message, got no request message: send one",
        HEALTH + "Watch",
        body=b"",
    ),
    Row(
        "NO_MESSAGE_REQUEST",
        "the request asks nothing: set one field of message_request",
        StatusCode.INVALID_ARGUMENT,
        REFLECTION,
        b"",
    ),
]

# What needs a failing disk, a full memory or a server that ends: the test that has it, by its reason or its words.
MAPPING = "ServerTests/StatusMappingTests.swift"
HERE = "Clients/test_status_messages.py"
ELSEWHERE = {
    "MALFORMED_METADATA": ("WireTests/HTTP2/MetadataTests.swift", "malformed metadata"),
    "REQUEST_TOO_SLOW": (
        "WireTests/HTTP2/SlowClientTests.swift",
        "bytes a second of the request came",
    ),
    "ANSWER_TOO_SLOW": (
        "WireTests/HTTP2/SlowClientTests.swift",
        "responses[stream]?.resetCode == calm",
    ),
    "NO_CREDENTIALS": ("Clients/test_access.py", '(None, "NO_CREDENTIALS")'),
    "BAD_CREDENTIALS": ("Clients/test_access.py", '(root, "BAD_CREDENTIALS")'),
    "NOT_ALLOWED": ("Clients/test_access.py", '(StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")'),
    "ETAG_MISMATCH": ("Clients/test_writes.py", '"ETAG_MISMATCH"'),
    "BAD_WATCH": ("Clients/test_watch.py", '"BAD_WATCH"'),
    "REVISION_COMPACTED": ("Clients/test_watch.py", '"REVISION_COMPACTED"'),
    "REVISION_UNKNOWN": ("Clients/test_watch.py", '"REVISION_UNKNOWN"'),
    "REQUEST_ID_REUSED": ("Clients/test_writes.py", '"REQUEST_ID_REUSED"'),
    "RECORD_EXISTS": ("Clients/test_writes.py", '"RECORD_EXISTS"'),
    "CORRUPTION": (MAPPING, '"CORRUPTION"'),
    "SHUTTING_DOWN": (MAPPING, '"SHUTTING_DOWN"'),
    "SNAPSHOT_TOO_OLD": (MAPPING, '"SNAPSHOT_TOO_OLD"'),
    "STORAGE_FAILED": (MAPPING, '"STORAGE_FAILED"'),
    "READ_ONLY": (MAPPING, '"READ_ONLY"'),
    "DISK_FULL": (MAPPING, '"DISK_FULL"'),
    "WRITES_PAUSED": (MAPPING, '"WRITES_PAUSED"'),
    "WRITE_QUEUE_FULL": (MAPPING, '"WRITE_QUEUE_FULL"'),
    "READ_QUEUE_FULL": (MAPPING, '"READ_QUEUE_FULL"'),
    "INDEX_KEY_TOO_LONG": ("Clients/test_index_refusals.py", '"INDEX_KEY_TOO_LONG"'),
    "INDEX_CORRUPT": ("RecordsTests/Indexes/IndexReadTests.swift", "found.pause == .corruptIndex"),
    "UNIQUE_VIOLATION": ("Clients/test_index_refusals.py", '"UNIQUE_VIOLATION"'),
    "INDEX_BUILDING": ("Clients/test_index_builds.py", '"INDEX_BUILDING"'),
    "INDEX_FAILED": ("Clients/test_index_refusals.py", '"INDEX_FAILED"'),
    "TRANSACTION_TOO_LARGE": ("Clients/test_index_limits.py", '"TRANSACTION_TOO_LARGE"'),
    # The client gets a reset; the reason is for the log.
    "TOO_MANY_CALLS": (
        "WireTests/HTTP2/FairMemoryTests.swift",
        "callsOfAllConnectionsAreLimitedAndTheLargestHolderPays",
    ),
    "ANSWER_BUFFER_FULL": (MAPPING, '"ANSWER_BUFFER_FULL"'),
    "REQUEST_BUFFER_FULL": (
        "WireTests/HTTP2/ConnectionTests.swift",
        "too many bytes of unfinished requests are waiting",
    ),
    "TOO_MANY_SERVICES": (
        "WireTests/Services/HealthServiceTests.swift",
        "there are over 100 services; use Check for each",
    ),
    # Plain HTTP carries no reason.
    "NOT_GRPC": (HERE, "this is a gRPC server: send POST with content-type application/grpc"),
}


@pytest.fixture(scope="module")
def server(create, tmp_path_factory, engine):
    factory = ServerFactory(tmp_path_factory.mktemp("statuses"), engine)
    try:
        server = factory(
            create({"schema.proto": SCHEMA, "old.proto": OLD}), "--max-response-size", "2K"
        )
        dogs = factory.connect(server).model("Dog")
        dogs.batch_put([delimited(1, b"%d" % n) + delimited(2, b"x" * 1000) for n in range(5)])
        yield server
    finally:
        factory.close()


@pytest.fixture
def connection(server):
    with http2.Connection(server.host, server.port) as connection:
        yield connection


@pytest.mark.one_engine
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.reason} {row.says[:40]}")
def test_says(connection, row):
    body = http2.frame(row.message) if row.body is None else row.body
    answer = connection.request(row.path, body, headers=row.headers)
    failure = answer.failure()
    assert failure.message == row.says
    assert (failure.code, failure.reason) == (row.code, row.reason)
    assert row.metadata is None or failure.metadata == row.metadata
    assert answer.http_status == row.http_status


@pytest.mark.one_engine
def test_says_to_what_is_not_grpc(connection):
    answer = connection.request(PUT, b"", headers={"content-type": "application/json"})
    assert (answer.http_status, answer.body) == (
        415,
        b"this is a gRPC server: send POST with content-type application/grpc\n",
    )


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "asks, says",
    [
        ({"file_by_filename": "cat.proto"}, 'no file "cat.proto"'),
        ({"file_containing_symbol": "Cat"}, 'no symbol "Cat"'),
        ({"all_extension_numbers_of_type": "Cat"}, 'no message type "Cat"'),
        (
            {
                "file_containing_extension": reflection_pb2.ExtensionRequest(
                    containing_type="Cat", extension_number=7
                )
            },
            'no extension 7 of "Cat"',
        ),
    ],
    ids=str,
)
def test_reflection_says_what_is_not_there(server, asks, says):
    with grpc.insecure_channel(server.address) as channel:
        call = channel.stream_stream(
            REFLECTION,
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        [answer] = call(iter([reflection_pb2.ServerReflectionRequest(**asks)]))
    assert (answer.error_response.error_code, answer.error_response.error_message) == (
        StatusCode.NOT_FOUND.value[0],
        says,
    )


def test_every_reason_of_the_sources_is_in_a_table():
    sources = process.REPOSITORY / "Sources"
    given = set()
    for file in [*sources.glob("Wire/**/*.swift"), *sources.glob("Server/**/*.swift")]:
        text = file.read_text()
        given |= set(re.findall(r'reason: "([A-Z_]+)"', text))
        if file.name.startswith("StatusMapping"):
            given |= set(re.findall(r'"([A-Z]+_[A-Z_]+)"', text))
    for reason, (file, words) in ELSEWHERE.items():
        assert words in (process.REPOSITORY / "Tests" / file).read_text(), (reason, file)
    assert {row.reason for row in ROWS} | set(ELSEWHERE) == given
