"""Arrival times of traces as integer nanoseconds: ISO 8601 with any fraction, or numbers in a unit.

Python's own parser cuts fractions to microseconds and Azure writes 100 ns, so the fraction is read here and
only the calendar is left to `datetime`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache

from baseload.traffic.cells import number, short

SECOND_NS = 1_000_000_000

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_LIMIT_NS = 2**62  # the difference of any two times fits 64 bits
_EPOCH_S = 1e9  # numbers from here on (September 2001) are Unix time, below they count from a start


class Unit(StrEnum):
    """Unit of numeric arrival times."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"

    @property
    def ns(self) -> int:
        """Nanoseconds in one."""
        return {"s": SECOND_NS, "ms": 1_000_000, "us": 1_000, "ns": 1}[self.value]


@lru_cache(maxsize=4096)
def minute_ns(minute: str, zone: str) -> int:
    """Unix time of `YYYY-MM-DD HH:MM` (or with a T) in a zone such as `Z`, `+02:00`, `-0730` or `` (UTC).

    Raises ValueError for what is on no calendar. Remembers the minutes seen, since traces come in order.
    """
    digits = zone.replace(":", "")
    if digits in ("", "Z"):
        offset = UTC
    else:
        sign = -1 if digits[0] == "-" else 1
        offset = timezone(sign * timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5] or 0)))
    moment = datetime.fromisoformat(minute).replace(tzinfo=offset)
    return round(moment.timestamp()) * SECOND_NS


def iso_ns(text: str) -> int:
    """Unix time in ns of an ISO 8601 date and time; without a zone it is UTC. Raises ValueError."""
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{short(text)} is no date and time such as 2024-05-10 00:00:00.123+00:00")
    minute, second, fraction, zone = match.groups(default="")
    if int(second or 0) > 59:
        raise ValueError(f"{short(text)} has no such second")
    try:
        start = minute_ns(minute, zone)
    except ValueError as error:
        raise ValueError(f"{short(text)} is on no calendar: {error}") from None
    if abs(start) > _LIMIT_NS:
        raise ValueError(f"{short(text)} is not within the years 1824 to 2115")
    return start + int(second or 0) * SECOND_NS + int(fraction[:9].ljust(9, "0") or 0)


def guess_unit(value: float) -> Unit:
    """The unit in which a number is a Unix time of 2001 to 5138, else seconds from a start."""
    for unit, least in ((Unit.NS, 1e17), (Unit.US, 1e14), (Unit.MS, 1e11)):
        if abs(value) >= least:
            return unit
    return Unit.S


def is_wall_clock(time_ns: int) -> bool:
    """Whether a numeric time is Unix time rather than a count from some start."""
    return time_ns >= _EPOCH_S * SECOND_NS


class Clock:
    """Reads one file's column of arrival times; the first one decides between ISO 8601 and numbers.

    `unit` None means: guessed from the first number's size (`guess_unit`).
    """

    def __init__(self, unit: Unit | None = None) -> None:
        self.unit = unit
        self._iso: bool | None = None if unit is None else False

    @property
    def reads_dates(self) -> bool:
        """Whether the column turned out to hold dates, so that its times are wall clock."""
        return bool(self._iso)

    def ns(self, value: object) -> int:
        """The time in ns. Raises ValueError with the reason."""
        if isinstance(value, str) and (self._iso or (self._iso is None and number(value) is None)):
            time_ns = iso_ns(value)
            self._iso = True
            return time_ns
        return self._number_ns(value)

    def _number_ns(self, value: object) -> int:
        count = number(value)
        if count is None:
            raise ValueError(f"{short(value)} is no number of {self._unit_name()}")
        if self._iso:
            raise ValueError(f"{short(value)} is a number where the rows before had dates")
        unit = self.unit or guess_unit(count)
        time_ns = round(count * unit.ns)
        if abs(time_ns) > _LIMIT_NS:
            raise ValueError(f"{short(value)} {unit.value} is out of range")
        self.unit, self._iso = unit, False
        return time_ns

    def _unit_name(self) -> str:
        return {None: "seconds", "s": "seconds", "ms": "milliseconds", "us": "microseconds"}.get(
            self.unit, "nanoseconds"
        )
