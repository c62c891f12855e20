"""Read traffic from any file: the format is found from its first bytes or line, or named."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from baseload.errors import DataError, EnvironmentProblem, UnknownName, UsageError
from baseload.ledger.launch import store_path
from baseload.traffic import azure, bailian, burstgpt, generic, mooncake, servegen
from baseload.traffic.bills.bill import Bill
from baseload.traffic.bills.inferred import with_tokens
from baseload.traffic.bills.modelled import MAX_DRAWN, requests_in
from baseload.traffic.bills.read import BillFormat, read_bill, recognise
from baseload.traffic.columns import parse_columns
from baseload.traffic.ledger import read_ledger
from baseload.traffic.load import LoadShape
from baseload.traffic.source import lines, open_trace
from baseload.traffic.table import Traffic

PARQUET_MAGIC = b"PAR1"
HEAD_BYTES = 4096
"""Text has no zero byte; a file that is none nearly always has one among so many first bytes."""

SQLITE_MAGIC = b"SQLite format 3\x00"


class Format(StrEnum):
    """What traffic can be read from; docs/traffic.md describes each."""

    AZURE = "azure"
    MOONCAKE = "mooncake"
    BAILIAN = "bailian"
    BURSTGPT = "burstgpt"
    SERVEGEN = "servegen"
    LEDGER = "ledger"
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
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def read_traffic(
    path: str | Path, format: str | None = None, columns: str | Mapping[str, str] | None = None
) -> Traffic:
    """The requests in a trace, a log, a bill or a ledger, sorted by arrival and counted from the first one.

    `format` is a `Format`; None finds it out. `columns` names the columns of a CSV, JSON Lines or Parquet
    file (`arrival=ts,input=prompt_tokens,output=completion_tokens`), as `columns.parse_columns` says.
    Files may be packed with gzip or zstd. Requests of a bill in buckets are modelled, and `Traffic.notes` say
    what of them (`bills.modelled`). Raises DataError where the file is not what it should be or more
    than 1% of its rows are bad, EnvironmentProblem where it is missing, UsageError for wrong arguments.
    """
    path = Path(path)
    wanted = parse_columns(columns or {})
    kind = detect(path) if format is None else _named(format)
    if wanted.names and format is None:
        kind = _plain(path) if kind.value in set(BillFormat) else _PLAIN.get(kind, kind)
    if wanted.names and kind not in (Format.CSV, Format.JSONL, Format.PARQUET):
        raise UsageError(f"the columns of the format {kind.value!r} are fixed", hint="leave --columns out")
    if kind is Format.SERVEGEN:
        raise DataError(f"{path}: a ServeGen load curve holds no requests", hint="it is read by `read_shape`")
    if kind is Format.LEDGER:
        return read_ledger(path)
    if kind is Format.PARQUET:
        return generic.read_parquet(path, wanted)
    if kind.value in set(BillFormat):
        return _bill(path, kind).traffic()
    with open_trace(path) as stream:
        match kind:
            case Format.AZURE:
                return azure.read_azure(stream, path)
            case Format.MOONCAKE:
                return mooncake.read_mooncake(stream, path)
            case Format.BAILIAN:
                return bailian.read_bailian(stream, path)
            case Format.BURSTGPT:
                return burstgpt.read_burstgpt(stream, path)
            case Format.JSONL:
                return generic.read_jsonl(stream, path, wanted)
            case _:
                return generic.read_csv(stream, path, wanted)


def read_shape(path: str | Path, *, window_s: float = 600.0, workload: str | None = None) -> LoadShape:
    """The load shape of any file that `read_traffic` reads, or of a ServeGen load curve.

    `window_s` is the window's length for requests (a curve brings its own); `workload` chooses one of a
    curve's. A bill of any size has one. Raises as `read_traffic` does.
    """
    path = Path(path)
    kind = detect(path)
    if kind is Format.SERVEGEN:
        return servegen.read_servegen(path, workload=workload)
    if kind.value in set(BillFormat):
        return _bill(path, kind).shape(window_s)
    return read_traffic(path).shape(window_s)


def read_source(
    path: str | Path, format: str | None = None, columns: str | Mapping[str, str] | None = None
) -> Traffic | LoadShape:
    """The requests in any file, or the load of one that has none or too many to lay out one by one.

    That is `read_traffic`, and `read_shape` for a ServeGen curve and for a bill of more than five million
    requests in buckets. Raises as they do.
    """
    path = Path(path)
    if columns:
        return read_traffic(path, format, columns)
    kind = detect(path) if format is None else _named(format)
    if kind is Format.SERVEGEN:
        return servegen.read_servegen(path)
    if kind.value in set(BillFormat):
        bill = _bill(path, kind)
        return bill.traffic() if bill.of_requests or requests_in(bill) <= MAX_DRAWN else bill.shape()
    return read_traffic(path, kind.value)


def _bill(path: Path, kind: Format) -> Bill:
    """A bill that requests can be made of: tokens that are missing are what its dollars paid for."""
    return with_tokens(read_bill(path, format=kind.value))


_PLAIN = {
    Format.AZURE: Format.CSV,
    Format.BURSTGPT: Format.CSV,
    Format.SERVEGEN: Format.CSV,
    Format.MOONCAKE: Format.JSONL,
    Format.BAILIAN: Format.JSONL,
}
"""What a known format is when the user names its columns."""


def _plain(path: Path) -> Format:
    """What a log is when the user names its columns: Parquet, JSON Lines or CSV, by its first byte."""
    with open_trace(path) as stream:
        first = stream.peek(len(PARQUET_MAGIC)).lstrip()[: len(PARQUET_MAGIC)]
    if first == PARQUET_MAGIC:
        return Format.PARQUET
    return Format.JSONL if first.startswith(b"{") else Format.CSV


def _named(format: str) -> Format:
    try:
        return Format(format)
    except ValueError:
        raise UnknownName("format", format, [kind.value for kind in Format]) from None


def detect(path: Path) -> Format:
    """The format of a file, from its first bytes and first line; a folder with a ledger in it is one.

    Raises DataError for an empty file.
    """
    if path.is_dir() and store_path(path).is_file():
        return Format.LEDGER
    with open_trace(path) as stream:
        magic = stream.peek(len(SQLITE_MAGIC))[: len(SQLITE_MAGIC)]
        if magic == SQLITE_MAGIC:
            return Format.LEDGER
        if magic.startswith(PARQUET_MAGIC):
            return _of_parquet(stream, path)
        if b"\0" in stream.peek(HEAD_BYTES)[:HEAD_BYTES]:
            hint = "traffic is CSV, JSON Lines, Parquet or a ledger in UTF-8, packed with gzip or zstd or not"
            raise DataError(f"{path}: is neither text nor a format that is known", hint=hint)
        if (bill := recognise(stream, path)) is not None:
            return Format(bill.value)
        first = next(lines(stream, path), None)
    if first is None:
        raise DataError(f"{path}: is empty", hint="a trace has one request a line")
    text = first[1].decode("utf-8", "replace")
    return _of_object(first[1], path) if text.startswith("{") else _of_header(text, path)


def _of_parquet(stream: io.BufferedReader, path: Path) -> Format:
    """Parquet: a bill's columns, or any; a file that cannot be opened tells why when it is read."""
    try:
        bill = recognise(stream, path)
    except (DataError, EnvironmentProblem):
        return Format.PARQUET
    return Format.PARQUET if bill is None else Format(bill.value)


def _of_object(line: bytes, path: Path) -> Format:
    """JSON Lines: whose keys are these?"""
    try:
        keys = set(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
    except msgspec.DecodeError as error:
        raise DataError(f"{path}:1: looks like JSON Lines but is no JSON object: {error}") from None
    if {"timestamp", "input_length", "output_length", "hash_ids"} <= keys:
        return Format.BAILIAN if "chat_id" in keys else Format.MOONCAKE
    return Format.JSONL


def _of_header(line: str, path: Path) -> Format:
    """CSV: whose columns are these?"""
    try:
        header = tuple(name.strip() for name in next(csv.reader([line]), []))
    except csv.Error as error:
        raise DataError(f"{path}:1: is no header: {error}") from None
    if header == azure.HEADER:
        return Format.AZURE
    for known, kind in (
        (burstgpt.COLUMNS.values(), Format.BURSTGPT),
        (servegen.CURVE, Format.SERVEGEN),
    ):
        if set(known) <= set(header):
            return kind
    return Format.CSV
