"""Cells: numbers are read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.traffic.cells import number, short, whole


@pytest.mark.parametrize(
    ("value", "expected"), [(5, 5), ("5", 5), (" 5 ", 5), (5.0, 5), ("5.0", 5), ("1e3", 1000), ("-5", -5)]
)
def test_counts_are_read_from_what_files_hold(value: object, expected: int) -> None:
    """Integers, floats without fraction (as pandas writes them) and text of either."""
    assert whole("input", value) == expected


@pytest.mark.parametrize(
    "value", ["", None, "5.5", 5.5, "five", True, "inf", "nan", [5], "٥.٥", "1_000", "0x10", "9" * 5000]
)
def test_what_is_no_count_is_refused_by_name(value: object) -> None:
    """The reason names the column."""
    with pytest.raises(ValueError, match="input is"):
        whole("input", value)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**29), 10**29))
def test_every_finite_number_is_read_back_from_its_text(value: float) -> None:
    """What Python writes for a number is read as that number."""
    assert number(str(value)) == value
    assert number(value) == value


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_number_or_none(text: str) -> None:
    """No text raises: a cell is a finite number or it is not."""
    found = number(text)
    assert found is None or abs(found) < float("inf")


def test_long_values_are_cut() -> None:
    """An error shows at most sixty characters of a cell."""
    assert len(short("x" * 1000)) == 60
