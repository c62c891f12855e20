"""Delimited text (CSV, TSV) as header and rows with their line numbers, one row at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from baseload.errors import DataError
from baseload.traffic.rows import BadRows
from baseload.traffic.source import raw_lines

_DELIMITERS = ",;\t|"


class Delimited:
    """A delimited file: `header` as written, then its rows; rows of another width are bad.

    `before` is how many lines of the file were read already, for the numbers of the others.
    """

    def __init__(self, stream: io.BufferedReader, path: Path, bad: BadRows, *, before: int = 0) -> None:
        text = (line.decode("utf-8", "replace") for line in raw_lines(stream, path))
        first = next(text, "")
        if not first.strip():
            raise DataError(f"{path}: holds no header", hint="the first line must name the columns")
        self._reader = csv.reader(chain([first], text), delimiter=max(_DELIMITERS, key=first.count))
        self._bad = bad
        self._before = before
        try:
            self.header = [name.strip() for name in next(self._reader)]
        except csv.Error as error:
            raise DataError(f"{path}:{before + 1}: is no header: {error}") from None

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Line numbers (of a row's last line) and cells; blank lines are left out.

        A stray quote swallows lines up to the next one: all of them count as bad.
        """
        width = len(self.header)
        while True:
            start = self._reader.line_num
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._bad.add(self._before + start + 1, str(error), rows=self._reader.line_num - start)
                continue
            if len(cells) == width:
                yield self._before + self._reader.line_num, cells
            elif cells:
                reason = f"{len(cells)} fields where the header has {width}"
                self._bad.add(self._before + start + 1, reason, rows=self._reader.line_num - start)
