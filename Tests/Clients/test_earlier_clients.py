"""Clients that were generated when there were fewer calls and fewer fields in a query."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import unknown_fields

from conftest import DOG_SCHEMA
from harness import process, status
from harness.generated import Client
from test_seed_session import SEED_DATABASE_PROTO

# What `create` wrote when queries had ranges, and neither pages nor masks.
WITH_RANGES = """\
syntax = "proto3";
package database;
message Dog { string pk = 1; string name = 2; uint32 age = 3; string breed = 4; }
message Dogs { repeated Dog dogs = 1; }
message IndexQuery {
  message Range {
    oneof lower { string gte = 1; string gt = 2; }
    oneof upper { string lte = 3; string lt = 4; }
  }
  oneof expression {
    string eq = 1;
    string gte = 2;
    string lte = 3;
    string begins_with = 4;
    string gt = 5;
    string lt = 6;
    Range range = 7;
  }
  reserved 8, 16 to 21;
}
message Empty {}
service Database {
  rpc GetDogsByPk(IndexQuery) returns (Dogs) {}
  rpc DeleteDogsByPk(IndexQuery) returns (Empty) {}
  rpc PutDog(Dog) returns (Empty) {}
  rpc BatchPutDogs(Dogs) returns (Empty) {}
}
"""
EARLIER = {"the seed": SEED_DATABASE_PROTO, "with ranges": WITH_RANGES}


@pytest.mark.parametrize("version", EARLIER)
def test_a_client_of_an_earlier_version_works(create, serve, tmp_path, version):
    directory = process.write_files(tmp_path / "earlier", {"database.proto": EARLIER[version]})
    creation = create(DOG_SCHEMA)
    channel = serve.connect(serve(creation)).channel
    old, new = Client(directory, channel), Client(creation.out, channel)
    names = [f"k{n:03d}" for n in range(20)]

    old.BatchPutDogs(old.message("Dogs")(dogs=[old.message("Dog")(pk=name) for name in names[1:]]))
    old.PutDog(old.message("Dog")(pk=names[0], name="Rex", age=7))
    assert new.GetDog(new.message("Dogs.Key")(pk=names[0])) == new.message("Dog")(
        pk=names[0], name="Rex", age=7
    )
    new.PutDog(new.message("Dog")(pk="k004x", breed="Poodle"))

    def get(**expression) -> list[str]:
        answer = old.GetDogsByPk(old.query(**expression))
        assert not list(unknown_fields.UnknownFieldSet(answer)), "an answer to what nobody asked"
        return [dog.pk for dog in answer.dogs]

    assert get(begins_with="k004") == ["k004", "k004x"]
    assert get(eq="k004x") == ["k004x"] and get(eq="nobody") == []
    assert get(gte="k018") == names[18:] and get(lte="k001") == names[:2]
    if version == "with ranges":
        assert get(gt="k018") == names[19:] and get(lt="k001") == names[:1]
        assert get(range={"gt": "k004", "lte": "k005"}) == ["k004x", "k005"]
    old.DeleteDogsByPk(old.query(begins_with="k004"))
    old.DeleteDogsByPk(old.query(gte="k006"))
    assert get(begins_with="") == names[:4] + names[5:6]
    with pytest.raises(grpc.RpcError) as raised:
        old.DeleteDogsByPk(old.query())
    assert status.failure(raised.value).reason == "BAD_QUERY"
