"""How much models with indexes take: what is just allowed, and what is too much for one call."""

from __future__ import annotations

from grpc import StatusCode

from harness.client import delimited, listed, tag
from test_index_refusals import HUGE, SCHEMA, Clinic

TAGS = b"".join(delimited(7, b"%d" % n) for n in range(1000))


def opened(create, serve, schema: str = SCHEMA) -> Clinic:
    created = create(schema)
    return Clinic(created, serve.connect(serve(created, "--durability", "buffered")))


def test_takes_what_is_at_the_limits(create, serve):
    clinic = opened(create, serve)
    records = [
        delimited(1, b"text") + delimited(2, b"x" * 4093),
        delimited(1, b"elements") + b"".join(delimited(7, b"%d" % n) for n in range(1000)),
        # What no index has may be out of range; a decoder cuts it.
        delimited(1, b"free") + tag(16, 0) + HUGE,
        # Records without a value of a unique index may be any number.
        *[delimited(1, b"town%d" % n) + delimited(5, b"Wien") for n in range(3)],
    ]
    for record in records:
        clinic.call("PutPet", record)
    assert len(clinic.pets) == len(records)
    query = clinic.client.message("Pets.ByTags")(count_only=True)
    assert clinic.client.GetPetsByTags(query).count == 1
    # A value that no entry can have is found nowhere.
    for length in (4095, 4096):
        email = clinic.client.message("Pets.ByEmail")(owner_email={"eq": "x" * length})
        assert list(clinic.client.GetPetsByEmail(email).pets) == []
        clinic.client.DeletePetsByEmail(email)
    query = clinic.client.message("Pets.ByBreedAge")(breed={"begins_with": "xxx"})
    assert [pet.pk for pet in clinic.client.GetPetsByBreedAge(query).pets] == ["text"]


def test_a_delete_of_a_range_has_a_limit(create, serve):
    clinic = opened(create, serve)
    clinic.call("BatchPutPets", listed(delimited(1, b"%03d" % n) + TAGS for n in range(101)))
    failure = clinic.failure("DeletePetsByPk", clinic.message("IndexQuery", {"gte": "0"}))
    assert (failure.code, failure.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TRANSACTION_TOO_LARGE")
    assert "nothing was deleted" in failure.message and failure.metadata["limit"] == "100000"
    count = clinic.client.message("Pets.ByTags")(tags={"eq": "7"}, count_only=True)
    assert clinic.client.GetPetsByTags(count).count == 101
    clinic.call("DeletePetsByPk", clinic.message("IndexQuery", {"lt": "050"}))
    assert clinic.client.GetPetsByTags(count).count == 51
    # Everything is no matter of its size.
    clinic.call("BatchPutPets", listed(delimited(1, b"%03d" % n) + TAGS for n in range(101)))
    clinic.call("DeletePetsByPk", clinic.message("IndexQuery", {"begins_with": ""}))
    assert clinic.client.GetPetsByTags(count).count == 0


def test_long_keys_and_long_values_go_over_pages(create, serve):
    """An entry of 8 KiB is in a page token."""
    clinic = opened(create, serve)
    pks = [text * 4096 for text in "abc"]
    for pk in pks:
        clinic.call("PutPet", delimited(1, pk.encode()) + delimited(2, b"x" * 4093))
    request = clinic.client.message("Pets.ByBreedAge")(page_size=1)
    found = []
    while True:
        page = clinic.client.GetPetsByBreedAge(request)
        found += [pet.pk for pet in page.pets]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == pks


def test_reads_records_of_many_elements_in_time(create, serve):
    """Each is looked at a few times, and not at each of its entries with all of its entries."""
    clinic = opened(create, serve)
    clinic.call("BatchPutPets", listed(delimited(1, b"%03d" % n) + TAGS for n in range(100)))
    count = clinic.client.message("Pets.ByTags")(count_only=True)
    assert clinic.client.GetPetsByTags(count, timeout=10).count == 100
    page = clinic.client.message("Pets.ByTags")(page_size=1, order=1, tags={"gte": ""})
    assert [pet.pk for pet in clinic.client.GetPetsByTags(page, timeout=10).pets] == ["099"]


def test_a_put_has_a_limit_for_what_its_entries_include(create, serve):
    clinic = opened(create, serve, SCHEMA.replace('{fields: "tags"}', '{fields: "tags", include: "*"}'))
    padding = delimited(999, bytes(100_000))
    for method, request in (
        ("PutPet", delimited(1, b"large") + TAGS + padding),
        ("BatchPutPets", listed(delimited(1, b"%d" % n) + TAGS + delimited(999, bytes(15_000)) for n in range(4))),
    ):
        failure = clinic.failure(method, request)
        assert (failure.code, failure.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TRANSACTION_TOO_LARGE")
    assert clinic.pets == []
    clinic.call("PutPet", delimited(1, b"small") + TAGS)
    assert [pet.pk for pet in clinic.pets] == ["small"]
