"""What a query can ask beside its expression: keys, order, pages, counts, etags; and reads by one key.

Each answer is compared with a sorted list, which knows nothing of the server.
"""

from __future__ import annotations

import random

import grpc
import pytest
from grpc import StatusCode

from conftest import DOG_SCHEMA, DOGS_AND_TAGS, ServerFactory
from harness import status
from harness.client import CALL_TIMEOUT
from harness.generated import Client
from harness.model import SortedModel

# More than a server reads in one go on an event loop.
PLAIN = [f"k{n:04d}" for n in range(1_500)]
STRANGE = ["a", "a\0", "a%", "ab", "B", "\0", "é", "日本", "\uffff", "\U0010ffff", "z" * 4096, "z" * 4095]
KEYS = sorted(PLAIN + STRANGE, key=str.encode)
DESCENDING = 1

EXPRESSIONS = {
    "everything": {"begins_with": ""},
    "begins_with": {"begins_with": "k01"},
    "begins_with nothing": {"begins_with": "q"},
    "eq": {"eq": "ab"},
    "eq nothing": {"eq": "abc"},
    "gte": {"gte": "k1490"},
    "gt": {"gt": "k1490"},
    "lte": {"lte": "k0005"},
    "lt": {"lt": "k0005"},
    "range": {"range": {"gte": "a", "lt": "k0030"}},
    "range nothing": {"range": {"gte": "k2", "lt": "k1"}},
    "keys": {"keys": ["z" * 4096, "k0007", "nobody", "a", "k0007", "\U0010ffff", "a\0", "k", "a"]},
    "keys nothing": {"keys": ["nobody", "no one"]},
    "1000 keys": {"keys": [f"k{n * 7 % 2000:04d}" for n in range(1_000)]},
}


def dog(client, key: str, name: str = ""):
    return client.message("Dog")(pk=key, name=name or f"dog {key[:10]}", age=len(key))


def expected(keys, expression: dict) -> list[str]:
    """The keys of an answer, in ascending order."""
    [(name, value)] = expression.items()
    if name == "keys":
        return [key for key in keys if key in set(value)]
    model = SortedModel({key.encode(): key for key in keys})
    if name == "range":
        return model.get(name, {end: bound.encode() for end, bound in value.items()})
    return model.get(name, value.encode())


def pks(answer) -> list[str]:
    return [each.pk for each in answer.dogs]


def pages(client, **fields):
    """All answers from the first page to the last."""
    while True:
        answer = client.GetDogsByPk(client.query(**fields))
        yield answer
        if not answer.next_page_token:
            return
        fields["page_token"] = answer.next_page_token


def refused(call, request) -> status.Failure:
    with pytest.raises(grpc.RpcError) as raised:
        answer = call(request)
        list(answer)  # of a stream
    return status.failure(raised.value)


@pytest.fixture(scope="module")
def loaded(create, tmp_path_factory, engine):
    """A client of a server with all keys; nobody changes them."""
    factory = ServerFactory(tmp_path_factory.mktemp("queries"), engine)
    try:
        creation = create(DOGS_AND_TAGS)
        database = factory.connect(factory(creation, "--durability", "buffered"))
        client = Client(creation.out, database.channel)
        shuffled = random.Random(7).sample(KEYS, len(KEYS))
        client.BatchPutDogs(client.message("Dogs")(dogs=[dog(client, key) for key in shuffled]))
        yield client
    finally:
        factory.close()


@pytest.fixture
def client(create, serve):
    """A client of an empty server."""
    creation = create(DOGS_AND_TAGS)
    return Client(creation.out, serve.connect(serve(creation)).channel)


def put(client, *keys: str, name: str = ""):
    client.BatchPutDogs(client.message("Dogs")(dogs=[dog(client, key, name) for key in keys]))


each_expression = pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)


@each_expression
@pytest.mark.parametrize("order", [0, DESCENDING], ids=["ascending", "descending"])
class TestOrder:
    def test_an_answer_has_all_records_in_its_order(self, loaded, expression, order):
        keys = expected(KEYS, expression)
        answer = loaded.GetDogsByPk(loaded.query(order=order, **expression))
        assert list(answer.dogs) == [dog(loaded, key) for key in (keys[::-1] if order else keys)]
        assert (answer.next_page_token, answer.count, list(answer.etags)) == ("", 0, [])

    @pytest.mark.parametrize("size", [1, 3, 100, 1_000, 2**32 - 1])
    def test_pages_of_any_size_joined_are_the_answer(self, loaded, expression, order, size):
        keys = expected(KEYS, expression)
        size = max(size, len(keys) // 150)  # not a call for each of many records
        answers = list(pages(loaded, page_size=size, order=order, **expression))
        joined = [key for answer in answers for key in pks(answer)]
        assert joined == (keys[::-1] if order else keys)
        # Whole pages, no more of them than it takes, and no last one that is empty.
        assert [len(answer.dogs) for answer in answers[:-1]] == [size] * (len(answers) - 1)
        assert len(answers) == max(1, -(-len(keys) // size))

    @pytest.mark.parametrize("size", [0, 1, 40])
    def test_a_stream_joined_is_the_answer(self, loaded, expression, order, size):
        keys = expected(KEYS, expression)
        messages = list(loaded.StreamDogsByPk(loaded.query(page_size=size, order=order, **expression)))
        joined = [key for message in messages for key in pks(message)]
        assert joined == (keys[::-1] if order else keys)
        assert all(message.dogs for message in messages)
        assert [bool(message.next_page_token) for message in messages] == [True] * (
            len(messages) - 1
        ) + [False] * bool(messages)
        if size:
            assert [len(message.dogs) for message in messages[:-1]] == [size] * (len(messages) - 1)

    def test_a_count_is_the_length_of_the_answer(self, loaded, expression, order):
        for more in ({}, {"with_etags": True}, {"read_mask": ["name"]}):
            answer = loaded.GetDogsByPk(
                loaded.query(count_only=True, order=order, **more, **expression)
            )
            assert answer.count == len(expected(KEYS, expression))
            assert answer.ByteSize() <= 3, "a count has nothing beside it"


class TestKeys:
    def test_a_thousand_keys_are_the_most(self, loaded):
        keys = [f"k{n:04d}" for n in range(1_001)]
        assert pks(loaded.GetDogsByPk(loaded.query(keys=keys[:1_000]))) == keys[:1_000]
        for call in (loaded.GetDogsByPk, loaded.StreamDogsByPk, loaded.DeleteDogsByPk):
            failure = refused(call, loaded.query(keys=keys))
            assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
            status.assert_sentence(failure.message, "names 1001 keys; at most 1000")

    def test_the_same_key_a_thousand_times_is_one(self, loaded):
        assert pks(loaded.GetDogsByPk(loaded.query(keys=["a"] * 1_000))) == ["a"]

    @pytest.mark.parametrize(
        "keys, says",
        [([], "names no key"), (["a", ""], "key 1 of in is empty"), (["a", "k" * 4097], "4097 bytes")],
        ids=["none", "empty", "too long"],
    )
    def test_what_is_no_list_of_keys_is_refused(self, loaded, keys, says):
        for call in (loaded.GetDogsByPk, loaded.StreamDogsByPk, loaded.DeleteDogsByPk):
            failure = refused(call, loaded.query(keys=keys))
            assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
            status.assert_sentence(failure.message, says)

    def test_a_delete_takes_keys(self, client):
        put(client, *PLAIN)
        gone = random.Random(3).sample(PLAIN, 900)
        client.DeleteDogsByPk(client.query(keys=[*gone, "nobody", *gone[:99]]))
        left = [key for key in PLAIN if key not in set(gone)]
        assert pks(client.GetDogsByPk(client.query(begins_with=""))) == left
        client.DeleteDogsByPk(client.query(keys=gone))
        assert client.GetDogsByPk(client.query(begins_with="", count_only=True)).count == len(left)

    def test_a_delete_by_keys_is_seen_whole_or_not_at_all(self, client):
        keys = PLAIN[:1_000]
        for _ in range(5):
            put(client, *keys)
            reads = [client.GetDogsByPk.func.future(client.query(keys=keys), timeout=30)]
            delete = client.DeleteDogsByPk.func.future(client.query(keys=keys), timeout=30)
            for _ in range(3):
                reads.append(client.GetDogsByPk.func.future(client.query(keys=keys), timeout=30))
            assert {len(read.result().dogs) for read in reads} <= {0, len(keys)}
            delete.result()
            assert not client.GetDogsByPk(client.query(keys=keys)).dogs


class TestPages:
    def test_page_size_and_mask_may_change_from_page_to_page(self, loaded):
        keys = expected(KEYS, {"begins_with": "k00"})
        first = loaded.GetDogsByPk(loaded.query(begins_with="k00", page_size=3))
        second = loaded.GetDogsByPk(
            loaded.query(
                begins_with="k00", page_size=5, page_token=first.next_page_token, read_mask=["pk"]
            )
        )
        rest = loaded.GetDogsByPk(
            loaded.query(begins_with="k00", page_token=second.next_page_token, with_etags=True)
        )
        assert pks(first) + pks(second) + pks(rest) == keys
        assert [each.name for each in second.dogs] == [""] * 5
        assert (rest.next_page_token, len(rest.etags)) == ("", len(keys) - 8)

    def test_a_stream_goes_on_where_a_page_ended_and_a_page_where_a_message_did(self, loaded):
        query = {"gte": "k0100", "order": DESCENDING}
        keys = expected(KEYS, {"gte": "k0100"})[::-1]
        page = loaded.GetDogsByPk(loaded.query(page_size=10, **query))
        stream = loaded.StreamDogsByPk(
            loaded.query(page_size=100, page_token=page.next_page_token, **query)
        )
        message = next(stream)
        stream.cancel()
        rest = loaded.GetDogsByPk(loaded.query(page_token=message.next_page_token, **query))
        assert pks(page) + pks(message) + pks(rest) == keys

    def test_records_that_stay_come_once_whatever_is_written_between_pages(self, client, seed):
        rng = random.Random(seed)
        put(client, *PLAIN[::2])
        there, seen = set(PLAIN[::2]), []
        stayed = set(there)
        for answer in pages(client, begins_with="", page_size=37, order=rng.choice([0, DESCENDING])):
            seen += pks(answer)
            new, gone = rng.sample(PLAIN[1::2], 5), rng.sample(sorted(there), 5)
            put(client, *new)
            client.DeleteDogsByPk(client.query(keys=gone))
            there = (there | set(new)) - set(gone)
            stayed -= set(gone)
        assert len(seen) == len(set(seen))
        assert stayed <= set(seen) <= set(PLAIN)

    def test_a_page_begins_after_a_record_that_is_gone(self, client):
        put(client, *PLAIN[:10])
        first = client.GetDogsByPk(client.query(begins_with="k", page_size=3))
        client.DeleteDogsByPk(client.query(lte="k0005"))
        second = client.GetDogsByPk(
            client.query(begins_with="k", page_size=3, page_token=first.next_page_token)
        )
        assert pks(second) == PLAIN[6:9] and second.next_page_token

    def test_a_token_outlives_the_server(self, create, serve):
        creation = create(DOGS_AND_TAGS)
        server = serve(creation)
        client = Client(creation.out, serve.connect(server).channel)
        put(client, *PLAIN[:10])
        fields = {"keys": PLAIN, "page_size": 4, "order": DESCENDING}
        fields["keys"] = fields["keys"][:1_000]
        first = client.GetDogsByPk(client.query(**fields))
        server.stop()
        client = Client(creation.out, serve.connect(serve(creation)).channel)
        fields["page_token"] = first.next_page_token
        second = client.GetDogsByPk(client.query(**fields))
        assert pks(first) + pks(second) == PLAIN[9:1:-1]

    def test_a_stock_client_reads_all_pages(self, create, serve):
        """It takes messages of 4 MiB; a page stops before that, whatever its size says."""
        creation = create(DOG_SCHEMA)
        database = serve.connect(serve(creation, "--durability", "buffered"), receive_limit=4 << 20)
        client = Client(creation.out, database.channel)
        names = {f"k{n:03d}": chr(97 + n % 26) * (100_000 * (n % 7)) for n in range(70)}
        # Larger than a page may be: one of its own.
        names["k033"] = "x" * ((4 << 20) - 1_000)
        for key, name in names.items():
            client.PutDog(dog(client, key, name))
        for order in (0, DESCENDING):
            answers = list(pages(client, begins_with="", page_size=1_000, order=order))
            joined = [(each.pk, len(each.name)) for answer in answers for each in answer.dogs]
            everything = [(key, len(name or f"dog {key}")) for key, name in sorted(names.items())]
            assert joined == (everything[::-1] if order else everything)
            assert 5 < len(answers) < 14
            assert ["k033"] in [pks(answer) for answer in answers]
            messages = list(client.StreamDogsByPk(client.query(begins_with="", order=order)))
            assert [key for message in messages for key in pks(message)] == [key for key, _ in joined]
            assert ["k033"] in [pks(message) for message in messages]
            few = [message for message in messages if message.ByteSize() > 257 << 10]
            assert all(len(message.dogs) == 1 for message in few)

    def test_an_answer_over_the_limit_names_the_ways_out_and_they_work(self, create, serve):
        creation = create(DOG_SCHEMA)
        server = serve(creation, "--max-response-size", "20000")
        client = Client(creation.out, serve.connect(server).channel)
        put(client, *PLAIN[:300], name="x" * 190)
        everything = client.query(begins_with="", order=DESCENDING, with_etags=True)
        failure = refused(client.GetDogsByPk, everything)
        assert (failure.code, failure.reason) == (
            StatusCode.RESOURCE_EXHAUSTED,
            "RESPONSE_TOO_LARGE",
        )
        assert failure.metadata == {"limitBytes": "20000"}
        status.assert_sentence(failure.message, "20000.*page_size.*stream.*--max-response-size")
        answers = list(pages(client, begins_with="", page_size=1_000))
        assert [key for answer in answers for key in pks(answer)] == PLAIN[:300]
        assert all(answer.ByteSize() < 20_000 + 200 for answer in answers)
        messages = client.StreamDogsByPk(everything)
        assert [key for message in messages for key in pks(message)] == PLAIN[299::-1]
        assert client.GetDogsByPk(client.query(begins_with="", count_only=True)).count == 300

    def test_a_record_that_is_too_large_alone_is_named_and_stepped_over(self, create, serve):
        creation = create(DOG_SCHEMA)
        server = serve(creation, "--max-response-size", "20000")
        client = Client(creation.out, serve.connect(server).channel)
        put(client, *PLAIN[:300], name="x" * 190)
        client.PutDog(dog(client, "k0150x", "y" * 21_000))
        for call in (client.GetDogsByPk, client.StreamDogsByPk):
            request = client.query(gt="k0149", page_size=1)
            first = call(request)
            [answer] = [first] if call == client.GetDogsByPk else [next(iter(first))]
            assert pks(answer) == ["k0150"]
            request.page_token = answer.next_page_token
            failure = refused(call, request)
            assert failure.reason == "RESPONSE_TOO_LARGE"
            status.assert_sentence(
                failure.message, '"k0150x".*20000.*--max-response-size.*read_mask.*pageToken'
            )
            assert failure.metadata["key"] == "k0150x"
            request.page_token = failure.metadata["pageToken"]
            after = call(request)
            [answer] = [after] if call == client.GetDogsByPk else [next(iter(after))]
            assert pks(answer) == ["k0151"]
        alone = [
            refused(client.GetDog, client.message("Dogs.Key")(pk="k0150x")),
            refused(client.GetDogsByPk, client.query(eq="k0150x")),
            refused(client.GetDogsByPk, client.query(begins_with="k0150x", with_etags=True)),
        ]
        for failure in alone:
            assert failure.reason == "RESPONSE_TOO_LARGE"
            assert failure.metadata == {
                "limitBytes": "20000",
                "model": "database.Dog",
                "key": "k0150x",
            }
            status.assert_sentence(failure.message, '"k0150x".*--max-response-size.*read_mask')
            assert "pageToken" not in failure.message
        masked = client.GetDogsByPk(client.query(gt="k0150", page_size=1, read_mask=["age"]))
        assert [each.age for each in masked.dogs] == [6]


@pytest.fixture(scope="module")
def token(loaded):
    return loaded.GetDogsByPk(loaded.query(begins_with="k0", page_size=5)).next_page_token


class TestTokens:
    def assert_refused(self, call, request, says):
        failure = refused(call, request)
        assert (failure.code, failure.reason, failure.metadata) == (
            StatusCode.INVALID_ARGUMENT,
            "BAD_PAGE_TOKEN",
            {},
        )
        status.assert_sentence(failure.message, says)

    @pytest.mark.parametrize(
        "fields",
        [
            {"begins_with": "k"},
            {"begins_with": "k0", "order": DESCENDING},
            {"gte": "k0"},
            {"gt": "k0"},
            {"eq": "k0"},
            {"keys": ["k0"]},
            {"keys": PLAIN[:1_000]},
        ],
        ids=str,
    )
    def test_of_another_query_is_refused(self, loaded, token, fields):
        for call in (loaded.GetDogsByPk, loaded.StreamDogsByPk):
            query = loaded.query(page_token=token, page_size=5, **fields)
            self.assert_refused(call, query, "of another query.*model, expression and order")

    def test_of_another_model_is_refused(self, loaded, token):
        for call in (loaded.GetDogTagsByPk, loaded.StreamDogTagsByPk):
            query = loaded.query(page_token=token, begins_with="k0", page_size=5)
            self.assert_refused(call, query, "of another query.*model, expression and order")

    def test_of_another_database_is_refused(self, client, token):
        put(client, *PLAIN)
        query = client.query(page_token=token, begins_with="k0", page_size=5)
        self.assert_refused(client.GetDogsByPk, query, "of another database")

    def test_that_is_cut_or_changed_is_refused(self, loaded, token):
        rng = random.Random(5)
        damaged = [token[:at] for at in range(1, len(token))]
        damaged += [token + more for more in ("A", "AA", "AAAA", "=", " ")]
        for at in range(len(token)):
            other = rng.choice([c for c in "abcXYZ019-_" if c != token[at]])
            damaged.append(token[:at] + other + token[at + 1 :])
        damaged += ["hello, world", "ключ", "A" * 10_000]
        for text in damaged:
            query = loaded.query(page_token=text, begins_with="k0", page_size=5)
            self.assert_refused(loaded.GetDogsByPk, query, "cut off, changed")

    def test_that_is_empty_is_the_start(self, loaded):
        query = loaded.query(page_token="", begins_with="k0", page_size=2)
        assert pks(loaded.GetDogsByPk(query)) == PLAIN[:2]

    def test_is_the_same_whatever_two_ways_there_are_to_write_a_query(self, loaded):
        """Keys in another order are the same query."""
        keys = PLAIN[:9]
        first = loaded.GetDogsByPk(loaded.query(keys=keys, page_size=5))
        turned = [*keys[::-1], *keys]
        second = loaded.GetDogsByPk(loaded.query(keys=turned, page_token=first.next_page_token))
        assert pks(second) == keys[5:]


class TestCombinations:
    @pytest.mark.parametrize(
        "fields", [{"page_size": 1}, {"page_token": "x"}, {"page_size": 1, "page_token": "x"}], ids=str
    )
    def test_a_count_has_no_pages(self, loaded, fields):
        failure = refused(
            loaded.GetDogsByPk, loaded.query(begins_with="", count_only=True, **fields)
        )
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
        status.assert_sentence(failure.message, f"count_only and {next(iter(fields))}")

    def test_a_stream_has_no_count(self, loaded):
        failure = refused(loaded.StreamDogsByPk, loaded.query(begins_with="", count_only=True))
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
        status.assert_sentence(failure.message, "count_only.*stream.*Get")

    @pytest.mark.parametrize(
        "fields",
        [
            {"page_size": 1},
            {"page_token": "x"},
            {"order": DESCENDING},
            {"read_mask": ["name"]},
            {"read_mask": []},
            {"count_only": True},
            {"with_etags": True},
        ],
        ids=str,
    )
    def test_a_delete_takes_an_expression_alone(self, loaded, fields):
        for expression in ({"begins_with": ""}, {"eq": "a"}, {"keys": ["a"]}):
            failure = refused(loaded.DeleteDogsByPk, loaded.query(**expression, **fields))
            assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
            status.assert_sentence(failure.message, f"{next(iter(fields))} is set in a Delete")
        answer = loaded.GetDogsByPk(loaded.query(begins_with="", count_only=True))
        assert answer.count == len(KEYS), "a Delete that was refused took something"

    @pytest.mark.parametrize("method", ["GetDogsByPk", "StreamDogsByPk", "DeleteDogsByPk"])
    @pytest.mark.parametrize(
        "fields", [{}, {"page_size": 5}, {"order": DESCENDING}, {"read_mask": ["pk"]}], ids=str
    )
    def test_without_an_expression_nothing_is_everything(self, loaded, method, fields):
        failure = refused(getattr(loaded, method), loaded.query(**fields))
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
        status.assert_sentence(failure.message, "no expression")

    def test_an_order_that_is_not_known_is_refused(self, loaded):
        """An enum of proto3 is open, so a client of a later version can send one."""
        failure = refused(loaded.GetDogsByPk, loaded.query(begins_with="", order=2))
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
        status.assert_sentence(failure.message, "order of the query is 2")

    def test_random_queries_agree_with_a_sorted_list(self, loaded, seed):
        rng = random.Random(seed)
        for _ in range(400):
            expression = rng.choice([*EXPRESSIONS.values()])
            if rng.random() < 0.5:
                one, two = (rng.choice(KEYS)[: rng.randint(1, 5)] for _ in range(2))
                ends = (rng.choice(["gte", "gt"]), one), (rng.choice(["lte", "lt"]), two)
                ends = dict(rng.sample(ends, rng.choice([1, 2])))
                expression = {"range": ends}
            order, etags = rng.choice([0, DESCENDING]), rng.random() < 0.3
            mask = rng.choice([None, None, [], ["*"], ["pk"], ["pk", "age"]])
            size = rng.choice([0, rng.randint(100, 2_000)])
            fields = {"order": order, "with_etags": etags, "page_size": size, **expression}
            if rng.random() < 0.5:
                answers = list(pages(loaded, read_mask=mask, **fields))
            else:
                answers = list(loaded.StreamDogsByPk(loaded.query(read_mask=mask, **fields)))
            keys = expected(KEYS, expression)
            found = [each for answer in answers for each in answer.dogs]
            assert [each.pk for each in found] == (keys[::-1] if order else keys), fields
            whole = mask is None or mask in ([], ["*"])
            assert all(bool(each.name) == whole for each in found), fields
            for answer in answers:
                assert len(answer.etags) == (len(answer.dogs) if etags else 0), fields


class TestEtags:
    def etags(self, client, **fields) -> dict[str, str]:
        answer = client.GetDogsByPk(client.query(with_etags=True, **fields))
        assert len(answer.dogs) == len(answer.etags)
        return dict(zip(pks(answer), answer.etags, strict=True))

    def test_an_etag_is_that_of_the_bytes(self, client):
        put(client, "a", "b", "c")
        before = self.etags(client, begins_with="")
        assert len(set(before.values())) == 3 and all(before.values())
        client.PutDog(dog(client, "b", "another name"))
        changed = self.etags(client, begins_with="")
        assert changed["b"] != before["b"]
        assert (changed["a"], changed["c"]) == (before["a"], before["c"])
        put(client, "b", "c")
        assert self.etags(client, begins_with="") == before
        client.DeleteDogsByPk(client.query(eq="b"))
        put(client, "b")
        assert self.etags(client, eq="b") == {"b": before["b"]}

    def test_an_etag_is_the_same_wherever_it_is_asked_for(self, loaded):
        everything = self.etags(loaded, begins_with="")
        assert list(everything) == KEYS
        assert len(set(everything.values())) == len(KEYS)
        joined = {}
        for answer in pages(loaded, begins_with="", page_size=100, with_etags=True):
            joined |= zip(pks(answer), answer.etags, strict=True)
        assert joined == everything
        streamed = {}
        for message in loaded.StreamDogsByPk(
            loaded.query(begins_with="", with_etags=True, order=DESCENDING, read_mask=["pk"])
        ):
            streamed |= zip(pks(message), message.etags, strict=True)
        assert streamed == everything
        assert self.etags(loaded, keys=PLAIN[::2]) == {key: everything[key] for key in PLAIN[::2]}
        assert self.etags(loaded, eq="ab") == {"ab": everything["ab"]}

    def test_an_etag_is_the_same_after_a_restart(self, create, serve):
        creation = create(DOGS_AND_TAGS)
        before = None
        for start in range(3):
            server = serve(creation)
            client = Client(creation.out, serve.connect(server).channel)
            if start == 0:
                put(client, *STRANGE)
            found = self.etags(client, begins_with="")
            assert before in (None, found) and len(found) == len(STRANGE)
            before = found
            server.stop()

    def test_records_that_only_their_encoding_tells_apart_have_two_etags(self, create, serve):
        """What is stored is bytes, and a write under the etag of others would lose them."""
        creation = create(DOGS_AND_TAGS)
        database = serve.connect(serve(creation))
        client = Client(creation.out, database.channel)
        seen = set()
        for data in (b"\x0a\x01k\x18\x05", b"\x18\x05\x0a\x01k", b"\x0a\x01k\x18\x85\x00"):
            database.model("Dog").put(data)
            seen |= set(self.etags(client, eq="k").values())
        assert len(seen) == 3


class TestOne:
    def test_a_record_by_its_key(self, loaded):
        key = loaded.message("Dogs.Key")
        for pk in random.Random(9).sample(KEYS, 100):
            assert loaded.GetDog(key(pk=pk)) == dog(loaded, pk)

    @pytest.mark.parametrize("pk", ["nobody", "k", "A", "z" * 4094, "日", "\x01"], ids=lambda k: ascii(k[:9]))
    def test_that_is_not_there_is_not_found(self, loaded, pk):
        failure = refused(loaded.GetDog, loaded.message("Dogs.Key")(pk=pk))
        assert (failure.code, failure.reason) == (StatusCode.NOT_FOUND, "RECORD_NOT_FOUND")
        # A program that takes the key from there needs all of it.
        key = {"key": pk} if len(pk) <= 256 else {}
        assert failure.metadata == {"model": "database.Dog", **key}
        shown = f'"{pk}"' if key else '"zzz.*z…", of 4094 bytes'
        status.assert_sentence(failure.message, f"no database.Dog has the pk {shown}")

    def test_of_another_model_is_not_found(self, loaded):
        failure = refused(loaded.GetDogTag, loaded.message("DogTags.Key")(pk="a"))
        assert failure.reason == "RECORD_NOT_FOUND"
        assert failure.metadata == {"model": "database.DogTag", "key": "a"}

    @pytest.mark.parametrize(
        "pk, says",
        [("", "the key is missing.*1 to 4096"), ("k" * 4097, "4097 bytes.*4096")],
        ids=["missing", "too long"],
    )
    def test_what_is_no_key_is_refused(self, loaded, pk, says):
        failure = refused(loaded.GetDog, loaded.message("Dogs.Key")(pk=pk))
        assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "BAD_KEY")
        status.assert_sentence(failure.message, says)

    def test_goes_and_comes_with_its_record(self, client):
        key = client.message("Dogs.Key")(pk="k")
        for name in ("one", "two"):
            assert refused(client.GetDog, key).code == StatusCode.NOT_FOUND
            client.PutDog(dog(client, "k", name))
            assert client.GetDog(key).name == name
            client.DeleteDogsByPk(client.query(keys=["k"]))

    def test_comes_byte_for_byte(self, create, serve):
        creation = create(DOGS_AND_TAGS)
        database = serve.connect(serve(creation))
        data = b"\x18\x85\x80\x00\x12\x03one\x0a\x81\x00k\x12\x03two\xf8\x07\x01"
        database.model("Dog").put(data)
        assert database.call("GetDog", b"\x0a\x01k", timeout=CALL_TIMEOUT) == data
