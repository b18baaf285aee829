"""Bad input over real sockets: the right code, a sentence that helps, ErrorInfo, and life goes on.

Defect 4 of the earlier attempt (every failure is INTERNAL) is what these tables are about.
"""

from __future__ import annotations

import dataclasses
import socket

import grpc
import pytest
from grpc import StatusCode

from conftest import DOGS_AND_TAGS, ServerFactory
from harness import http2, status
from harness.client import delimited, listed, query, tag, varint

PUT, BATCH, GET, DELETE = "PutDog", "BatchPutDogs", "GetDogsByPk", "DeleteDogsByPk"
ONE = "GetDog"
PK = delimited(1, b"k")

SCHEMA = (
    DOGS_AND_TAGS
    + """
message Tree {
  string pk = 1;
  Tree child = 2;
  repeated int32 packed = 3;
  repeated fixed64 wide = 4;
  map<string, string> labels = 5;
  bool flag = 6;
}
"""
)


@dataclasses.dataclass
class Bad:
    method: str
    request: bytes
    says: str
    code: StatusCode = StatusCode.INVALID_ARGUMENT


def nested(depth: int) -> bytes:
    """A Tree with children down to a depth."""
    data = b""
    for _ in range(depth):
        data = delimited(2, data)
    return PK + data


BAD = {
    # Wire format
    "truncated varint": Bad(PUT, PK + tag(3, 0) + b"\x80", r"byte|trunc|end"),
    "truncated tag": Bad(PUT, PK + b"\x80", r"byte|trunc|end"),
    "truncated string": Bad(PUT, PK + tag(2, 2) + b"\x05abc", r"byte|trunc|end|length"),
    "truncated fixed32": Bad(PUT, PK + tag(90, 5) + b"abc", r"byte|trunc|end"),
    "truncated fixed64": Bad(PUT, PK + tag(90, 1) + b"abcdefg", r"byte|trunc|end"),
    "length of 2^31": Bad(PUT, PK + tag(2, 2) + varint(2**31), r"byte|trunc|end|length"),
    "length of 2^64 - 1": Bad(PUT, PK + tag(2, 2) + varint(2**64 - 1), r"byte|trunc|end|length"),
    "varint of 11 bytes": Bad(PUT, PK + tag(3, 0) + b"\xff" * 10 + b"\x01", r"varint|byte"),
    "field number 0": Bad(PUT, PK + b"\x00\x01", r"field|number|tag|byte"),
    "wire type 6": Bad(PUT, PK + tag(90, 6), r"wire|type|byte"),
    "wire type 7": Bad(PUT, PK + tag(90, 7), r"wire|type|byte"),
    "tag above 32 bits": Bad(PUT, PK + varint(2**35) + b"\x01", r"tag|field|byte"),
    "group that never ends": Bad(PUT, PK + tag(90, 3) + PK, r"group|byte|end"),
    "end of a group that never began": Bad(PUT, PK + tag(90, 4), r"group|byte"),
    "group that ends with another number": Bad(PUT, PK + tag(90, 3) + tag(91, 4), r"group|byte"),
    "text, not protobuf": Bad(PUT, b"hello, world", r"byte|wire|field"),
    # Against the schema
    "varint for a string": Bad(PUT, PK + tag(2, 0) + b"\x01", r"name"),
    "string for a uint32": Bad(PUT, PK + delimited(3, b"abc"), r"age"),
    "fixed32 for a uint32": Bad(PUT, PK + tag(3, 5) + b"abcd", r"age"),
    "fixed64 for a string": Bad(PUT, PK + tag(4, 1) + b"abcdefgh", r"breed"),
    "group for a string": Bad(PUT, PK + tag(2, 3) + tag(2, 4), r"name"),
    "varint for the pk": Bad(PUT, tag(1, 0) + b"\x01", r"pk"),
    "truncated packed varint": Bad("PutTree", PK + delimited(3, b"\x80"), r"packed"),
    "packed fixed64 of 12 bytes": Bad("PutTree", PK + delimited(4, b"x" * 12), r"wide"),
    "map entry with a bad key": Bad(
        "PutTree", PK + delimited(5, tag(1, 0) + b"\x01"), r"key|labels"
    ),
    "map value with bad UTF-8": Bad("PutTree", PK + delimited(5, delimited(2, b"\xff")), r"UTF-8"),
    "nested 150 deep": Bad("PutTree", nested(150), r"deep|depth|nest"),
    "nested 5,000 deep": Bad("PutTree", nested(5_000), r"deep|depth|nest"),
    "groups 10,000 deep": Bad(
        "PutTree", PK + tag(90, 3) * 10_000 + tag(90, 4) * 10_000, r"deep|depth|nest"
    ),
    # UTF-8
    "lone continuation byte": Bad(PUT, PK + delimited(2, b"a\x80"), r"name.*UTF-8|UTF-8.*name"),
    "overlong": Bad(PUT, PK + delimited(2, b"\xc0\xaf"), r"UTF-8"),
    "surrogate": Bad(PUT, PK + delimited(2, b"\xed\xa0\x80"), r"UTF-8"),
    "above U+10FFFF": Bad(PUT, PK + delimited(2, b"\xf4\x90\x80\x80"), r"UTF-8"),
    "cut in the middle of a character": Bad(PUT, PK + delimited(2, "é".encode()[:1]), r"UTF-8"),
    "pk with bad UTF-8": Bad(PUT, delimited(1, b"\xff"), r"pk.*UTF-8|UTF-8.*pk"),
    "bad UTF-8 after a long ASCII run": Bad(PUT, PK + delimited(2, b"a" * 77 + b"\xfe"), r"UTF-8"),
    # Keys
    "no bytes at all": Bad(PUT, b"", r"pk"),
    "no pk": Bad(PUT, delimited(2, b"Rover"), r"pk"),
    "empty pk": Bad(PUT, delimited(1, b""), r"pk.*empty|empty.*pk"),
    "empty pk after a good one": Bad(PUT, PK + delimited(1, b""), r"pk.*empty|empty.*pk"),
    "pk of 4097 bytes": Bad(PUT, delimited(1, b"k" * 4097), r"4,?096"),
    "batch with a record without pk": Bad(BATCH, listed([PK, delimited(2, b"x")]), r"pk"),
    "batch with a varint for dogs": Bad(BATCH, tag(1, 0) + b"\x01", r"dogs"),
    "batch with etags": Bad(BATCH, listed([PK]) + delimited(4, b"1"), r"etags.*leave it out"),
    "truncated batch": Bad(BATCH, listed([PK, PK])[:-1], r"byte|trunc|end|length"),
    "batch with a bad second record": Bad(BATCH, listed([PK, b"\x0a"]), r"byte|trunc|end|length"),
    # Queries
    "get without expression": Bad(GET, query(), r"eq.*gte.*gt.*lte.*lt.*range.*in.*begins_with"),
    "delete without expression": Bad(DELETE, query(), r"eq.*gte.*gt.*lte.*lt.*range.*in.*begins_with"),
    "get with only an unknown field": Bad(GET, delimited(99, b"x"), r"expression|eq"),
    "delete with only an unknown field": Bad(DELETE, delimited(99, b"x"), r"expression|eq"),
    "eq of the empty key": Bad(GET, query(eq=""), r"empty"),
    "delete eq of the empty key": Bad(DELETE, query(eq=""), r"empty"),
    "eq of 4097 bytes": Bad(GET, query(eq="k" * 4097), r"4,?096"),
    "begins_with of 4097 bytes": Bad(GET, query(begins_with="k" * 4097), r"4,?096"),
    "expression with bad UTF-8": Bad(GET, query(gte=b"\xff"), r"UTF-8"),
    "varint for eq": Bad(GET, tag(1, 0) + b"\x01", r"eq|expression"),
    "truncated query": Bad(DELETE, query(begins_with="abc")[:-1], r"byte|trunc|end|length"),
    **{
        f"{name} with reserved field {number}{beside}": Bad(
            method, before + delimited(number, b"a"), rf"\b{number}\b"
        )
        for name, method in (("get", GET), ("delete", DELETE))
        for beside, before in (("", b""), (" beside an expression", query(begins_with="a")))
        for number in (9, 15, 22, 31)
    },
    **{
        f"{name} with {what}": Bad(method, request, says)
        for name, method in (("get", GET), ("delete", DELETE))
        for what, request, says in (
            ("a range without bounds", query(range={}), r"no bound.*gte.*gt.*lte.*lt"),
            ("a range of two lower bounds", query(range={"gte": "a", "gt": "b"}), r"gte and gt"),
            ("a range of two upper bounds", query(range={"lte": "a", "lt": "b"}), r"lte and lt"),
            ("a range beside an expression", query(range={"gte": "a"}) + query(eq="a"), r"range and eq"),
            ("two ranges", query(range={"gte": "a"}) + query(range={"lt": "b"}), r"both range"),
            ("a range with an unknown field", delimited(7, delimited(5, b"a")), r"field 5 of IndexQuery\.Range"),
            ("a range that is cut", delimited(7, b"\x0a\x05a"), r"malformed"),
            ("a string for range", delimited(7, b"a"), r"malformed"),
            ("a bound of 4097 bytes", query(range={"gt": "k" * 4097}), r"4,?096"),
            ("a bound with bad UTF-8", query(range={"lt": b"\xff"}), r"lt of the query's range.*UTF-8"),
            ("gt of 4097 bytes", query(gt="k" * 4097), r"4,?096"),
            ("gt and lt", query(gt="a") + query(lt="b"), r"gt and lt"),
            ("no keys", query(keys=[]), r"names no key"),
            ("1001 keys", query(keys=["a"] * 1_001), r"1001 keys.*1000"),
            ("an empty key", query(keys=["a", ""]), r"key 1 of in is empty"),
            ("a key of 4097 bytes", query(keys=["a", "k" * 4097]), r"4,?096"),
            ("a key with bad UTF-8", query(keys=[b"\xff"]), r"in of the query.*UTF-8"),
            ("keys beside an expression", query(keys=["a"]) + query(begins_with=""), r"in and begins_with"),
            ("keys twice", query(keys=["a"]) + query(keys=["b"]), r"both in"),
            ("keys with an unknown field", delimited(8, delimited(2, b"a")), r"field 2 of IndexQuery\.Keys"),
            ("keys that are cut", delimited(8, b"\x0a\x05a"), r"malformed"),
            ("a string for keys", delimited(8, b"a"), r"malformed"),
            ("a number for keys", tag(8, 0) + b"\x01", r"in of the query is no message"),
            *(
                (f"text for {name}", query(eq="a") + delimited(number, b"1"), f"{name} of the query is no")
                for name, number in (("page_size", 16), ("order", 18), ("count_only", 20), ("with_etags", 21))
            ),
            *(
                (f"a number for {name}", query(eq="a") + tag(number, 0) + b"\1", f"{name} of the query is no")
                for name, number in (("page_token", 17), ("read_mask", 19))
            ),
        )
    },
    "count with a page size": Bad(
        GET, query(eq="a", count_only=True, page_size=1), r"count_only and page_size"
    ),
    "count with a page token": Bad(
        GET, query(eq="a", count_only=True, page_token="x"), r"count_only and page_token"
    ),
    "an order that is not known": Bad(GET, query(eq="a", order=7), r"order of the query is 7"),
    "a page token of another making": Bad(GET, query(gte="a", page_token="7"), r"page_token is cut off"),
    "a page token with bad UTF-8": Bad(GET, query(gte="a", page_token=b"\xff"), r"page_token is cut off"),
    "a mask with an unknown field": Bad(GET, query(gte="a", read_mask=["bread"]), r'no field "bread"'),
    "a mask with bad UTF-8": Bad(GET, query(gte="a", read_mask=[b"\xff"]), r"no field"),
    "a mask that is cut": Bad(GET, query(gte="a") + delimited(19, b"\x0a\x05a"), r"FieldMask"),
    # One record
    "no key": Bad(ONE, b"", r"the key is missing"),
    "an empty key": Bad(ONE, delimited(1, b""), r"the key is missing"),
    "a key of 4097 bytes": Bad(ONE, delimited(1, b"k" * 4097), r"4,?096"),
    "a key with bad UTF-8": Bad(ONE, delimited(1, b"\xff"), r"UTF-8"),
    "a number for the key": Bad(ONE, tag(1, 0) + b"\x01", r"no Key message"),
    "a key that is cut": Bad(ONE, PK[:-1], r"no Key message"),
    "a key with another column": Bad(ONE, PK + delimited(2, b"a"), r"field 2 of Key"),
    "a key that is not there": Bad(ONE, PK, r"no database\.Dog has the pk", StatusCode.NOT_FOUND),
    # Names
    "unknown method": Bad("/database.Database/FeedDog", PK, r"FeedDog", StatusCode.UNIMPLEMENTED),
    "unknown model": Bad("/database.Database/PutCat", PK, r"PutCat", StatusCode.UNIMPLEMENTED),
    "method in another case": Bad(
        "/database.Database/putdog", PK, r"putdog", StatusCode.UNIMPLEMENTED
    ),
    "unknown service": Bad(
        "/other.Service/PutDog", PK, r"other\.Service", StatusCode.UNIMPLEMENTED
    ),
    "no method in the path": Bad(
        "/database.Database", PK, r"method|path|Database", StatusCode.UNIMPLEMENTED
    ),
    "empty method": Bad("/database.Database/", PK, r"method", StatusCode.UNIMPLEMENTED),
    # Sizes
    "message over 4 MiB": Bad(
        PUT,
        PK + delimited(2, b"x" * (4 << 20)),
        r"4,?194,?304|4 MiB",
        StatusCode.RESOURCE_EXHAUSTED,
    ),
}


def assert_serves(database):
    """The server is as good as new, and nothing of the bad request is in it."""
    dogs = database.model("Dog")
    assert dogs.get(begins_with="") == []
    dogs.put(delimited(1, b"after"))
    assert dogs.get(eq="after") == [delimited(1, b"after")]
    dogs.delete(eq="after")


@pytest.fixture(scope="module")
def bad_server(create, tmp_path_factory, engine):
    """One server for the whole table: each case leaves it as good as new."""
    factory = ServerFactory(tmp_path_factory.mktemp("bad"), engine)
    try:
        yield factory, factory(create(SCHEMA))
    finally:
        factory.close()


@pytest.fixture(scope="module")
def bad_database(bad_server):
    factory, server = bad_server
    return factory.connect(server)


@pytest.mark.parametrize("name", BAD)
def test_refuses(name, bad_database):
    case = BAD[name]
    with pytest.raises(grpc.RpcError) as raised:
        bad_database.call(case.method, case.request)
    failure = status.failure(raised.value)
    assert failure.code == case.code, failure
    status.assert_sentence(failure.message, case.says)
    assert_serves(bad_database)


GOOD = {
    "pk of 4096 bytes": delimited(1, b"k" * 4096),
    "pk with a NUL": delimited(1, b"a\0b"),
    "pk twice": PK + delimited(1, b"other"),
    "a scalar twice": PK + tag(3, 0) + b"\x01" + tag(3, 0) + b"\x02",
    "varint in more bytes than needed": PK + tag(3, 0) + b"\x81\x80\x00",
    "uint32 that does not fit": PK + tag(3, 0) + b"\xff" * 9 + b"\x01",
    "tag in more bytes than needed": PK + b"\x98\x00\x01",
    "the highest code point": PK + delimited(2, "\U0010ffff\ud7ff\ue000".encode()),
    "unknown fields of every wire type": PK
    + tag(90, 0)
    + b"\x01"
    + tag(91, 1)
    + b"x" * 8
    + delimited(92, b"\xff")
    + tag(93, 5)
    + b"xxxx"
    + tag(94, 3)
    + tag(1, 0)
    + b"\x01"
    + tag(94, 4),
    "the highest field number": PK + delimited(2**29 - 1, b""),
    "an almost full message": PK + delimited(2, b"x" * ((4 << 20) - 64)),
}


@pytest.mark.parametrize("name", GOOD)
def test_takes_what_is_legal(name, bad_database):
    """The other side of each limit."""
    dogs = bad_database.model("Dog")
    dogs.put(GOOD[name])
    assert dogs.get(begins_with="") == [GOOD[name]]
    dogs.delete(begins_with="")


@pytest.mark.parametrize(
    "name, data",
    {
        "nested 90 deep": nested(90),
        "packed field unpacked": PK + tag(3, 0) + b"\x01" + tag(3, 0) + b"\x02",
        "packed field packed": PK + delimited(3, b"\x01\x02\xff\xff\x03"),
        "empty packed field": PK + delimited(3, b""),
        "fixed packed and not": PK + delimited(4, b"x" * 16) + tag(4, 1) + b"y" * 8,
        "map entry without key": PK + delimited(5, delimited(2, b"v")),
        "map entry with an unknown field": PK + delimited(5, tag(9, 0) + b"\x01"),
        "empty map entry": PK + delimited(5, b""),
    }.items(),
)
def test_takes_what_is_legal_in_trees(name, data, bad_database):
    trees = bad_database.model("Tree")
    trees.put(data)
    assert trees.get(eq="k") == [data]
    trees.delete(begins_with="")


def test_request_limit_can_be_set(create, serve):
    """Exactly the limit goes through; one byte more names the limit in force."""
    database = serve.connect(serve(create(DOGS_AND_TAGS), "--max-request-size", "2000"))
    dogs = database.model("Dog")
    fits = PK + delimited(2, b"x" * (2000 - len(PK) - 3))
    assert len(fits) == 2000
    dogs.put(fits)
    assert dogs.get(eq="k") == [fits]
    with pytest.raises(grpc.RpcError) as raised:
        dogs.put(PK + delimited(2, b"x" * (2001 - len(PK) - 3)))
    failure = status.failure(raised.value)
    assert failure.code == StatusCode.RESOURCE_EXHAUSTED
    status.assert_sentence(failure.message, r"2,?000")


@pytest.mark.parametrize("expression", [{"begins_with": ""}, {"gte": "a"}, {"lte": "z"}], ids=str)
def test_an_answer_over_the_limit_is_an_error_and_never_cut(create, serve, expression):
    """Defect 3 of the earlier attempt: a short result with status OK."""
    database = serve.connect(serve(create(DOGS_AND_TAGS), "--max-response-size", "10000"))
    dogs = database.model("Dog")
    items = [delimited(1, b"k%03d" % n) + delimited(2, b"x" * 190) for n in range(100)]
    dogs.batch_put(items)
    with pytest.raises(grpc.RpcError) as raised:
        dogs.get(**expression)
    failure = status.failure(raised.value)
    assert failure.code == StatusCode.RESOURCE_EXHAUSTED
    status.assert_sentence(failure.message, r"10,?000")
    # Below the limit everything is there, and a delete has no answer that could be too large.
    assert dogs.get(begins_with="k00") == items[:10]
    dogs.delete(**expression)
    assert dogs.get(begins_with="") == []


# Raw HTTP/2 ---------------------------------------------------------------------------------------

PUT_PATH = "/database.Database/PutDog"
OK_BODY = http2.frame(delimited(1, b"raw"))


def assert_serves_raw(connection):
    """Another call on the same connection goes through."""
    answer = connection.request("/database.Database/GetDogsByPk", http2.frame(query(eq="nobody")))
    assert answer.http_status == 200 and answer.trailers.get("grpc-status") == "0", answer
    assert answer.body == http2.frame(b"")


@dataclasses.dataclass
class BadCall:
    code: StatusCode
    says: str
    body: bytes = OK_BODY
    headers: dict = dataclasses.field(default_factory=dict)
    end: bool = True
    http_status: int = 200
    path: str = PUT_PATH


BAD_CALLS = {
    "flag 2 in the prefix": BadCall(StatusCode.INTERNAL, "flag|prefix", http2.frame(PK, flag=2)),
    "flag 255 in the prefix": BadCall(
        StatusCode.INTERNAL, "flag|prefix", http2.frame(PK, flag=255)
    ),
    "length beyond the limit, and no body": BadCall(
        StatusCode.RESOURCE_EXHAUSTED,
        r"4,?194,?304|4 MiB",
        http2.frame(b"", length=(4 << 20) + 1),
        end=False,
    ),
    "length of 4 GiB - 1": BadCall(
        StatusCode.RESOURCE_EXHAUSTED,
        r"4,?194,?304|4 MiB",
        http2.frame(b"", length=2**32 - 1),
        end=False,
    ),
    "end inside a message": BadCall(
        StatusCode.INTERNAL, r"end|trunc|incomplete|cut", http2.frame(PK, length=len(PK) + 1)
    ),
    "end inside a prefix": BadCall(StatusCode.INTERNAL, r"end|trunc|incomplete|cut", b"\0\0\0"),
    "two messages": BadCall(StatusCode.UNIMPLEMENTED, r"one|message", OK_BODY + OK_BODY),
    "no message": BadCall(StatusCode.UNIMPLEMENTED, r"one|message|no ", b""),
    "compressed flag without an encoding": BadCall(
        StatusCode.INTERNAL, r"compress|encoding", http2.frame(PK, flag=1)
    ),
    "compressed flag with identity": BadCall(
        StatusCode.INTERNAL,
        r"compress|encoding",
        http2.frame(PK, flag=1),
        {"grpc-encoding": "identity"},
    ),
    "timeout that has passed": BadCall(
        StatusCode.DEADLINE_EXCEEDED, r"deadline|time", headers={"grpc-timeout": "0n"}
    ),
    "timeout without unit": BadCall(
        StatusCode.INTERNAL, "grpc-timeout", headers={"grpc-timeout": "100"}, http_status=400
    ),
    "timeout of nine digits": BadCall(
        StatusCode.INTERNAL, "grpc-timeout", headers={"grpc-timeout": "123456789m"}, http_status=400
    ),
    "timeout in days": BadCall(
        StatusCode.INTERNAL, "grpc-timeout", headers={"grpc-timeout": "1D"}, http_status=400
    ),
    "GET": BadCall(StatusCode.INTERNAL, "POST|method", b"", {":method": "GET"}, http_status=405),
    "unknown path": BadCall(StatusCode.UNIMPLEMENTED, "method|path|service", path="/"),
}


@pytest.fixture
def connection(bad_server):
    server = bad_server[1]
    with http2.Connection(server.host, server.port) as connection:
        yield connection


@pytest.mark.parametrize("name", BAD_CALLS)
def test_refuses_on_raw_http2(name, connection, bad_database):
    case = BAD_CALLS[name]
    answer = connection.request(case.path, case.body, end=case.end, headers=case.headers)
    assert answer.http_status == case.http_status, answer
    failure = answer.failure()
    assert failure.code == case.code, failure
    status.assert_sentence(failure.message, case.says)
    assert_serves_raw(connection)
    assert_serves(bad_database)


def test_unknown_encoding_names_those_it_takes(connection):
    answer = connection.request(
        PUT_PATH, http2.frame(PK, flag=1), headers={"grpc-encoding": "snappy"}
    )
    assert answer.failure().code == StatusCode.UNIMPLEMENTED
    accepted = {**answer.headers, **answer.trailers}["grpc-accept-encoding"].split(",")
    assert "identity" in [a.strip() for a in accepted] and "snappy" not in accepted
    assert_serves_raw(connection)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/html",
        "application/json",
        "application/grpcx",
        "application/grpc-web",
        "application/grpc+json",
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_what_is_not_grpc_is_415(connection, content_type, method):
    headers = {":method": method}
    if content_type:
        headers["content-type"] = content_type
    answer = connection.request(
        PUT_PATH, b"", headers=headers, drop=() if content_type else ("content-type",)
    )
    assert answer.http_status == 415, answer
    assert_serves_raw(connection)


@pytest.mark.parametrize(
    "content_type", ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"]
)
def test_grpc_content_types(connection, content_type):
    answer = connection.request(
        "/database.Database/GetDogsByPk",
        http2.frame(query(eq="x")),
        headers={"content-type": content_type},
    )
    assert answer.http_status == 200 and answer.trailers["grpc-status"] == "0", answer
    assert answer.headers["content-type"] in ("application/grpc", "application/grpc+proto")


@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
def test_a_message_may_come_in_any_pieces(connection, pieces):
    record = delimited(1, b"pieces") + delimited(2, b"x" * 40)
    answer = connection.request(PUT_PATH, http2.frame(record), pieces=pieces)
    assert answer.trailers.get("grpc-status") == "0", answer
    answer = connection.request(
        "/database.Database/GetDogsByPk", http2.frame(query(eq="pieces")), pieces=pieces
    )
    assert answer.body == http2.frame(delimited(1, record))
    connection.request("/database.Database/DeleteDogsByPk", http2.frame(query(eq="pieces")))


@pytest.mark.parametrize(
    "preface",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\0" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
    ],
    ids=["http1", "tls", "zeros", "frames"],
)
def test_garbage_instead_of_http2_ends_that_connection_only(bad_server, bad_database, preface):
    server = bad_server[1]
    with socket.create_connection((server.host, server.port), timeout=http2.IO_TIMEOUT) as raw:
        raw.sendall(preface)
        try:
            while raw.recv(65536):
                pass
        except ConnectionResetError:
            pass
    assert_serves(bad_database)


def test_a_connection_cut_in_the_middle_of_a_put_writes_nothing(bad_server, bad_database):
    server = bad_server[1]
    connection = http2.Connection(server.host, server.port)
    connection.send(PUT_PATH, OK_BODY, end=False)  # whole, but without its end
    connection.ping()  # so the server has read it all
    connection.close()
    assert_serves(bad_database)


def test_a_client_that_leaves_in_the_middle_of_an_answer_harms_nobody(bad_server, bad_database):
    server = bad_server[1]
    dogs = bad_database.model("Dog")
    dogs.batch_put([delimited(1, b"k%04d" % n) + delimited(2, b"x" * 3_000) for n in range(1_000)])
    for _ in range(20):
        connection = http2.Connection(server.host, server.port)
        connection.send("/database.Database/GetDogsByPk", http2.frame(query(gte="")))
        assert connection.socket.recv(65536)
        connection.socket.recv(65536)
        connection.close()
    dogs.delete(gte="")
    assert_serves(bad_database)


def test_a_deadline_gives_the_whole_answer_or_an_error(bad_server, bad_database):
    """An answer that a deadline cut short would be the worst of all: short, with status OK."""
    server = bad_server[1]
    dogs = bad_database.model("Dog")
    items = [delimited(1, b"k%06d" % n) for n in range(60_000)]
    dogs.batch_put(items)
    whole = http2.frame(listed(items))
    outcomes = set()
    with http2.Connection(server.host, server.port) as connection:
        for timeout in [*range(1, 40), 60, 100, 1_000] * 2:
            answer = connection.request(
                "/database.Database/GetDogsByPk",
                http2.frame(query(begins_with="k")),
                headers={"grpc-timeout": f"{timeout * 250}u"},
            )
            code = {**answer.headers, **answer.trailers}.get("grpc-status")
            outcomes.add(code)
            if code == "0":
                assert answer.body == whole, f"cut to {len(answer.body)} bytes after {timeout}"
            else:
                assert code == "4" or answer.reset is not None, answer
    print("codes seen:", outcomes)
    dogs.delete(gte="")
