"""Random records made from descriptors, and their bytes in orders that no library would write."""

from __future__ import annotations

import math
import random
import struct

from google.protobuf.descriptor import FieldDescriptor as Field

from harness.client import delimited, tag, varint

TEXTS = [
    "",
    "a",
    "naïve café",
    "日本語 🐕",
    "line\nbreak\ttab",
    "\0nul\0",
    "100% _wild_",
    "\U0010ffff",
    "ÿ" * 70,
]

INTEGERS = {
    Field.TYPE_INT32: (-(2**31), 2**31 - 1),
    Field.TYPE_SINT32: (-(2**31), 2**31 - 1),
    Field.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    Field.TYPE_UINT32: (0, 2**32 - 1),
    Field.TYPE_FIXED32: (0, 2**32 - 1),
    Field.TYPE_INT64: (-(2**63), 2**63 - 1),
    Field.TYPE_SINT64: (-(2**63), 2**63 - 1),
    Field.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    Field.TYPE_UINT64: (0, 2**64 - 1),
    Field.TYPE_FIXED64: (0, 2**64 - 1),
}
MAX_DEPTH = 4


def scalar(field, rng: random.Random):
    """A random value of a field that is not a message; the edges of its type come often."""
    kind = field.type
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        return rng.choice([low, high, 0, 1, rng.randint(low, high)])
    if kind == Field.TYPE_BOOL:
        return rng.random() < 0.5
    if kind == Field.TYPE_FLOAT:
        exact = struct.unpack("<f", struct.pack("<f", rng.uniform(-1e9, 1e9)))[0]
        return rng.choice([0.0, -0.0, math.inf, -math.inf, math.nan, exact])
    if kind == Field.TYPE_DOUBLE:
        return rng.choice([0.0, -0.0, math.inf, -math.inf, math.nan, rng.uniform(-1e99, 1e99)])
    if kind == Field.TYPE_STRING:
        return rng.choice(TEXTS)
    if kind == Field.TYPE_BYTES:
        return rng.randbytes(rng.choice([0, 1, 5, 200]))
    if kind == Field.TYPE_ENUM:
        numbers = [value.number for value in field.enum_type.values]
        # Enums of proto3 are open: a number without a name is a value like any other.
        return rng.choice(numbers + ([12345] if not field.enum_type.is_closed else []))
    raise AssertionError(f"no value for {field.full_name} of type {kind}")


def is_map(field) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def fill(message, rng: random.Random, depth: int = 0):
    """Sets every field of a message; of each oneof one random member."""
    descriptor = message.DESCRIPTOR
    oneofs = {oneof.name: rng.choice(oneof.fields).number for oneof in descriptor.oneofs}
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None and oneofs[oneof.name] != field.number:
            continue
        if is_map(field):
            fill_map(getattr(message, field.name), field, rng, depth)
        elif field.message_type is not None:
            if depth >= MAX_DEPTH:
                continue
            if field.is_repeated:
                for _ in range(rng.randint(1, 2) if depth < 2 else 1):
                    fill(getattr(message, field.name).add(), rng, depth + 1)
            else:
                child = getattr(message, field.name)
                child.SetInParent()
                fill(child, rng, depth + 1)
        elif field.is_repeated:
            values = [scalar(field, rng) for _ in range(rng.randint(1, 5))]
            getattr(message, field.name).extend(values)
        else:
            setattr(message, field.name, scalar(field, rng))


def fill_map(entries, field, rng, depth):
    key, value = field.message_type.fields
    for _ in range(rng.randint(1, 3) if depth < 2 else 1):
        if value.message_type is None:
            entries[scalar(key, rng)] = scalar(value, rng)
        elif depth < MAX_DEPTH:
            fill(entries[scalar(key, rng)], rng, depth + 1)


def unknown_fields(descriptor, rng: random.Random) -> list[bytes]:
    """One field of each wire type under numbers that the message does not know."""
    known = {field.number for field in descriptor.fields}
    free = [n for n in (15, 16, 777, 199_999, 2**29 - 3, 2**29 - 2, 90_000) if n not in known]
    rng.shuffle(free)
    return [
        tag(free[0], 0) + varint(rng.randrange(2**64)),
        tag(free[1], 1) + rng.randbytes(8),
        delimited(free[2], rng.randbytes(rng.randint(0, 40))),
        tag(free[3], 5) + rng.randbytes(4),
        tag(free[4], 3) + delimited(1, b"inside") + tag(free[4], 4),
    ]


def top_level_fields(data: bytes) -> list[bytes]:
    """Cuts a well-formed message into its fields."""
    out, at = [], 0

    def read_varint(at):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value, at

    while at < len(data):
        start = at
        key, at = read_varint(at)
        kind = key & 7
        if kind == 0:
            _, at = read_varint(at)
        elif kind == 1:
            at += 8
        elif kind == 5:
            at += 4
        elif kind == 2:
            length, at = read_varint(at)
            at += length
        else:
            raise AssertionError(f"wire type {kind}")
        assert at <= len(data)
        out.append(data[start:at])
    return out


def random_record(message_class, pk: str, rng: random.Random) -> bytes:
    """A record with every field set, unknown fields added, and its fields in a random order."""
    message = message_class()
    fill(message, rng)
    message.pk = pk
    fields = top_level_fields(message.SerializeToString()) + unknown_fields(message.DESCRIPTOR, rng)
    rng.shuffle(fields)
    return b"".join(fields)
