"""Delimited text (CSV, TSV) as header and rows with their line numbers, one row at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from baseload.errors import DataError
from baseload.traffic.rows import BadRows

_DELIMITERS = ",;\t|"


class Delimited:
    """A delimited file: `header` as written, then its rows; rows of another width are bad."""

    def __init__(self, stream: io.BufferedReader, path: Path, bad: BadRows) -> None:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
        first = text.readline()
        if not first.strip():
            raise DataError(f"{path}: holds no header", hint="the first line must name the columns")
        self._reader = csv.reader(chain([first], text), delimiter=max(_DELIMITERS, key=first.count))
        self._bad = bad
        self.header = [name.strip() for name in next(self._reader)]

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Line numbers (of a row's last line) and cells; blank lines are left out."""
        width = len(self.header)
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._bad.add(self._reader.line_num, str(error))
                continue
            if not cells:
                continue
            if len(cells) != width:
                self._bad.add(self._reader.line_num, f"{len(cells)} fields where the header has {width}")
                continue
            yield self._reader.line_num, cells
