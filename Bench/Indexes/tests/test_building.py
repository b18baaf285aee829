"""What is said about a measurement of a building."""

from __future__ import annotations

import pytest

from building import INDEXED, PLAIN, Building


def test_compares_with_the_rate_that_the_index_itself_leaves() -> None:
    found = Building("lsm", 1000, plain=[200.0], building=[60.0, 90.0], built=[100.0, 100.0], seconds=2.5)
    assert found.lost == pytest.approx(0.25)
    assert "built 2.5 s after the start" in found.text()
    assert "plain 200, building 75, built 100; lost to the building: 25%" in found.text()


def test_the_schemas_differ_by_the_index_alone() -> None:
    own = [line for line in INDEXED.splitlines() if line not in PLAIN.splitlines()]
    assert own == ['import "seandb/options.proto";', '  option (seandb.model) = {index: {fields: "breed"}};']
