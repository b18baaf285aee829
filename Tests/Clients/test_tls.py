"""TLS and mutual TLS with gRPC's own client, certificates that are replaced, and who may listen where."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import stat
import threading
import time

import grpc
import pytest

from conftest import DOG_SCHEMA
from harness import process
from harness.certificates import Authority
from harness.client import delimited
from harness.process import ServerFailed

pytestmark = pytest.mark.one_engine


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def certificate(authority, request):
    """A pair of this test's own."""
    return authority.sign(re.sub(r"\W", "-", request.node.name)[:40])


def credentials(authority, client=None):
    return grpc.ssl_channel_credentials(
        authority.root.pem, client and client.key_pem, client and client.pem
    )


def dog(name: str) -> bytes:
    return delimited(1, name.encode()) + delimited(2, b"of " + name.encode())


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing has happened in time"
        time.sleep(0.02)


class TestCalls:
    def test_calls_over_tls(self, create, serve, authority, certificate):
        server = serve(create(DOG_SCHEMA), *certificate.flags)
        dogs = serve.connect(server, credentials=credentials(authority)).model("Dog")
        dogs.put(dog("a"))
        assert dogs.get(eq="a") == [dog("a")]

    def test_large_messages_both_ways(self, create, serve, authority, certificate):
        server = serve(create(DOG_SCHEMA), *certificate.flags, "--max-request-size", "32M")
        dogs = serve.connect(server, credentials=credentials(authority)).model("Dog")
        items = [dog(f"{index:04}" + "x" * 900) for index in range(8000)]
        dogs.batch_put(items)
        assert dogs.get(begins_with="") == items

    def test_a_client_needs_a_certificate_of_the_authority(
        self, create, serve, authority, certificate, tmp_path
    ):
        server = serve(
            create(DOG_SCHEMA), *certificate.flags, "--tls-client-ca", authority.root.path
        )
        good = authority.sign("billing", "DNS:billing.internal,URI:spiffe://test/billing")
        dogs = serve.connect(server, credentials=credentials(authority, good)).model("Dog")
        dogs.put(dog("a"))
        assert dogs.get(eq="a") == [dog("a")]
        stranger = Authority(tmp_path / "other", "other").sign("stranger", "DNS:billing.internal")
        expired = authority.sign("expired", "DNS:billing.internal", days=-1)
        for bad in (None, stranger, expired):
            with serve.connect(server, credentials=credentials(authority, bad)) as database:
                with pytest.raises(grpc.RpcError) as raised:
                    database.stub("/grpc.health.v1.Health/Check")(b"", timeout=5)
                assert raised.value.code() in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                )

    def test_a_resumed_session_keeps_its_certificate(self, create, serve, authority, certificate):
        """The second connection of a client shows no certificate again, and is let in for the first one's."""
        server = serve(
            create(DOG_SCHEMA), *certificate.flags, "--tls-client-ca", authority.root.path
        )
        good = authority.sign("resuming", "DNS:billing.internal")
        context = client_context(authority)
        context.load_cert_chain(good.path, good.key)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for is_reused in (False, True):
            with socket.create_connection((server.host, server.port)) as plain:
                with context.wrap_socket(
                    plain, server_hostname="localhost", session=session
                ) as tls:
                    assert tls.session_reused == is_reused
                    tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
                    # The server's own SETTINGS.
                    assert tls.recv(9)[3] == 4
                    session = tls.session

    def test_a_stopped_reader_holds_little(self, create, serve, authority, certificate):
        server = serve(create(DOG_SCHEMA), *certificate.flags)
        database = serve.connect(server, credentials=credentials(authority))
        dogs = database.model("Dog")
        for start in range(0, 30000, 1500):
            dogs.batch_put([dog(f"{start + index:06}" + "x" * 900) for index in range(1500)])
        before = resident_bytes(server.pid)
        path = f"/{database.service.full_name}/StreamDogsByPk"
        stream = database.channel.unary_stream(path)
        answers = [stream(b"\x22\x00", timeout=60) for _ in range(20)]
        for each in answers:
            next(each)
        time.sleep(1)
        assert resident_bytes(server.pid) - before < 64 << 20
        assert dogs.get(eq="000001" + "x" * 900) == [dog("000001" + "x" * 900)]
        for each in answers:
            each.cancel()


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def client_context(authority, alpn="h2") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.root.path)
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


class TestHandshakes:
    @pytest.mark.parametrize("alpn", [None, "http/1.1"])
    def test_a_client_without_http2_is_ended(self, create, serve, authority, certificate, alpn):
        server = serve(create(DOG_SCHEMA), *certificate.flags, "--log-level", "debug")
        context = client_context(authority, alpn)
        with socket.create_connection((server.host, server.port), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                assert tls.recv(1) == b""
        wait_for(lambda: "does not offer HTTP/2 by ALPN" in server.stderr())

    @pytest.mark.parametrize(
        "flags,works",
        [
            (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
            (["-tls1_2"], True),
            (["-tls1_3"], True),
            (["-tls1_2", "-cipher", "AES128-GCM-SHA256"], False),
            (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], False),
            (["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], True),
        ],
    )
    def test_only_what_http2_allows(self, create, serve, authority, certificate, flags, works):
        server = serve(create(DOG_SCHEMA), *certificate.flags)
        completed = process.run(
            *["openssl", "s_client", "-connect", server.address, "-alpn", "h2", *flags],
            *["-CAfile", authority.root.path, "-verify_return_error"],
        )
        assert ("ALPN protocol: h2" in completed.stdout) == works, completed
        if not works:
            # The server says no, not the client.
            assert re.search("alert (protocol version|handshake failure)", completed.stderr), completed

    def test_a_plaintext_client_is_closed(self, create, serve, certificate):
        server = serve(create(DOG_SCHEMA), *certificate.flags, "--log-level", "debug")
        for text in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection((server.host, server.port), timeout=10) as plain:
                plain.sendall(text)
                # An alert of TLS, and no reset.
                assert plain.recv(100)[:1] in (b"\x15", b"")
                assert plain.recv(100) == b""
        wait_for(lambda: server.stderr().count("does not speak TLS, and this port does") == 2)
        assert " warning " not in server.stderr() and " error " not in server.stderr()


class TestReload:
    def test_no_call_is_lost_when_the_certificate_changes(
        self, create, serve, authority, certificate
    ):
        server = serve(create(DOG_SCHEMA), *certificate.flags)
        dogs = serve.connect(server, credentials=credentials(authority)).model("Dog")
        dogs.put(dog("a"))
        problems, count, stop = [], [0], threading.Event()

        def load():
            while not stop.is_set():
                try:
                    if count[0] % 50 == 0:
                        # A connection of its own, with whichever certificate there is.
                        fresh = serve.connect(server, credentials=credentials(authority))
                        assert fresh.model("Dog").get(eq="a") == [dog("a")]
                        fresh.close()
                    assert dogs.get(eq="a") == [dog("a")]
                    count[0] += 1
                except Exception as problem:
                    problems.append(problem)
                    return

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        seen = set()
        try:
            for number in range(4):
                certificate.replace(authority.sign(f"new{number}"))
                server.send(signal.SIGHUP)
                wait_for(lambda: server.stderr().count("get the new certificate") == number + 1)
                seen.add(served_certificate(server, authority))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not problems and count[0] > 100
        assert len(seen) == 4

    def test_what_does_not_fit_is_not_taken(self, create, serve, authority, certificate):
        server = serve(create(DOG_SCHEMA), *certificate.flags)
        before = served_certificate(server, authority)
        other = authority.sign("unfitting")
        good, good_key = certificate.pem, certificate.key_pem

        def refused(sentence: str):
            count = server.stderr().count("the one from before stays")
            server.send(signal.SIGHUP)
            wait_for(lambda: server.stderr().count("the one from before stays") == count + 1)
            assert re.search(sentence, server.stderr().splitlines()[-1])
            assert served_certificate(server, authority) == before

        certificate.path.write_bytes(other.pem)
        refused("is not the key of --tls-cert")
        certificate.path.write_bytes(other.pem[: len(other.pem) // 2])
        refused("is not a certificate .* or is cut short")
        certificate.replace(authority.sign("bygone", days=-1))
        refused("has expired on")
        certificate.path.unlink()
        refused("there is no such file")
        certificate.path.write_bytes(good)
        refused("is not the key of --tls-cert")
        certificate.key.write_bytes(good_key)
        server.send(signal.SIGHUP)
        wait_for(lambda: "is the one in its files already" in server.stderr())

    def test_clients_of_an_authority_that_is_gone_are_ended_and_others_lose_no_call(
        self, create, serve, authority, certificate, tmp_path
    ):
        bundle, other = tmp_path / "ca.pem", Authority(tmp_path / "other", "other")
        bundle.write_bytes(authority.root.pem + other.root.pem)
        server = serve(create(DOG_SCHEMA), *certificate.flags, "--tls-client-ca", bundle)
        stays = serve.connect(server, credentials=credentials(authority, authority.sign("stays", "DNS:a")))
        goes = serve.connect(server, credentials=credentials(authority, other.sign("goes", "DNS:b")))
        for client in (stays, goes):
            client.model("Dog").put(dog("a"))
        # What cannot be used changes nothing, and says so.
        for text, sentence in [
            (bundle.read_bytes()[:-40], "--tls-client-ca .* is not certificates of authorities"),
            (b"", "--tls-client-ca .* is not certificates of authorities"),
            (None, "--tls-client-ca .*: there is no such file"),
        ]:
            count = server.stderr().count("the one from before stays")
            if text is None:
                bundle.unlink()
            else:
                bundle.write_bytes(text)
            server.send(signal.SIGHUP)
            wait_for(lambda: server.stderr().count("the one from before stays") == count + 1)
            assert re.search(sentence, server.stderr().splitlines()[-1])
            for client in (stays, goes):
                assert client.model("Dog").get(eq="a") == [dog("a")]

        problems, stop = [], threading.Event()

        def load():
            try:
                while not stop.is_set():
                    assert stays.model("Dog").get(eq="a") == [dog("a")]
            except Exception as problem:
                problems.append(problem)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            bundle.write_bytes(authority.root.pem)
            server.send(signal.SIGHUP)
            wait_for(lambda: "get the new certificate" in server.stderr())
            with pytest.raises(grpc.RpcError) as raised:
                goes.model("Dog").get(eq="a")
            assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        finally:
            stop.set()
            thread.join()
        assert not problems

    @pytest.mark.parametrize("has_rules", [False, True])
    def test_a_certificate_that_expires_has_no_rights_any_more(
        self, create, serve, authority, certificate, tmp_path, has_rules
    ):
        flags = [*certificate.flags, "--tls-client-ca", authority.root.path]
        if has_rules:
            access = tmp_path / "access.toml"
            access.write_text('[[role]]\nname = "a"\nallow = ["admin"]\n[[certificate]]\nsan = "DNS:soon"\nroles = ["a"]\n')
            flags += ["--access", access]
        server = serve(create(DOG_SCHEMA), *flags)
        soon, end = authority.sign_for_seconds(f"soon-{has_rules}", "DNS:soon", 3)
        client = serve.connect(server, credentials=credentials(authority, soon))
        get = client.stub("/database.Database/GetDogsByPk")
        stream = client.channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=30)
        next(stream)
        last = None
        while True:
            began = time.time()
            try:
                get(b"\x0a\x01a", timeout=30)
            except grpc.RpcError as problem:
                last = problem
                break
            # The coarse clock of Linux is some milliseconds late, and seconds count as a whole.
            assert began < end + (1.1 if has_rules else 1.6)
        assert last is not None and time.time() > end
        # Either the next call, or the connection's end, whichever came first.
        assert last.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE)
        with pytest.raises(grpc.RpcError):
            list(stream)
        assert time.time() < end + 2
        assert " error " not in server.stderr()

    def test_the_end_of_a_certificate_is_told(self, create, serve, authority, certificate):
        certificate.replace(authority.sign("short", days=9))
        server = serve(create(DOG_SCHEMA), *certificate.flags)
        assert re.search("warning.*the certificate ends in [89] days; renew it", server.stderr())
        certificate.replace(authority.sign("long", days=15))
        server.send(signal.SIGHUP)
        wait_for(lambda: "get the new certificate" in server.stderr())
        assert server.stderr().count("days; renew it") == 1

    def test_without_tls_sighup_ends_the_server(self, create, serve):
        server = serve(create(DOG_SCHEMA))
        server.stop(signal.SIGHUP, code=-signal.SIGHUP)


def served_certificate(server, authority) -> bytes:
    with socket.create_connection((server.host, server.port), timeout=10) as plain:
        context = client_context(authority)
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            return tls.getpeercert(binary_form=True)


def refusal(serve, create, *flags, code=1, **more) -> str:
    with pytest.raises(ServerFailed) as raised:
        serve(create(DOG_SCHEMA), *flags, **more)
    error = raised.value
    assert error.returncode == code and error.stdout == "", error
    if code == 1:
        assert len(error.stderr.strip().splitlines()) == 1, error
    return error.stderr


class TestStart:
    def test_a_bad_pair_is_one_clear_line(self, create, serve, authority, certificate, tmp_path):
        other = authority.sign("other-pair")
        locked, nothing = tmp_path / "locked.key", tmp_path / "nothing"
        openssl = ["openssl", "pkey", "-in", certificate.key, "-aes256", "-passout", "pass:x"]
        assert process.run(*openssl, "-out", locked).returncode == 0
        for cert, key, sentence in [
            (nothing, certificate.key, "--tls-cert .*: there is no such file"),
            (certificate.path, nothing, "--tls-key .*: there is no such file"),
            (certificate.key, certificate.key, "--tls-cert .* is not a certificate"),
            (certificate.path, certificate.path, "--tls-key .* is not a private key"),
            (certificate.path, other.key, "--tls-key .* is not the key of --tls-cert"),
            (certificate.path, locked, "has a passphrase, .* openssl pkey"),
            (tmp_path, certificate.key, "cannot be read: it is no file"),
        ]:
            stderr = refusal(serve, create, "--tls-cert", cert, "--tls-key", key)
            assert re.match(f"error: .*{sentence}", stderr), stderr
        assert not serve.data.exists()

    def test_a_key_that_all_can_read_is_told(self, create, serve, certificate):
        certificate.key.chmod(0o644)
        server = serve(create(DOG_SCHEMA), *certificate.flags)
        assert "every user of this machine can read the key" in server.stderr()

    def test_the_open_network_needs_tls_or_a_word(self, create, serve, certificate):
        stderr = refusal(serve, create, listen="0.0.0.0:0", code=64)
        assert "TLS (--tls-cert and --tls-key) and rules (--access, or --tls-client-ca), or --insecure" in stderr
        stderr = refusal(serve, create, *certificate.flags, listen="0.0.0.0:0", code=64)
        assert "give it rules (--access, or --tls-client-ca), or --insecure" in stderr
        server = serve(create(DOG_SCHEMA), *certificate.flags, "--insecure", listen="0.0.0.0:0")
        assert server.port > 0
        other = serve.directory / "other"
        server = serve(create(DOG_SCHEMA), "--insecure", listen="0.0.0.0:0", data=other)
        assert "warning: --insecure: whoever reaches 0.0.0.0:0 may read and write" in server.stderr()


class TestUnixSockets:
    def test_beside_tcp(self, create, serve, tmp_path):
        path = tmp_path / "s"
        server = serve(
            create(DOG_SCHEMA), listen=["127.0.0.1:0", f"unix:{path}", "127.0.0.1:0"]
        )
        first, unix, second = server.addresses
        assert unix == f"unix:{path}" and first != second
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        serve.connect(server).model("Dog").put(dog("a"))
        from_unix = type(serve.connect(server))(unix)
        assert from_unix.model("Dog").get(eq="a") == [dog("a")]
        from_unix.close()
        server.stop()
        assert not path.exists()

    def test_alone_and_beside_tls(self, create, serve, authority, certificate, tmp_path):
        path = tmp_path / "s"
        server = serve(create(DOG_SCHEMA), listen=f"unix:{path}")
        dogs = serve.connect(server).model("Dog")
        dogs.put(dog("a"))
        assert dogs.get(eq="a") == [dog("a")]
        server.stop()
        server = serve(
            create(DOG_SCHEMA), *certificate.flags, listen=["127.0.0.1:0", f"unix:{path}"]
        )
        tls = serve.connect(server, credentials=credentials(authority))
        assert tls.model("Dog").get(eq="a") == [dog("a")]
        with type(tls)(f"unix:{path}") as plain:
            assert plain.model("Dog").get(eq="a") == [dog("a")]

    def test_of_a_dead_server_it_is_replaced_and_of_a_live_one_not(self, create, serve, tmp_path):
        path = tmp_path / "s"
        server = serve(create(DOG_SCHEMA), listen=f"unix:{path}")
        other = serve.directory / "other"
        stderr = refusal(serve, create, listen=f"unix:{path}", data=other)
        assert f"cannot listen on unix:{path}: another server listens on it" in stderr
        assert not other.exists()
        server.kill()
        assert path.exists()
        again = serve(create(DOG_SCHEMA), listen=f"unix:{path}")
        assert serve.connect(again).model("Dog").get(begins_with="") == []
        file = tmp_path / "file"
        file.write_text("text")
        stderr = refusal(serve, create, listen=f"unix:{file}", data=other)
        assert "what is there is no socket" in stderr and file.read_text() == "text"

    def test_a_path_that_is_too_long_is_one_clear_line(self, create, serve):
        stderr = refusal(serve, create, listen="unix:/tmp/" + "x" * 103, code=64)
        assert "at most 107 bytes for a Unix socket; this one has 108" in stderr
