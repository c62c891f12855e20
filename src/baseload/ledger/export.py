"""Writes attempts for other tools: Parquet, CSV, JSON, JSON Lines. Money stays integer nano-dollars."""

from __future__ import annotations

import csv
import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from baseload.errors import EnvironmentProblem, UsageError
from baseload.ledger.schema import ATTEMPT_COLUMNS, BOOLEAN_COLUMNS, COLUMN_TYPES
from baseload.ledger.store import EVERYTHING, Filter, Store, Value

Batches = Iterable[list[tuple[Value, ...]]]

_BOOLEANS = [ATTEMPT_COLUMNS.index(name) for name in BOOLEAN_COLUMNS]


class Format(StrEnum):
    """What attempts can be written as; the same word is the file's usual extension."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


def format_of(path: str) -> Format:
    """The format that a file's extension names; raises UsageError if it names none."""
    extension = Path(path).suffix.removeprefix(".").lower()
    try:
        return Format(extension)
    except ValueError:
        raise UsageError(
            f"cannot tell the format of {path!r}", hint=f"add --format {'|'.join(Format)}"
        ) from None


def export(store: Store, path: Path, format: Format, only: Filter = EVERYTHING) -> int:
    """Writes the attempts to `path`, which appears whole or not at all; returns how many.

    Raises EnvironmentProblem where it cannot be written, or where Parquet is asked for without pyarrow.
    """
    if format is Format.PARQUET:
        _pyarrow()
    try:
        with _appearing_whole(path) as unfinished:
            if format is Format.PARQUET:
                return _write_parquet(unfinished, _with_booleans(store.attempts(only)))
            with unfinished.open("w", encoding="utf-8", newline="") as file:
                return write_text(file, store, format, only)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}") from error


def write_text(file: IO[str], store: Store, format: Format, only: Filter = EVERYTHING) -> int:
    """Writes the attempts as text to an open file; returns how many. Raises UsageError for Parquet."""
    if format is Format.PARQUET:
        raise UsageError("Parquet is no text", hint="name a file, or choose another --format")
    return _TEXT_WRITERS[format](file, _with_booleans(store.attempts(only)))


def _with_booleans(batches: Batches) -> Iterator[list[tuple[Value, ...]]]:
    """The same rows with SQLite's 0 and 1 as truth values where they are meant as such."""
    for batch in batches:
        rows = []
        for row in batch:
            values = list(row)
            for place in _BOOLEANS:
                values[place] = None if values[place] is None else bool(values[place])
            rows.append(tuple(values))
        yield rows


def _write_csv(file: IO[str], batches: Batches) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(ATTEMPT_COLUMNS)
    count = 0
    for batch in batches:
        writer.writerows(batch)
        count += len(batch)
    return count


def _objects(batches: Batches) -> Iterator[str]:
    tags = ATTEMPT_COLUMNS.index("tags")
    for batch in batches:
        for row in batch:
            values: dict[str, Any] = dict(zip(ATTEMPT_COLUMNS, row, strict=True))
            values["tags"] = json.loads(str(row[tags])) if row[tags] else None
            yield json.dumps(values, ensure_ascii=False)


def _write_jsonl(file: IO[str], batches: Batches) -> int:
    count = 0
    for text in _objects(batches):
        file.write(f"{text}\n")
        count += 1
    return count


def _write_json(file: IO[str], batches: Batches) -> int:
    count = 0
    for text in _objects(batches):
        file.write(f"{',' if count else '['}\n{text}")
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count


_TEXT_WRITERS: dict[Format, Callable[[IO[str], Batches], int]] = {
    Format.CSV: _write_csv,
    Format.JSON: _write_json,
    Format.JSONL: _write_jsonl,
}


def _pyarrow() -> Any:
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise EnvironmentProblem(
            "Parquet needs pyarrow", hint="pip install 'baseload[parquet]', or export CSV"
        ) from None


def _write_parquet(path: Path, batches: Batches) -> int:
    pa = _pyarrow()
    types = {"TEXT": pa.string(), "INTEGER": pa.int64(), "REAL": pa.float64()}
    schema = pa.schema(
        [
            (name, pa.bool_() if name in BOOLEAN_COLUMNS else types[COLUMN_TYPES[name]])
            for name in ATTEMPT_COLUMNS
        ]
    )
    count = 0
    with pa.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            columns = zip(*batch, strict=True)
            arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            count += len(batch)
    return count


@contextmanager
def _appearing_whole(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its name when all went well."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
