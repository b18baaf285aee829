"""What a database with indexes answers, found by decoding, filtering and sorting all records.

Nothing here comes from the server's code: messages are decoded by the protobuf library.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable

from google.protobuf.descriptor import FieldDescriptor

from harness.index_schemas import Index, Values

FLOATS = {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE}
NAN = (1, 0.0)


def order_of(field, value):
    """What a value of a field is sorted by."""
    if field.message_type is not None:
        return (value["seconds"], value["nanos"]) if isinstance(value, dict) else (value.seconds, value.nanos)
    if field.type in FLOATS:
        # NaN comes last, and -0.0 is 0.0.
        return NAN if math.isnan(value) else (0, value + 0.0)
    return value.encode() if isinstance(value, str) else value


def unset_first(order) -> tuple:
    return () if order is None else (order,)


def is_default(order) -> bool:
    """Of a value without presence: 0, nothing, no time."""
    return order in (0, b"", (0, 0.0))


def has_times_out_of_range(message) -> bool:
    """Parts of a Duration may disagree about its sign."""
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else [value]:
            if field.message_type.full_name == "google.protobuf.Duration":
                if each.seconds * each.nanos < 0:
                    return True
            elif has_times_out_of_range(each):
                return True
    return False


@dataclasses.dataclass
class Row:
    """A stored record."""

    key: tuple
    data: bytes
    message: object


@dataclasses.dataclass
class Match:
    """A match of a query, and what it says of a value; None is not set."""

    fields: dict
    holds: Callable[[object], bool]


class Column:
    def __init__(self, descriptor, path: str, descends: bool):
        self.path, self.descends, self.steps = path, descends, []
        for name in path.split("."):
            self.steps.append(descriptor.fields_by_name[name])
            descriptor = self.steps[-1].message_type
        self.leaf = self.steps[-1]
        repeated = [n for n, step in enumerate(self.steps) if step.is_repeated]
        self.repeated = repeated[0] if repeated else None

    @property
    def query_name(self) -> str:
        return self.path.replace(".", "_")

    def elements(self, message) -> list:
        """Those of the repeated field on its path."""
        for step in self.steps[: self.repeated]:
            if not message.HasField(step.name):
                return []
            message = getattr(message, step.name)
        return list(getattr(message, self.steps[self.repeated].name))

    def value(self, message, element, is_sparse: bool):
        """What the column is sorted by in an entry; None: not set."""
        steps, has_presence, value = self.steps, self.leaf.has_presence, message
        if self.repeated is not None:
            steps, value = steps[self.repeated + 1 :], element
            has_presence = has_presence and bool(steps)
        for step in steps:
            if step.has_presence and not value.HasField(step.name):
                return None
            value = getattr(value, step.name)
        order = order_of(self.leaf, value)
        return None if is_sparse and not has_presence and is_default(order) else order


class IndexOracle:
    """An index of a model, or its key, which is like one."""

    def __init__(self, index: Index, descriptor):
        self.index = index
        self.columns = [Column(descriptor, path, descends) for path, descends in index.columns]
        self.repeated = next((column for column in self.columns if column.repeated is not None), None)

    @property
    def name(self) -> str:
        return self.index.name

    def entries(self, message) -> set[tuple]:
        elements = self.repeated.elements(message) if self.repeated else [None]
        sparse = self.index.sparse
        found = {tuple(column.value(message, each, sparse) for column in self.columns) for each in elements}
        return {entry for entry in found if not (sparse and None in entry)}

    def conflicts(self, rows: dict[tuple, Row]) -> set[tuple]:
        """The keys of records that cannot be there together."""
        holders = {}
        for row in rows.values():
            for entry in self.entries(row.message):
                if self.index.unique and None not in entry:
                    holders.setdefault(entry, set()).add(row.key)
        return {key for keys in holders.values() if len(keys) > 1 for key in keys}

    def answer(self, rows, key: IndexOracle, matches: list[Match], descending: bool) -> list[Row]:
        """The records of a query, each at its first entry."""
        found = [
            (entry, row)
            for row in rows.values()
            for entry in self.entries(row.message)
            if all(match.holds(value) for match, value in zip(matches, entry, strict=False))
        ]
        for n, column in reversed(list(enumerate(key.columns))):
            found.sort(key=lambda each: each[1].key[n], reverse=column.descends)
        for n, column in reversed(list(enumerate(self.columns))):
            found.sort(key=lambda each: unset_first(each[0][n]), reverse=column.descends)
        if descending:
            found.reverse()
        return list({row.key: row for _, row in found}.values())

    # MARK: - Queries

    def random_matches(self, values: Values, rng: random.Random) -> list[Match]:
        count = rng.randint(0, len(self.columns))
        return [
            self.match(column, values, rng, is_last=n == count - 1)
            for n, column in enumerate(self.columns[:count])
        ]

    def match(self, column: Column, values: Values, rng: random.Random, is_last: bool) -> Match:
        leaf = column.leaf
        one, two = values.any(leaf, rng), values.any(leaf, rng)
        low, high = sorted([one, two], key=lambda value: order_of(leaf, value))
        if rng.random() < 0.1:
            low, high = high, low
        kinds = ["eq", "in"]
        if is_last:
            kinds += ["is_unset"] if self.name != "pk" else []
            kinds += ["range", "gte", "gt", "lte", "lt"] if NAN not in [order_of(leaf, x) for x in (low, high)] else []
            kinds += ["begins_with"] * 2 if isinstance(one, (str, bytes)) else []
        kind = rng.choice(kinds)
        if kind == "in":
            chosen = [values.any(leaf, rng) for _ in range(rng.randint(1, 3))]
            orders = [order_of(leaf, value) for value in chosen]
            return Match({"in": {"values": chosen}}, lambda value: value in orders)
        if kind == "is_unset":
            return Match({"is_unset": True}, lambda value: value is None)
        if kind == "begins_with":
            prefix = one[: rng.randint(0, len(one))]
            start = order_of(leaf, prefix)
            return Match({"begins_with": prefix}, lambda value: value is not None and value.startswith(start))
        if kind == "range":
            lower, upper = rng.choice(["gte", "gt"]), rng.choice(["lte", "lt"])
            first, second = self.bound(leaf, lower, low), self.bound(leaf, upper, high)
            if rng.random() < 0.2:
                return Match({"range": {lower: low}}, first)
            return Match({"range": {lower: low, upper: high}}, lambda value: first(value) and second(value))
        return Match({kind: one}, self.bound(leaf, kind, one))

    @staticmethod
    def bound(leaf, kind: str, bound) -> Callable[[object], bool]:
        """What a bound says: neither NaN nor what is not set is in a range."""
        order = order_of(leaf, bound)
        if kind == "eq":
            return lambda value: value == order
        compare = {
            "gte": lambda value: value >= order,
            "gt": lambda value: value > order,
            "lte": lambda value: value <= order,
            "lt": lambda value: value < order,
        }[kind]
        return lambda value: value is not None and not (leaf.type in FLOATS and value == NAN) and compare(value)

    def equal_to(self, entry: tuple, values: Values) -> list[Match] | None:
        """An eq for each column that matches the entry; None when a value of it is not among the known ones."""
        matches = []
        for column, order in zip(self.columns, entry, strict=True):
            known = [v for v in values.pool(column.leaf) if order_of(column.leaf, v) == order]
            if not known:
                return None
            matches.append(self.equal(column, values, value=known[0]))
        return matches

    def equal(self, column: Column, values: Values, rng: random.Random | None = None, value=None) -> Match:
        """An eq of this value, or of any."""
        chosen = values.any(column.leaf, rng) if rng else value
        return Match({"eq": chosen}, self.bound(column.leaf, "eq", chosen))
