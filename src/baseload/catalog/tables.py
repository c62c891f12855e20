"""The shipped tables: CSV files whose `#` lines say what they are, where they come from and their licence.

A user's override has the same form: a file with the same columns (only those it changes are needed), or a
mapping `{row key: {column: value}}`. An override changes the cells it names and leaves the others; a key
the table does not hold adds a row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Protocol, TypeVar

from baseload.errors import DataError, EnvironmentProblem, UnknownName

Row = dict[str, str]
"""One line of a table by column name; a cell that says nothing is the empty string."""

Overrides = Path | Mapping[str, Mapping[str, object]]
"""A user's own figures: a CSV file in the table's format, or a mapping of row key to changed cells."""

OVERRIDE_SOURCE = "user override"
"""Source of a figure the user gave without naming one."""


class Named(Protocol):
    """What can be looked up by name: it has a name and others it answers to."""

    @property
    def name(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...


T = TypeVar("T")
N = TypeVar("N", bound=Named)


def read_table(text: str, origin: str) -> list[Row]:
    """The rows of a table; lines that start with `#` are skipped.

    Raises DataError with `origin` and the line where a row has more or fewer cells than the header.
    """
    numbered = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    if not numbered:
        raise DataError(f"{origin}: no header line", hint="compare it with a shipped table (docs/catalog.md)")
    cells = csv.reader(line for _, line in numbered)
    header = next(cells)
    rows: list[Row] = []
    for (number, _), row in zip(numbered[1:], cells, strict=False):
        if len(row) != len(header):
            raise DataError(
                f"{origin}:{number}: {len(row)} cells, the header has {len(header)}",
                hint="quote cells that hold a comma",
            )
        rows.append({column: cell.strip() for column, cell in zip(header, row, strict=True)})
    return rows


def shipped(table: str) -> list[Row]:
    """The rows of a table that the package ships, by its file name."""
    text = resources.files("baseload.catalog").joinpath("data", table).read_text(encoding="utf-8")
    return read_table(text, table)


def override_rows(overrides: Overrides, key: str, columns: Iterable[str]) -> dict[str, Row]:
    """A user's rows by their key cell, whichever of the two forms they came in.

    Raises EnvironmentProblem for a file that is not there, DataError for a column the table does not have
    or a row without a key.
    """
    known = list(columns)
    if isinstance(overrides, Path):
        if not overrides.is_file():
            raise EnvironmentProblem(f"no such file: {overrides}")
        origin = str(overrides)
        rows = read_table(overrides.read_text(encoding="utf-8"), origin)
    else:
        origin = "overrides"
        rows = [
            {key: name, **{column: _cell(value) for column, value in cells.items()}}
            for name, cells in overrides.items()
        ]
    for row in rows:
        for column in row:
            if column not in known:
                raise DataError(f"{origin}: unknown column {column!r}", hint=f"columns: {', '.join(known)}")
        if not row.get(key):
            raise DataError(f"{origin}: a row without {key!r}", hint=f"name the row it changes in {key!r}")
    return {row[key]: row for row in rows}


def merge(rows: Iterable[Row], overrides: Overrides | None, key: str) -> list[Row]:
    """The shipped rows with a user's cells on top; changed cells are named in `source` unless the user does.

    A row is found by its key or, where the table has `aliases`, by any of them.
    """
    merged = [dict(row) for row in rows]
    if overrides is None:
        return merged
    columns = list(merged[0])
    held = {
        normal(name): row for row in merged for name in (row[key], *row.get("aliases", "").split("|")) if name
    }
    for name, cells in override_rows(overrides, key, columns).items():
        given = {column: cell for column, cell in cells.items() if cell and column != key}
        row = held.get(normal(name))
        if row is None:
            row = dict.fromkeys(columns, "") | {key: name, "source": OVERRIDE_SOURCE}
            merged.append(row)
        elif "source" not in given:
            row["source"] = f"{OVERRIDE_SOURCE} ({', '.join(given)}); {row['source']}"
        row.update(given)
    return merged


def normal(name: str) -> str:
    """A name as lookups compare it: lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def find(kind: str, name: str, items: Iterable[N]) -> N:
    """The item that answers to this name in any spelling; a leading `owner/` may be left out or be another's.

    Raises UnknownName with the nearest name held.
    """
    held = list(items)
    by_name = {normal(each): item for item in held for each in (item.name, *item.aliases)}
    for spelling in (name, name.rpartition("/")[2]):
        if (item := by_name.get(normal(spelling))) is not None:
            return item
    raise UnknownName(kind, name, (each for item in held for each in (item.name, *item.aliases)))


def parsed(parse: Callable[[Row], T], row: Row, table: str, key: str) -> T:
    """One row as its type; DataError names the table, the row and the cell that cannot be read."""
    try:
        return parse(row)
    except (ValueError, KeyError) as error:
        raise DataError(f"{table}: {row.get(key, '?')}: {error}", hint="see docs/catalog.md") from None


def _cell(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "|".join(str(each) for each in value)
    return "" if value is None else str(value)
