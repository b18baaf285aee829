"""What a read_mask leaves of a record: what Python's protobuf library would, which decodes, cuts and encodes.

The server copies bytes and decodes nothing, so the records here are encoded in ways that only a decoder takes lightly:
fields in any order, messages in several parts, members of a oneof one after the other, numbers in more bytes than they
need.
"""

from __future__ import annotations

import random

import grpc
import pytest
from grpc import StatusCode

from conftest import ServerFactory
from harness import status
from harness.client import delimited, query, records, tag
from harness.encodings import cut, random_mask, scrambled
from harness.generated import Client
from harness.records import fill
from test_zoo import FOLDERS, ONE_FILE, created

SCHEMA = """\
syntax = "proto3";
package database;
import "old.proto";

message Dog {
  string pk = 1;
  string name = 2;
  optional uint32 age = 3;
  Owner owner = 4;
  repeated Owner past = 5;
  map<string, Owner> by_name = 6;
  map<int32, int64> numbers = 7;
  repeated sint32 packed = 8;
  repeated fixed64 wide = 9;
  oneof what {
    Owner keeper = 10;
    string shelter = 11;
    old.Tag tag = 12;
    Dog parent = 13;
    bytes raw = 14;
  }
  double weight = 200;
  old.Tag label = 70000;
}

message Owner {
  string name = 1;
  Address address = 2;
  oneof reach {
    string phone = 3;
    Address post = 4;
    bool none = 5;
  }
  optional string nick = 6;
  repeated string mails = 7;
  map<string, string> notes = 8;
}

message Address {
  string street = 1;
  oneof code {
    int64 zip = 2;
    string text = 3;
  }
  Owner landlord = 4;
}
"""
OLD = """\
syntax = "proto2";
package old;

message Tag {
  optional group Part = 1 {
    optional string a = 1;
    optional group Inner = 2 {
      optional int32 x = 1;
      oneof which {
        string s = 3;
        group Deep = 4 { optional string t = 1; optional fixed32 u = 2; }
      }
    }
  }
  required string text = 2;
  repeated group List = 5 { optional string of = 1; }
  oneof kind {
    int32 number = 6;
    string words = 7;
  }
  repeated int32 unpacked = 8;
  repeated int32 packed = 9 [packed = true];
}
"""
FILES = {"schema.proto": SCHEMA, "old.proto": OLD}
PK = delimited(1, b"k")


def encoded(message_class, pk: str, rng: random.Random) -> bytes:
    """The fields of one or several records with this pk in a strange encoding; which of them hold is for a decoder."""
    data = b""
    for _ in range(rng.choice([1, 2, 2, 3])):
        message = message_class()
        fill(message, rng)
        message.pk = pk
        data += message.SerializeToString()
    return scrambled(data, message_class.DESCRIPTOR, rng)


def comparable(message) -> bytes:
    """Also NaN is like itself."""
    return message.SerializeToString(deterministic=True)


def assert_masked(database, name: str, stored: dict[str, bytes], paths: list[str], message_class):
    answer = database.call(f"Get{name}sByPk", query(begins_with="", read_mask=paths), timeout=60)
    for data, masked in zip(stored.values(), records(answer), strict=True):
        expected = cut(message_class.FromString(data), paths)
        assert comparable(message_class.FromString(masked)) == comparable(expected), (paths, data.hex())


@pytest.mark.parametrize("name", [*ONE_FILE, *FOLDERS, "nested oneofs, maps and groups"])
def test_a_masked_record_is_decoded_cut_and_encoded(name, create, serve, seed):
    rng = random.Random(seed)
    creation = create(FILES) if name.startswith("nested oneofs") else created(create, name)
    database = serve.connect(serve(creation, "--durability", "buffered"))
    client = Client(creation.out, database.channel)
    times = 10 if name.startswith("nested oneofs") else 1
    for model_name in rng.sample(database.models, min(len(database.models), 3)):
        message_class = client.message(model_name)
        stored = {
            pk: encoded(message_class, pk, rng)
            for pk in sorted((f"{n}é" for n in range(10 * times)), key=str.encode)
        }
        for data in stored.values():
            database.model(model_name).put(data)
        for _ in range(15 * times):
            paths = random_mask(message_class.DESCRIPTOR, rng)
            assert_masked(database, model_name, stored, paths, message_class)


@pytest.fixture(scope="module")
def masked(create, tmp_path_factory, engine):
    """A database of one record, and a client of it."""
    factory = ServerFactory(tmp_path_factory.mktemp("masks"), engine)
    try:
        creation = create(FILES)
        database = factory.connect(factory(creation))
        database.model("Dog").put(RECORD)
        yield database, Client(creation.out, database.channel)
    finally:
        factory.close()


# Strange throughout: overlong numbers, an owner in two parts with the post unset again by the second one.
RECORD = (
    delimited(2, b"Rex")
    + tag(3, 0)
    + b"\x85\x00"
    + delimited(4, delimited(1, b"Ada") + delimited(4, delimited(1, b"street")))
    + delimited(70000, delimited(2, b"text"))
    + delimited(1, b"k")
    + b"\x22\x8c\x00"
    + delimited(3, b"phone")
    + delimited(99, b"??")
    + delimited(777, b"unknown")
)


class TestMasks:
    def get(self, masked, paths) -> list[bytes]:
        return records(masked[0].call("GetDogsByPk", query(eq="k", read_mask=paths)))

    @pytest.mark.parametrize("paths", [None, [], ["*"], ["*", "name"], ["name", "*"]], ids=str)
    def test_no_mask_is_the_stored_bytes(self, masked, paths):
        fields = {} if paths is None else {"read_mask": paths}
        for expression in ({"eq": "k"}, {"begins_with": ""}, {"keys": ["k"]}):
            assert records(masked[0].call("GetDogsByPk", query(**expression, **fields))) == [RECORD]

    @pytest.mark.parametrize(
        "paths, left",
        [
            (["pk"], {"pk": "k"}),
            (["name"], {"name": "Rex"}),
            (["age", "name"], {"name": "Rex", "age": 5}),
            (["owner.name"], {"owner": {"name": "Ada"}}),
            (["owner.phone"], {"owner": {"phone": "phone"}}),
            # The phone unset it, though the mask does not name the phone.
            (["owner.post"], {"owner": {}}),
            (["owner.post.street"], {"owner": {}}),
            (["owner.address.landlord.name"], {"owner": {}}),
            (["past", "numbers", "by_name", "weight"], {}),
            (["keeper.name", "parent.pk"], {}),
            (["label.text"], {"label": {"text": "text"}}),
            (["label.part.inner.deep.t"], {"label": {"text": "text"}}),
            (["owner.name", "owner.name"], {"owner": {"name": "Ada"}}),
        ],
        ids=str,
    )
    def test_an_answer_holds_what_the_mask_names_and_nothing_else(self, masked, paths, left):
        message_class = masked[1].message("Dog")
        [data] = self.get(masked, paths)
        assert comparable(message_class.FromString(data)) == comparable(message_class(**left))

    def test_a_shorter_path_covers_a_longer_one(self, masked):
        assert self.get(masked, ["owner", "owner.name"]) == self.get(masked, ["owner"])
        assert self.get(masked, ["owner.name", "owner"]) == self.get(masked, ["owner"])

    def test_unknown_fields_go_where_the_mask_chooses_and_stay_where_it_does_not(self, masked):
        message_class = masked[1].message("Dog")
        assert b"unknown" not in self.get(masked, ["owner", "name"])[0]
        assert b"??" in self.get(masked, ["owner"])[0]
        assert b"??" not in self.get(masked, ["owner.phone"])[0]
        assert message_class.FromString(self.get(masked, ["owner"])[0]).owner.phone == "phone"

    def test_a_mask_in_several_parts_is_one(self, masked):
        parts = query(read_mask=["name"]) + query(eq="k") + query(read_mask=["pk"])
        [data] = records(masked[0].call("GetDogsByPk", parts))
        assert data == delimited(2, b"Rex") + delimited(1, b"k")

    def test_pages_and_streams_are_masked_alike(self, masked):
        client = masked[1]
        fields = client.query(begins_with="", page_size=1, read_mask=["name"])
        [whole] = client.GetDogsByPk(fields).dogs
        [[streamed]] = [message.dogs for message in client.StreamDogsByPk(fields)]
        assert whole == streamed == client.message("Dog")(name="Rex")

    @pytest.mark.parametrize(
        "path, says",
        [
            ("weigth", 'database.Dog has no field "weigth"'),
            ("byName", 'database.Dog has no field "byName"'),
            ("Name", 'database.Dog has no field "Name"'),
            ("owner.nmae", 'database.Owner has no field "nmae"'),
            ("what", 'database.Dog has no field "what"'),
            ("label.Part", 'old.Tag has no field "Part"'),
            ("name.first", "goes on after name, which is no message"),
            ("past.name", "goes on after past, which is repeated or a map"),
            ("by_name.ada", "goes on after by_name, which is repeated or a map"),
            ("by_name.value.name", "goes on after by_name, which is repeated or a map"),
            ("owner.*", 'database.Owner has no field "*"'),
            ("owner.", "has an empty part"),
            (".owner", "has an empty part"),
            ("owner..name", "has an empty part"),
            ("", "has an empty part"),
            (" name", 'has no field " name"'),
            ("name,age", 'has no field "name,age"'),
            ("1", 'has no field "1"'),
            ("имя", 'has no field "имя"'),
            ("parent" + ".parent" * 100, "at most 16384 bytes and 100 levels"),
        ],
        ids=lambda text: ascii(text[:30]),
    )
    @pytest.mark.parametrize("method", ["GetDogsByPk", "StreamDogsByPk"])
    def test_a_bad_path_is_named(self, masked, method, path, says):
        client = masked[1]
        # Also beside good ones, and where there is no record.
        for paths, expression in (
            ([path], {"eq": "k"}),
            (["name", path, "*"], {"begins_with": ""}),
            ([path], {"keys": ["nobody"]}),
        ):
            with pytest.raises(grpc.RpcError) as raised:
                answer = getattr(client, method)(client.query(read_mask=paths, **expression))
                list(answer)
            failure = status.failure(raised.value)
            assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_MASK")
            assert failure.metadata == {"path": path[:256]}
            assert says in failure.message

    def test_a_mask_has_a_limit(self, masked):
        client = masked[1]
        query = client.query(eq="k", read_mask=["name"] * 2_730)
        assert client.GetDogsByPk(query).dogs[0].name == "Rex"
        query.read_mask.paths.append("name")
        with pytest.raises(grpc.RpcError) as raised:
            client.GetDogsByPk(query)
        failure = status.failure(raised.value)
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_MASK")
        status.assert_sentence(failure.message, "16384 bytes")

    def test_a_path_may_be_as_deep_as_a_record(self, masked):
        client = masked[1]
        path = "parent." * 90 + "name"
        assert len(client.GetDogsByPk(client.query(eq="k", read_mask=[path])).dogs) == 1
