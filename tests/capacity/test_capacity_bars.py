"""The capacity model's errors on rows it has not seen stay within the bars it is published with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from baseload.capacity.measured import Row, read_measurements
from bench.capacity import CASES, COVERAGE, Case, run

ROOT = Path(__file__).resolve().parents[2]


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


def test_the_page_shows_these_figures(rows: list[Row]) -> None:
    """docs/capacity.md's row of the quickest case is what the bench finds, to a tenth of a percent or two."""
    found = run(CASES[1], rows)
    page = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
    (line,) = re.findall(
        rf"^\| {CASES[1].name} \| (\S+) / (\S+) \| .* \| (\S+) / (\S+) \| 8 / 10 \|", page, re.M
    )
    expected = (found.median, found.mean, found.inferencex_median, found.inferencex_mean)
    assert [float(cell) for cell in line] == pytest.approx([value * 100 for value in expected], abs=0.2)


def test_every_case_is_on_the_page() -> None:
    """Each with its two bars."""
    page = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
    for case in CASES:
        bars = (f"{bar[0] * 100:g} / {bar[1] * 100:g}" for bar in (case.bar, case.beyond))
        (line,) = re.findall(rf"^\| {case.name} \| .*\d+ / \d+.*$", page, re.M)[:1]
        assert all(bar in line for bar in bars), case.name
