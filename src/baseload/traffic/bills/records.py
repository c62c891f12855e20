"""Exports as records, one at a time: rows of CSV, lines of JSON Lines, results of an API's JSON pages.

A record is a flat or nested mapping with its place: the line where there are lines, else the number of the
result. Numbers of JSON stay exact (`Decimal`). Pages may follow one another in a file, as lines, as an array,
or as `curl >> file` leaves them.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from baseload.errors import DataError
from baseload.traffic.cells import short, whole
from baseload.traffic.delimited import Delimited
from baseload.traffic.rows import BadRows
from baseload.traffic.source import BUFFER_BYTES, MAX_LINE_BYTES, lines
from baseload.traffic.timestamps import SECOND_NS, guess_unit, iso_ns

Record = Mapping[str, Any]

csv.field_size_limit(MAX_LINE_BYTES)  # logs hold whole prompts in a cell; Python's own limit is 128 KiB

HEAD_BYTES = BUFFER_BYTES
MAX_DOCUMENT_BYTES = 512 << 20
"""A JSON document that is not one line a record is read whole; a larger one must be split."""

_PREAMBLE_LINES = 30
_MAX_DIGITS = 60
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_DATE = re.compile(r"\d{4}[-/]\d\d[-/]\d\d", re.ASCII)
_DECODER = json.JSONDecoder(parse_float=Decimal)
_WHITE = re.compile(r"\s*")
_SPACE = re.compile(r"[\s\ufeff]*[\[,]?[\s]*")


def json_head(head: str) -> dict[str, Any] | None:
    """The first object of a JSON text of which only the beginning is known; None where it is cut off.

    Raises ValueError for what is no JSON object.
    """
    try:
        value, _ = _DECODER.raw_decode(head, _end(_SPACE, head, 0))
    except json.JSONDecodeError as error:
        if len(head) < HEAD_BYTES // 2 and error.pos < len(head) - 1 and "Unterminated" not in error.msg:
            raise ValueError(str(error)) from None
        return None
    except RecursionError:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"{short(value)} is no object")
    return value


class Pages:
    """Whether the last page of an export says that more follow."""

    def __init__(self) -> None:
        self.more = False

    def notes(self) -> list[str]:
        """What is to be said of it."""
        return ["the last page says that more follow: this is not the whole bill"] if self.more else []


def json_records(
    stream: io.BufferedReader, path: Path, bad: BadRows, pages: Pages
) -> Iterator[tuple[int, Record]]:
    """The records of a JSON or JSON Lines file (see `expand`). What is no object goes to `bad`."""
    first = stream.peek(HEAD_BYTES)
    line = first.partition(b"\n")[0]
    if _decoded(line.decode("utf-8-sig", "replace").strip()) is not None and b"\n" in first:
        for number, text in lines(stream, path):
            value = _decoded(text.decode("utf-8", "replace"))
            if value is None:
                bad.add(number, f"{short(text.decode('utf-8', 'replace'))} is no JSON object")
                continue
            for record in expand(value, pages):
                yield number, record
        return
    bad.unit = "result"
    yield from enumerate(_of_document(stream, path, pages), start=1)


def _of_document(stream: io.BufferedReader, path: Path, pages: Pages) -> Iterator[Record]:
    """The records of a file that is one JSON document, or several one after the other."""
    raw = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise DataError(
            f"{path}: one JSON document of more than {MAX_DOCUMENT_BYTES >> 20} MiB",
            hint="export it as JSON Lines or in parts",
        )
    text, at = raw.decode("utf-8-sig", "replace"), 0
    while (at := _end(_WHITE, text, at)) < len(text):
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError) as error:
            line = text.count("\n", 0, getattr(error, "pos", at)) + 1
            raise DataError(f"{path}:{line}: is no JSON: {error}", hint="was the file cut off?") from None
        yield from expand(value, pages)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where the pattern, which may match nothing, ends from here."""
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _decoded(text: str) -> dict[str, Any] | None:
    try:
        value = _DECODER.decode(text)
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def expand(value: Any, pages: Pages) -> Iterator[Record]:
    """The records in a decoded document.

    A page (`{"data": [bucket…]}`) gives each bucket's results together with the bucket's own keys, and a
    bucket without results itself. A list, or a reply that wraps one in `data`, gives its members.
    """
    if isinstance(value, list):
        for each in value:
            yield from expand(each, pages)
    elif isinstance(value, dict) and isinstance(value.get("data"), list):
        pages.more = value.get("has_more") is True
        yield from expand(value["data"], pages)
    elif isinstance(value, dict) and isinstance(value.get("results"), list):
        bucket = {key: each for key, each in value.items() if key != "results"}
        results = [each for each in value["results"] if isinstance(each, dict)]
        if not results:
            yield bucket
        for each in results:
            yield {**bucket, **each}
    elif isinstance(value, dict):
        yield value
    else:
        yield {"": value}


def csv_records(
    stream: io.BufferedReader, path: Path, bad: BadRows, is_header: Callable[[frozenset[str]], bool]
) -> Iterator[tuple[int, Record]]:
    """Rows of a CSV file by column name; lines before the header (an invoice's summary) are left out."""
    skipped = 0
    head = stream.peek(HEAD_BYTES).decode("utf-8-sig", "replace").splitlines()
    for number, text in enumerate(islice(head, _PREAMBLE_LINES)):
        if is_header(header_of(text)):
            skipped = number
            break
    for _ in range(skipped):
        stream.readline()
    table = Delimited(stream, path, bad, before=skipped)
    for number, cells in table:
        yield number, dict(zip(table.header, cells, strict=True))


def header_of(text: str) -> frozenset[str]:
    """The column names of a header line."""
    return frozenset(name.strip().strip('"') for name in re.split(r"[,;\t]", text))


def usd(value: object) -> Decimal:
    """Dollars of a cell or a JSON number, exact. Raises ValueError for what is no plain decimal."""
    if isinstance(value, Decimal) and value.is_finite():
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str):
        text = value.strip().replace(",", "").removeprefix("$")
        if len(text) <= _MAX_DIGITS and _DECIMAL.fullmatch(text):
            return Decimal(text)
    raise ValueError(f"{short(value)} is no amount of dollars")


def text(value: object) -> str:
    """A name, empty where there is none."""
    return "" if value is None else str(value).strip()


def some(record: Record, *keys: str) -> Any:
    """The first of these keys that the record has with a value; None without one."""
    for key in keys:
        value = record.get(key)
        if value is not None and value != "":
            return value
    return None


def inner(record: Record, key: str) -> Record:
    """A nested mapping, also where a CSV cell holds it as JSON text; empty without one."""
    value = record.get(key)
    if isinstance(value, str) and value.startswith("{"):
        value = _decoded(value)
    return value if isinstance(value, dict) else {}


def count(record: Record, *keys: str) -> int:
    """A whole number under the first of these keys; 0 where there is none. Raises ValueError."""
    value = some(record, *keys)
    if value is None:
        return 0
    if isinstance(value, str):
        value = value.replace(",", "")
    return whole(keys[0], float(value) if isinstance(value, Decimal) else value)


def moment_ns(value: object) -> int:
    """Unix time of an ISO date, of a date and time (UTC without a zone) or of a number. Raises ValueError."""
    if isinstance(value, str) and _DATE.fullmatch(value.strip()):
        return iso_ns(f"{value.strip().replace('/', '-')} 00:00")
    if isinstance(value, str) and not _DECIMAL.fullmatch(value.strip()):
        return iso_ns(value.strip().removesuffix(" UTC"))
    number = usd(value)
    nano = number * guess_unit(float(number)).ns
    if not SECOND_NS <= nano < 2**62:
        raise ValueError(f"{short(value)} is no time")
    return int(nano)
