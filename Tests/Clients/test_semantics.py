"""What the four RPCs mean: order, bounds, isolation, atomicity, durability over a restart.

Items 1 to 7 of the list of things often got wrong, and the defects of the earlier attempt that can
be seen from outside, each have their test here; test_defects.py maps them.
"""

from __future__ import annotations

import random

import grpc
import pytest

from conftest import DOG_SCHEMA, DOGS_AND_TAGS
from harness import status
from harness.client import delimited, query, records, tag
from harness.model import SortedModel
from harness.records import unknown_fields

# In byte order, with what is special somewhere: LIKE's wildcards, NUL, the last code points.
KEYS = sorted(
    [
        "a",
        "a\0",
        "a%",
        "a%b",
        "a_",
        "aB",
        "aXb",
        "ab",
        "abc",
        "A",
        "B",
        "b",
        "\0",
        "\0\0",
        "é",
        "é1",
        "日本",
        "\x7f",
        "\u0080",
        "\uffff",
        "\uffff\uffff",
        "\U0010ffff",
        "\U0010ffff\U0010ffff",
        "\U0010fffe",
        "z" * 4096,
        "z" * 4095,
        "z" * 4095 + "y",
    ],
    key=str.encode,
)


def record(key: str | bytes, text: str = "") -> bytes:
    key = key.encode() if isinstance(key, str) else key
    return delimited(1, key) + (delimited(2, text.encode()) if text else b"")


@pytest.fixture
def loaded(dogs):
    """The keys above, put in a shuffled order."""
    shuffled = KEYS[:]
    random.Random(7).shuffle(shuffled)
    dogs.batch_put([record(key) for key in shuffled[:13]])
    for key in shuffled[13:]:
        dogs.put(record(key))
    return dogs


def test_every_expression_answers_in_ascending_byte_order(loaded):
    """Defect 1: `lte` came out descending."""
    everything = [record(key) for key in KEYS]
    assert loaded.get(begins_with="") == everything
    assert loaded.get(gte="") == everything
    assert loaded.get(lte="\U0010ffff\U0010ffff") == everything
    for at, key in enumerate(KEYS):
        assert loaded.get(gte=key) == everything[at:], key
        assert loaded.get(lte=key) == everything[: at + 1], key
        assert loaded.get(eq=key) == [everything[at]], key


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "a",
        "a%",
        "a_",
        "ab",
        "abc",
        "b",
        "A",
        "\0",
        "\x7f",
        "\u0080",
        "é",
        "日",
        "\uffff",
        "\U0010ffff",
        "\U0010ffff\U0010ffff",
        "z",
        "z" * 4095,
        "z" * 4096,
        "nothing",
        "%",
        "_",
        "*",
    ],
    ids=lambda p: ascii(p[:8]),
)
def test_begins_with_is_about_bytes(loaded, prefix):
    """Defect 2: `%` and `_` were wildcards, and case did not count."""
    expected = [record(key) for key in KEYS if key.encode().startswith(prefix.encode())]
    assert loaded.get(begins_with=prefix) == expected


@pytest.mark.parametrize("prefix", ["%", "_", "a_", "a%", "A", "\U0010ffff"], ids=ascii)
def test_delete_begins_with_takes_only_those_bytes(loaded, prefix):
    """Defect 2 again, where it costs data."""
    loaded.delete(begins_with=prefix)
    kept = [record(key) for key in KEYS if not key.encode().startswith(prefix.encode())]
    assert loaded.get(begins_with="") == kept


def test_lte_includes_the_bound_and_nothing_longer(dogs):
    dogs.batch_put([record(key) for key in ("k", "k\0", "k1", "j", "l")])
    assert dogs.get(lte="k") == [record("j"), record("k")]
    assert dogs.get(lte="k\0") == [record("j"), record("k"), record("k\0")]
    assert dogs.get(lte="") == []


def test_gte_includes_the_bound(dogs):
    dogs.batch_put([record(key) for key in ("k", "k\0", "k1", "j", "l")])
    assert dogs.get(gte="k") == [record(k) for k in ("k", "k\0", "k1", "l")]
    assert dogs.get(gte="m") == []


def test_models_do_not_run_into_each_other(database):
    """Item 2: a scan or delete at the edge of one model must not reach the next."""
    dog, tags = database.model("Dog"), database.model("DogTag")
    edges = ["\0", "Tag", "a", "\U0010ffff" * 1000]
    dog.batch_put([record(key, "dog") for key in edges])
    tags.batch_put([record(key, "tag") for key in edges])
    for expression in ({"begins_with": ""}, {"gte": ""}, {"lte": "\U0010ffff" * 1000}):
        assert dog.get(**expression) == [record(key, "dog") for key in edges]
        assert tags.get(**expression) == [record(key, "tag") for key in edges]
    assert dog.get(begins_with="Tag") == [record("Tag", "dog")]
    for expression in ({"gte": ""}, {"lte": "\U0010ffff" * 1000}, {"begins_with": ""}):
        dog.delete(**expression)
        assert dog.get(begins_with="") == []
        assert tags.get(begins_with="") == [record(key, "tag") for key in edges]
        dog.batch_put([record(key, "dog") for key in edges])
    tags.delete(begins_with="")
    assert dog.get(begins_with="") == [record(key, "dog") for key in edges]


def test_put_replaces(dogs):
    dogs.put(record("k", "one"))
    dogs.put(record("k", "two"))
    assert dogs.get(begins_with="") == [record("k", "two")]


def test_the_last_of_a_pk_twice_in_a_batch_wins(dogs):
    """Item 7."""
    dogs.batch_put([record("k", "one"), record("other"), record("k", "two")])
    assert dogs.get(begins_with="") == [record("k", "two"), record("other")]


def test_the_last_pk_of_a_record_is_its_key(dogs):
    """Item 6: the key agrees with what any proto3 decoder reads."""
    data = record("first", "text") + record("second") + tag(3, 0) + b"\x05"
    dogs.put(data)
    assert dogs.get(eq="first") == []
    assert dogs.get(eq="second") == [data]
    message = dogs.database.message("Dog").FromString(data)
    assert message.pk == "second"


TWO_EXPRESSIONS = {
    "eq, begins_with": query(eq="b") + query(begins_with=""),
    "begins_with, eq": query(begins_with="") + query(eq="b"),
    "gte, lte": query(gte="a") + query(lte="b"),
    "gte, unknown, lte": query(gte="a") + delimited(99, b"x") + query(lte="b"),
    "both eq": query(eq="a") + query(eq="b"),
    "both begins_with": query(begins_with="a") + query(begins_with=""),
}


@pytest.mark.parametrize("names", TWO_EXPRESSIONS)
@pytest.mark.parametrize("method", ["GetDogsByPk", "DeleteDogsByPk"])
def test_a_query_has_one_expression(method, names, database, dogs):
    """A decoder takes the last of several; a Delete that did so could erase everything."""
    stored = [record("a"), record("b")]
    dogs.batch_put(stored)
    with pytest.raises(grpc.RpcError) as raised:
        database.call(method, TWO_EXPRESSIONS[names])
    failure = status.failure(raised.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
    for name in names.replace("unknown, ", "").replace("both ", "").split(", "):
        assert name in failure.message
    assert dogs.get(begins_with="") == stored


def test_unknown_fields_of_a_query_do_not_matter(database, dogs):
    dogs.batch_put([record("a"), record("b")])
    request = delimited(99, b"x") + query(eq="a") + tag(1000, 0) + b"\x01"
    assert records(database.call("GetDogsByPk", request)) == [record("a")]


def test_a_batch_with_one_bad_record_writes_nothing(dogs):
    """Item 3 of the contract: a batch is all or nothing."""
    dogs.put(record("old", "kept"))
    for bad in (b"", delimited(2, b"no key"), record("x") + b"\x12\x05ab", record("y" * 4097)):
        for position in (0, 500, 999):
            batch = [record(f"k{n}") for n in range(999)] + [record("old", "changed")]
            batch.insert(position, bad)
            with pytest.raises(grpc.RpcError) as raised:
                dogs.batch_put(batch)
            assert status.failure(raised.value).code == grpc.StatusCode.INVALID_ARGUMENT
            assert dogs.get(begins_with="") == [record("old", "kept")]


def test_an_empty_batch_is_fine(dogs):
    dogs.batch_put([])
    assert dogs.get(begins_with="") == []


def test_a_batch_of_many_is_there_as_one(dogs):
    batch = [record(f"{n:06d}", "x" * 20) for n in range(20_000)]
    dogs.batch_put(batch)
    assert dogs.get(begins_with="") == batch


@pytest.mark.parametrize(
    "expression, value, gone",
    [
        ("eq", "b", ["b"]),
        ("eq", "nothing", []),
        ("gte", "b", ["b", "b\0", "b1", "c"]),
        ("lte", "b", ["a", "b"]),
        ("begins_with", "b", ["b", "b\0", "b1"]),
        ("begins_with", "", ["a", "b", "b\0", "b1", "c"]),
        ("gte", "", ["a", "b", "b\0", "b1", "c"]),
        ("lte", "", []),
        ("gte", "zz", []),
        ("gt", "b", ["b\0", "b1", "c"]),
        ("gt", "", ["a", "b", "b\0", "b1", "c"]),
        ("gt", "c", []),
        ("lt", "b", ["a"]),
        ("lt", "b\0", ["a", "b"]),
        ("lt", "", []),
        ("lt", "zz", ["a", "b", "b\0", "b1", "c"]),
        ("range", {"gte": "b", "lt": "c"}, ["b", "b\0", "b1"]),
        ("range", {"gt": "b", "lte": "b1"}, ["b\0", "b1"]),
        ("range", {"gte": "b", "lte": "b"}, ["b"]),
        ("range", {"gt": "b", "lt": "b\0"}, []),
        ("range", {"gt": "b", "lt": "b"}, []),
        ("range", {"gte": "c", "lte": "a"}, []),
        ("range", {"gt": "b1"}, ["c"]),
        ("range", {"lt": "b"}, ["a"]),
        ("range", {"gte": "", "lte": "zz"}, ["a", "b", "b\0", "b1", "c"]),
    ],
)
def test_delete_by_each_expression(dogs, expression, value, gone):
    keys = ["a", "b", "b\0", "b1", "c"]
    dogs.batch_put([record(key) for key in keys])
    assert dogs.get(**{expression: value}) == [record(key) for key in gone]
    assert dogs.delete(**{expression: value}) == b""
    assert dogs.get(begins_with="") == [record(key) for key in keys if key not in gone]
    dogs.put(record("b", "again"))
    assert dogs.get(eq="b") == [record("b", "again")]


def test_delete_without_an_expression_deletes_nothing(database, dogs):
    dogs.batch_put([record("a"), record("b")])
    for request in (
        b"",
        delimited(7, b""),
        delimited(8, b""),
        delimited(8, b"a"),
        delimited(9, b"a"),
        delimited(20, b"a"),
        query(page_size=1),
        delimited(99, b""),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            database.call("DeleteDogsByPk", request)
        assert status.failure(raised.value).code == grpc.StatusCode.INVALID_ARGUMENT
    assert dogs.get(begins_with="") == [record("a"), record("b")]


def test_a_range_delete_is_seen_whole_or_not_at_all(create, serve):
    """Defect 8: the delete is one write, and no reader meets half of it."""
    server = serve(create(DOG_SCHEMA), "--durability", "buffered")
    dogs = serve.connect(server).model("Dog")
    reader = serve.connect(server)
    assert reader.service  # the reflection is done before the race
    batch = [record(f"r{n:05d}") for n in range(5_000)]
    outside = [record("q"), record("s")]
    dogs.batch_put(outside)
    for _ in range(10):
        dogs.batch_put(batch)
        reads = [
            reader.stub("GetDogsByPk").future(query(begins_with="r"), timeout=30) for _ in range(3)
        ]
        delete = dogs.database.stub("DeleteDogsByPk").future(query(begins_with="r"), timeout=30)
        reads += [
            reader.stub("GetDogsByPk").future(query(begins_with="r"), timeout=30) for _ in range(3)
        ]
        assert {len(records(read.result())) for read in reads} <= {0, len(batch)}
        delete.result()
        assert dogs.get(begins_with="r") == []
        assert dogs.get(begins_with="") == outside


def test_an_empty_answer_is_ok_and_empty(database):
    assert database.call("GetDogsByPk", query(eq="nobody")) == b""


def test_bytes_that_no_encoder_writes_are_kept(dogs):
    """Item 5: protobuf's bytes are not canonical, and what is stored is what came in."""
    data = (
        tag(3, 0) + b"\x85\x80\x00" + delimited(2, b"one") + b"\x0a\x81\x00k" + delimited(2, b"two")
    )
    dogs.put(data)
    assert dogs.get(eq="k") == [data]
    dogs.batch_put([data])
    assert dogs.get(begins_with="") == [data]


def test_unknown_fields_are_kept(dogs, seed):
    rng = random.Random(seed)
    items = []
    for n in range(50):
        fields = [
            record(f"k{n:02d}"),
            *unknown_fields(dogs.database.message("Dog").DESCRIPTOR, rng),
        ]
        rng.shuffle(fields)
        items.append(b"".join(fields))
        dogs.put(items[-1])
    assert dogs.get(begins_with="") == items


@pytest.mark.parametrize("durability", ["sync", "buffered"])
def test_a_restart_keeps_everything(create, serve, durability):
    creation = create(DOGS_AND_TAGS)
    server = serve(creation, "--durability", durability)
    database = serve.connect(server)
    batch = [record(key, "dog") for key in KEYS]
    database.model("Dog").batch_put(batch)
    database.model("DogTag").put(record("tag"))
    database.model("Dog").delete(eq=KEYS[3])
    server.stop()
    for _ in range(2):
        server = serve(creation, "--durability", durability)
        database = serve.connect(server)
        assert database.model("Dog").get(begins_with="") == batch[:3] + batch[4:]
        assert database.model("DogTag").get(begins_with="") == [record("tag")]
        server.stop()


def random_key(rng: random.Random) -> bytes:
    """Short keys over few letters, so that prefixes, bounds and repeats happen."""
    letters = ["a", "b", "%", "_", "\0", "é", "\U0010ffff", "\x7f"]
    return "".join(rng.choice(letters) for _ in range(rng.randint(1, 4))).encode()


def test_a_random_program_agrees_with_an_independent_model(create, serve, seed):
    """Thousands of calls over two models, with restarts, against a sorted list."""
    rng = random.Random(seed)
    creation = create(DOGS_AND_TAGS)
    server = serve(creation, "--durability", "buffered")
    database = serve.connect(server)
    models = {name: SortedModel() for name in ("Dog", "DogTag")}
    for step in range(3_000):
        name = rng.choice(["Dog", "Dog", "DogTag"])
        model, remote = models[name], database.model(name)
        choice = rng.random()
        expression = rng.choice(["eq", "gte", "lte", "begins_with"])
        bound = random_key(rng) if expression == "eq" or rng.random() < 0.9 else b""
        if choice < 0.30:
            key = random_key(rng)
            data = record(key, f"{name} {step}")
            remote.put(data)
            model.put(key, data)
        elif choice < 0.45:
            batch = [
                (key := random_key(rng), record(key, f"{name} {step}.{n}"))
                for n in range(rng.randint(0, 30))
            ]
            remote.batch_put([data for _, data in batch])
            for key, data in batch:
                model.put(key, data)
        elif choice < 0.55:
            # Wide deletes are rare, so that there is something to find.
            expression = rng.choice(["eq", "eq", "begins_with", "begins_with", "gte", "lte"])
            if expression in ("gte", "lte") and rng.random() < 0.7:
                expression = "eq"
            bound = random_key(rng)
            remote.delete(**{expression: bound})
            model.delete(expression, bound)
        elif choice < 0.551:
            server.stop()
            server = serve(creation, "--durability", "buffered")
            database = serve.connect(server)
            continue
        else:
            assert remote.get(**{expression: bound}) == model.get(expression, bound), (
                step,
                name,
                expression,
                bound,
            )
    for name, model in models.items():
        assert database.model(name).get(begins_with="") == model.get("begins_with", b"")
