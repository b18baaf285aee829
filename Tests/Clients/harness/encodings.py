"""The same fields in encodings that no library writes, which every decoder takes all the same."""

from __future__ import annotations

import random

from google.protobuf.descriptor import FieldDescriptor as Field

from harness.client import varint
from harness.records import is_map, unknown_fields

FIXED_BYTES = {1: 8, 5: 4}
FIXED_TYPES = {
    Field.TYPE_FIXED64: 8,
    Field.TYPE_SFIXED64: 8,
    Field.TYPE_DOUBLE: 8,
    Field.TYPE_FIXED32: 4,
    Field.TYPE_SFIXED32: 4,
    Field.TYPE_FLOAT: 4,
}


def overlong(value: int, rng: random.Random, longest: int) -> bytes:
    """A varint, sometimes of more bytes than it needs."""
    short = varint(value)
    more = rng.randint(0, longest - len(short)) if rng.random() < 0.2 else 0
    if not more:
        return short
    return short[:-1] + bytes([short[-1] | 0x80]) + b"\x80" * (more - 1) + b"\0"


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def read_fields(data: bytes, at: int = 0, group: int | None = None):
    """The fields of a well-formed message as (number, wire type, value), and where they end.

    A value is a number for a varint, and bytes else: those of a group are its fields.
    """
    found = []
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 4:
            assert number == group
            break
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 3:
            start = at
            _, at = read_fields(data, at, number)
            value = data[start : at - len(varint(number << 3 | 4))]
        else:
            length, at = (FIXED_BYTES[kind], at) if kind in FIXED_BYTES else read_varint(data, at)
            value, at = data[at : at + length], at + length
        found.append((number, kind, value))
    return found, at


def scrambled(data: bytes, descriptor, rng: random.Random) -> bytes:
    """A message of the fields of `data` in another order: lengths and numbers overlong, messages that are there once
    split in several, packed numbers one by one, unknown fields among them. What is last among several values of a
    field, or set of a oneof, is another then: a decoder says which.
    """
    parts = []
    for number, kind, value in read_fields(data)[0]:
        field = descriptor.fields_by_number.get(number)
        for wire_type, each in rewritten(kind, value, field, rng):
            head = overlong(number << 3 | wire_type, rng, 5)
            if wire_type == 0:
                parts.append(head + overlong(each, rng, 10))
            elif wire_type == 2:
                parts.append(head + overlong(len(each), rng, 5) + each)
            elif wire_type == 3:
                parts.append(head + each + overlong(number << 3 | 4, rng, 5))
            else:
                parts.append(head + each)
    if not descriptor.GetOptions().map_entry:
        parts += rng.sample(unknown_fields(descriptor, rng), rng.choice([0, 0, 1, 5]))
    rng.shuffle(parts)
    return b"".join(parts)


def rewritten(kind: int, value, field, rng: random.Random):
    """One field as one or several of the same number."""
    if field is None:
        return [(kind, value)]
    if field.message_type is not None:
        # Each part of a message has all required fields, or a server takes it for a message without them.
        is_whole = field.is_repeated or any(each.is_required for each in field.message_type.fields)
        pieces = [value] if is_whole else split(value, rng)
        return [(kind, scrambled(piece, field.message_type, rng)) for piece in pieces]
    if field.is_repeated and kind == 2 and field.type not in (Field.TYPE_STRING, Field.TYPE_BYTES):
        if rng.random() < 0.5:
            return unpacked(value, field)
    return [(kind, value)]


def split(data: bytes, rng: random.Random) -> list[bytes]:
    """A message as one to three, which a decoder merges."""
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at = end_of_field(data, at)
    cuts = sorted(rng.choice([*starts, len(data)]) for _ in range(rng.choice([0, 0, 1, 2])))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def end_of_field(data: bytes, at: int) -> int:
    key, at = read_varint(data, at)
    kind = key & 7
    if kind == 0:
        return read_varint(data, at)[1]
    if kind == 3:
        return read_fields(data, at, key >> 3)[1]
    length, at = (FIXED_BYTES[kind], at) if kind in FIXED_BYTES else read_varint(data, at)
    return at + length


def unpacked(data: bytes, field) -> list[tuple]:
    if size := FIXED_TYPES.get(field.type):
        kind = {8: 1, 4: 5}[size]
        return [(kind, data[at : at + size]) for at in range(0, len(data), size)]
    values, at = [], 0
    while at < len(data):
        value, at = read_varint(data, at)
        values.append((0, value))
    return values


def tree_of(paths: list[str]) -> dict:
    """The fields that the paths of a mask name; None stands for a field as a whole."""
    tree = {}
    for path in paths:
        node = tree
        *parents, last = path.split(".")
        for name in parents:
            node = node.setdefault(name, {})
            if node is None:
                break  # A shorter path names it already.
        else:
            node[last] = None
    return tree


def cut(message, paths: list[str]):
    """A copy with what the paths of a mask name, what is required in its messages, and nothing else."""
    return cut_by_tree(message, tree_of(paths))


def cut_by_tree(message, tree: dict):
    out = type(message)()
    tree = {f.name: None for f in message.DESCRIPTOR.fields if f.is_required} | tree
    for name, below in tree.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        value = getattr(message, name)
        if is_map(field):
            copy_map(value, getattr(out, name), field)
        elif field.is_repeated:
            getattr(out, name).MergeFrom(value)
        elif field.message_type is not None:
            if message.HasField(name):
                getattr(out, name).SetInParent()
                getattr(out, name).MergeFrom(value if below is None else cut_by_tree(value, below))
        elif not field.has_presence or message.HasField(name):
            setattr(out, name, value)
    return out


def copy_map(source, target, field):
    for key in source:
        if field.message_type.fields_by_name["value"].message_type is None:
            target[key] = source[key]
        else:
            target[key].CopyFrom(source[key])


def random_path(descriptor, rng: random.Random) -> str:
    """A path that a mask may have: it goes on after messages that are there once."""
    names = []
    while True:
        field = rng.choice(descriptor.fields)
        names.append(field.name)
        if field.message_type is None or field.is_repeated or rng.random() < 0.3 or len(names) > 6:
            return ".".join(names)
        if not field.message_type.fields:
            return ".".join(names)
        descriptor = field.message_type


def random_mask(descriptor, rng: random.Random) -> list[str]:
    """One to five paths; some begin as others do, or come twice."""
    paths = [random_path(descriptor, rng) for _ in range(rng.choice([1, 1, 2, 3, 5]))]
    for path in paths[:]:
        if rng.random() < 0.3:
            names = path.split(".")
            paths.append(".".join(names[: rng.randint(1, len(names))]))
    rng.shuffle(paths)
    return paths
