"""What 24 and 36 months rest on: every figure with its range, its source, and who is to state it.

The shipped table is `data/assumptions.csv`. A user's own figures replace rows by name; each keeps saying
where it comes from, so that a report shows an assumption as one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from baseload.errors import DataError, UnknownName
from baseload.plan.costs import Floats

ASSUMED, ASKED, GIVEN = "assumption", "you tell us", "given"

_FIELDS = frozenset({"value", "low", "high", "source", "as_of"})
_ONE_FOR_ALL = frozenset({"traffic.deferrable_share"})
"""Figures that shape the load curve, which all drawn worlds share: no range, as for whole numbers."""

_NOT_ALL = frozenset({"gpu.spot_interrupted_share", "bought.residual_share", "gpu.reserved_discount"})
"""Shares that stay below 1: nothing is left to be served, written off or paid at 1."""

_ABOVE_ZERO = frozenset({"api.provisioned_tokens_per_minute"})
"""Figures that divide."""

_SIGNED = frozenset({"traffic.growth_per_year", "api.price_change_per_year", "gpu.price_change_per_year"})
"""Figures that may be below 0; they stay above -1: nothing falls by more than all of it."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """One figure: `value` None is not known, so its line is left out; text is a choice named in `unit`.

    `low` and `high` are the 10th and 90th percentile of what it may turn out to be, None: it is certain.
    """

    name: str
    value: float | str | None
    low: float | None
    high: float | None
    unit: str
    source: str
    as_of: str
    meaning: str

    @property
    def assumed(self) -> bool:
        """Whether nobody states it."""
        return self.source.startswith(ASSUMED)

    @property
    def asked(self) -> bool:
        """Whether only the user can know it."""
        return self.source.startswith(ASKED)

    @property
    def ranged(self) -> bool:
        """Whether it is a number that may turn out differently."""
        return isinstance(self.value, float) and self.low is not None and self.low != self.high


class Assumptions:
    """The table by name, immutable: `changed` gives another one."""

    def __init__(self, rows: Mapping[str, Assumption]) -> None:
        self._rows = dict(rows)

    def __iter__(self) -> Iterator[Assumption]:
        return iter(self._rows.values())

    def __getitem__(self, name: str) -> Assumption:
        """This row. Raises UnknownName with the nearest one."""
        if name not in self._rows:
            raise UnknownName("assumption", name, self._rows)
        return self._rows[name]

    def number(self, name: str) -> float:
        """The value of a known number. Raises DataError where it is not known or not a number."""
        value = self[name].value
        if not isinstance(value, float):
            raise DataError(f"{name} is not known as a number", hint=f"state it: --set {name}=…")
        return value

    def known(self, name: str) -> bool:
        """Whether a value stands for it."""
        return self[name].value is not None

    def choice(self, name: str) -> str:
        """The value of a choice."""
        return str(self[name].value)

    def numbers(self) -> dict[str, Floats]:
        """Every known number as a zero-dimensional array, by name."""
        return {row.name: np.array(row.value) for row in self if isinstance(row.value, float)}

    def changed(self, figures: Mapping[str, Any], source: str = GIVEN) -> Assumptions:
        """With these figures in place of the table's: `{name: value}` or `{name: {value, low, high, …}}`.

        A bare value is certain: its range goes away. Raises UnknownName for a name the table lacks and
        DataError for a value that cannot be meant.
        """
        rows = dict(self._rows)
        for name, given in figures.items():
            rows[name] = _checked(_row(self[name], given, source))
        return Assumptions(rows)


def _row(row: Assumption, given: Any, source: str) -> Assumption:
    fields = dict(given) if isinstance(given, Mapping) else {"value": given}
    unknown = set(fields) - _FIELDS
    if unknown:
        raise DataError(
            f"{row.name}: unknown field {sorted(unknown)[0]!r}",
            hint=f"there are {', '.join(sorted(_FIELDS))}",
        )
    low, high = fields.get("low"), fields.get("high")
    return replace(
        row,
        value=_value(row, fields.get("value", row.value)),
        low=None if low is None else _number(row.name, low),
        high=None if high is None else _number(row.name, high),
        source=str(fields.get("source", source)),
        as_of=str(fields.get("as_of", "")),
    )


def _value(row: Assumption, value: Any) -> float | str | None:
    if value is None:
        if shipped()[row.name].value is not None:
            raise DataError(
                f"{row.name} needs a value", hint=f"write one, or leave it out for {row.value} {row.unit}"
            )
        return None
    if "|" in row.unit:
        choices = row.unit.split("|")
        if str(value) not in choices:
            raise DataError(f"{row.name}: {value!r} is no choice", hint=f"choose one of {', '.join(choices)}")
        return str(value)
    return _number(row.name, value)


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError):
        raise DataError(f"{name}: {value!r} is no number") from None
    if not np.isfinite(number):
        raise DataError(f"{name}: {value!r} is no finite number")
    return number


def _checked(row: Assumption) -> Assumption:
    """Raises DataError for a value outside what its unit allows, or a range that does not hold it."""
    for figure in (row.value, row.low, row.high):
        if isinstance(figure, float):
            _in_bounds(row, figure)
    _range_holds(row)
    return row


def _in_bounds(row: Assumption, figure: float) -> None:
    """Raises DataError for a number that this row's unit does not allow."""
    if row.name in _SIGNED:
        if figure <= -1:
            raise DataError(f"{row.name}: {figure:g} is a fall by more than everything", hint="write -0.5")
    elif figure < 0:
        raise DataError(f"{row.name}: {figure:g} is below 0")
    if row.unit == "share" and figure > 1 and row.name != "api.reasoning_per_output":
        raise DataError(f"{row.name}: {figure:g} is more than 1", hint="30% is written 0.3")
    if row.name in _NOT_ALL and figure >= 1:
        raise DataError(f"{row.name}: {figure:g} leaves nothing", hint="write a share below 1")
    if (row.unit in ("count", "months", "×") or row.name in _ABOVE_ZERO) and figure <= 0:
        raise DataError(f"{row.name}: {figure:g} is not above 0")
    if row.unit in ("count", "months") and figure != int(figure):
        raise DataError(f"{row.name}: {figure:g} is not a whole number")


def _range_holds(row: Assumption) -> None:
    """Raises DataError for half a range, one without its value, or one where there can be none."""
    if row.low is None and row.high is None:
        return
    if row.low is None or row.high is None:
        raise DataError(f"{row.name}: a range needs both low and high")
    if row.unit in ("count", "months") or "|" in row.unit or row.name in _ONE_FOR_ALL:
        raise DataError(f"{row.name} takes no range", hint="state one value, and plan again for another")
    if not isinstance(row.value, float) or not row.low <= row.value <= row.high:
        raise DataError(f"{row.name}: the value is not between low and high")


@cache
def shipped() -> Assumptions:
    """The table as shipped."""
    text = resources.files("baseload.plan").joinpath("data/assumptions.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = {}
    for cells in csv.DictReader(lines):
        number = cells["value"] and "|" not in cells["unit"]
        rows[cells["name"]] = _checked(
            Assumption(
                name=cells["name"],
                value=float(cells["value"]) if number else cells["value"] or None,
                low=float(cells["low"]) if cells["low"] else None,
                high=float(cells["high"]) if cells["high"] else None,
                unit=cells["unit"],
                source=cells["source"],
                as_of=cells["as_of"],
                meaning=cells["meaning"],
            )
        )
    return Assumptions(rows)
