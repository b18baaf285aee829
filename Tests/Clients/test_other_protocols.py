"""What a client that does not speak gRPC is told, and what the log says of it."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import time

import grpc
import pytest

from conftest import DOG_SCHEMA, ServerFactory
from harness import http2, process
from harness.client import delimited, query

pytestmark = pytest.mark.one_engine

TEXT = b"This port speaks gRPC over HTTP/2. Use a gRPC client, such as grpcurl.\n"
HEAD = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n" % len(TEXT)
)


@pytest.fixture(scope="module")
def server(create, tmp_path_factory, engine):
    factory = ServerFactory(tmp_path_factory.mktemp("protocols"), engine)
    try:
        yield factory(create(DOG_SCHEMA), "--log-level", "debug")
    finally:
        factory.close()


def talk(server, *pieces: bytes, timeout=http2.IO_TIMEOUT) -> bytes:
    """Sends the pieces, each in a packet of its own, and reads to the end of the connection."""
    with socket.create_connection((server.host, server.port), timeout=timeout) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


def logged(server, words: str) -> bool:
    deadline = time.monotonic() + 10
    while words not in server.stderr():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /\r\n",
        b"POST /database.Database/PutDog HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"PUT /x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    ],
    ids=lambda head: head.split(b"\r")[0].decode(),
)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_http1_is_answered_with_one_honest_line(server, request_head, bytewise):
    pieces = [bytes([byte]) for byte in request_head] if bytewise else [request_head]
    assert talk(server, *pieces) == HEAD + TEXT
    assert logged(server, "a client speaks HTTP/1")


def test_head_is_answered_without_a_body(server):
    assert talk(server, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n") == HEAD


def test_a_long_upload_does_not_cut_the_answer(server):
    body = b"x" * (1 << 20)
    assert talk(server, b"PUT /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body), body).startswith(
        HEAD
    )


@pytest.mark.parametrize("flags", [[], ["-d", "{}"], ["--http2"]], ids=["get", "post", "upgrade"])
def test_curl_shows_the_text(server, flags):
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    done = process.run("curl", "-sS", *flags, f"http://{server.address}/")
    assert (done.returncode, done.stdout, done.stderr) == (0, TEXT.decode(), ""), done


def test_tls_is_closed_at_once_and_the_log_says_why(server):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((server.host, server.port), timeout=10) as plain:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain).recv(1)
    assert logged(server, "a client speaks TLS, and this port does not")


@pytest.mark.parametrize(
    "sent",
    [
        b"\0" * 100,
        b"SSH-2.0-OpenSSH\r\n",
        b"get / http/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI * HTTP/1.1\r\n\r\n",
        b"\xff",
    ],
    ids=repr,
)
def test_anything_else_is_closed_without_a_byte(server, sent):
    assert talk(server, sent) == b""
    assert logged(server, "a client speaks no HTTP")


@pytest.mark.parametrize("step", [1, 3, 23, 24, 25])
def test_http2_may_come_in_any_pieces(server, step):
    """The preface too: a client on a bad line is no stranger."""
    with socket.create_connection((server.host, server.port), timeout=10) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
        for at in range(0, len(data), step):
            raw.sendall(data[at : at + step])
        # The server's own SETTINGS.
        head = raw.recv(9)
        assert head[3] == 4 and head[4] == 0, head


def test_nothing_is_sent_to_a_client_that_says_nothing(server):
    with socket.create_connection((server.host, server.port), timeout=10) as silent:
        silent.sendall(b"PRI * HTTP")
        # Whole calls of another client later, it has still got nothing.
        with http2.Connection(server.host, server.port) as other:
            answer = other.request("/database.Database/GetDogsByPk", http2.frame(query(eq="x")))
            assert answer.trailers.get("grpc-status") == "0"
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.recv(1)


def test_a_silent_client_does_not_hold_up_a_drain(create, serve):
    server = serve(create(DOG_SCHEMA))
    with socket.create_connection((server.host, server.port), timeout=20) as silent:
        silent.sendall(b"PRI *")
        server.stop()


def test_each_call_is_logged_when_asked_for(create, serve):
    server = serve(create(DOG_SCHEMA), "--log-level", "trace")
    database = serve.connect(server)
    database.model("Dog").put(delimited(1, b"rover"))
    with pytest.raises(grpc.RpcError):
        database.model("Dog").get()
    with pytest.raises(grpc.RpcError):
        database.call("/database.Database/Nothing", b"")
    server.stop()
    calls = [line for line in server.stderr().splitlines() if "method=" in line]
    [put] = [line for line in calls if "/PutDog" in line]
    assert re.search(r"trace\b.*\bcall\b", put), put
    assert "status=ok" in put and "requestBytes=7" in put and "answerBytes=0" in put, put
    assert re.search(r"\bmicroseconds=\d+", put), put
    [get] = [line for line in calls if "/GetDogsByPk" in line]
    assert "status=invalidArgument" in get and "reason=BAD_QUERY" in get, get
    [nothing] = [line for line in calls if "/Nothing" in line]
    assert "status=unimplemented" in nothing, nothing


def test_no_call_is_logged_when_not_asked_for(create, serve):
    server = serve(create(DOG_SCHEMA), "--log-level", "debug")
    serve.connect(server).model("Dog").put(delimited(1, b"rover"))
    server.stop()
    assert "method=" not in server.stderr()


def test_the_log_says_why_http2_ended_a_connection(server):
    """Metadata beyond what HPACK's decoder takes: all of the connection is lost, as RFC 9113 wants it."""
    with http2.Connection(server.host, server.port) as connection:
        try:
            connection.request(
                "/database.Database/GetDogsByPk",
                http2.frame(query(eq="x")),
                headers={"x-large": "~" * 70_000},
            )
        except Exception:  # noqa: BLE001: whatever the client makes of it
            pass
    assert logged(server, "a client broke the rules of HTTP/2 or its limits"), server.stderr()
