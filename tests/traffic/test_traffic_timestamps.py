"""Arrival times: every fraction, zone and unit that traces use, and clear reasons for the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.traffic.timestamps import Clock, Unit, guess_unit, is_wall_clock, iso_ns

moments = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1))
zones = st.integers(-14 * 60 + 1, 14 * 60 - 1).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(deadline=None)
@given(moments, zones, st.sampled_from([" ", "T"]))
def test_iso_times_equal_pythons(moment: datetime, zone: timezone, separator: str) -> None:
    """Any moment in any zone, as Python writes it, is read to the microsecond."""
    aware = moment.replace(tzinfo=zone)
    span = aware - datetime(1970, 1, 1, tzinfo=UTC)
    assert span // timedelta(microseconds=1) * 1000 == iso_ns(aware.isoformat(separator))


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("2023-11-16 18:15:46.6805900", 1_700_158_546_680_590_000),  # Azure 2023: 100 ns, no zone
        ("2024-05-10 00:00:00.009930+00:00", 1_715_299_200_009_930_000),  # Azure 2024
        ("2024-05-10 00:00:00+00:00", 1_715_299_200_000_000_000),
        ("2024-05-10T02:00:00.5+02:00", 1_715_299_200_500_000_000),
        ("2024-05-10T00:00:00.123456789Z", 1_715_299_200_123_456_789),
        ("2024-05-10T00:00:00.1234567899Z", 1_715_299_200_123_456_789),
        ("2024-05-09 16:30 -0730", 1_715_299_200_000_000_000),
        ("2024-05-10T00:00:00+00", 1_715_299_200_000_000_000),
    ],
)
def test_known_spellings(text: str, expected_ns: int) -> None:
    """The spellings of the traces, with nanoseconds kept; without a zone it is UTC."""
    assert iso_ns(text) == expected_ns


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("yesterday", "no date and time"),
        ("2024-05-10", "no date and time"),
        ("2024-02-30 00:00:00", "on no calendar"),
        ("2024-05-10 24:00:00", "on no calendar"),
        ("2024-05-10 00:00:61", "no such second"),
        ("2024-05-10 00:00:00+25:00", "on no calendar"),
        ("2200-05-10 00:00:00", "not within the years"),
        ("1700-05-10 00:00:00", "not within the years"),
        ("２024-05-10 00:00:00", "no date and time"),
    ],
)
def test_what_is_no_time_is_refused_with_its_reason(text: str, reason: str) -> None:
    """A date that does not exist says so, and so does text that is none."""
    with pytest.raises(ValueError, match=reason):
        iso_ns(text)


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (0, "s"),
        (86_400.5, "s"),
        (1_715_299_200, "s"),
        (1_715_299_200_123, "ms"),
        (1.7e15, "us"),
        (1.7e18, "ns"),
    ],
)
def test_units_are_guessed_by_size(value: float, unit: str) -> None:
    """Unix times of this century are told apart by size; small numbers are seconds."""
    assert guess_unit(value).value == unit


def test_wall_clock_begins_in_2001() -> None:
    """A count of seconds from a trace's start is no Unix time."""
    assert not is_wall_clock(86_400 * 10**9)
    assert is_wall_clock(1_715_299_200 * 10**9)


def test_the_first_time_decides_for_the_file() -> None:
    """After a number dates are bad, after a date numbers are, and the unit does not change midway."""
    numbers = Clock()
    assert numbers.ns("1715299200000") == 1_715_299_200 * 10**9
    assert numbers.ns(1500) == 1_500_000_000
    with pytest.raises(ValueError, match="no number of milliseconds"):
        numbers.ns("2024-05-10 00:00:00")
    dates = Clock()
    assert dates.ns("2024-05-10 00:00:00") == 1_715_299_200 * 10**9
    with pytest.raises(ValueError, match="no date and time"):
        dates.ns("1500")
    with pytest.raises(ValueError, match="where the rows before had dates"):
        dates.ns(1500)


@pytest.mark.parametrize("value", [None, True, "", "nan", float("inf"), [1], {"a": 1}, 10**30])
def test_what_is_no_number_is_refused(value: object) -> None:
    """Nothing but a finite number of a sensible size is a time in a unit."""
    with pytest.raises(ValueError, match=r"no number of seconds|out of range"):
        Clock(Unit.S).ns(value)


def test_a_long_value_is_cut_in_the_reason() -> None:
    """An error stays readable whatever the file holds."""
    with pytest.raises(ValueError, match="no date and time") as caught:
        Clock().ns("x" * 10_000)
    assert len(str(caught.value)) < 200
