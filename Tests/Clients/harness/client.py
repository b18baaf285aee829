"""A client that knows nothing but an address: everything else comes by reflection."""

from __future__ import annotations

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

CALL_TIMEOUT = 30.0
SYSTEM_SERVICES = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def delimited(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return tag(number, 2) + varint(len(payload)) + payload


def query(**fields: str | bytes | int | list | dict) -> bytes:
    """The bytes of an IndexQuery: query(eq="a"), query(range={"gte": "a", "lt": "b"}), query().

    `keys` is its `in`; numbers are for what is neither text nor message, True is 1.
    """
    numbers = {"eq": 1, "gte": 2, "lte": 3, "begins_with": 4, "gt": 5, "lt": 6, "range": 7, "keys": 8}
    numbers |= {"page_size": 16, "page_token": 17, "order": 18, "read_mask": 19}
    numbers |= {"count_only": 20, "with_etags": 21}
    bounds = {"gte": 1, "gt": 2, "lte": 3, "lt": 4}

    def encoded(value) -> bytes:
        if isinstance(value, dict):
            return b"".join(delimited(bounds[name], encoded(key)) for name, key in value.items())
        if isinstance(value, list):
            return b"".join(delimited(1, encoded(each)) for each in value)
        return value.encode() if isinstance(value, str) else value

    return b"".join(
        tag(numbers[name], 0) + varint(value)
        if isinstance(value, int)
        else delimited(numbers[name], encoded(value))
        for name, value in fields.items()
    )


def records(response: bytes) -> list[bytes]:
    """The records of a list message (`Dogs`), as raw bytes. Anything else in it is an error."""
    out, at = [], 0
    while at < len(response):
        assert response[at] == 0x0A, f"byte {at} of the answer is not field 1"
        at += 1
        length = shift = 0
        while True:
            byte = response[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        assert at + length <= len(response), "the answer is truncated"
        out.append(response[at : at + length])
        at += length
    return out


def listed(items) -> bytes:
    """A list message made of raw records."""
    return b"".join(delimited(1, item) for item in items)


class Model:
    """The four RPCs of one model over raw bytes: what goes out is what the test wrote."""

    def __init__(self, database: Database, name: str):
        self.database, self.name, self.plural = database, name, name + "s"

    def put(self, record: bytes) -> bytes:
        return self.database.call(f"Put{self.name}", record)

    def batch_put(self, items) -> bytes:
        return self.database.call(f"BatchPut{self.plural}", listed(items))

    def get(self, **expression) -> list[bytes]:
        return records(self.database.call(f"Get{self.plural}ByPk", query(**expression)))

    def delete(self, **expression) -> bytes:
        return self.database.call(f"Delete{self.plural}ByPk", query(**expression))


class Database:
    """A connection to one server, with its descriptors."""

    def __init__(self, address: str, receive_limit: int = -1, options=(), credentials=None):
        self.address = address
        options = [
            ("grpc.max_receive_message_length", receive_limit),
            ("grpc.max_send_message_length", -1),
            # Each test has a connection of its own, and no backoff from an earlier server.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 50),
            *options,
        ]
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options)
        else:
            self.channel = grpc.secure_channel(address, credentials, options)
        self._pool = self._reflected = self._service = None
        self._calls = {}

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def reflected(self) -> ProtoReflectionDescriptorDatabase:
        if self._reflected is None:
            self._reflected = ProtoReflectionDescriptorDatabase(self.channel)
        return self._reflected

    @property
    def pool(self) -> descriptor_pool.DescriptorPool:
        if self._pool is None:
            self._pool = descriptor_pool.DescriptorPool(self.reflected)
        return self._pool

    @property
    def service(self):
        """The descriptor of the one service that is the database."""
        if self._service is None:
            names = [n for n in self.reflected.get_services() if n not in SYSTEM_SERVICES]
            assert len(names) == 1, names
            self._service = self.pool.FindServiceByName(names[0])
        return self._service

    @property
    def models(self) -> list[str]:
        names = [method.name for method in self.service.methods]
        return [n[3:] for n in names if n.startswith("Put")]

    def model(self, name: str) -> Model:
        return Model(self, name)

    def message(self, name: str):
        """The class of a message: by its full name, or by its name in the service's package."""
        package = self.service.file.package
        full = name if "." in name or not package else f"{package}.{name}"
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(full))

    def stub(self, path: str):
        """A call over raw bytes: `path` is a method of the database or `/service/method`."""
        if not path.startswith("/"):
            path = f"/{self.service.full_name}/{path}"
        if path not in self._calls:
            self._calls[path] = self.channel.unary_unary(path)
        return self._calls[path]

    def call(self, path: str, request: bytes, timeout: float = CALL_TIMEOUT) -> bytes:
        return self.stub(path)(request, timeout=timeout)
