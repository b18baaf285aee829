"""Keys of several typed columns: each answer is compared with a sorted list, which knows nothing of the server."""

from __future__ import annotations

import functools
import random

import grpc
import pytest
from grpc import StatusCode

from conftest import ServerFactory
from harness import status
from harness.generated import Client

SCHEMA = """\
syntax = "proto3";
package clinic;
import "google/protobuf/duration.proto";
import "google/protobuf/timestamp.proto";
import "seandb/options.proto";

enum Species { UNKNOWN = 0; DOG = 1; CAT = 2; GHOST = -5; }

message Visit {
  option (seandb.model) = {key: "tenant, -created, id"};
  string tenant = 1;
  google.protobuf.Timestamp created = 2;
  string id = 3;
  string notes = 4;
}
message Reading {
  option (seandb.model) = {key: "sensor, species, -code, on"};
  int64 sensor = 1;
  Species species = 2;
  bytes code = 3;
  bool on = 4;
  string notes = 5;
}
message Span {
  option (seandb.model) = {key: "-length, serial"};
  google.protobuf.Duration length = 7;
  fixed64 serial = 2;
  string notes = 5;
}
message Country {
  option (seandb.model) = {plural: "Countries"};
  string pk = 1;
  string notes = 2;
}
"""

LARGE = 2**63 - 1


def time(seconds: int, nanos: int = 0) -> dict:
    """A Timestamp, or a Duration."""
    return {"seconds": seconds, "nanos": nanos}


def order_of(value):
    """What a value is sorted by."""
    if isinstance(value, dict):
        return value["seconds"], value["nanos"]
    return value.encode() if isinstance(value, str) else value


# The columns of each model: name, whether it descends, and values among which many are close to each other.
TEXTS = ["", "a", "a\0", "a\0\x01", "ab", "b", "é", "\uffff", "\U0010ffff"]
MODELS = {
    "Visit": [
        ("tenant", False, TEXTS),
        ("created", True, [time(0), time(0, 1), time(1), time(-1), time(1_700_000_000, 999_999_999)]),
        ("id", False, TEXTS),
    ],
    "Reading": [
        ("sensor", False, [0, 1, 111, 112, -1, -112, -113, LARGE, -LARGE - 1]),
        ("species", False, [0, 1, 2, -5, 77]),
        ("code", True, [b"", b"\0", b"\0\xff", b"\xff", b"ab", b"a"]),
        ("on", False, [False, True]),
    ],
    "Span": [
        ("length", True, [time(0), time(0, 1), time(0, -1), time(-1, -5), time(7)]),
        ("serial", False, [0, 1, 300, 2**64 - 1]),
    ],
}


class Records:
    """A model's records, in the server and here."""

    def __init__(self, client: Client, name: str, generator: random.Random):
        self.client, self.name, self.columns = client, name, MODELS[name]
        self.plural = name + "s"
        wanted = 400 if name != "Span" else 20
        rows = {}
        while len(rows) < wanted:
            row = tuple(generator.choice(values) for _, _, values in self.columns)
            rows[tuple(order_of(value) for value in row)] = row
        self.rows = sorted(rows.values(), key=functools.cmp_to_key(self.compare))
        shuffled = generator.sample(self.rows, len(self.rows))
        middle = len(shuffled) // 2
        put = getattr(client, f"Put{name}")
        for row in shuffled[:middle]:
            put(self.record(row))
        getattr(client, f"BatchPut{self.plural}")(self.listed(shuffled[middle:]))

    def compare(self, first, second) -> int:
        for (_, descends, _), a, b in zip(self.columns, first, second, strict=True):
            a, b = order_of(a), order_of(b)
            if a != b:
                return 1 if (a > b) != descends else -1
        return 0

    def fields(self, row) -> dict:
        return {name: value for (name, _, _), value in zip(self.columns, row, strict=True)}

    def record(self, row):
        return self.client.message(self.name)(**self.fields(row), notes=repr(row))

    def listed(self, rows):
        answer = self.client.message(self.plural)()
        getattr(answer, self.plural.lower()).extend(self.record(row) for row in rows)
        return answer

    def get(self, **query):
        return getattr(self.client, f"Get{self.plural}ByPk")(self.query(**query))

    def query(self, **query):
        return self.client.message(f"{self.plural}.ByPk")(**query)

    def of(self, answer) -> list[str]:
        return [each.notes for each in getattr(answer, self.plural.lower())]

    def match(self, generator: random.Random, column: int, is_last: bool):
        """A match of a column, and what it says of a value."""
        name, _, values = self.columns[column]
        one, two = generator.choice(values), generator.choice(values)
        low, high = sorted([one, two], key=order_of)
        kinds = ["eq", "in"]
        if is_last:
            kinds += ["gte", "gt", "lte", "lt", "range", "unset"]
            kinds += ["begins_with"] if isinstance(one, (str, bytes)) else []
        kind = generator.choice(kinds)
        of, first = order_of, order_of(one)
        if kind == "in":
            chosen = generator.choices(values, k=generator.randrange(1, 4))
            orders = [order_of(value) for value in chosen]
            return {"in": {"values": chosen}}, lambda value: of(value) in orders
        if kind == "range":
            lower, upper = generator.choice(["gte", "gt"]), generator.choice(["lte", "lt"])
            bounds = {lower: low, upper: high}
            start, end = order_of(low), order_of(high)
            return {"range": bounds}, lambda value: (
                (of(value) >= start if lower == "gte" else of(value) > start)
                and (of(value) <= end if upper == "lte" else of(value) < end)
            )
        if kind == "unset":
            return {"is_unset": True}, lambda value: False
        return {kind: one}, {
            "eq": lambda value: of(value) == first,
            "gte": lambda value: of(value) >= first,
            "gt": lambda value: of(value) > first,
            "lte": lambda value: of(value) <= first,
            "lt": lambda value: of(value) < first,
            "begins_with": lambda value: order_of(value).startswith(first),
        }[kind]

    def random_query(self, generator: random.Random):
        """The matches of a query, and the rows that it names."""
        count = generator.randrange(len(self.columns) + 1)
        matches, rows = {}, self.rows
        for column in range(count):
            match, holds = self.match(generator, column, column == count - 1)
            matches[self.columns[column][0]] = match
            rows = [row for row in rows if holds(row[column])]
        return matches, rows


@pytest.fixture
def clinic(create, serve: ServerFactory):
    created = create(SCHEMA)
    return Client(created.out, serve.connect(serve(created)).channel)


@pytest.mark.parametrize("name", MODELS)
def test_answers_as_a_sorted_list_does(clinic, seed, name):
    generator = random.Random(f"{seed} {name}")
    records = Records(clinic, name, generator)
    assert records.of(records.get()) == [repr(row) for row in records.rows]
    for _ in range(300):
        matches, rows = records.random_query(generator)
        notes = [repr(row) for row in rows]
        assert records.of(records.get(**matches)) == notes, matches
        assert records.of(records.get(**matches, order=1)) == notes[::-1], matches
        assert records.get(**matches, count_only=True).count == len(notes), matches
        # Pages of any size are the whole.
        size, order, pages, token = generator.randrange(1, 60), generator.randrange(2), [], ""
        while True:
            page = records.get(**matches, page_size=size, page_token=token, order=order)
            pages += records.of(page)
            token = page.next_page_token
            if not token:
                break
            assert len(records.of(page)) == size, matches
        assert pages == (notes[::-1] if order else notes), matches
        if generator.random() < 0.2:
            stream = getattr(clinic, f"Stream{records.plural}ByPk")(records.query(**matches))
            assert [note for chunk in stream for note in records.of(chunk)] == notes, matches


@pytest.mark.parametrize("name", MODELS)
def test_deletes_what_a_query_names(clinic, seed, name):
    generator = random.Random(f"{seed} delete {name}")
    records = Records(clinic, name, generator)
    left = records.rows
    for _ in range(40):
        matches, rows = records.random_query(generator)
        if not matches:
            continue
        getattr(clinic, f"Delete{records.plural}ByPk")(records.query(**matches))
        gone = {repr(row) for row in rows}
        left = [row for row in left if repr(row) not in gone]
        assert records.of(records.get()) == [repr(row) for row in left], matches


@pytest.mark.parametrize("name", MODELS)
def test_gets_one_by_its_key(clinic, seed, name):
    generator = random.Random(f"{seed} one {name}")
    records = Records(clinic, name, generator)
    key = clinic.message(f"{records.plural}.Key")
    get = getattr(clinic, f"Get{name}")
    for row in records.rows[::7]:
        assert get(key(**records.fields(row))).notes == repr(row)
    stored = {tuple(order_of(value) for value in row) for row in records.rows}
    for _ in range(1000):
        row = tuple(generator.choice(values) for _, _, values in records.columns)
        if tuple(order_of(value) for value in row) not in stored:
            with pytest.raises(grpc.RpcError) as refusal:
                get(key(**records.fields(row)))
            assert refusal.value.code() == StatusCode.NOT_FOUND
            break
    # The last of two with the same key stays.
    row = records.rows[0]
    other = records.record(row)
    other.notes = "second"
    batch = records.listed([row])
    getattr(batch, records.plural.lower()).append(other)
    getattr(clinic, f"BatchPut{records.plural}")(batch)
    assert get(key(**records.fields(row))).notes == "second"
    assert records.get(count_only=True).count == len(records.rows)


def refusal(call, request) -> tuple[StatusCode, str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    failure = status.failure(caught.value)
    return failure.code, failure.reason, failure.message


REFUSED = {
    "gap": (
        "GetVisitsByPk",
        "Visits.ByPk",
        {"id": {"eq": "a"}},
        "BAD_QUERY",
        "a match of id and none of tenant, which comes before it",
    ),
    "gap in the middle": (
        "GetVisitsByPk",
        "Visits.ByPk",
        {"tenant": {"eq": "a"}, "id": {"eq": "a"}},
        "BAD_QUERY",
        "none of created",
    ),
    "two ranges": (
        "GetVisitsByPk",
        "Visits.ByPk",
        {"tenant": {"gte": "a"}, "created": {"gte": time(0)}},
        "BAD_QUERY",
        "only the last match may be a range",
    ),
    "empty match": ("GetVisitsByPk", "Visits.ByPk", {"tenant": {}}, "BAD_QUERY", "tenant has no expression"),
    "empty in": ("GetVisitsByPk", "Visits.ByPk", {"tenant": {"in": {}}}, "BAD_QUERY", "empty list for in"),
    "too many": (
        "GetReadingsByPk",
        "Readings.ByPk",
        {"sensor": {"in": {"values": range(40)}}, "species": {"in": {"values": range(40)}}},
        "BAD_QUERY",
        "1600 combinations of values; at most 1000",
    ),
    "no time": (
        "GetVisitsByPk",
        "Visits.ByPk",
        {"tenant": {"eq": "a"}, "created": {"gt": time(0, -1)}},
        "BAD_QUERY",
        "created has a value out of the range",
    ),
    "range without a bound": (
        "GetVisitsByPk",
        "Visits.ByPk",
        {"tenant": {"range": {}}},
        "BAD_QUERY",
        "a range without a bound",
    ),
    "delete of nothing": ("DeleteVisitsByPk", "Visits.ByPk", {}, "BAD_QUERY", "it never means everything"),
    "delete of a page": (
        "DeleteVisitsByPk",
        "Visits.ByPk",
        {"tenant": {"eq": "a"}, "page_size": 1},
        "BAD_QUERY",
        "page_size is set in a Delete",
    ),
    "key not set": ("GetVisit", "Visits.Key", {"tenant": "a", "id": "b"}, "BAD_KEY", "created of the key is not set"),
    "key out of range": (
        "GetVisit",
        "Visits.Key",
        {"tenant": "a", "created": time(0, -1)},
        "BAD_KEY",
        "created of the key is out of the range",
    ),
    "record without its key": (
        "PutVisit",
        "Visit",
        {"tenant": "a", "id": "b"},
        "BAD_KEY",
        "`created` (2) of clinic.Visit: the field is a part of the key and is not set",
    ),
    "record out of range": (
        "PutVisit",
        "Visit",
        {"created": time(2**50)},
        "BAD_KEY",
        "`created` (2) of clinic.Visit: the value is out of the range",
    ),
    "record with a long key": ("PutVisit", "Visit", {"tenant": "a" * 4096, "created": time(0)}, "BAD_KEY", "4096"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(clinic, name):
    method, message, fields, reason, words = REFUSED[name]
    code, found, text = refusal(getattr(clinic, method), clinic.message(message)(**fields))
    assert (code, found) == (StatusCode.INVALID_ARGUMENT, reason)
    assert words in text
    # Nothing was stored.
    assert clinic.GetVisitsByPk(clinic.message("Visits.ByPk")(count_only=True)).count == 0


def test_keys_that_are_too_long_cost_nothing(clinic):
    """Each of a thousand is longer than any key; together they would be a hundred megabytes."""
    codes = [bytes([n // 256, n % 256]) + bytes(4000) for n in range(500)]
    species = [0, 1]
    request = clinic.message("Readings.ByPk")(
        sensor={"eq": 1}, species={"in": {"values": species}}, code={"in": {"values": codes}}
    )
    assert list(clinic.GetReadingsByPk(request).readings) == []
    clinic.DeleteReadingsByPk(request)


def test_names_the_column_of_a_match_that_is_none(serve, create):
    database = serve.connect(serve(create(SCHEMA)))
    code, reason, text = refusal(
        lambda request: database.call("/clinic.Database/GetVisitsByPk", request), b"\x08\x01"
    )
    assert (code, reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
    assert "the match of tenant is malformed at byte 0" in text


def test_names_the_key_that_is_not_there(clinic):
    key = clinic.message("Visits.Key")(tenant="a", created=time(5), id="b")
    code, reason, text = refusal(clinic.GetVisit, key)
    assert (code, reason) == (StatusCode.NOT_FOUND, "RECORD_NOT_FOUND")
    assert text == 'no clinic.Visit has the key (tenant "a", created 1970-01-01T00:00:05Z, id "b")'


def test_a_page_token_is_of_its_query_alone(clinic, seed):
    records = Records(clinic, "Visit", random.Random(seed))
    token = records.get(tenant={"lte": "b"}, page_size=1).next_page_token
    assert token
    code, reason, _ = refusal(
        clinic.GetVisitsByPk, records.query(tenant={"lte": "a"}, page_token=token, page_size=1)
    )
    assert (code, reason) == (StatusCode.INVALID_ARGUMENT, "BAD_PAGE_TOKEN")


def test_a_plural_of_its_own(clinic):
    country = clinic.message("Country")(pk="at", notes="Austria")
    clinic.PutCountry(country)
    answer = clinic.GetCountriesByPk(clinic.message("IndexQuery")(begins_with=""))
    assert list(answer.countries) == [country]


def test_keeps_its_records_over_a_restart(create, serve: ServerFactory, seed):
    created = create(SCHEMA)
    server = serve(created)
    client = Client(created.out, serve.connect(server).channel)
    records = Records(client, "Reading", random.Random(seed))
    serve.forget(server)
    server.stop()
    records.client = Client(created.out, serve.connect(serve(created)).channel)
    assert records.of(records.get()) == [repr(row) for row in records.rows]
