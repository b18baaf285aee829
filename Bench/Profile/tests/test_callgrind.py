"""Names as callgrind gives them."""

import callgrind


def test_parameters_are_left_out():
    without = callgrind.without_parameters
    assert without("swift::AccessSet::insert(swift::Access*, void*)") == "swift::AccessSet::insert"
    assert without("rocksdb::Slice::compare(rocksdb::Slice const&) const") == "rocksdb::Slice::compare"
    assert without("rocksdb::Less::operator()(int (*)(int), int)") == "rocksdb::Less::operator()"
    assert without("(below main)") == "(below main)"
    assert without("main") == "main"


def test_a_row_of_callgrind_annotate_has_a_count_a_symbol_and_perhaps_a_library():
    row = callgrind.ROW.match("17,726,921 ( 4.42%)  ???:swift_beginAccess [/opt/seandb-bench]")
    assert row.group("count", "symbol", "library") == ("17,726,921", "swift_beginAccess", "/opt/seandb-bench")
    row = callgrind.ROW.match(" 9,651,221 (12.41%)  Sources/LSM/SkipList.swift:$s3LSM8SkipListC")
    assert row.group("symbol", "library") == ("$s3LSM8SkipListC", None)
    assert not callgrind.ROW.match("Events recorded:  Ir")
