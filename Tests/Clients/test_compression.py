"""gzip in both directions, with the clients that people have and with frames of our own."""

from __future__ import annotations

import gzip
import json
import os
import zlib

import connectrpc.client
import grpc
import pyqwest
import pytest
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from grpc import StatusCode

from conftest import DOGS_AND_TAGS
from harness import http2, process, status
from harness.client import CALL_TIMEOUT, Database, delimited, listed, query, records
from harness.relay import Relay

pytestmark = pytest.mark.one_engine

SERVICE = "/database.Database/"
PUT, GET, BATCH, STREAM = (
    SERVICE + name for name in ("PutDogTag", "GetDogTagsByPk", "BatchPutDogTags", "StreamDogTagsByPk")
)
MIB = 1 << 20
LIMIT = 4 * MIB


def text(size: int, seed: int = 1) -> bytes:
    """Bytes that become about a third."""
    words = [str(n * 7919 * seed % 10007).encode() for n in range(1000)]
    return b" ".join(words * (size // 4000 + 1))[:size]


def tag(pk: str, payload: bytes) -> bytes:
    return delimited(1, pk.encode()) + delimited(2, payload)


def equal(pk: str) -> bytes:
    return query(eq=pk)


def assert_streamed(messages, expected: list[bytes]):
    """The records of all messages; after them each has a token to go on with."""
    rest = list(expected)
    for message in messages:
        while rest and message.startswith(first := delimited(1, rest[0])):
            message = message[len(first) :]
            del rest[0]
        assert message[:1] in (b"", delimited(2, b"")[:1])
    assert rest == []


@pytest.fixture
def plain(create, serve):
    """A server as it is by default."""
    return serve(create(DOGS_AND_TAGS))


@pytest.fixture
def compressing(create, serve):
    return serve(create(DOGS_AND_TAGS), "--answer-compression", "gzip")


def connection(server) -> http2.Connection:
    host, port = server.address.rsplit(":", 1)
    return http2.Connection(host, int(port))


# -- grpcio -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [(), ("--answer-compression", "gzip")], ids=["plain", "compressing"])
def test_grpcio_compresses_all_its_calls(create, serve, flags):
    server = serve(create(DOGS_AND_TAGS), *flags)
    big = text(MIB)
    options = [("grpc.default_compression_algorithm", grpc.Compression.Gzip)]
    with Relay(server.address) as relay, Database(relay.address, options=options) as database:
        # Reflection is a stream in both directions, and compressed as well.
        assert database.models == ["Dog", "DogTag"]
        put = database.channel.unary_unary(PUT)
        put(tag("big", big), timeout=CALL_TIMEOUT)
        assert relay.sent < MIB // 2
        items = b"".join(delimited(1, tag(f"T#{n:03}", text(2000, n + 1))) for n in range(300))
        database.call("BatchPutDogTags", items)
        assert relay.sent < MIB
        assert records(database.call("GetDogTagsByPk", equal("big"))) == [tag("big", big)]
        before = relay.received
        expected = [tag(f"T#{n:03}", text(2000, n + 1)) for n in range(300)]
        page = database.call("GetDogTagsByPk", query(begins_with="T#", page_size=100))
        assert page.startswith(listed(expected[:100]))
        answered = relay.received - before
        assert answered < 150_000 if flags else answered > 200_000
        before = relay.received
        stream = database.channel.unary_stream(STREAM)(query(begins_with="T#"), timeout=CALL_TIMEOUT)
        assert_streamed(stream, expected)
        streamed = relay.received - before
        # Some messages may go as they are, when others have taken the loop's time.
        assert streamed < 580_000 if flags else streamed > 600_000
        with pytest.raises(grpc.RpcError) as refused:
            put(tag("", text(5000)), timeout=CALL_TIMEOUT)
        assert refused.value.code() == StatusCode.INVALID_ARGUMENT


def test_grpcio_learns_that_there_is_no_deflate(plain):
    with Database(plain.address) as database:
        put = database.channel.unary_unary(PUT)
        with pytest.raises(grpc.RpcError) as refused:
            put(tag("k", text(5000)), compression=grpc.Compression.Deflate, timeout=CALL_TIMEOUT)
        assert refused.value.code() == StatusCode.UNIMPLEMENTED
        put(tag("k", text(5000)), compression=grpc.Compression.Gzip, timeout=CALL_TIMEOUT)


def test_grpcio_gets_the_limit_of_what_a_message_becomes(plain):
    with Database(plain.address) as database:
        put = database.channel.unary_unary(PUT)
        put(tag("k", text(LIMIT - 100)), compression=grpc.Compression.Gzip, timeout=CALL_TIMEOUT)
        with pytest.raises(grpc.RpcError) as refused:
            put(tag("k", text(LIMIT)), compression=grpc.Compression.Gzip, timeout=CALL_TIMEOUT)
        assert refused.value.code() == StatusCode.RESOURCE_EXHAUSTED


# -- connectrpc, buf ----------------------------------------------------------------------------------------------


class Raw:
    """connectrpc's codec for messages that are bytes already."""

    def name(self):
        return "proto"

    def encode(self, message):
        return message

    def decode(self, data, message_class):
        return bytes(data)


@pytest.mark.parametrize("flags", [(), ("--answer-compression", "gzip")], ids=["plain", "compressing"])
def test_connectrpc_sends_gzip_by_default(create, serve, flags):
    server = serve(create(DOGS_AND_TAGS), *flags)

    def method(name, stream_type=StreamType.UNARY):
        return MethodInfo(
            name=name,
            service_name="database.Database",
            input=bytes,
            output=bytes,
            idempotency_level=IdempotencyLevel.UNKNOWN,
            stream_type=stream_type,
        )

    transport = pyqwest.SyncHTTPTransport(http_version=pyqwest.HTTPVersion.HTTP2)
    with Relay(server.address) as relay:
        client = connectrpc.client.ConnectClientSync(
            f"http://{relay.address}",
            codec=Raw(),
            protocol=ProtocolType.GRPC,
            http_client=pyqwest.SyncClient(transport),
        )
        big = text(300_000)
        client.execute_unary(request=tag("big", big), method=method("PutDogTag"))
        assert relay.sent < 150_000
        client.execute_unary(request=tag("small", b"x"), method=method("PutDogTag"))
        got = client.execute_unary(request=equal("big"), method=method("GetDogTagsByPk"))
        assert records(got) == [tag("big", big)]
        assert (relay.received < 200_000) == bool(flags)
        stream = client.execute_server_stream(
            request=query(begins_with=""), method=method("StreamDogTagsByPk", StreamType.SERVER_STREAM)
        )
        assert_streamed(stream, [tag("big", big), tag("small", b"x")])


def test_buf_curl_reads_compressed_answers(compressing, tmp_path):
    name = text(5000).decode()
    with Database(compressing.address) as database:
        database.model("Dog").put(delimited(1, b"k") + delimited(2, name.encode()))
    url = f"http://{compressing.address}{SERVICE}GetDog"
    result = process.buf_curl(tmp_path, "--reflect", "--data", json.dumps({"pk": "k"}), url)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"pk": "k", "name": name}


# -- Frames of our own --------------------------------------------------------------------------------------------


def compressed(message: bytes) -> bytes:
    return http2.frame(gzip.compress(message), flag=1)


GOOD = tag("k", text(3000))
BOMB = gzip.compress(bytes(64 * MIB))
REFUSED = {
    "no encoding": (None, compressed(GOOD), StatusCode.INTERNAL),
    "identity": ("identity", compressed(GOOD), StatusCode.INTERNAL),
    "deflate": ("deflate", http2.frame(zlib.compress(GOOD), flag=1), StatusCode.UNIMPLEMENTED),
    "snappy": ("snappy", compressed(GOOD), StatusCode.UNIMPLEMENTED),
    "two names": ("gzip, identity", compressed(GOOD), StatusCode.UNIMPLEMENTED),
    "not compressed": ("gzip", http2.frame(GOOD, flag=1), StatusCode.INTERNAL),
    "zlib's format": ("gzip", http2.frame(zlib.compress(GOOD), flag=1), StatusCode.INTERNAL),
    "empty": ("gzip", http2.frame(b"", flag=1), StatusCode.INTERNAL),
    "cut": ("gzip", http2.frame(gzip.compress(GOOD)[:-1], flag=1), StatusCode.INTERNAL),
    "something after it": ("gzip", http2.frame(gzip.compress(GOOD) + b"\0", flag=1), StatusCode.INTERNAL),
    "two members": ("gzip", http2.frame(gzip.compress(GOOD) * 2, flag=1), StatusCode.INTERNAL),
    "wrong checksum": (
        "gzip",
        http2.frame(gzip.compress(GOOD)[:-5] + b"\0" + gzip.compress(GOOD)[-4:], flag=1),
        StatusCode.INTERNAL,
    ),
    "flag 3": ("gzip", http2.frame(gzip.compress(GOOD), flag=3), StatusCode.INTERNAL),
    "bomb": ("gzip", http2.frame(BOMB, flag=1), StatusCode.RESOURCE_EXHAUSTED),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refuses_what_is_not_gzip(plain, row):
    encoding, body, code = REFUSED[row]
    headers = {} if encoding is None else {"grpc-encoding": encoding}
    with connection(plain) as raw:
        answer = raw.request(PUT, body, headers=headers)
        failure = answer.failure()
        assert failure.code == code
        status.assert_sentence(failure.message, r"compress|flag")
        accepted = {**answer.headers, **answer.trailers}.get("grpc-accept-encoding")
        assert accepted == ("identity,gzip" if code == StatusCode.UNIMPLEMENTED else None)
        again = raw.request(PUT, compressed(GOOD), headers={"grpc-encoding": "gzip"})
        assert again.trailers["grpc-status"] == "0"


@pytest.mark.parametrize("encoding", ["snappy", "gzip", "identity"])
def test_takes_a_plain_message_whatever_the_encoding(plain, encoding):
    with connection(plain) as raw:
        answer = raw.request(PUT, http2.frame(GOOD), headers={"grpc-encoding": encoding})
        assert answer.trailers["grpc-status"] == "0"


def test_bombs_take_no_memory(plain):
    def resident() -> int:
        with open(f"/proc/{plain.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with connection(plain) as raw:
        raw.request(PUT, compressed(GOOD), headers={"grpc-encoding": "gzip"})
        before = resident()
        bomb = http2.frame(BOMB, flag=1)
        for _ in range(100):
            stream = raw.send(PUT, bomb, headers={"grpc-encoding": "gzip"})
            assert raw._answer(stream).failure().code == StatusCode.RESOURCE_EXHAUSTED
            assert resident() < before + 24 * MIB


@pytest.mark.parametrize(
    "size, accepted, is_compressed",
    [
        (5000, "gzip", True),
        (5000, "identity, deflate, gzip", True),
        (5000, "identity,deflate", False),
        (5000, None, False),
        (500, "gzip", False),
        (600_000, "gzip", False),
    ],
)
def test_compresses_answers_for_those_who_take_it(compressing, size, accepted, is_compressed):
    record = tag("k", text(size))
    headers = {} if accepted is None else {"grpc-accept-encoding": accepted}
    with Database(compressing.address) as database:
        database.model("DogTag").put(record)
    with connection(compressing) as raw:
        answer = raw.request(GET, http2.frame(equal("k")), headers=headers)
        assert answer.headers.get("grpc-encoding") == ("gzip" if is_compressed else None)
        assert answer.body[0] == int(is_compressed)
        message = gzip.decompress(answer.body[5:]) if is_compressed else answer.body[5:]
        assert records(message) == [record]
        assert answer.trailers["grpc-status"] == "0"


def test_compresses_nothing_unless_told_to(plain):
    with connection(plain) as raw:
        raw.request(PUT, http2.frame(GOOD))
        answer = raw.request(GET, http2.frame(equal("k")), headers={"grpc-accept-encoding": "gzip"})
        assert "grpc-encoding" not in answer.headers
        assert records(answer.body[5:]) == [GOOD]
