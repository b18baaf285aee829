"""How a server starts, tells of itself, and ends."""

from __future__ import annotations

import itertools
import queue
import re
import shutil
import signal
import socket
import threading

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from conftest import DOG_SCHEMA, DOGS_AND_TAGS
from harness import process, status
from harness.client import delimited
from harness.process import ServerFailed

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def refused(serve, *arguments, **more) -> ServerFailed:
    """A start that fails in good order: exit 1, nothing on stdout, one line on stderr."""
    with pytest.raises(ServerFailed) as raised:
        serve(*arguments, **more)
    error = raised.value
    assert error.returncode == 1, error
    assert error.stdout == "", error
    assert len(error.stderr.strip().splitlines()) == 1, error
    return error


class TestStart:
    @pytest.mark.one_engine
    def test_a_free_port_is_chosen_and_told_on_one_line(self, create, serve):
        server = serve(create(DOG_SCHEMA))
        assert server.host == "127.0.0.1" and server.port > 0
        other = serve(create(DOG_SCHEMA), data=serve.directory / "other")
        assert other.port != server.port
        server.stop()  # asserts that this line stayed the only one
        assert server.stdout() == f"listening on 127.0.0.1:{server.port}\n"

    @pytest.mark.one_engine
    def test_a_given_port_is_taken(self, create, serve):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = serve(create(DOG_SCHEMA), listen=f"127.0.0.1:{port}")
        assert server.address == f"127.0.0.1:{port}"

    @pytest.mark.one_engine
    def test_the_same_port_can_be_taken_again_at_once(self, create, serve):
        """A restart does not wait for the old connections' TIME_WAIT."""
        server = serve(create(DOG_SCHEMA))
        serve.connect(server).model("Dog").get(begins_with="")
        address = server.address
        server.stop()
        assert serve(create(DOG_SCHEMA), listen=address).address == address

    @pytest.mark.one_engine
    def test_a_port_in_use_is_one_clear_line(self, create, serve):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            error = refused(serve, create(DOG_SCHEMA), listen=f"127.0.0.1:{port}")
        assert str(port) in error.stderr and re.search("in use", error.stderr, re.IGNORECASE)

    def test_a_second_process_on_the_same_data_is_one_clear_line(self, create, serve):
        first = serve(create(DOG_SCHEMA))
        dogs = serve.connect(first).model("Dog")
        dogs.put(delimited(1, b"a"))
        error = refused(serve, create(DOG_SCHEMA))
        assert str(serve.data) in error.stderr, error
        assert dogs.get(eq="a") == [delimited(1, b"a")]
        first.stop()
        assert serve.connect(serve(create(DOG_SCHEMA))).model("Dog").get(eq="a")

    def test_data_of_another_engine_is_one_clear_line(self, create, serve, engine):
        server = serve(create(DOG_SCHEMA))
        serve.connect(server).model("Dog").put(delimited(1, b"a"))
        server.stop()
        other = {"rocksdb": "lsm", "lsm": "rocksdb"}[engine]
        error = refused(serve, create(DOG_SCHEMA), engine=other)
        assert f"--engine {engine}" in error.stderr and str(serve.data) in error.stderr, error
        markers = [
            p for p in serve.data.iterdir() if p.is_file() and engine.encode() in p.read_bytes()
        ]
        assert len(markers) == 1, sorted(serve.data.iterdir())
        original = markers[0].read_bytes()
        for damaged in (b"\0garbage\xff", b"", original.replace(engine.encode(), b"paper")):
            markers[0].write_bytes(damaged)
            refused(serve, create(DOG_SCHEMA))
        markers[0].write_bytes(original)
        assert serve.connect(serve(create(DOG_SCHEMA))).model("Dog").get(eq="a")

    @pytest.mark.one_engine
    @pytest.mark.parametrize("kind", ["file", "below a file", "not writable"])
    def test_a_data_directory_that_cannot_be_is_one_clear_line(self, create, serve, tmp_path, kind):
        (tmp_path / "file").write_text("not a directory")
        # /proc refuses everybody, root too.
        data = {
            "file": tmp_path / "file",
            "below a file": tmp_path / "file" / "data",
            "not writable": "/proc/seandb",
        }[kind]
        error = refused(serve, create(DOG_SCHEMA), data=data)
        assert str(data) in error.stderr, error

    @pytest.mark.one_engine
    def test_a_directory_of_something_else_is_not_touched(self, create, serve, tmp_path):
        data = tmp_path / "documents"
        data.mkdir()
        (data / "letter.txt").write_text("dear")
        error = refused(serve, create(DOG_SCHEMA), data=data)
        assert str(data) in error.stderr, error
        assert [p.name for p in data.iterdir()] == ["letter.txt"]

    def test_the_log_is_as_quiet_as_asked_for(self, create, serve):
        server = serve(create(DOG_SCHEMA), "--log-level", "error")
        serve.connect(server).model("Dog").put(delimited(1, b"a"))
        server.stop()
        assert server.stderr() == ""

    def test_out_server_needs_no_tools(self, create, serve, tmp_path):
        """Not protoc, not the Swift runtime: a copy elsewhere with an empty PATH starts."""
        copied = tmp_path / "elsewhere" / "renamed-server"
        copied.parent.mkdir()
        shutil.copy2(create(DOG_SCHEMA).server, copied)
        server = serve(command=[copied], env={"PATH": ""})
        assert serve.connect(server).models == ["Dog"]

    @pytest.mark.one_engine
    def test_out_server_with_a_damaged_schema_says_so(self, create, serve, tmp_path):
        image = bytearray(create(DOG_SCHEMA).server.read_bytes())
        at = image.rindex(b"SEANDBSC") + 40
        image[at] ^= 0x55
        broken = tmp_path / "broken-server"
        broken.write_bytes(image)
        broken.chmod(0o755)
        with pytest.raises(ServerFailed) as raised:
            serve(command=[broken])
        assert raised.value.returncode == 1 and raised.value.stdout == ""
        assert not process.CRASH_MARKS.search(raised.value.stderr), raised.value.stderr
        assert not serve.data.exists()


class TestCommandLine:
    @pytest.mark.parametrize(
        "flags",
        [
            ["--frobnicate"],
            ["--engine", "paper"],
            ["--durability", "maybe"],
            ["--listen", "nonsense"],
            ["--listen", "127.0.0.1:99999"],
            ["--max-request-size", "many"],
            ["--memtable-size", "1K"],
            ["--log-level", "loud"],
            ["--data"],
            ["extra", "words"],
        ],
        ids=" ".join,
    )
    def test_a_wrong_flag_is_a_usage_error(self, create, flags, tmp_path):
        for command in ([create(DOG_SCHEMA).server], [process.binary(), "serve"]):
            done = process.run(*command, "--data", tmp_path / "data", *flags)
            assert done.returncode == 64, done
            assert done.stdout == "" and len(done.stderr.splitlines()) == 2, done
            assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize(
        "command, words",
        [
            ([], ["create", "serve", "check"]),
            (["create"], ["-I", "--out"]),
            (
                ["serve"],
                [
                    "--engine",
                    "--data",
                    "--listen",
                    "--durability",
                    "--log-level",
                    "--max-request-size",
                    "--max-response-size",
                    "--memtable-size",
                ],
            ),
            (["check"], ["old", "new"]),
        ],
        ids=lambda c: " ".join(c) if c else "seandb",
    )
    def test_help(self, command, words):
        done = process.run(process.binary(), *command, "--help")
        assert done.returncode == 0 and done.stderr == ""
        for word in ["USAGE:", *words]:
            assert word.lower() in done.stdout.lower(), word

    def test_help_of_out_server(self, create):
        done = process.run(create(DOG_SCHEMA).server, "--help")
        assert done.returncode == 0
        for word in ("--engine", "--data", "--listen", "--durability", "127.0.0.1:50051", "sync"):
            assert word in done.stdout, word

    def test_an_unknown_command_is_a_usage_error(self):
        assert process.run(process.binary(), "destroy").returncode == 64


def watch(channel, service=""):
    """Follows a health status: a queue of what came, and the call."""
    seen = queue.Queue()
    call = health_pb2_grpc.HealthStub(channel).Watch(
        health_pb2.HealthCheckRequest(service=service), timeout=60
    )

    def follow():
        try:
            for response in call:
                seen.put(response.status)
        except grpc.RpcError:
            pass
        seen.put(None)

    threading.Thread(target=follow, daemon=True).start()
    return seen, call


class HeldPut:
    """A PutDog whose request is sent but not finished: in flight for as long as one likes."""

    def __init__(self, database, record: bytes):
        self._finish = threading.Event()
        self._sent = threading.Event()

        def request():
            yield record
            # Asked for the next message, so this one is on its way.
            self._sent.set()
            self._finish.wait(60)

        call = database.channel.stream_unary(f"/{database.service.full_name}/PutDog")
        self.future = call.future(request(), timeout=60)
        assert self._sent.wait(20)
        # A whole call after it on the same connection: the server has seen both.
        assert database.call("GetDogsByPk", b"\x0a\x06nobody") == b""

    def finish(self) -> bytes:
        self._finish.set()
        return self.future.result(timeout=30)


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
    def test_a_signal_drains(self, create, serve, number):
        server = serve(create(DOG_SCHEMA))
        database, other = serve.connect(server), serve.connect(server)
        held = HeldPut(database, delimited(1, b"held"))
        seen, _ = watch(other.channel)
        assert seen.get(timeout=20) == SERVING
        server.send(number)
        assert seen.get(timeout=20) == NOT_SERVING
        assert server.running
        assert held.finish() == b""
        assert server.wait() == 0
        server.stop()  # no crash, one line on stdout

        database = serve.connect(serve(create(DOG_SCHEMA)))
        assert database.model("Dog").get(begins_with="") == [delimited(1, b"held")]

    def test_a_signal_right_after_the_start_is_not_lost(self, create, serve):
        """As soon as the line is on stdout a signal drains; it is neither ignored nor deadly."""
        for number in itertools.islice(itertools.cycle([signal.SIGTERM, signal.SIGINT]), 30):
            serve(create(DOG_SCHEMA)).stop(number)

    def test_draining_takes_no_new_connections(self, create, serve):
        server = serve(create(DOG_SCHEMA))
        database, other = serve.connect(server), serve.connect(server)
        held = HeldPut(database, delimited(1, b"held"))
        seen, _ = watch(other.channel)
        assert seen.get(timeout=20) == SERVING
        server.send()
        assert seen.get(timeout=20) == NOT_SERVING
        late = serve.connect(server)
        with pytest.raises(grpc.RpcError) as raised:
            late.call("/database.Database/GetDogsByPk", b"\x22\x00", timeout=10)
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        held.finish()
        assert server.wait() == 0

    def test_a_second_signal_ends_it_at_once(self, create, serve):
        server = serve(create(DOG_SCHEMA))
        database, other = serve.connect(server), serve.connect(server)
        database.model("Dog").put(delimited(1, b"before"))
        held = HeldPut(database, delimited(1, b"held"))
        seen, _ = watch(other.channel)
        assert seen.get(timeout=20) == SERVING
        server.send()
        assert seen.get(timeout=20) == NOT_SERVING
        serve.forget(server)  # its end is not in good order, and is not meant to be
        server.send()
        server.wait(timeout=5)
        assert not process.CRASH_MARKS.search(server.stderr())
        with pytest.raises(grpc.RpcError):
            held.finish()
        database = serve.connect(serve(create(DOG_SCHEMA)))
        assert database.model("Dog").get(begins_with="") == [delimited(1, b"before")]

    @pytest.mark.one_engine
    def test_open_streams_do_not_hold_up_the_end(self, create, serve):
        """Reflection and health streams are never half-closed by many clients."""
        server = serve(create(DOG_SCHEMA))
        database = serve.connect(server)
        seen, _ = watch(database.channel)
        assert seen.get(timeout=20) == SERVING
        never = threading.Event()
        requests = iter(lambda: never.wait(60), None)
        stub = database.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        )
        stub((b"" for _ in requests), timeout=60)
        server.stop()
        never.set()

    @pytest.mark.one_engine
    def test_an_idle_connection_does_not_hold_up_the_end(self, create, serve):
        server = serve(create(DOG_SCHEMA))
        with socket.create_connection((server.host, server.port), timeout=20):
            server.stop()


@pytest.mark.one_engine
class TestHealth:
    @pytest.mark.parametrize("service", ["", "database.Database"])
    def test_check_of_what_is_served(self, database, service):
        stub = health_pb2_grpc.HealthStub(database.channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
        assert answer.status == SERVING

    def test_check_of_something_unknown_is_not_found(self, database):
        stub = health_pb2_grpc.HealthStub(database.channel)
        with pytest.raises(grpc.RpcError) as raised:
            stub.Check(health_pb2.HealthCheckRequest(service="no.Such"), timeout=20)
        assert status.failure(raised.value).code == grpc.StatusCode.NOT_FOUND

    def test_watch_of_something_unknown_says_so_and_stays_open(self, database):
        seen, call = watch(database.channel, "no.Such")
        assert seen.get(timeout=20) == SERVICE_UNKNOWN
        # A whole call later the stream is still there.
        database.call("GetDogsByPk", b"\x22\x00")
        assert call.is_active() and seen.empty()
        call.cancel()


REFLECTION = ["v1", "v1alpha"]
FULL = (
    DOGS_AND_TAGS
    + """
message Outer {
  string pk = 1;
  Inner inner = 2;
  oneof choice { string text = 3; }
  message Inner { Kind kind = 1; }
  enum Kind { KIND_NONE = 0; KIND_SOME = 1; }
}
"""
)


WITH_IMPORTS = {
    "schema.proto": """\
syntax = "proto3";
package p;
import "a/b.proto";
import "google/protobuf/timestamp.proto";
message Dog {
  string pk = 1 [(q.hint) = "key"];
  google.protobuf.Timestamp at = 2;
}
""",
    "a/b.proto": """\
syntax = "proto3";
package q;
import "google/protobuf/descriptor.proto";
extend google.protobuf.FieldOptions {
  string hint = 50001;
  int32 more = 50000;
}
""",
}


class Reflection:
    """One reflection stream: request in, response out."""

    def __init__(self, channel, version):
        self._requests = queue.Queue()
        call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        self._responses = call(iter(self._requests.get, None), timeout=30)

    def __call__(self, **request):
        message = reflection_pb2.ServerReflectionRequest(**request)
        self._requests.put(message)
        response = next(self._responses)
        assert response.original_request == message and response.valid_host == message.host
        return response

    def end(self):
        self._requests.put(None)
        return list(self._responses)


@pytest.fixture(params=REFLECTION)
def reflection(request, create, serve):
    database = serve.connect(serve(create(FULL)))
    stream = Reflection(database.channel, request.param)
    yield stream
    stream.end()


def files(response):
    assert response.WhichOneof("message_response") == "file_descriptor_response", response
    return [
        descriptor_pb2.FileDescriptorProto.FromString(data)
        for data in response.file_descriptor_response.file_descriptor_proto
    ]


@pytest.mark.one_engine
class TestReflection:
    def test_lists_every_service_sorted(self, reflection):
        for argument in ("", "*"):
            response = reflection(list_services=argument, host="localhost")
            assert [s.name for s in response.list_services_response.service] == [
                "database.Database",
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection",
            ]
        assert reflection.end() == []  # a half-close ends the call with OK

    @pytest.mark.parametrize(
        "symbol",
        [
            "database.Database",
            "database.Database.PutDog",
            "database.Dog",
            "database.Dogs",
            "database.IndexQuery",
            "database.Outer.Inner",
            "database.Outer.Kind",
            "database.Dog.pk",
            "database.Outer.KIND_SOME",
            "database.Outer.Inner.kind",
            ".database.Dog",
        ],
    )
    def test_finds_the_file_of_each_kind_of_symbol(self, reflection, symbol):
        found = files(reflection(file_containing_symbol=symbol))
        assert found[0].name == "database.proto" and found[0].package == "database"
        # The comments, and not a place for every word.
        locations = found[0].source_code_info.location
        assert locations and all(
            place.leading_comments or place.trailing_comments or place.leading_detached_comments
            for place in locations
        )

    @pytest.mark.parametrize(
        "symbol, name",
        [
            ("grpc.health.v1.Health", "Health"),
            ("grpc.reflection.v1.ServerReflection", "ServerReflection"),
            ("grpc.reflection.v1alpha.ServerReflection", "ServerReflection"),
        ],
    )
    def test_describes_its_own_services(self, reflection, symbol, name):
        assert name in [s.name for s in files(reflection(file_containing_symbol=symbol))[0].service]

    @pytest.mark.parametrize(
        "request_fields",
        [
            {"file_containing_symbol": "database.Cat"},
            {"file_containing_symbol": "database"},
            {"file_containing_symbol": ""},
            {"file_by_filename": "nothing.proto"},
            {
                "file_containing_extension": {
                    "containing_type": "database.Dog",
                    "extension_number": 7,
                }
            },
            {"file_containing_extension": {"containing_type": "no.Such", "extension_number": 7}},
            {"all_extension_numbers_of_type": "no.Such"},
        ],
        ids=str,
    )
    def test_what_is_not_there_is_an_answer_and_no_failed_call(self, reflection, request_fields):
        for _ in range(2):
            response = reflection(**request_fields)
            assert response.error_response.error_code == 5 and response.error_response.error_message
        assert files(reflection(file_by_filename="database.proto"))

    def test_a_request_without_a_question_ends_the_call(self, reflection):
        with pytest.raises(grpc.RpcError) as raised:
            reflection(host="localhost")
        assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        reflection.end = lambda: []

    def test_no_extensions_of_a_known_type_is_an_empty_list(self, reflection):
        response = reflection(all_extension_numbers_of_type="database.Dog")
        answer = response.all_extension_numbers_response
        assert answer.base_type_name == "database.Dog" and list(answer.extension_number) == []

    @pytest.mark.parametrize("version", REFLECTION)
    def test_imports_and_extensions_are_served(self, create, serve, version):
        """A tool that finds one import missing, or one option's definition, can use nothing."""
        database = serve.connect(serve(create(WITH_IMPORTS)))
        stream = Reflection(database.channel, version)
        found = files(stream(file_containing_symbol="p.Dog"))
        names = [file.name for file in found]
        assert names[0] == "database.proto"
        assert sorted(names[1:]) == [
            "a/b.proto",
            "google/protobuf/descriptor.proto",
            "google/protobuf/field_mask.proto",
            "google/protobuf/timestamp.proto",
        ]
        # Sent once on this stream: only what was asked for comes again.
        assert [f.name for f in files(stream(file_by_filename="database.proto"))] == [
            "database.proto"
        ]
        extension = {"containing_type": "google.protobuf.FieldOptions", "extension_number": 50001}
        assert files(stream(file_containing_extension=extension))[0].name == "a/b.proto"
        numbers = stream(all_extension_numbers_of_type="google.protobuf.FieldOptions")
        assert list(numbers.all_extension_numbers_response.extension_number) == [50000, 50001]
        assert files(stream(file_containing_symbol="q.hint"))[0].name == "a/b.proto"
        assert stream.end() == []
