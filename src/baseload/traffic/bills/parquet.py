"""Exports in Parquet (Cost and Usage Reports, Langfuse, BigQuery) as records; needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from baseload.errors import DataError, EnvironmentProblem
from baseload.traffic.bills.records import Record
from baseload.traffic.rows import BadRows

PARQUET_MAGIC = b"PAR1"
_BATCH_ROWS = 1 << 14


def parquet_columns(path: Path) -> frozenset[str]:
    """The names of its columns. Raises EnvironmentProblem without pyarrow, DataError for a damaged file."""
    return frozenset(_opened(path).schema_arrow.names)


def parquet_records(path: Path, bad: BadRows) -> Iterator[tuple[int, Record]]:
    """Its rows from 1, as JSON would have them: times in ISO 8601, maps as objects, floats as their text."""
    bad.unit = "row"
    number = 0
    for batch in _opened(path).iter_batches(_BATCH_ROWS):
        for row in batch.to_pylist():
            number += 1
            yield number, {key: _plain(value) for key, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        pairs = all(isinstance(each, tuple) and len(each) == 2 for each in value)
        if value and pairs:
            return {str(key): _plain(inner) for key, inner in value}
        return [_plain(each) for each in value]
    return value


def _opened(path: Path) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise EnvironmentProblem(
            f"{path}: reading Parquet needs pyarrow", hint="pip install 'baseload[parquet]'"
        ) from None
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None
