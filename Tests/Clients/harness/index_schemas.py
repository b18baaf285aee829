"""Random schemas with indexes, and random records of few values, so that many are equal or next to each other."""

from __future__ import annotations

import dataclasses
import math
import random

from google.protobuf.descriptor import FieldDescriptor

from harness.records import INTEGERS, is_map

TIMES = {"google.protobuf.Timestamp", "google.protobuf.Duration"}
INTEGER_TYPES = "int32 int64 sint32 sint64 sfixed32 sfixed64 uint32 uint64 fixed32 fixed64".split()
KEY_TYPES = ["string", "bytes", "bool", "Kind", *INTEGER_TYPES, *sorted(TIMES)]
# Texts and floating-point numbers have more edges than others.
COLUMN_TYPES = [*KEY_TYPES, "string", "bytes", "string", "float", "double", "double"]
NUMBERS = [*range(1, 19), 100, 2047, 2048, 70_000, 536_870_911]

KIND = "enum Kind { KIND_NONE = 0; KIND_ONE = 1; KIND_TWO = 2; KIND_GHOST = -5; }\n"
HEAD = """\
syntax = "proto3";
package oracle;
import "google/protobuf/duration.proto";
import "google/protobuf/timestamp.proto";
import "seandb/options.proto";
import "old.proto";
"""
# Of proto2: presence, defaults that are not 0, what has to be there, numbers one by one. No index has its enum.
OLD = """\
syntax = "proto2";
package old;
enum Colour { RED = 3; BLUE = 1; }
message Tag {
  optional string text = 1 [default = "none"];
  required sint32 number = 2;
  optional Colour colour = 3;
  repeated int64 codes = 4;
}
"""
OLD_FIELDS = [("text", "optional"), ("number", ""), ("colour", "padding"), ("codes", "repeated")]


@dataclasses.dataclass(frozen=True)
class Index:
    """An index as a schema asks for it."""

    # Each with whether it descends.
    columns: tuple[tuple[str, bool], ...]
    given_name: str = ""
    unique: bool = False
    sparse: bool = False
    include: str = ""
    # By the option of a field.
    is_short: bool = False

    @property
    def name(self) -> str:
        return self.given_name or "_".join(path.replace(".", "_") for path, _ in self.columns)

    @property
    def method(self) -> str:
        return "By" + "".join(part[:1].upper() + part[1:] for part in self.name.split("_"))

    @property
    def shape(self) -> tuple:
        """Two of a model may not have the same."""
        return self.columns, self.unique, self.sparse

    def text(self) -> str:
        fields = ", ".join("-" * descends + path for path, descends in self.columns)
        parts = [f'fields: "{fields}"']
        parts += [f'name: "{self.given_name}"'] if self.given_name else []
        parts += ["unique: true"] * self.unique + ["sparse: true"] * self.sparse
        parts += [f'include: "{self.include}"'] if self.include else []
        return "{" + ", ".join(parts) + "}"


@dataclasses.dataclass
class Field:
    name: str
    type: str
    label: str = ""  # optional, repeated, map, oneof, padding, or nothing
    fields: list[Field] | None = None  # Of a message.
    number: int = 0


def numbered(fields: list[Field], rng: random.Random) -> list[Field]:
    for field, number in zip(fields, rng.sample(NUMBERS, len(fields)), strict=True):
        field.number = number
    return fields


# Changes of a type that stored records allow.
WIDER = {"int32": "int64", "uint32": "uint64", "sint32": "sint64", "string": "bytes"}


def change_fields(fields: list[Field], rng: random.Random, key: list[Field]):
    """Some get a wider type, and some become `optional` or are it no longer."""
    for field in fields:
        if field.fields is not None:
            if not field.type.startswith("old."):
                change_fields(field.fields, rng, key)
        elif field.type in WIDER and rng.random() < 0.2 and field.label not in ("map", "padding"):
            if not (field.type == "string" and [field] == key):
                field.type = WIDER[field.type]
        elif field.label in ("", "optional") and field not in key and rng.random() < 0.1:
            field.label = "optional" if not field.label else ""


def declarations(fields: list[Field], options: dict[str, str]) -> list[str]:
    lines, members = [], []
    for field in fields:
        option = options.get(field.name, "")
        text = f"{field.type} {field.name} = {field.number}{option};"
        if field.label == "oneof":
            members.append(text)
        elif field.label == "map":
            lines.append(f"map<string, {field.type}> {field.name} = {field.number};")
        else:
            lines.append(f"{field.label} {text}" if field.label in ("optional", "repeated") else text)
    return [*lines, "oneof choice { " + " ".join(members) + " }"] if members else lines


def messages_of(fields: list[Field]) -> dict[str, list[Field]]:
    """All that fields have, and those below."""
    found = {}
    for field in fields:
        if field.fields is not None:
            found |= {field.type: field.fields} | messages_of(field.fields)
    return found


def column_paths(fields: list[Field], before: str = "", repeated: str = ""):
    """Paths that an index may have, each with its repeated field."""
    for field in fields:
        path, below = before + field.name, repeated
        if field.label in ("map", "padding") or field.label == "repeated" and repeated:
            continue
        if field.label == "repeated":
            below = path
        if field.fields is None:
            yield path, below
        else:
            yield from column_paths(field.fields, path + ".", below)


def inclusion_paths(fields: list[Field], before: str = ""):
    for field in fields:
        yield before + field.name
        if field.fields is not None and field.label != "repeated":
            yield from inclusion_paths(field.fields, f"{before}{field.name}.")


class Model:
    """A random model: its fields stay, its indexes may change."""

    def __init__(self, name: str, rng: random.Random):
        self.name, self.plural = name, name + "s"
        self._is_nested, self._has_statements = rng.random() < 0.5, rng.random() < 0.3
        types = iter(rng.sample(COLUMN_TYPES, len(COLUMN_TYPES)))

        def scalar(field_name, *labels):
            return Field(field_name, next(types), rng.choice(labels))

        some = ["", "", "optional"]
        spot = numbered([scalar("east", *some), scalar("west", "optional")], rng)
        home = [scalar("city", *some), scalar("street", *some), scalar("rooms", "repeated")]
        home += [scalar("zip", "oneof"), Field("corner", name + "Spot", "oneof", spot)]
        home = numbered([*home, Field("spot", name + "Spot", "", spot)], rng)
        part = [scalar("size", *some), scalar("colour", *some)]
        part = numbered([*part, Field("place", name + "Spot", "", spot)], rng)
        other = Field("other", *rng.choice([(name + "Spot", "oneof", spot), (name + "Home", "oneof", home)]))
        optional_parts = [
            [scalar("tags", "repeated")],
            [Field("home", name + "Home", "", home)],
            [Field("parts", name + "Part", "repeated", part)],
            [scalar("left", "oneof"), scalar("right", "oneof"), other],
            [Field("notes", "int32", "map")],
        ]
        fields = [scalar(field_name, *some) for field_name in ("alpha", "beta", "gamma")]
        old = [Field(field_name, "", label) for field_name, label in OLD_FIELDS]
        optional_parts += [[Field("label", "old.Tag", "", old)], [Field("parent", name, "", fields[:])]]
        for each in optional_parts:
            fields += each if rng.random() < 0.6 else []
        if rng.random() < 0.5:
            self.key = (("pk", False),)
            self.key_fields = [Field("pk", "string")]
        else:
            self.key = tuple((n, rng.random() < 0.4) for n in ("ka", "kb", "kc")[: rng.randint(1, 3)])
            self.key_fields = [Field(n, rng.choice(KEY_TYPES), rng.choice(some)) for n, _ in self.key]
        # No index has it, but for what entries include.
        self.fields = [*self.key_fields, *fields, Field("padding", "bytes", "padding")]
        rng.shuffle(self.fields)
        numbered(self.fields, rng)
        self.indexes: list[Index] = []

    @property
    def has_plain_key(self) -> bool:
        """Whether an IndexQuery asks for it."""
        return self.key == ((self.key_fields[0].name, False),) and self.key_fields[0].type == "string"

    def has_elements(self, index: Index) -> bool:
        """Whether a record may have several entries."""
        repeated = dict(column_paths(self.fields))
        return any(repeated[path] for path, _ in index.columns)

    def random_index(self, rng: random.Random) -> Index:
        paths = list(column_paths(self.fields))
        elements = rng.choice(sorted({repeated for _, repeated in paths if repeated} or {""}))
        inside = [path for path, repeated in paths if repeated and repeated == elements]
        single = [path for path, repeated in paths if not repeated]
        count = rng.choice([1, 1, 2, 2, 3])
        if inside and rng.random() < 0.35:
            chosen = rng.sample(inside, min(len(inside), rng.randint(1, count)))
        else:
            chosen = []
        chosen += rng.sample(single, min(len(single), count - len(chosen)))
        rng.shuffle(chosen)
        includes = list(inclusion_paths(self.fields))
        return Index(
            columns=tuple((path, rng.random() < 0.4) for path in chosen),
            given_name=f"x{rng.randrange(10**6)}" if rng.random() < 0.3 else "",
            unique=rng.random() < 0.3,
            sparse=rng.random() < 0.3,
            include=rng.choice(["", "", "*", ", ".join(rng.sample(includes, rng.randint(1, 3)))]),
        )

    def short_index(self, rng: random.Random) -> Index:
        names = [field.name for field in self.fields if field.fields is None and field.label not in ("map", "padding")]
        return Index(((rng.choice(names), False),), unique=rng.random() < 0.3, is_short=True)

    def add_indexes(self, count: int, rng: random.Random):
        while count:
            index = self.short_index(rng) if rng.random() < 0.15 else self.random_index(rng)
            others = self.indexes
            is_new = index.name != "pk" and not any(
                index.shape == each.shape or index.method == each.method for each in others
            )
            short_fields = {each.columns[0][0] for each in others if each.is_short}
            if is_new and not (index.is_short and index.columns[0][0] in short_fields):
                self.indexes.append(index)
                count -= 1

    def change(self, rng: random.Random):
        """Some indexes go, some get another name, some another definition under the old one, and some are added."""
        if rng.random() < 0.5:
            change_fields([field for field in self.fields if field.name != "parent"], rng, self.key_fields)
        kept = []
        for index in self.indexes:
            fate = rng.random()
            if fate < 0.5 or index.is_short and fate < 0.8:
                kept.append(index)
            elif fate < 0.65:
                taken = {each.name for each in [*self.indexes, *kept]}
                name = next(name for name in iter(lambda: f"y{rng.randrange(10**6)}", "") if name not in taken)
                kept.append(dataclasses.replace(index, given_name=name))
            elif fate < 0.8:
                name, value = rng.choice([("unique", not index.unique), ("sparse", not index.sparse), ("include", "*")])
                other = dataclasses.replace(index, given_name=index.name, **{name: value})
                others = [each for each in [*self.indexes, *kept] if each is not index]
                kept.append(index if any(other.shape == each.shape for each in others) else other)
        self.indexes = kept
        self.add_indexes(rng.randint(0 if kept else 1, 2), rng)
        rng.shuffle(self.indexes)

    def text(self) -> str:
        key = ", ".join("-" * descends + name for name, descends in self.key)
        named = [index for index in self.indexes if not index.is_short]
        short = {
            index.columns[0][0]: f" [(seandb.field).{'unique' if index.unique else 'index'} = true]"
            for index in self.indexes
            if index.is_short
        }
        has_key = self.key != (("pk", False),)
        if self._has_statements:
            lines = [f'option (seandb.model).key = "{key}";'] if has_key else []
            lines += [f"option (seandb.model).index = {index.text()};" for index in named]
        else:
            parts = ([f'key: "{key}"'] if has_key else []) + [f"index: {index.text()}" for index in named]
            lines = ["option (seandb.model) = {\n    " + "\n    ".join(parts) + "\n  };"] if parts else []
        lines += declarations(self.fields, short)
        messages = [
            f"message {name} {{ {' '.join(declarations(fields, {}))} }}"
            for name, fields in messages_of(self.fields).items()
            if name not in (self.name, "old.Tag")
        ]
        if self._is_nested:
            lines += messages
        text = f"message {self.name} {{\n  " + "\n  ".join(lines) + "\n}\n"
        return text if self._is_nested else text + "\n".join(messages) + "\n"


class Schema:
    def __init__(self, rng: random.Random):
        self.models = [Model(name, rng) for name in ["Item", "Thing"][: rng.choice([1, 1, 2])]]
        for model in self.models:
            model.add_indexes(rng.randint(1, 5), rng)

    def files(self) -> dict[str, str]:
        text = HEAD + KIND + "".join(model.text() for model in self.models)
        return {"schema.proto": text, "old.proto": OLD}


# MARK: - Values

EDGES = {
    FieldDescriptor.TYPE_STRING: ["", "a", "a\0", "a\0\x01", "ab", "b", "é", "\uffff", "\U0010ffff"],
    FieldDescriptor.TYPE_BYTES: [b"", b"\0", b"\0\xff", b"\xff", b"\xff\xff", b"a", b"a\0", b"ab"],
    FieldDescriptor.TYPE_BOOL: [False, True],
    FieldDescriptor.TYPE_ENUM: [0, 1, 2, -5, 77, 2**31 - 1],
    FieldDescriptor.TYPE_FLOAT: [0.0, -0.0, 1.5, -1.5, 2.0**-149, 2.0**127, math.inf, -math.inf, math.nan],
    FieldDescriptor.TYPE_DOUBLE: [0.0, -0.0, 1.5, -1.5, 5e-324, 1e300, math.inf, -math.inf, math.nan],
}


def time(seconds: int, nanos: int = 0) -> dict:
    return {"seconds": seconds, "nanos": nanos}


TIME_EDGES = {
    "google.protobuf.Timestamp": [
        time(0), time(0, 1), time(1), time(-1), time(-1, 999_999_999), time(1_700_000_000, 5),
        time(-62_135_596_800), time(253_402_300_799, 999_999_999),
    ],
    "google.protobuf.Duration": [
        time(0), time(0, 1), time(0, -1), time(-1, -5), time(-1), time(7),
        time(-315_576_000_000, -999_999_999), time(315_576_000_000, 999_999_999),
    ],
}  # fmt: skip


def edges(field) -> list:
    """Values of a field's type that are next to each other, or at an end."""
    if field.message_type is not None:
        return TIME_EDGES[field.message_type.full_name]
    if field.type in INTEGERS:
        low, high = INTEGERS[field.type]
        numbers = [0, 1, 111, 112, 255, 256, -1, -112, -113, -256, -257, low, high, low + 1, high - 1]
        return [number for number in numbers if low <= number <= high]
    if field.type == FieldDescriptor.TYPE_ENUM and field.enum_type.is_closed:
        return [value.number for value in field.enum_type.values]
    return EDGES[field.type]


def least(field):
    """What no value of a type is below; of those that a key may have."""
    if field.type == FieldDescriptor.TYPE_ENUM:
        return -(2**31)
    return min(edges(field), key=lambda x: (x["seconds"], x["nanos"]) if isinstance(x, dict) else x)


class Values:
    """Few values for each field, and messages made of them."""

    def __init__(self, seed: str, key: tuple[tuple[str, bool], ...], padding: int = 0):
        self._seed, self._pools, self._padding = seed, {}, padding
        # Of a key of one string: that many values.
        self.key_count = 8
        self._key = [name for name, _ in key]

    def pool(self, field) -> list:
        # A type may change.
        name = f"{field.full_name} {field.type}"
        if name not in self._pools:
            rng = random.Random(f"{self._seed} {field.full_name}")
            count = rng.randint(2, 6)
            if field.name in self._key:
                count = {1: 8, 2: 4, 3: 3}[len(self._key)]
            values = self._edges(field)
            if self._key == [field.name] and self.key_count > 8:
                count, values = self.key_count, [f"{n:03}" for n in range(self.key_count)]
            self._pools[name] = rng.sample(values, min(count, len(values)))
        return self._pools[name]

    def any(self, field, rng: random.Random):
        """A value that records are likely to have."""
        return rng.choice(self._edges(field) if rng.random() < 0.15 else self.pool(field))

    def _edges(self, field) -> list:
        # A key of one column is not empty.
        return [value for value in edges(field) if self._key != [field.name] or value not in ("", b"")]

    def fill(self, message, rng: random.Random, depth: int = 0):
        chosen = {oneof.name: rng.choice([*oneof.fields, None]) for oneof in message.DESCRIPTOR.oneofs}
        for field in message.DESCRIPTOR.fields:
            oneof = field.containing_oneof
            if oneof is not None and chosen[oneof.name] is not field:
                continue
            if not field.is_required and rng.random() < (0.15 if field.name != "parent" else 0.4 + depth):
                continue
            if field.name == "padding" and not depth:
                message.padding = rng.randbytes(rng.choice([0, self._padding // 9, self._padding]))
                continue
            value = getattr(message, field.name) if field.is_repeated or field.message_type else None
            if is_map(field):
                for key in rng.sample(["", "a", "b"], rng.randint(0, 2)):
                    value[key] = rng.randrange(3)
            elif field.is_repeated:
                for _ in range(rng.choice([0, 1, 2, 3, 5])):
                    self._add_element(value, field, rng)
            elif field.message_type is not None and field.message_type.full_name not in TIMES:
                value.SetInParent()
                self.fill(value, rng, depth + (field.name == "parent"))
            else:
                self.set(message, field, rng.choice(self.pool(field)))

    def _add_element(self, elements, field, rng: random.Random):
        if field.message_type is None:
            elements.append(rng.choice(self.pool(field)))
        elif field.message_type.full_name in TIMES:
            elements.add(**rng.choice(self.pool(field)))
        else:
            self.fill(elements.add(), rng)

    def set(self, message, field, value):
        if field.message_type is None:
            setattr(message, field.name, value)
        else:
            getattr(message, field.name).CopyFrom(type(getattr(message, field.name))(**value))

    def set_key(self, message, rng: random.Random):
        for name in self._key:
            field = message.DESCRIPTOR.fields_by_name[name]
            self.set(message, field, rng.choice(self.pool(field)))
