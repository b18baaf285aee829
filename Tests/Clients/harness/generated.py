"""A client made from the text of a database.proto, by protoc, as users make theirs."""

from __future__ import annotations

import functools
import pathlib
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

from harness import process
from harness.client import CALL_TIMEOUT

WELL_KNOWN = pathlib.Path(protoc.__file__).parent / "_proto"


@functools.cache
def descriptors(directory: pathlib.Path) -> descriptor_pool.DescriptorPool:
    """What protoc makes of a directory's `database.proto`, apart from all others of this process."""
    out = directory / "database.descriptors"
    compiled = process.run(
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{directory}",
        f"-I{WELL_KNOWN}",
        f"--descriptor_set_out={out}",
        "--include_imports",
        "database.proto",
    )
    assert compiled.returncode == 0, compiled.stderr
    files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    out.unlink()
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


class Client:
    """Messages and calls of one database.proto over a channel: `client.GetDogsByPk(client.query(eq="a"))`.

    A call whose answer is a stream gives its iterator, which can also be cancelled.
    """

    def __init__(self, directory: pathlib.Path, channel):
        self.pool = descriptors(directory)
        file = self.pool.FindFileByName("database.proto")
        self.package = file.package
        self.service = list(file.services_by_name.values())[-1]
        for method in self.service.methods:
            kind = channel.unary_stream if method.server_streaming else channel.unary_unary
            call = kind(
                f"/{self.service.full_name}/{method.name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
            )
            setattr(self, method.name, functools.partial(call, timeout=CALL_TIMEOUT))

    def message(self, name: str):
        """The class of a message of the package, nested ones with dots."""
        return message_factory.GetMessageClass(
            self.pool.FindMessageTypeByName(f"{self.package}.{name}")
        )

    def query(self, **fields):
        """An IndexQuery; `keys` is its `in`, which is a word of Python."""
        keys = fields.pop("keys", None)
        mask = fields.pop("read_mask", None)
        message = self.message("IndexQuery")(**fields)
        if keys is not None:
            getattr(message, "in").SetInParent()
            getattr(message, "in").keys.extend(keys)
        if mask is not None:
            message.read_mask.SetInParent()
            message.read_mask.paths.extend(mask)
        return message
