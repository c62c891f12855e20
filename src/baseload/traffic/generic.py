"""CSV, JSON Lines and Parquet with columns the user names (`columns.py`)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

from baseload.errors import DataError, EnvironmentProblem
from baseload.traffic.cells import whole
from baseload.traffic.columns import FIELDS, ColumnNames, choose
from baseload.traffic.delimited import Delimited
from baseload.traffic.jsonlines import json_rows
from baseload.traffic.rows import BadRows, Origin, Row, Rows
from baseload.traffic.table import Traffic
from baseload.traffic.timestamps import Clock, Unit, is_wall_clock

_HEAD_ROWS = 100
_BATCH_ROWS = 1 << 16


class _Filler:
    """Turns cells into rows of one table; cells come in the order of `FIELDS`, None where there is none."""

    def __init__(self, path: Path, columns: ColumnNames, bad: BadRows) -> None:
        self._path = path
        self._bad = bad
        self._rows = Rows()
        self._clock = Clock(columns.unit)
        self._earliest_ns = 2**62

    def add(self, line: int, cells: Sequence[object]) -> None:
        """One row, or one bad row with its reason."""
        arrival, input_tokens, output_tokens, cached, model, tenant = cells
        try:
            row = Row(
                self._clock.ns(arrival),
                whole("input", input_tokens),
                whole("output", output_tokens),
                # Many logs write only hits: an empty cell is no cached token.
                0 if cached is None or cached == "" else whole("cached", cached),
                "" if model is None else str(model),
                "" if tenant is None else str(tenant),
            )
            self._rows.add(row)
        except ValueError as error:
            self._bad.add(line, str(error))
            return
        self._earliest_ns = min(self._earliest_ns, row.time_ns)

    def traffic(self) -> Traffic:
        """The table of all rows added. Raises DataError (see `BadRows`)."""
        wall_clock = self._clock.reads_dates or is_wall_clock(self._earliest_ns)
        return self._rows.traffic(Origin(self._path.name, wall_clock, self._bad))


def read_csv(stream: io.BufferedReader, path: Path, wanted: ColumnNames) -> Traffic:
    """Delimited text with a header. Raises DataError (see `BadRows`, `columns.choose`)."""
    bad = BadRows(str(path))
    table = Delimited(stream, path, bad)
    columns = choose(wanted, table.header, path)
    places = [
        table.header.index(columns.names[field]) if field in columns.names else None for field in FIELDS
    ]
    filler = _Filler(path, columns, bad)
    for number, cells in table:
        filler.add(number, [None if place is None else cells[place] for place in places])
    return filler.traffic()


def read_jsonl(stream: io.BufferedReader, path: Path, wanted: ColumnNames) -> Traffic:
    """One JSON object a line; a column may be a path into nested objects, such as `usage.prompt_tokens`.

    The keys of the first hundred objects are the columns among which fields are looked for.
    Raises DataError (see `BadRows`, `columns.choose`).
    """
    bad = BadRows(str(path))
    objects = json_rows(stream, path, bad, dict[str, Any])
    head = list(islice(objects, _HEAD_ROWS))
    if not head:
        bad.settle(0)
    columns = choose(wanted, list(dict.fromkeys(key for _, value in head for key in _keys(value))), path)
    keys = [columns.names.get(field) for field in FIELDS]
    filler = _Filler(path, columns, bad)
    for number, value in chain(head, objects):
        filler.add(number, [None if key is None else _dig(value, key) for key in keys])
    return filler.traffic()


def _keys(value: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The paths of an object's plain values: `model`, `usage.prompt_tokens`."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _keys(inner, f"{prefix}{key}.")
        else:
            yield prefix + key


def _dig(value: dict[str, Any], key: str) -> object:
    """The value at a key or, where there is none, at the path it spells; None where that ends nowhere."""
    if key in value:
        return value[key]
    inner: object = value
    for part in key.split("."):
        if not isinstance(inner, dict):
            return None
        inner = inner.get(part)
    return inner


def read_parquet(path: Path, wanted: ColumnNames) -> Traffic:
    """A Parquet file, read in batches. Needs the extra `parquet` (pyarrow): EnvironmentProblem without it.

    Raises DataError (see `BadRows`, `columns.choose`); rows are counted from 1.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise EnvironmentProblem(
            f"{path}: reading Parquet needs pyarrow", hint="pip install 'baseload[parquet]'"
        ) from None
    bad = BadRows(str(path), unit="row")
    try:
        with pq.ParquetFile(path) as file:
            columns = choose(wanted, list(file.schema_arrow.names), path)
            kind = file.schema_arrow.field(columns.names["arrival"]).type
            if pa.types.is_timestamp(kind):
                columns = ColumnNames(columns.names, Unit.NS)
            filler = _Filler(path, columns, bad)
            _fill(filler, file.iter_batches(_BATCH_ROWS, columns=list(columns.names.values())), columns)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None
    return filler.traffic()


def _fill(filler: _Filler, batches: Iterable[Any], columns: ColumnNames) -> None:
    """Add the rows of Arrow record batches; timestamps go in as integer nanoseconds."""
    import pyarrow as pa

    first = 1
    for batch in batches:
        cells: list[Iterable[object]] = []
        for field in FIELDS:
            if field not in columns.names:
                cells.append(repeat(None))
                continue
            column = batch.column(columns.names[field])
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.timestamp("ns", tz=column.type.tz)).cast(pa.int64())
            cells.append(column.to_pylist())
        for row, values in enumerate(zip(*cells, strict=False), start=first):
            filler.add(row, values)
        first += batch.num_rows
