"""An update by a mask is what Python's protobuf library makes of it: decode, replace what the mask names, encode.

The server works on bytes and decodes nothing, so the records here are encoded in ways that only a decoder takes lightly
(test_masks.py).
"""

from __future__ import annotations

import random

import grpc
import pytest
from grpc import StatusCode

from harness import status
from harness.client import delimited, query, records
from harness.encodings import random_mask, tree_of
from harness.generated import Client
from harness.updates import populated, updated
from test_masks import FILES, comparable, encoded
from test_zoo import FOLDERS, ONE_FILE, created


class Updates:
    """Random updates of the records of one model, each compared."""

    def __init__(self, database, name: str, message_class, rng: random.Random):
        self.database, self.name, self.message_class, self.rng = database, name, message_class, rng
        self.list_class = database.message(f"{self.package}.{name}s")
        self.stored: dict[str, bytes] = {}
        self.counts = {"updated": 0, "refused": 0}

    @property
    def package(self) -> str:
        return self.message_class.DESCRIPTOR.full_name.rpartition(".")[0]

    def call(self, **fields):
        request = self.list_class.Write(**fields)
        return self.list_class.Written.FromString(
            self.database.call(f"Write{self.name}", request.SerializeToString(), timeout=60)
        )

    def write(self, data: bytes, paths: list[str] | None, returning: str):
        """The record as its bytes are: a library would encode it anew."""
        rest = self.list_class.Write(returning=returning)
        if paths is not None:
            rest.update_mask.paths.extend(paths)
        return self.list_class.Written.FromString(
            self.database.call(f"Write{self.name}", delimited(2, data) + rest.SerializeToString(), timeout=60)
        )

    def put(self, pk: str):
        data = encoded(self.message_class, pk, self.rng)
        self.database.model(self.name).put(data)
        self.stored[pk] = data

    def get(self, pk: str) -> bytes:
        [data] = records(self.database.call(f"Get{self.name}sByPk", query(eq=pk), timeout=60))
        return data

    def update(self, pk: str):
        rng = self.rng
        data = encoded(self.message_class, pk, rng)
        paths = random_mask(self.message_class.DESCRIPTOR, rng) if rng.random() < 0.8 else None
        before, request = map(self.message_class.FromString, (self.stored[pk], data))
        tree = populated(request) if paths is None else tree_of(paths)
        tree.pop("pk", None)
        expected = updated(before, request, tree)
        what = (paths, self.stored[pk].hex(), data.hex())
        returning = rng.choice(["NOTHING", "NEW", "OLD"])
        try:
            written = self.write(data, paths, returning)
        except grpc.RpcError as error:
            assert not expected.IsInitialized(), (status.failure(error), what)
            assert status.failure(error).reason == "BAD_RECORD", error
            assert self.get(pk) == self.stored[pk], what
            self.counts["refused"] += 1
            return
        assert expected.IsInitialized(), what
        after = self.get(pk)
        assert comparable(self.message_class.FromString(after)) == comparable(expected), what
        if returning != "NOTHING":
            record = written.record.SerializeToString(deterministic=True)
            assert record == comparable(expected if returning == "NEW" else before), what
        assert written.HasField("record") == (returning != "NOTHING")
        # The etag of the answer is that of the record.
        check = self.call(check={"pk": pk}, etag=written.etag, returning="NEW")
        assert (check.etag, comparable(check.record)) == (written.etag, comparable(expected))
        self.stored[pk] = after
        self.counts["updated"] += 1

    def update_with_what_was_read(self, pk: str):
        """Nothing changes."""
        paths = random_mask(self.message_class.DESCRIPTOR, self.rng)
        [data] = records(
            self.database.call(f"Get{self.name}sByPk", query(eq=pk, read_mask=paths), timeout=60)
        )
        key = self.message_class(pk=pk).SerializeToString()
        self.write(key + data if "pk" not in paths else data, paths, "NOTHING")
        before, after = self.stored[pk], self.get(pk)
        decoded = self.message_class.FromString
        assert comparable(decoded(after)) == comparable(decoded(before)), (paths, before.hex())
        if decoded(before).SerializeToString() == before:
            assert after == before, (paths, before.hex())
        self.stored[pk] = after


@pytest.mark.parametrize("name", [*ONE_FILE, *FOLDERS, "nested oneofs, maps and groups"])
def test_an_updated_record_is_decoded_changed_and_encoded(name, create, serve, seed):
    rng = random.Random(seed)
    is_nested = name.startswith("nested oneofs")
    creation = create(FILES) if is_nested else created(create, name)
    database = serve.connect(serve(creation, "--durability", "buffered"))
    client = Client(creation.out, database.channel)
    times = 10 if is_nested else 1
    for model_name in rng.sample(database.models, min(len(database.models), 3)):
        updates = Updates(database, model_name, client.message(model_name), rng)
        for n in range(5 * times):
            updates.put(f"{n}é")
        for _ in range(30 * times):
            pk = rng.choice(list(updates.stored))
            updates.update(pk)
            if rng.random() < 0.3:
                updates.update_with_what_was_read(pk)
        assert updates.counts["updated"], updates.counts


def test_an_update_of_nothing_makes_no_record(create, serve):
    database = serve.connect(serve(create(FILES), "--durability", "buffered"))
    for fields in ({}, {"exists": True}, {"etag": "0123456789abcdef"}):
        request = database.message("database.Dogs").Write(update={"pk": "nobody", "name": "Rex"}, **fields)
        with pytest.raises(grpc.RpcError) as caught:
            database.call("WriteDog", request.SerializeToString())
        failure = status.failure(caught.value)
        assert (failure.code, failure.reason) == (StatusCode.NOT_FOUND, "RECORD_NOT_FOUND"), failure
    assert records(database.call("GetDogsByPk", query(begins_with=""))) == []
