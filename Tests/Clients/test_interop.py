"""gRPC's interoperability cases (grpc/grpc:doc/interop-test-descriptions.md), by its Python client on its C core.

Each runs in plaintext, over TLS, and over TLS with a certificate of the client's. Whether an answer came compressed
Python's client does not tell: of those cases it sees the answers, and frames show the rest. The client in C++
(Tests/InteropClient) sees both.
"""

from __future__ import annotations

import pathlib
import queue

import grpc
import pytest

from harness import interop
from harness.frames import FrameClient
from harness.certificates import Authority
from harness.interop import TIMEOUT
from harness.process import ServerProcess

LARGE_REQUEST, LARGE_ANSWER = 271_828, 314_159
REQUEST_SIZES = [27_182, 8, 1_828, 45_904]
ANSWER_SIZES = [31_415, 9, 2_653, 58_979]
ECHO_TEXT = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
ECHO_BYTES = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")


class Server:
    """A running interop server, and how to reach it."""

    def __init__(self, process: ServerProcess, directory: pathlib.Path, credentials):
        self.process, self.directory, self.credentials = process, directory, credentials

    def channel(self) -> grpc.Channel:
        """A connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        if self.credentials is None:
            return grpc.insecure_channel(self.process.address, options)
        return grpc.secure_channel(self.process.address, self.credentials, options)


@pytest.fixture(scope="module", params=["plaintext", "tls", "mutual-tls"])
def server(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("interop")
    flags, credentials = [], None
    if request.param != "plaintext":
        authority = Authority(directory / "authority")
        flags, client = [*authority.sign("server").flags], None
        if request.param == "mutual-tls":
            flags += ["--tls-client-ca", authority.root.path]
            client = authority.sign("client", "DNS:client.internal")
        credentials = grpc.ssl_channel_credentials(
            authority.root.pem, client and client.key_pem, client and client.pem
        )
    process = ServerProcess(
        [interop.binary(), "--port", 0, *flags], directory / "server.log"
    )
    try:
        yield Server(process, directory, credentials)
    finally:
        process.stop()


@pytest.fixture
def client(server):
    with server.channel() as channel:
        yield interop.TestClient(channel, server.directory)


def large_unary(client, timeout=TIMEOUT):
    request = client.SimpleRequest(response_size=LARGE_ANSWER, payload=client.zeros(LARGE_REQUEST))
    answer = client.UnaryCall(request, timeout=timeout)
    assert answer.payload.body == bytes(LARGE_ANSWER)


def output_request(client, size: int, request_size: int = 0, interval: int = 0):
    parameters = [client.ResponseParameters(size=size, interval_us=interval)]
    return client.StreamingOutputCallRequest(
        response_parameters=parameters, payload=client.zeros(request_size)
    )


class Requests:
    """The requests of a call, each sent when the test says so."""

    def __init__(self):
        self._queue = queue.SimpleQueue()

    def send(self, message):
        self._queue.put(message)

    def close(self):
        self._queue.put(None)

    def __iter__(self):
        return iter(self._queue.get, None)


@pytest.fixture
def requests():
    sent = Requests()
    yield sent
    sent.close()


def test_empty_unary(client):
    assert client.EmptyCall(client.Empty(), timeout=TIMEOUT) == client.Empty()


def test_large_unary(client):
    large_unary(client)


def test_client_compressed_unary(client):
    def call(is_expected: bool, compression=None):
        request = client.SimpleRequest(
            expect_compressed=client.BoolValue(value=is_expected),
            response_size=LARGE_ANSWER,
            payload=client.zeros(LARGE_REQUEST),
        )
        answer = client.UnaryCall(request, compression=compression, timeout=TIMEOUT)
        assert answer.payload.body == bytes(LARGE_ANSWER)

    with pytest.raises(grpc.RpcError) as raised:
        call(True)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    call(True, grpc.Compression.Gzip)
    call(False)


def test_client_compressed_streaming(client):
    """Python's client compresses all messages of a call or none: the official case's second one comes uncompressed."""

    def call(compression=None):
        messages = [
            client.StreamingInputCallRequest(
                expect_compressed=client.BoolValue(value=is_expected), payload=client.zeros(size)
            )
            for is_expected, size in ((True, 27_182), (False, 45_904))
        ]
        answer = client.StreamingInputCall(iter(messages), compression=compression, timeout=TIMEOUT)
        assert answer.aggregated_payload_size == 73_086

    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    call(grpc.Compression.Gzip)


ANSWERS_OF_CHOICE = [(31_415, True), (92_653, False)]


def answers_of_choice(client, reverse=False):
    """Answers of which one is to be compressed, and one not."""
    parameters = [
        client.ResponseParameters(size=size, compressed=client.BoolValue(value=is_compressed != reverse))
        for size, is_compressed in ANSWERS_OF_CHOICE
    ]
    return client.StreamingOutputCallRequest(response_parameters=parameters)


def test_server_compressed(client):
    """server_compressed_unary and server_compressed_streaming."""
    for is_compressed in (True, False):
        request = client.SimpleRequest(
            response_compressed=client.BoolValue(value=is_compressed),
            response_size=LARGE_ANSWER,
            payload=client.zeros(LARGE_REQUEST),
        )
        assert client.UnaryCall(request, timeout=TIMEOUT).payload.body == bytes(LARGE_ANSWER)
        answers = client.StreamingOutputCall(answers_of_choice(client, not is_compressed), timeout=TIMEOUT)
        assert [len(answer.payload.body) for answer in answers] == [size for size, _ in ANSWERS_OF_CHOICE]


@pytest.mark.parametrize("server", ["plaintext"], indirect=True)
def test_server_compressed_as_frames(server, client):
    """What of them goes over the wire, and what to a client that does not take gzip."""
    unary = client.SimpleRequest(response_compressed=client.BoolValue(value=True), response_size=LARGE_ANSWER)
    with FrameClient(server.process, 1 << 20, 1 << 20, credit=True) as raw:
        for accepts in ("identity,gzip", "identity"):
            headers = {"grpc-accept-encoding": accepts}
            takes = "gzip" in accepts
            calls = [
                ("UnaryCall", unary, [takes]),
                ("UnaryCall", client.SimpleRequest(response_size=LARGE_ANSWER), [False]),
                ("StreamingOutputCall", answers_of_choice(client), [takes, False]),
                ("StreamingOutputCall", answers_of_choice(client, True), [False, takes]),
            ]
            for method, request, flags in calls:
                path = f"/{interop.SERVICE}/{method}"
                answer = raw.answer(raw.request(path, request.SerializeToString(), headers))
                assert answer.fields["grpc-status"] == "0"
                seen, rest = [], bytes(answer.body)
                while rest:
                    seen.append(rest[0] == 1)
                    rest = rest[5 + int.from_bytes(rest[1:5]) :]
                assert seen == flags
                assert ("grpc-encoding" in answer.fields) == (takes and (True in flags))


def test_client_streaming(client):
    messages = [client.StreamingInputCallRequest(payload=client.zeros(s)) for s in REQUEST_SIZES]
    answer = client.StreamingInputCall(iter(messages), timeout=TIMEOUT)
    assert answer.aggregated_payload_size == sum(REQUEST_SIZES) == 74_922


def test_server_streaming(client):
    parameters = [client.ResponseParameters(size=size) for size in ANSWER_SIZES]
    request = client.StreamingOutputCallRequest(response_parameters=parameters)
    answers = client.StreamingOutputCall(request, timeout=TIMEOUT)
    assert [len(answer.payload.body) for answer in answers] == ANSWER_SIZES


def test_ping_pong(client, requests):
    call = client.FullDuplexCall(iter(requests), timeout=TIMEOUT)
    for request_size, size in zip(REQUEST_SIZES, ANSWER_SIZES, strict=True):
        requests.send(output_request(client, size, request_size))
        assert len(next(call).payload.body) == size
    requests.close()
    assert list(call) == []
    assert call.code() == grpc.StatusCode.OK


def test_half_duplex(client):
    messages = [output_request(client, size) for size in ANSWER_SIZES]
    answers = client.HalfDuplexCall(iter(messages), timeout=TIMEOUT)
    assert [len(answer.payload.body) for answer in answers] == ANSWER_SIZES


def test_empty_stream(client):
    call = client.FullDuplexCall(iter([]), timeout=TIMEOUT)
    assert list(call) == []
    assert call.code() == grpc.StatusCode.OK


def assert_echoes(call):
    assert ECHO_TEXT in [tuple(field) for field in call.initial_metadata()]
    assert ECHO_BYTES in [tuple(field) for field in call.trailing_metadata()]


def test_custom_metadata(client):
    metadata = [ECHO_TEXT, ECHO_BYTES]
    request = client.SimpleRequest(response_size=LARGE_ANSWER, payload=client.zeros(LARGE_REQUEST))
    _, call = client.UnaryCall.with_call(request, metadata=metadata, timeout=TIMEOUT)
    assert_echoes(call)
    call = client.FullDuplexCall(
        iter([output_request(client, LARGE_ANSWER, LARGE_REQUEST)]), metadata=metadata, timeout=TIMEOUT
    )
    assert [len(answer.payload.body) for answer in call] == [LARGE_ANSWER]
    assert_echoes(call)


def assert_status(client, code: int, message: str):
    status = client.EchoStatus(code=code, message=message)
    with pytest.raises(grpc.RpcError) as raised:
        client.UnaryCall(client.SimpleRequest(response_status=status), timeout=TIMEOUT)
    assert (raised.value.code().value[0], raised.value.details()) == (code, message)
    call = client.FullDuplexCall(
        iter([client.StreamingOutputCallRequest(response_status=status)]), timeout=TIMEOUT
    )
    with pytest.raises(grpc.RpcError):
        list(call)
    assert (call.code().value[0], call.details()) == (code, message)


def test_status_code_and_message(client):
    assert_status(client, 2, "test status message")


def test_special_status_message(client):
    assert_status(client, 2, "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")


@pytest.mark.parametrize("service", ["TestService", "UnimplementedService"])
def test_unimplemented(client, server, service):
    """unimplemented_method and unimplemented_service."""
    with server.channel() as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(f"/grpc.testing.{service}/UnimplementedCall")(b"", timeout=TIMEOUT)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_cancel_after_begin(client, requests):
    call = client.StreamingInputCall.future(iter(requests), timeout=TIMEOUT)
    call.cancel()
    assert call.code() == grpc.StatusCode.CANCELLED


def test_cancel_after_first_response(client, requests):
    call = client.FullDuplexCall(iter(requests), timeout=TIMEOUT)
    requests.send(output_request(client, ANSWER_SIZES[0], REQUEST_SIZES[0]))
    assert len(next(call).payload.body) == ANSWER_SIZES[0]
    call.cancel()
    with pytest.raises(grpc.RpcError):
        next(call)
    assert call.code() == grpc.StatusCode.CANCELLED


def test_timeout_on_sleeping_server(client, requests):
    call = client.FullDuplexCall(iter(requests), timeout=0.001)
    requests.send(output_request(client, 8, REQUEST_SIZES[0], interval=10_000_000))
    with pytest.raises(grpc.RpcError):
        next(call)
    assert call.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_answers_keep_their_times(client):
    """The deadline comes between two answers; that of the official case may come before the call does."""
    parameters = [
        client.ResponseParameters(size=10),
        client.ResponseParameters(size=10, interval_us=60_000_000),
    ]
    request = client.StreamingOutputCallRequest(response_parameters=parameters)
    call = client.StreamingOutputCall(request, timeout=2)
    assert len(next(call).payload.body) == 10
    with pytest.raises(grpc.RpcError):
        next(call)
    assert call.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_concurrent_large_unary(client):
    """1000 at a time on one connection."""
    request = client.SimpleRequest(response_size=LARGE_ANSWER, payload=client.zeros(LARGE_REQUEST))
    calls = [client.UnaryCall.future(request, timeout=TIMEOUT) for _ in range(1000)]
    for call in calls:
        assert len(call.result().payload.body) == LARGE_ANSWER


def test_rpc_soak(client):
    for _ in range(100):
        large_unary(client)


def test_channel_soak(server):
    for _ in range(20):
        with server.channel() as channel:
            large_unary(interop.TestClient(channel, server.directory))


def test_a_client_that_does_not_read_stops_its_own_calls_only(client, server):
    """Requests for 200 answers of 1 MB, of which one is read: the server makes few, and serves others meanwhile."""
    before = server_memory(server)
    messages = [output_request(client, 1 << 20, 60_000)] * 200
    call = client.FullDuplexCall(iter(messages), timeout=TIMEOUT)
    assert len(next(call).payload.body) == 1 << 20
    large_unary(client)
    assert server_memory(server) - before < 64 << 20
    assert sum(len(answer.payload.body) for answer in call) == 199 << 20


def server_memory(server) -> int:
    """Bytes."""
    fields = pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in fields if line.startswith("VmRSS"))
