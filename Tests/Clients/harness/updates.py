"""What an update by a mask makes of a record, field by field on decoded messages (google.aip.dev/134)."""

from __future__ import annotations

from harness.encodings import copy_map
from harness.records import is_map


def populated(message) -> dict:
    """The tree of an update without a mask: what is set, repeated fields and values of google.protobuf as a whole."""
    tree = {}
    for field, value in message.ListFields():
        is_parent = field.message_type is not None and not field.is_repeated
        if is_parent and not field.message_type.full_name.startswith("google.protobuf."):
            if below := populated(value):
                tree[field.name] = below
        else:
            tree[field.name] = None
    return tree


def sets(message, tree: dict) -> bool:
    """Whether something that the tree names is set."""
    there = {field.name for field, _ in message.ListFields()}
    return any(
        name in there and (below is None or sets(getattr(message, name), below)) for name, below in tree.items()
    )


def updated(stored, request, tree: dict):
    """A copy of `stored` with what the tree names as it is in `request`."""
    result = type(stored)()
    result.CopyFrom(stored)
    update(result, request, tree)
    return result


def update(target, source, tree: dict):
    there = {field.name for field, _ in source.ListFields()}
    for name, below in tree.items():
        field = target.DESCRIPTOR.fields_by_name[name]
        if below is not None:
            if sets(source, {name: below}) or target.HasField(name):
                getattr(target, name).SetInParent()
                update(getattr(target, name), getattr(source, name), below)
            continue
        target.ClearField(name)
        if name not in there:
            continue
        value = getattr(source, name)
        if is_map(field):
            copy_map(value, getattr(target, name), field)
        elif field.is_repeated:
            getattr(target, name).MergeFrom(value)
        elif field.message_type is not None:
            getattr(target, name).CopyFrom(value)
        else:
            setattr(target, name, value)
