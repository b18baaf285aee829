"""Which test catches which known mistake.

`DEFECTS` are those of the earlier attempt at this database that concern a server without stored
functions (9, 10 and 11 are about such functions). `OFTEN_WRONG` are the first seven items, and the
eleventh, of the list of what databases of this kind often get wrong.
"""

from __future__ import annotations

import importlib

import pytest

DEFECTS = {
    "1 lte answers in descending order": [
        "test_semantics.test_every_expression_answers_in_ascending_byte_order"
    ],
    "2 wildcards and case in begins_with, even in a delete": [
        "test_semantics.test_begins_with_is_about_bytes",
        "test_semantics.test_delete_begins_with_takes_only_those_bytes",
    ],
    "3 an error in a scan gives a short result with OK": [
        "test_bad_input.test_an_answer_over_the_limit_is_an_error_and_never_cut",
        "test_damage.test_a_damaged_table_is_data_loss_and_never_a_short_answer",
    ],
    "4 every failure is INTERNAL": [
        "test_bad_input.test_refuses",
        "test_bad_input.test_refuses_on_raw_http2",
    ],
    "5 enums, optional, oneof, reserved lost; a name in Entry taken for a map": [
        "test_zoo.test_every_field_kind_comes_back_byte_for_byte",
        "test_zoo.test_the_users_text_is_kept",
    ],
    "6 a message without pk is dropped with a warning": ["test_refusals.test_refuses"],
    "7 names that clash share a key space": [
        "test_refusals.test_refuses",
        "test_refusals.test_a_clash_names_both_sides",
        "test_semantics.test_models_do_not_run_into_each_other",
    ],
    "8 a range delete reads every key and has no limit": [
        "test_semantics.test_a_range_delete_is_seen_whole_or_not_at_all",
        "test_million.test_a_million_records",
    ],
    "12 records decoded and written anew, no limit on an answer": [
        "test_semantics.test_bytes_that_no_encoder_writes_are_kept",
        "test_million.test_the_default_response_limit_is_64_mib",
    ],
}

OFTEN_WRONG = {
    "1 the end of a prefix": ["test_semantics.test_begins_with_is_about_bytes"],
    "2 one model's keys run into another's": [
        "test_semantics.test_models_do_not_run_into_each_other"
    ],
    "3 lte takes longer keys; begins_with is a pattern": [
        "test_semantics.test_lte_includes_the_bound_and_nothing_longer",
        "test_semantics.test_begins_with_is_about_bytes",
    ],
    "4 errors of a scan do not surface": [
        "test_damage.test_a_damaged_table_is_data_loss_and_never_a_short_answer"
    ],
    "5 stored bytes are not canonical": [
        "test_semantics.test_bytes_that_no_encoder_writes_are_kept"
    ],
    "6 a pk twice in one record": [
        "test_semantics.test_the_last_pk_of_a_record_is_its_key",
        "test_semantics.test_a_query_has_one_expression",
    ],
    "7 a pk twice in one batch": ["test_semantics.test_the_last_of_a_pk_twice_in_a_batch_wins"],
    "11 NaN, -0.0, negative enum numbers, NUL in a key": [
        "test_zoo.test_every_field_kind_comes_back_byte_for_byte",
        "test_semantics.test_every_expression_answers_in_ascending_byte_order",
    ],
}


@pytest.mark.parametrize("mistake", [*DEFECTS, *OFTEN_WRONG])
def test_the_mistake_has_a_test(mistake):
    """The map stays true when tests are renamed."""
    for name in {**DEFECTS, **OFTEN_WRONG}[mistake]:
        module, function = name.split(".")
        assert callable(getattr(importlib.import_module(module), function))
