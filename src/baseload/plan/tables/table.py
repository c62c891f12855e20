"""A table before it is HTML, Markdown or text on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Cell(NamedTuple):
    """Text, and the derivation (`report/sources.py`) its numbers come from; "" where it has none."""

    text: str
    source: str = ""


class Row(NamedTuple):
    """Cells from left to right; `mark` is `best` or `assumed`, "" for neither."""

    cells: tuple[Cell, ...]
    mark: str = ""


class Table(NamedTuple):
    """`name` is what a screen reader calls it; columns in `numbers` hold one figure a cell."""

    name: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    numbers: tuple[int, ...] = ()

    def only(self, rows: int) -> Table:
        """The first so many rows."""
        return self._replace(rows=self.rows[:rows])

    def plain(self) -> Table:
        """Without sources, for where their text is not at hand."""
        return self._replace(
            rows=tuple(
                each._replace(cells=tuple(Cell(cell.text) for cell in each.cells)) for each in self.rows
            )
        )


def row(*cells: str | Cell, mark: str = "") -> Row:
    """A row of cells; plain text has no source."""
    return Row(tuple(Cell(each) if isinstance(each, str) else each for each in cells), mark)


def table(name: str, headings: Sequence[str], rows: Iterable[Row], numbers: Iterable[int] = ()) -> Table:
    """A table of these rows."""
    return Table(name, tuple(headings), tuple(rows), tuple(numbers))
