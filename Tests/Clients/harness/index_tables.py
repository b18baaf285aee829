"""One model with indexes: what it should hold, its requests as bytes, and answers that are compared."""

from __future__ import annotations

import dataclasses
import random

import grpc
from grpc import StatusCode

from harness import status
from harness.client import CALL_TIMEOUT, Database, delimited, listed
from harness.encodings import cut, random_mask, read_fields, scrambled, tree_of
from harness.index_oracle import IndexOracle, Match, Row, has_times_out_of_range
from harness.index_schemas import Index, Model, Values, least
from harness.updates import populated, updated


@dataclasses.dataclass
class Answer:
    """A list message."""

    records: list[bytes]
    token: str = ""
    count: int = 0
    etags: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: bytes) -> Answer:
        fields = read_fields(data)[0]
        assert all(number in (1, 2, 3, 4) for number, _, _ in fields), fields
        one = {number: value for number, _, value in fields}
        return cls(
            [value for number, _, value in fields if number == 1],
            one.get(2, b"").decode(),
            one.get(3, 0),
            tuple(value.decode() for number, _, value in fields if number == 4),
        )


@dataclasses.dataclass
class Planned:
    """A write with a condition, and what should come of it."""

    table: Table
    key: tuple
    action: str
    request: bytes
    """A `Write` message."""
    rest: object
    """The same without the action."""
    holds: bool
    before: Row | None
    new: object
    """The record after it, when there is another one."""

    @property
    def is_storable(self) -> bool:
        """An update may make what is no record, or one that no index can have."""
        return self.new is None or self.new.IsInitialized() and not has_times_out_of_range(self.new)


def transact(tables: list[Table], rng: random.Random):
    """Several writes to any of the tables, made together or not at all."""
    planned: list[Planned] = []
    for _ in range(rng.randint(1, 6)):
        each = rng.choice(tables).planned(rng, "NOTHING")
        if all((each.table, each.key) != (other.table, other.key) for other in planned):
            planned.append(each)
    database = planned[0].table.database
    fields = {
        field.message_type.full_name: field.number
        for field in database.message("oracle.Transaction.Write").DESCRIPTOR.fields
    }
    request = b"".join(
        delimited(1, delimited(fields[f"oracle.{each.table.plural}.Write"], each.request)) for each in planned
    )
    Result = database.message("oracle.Transaction.Result")
    try:
        result, failure = Result.FromString(planned[0].table.call("/oracle.Database/Transact", request)), None
    except grpc.RpcError as error:
        result, failure = None, status.failure(error)
        planned[0].table.trace.append(f"  refused: {failure}")
    wrong = [index for index, each in enumerate(planned) if not each.holds or not each.is_storable]
    if wrong:
        each = planned[wrong[0]]
        assert failure is not None and failure.metadata["writeIndex"] == str(wrong[0]), (wrong, failure)
        if each.holds:
            assert failure.reason == "BAD_RECORD", failure
        else:
            each.table.did_not_hold(each, failure)
        return
    rows = {id(table): dict(table.rows) for table in tables}
    for each in planned:
        if each.action == "delete":
            rows[id(each.table)].pop(each.key, None)
        elif each.new is not None:
            rows[id(each.table)][each.key] = Row(each.key, each.new.SerializeToString(), each.new)
    conflicts = {
        (table.plural, index.name): keys
        for table in tables
        for index in table.ready
        if (keys := index.conflicts(rows[id(table)]))
    }
    if failure is not None:
        assert failure.reason == "UNIQUE_VIOLATION" and conflicts, (failure, conflicts)
        each = planned[int(failure.metadata["writeIndex"])]
        assert (each.table.plural, failure.metadata["index"]) in conflicts, (failure, conflicts)
        return
    assert not conflicts, f"stored, and two have the same values: {conflicts}"
    assert len(result.etags) == len(planned)
    for each, etag in zip(planned, result.etags, strict=True):
        each.table.did_transact(each, etag)


def comparable(message) -> bytes:
    """Also NaN is like itself."""
    return message.SerializeToString(deterministic=True)


class Table:
    """Calls are made and compared; `trace` has all of them as text."""

    def __init__(self, model: Model, seed: str, padding: int = 0):
        self.model, self.name, self.plural = model, model.name, model.plural
        self.values = Values(f"{seed} {self.name}", model.key, padding)
        self.rows: dict[tuple, Row] = {}
        self.etags: dict[bytes, str] = {}
        self.trace: list[str] = []

    def connect(self, database: Database):
        """Takes a server with the indexes that the model has now."""
        self.database, self.message = database, database.message(f"oracle.{self.name}")
        descriptor = self.message.DESCRIPTOR
        self.key = IndexOracle(Index(self.model.key, "pk", unique=True), descriptor)
        self.indexes = [IndexOracle(index, descriptor) for index in self.model.indexes]
        self.failed: list[IndexOracle] = []
        # Messages are of the classes of this connection.
        self.rows = {key: self.row(row.data) for key, row in self.rows.items()}

    @property
    def ready(self) -> list[IndexOracle]:
        return [index for index in self.indexes if index not in self.failed]

    def row(self, data: bytes) -> Row:
        message = self.message.FromString(data)
        [key] = self.key.entries(message)
        return Row(key, data, message)

    # MARK: - Requests

    def request(self, index: IndexOracle, matches: list[Match], **options) -> bytes:
        by_column = {
            column.query_name: match.fields for column, match in zip(index.columns, matches, strict=False)
        }
        if mask := options.pop("read_mask", None):
            options["read_mask"] = {"paths": mask}
        if index is self.key and self.model.has_plain_key:
            [fields] = by_column.values() or [{"begins_with": ""}]
            fields = {name: {"keys": x["values"]} if name == "in" else x for name, x in fields.items()}
            return self.database.message("oracle.IndexQuery")(**fields, **options).SerializeToString()
        method = "ByPk" if index is self.key else index.index.method
        return self.database.message(f"oracle.{self.plural}.{method}")(**by_column, **options).SerializeToString()

    def path(self, verb: str, index: IndexOracle | None = None) -> str:
        if index is None:
            return f"/oracle.Database/{verb}{self.name if verb in ('Put', 'Get', 'Write') else self.plural}"
        return f"/oracle.Database/{verb}{self.plural}{'ByPk' if index is self.key else index.index.method}"

    def call(self, path: str, request: bytes) -> bytes:
        self.trace.append(f"{path.rsplit('/')[-1]} {request.hex()[:4000]}")
        return self.database.call(path, request)

    # MARK: - Writes

    def random_record(self, rng: random.Random) -> bytes:
        """A record of any values under any key, sometimes in an encoding that no library writes."""
        while True:
            strange, data = rng.random() < 0.4, b""
            for _ in range(rng.choice([1, 1, 2, 3]) if strange else 1):
                message = self.message()
                self.values.fill(message, rng)
                self.values.set_key(message, rng)
                data += message.SerializeToString()
            if strange:
                data = scrambled(data, self.message.DESCRIPTOR, rng)
            if not strange or self.is_storable(data):
                return data

    def is_storable(self, data: bytes) -> bool:
        """Of parts some have another key, or none."""
        message = self.message.FromString(data)
        [key] = self.key.entries(message)
        if None in key or len(key) == 1 and key[0] == b"":
            return False
        return not has_times_out_of_range(message)

    def changed(self, rng: random.Random) -> bytes:
        """A stored record with one field as in another one."""
        row = rng.choice(list(self.rows.values()))
        other, message = self.message.FromString(self.random_record(rng)), self.message.FromString(row.data)
        field = rng.choice([f for f in message.DESCRIPTOR.fields if f.name not in dict(self.model.key)])
        message.ClearField(field.name)
        donor = self.message()
        donor.CopyFrom(other)
        for each, _ in other.ListFields():
            if each is not field:
                donor.ClearField(each.name)
        message.MergeFrom(donor)
        return message.SerializeToString()

    def rotated(self, rng: random.Random) -> list[bytes]:
        """Stored records that have exchanged all but their keys."""
        rows = rng.sample(list(self.rows.values()), min(len(self.rows), rng.choice([2, 2, 3])))
        records = []
        for row, other in zip(rows, [*rows[1:], rows[0]], strict=True):
            message = self.message.FromString(other.data)
            for name, _ in self.model.key:
                message.ClearField(name)
                field = message.DESCRIPTOR.fields_by_name[name]
                if field.message_type is not None:
                    getattr(message, name).CopyFrom(getattr(row.message, name))
                else:
                    setattr(message, name, getattr(row.message, name))
            records.append(message.SerializeToString())
        return records

    def put_call(self, records: list[bytes], in_batch: bool) -> tuple[str, bytes]:
        return (self.path("BatchPut"), listed(records)) if in_batch else (self.path("Put"), records[0])

    def put(self, records: list[bytes], in_batch: bool):
        failure = None
        try:
            self.call(*self.put_call(records, in_batch))
        except grpc.RpcError as error:
            failure = status.failure(error)
        self.did_put(records, failure)

    def did_put(self, records: list[bytes], failure: status.Failure | None):
        """All are stored or none; refused when and only when two would have the same values then."""
        new = dict(self.rows)
        for record in records:
            row = self.row(record)
            new[row.key] = row
        conflicts = {index.name: index.conflicts(new) for index in self.ready}
        conflicts = {name: keys for name, keys in conflicts.items() if keys}
        if failure is None:
            assert not conflicts, f"stored, and two have the same values: {conflicts}"
            self.rows = new
            return
        self.trace.append(f"  refused: {failure.message}")
        assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "UNIQUE_VIOLATION"), failure
        assert conflicts, f"refused without a reason: {failure}"
        assert failure.metadata["index"] in conflicts, (failure, conflicts)
        assert failure.metadata["model"] == f"oracle.{self.name}", failure
        if self.model.has_plain_key:
            assert (failure.metadata["holder"].encode(),) in conflicts[failure.metadata["index"]], failure

    # MARK: - Writes with conditions

    def write(self, rng: random.Random):
        """Any action with any condition."""
        planned = self.planned(rng, rng.choice(["NOTHING", "NEW", "OLD"]))
        Written = self.database.message(f"oracle.{self.plural}.Written")
        try:
            written, failure = Written.FromString(self.call(self.path("Write"), planned.request)), None
        except grpc.RpcError as error:
            written, failure = None, status.failure(error)
        if not planned.holds:
            self.trace.append(f"  refused: {failure}")
            self.did_not_hold(planned, failure)
            return
        if planned.action in ("put", "update"):
            self.did_write(planned.new, written, failure)
        else:
            assert failure is None, failure
            if planned.action == "delete":
                self.rows.pop(planned.key, None)
        if failure is None:
            self.check_written(written, planned)

    def planned(self, rng: random.Random, returning: str) -> Planned:
        data = self.changed(rng) if self.rows and rng.random() < 0.7 else self.random_record(rng)
        row = self.row(data)
        before = self.rows.get(row.key)
        action = rng.choice(["put", "update", "delete", "check"])
        rest = self.database.message(f"oracle.{self.plural}.Write")(returning=returning)
        condition, holds = self.condition(rng, action, row.message, before)
        rest.MergeFrom(condition)
        tree = None
        if action == "update" and rng.random() < 0.7:
            paths = random_mask(self.message.DESCRIPTOR, rng)
            rest.update_mask.paths.extend(paths)
            tree = tree_of(paths)
        body = data if action in ("put", "update") else self.key_message(row.message).SerializeToString()
        number = {"put": 1, "update": 2, "delete": 3, "check": 4}[action]
        request = delimited(number, body) + rest.SerializeToString()
        new = self.message_after(action, row, before, tree) if holds else None
        return Planned(self, row.key, action, request, rest, holds, before, new)

    def condition(self, rng: random.Random, action: str, message, before: Row | None):
        """A Write with a condition alone, and whether it holds."""
        kind = rng.choice(["none", "exists", "absent", "etag", "etag", "other etag"])
        if kind == "none" and action == "check" or kind == "absent" and action == "update":
            kind = "exists"
        Write = self.database.message(f"oracle.{self.plural}.Write")
        if kind == "none":
            return Write(), before is not None or action != "update"
        if kind in ("exists", "absent"):
            return Write(exists=kind == "exists"), (before is not None) == (kind == "exists")
        if kind == "other etag" or before is None:
            return Write(etag=rng.choice(["0123456789abcdef", "no etag", "0"])), False
        return Write(etag=self.etag(message)), True

    def etag(self, message) -> str:
        request = self.database.message(f"oracle.{self.plural}.Write")(exists=True)
        data = delimited(4, self.key_message(message).SerializeToString()) + request.SerializeToString()
        answer = self.call(self.path("Write"), data)
        return self.database.message(f"oracle.{self.plural}.Written").FromString(answer).etag

    def did_not_hold(self, planned: Planned, failure: status.Failure):
        before = planned.before
        if before is None:
            expected = (StatusCode.NOT_FOUND, "RECORD_NOT_FOUND")
        elif planned.rest.WhichOneof("condition") == "exists":
            expected = (StatusCode.ALREADY_EXISTS, "RECORD_EXISTS")
        else:
            expected = (StatusCode.ABORTED, "ETAG_MISMATCH")
        assert (failure.code, failure.reason) == expected, failure
        if before is not None:
            assert failure.metadata["etag"] == self.etag(before.message), failure

    def did_transact(self, planned: Planned, etag: str):
        """A transaction was made: takes over what is stored of one of its writes, once that is what it should be."""
        if planned.action == "delete":
            self.rows.pop(planned.key, None)
        elif planned.new is not None:
            data = self.call(self.path("Get"), self.key_message(planned.new).SerializeToString())
            assert comparable(self.message.FromString(data)) == comparable(planned.new)
            self.rows[planned.key] = self.row(data)
        there = self.rows.get(planned.key)
        assert etag == (self.etag(there.message) if there is not None else "")

    def message_after(self, action: str, row: Row, before: Row | None, tree: dict | None):
        if action != "update":
            return row.message if action == "put" else None
        tree = populated(row.message) if tree is None else tree
        for name, _ in self.model.key:
            tree.pop(name, None)
        return updated(before.message, row.message, tree)

    def did_write(self, new, written, failure: status.Failure | None):
        """What is stored is what it should be; then it is as if it had been put."""
        if failure is not None and failure.reason != "UNIQUE_VIOLATION":
            # Of an update: what is no record, or one that no index can have.
            assert failure.reason == "BAD_RECORD", failure
            assert has_times_out_of_range(new) or not new.IsInitialized(), failure
            return
        data = new.SerializeToString()
        if failure is None:
            key = self.key_message(new).SerializeToString()
            data = self.call(self.path("Get"), key)
            assert comparable(self.message.FromString(data)) == comparable(new)
        self.did_put([data], failure)

    def check_written(self, written, planned: Planned):
        """The answer has the etag, and the record that was asked for."""
        action, rest, before, new = planned.action, planned.rest, planned.before, planned.new
        now = new if new is not None else (before.message if before is not None and action == "check" else None)
        assert written.etag == (self.etag(now) if now is not None else "")
        Write = type(rest)
        if rest.returning == Write.NOTHING:
            expected = None
        elif action == "check" or rest.returning == Write.OLD:
            expected = before.message if before is not None else None
        else:
            expected = new
        assert written.HasField("record") == (expected is not None), (action, written)
        if expected is not None:
            assert comparable(written.record) == comparable(expected)

    def delete(self, index: IndexOracle, matches: list[Match]):
        """By the key with any matches, or by a unique index with an eq for each column."""
        self.call(self.path("Delete", index), self.request(index, matches))
        self.did_delete(index, matches)

    def did_delete(self, index: IndexOracle, matches: list[Match]):
        for row in index.answer(self.rows, self.key, matches, False):
            del self.rows[row.key]

    def delete_everything(self):
        first = least(self.key.columns[0].leaf)
        is_text = isinstance(first, (str, bytes))
        match = Match({"begins_with": first[:0]} if is_text else {"gte": first}, lambda _: True)
        self.delete(self.key, [match])
        assert not self.rows

    def reload(self, sent: set[bytes] | None):
        """Takes what is stored for granted, as long as it is of what was sent, and nothing unique is there twice."""
        answer = Answer.of(self.call(self.path("Get", self.key), self.request(self.key, [])))
        assert sent is None or sent.issuperset(answer.records)
        rows = [self.row(record) for record in answer.records]
        self.rows = {row.key: row for row in rows}
        assert len(self.rows) == len(rows)
        for index in self.ready:
            both = [self.rows[key] for key in index.conflicts(self.rows)]
            assert not both, f"{index.index}, {[index.entries(row.message) for row in both]}: {both}"

    # MARK: - Reads

    def keys(self) -> dict[str, list[tuple]]:
        """Of the records in the order of each index."""
        return {
            index.name: [
                self.row(record).key
                for record in Answer.of(self.call(self.path("Get", index), self.request(index, []))).records
            ]
            for index in [self.key, *self.ready]
        }

    def expect(self, index: IndexOracle, matches: list[Match], order: int) -> list[Row]:
        return index.answer(self.rows, self.key, matches, order == 1)

    def check(self, index: IndexOracle, matches: list[Match], order: int = 0):
        """The answer, its count, and its records as a stream."""
        rows = self.expect(index, matches, order)
        answer = Answer.of(self.call(self.path("Get", index), self.request(index, matches, order=order)))
        self.same(answer.records, rows, index, matches, order)
        assert not answer.token and not answer.etags and answer.count == 0, answer
        counted = Answer.of(
            self.call(self.path("Get", index), self.request(index, matches, order=order, count_only=True))
        )
        assert (counted.records, counted.count) == ([], len(rows)), counted

    def check_in_parts(self, index: IndexOracle, matches: list[Match], rng: random.Random):
        """Pages or a stream, with or without a mask and etags."""
        order = rng.randrange(2)
        rows = self.expect(index, matches, order)
        mask = self.random_mask(index, rng) if rng.random() < 0.6 else None
        options = {"order": order, "read_mask": mask, "with_etags": rng.random() < 0.3}
        size = rng.randint(1, 5) if len(rows) < 50 else rng.choice([20, 63, 64, 65, 129, 400])
        if rng.random() < 0.5:
            parts = list(self.stream(index, matches, page_size=size, **options))
            if not rows:
                assert parts == []
        else:
            parts, token = [], ""
            while not parts or token:
                request = self.request(index, matches, page_size=size, page_token=token, **options)
                parts.append(Answer.of(self.call(self.path("Get", index), request)))
                token = parts[-1].token
        for part in parts:
            assert bool(part.token) == (part is not parts[-1]), [(len(p.records), p.token) for p in parts]
            is_long = sum(map(len, part.records)) > 200_000
            assert len(part.records) == size or part is parts[-1] or is_long, [len(p.records) for p in parts]
        records = [record for part in parts for record in part.records]
        if mask is not None:
            records = [comparable(self.message.FromString(record)) for record in records]
            rows = [Row(row.key, comparable(cut(row.message, mask)), row.message) for row in rows]
        self.same(records, rows, index, matches, options)
        etags = [etag for part in parts for etag in part.etags]
        assert len(etags) == (len(rows) if options["with_etags"] else 0)
        for row, etag in zip(rows, etags, strict=False):
            assert etag and self.etags.setdefault(self.rows[row.key].data, etag) == etag
        if len(parts) > 1 and mask is None:
            # On from the middle of what a page or a stream gave.
            part = rng.randrange(len(parts) - 1)
            before = sum(len(each.records) for each in parts[: part + 1])
            request = self.request(index, matches, order=order, page_token=parts[part].token)
            rest = Answer.of(self.call(self.path("Get", index), request))
            self.same(rest.records, rows[before:], index, matches, f"{options}, after {before}")

    def stream(self, index: IndexOracle, matches: list[Match], **options):
        path, request = self.path("Stream", index), self.request(index, matches, **options)
        self.trace.append(f"{path.rsplit('/')[-1]} {request.hex()[:4000]}")
        for chunk in self.database.channel.unary_stream(path)(request, timeout=CALL_TIMEOUT):
            yield Answer.of(chunk)

    def random_mask(self, index: IndexOracle, rng: random.Random) -> list[str]:
        """Often one that the entries of the index cover."""
        covered = [name for name, _ in self.model.key]
        covered += [column.path for column in index.columns if column.repeated is None]
        covered += [path for path in index.index.include.split(", ") if path and path != "*"]
        if rng.random() < 0.6:
            return rng.sample(covered, rng.randint(1, len(covered)))
        return random_mask(self.message.DESCRIPTOR, rng)

    def key_message(self, message):
        """The `Key` of a record."""
        key = self.database.message(f"oracle.{self.plural}.Key")()
        for name, _ in self.model.key:
            if message.DESCRIPTOR.fields_by_name[name].message_type is not None:
                getattr(key, name).CopyFrom(getattr(message, name))
            else:
                setattr(key, name, getattr(message, name))
        return key

    def check_one(self, rng: random.Random):
        """By its whole key."""
        message = self.message()
        self.values.set_key(message, rng)
        [key] = self.key.entries(message)
        try:
            found = self.call(self.path("Get"), self.key_message(message).SerializeToString())
            assert found == self.rows[key].data
        except grpc.RpcError as error:
            assert (error.code(), key in self.rows) == (StatusCode.NOT_FOUND, False), error

    def same(self, found: list[bytes], rows: list[Row], index: IndexOracle, matches: list[Match], what: object):
        if found == [row.data for row in rows]:
            return
        known = {row.data: row.key for row in rows}
        lines = [f"{index.index}, {[match.fields for match in matches]}, {what}, expected:"]
        lines += [f"  {row.key}, entries {index.entries(row.message)}, {row.data.hex()}" for row in rows]
        lines += ["found:", *[f"  {known.get(each) or self.message.FromString(each)}" for each in found]]
        raise AssertionError("\n".join(lines))

    def check_all(self):
        """Each index as a whole, both ways."""
        for index in [self.key, *self.ready]:
            for order in (0, 1):
                self.check(index, [], order)
