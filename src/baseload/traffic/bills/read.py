"""Read a bill: whose export it is, found from its keys, and its records turned into lines."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from baseload.errors import DataError, UnknownName, UsageError
from baseload.traffic.bills import anthropic, aws, google, logs, openai
from baseload.traffic.bills.bill import CODED, Bill, Item, Line, Lines, check
from baseload.traffic.bills.left_out import LeftOut
from baseload.traffic.bills.parquet import PARQUET_MAGIC, parquet_columns, parquet_records
from baseload.traffic.bills.records import (
    HEAD_BYTES,
    Pages,
    Record,
    csv_records,
    header_of,
    json_head,
    json_records,
)
from baseload.traffic.rows import BadRows, Names
from baseload.traffic.source import open_trace
from baseload.traffic.timestamps import SECOND_NS

HOUR_NS = 3600 * SECOND_NS
_PREAMBLE_LINES = 30


class BillFormat(StrEnum):
    """Whose export a bill is; docs/bills.md describes each."""

    OPENAI_USAGE = "openai_usage"
    OPENAI_COSTS = "openai_costs"
    ANTHROPIC_USAGE = "anthropic_usage"
    ANTHROPIC_COSTS = "anthropic_costs"
    LITELLM = "litellm"
    HELICONE = "helicone"
    LANGFUSE = "langfuse"
    BEDROCK_CUR = "bedrock_cur"
    BEDROCK_CLOUDWATCH = "bedrock_cloudwatch"
    VERTEX_BILLING = "vertex_billing"


class Reader(NamedTuple):
    """One format: its title, whether these keys are its, and the lines of one record."""

    title: str
    matches: Callable[[frozenset[str]], bool]
    lines: Callable[[Record, LeftOut], Iterator[Line]]


READERS = {
    BillFormat.OPENAI_USAGE: Reader("OpenAI usage", openai.is_usage, openai.usage_lines),
    BillFormat.OPENAI_COSTS: Reader("OpenAI costs", openai.is_costs, openai.costs_lines),
    BillFormat.ANTHROPIC_USAGE: Reader("Anthropic usage", anthropic.is_usage, anthropic.usage_lines),
    BillFormat.ANTHROPIC_COSTS: Reader("Anthropic costs", anthropic.is_costs, anthropic.costs_lines),
    BillFormat.LITELLM: Reader("LiteLLM spend logs", logs.is_litellm, logs.litellm_lines),
    BillFormat.HELICONE: Reader("Helicone export", logs.is_helicone, logs.helicone_lines),
    BillFormat.LANGFUSE: Reader("Langfuse observations", logs.is_langfuse, logs.langfuse_lines),
    BillFormat.BEDROCK_CUR: Reader("AWS Cost and Usage Report, Bedrock", aws.is_cur, aws.cur_lines),
    BillFormat.BEDROCK_CLOUDWATCH: Reader("CloudWatch, Bedrock", aws.is_cloudwatch, aws.cloudwatch_lines),
    BillFormat.VERTEX_BILLING: Reader("Google Cloud billing", google.is_billing, google.billing_lines),
}


def read_bill(*paths: str | Path, format: str | None = None) -> Bill:
    """The bill in a provider's or gateway's export; several files of the same time are put together.

    The format is found from the first keys, or named (a `BillFormat`, for every file). Files may be packed
    with gzip or zstd.
    Raises DataError where a file is no such export or more than 1% of its records are bad, EnvironmentProblem
    where it is missing, UnknownName for a format that does not exist.
    """
    if not paths:
        raise UsageError("no bill is named")
    return _together([_read(Path(path), format) for path in paths])


def _read(path: Path, format: str | None) -> Bill:
    with open_trace(path) as stream:
        kind = _named(format) if format is not None else recognise(stream, path)
        if kind is None:
            raise DataError(
                f"{path}: is no bill that is known", hint=f"--format names one of {', '.join(BillFormat)}"
            )
        reader, bad, lines, left_out, good = READERS[kind], BadRows(str(path)), Lines(), LeftOut(), 0
        pages = Pages()
        for place, record in _records(stream, path, bad, reader, pages):
            try:
                found = list(reader.lines(record, left_out))
                for line in found:
                    check(line)
                for line in found:
                    _take(line, lines)
                good += 1
            except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
                bad.add(place, str(error))
        notes = [*left_out.notes(), *pages.notes()]
        return lines.bill(kind.value, f"{path.name} ({reader.title})", bad, notes, good)


def _take(line: Line, lines: Lines) -> None:
    """Add a line; a bucket in which nothing was used only says that it was covered."""
    quiet = line.item is not Item.OTHER and line.usd is None and not line.requests
    if quiet and not line.input_tokens and not line.output_tokens:
        lines.cover(line.start_ns, line.end_ns)
    else:
        lines.add(line)


def _records(
    stream: io.BufferedReader, path: Path, bad: BadRows, reader: Reader, pages: Pages
) -> Iterable[tuple[int, Record]]:
    if stream.peek(len(PARQUET_MAGIC)).startswith(PARQUET_MAGIC):
        return parquet_records(path, bad)
    if _head(stream).lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return json_records(stream, path, bad, pages)
    return csv_records(stream, path, bad, reader.matches)


def _named(format: str) -> BillFormat:
    try:
        return BillFormat(format)
    except ValueError:
        raise UnknownName("format", format, [kind.value for kind in BillFormat]) from None


def _head(stream: io.BufferedReader) -> str:
    return stream.peek(HEAD_BYTES).decode("utf-8-sig", "replace")


def recognise(stream: io.BufferedReader, path: Path) -> BillFormat | None:
    """Whose export this stream is, from its first bytes, which stay unread; None for none that is known.

    Of a Parquet file from its columns; raises as `parquet_columns` does.
    """
    if stream.peek(len(PARQUET_MAGIC)).startswith(PARQUET_MAGIC):
        return _of_keys(parquet_columns(path))
    head = _head(stream)
    if head.lstrip()[:1] not in ("{", "["):
        headers = map(header_of, head.splitlines()[:_PREAMBLE_LINES])
        return next((kind for keys in headers if (kind := _of_keys(keys)) is not None), None)
    try:
        first = json_head(head)
    except ValueError:
        return None
    if first is None or any(isinstance(first.get(key), list) for key in ("data", "results")):
        return _of_text(head)
    return _of_keys(frozenset(first))


def _of_keys(keys: frozenset[str]) -> BillFormat | None:
    return next((kind for kind, reader in READERS.items() if reader.matches(keys)), None)


def _of_text(head: str) -> BillFormat | None:
    """Whose pages these are, or whose record too long for the head, by the words that stand in it."""
    if openai.USAGE_MARK in head:
        return BillFormat.OPENAI_USAGE
    if openai.COSTS_MARK in head:
        return BillFormat.OPENAI_COSTS
    return _of_keys(frozenset(re.findall(r'"(\w+)"\s*:', head)))


def _together(bills: list[Bill]) -> Bill:
    """One bill of several; where one file has the tokens and another the dollars, models go by one name."""
    if len(bills) == 1:
        return bills[0]
    names = {column: Names() for column in CODED}
    tables = []
    for bill in bills:
        table = bill.table.copy()
        for column in CODED:
            codes = np.array([names[column].code(name) for name in bill.names[column]], dtype=np.int32)
            table[column] = codes[bill.table[column]]
        tables.append(table)
    return replace(
        bills[0],
        table=np.concatenate(tables),
        names={column: known.all() for column, known in names.items()},
        start_ns=min(bill.start_ns for bill in bills),
        end_ns=max(bill.end_ns for bill in bills),
        format=" + ".join(dict.fromkeys(bill.format for bill in bills)),
        source=" + ".join(bill.source for bill in bills),
        bad_rows=sum(bill.bad_rows for bill in bills),
        first_bad=tuple(bad for bill in bills for bad in bill.first_bad)[:5],
        notes=(*dict.fromkeys(note for bill in bills for note in bill.notes), *_apart(bills)),
    )


def _apart(bills: list[Bill]) -> list[str]:
    """What is said of files of different times: their tokens and dollars do not belong together."""
    first = bills[0]
    apart_ns = (abs(bill.start_ns - first.start_ns) + abs(bill.end_ns - first.end_ns) for bill in bills)
    if max(apart_ns) < HOUR_NS:
        return []
    times = (f"{bill.source} {_time(bill.start_ns)} to {_time(bill.end_ns)}" for bill in bills)
    return [f"the files cover different times: {', '.join(times)}"]


def _time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M")
