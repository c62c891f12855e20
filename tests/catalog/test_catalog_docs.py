"""docs/catalog.md: its examples give the output it prints, its columns are those of the shipped tables."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from baseload.catalog.tables import shipped

PAGE = Path(__file__).resolve().parents[2] / "docs" / "catalog.md"


def test_the_examples_run() -> None:
    """Every `>>>` line gives what stands below it."""
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert (result.failed, result.attempted > 10) == (0, True)


@pytest.mark.parametrize("table", ["gpus.csv", "models.csv", "gpu_offers.csv", "token_prices.csv"])
def test_the_columns_are_the_tables(table: str) -> None:
    """In the table's order, none missing, none too many."""
    section = PAGE.read_text().split(f"### Columns of `{table}`", 1)[1].split("###", 1)[0]
    paragraph = section.strip().split("\n\n")[-1]
    assert re.findall(r"`([a-z0-9_]+)`", paragraph) == list(shipped(table)[0])
