"""The interop server, gRPC's own test service on `Wire`, and a client made of its proto file."""

from __future__ import annotations

import functools
import os
import pathlib
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from harness import process

PROTO = process.REPOSITORY / "Tests" / "InteropServer" / "Protos" / "test.proto"
SERVICE = "grpc.testing.TestService"
TIMEOUT = 60.0


def binary() -> pathlib.Path:
    """The interop server: `SEANDB_INTEROP`, or what a build of the Swift tests makes."""
    named = os.environ.get("SEANDB_INTEROP")
    return pathlib.Path(named) if named else process.REPOSITORY / ".build" / "debug" / "interop-server"


@functools.cache
def _pool(directory: pathlib.Path) -> descriptor_pool.DescriptorPool:
    out = directory / "interop.descriptors"
    compiled = process.run(
        *[sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO.parent}"],
        *[f"--descriptor_set_out={out}", PROTO.name],
    )
    assert compiled.returncode == 0, compiled.stderr
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


class TestClient:
    """`client.UnaryCall(client.SimpleRequest(…))`: the service's methods and messages, by their names."""

    __test__ = False

    def __init__(self, channel: grpc.Channel, directory: pathlib.Path):
        self._channel = channel
        self._pool = _pool(directory)

    def __getattr__(self, name: str):
        """A method of the service, or a message."""
        service = self._pool.FindServiceByName(SERVICE)
        method = service.methods_by_name.get(name)
        if method is None:
            made = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(f"grpc.testing.{name}"))
        else:
            kinds = {
                (False, False): self._channel.unary_unary,
                (False, True): self._channel.unary_stream,
                (True, False): self._channel.stream_unary,
                (True, True): self._channel.stream_stream,
            }
            made = kinds[method.client_streaming, method.server_streaming](
                f"/{SERVICE}/{name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
            )
        setattr(self, name, made)
        return made

    def zeros(self, size: int):
        return self.Payload(body=bytes(size))
