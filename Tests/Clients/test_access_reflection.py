"""Reflection shows each caller the models that it has a right on, and nothing of the others."""

from __future__ import annotations

import collections
import queue
import signal

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import proto_reflection_descriptor_database, reflection_pb2

from harness import process
from harness.process import eventually
from test_access import create_token

pytestmark = pytest.mark.one_engine

SCHEMA = {
    "schema.proto": """\
syntax = "proto3";

import "acme/common.proto";
import "acme/salary.proto";

// A dog of ours.
message Dog {
  string pk = 1;
  acme.Common common = 2;
  Visit.Kind last = 3;
  Collar collar = 4;
}

message Collar {
  string colour = 1;
}

// About visits: nobody's business.

// What the vet has found.
message Visit {
  enum Kind {
    ROUTINE = 0;
    // It bleeds.
    EMERGENCY = 1;
  }
  string pk = 1;
  Kind kind = 2;
  acme.Salary fee = 3;
  Diagnosis diagnosis = 4;
}

message Diagnosis {
  string text = 1;
}

// The last one.
message Zebra {
  string pk = 1;
  Visit visit = 2;
}
""",
    "include/acme/common.proto": 'syntax = "proto3"; package acme; message Common { string x = 1; }',
    "include/acme/salary.proto": 'syntax = "proto3"; package acme; message Salary { int64 cents = 1; }',
}
MODELS = ("Dog", "Visit", "Zebra")
ROLES = {
    "dogs": ["Dog: read"],
    "watch": ["Visit: watch"],
    "stripes": ["Zebra: write", "Dog: delete"],
    "reader": ["*: read"],
    "root": ["admin"],
}


class WithToken(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Sends a token with each call of a channel."""

    Details = collections.namedtuple("Details", "method timeout metadata credentials wait_for_ready compression")

    def __init__(self, token):
        self.metadata = [("authorization", f"Bearer {token}")]

    def intercept_stream_stream(self, continuation, details, requests):
        return continuation(self.Details(details.method, 30, self.metadata, None, None, None), requests)

    intercept_unary_unary = intercept_stream_stream


class Caller:
    """What reflection tells somebody."""

    def __init__(self, channel, token):
        self.token = token
        self.channel = grpc.intercept_channel(channel, WithToken(token))
        self.database = proto_reflection_descriptor_database.ProtoReflectionDescriptorDatabase(self.channel)
        # A pool takes no file with a name that nothing declares.
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def finds(self, *symbols) -> list[str]:
        call = self.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol) for symbol in symbols]
        answers = list(call(iter(asked), timeout=30))
        for answer in answers:
            assert answer.HasField("file_descriptor_response") or answer.error_response.error_code == 5
        return [s for s, answer in zip(symbols, answers, strict=True) if answer.HasField("file_descriptor_response")]

    def methods(self) -> set[str]:
        service = self.pool.FindServiceByName("database.Database")
        for method in service.methods:
            assert method.input_type.full_name and method.output_type.full_name
        return {method.name for method in service.methods}


def methods_of(*models) -> set[str]:
    shapes = ("Get{}", "Get{}sByPk", "Stream{}sByPk", "Delete{}sByPk", "Put{}", "BatchPut{}s", "Write{}")
    return {shape.format(model) for shape in shapes for model in models}


@pytest.fixture
def secured(create, serve, tmp_path):
    """A server with all roles, and the token of each."""
    tokens, tables = {}, ""
    for role, rules in ROLES.items():
        tokens[role], table = create_token(role, "--roles", role)
        tables += f'[[role]]\nname = "{role}"\nallow = {rules}\n\n{table}\n'.replace("'", '"')
    access = tmp_path / "access.toml"
    access.write_text(tables)
    server = serve(create(SCHEMA, include=["include"]), "--access", access)
    server.tokens, server.access, server.tables = tokens, access, tables
    with grpc.insecure_channel(server.address) as channel:
        yield server, lambda role: Caller(channel, tokens[role])


def test_a_caller_sees_its_models_and_what_they_use(secured):
    _, caller = secured
    dogs = caller("dogs")
    assert dogs.methods() == methods_of("Dog")
    dog = dogs.pool.FindMessageTypeByName("database.Dog")
    assert [field.name for field in dog.fields] == ["pk", "common", "last", "collar"]
    # Of the hidden model there is the one type that a dog has in it, and no more.
    visit = dogs.pool.FindMessageTypeByName("database.Visit")
    assert not visit.fields and [kind.name for kind in visit.enum_types] == ["Kind"]
    file = dogs.pool.FindFileByName("database.proto")
    assert "acme/salary.proto" not in [imported.name for imported in file.dependencies]
    assert "acme/common.proto" in [imported.name for imported in file.dependencies]
    shown = ["database.Dog.last", "database.Dogs", "database.Visit.Kind", "database.Visit.EMERGENCY", "acme.Common"]
    hidden = ["database.Visit.fee", "database.Visits", "database.Visits.Key", "database.Diagnosis", "acme.Salary"]
    hidden += ["database.Zebra", "database.Zebras", "database.Database.GetVisit", "database.Database.PutZebra"]
    assert dogs.finds(*shown, *hidden) == shown
    assert caller("root").finds(*shown, *hidden) == shown + hidden
    with pytest.raises(KeyError):
        dogs.database.FindFileByName("acme/salary.proto")


def test_each_right_shows_its_model(secured):
    _, caller = secured
    assert caller("watch").methods() == methods_of("Visit")
    assert caller("stripes").methods() == methods_of("Zebra", "Dog")
    assert caller("reader").methods() == caller("root").methods() == methods_of(*MODELS) | {"Transact"}
    # A zebra has a visit in it.
    visit = caller("stripes").pool.FindMessageTypeByName("database.Visit")
    assert [field.name for field in visit.fields] == ["pk", "kind", "fee", "diagnosis"]


def test_who_may_see_all_gets_the_same_bytes_as_without_rules(secured, create, serve):
    server, caller = secured
    open_server = serve(create(SCHEMA, include=["include"]), data=serve.directory / "open")

    def answer(channel):
        call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        return b"".join(call(iter([b"\x22\x0cdatabase.Dog", b"\x3a\x00"]), timeout=30))

    with grpc.insecure_channel(open_server.address) as channel:
        expected = answer(channel)
    assert answer(caller("root").channel) == answer(caller("reader").channel) == expected
    assert b"It bleeds" in expected and len(answer(caller("dogs").channel)) < len(expected)


def test_grpcurl_describes_what_is_permitted_with_its_comments(secured):
    server, _ = secured

    def grpcurl(role, *arguments):
        token = ["-H", f"authorization: Bearer {server.tokens[role]}"]
        return process.run(process.tool("grpcurl"), "-plaintext", *token, server.address, *arguments)

    described = grpcurl("stripes", "describe", "database.Zebra")
    assert described.returncode == 0 and "// The last one." in described.stdout, described.stderr
    described = grpcurl("dogs", "describe", "database.Dog")
    assert described.returncode == 0 and "// A dog of ours." in described.stdout, described.stderr
    described = grpcurl("dogs", "describe")
    assert described.returncode == 0, described.stderr
    for word in ("business", "found", "Diagnosis", "Zebra", "GetVisit", "The last one"):
        assert word not in described.stdout
    assert "rpc GetDog " in described.stdout
    missing = grpcurl("dogs", "describe", "database.Zebra")
    assert missing.returncode != 0 and "not found" in missing.stderr.lower()
    listed = grpcurl("dogs", "list", "database.Database")
    assert set(line.removeprefix("database.Database.") for line in listed.stdout.split()) == methods_of("Dog")
    assert "database.Database" in grpcurl("watch", "list").stdout


def test_a_right_that_is_taken_away_shows_in_an_open_stream(secured):
    server, caller = secured
    requests = queue.SimpleQueue()
    stream = caller("dogs").channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    answers = stream(iter(requests.get, None), timeout=60)
    symbol = b"\x22\x0cdatabase.Dog"
    requests.put(symbol)
    assert b"A dog of ours" in next(answers)
    server.access.write_text(server.tables.replace('"Dog: read"', '"Zebra: read"'))
    server.send(signal.SIGHUP)
    eventually(lambda: "the access file is in force" in server.stderr(), "the file is taken")
    requests.put(symbol)
    assert b"no symbol" in next(answers)
    requests.put(None)
    assert list(answers) == []
