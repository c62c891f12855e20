"""The capacity model's errors on rows it has not seen stay within the bars it is published with."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.capacity.measured import Row, read_measurements
from bench.capacity import CASES, COVERAGE, Case, run


@pytest.fixture(scope="module")
def rows(shared: Path) -> list[Row]:
    """The clean rows of the measurements."""
    return read_measurements(shared / "data" / "engine_perf" / "silicon_measurements.csv")[0]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_case_keeps_its_bars(case: Case, rows: list[Row]) -> None:
    """Median and mean of the error per configuration, on all rows and on InferenceX-style ones; coverage."""
    found = run(case, rows)
    assert found.median <= case.bar[0]
    assert found.mean <= case.bar[1]
    assert found.inferencex_median <= case.beyond[0]
    assert found.inferencex_mean <= case.beyond[1]
    assert COVERAGE[0] <= found.coverage <= COVERAGE[1]
