"""What calls on models with indexes are refused for: code, reason, the words that name it, and nothing changed."""

from __future__ import annotations

import math

import grpc
import pytest
from grpc import StatusCode

from conftest import ServerFactory
from harness import status
from harness.client import delimited, listed, tag, varint
from harness.generated import Client

SCHEMA = """\
syntax = "proto3";
package clinic;
import "google/protobuf/timestamp.proto";
import "seandb/options.proto";

enum Size { SIZE_NONE = 0; SIZE_LARGE = 1; }
message Label { string key = 1; string value = 2; }
message Owner { string email = 1; sint32 phone = 2; }

message Pet {
  option (seandb.model) = {
    index: {fields: "breed, -age"}
    index: {fields: "owner.email", name: "email", unique: true, sparse: true}
    index: {fields: "town, chip", unique: true}
    index: {fields: "tags"}
    index: {fields: "labels.key, labels.value"}
    index: {fields: "weight"}
    index: {fields: "born"}
    index: {fields: "numbers"}
    index: {fields: "level, good, size, short, owner.phone"}
    index: {fields: "passes", unique: true}
  };
  string pk = 1;
  string breed = 2;
  uint32 age = 3;
  Owner owner = 4;
  optional string town = 5;
  optional int64 chip = 6;
  repeated string tags = 7;
  repeated Label labels = 8;
  double weight = 9;
  google.protobuf.Timestamp born = 10;
  repeated int32 numbers = 11;
  int32 level = 12;
  bool good = 13;
  Size size = 14;
  uint32 short = 15;
  int32 free = 16;
  repeated bytes passes = 17;
}
message Visit {
  option (seandb.model) = {key: "pet, day", index: {fields: "-day", name: "day", unique: true}};
  string pet = 1;
  int32 day = 2;
}
"""

HOLDER = {
    "pk": "rex",
    "breed": "Collie",
    "owner": {"email": "ada@example.com"},
    "town": "Wien",
    "chip": 7,
    "passes": [b"one", b"two"],
}
PK = delimited(1, b"new")
HUGE = varint(2**40)


class Clinic:
    """A client, and the server's bytes under it."""

    def __init__(self, created, database):
        self.client, self.database = Client(created.out, database.channel), database

    def call(self, method: str, request: bytes) -> bytes:
        return self.database.call(f"/clinic.Database/{method}", request)

    def message(self, name: str, fields: dict) -> bytes:
        return self.client.message(name)(**fields).SerializeToString()

    def failure(self, method: str, request: bytes) -> status.Failure:
        with pytest.raises(grpc.RpcError) as caught:
            if method.startswith("Stream"):
                call = self.database.channel.unary_stream(f"/clinic.Database/{method}")
                list(call(request, timeout=30))
            else:
                self.call(method, request)
        failure = status.failure(caught.value)
        status.assert_sentence(failure.message, ".")
        return failure

    @property
    def pets(self) -> list:
        return list(self.client.GetPetsByPk(self.client.query(begins_with="")).pets)


@pytest.fixture(scope="module")
def clinic(create, tmp_path_factory, engine):
    """A server with one pet and two visits, for calls that change nothing."""
    factory = ServerFactory(tmp_path_factory.mktemp("refusals"), engine)
    try:
        created = create(SCHEMA)
        clinic = Clinic(created, factory.connect(factory(created)))
        clinic.call("PutPet", clinic.message("Pet", HOLDER))
        for day in (1, 2):
            clinic.call("PutVisit", clinic.message("Visit", {"pet": "rex", "day": day}))
        yield clinic
    finally:
        factory.close()


# The record, its reason, the words of its sentence, and its metadata.
RECORDS = {
    "long text": (
        PK + delimited(2, b"x" * 4094),
        "INDEX_KEY_TOO_LONG",
        ["`breed`", "breed_age", "4096", "4097"],
        {"index": "breed_age", "field": "breed", "limitBytes": "4096"},
    ),
    "long text of zeros": (
        PK + delimited(2, b"\0" * 2047),
        "INDEX_KEY_TOO_LONG",
        ["`breed`", "breed_age", "4096"],
        {"index": "breed_age", "field": "breed", "limitBytes": "4096"},
    ),
    "long element": (
        PK + delimited(7, b"short") + delimited(7, b"x" * 5000),
        "INDEX_KEY_TOO_LONG",
        ["`tags`", "4096"],
        {"index": "tags", "field": "tags", "limitBytes": "4096"},
    ),
    "long together": (
        PK + delimited(8, delimited(1, b"x" * 2000) + delimited(2, b"x" * 2500)),
        "INDEX_KEY_TOO_LONG",
        ["`labels.value`", "labels_key_labels_value", "4096"],
        {"index": "labels_key_labels_value", "field": "labels.value", "limitBytes": "4096"},
    ),
    "many elements": (
        PK + b"".join(delimited(7, b"%d" % n) for n in range(1001)),
        "BAD_RECORD",
        ["`tags`", "1000"],
        {"index": "tags", "field": "tags"},
    ),
    "many packed elements": (
        PK + delimited(11, b"".join(varint(n) for n in range(1001))),
        "BAD_RECORD",
        ["`numbers`", "1000"],
        {"index": "numbers", "field": "numbers"},
    ),
    "int32 out of range": (
        PK + tag(12, 0) + HUGE,
        "BAD_RECORD",
        ["`level`", "level_good_size_short_owner_phone", "range"],
        {"index": "level_good_size_short_owner_phone", "field": "level"},
    ),
    "negative int32 of 5 bytes": (PK + tag(12, 0) + varint(2**32 - 1), "BAD_RECORD", ["`level`", "range"], None),
    "bool out of range": (PK + tag(13, 0) + b"\x02", "BAD_RECORD", ["`good`", "range"], None),
    "enum out of range": (PK + tag(14, 0) + HUGE, "BAD_RECORD", ["`size`", "range"], None),
    "uint32 out of range": (PK + tag(15, 0) + HUGE, "BAD_RECORD", ["`short`", "range"], None),
    "sint32 out of range": (PK + delimited(4, tag(2, 0) + HUGE), "BAD_RECORD", ["`owner.phone`", "range"], None),
    "element out of range": (
        PK + delimited(11, b"\x01" + HUGE),
        "BAD_RECORD",
        ["`numbers`", "range"],
        {"index": "numbers", "field": "numbers"},
    ),
    "seconds out of range": (PK + delimited(10, tag(1, 0) + varint(2**50)), "BAD_RECORD", ["`born`", "range"], None),
    "nanos out of range": (
        PK + delimited(10, tag(2, 0) + varint(1_000_000_000)),
        "BAD_RECORD",
        ["`born`", "range"],
        {"index": "born", "field": "born"},
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_refuses_a_record(clinic, name):
    record, reason, words, metadata = RECORDS[name]
    alone = clinic.failure("PutPet", record)
    assert (alone.code, alone.reason) == (StatusCode.INVALID_ARGUMENT, reason)
    for word in [*words, "Pet"]:
        assert word in alone.message
    if metadata is not None:
        assert alone.metadata == metadata
    # Nor is the other one of a batch.
    batch = clinic.failure("BatchPutPets", listed([delimited(1, b"good"), record]))
    assert (batch.code, batch.reason) == (alone.code, reason)
    assert batch.message == f"record 1 of the batch: {alone.message}; nothing was stored"
    assert batch.metadata == {"recordIndex": "1", **alone.metadata}
    assert [pet.pk for pet in clinic.pets] == ["rex"]


TAKEN = {
    "email": (delimited(4, delimited(1, b"ada@example.com")), "email", "owner.email"),
    "two columns": (delimited(5, b"Wien") + tag(6, 0) + b"\x07", "town_chip", "town, chip"),
    "one of several elements": (delimited(17, b"three") + delimited(17, b"two"), "passes", "passes"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_refuses_a_value_that_is_taken(clinic, name):
    fields, index, columns = TAKEN[name]
    failure = clinic.failure("PutPet", PK + fields)
    assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "UNIQUE_VIOLATION")
    for word in ("Pet", '"rex"', columns, f"index {index}", "unique", "nothing was stored"):
        assert word in failure.message
    assert failure.metadata == {"index": index, "model": "clinic.Pet", "holder": "rex", "recordIndex": "0"}
    failure = clinic.failure("BatchPutPets", listed([delimited(1, b"good"), PK + fields]))
    assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "UNIQUE_VIOLATION")
    assert failure.metadata == {"index": index, "model": "clinic.Pet", "holder": "rex", "recordIndex": "1"}
    # Two of one batch clash as well.
    other = fields.replace(b"ada", b"eve").replace(b"Wien", b"Graz").replace(b"two", b"six")
    batch = listed([delimited(1, b"one") + other, delimited(1, b"other") + other])
    failure = clinic.failure("BatchPutPets", batch)
    assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "UNIQUE_VIOLATION")
    assert failure.metadata["holder"] in ("one", "other")
    assert [pet.pk for pet in clinic.pets] == ["rex"]


def test_names_a_holder_with_a_key_of_columns(clinic):
    failure = clinic.failure("PutVisit", clinic.message("Visit", {"pet": "tom", "day": 2}))
    assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "UNIQUE_VIOLATION")
    assert 'Visit with the key (pet "rex", day 2)' in failure.message
    assert failure.metadata["index"] == "day" and "rex" in failure.metadata["holder"]


# The method, the message of its query, the query, and words of the sentence.
QUERIES = {
    "gap": ("PetsByBreedAge", {"age": {"eq": 1}}, ["a match of age and none of breed, which comes before it"]),
    "gap in the middle": (
        "PetsByLevelGoodSizeShortOwnerPhone",
        {"level": {"eq": 1}, "size": {"eq": 1}},
        ["a match of size and none of good"],
    ),
    "two ranges": (
        "PetsByBreedAge",
        {"breed": {"begins_with": "C"}, "age": {"lt": 2}},
        ["a match of age after one of breed", "only the last match may be a range"],
    ),
    "a match after unset": (
        "PetsByTownChip",
        {"town": {"is_unset": True}, "chip": {"eq": 2}},
        ["a match of chip after one of town"],
    ),
    "empty match": ("PetsByBreedAge", {"breed": {}}, ["the match of breed has no expression"]),
    "empty in": ("PetsByTags", {"tags": {"in": {}}}, ["the match of tags has an empty list for in"]),
    "long in": (
        "PetsByBreedAge",
        {"breed": {"in": {"values": [str(n) for n in range(1001)]}}},
        ["the match of breed", "more than 1000 values"],
    ),
    "too many": (
        "PetsByBreedAge",
        {"breed": {"in": {"values": [str(n) for n in range(40)]}}, "age": {"in": {"values": range(40)}}},
        ["1600 combinations", "at most 1000"],
    ),
    "no bound": ("PetsByWeight", {"weight": {"range": {}}}, ["the match of weight has a range without a bound"]),
    "NaN as a bound": ("PetsByWeight", {"weight": {"gte": math.nan}}, ["the match of weight", "range of its type"]),
    "NaN as an upper bound": (
        "PetsByWeight",
        {"weight": {"range": {"gt": 1.0, "lte": math.nan}}},
        ["the match of weight", "range of its type"],
    ),
    "no time": ("PetsByBorn", {"born": {"eq": {"nanos": -1}}}, ["the match of born", "range of its type"]),
    "count of a page": ("PetsByTags", {"count_only": True, "page_size": 1}, ["count_only", "page_size"]),
    "order": ("PetsByTags", {"order": 7}, ["order of the query is 7"]),
}


@pytest.mark.parametrize("name", QUERIES)
def test_refuses_a_query(clinic, name):
    method, fields, words = QUERIES[name]
    for verb in ["Get"] if "count_only" in fields else ["Get", "Stream"]:
        request = clinic.message(method.replace("By", ".By", 1), fields)
        failure = clinic.failure(verb + method, request)
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
        for word in words:
            assert word in failure.message


def test_refuses_what_no_library_writes(clinic):
    failure = clinic.failure("GetPetsByBreedAge", delimited(1, delimited(1, b"\xff")))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
    assert "the match of breed is not UTF-8" in failure.message
    failure = clinic.failure("GetPetsByBreedAge", delimited(1, b"\x0a\x05ab"))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
    assert "the match of breed is malformed at byte" in failure.message
    failure = clinic.failure("GetPetsByBreedAge", delimited(1, delimited(1, b"a")) * 2)
    assert "the match of breed has two expressions, or comes twice" in failure.message


def test_refuses_a_mask(clinic):
    request = clinic.message("Pets.ByTags", {"read_mask": {"paths": ["owner.mail"]}})
    failure = clinic.failure("GetPetsByTags", request)
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_MASK")
    assert failure.metadata == {"path": "owner.mail"} and "clinic.Owner" in failure.message


ALL = {"town": {"eq": "Wien"}, "chip": {"eq": 7}}
DELETES = {
    "nothing": ({}, ["town_chip"]),
    "one of two columns": ({"town": {"eq": "Wien"}}, ["town_chip"]),
    "a range": ({"town": {"eq": "Wien"}, "chip": {"gte": 0}}, ["town_chip"]),
    "several values": ({"town": {"eq": "Wien"}, "chip": {"in": {"values": [7, 8]}}}, ["town_chip", "eq"]),
    "unset": ({"town": {"eq": "Wien"}, "chip": {"is_unset": True}}, ["town_chip"]),
    "a gap": ({"chip": {"eq": 7}}, ["town"]),
    "a page": ({**ALL, "page_size": 1}, ["page_size is set in a Delete"]),
    "a mask": ({**ALL, "read_mask": {"paths": ["pk"]}}, ["read_mask is set in a Delete"]),
    "an order": ({**ALL, "order": 1}, ["order is set in a Delete"]),
    "a count": ({**ALL, "count_only": True}, ["count_only is set in a Delete"]),
}


@pytest.mark.parametrize("name", DELETES)
def test_refuses_a_delete(clinic, name):
    fields, words = DELETES[name]
    clinic.call("PutPet", clinic.message("Pet", HOLDER))
    failure = clinic.failure("DeletePetsByTownChip", clinic.message("Pets.ByTownChip", fields))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
    for word in words:
        assert word in failure.message
    assert [pet.pk for pet in clinic.pets] == ["rex"]


def test_has_no_delete_by_an_index_that_is_not_unique(clinic):
    failure = clinic.failure("DeletePetsByTags", clinic.message("Pets.ByTags", {"tags": {"eq": "a"}}))
    assert failure.code == StatusCode.UNIMPLEMENTED


def test_a_page_token_is_of_its_query_alone(clinic):
    page = clinic.client.GetVisitsByDay(clinic.client.message("Visits.ByDay")(page_size=1))
    assert [visit.day for visit in page.visits] == [2] and page.next_page_token
    token = page.next_page_token
    others = {
        "another match": ("VisitsByDay", {"day": {"gte": 1}}),
        "another order": ("VisitsByDay", {"order": 1}),
        "the key": ("VisitsByPk", {}),
        "another model": ("PetsByTags", {}),
    }
    for name, (method, fields) in others.items():
        request = clinic.message(method.replace("By", ".By", 1), {**fields, "page_token": token})
        failure = clinic.failure("Get" + method, request)
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_PAGE_TOKEN"), name
        assert "of another query" in failure.message or "of another database" in failure.message, name
    for damaged in (token[:-4], token[:-1] + ("A" if token[-1] != "A" else "B"), "?", token + "AAAA"):
        request = clinic.message("Visits.ByDay", {"page_token": damaged})
        failure = clinic.failure("GetVisitsByDay", request)
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_PAGE_TOKEN"), damaged
    request = clinic.client.message("Visits.ByDay")(page_token=token)
    assert [visit.day for visit in clinic.client.GetVisitsByDay(request).visits] == [1]


def test_says_why_an_index_could_not_be_built(create, serve):
    plain = SCHEMA.replace('index: {fields: "owner.email", name: "email", unique: true, sparse: true}', "")
    created = create(plain)
    server = serve(created)
    clinic = Clinic(created, serve.connect(server))
    for name in ("one", "two"):
        clinic.call("PutPet", clinic.message("Pet", {"pk": name, "owner": {"email": "a@b"}}))
    server.stop()

    created = create(SCHEMA)
    server = serve(created)
    clinic = Clinic(created, serve.connect(server))
    for verb in ("Get", "Stream", "Delete"):
        request = clinic.message("Pets.ByEmail", {"owner_email": {"eq": "a@b"}})
        failure = clinic.failure(f"{verb}PetsByEmail", request)
        assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "INDEX_FAILED")
        for word in ("index email", '"one"', '"two"', "owner.email", "restart"):
            assert word in failure.message
        assert failure.metadata["index"] == "email"
        assert "one" in failure.metadata["pairs"] and "two" in failure.metadata["pairs"]
    # All others are there, and writes go on.
    clinic.call("PutPet", clinic.message("Pet", {"pk": "two", "owner": {"email": "c@d"}}))
    assert clinic.client.GetPetsByBreedAge(clinic.client.message("Pets.ByBreedAge")(count_only=True)).count == 2
    server.stop()
    clinic = Clinic(created, serve.connect(serve(created)))
    request = clinic.client.message("Pets.ByEmail")(owner_email={"eq": "c@d"})
    assert [pet.pk for pet in clinic.client.GetPetsByEmail(request).pets] == ["two"]
