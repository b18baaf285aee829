"""An independent model of what a database of one model holds: a sorted list and bisect."""

from __future__ import annotations

import bisect


class SortedModel:
    """Records by key, in ascending byte order. Nothing here comes from the server's code."""

    def __init__(self, items: dict[bytes, bytes] | None = None):
        self._keys: list[bytes] = sorted(items or {})
        self._records: list[bytes] = [items[key] for key in self._keys]

    def __len__(self):
        return len(self._keys)

    def put(self, key: bytes, record: bytes):
        at = bisect.bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            self._records[at] = record
        else:
            self._keys.insert(at, key)
            self._records.insert(at, record)

    def _range(self, expression: str, value) -> slice:
        if expression == "range":
            ends = [self._range(name, bound) for name, bound in value.items()]
            start = max(end.start for end in ends)
            return slice(start, max(start, min(end.stop for end in ends)))
        first = bisect.bisect_left(self._keys, value)
        after = bisect.bisect_right(self._keys, value)
        if expression == "eq":
            return slice(first, after)
        if expression == "gte":
            return slice(first, len(self._keys))
        if expression == "lte":
            return slice(0, after)
        if expression == "gt":
            return slice(after, len(self._keys))
        if expression == "lt":
            return slice(0, first)
        assert expression == "begins_with", expression
        # No key of at most 4096 bytes with this prefix is above the prefix and 4097 times FF.
        return slice(first, bisect.bisect_right(self._keys, value + b"\xff" * 4097))

    def get(self, expression: str, value) -> list[bytes]:
        return self._records[self._range(expression, value)]

    def delete(self, expression: str, value):
        gone = self._range(expression, value)
        del self._keys[gone]
        del self._records[gone]
