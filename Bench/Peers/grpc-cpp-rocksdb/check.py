"""Drives the server by a Python client and compares its answers with what seandb promises.

`make check` runs it. The client, the process and the model of what a database holds are those of the
client tests (Tests/Clients/harness).
"""

from __future__ import annotations

import pathlib
import random
import signal
import subprocess

import grpc
import pytest

from harness import process
from harness.client import Database, delimited, query, records, tag
from harness.model import SortedModel
from harness.process import ServerFailed, ServerProcess

PROGRAM = process.REPOSITORY / ".build/peers/bin/grpc-cpp-rocksdb"
EXPRESSIONS = ("eq", "gte", "lte", "begins_with")
# In byte order, with what is special somewhere: NUL, the last code points, the longest key.
KEYS = ["\0", "A", "a", "a\0", "a%", "aB", "ab", "abc", "b", "z" * 4096, "é", "\U0010ffff", "\U0010ffff1"]
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def record(key: str | bytes, name: str = "Rover", age: int = 3) -> bytes:
    """A Dog as every protobuf encoder writes it, so that the server, which decodes it, gives it back."""
    key = key.encode() if isinstance(key, str) else key
    return delimited(1, key) + delimited(2, name.encode()) + tag(3, 0) + bytes([age])


class Servers:
    """Starts servers on one data directory, and ends those that run when the test is over."""

    def __init__(self, directory: pathlib.Path):
        self.directory, self.data, self._started = directory, directory / "data", []

    def __call__(self, *flags, listen="127.0.0.1:0") -> ServerProcess:
        log = self.directory / f"server{len(self._started)}.log"
        command = [PROGRAM, "--data", self.data, "--listen", listen, *flags]
        self._started.append(ServerProcess(command, log))
        return self._started[-1]

    def stop(self):
        for server in self._started:
            server.stop()


@pytest.fixture
def serve(tmp_path):
    servers = Servers(tmp_path)
    yield servers
    servers.stop()


@pytest.fixture(params=["sync", "buffered"])
def durability(request):
    return request.param


@pytest.fixture
def dogs(serve):
    with Database(serve().address) as database:
        yield database.model("Dog")


def refusal(call, *arguments, **expression) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as raised:
        call(*arguments, **expression)
    return raised.value.code()


def test_every_expression_answers_in_byte_order(dogs):
    everything = [record(key) for key in KEYS]
    for key in random.Random(7).sample(KEYS, len(KEYS)):
        assert dogs.put(record(key)) == b""
    model = SortedModel({key.encode(): record(key) for key in KEYS})
    assert dogs.get(begins_with="") == dogs.get(gte="") == everything
    assert dogs.get(lte="") == dogs.get(eq="nobody") == []
    for key in KEYS:
        for expression in EXPRESSIONS:
            expected = model.get(expression, key.encode())
            assert dogs.get(**{expression: key}) == expected, (expression, key)


def test_of_a_key_twice_in_a_batch_the_last_counts(dogs):
    assert dogs.batch_put([record("a"), record("b"), record("a", "Max")]) == b""
    assert dogs.get(begins_with="") == [record("a", "Max"), record("b")]
    assert dogs.batch_put([]) == b""


def test_unknown_fields_are_kept(dogs):
    newer = record("a") + delimited(100, b"of a later schema")
    dogs.put(newer)
    assert dogs.get(eq="a") == [newer]


def test_wrong_arguments_change_nothing(dogs):
    dogs.put(record("a"))
    for bad in (b"", delimited(1, b""), record("z" * 4097)):
        assert refusal(dogs.put, bad) == INVALID
        assert refusal(dogs.batch_put, [record("b"), bad]) == INVALID
    for call in (dogs.get, dogs.delete):
        assert refusal(call) == INVALID
        assert refusal(call, eq="") == INVALID
    # An expression that a later version may have.
    assert refusal(dogs.database.call, "DeleteDogsByPk", delimited(5, b"a")) == INVALID
    assert dogs.get(begins_with="") == [record("a")]


def test_an_answer_beyond_the_limit_is_refused(dogs):
    for n in range(24):
        dogs.put(record(f"{n}", "x" * 3_000_000))
    assert refusal(dogs.get, begins_with="") == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(dogs.get(begins_with="2")) == 5


def test_a_random_program_agrees_with_an_independent_model(serve, durability):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed: {seed}")
    rng = random.Random(seed)
    model = SortedModel()
    for _ in range(2):
        server = serve("--durability", durability, "--memtable-size", "65536")
        with Database(server.address) as database:
            dogs = database.model("Dog")
            assert dogs.get(begins_with="") == model.get("begins_with", b"")
            for step in range(600):
                run_step(rng, dogs, model, step)
        server.kill()


def random_key(rng: random.Random) -> bytes:
    """Short keys over few letters, so that prefixes, bounds and repeats happen."""
    return "".join(rng.choice("ab\0é\U0010ffff") for _ in range(rng.randint(1, 4))).encode()


def run_step(rng: random.Random, dogs, model: SortedModel, step: int):
    choice, key = rng.random(), random_key(rng)
    if choice < 0.5:
        keys = [random_key(rng) for _ in range(rng.randint(1, 30))] if choice < 0.2 else [key]
        items = [(key, record(key, f"{step}.{n}")) for n, key in enumerate(keys)]
        dogs.batch_put([item for _, item in items]) if choice < 0.2 else dogs.put(items[0][1])
        for each, item in items:
            model.put(each, item)
    elif choice < 0.6:
        # Wide deletes are rare, so that there is something to find.
        expression = rng.choice(["eq"] * 6 + ["begins_with"] * 3 + ["gte", "lte"])
        dogs.delete(**{expression: key})
        model.delete(expression, key)
    else:
        expression = rng.choice(EXPRESSIONS)
        assert dogs.get(**{expression: key}) == model.get(expression, key), (step, expression, key)


def test_what_was_acknowledged_survives_kill_9(serve, durability):
    """Many calls at once: what one group holds is written, whole, before any of it is answered."""
    server = serve("--durability", durability)
    with Database(server.address) as database:
        put = database.stub("PutDog")
        calls = [put.future(record(f"{n:04d}"), timeout=30) for n in range(2000)]
        for call in calls[:1000]:
            call.result()
        server.kill()
        done = [n for n, call in enumerate(calls) if call.exception() is None]
    with Database(serve().address) as database:
        stored = set(database.model("Dog").get(begins_with=""))
    assert {record(f"{n:04d}") for n in done} <= stored


def test_a_range_delete_is_seen_whole_or_not_at_all(dogs):
    batch = [record(f"r{n:04d}") for n in range(1000)]
    get, delete = dogs.database.stub("GetDogsByPk"), dogs.database.stub("DeleteDogsByPk")
    everything = query(begins_with="r")
    for _ in range(10):
        dogs.batch_put(batch)
        calls = [get.future(everything), delete.future(everything), get.future(everything)]
        sizes = {len(records(call.result())) for call in calls}
        assert sizes <= {0, len(batch)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(serve, number):
    server = serve()
    with Database(server.address) as database:
        dogs = database.model("Dog")
        dogs.put(record("a"))
        server.stop(number)  # asserts exit code 0 and one line on stdout
        with Database(serve(listen=server.address).address) as again:
            assert again.model("Dog").get(begins_with="") == [record("a")]


def test_what_cannot_be_is_a_clear_error(serve):
    server = serve()
    for arguments, code, said in (
        ({"listen": "127.0.0.1:0"}, 1, "LOCK"),
        ({"listen": "nowhere"}, 64, "nowhere"),
    ):
        with pytest.raises(ServerFailed) as raised:
            serve(**arguments)
        assert raised.value.returncode == code and said in raised.value.stderr, raised.value
    serve.data = serve.directory / "other"
    with pytest.raises(ServerFailed) as raised:
        serve(listen=server.address)
    assert raised.value.returncode == 1 and server.address in raised.value.stderr, raised.value
    with pytest.raises(ServerFailed) as raised:
        serve("--durability", "none")
    assert raised.value.returncode == 64, raised.value


def test_tls(serve, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        + ["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
        + ["-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    server = serve("--tls-cert", certificate, "--tls-key", key)
    credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
    with grpc.secure_channel(server.address, credentials) as channel:
        channel.unary_unary("/database.Database/PutDog")(record("a"), timeout=10)
        get = channel.unary_unary("/database.Database/GetDogsByPk")
        assert records(get(query(eq="a"), timeout=10)) == [record("a")]
