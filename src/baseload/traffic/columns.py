"""Which column of a file holds what: named by the user, or found by the names such columns usually have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from baseload.errors import DataError, UsageError, nearest
from baseload.traffic.timestamps import Unit

REQUIRED = ("arrival", "input", "output")
FIELDS = (*REQUIRED, "cached", "model", "tenant")

USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "arrival": (
        "arrival", "arrival_time", "arrived_at", "timestamp", "time", "ts",
        "created_at", "created", "start_time", "datetime",
    ),
    "input": (
        "input", "input_tokens", "prompt_tokens", "context_tokens", "request_tokens", "input_length",
        "num_prefill_tokens",
    ),
    "output": (
        "output", "output_tokens", "completion_tokens", "generated_tokens", "response_tokens",
        "output_length", "num_decode_tokens",
    ),
    "cached": ("cached", "cached_tokens", "cached_input", "cached_input_tokens", "cache_read_input_tokens"),
    "model": ("model", "model_name"),
    "tenant": ("tenant", "tenant_id", "customer", "team"),
}  # fmt: skip
"""Names tried, in this order and without regard to case, for a field the user has not named."""

_UNIT_SUFFIX = re.compile(r"_(s|ms|us|ns)$")


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """What the user said: field to column, and the unit of numeric arrival times where it was given."""

    names: Mapping[str, str]
    unit: Unit | None = None


def parse_columns(text: str | Mapping[str, str]) -> ColumnNames:
    """`arrival=ts:ms,input=prompt_tokens,…` (or the same as a mapping) as `ColumnNames`.

    A unit (s, ms, us, ns) may follow the arrival's column after a colon. Raises UsageError for what is no
    such text and for fields that do not exist.
    """
    pairs = dict(text) if isinstance(text, Mapping) else _pairs(text)
    for field in pairs:
        if field not in FIELDS:
            near = nearest(field, FIELDS)
            raise UsageError(
                f"--columns: there is no field {field!r}",
                hint=f"did you mean {near!r}?" if near else f"the fields are {', '.join(FIELDS)}",
            )
    column, colon, unit = pairs.get("arrival", "").rpartition(":")
    if colon and unit in set(Unit):
        return ColumnNames({**pairs, "arrival": column}, Unit(unit))
    return ColumnNames(pairs)


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in text.split(","):
        field, equals, column = (part.strip() for part in item.partition("="))
        if not (field and equals and column):
            raise UsageError(
                f"--columns: {item!r} is no FIELD=COLUMN", hint="such as arrival=ts,input=in,output=out"
            )
        if field in pairs:
            raise UsageError(f"--columns: {field} is given twice")
        pairs[field] = column
    return pairs


def choose(wanted: ColumnNames, found: Sequence[str], path: Path) -> ColumnNames:
    """Every field's column among those `found`: the user's, else one of `USUAL_NAMES`, else none.

    A unit that nobody gave is taken from the arrival column's name (`ts_ms`). Raises DataError where a column
    that was named, or one that is required, is not there.
    """
    chosen = dict(wanted.names)
    for field, column in chosen.items():
        if column not in found:
            raise _missing(f"no column {column!r} for {field}", column, found, path)
    plain = {_plain(column): column for column in reversed(found)}
    for field in FIELDS:
        usual = next((plain[name] for name in USUAL_NAMES[field] if name in plain), None)
        if field not in chosen and usual is not None:
            chosen[field] = usual
        if field not in chosen and field in REQUIRED:
            raise _missing(f"no column for {field}", field, found, path)
    suffix = _UNIT_SUFFIX.search(chosen["arrival"].lower())
    return ColumnNames(chosen, wanted.unit or (Unit(suffix[1]) if suffix else None))


def locate(columns: Mapping[str, str], header: Sequence[str], path: Path) -> dict[str, int]:
    """The place of each field's column in a header. Raises DataError for one that is not there."""
    for column in columns.values():
        if column not in header:
            raise _missing(f"no column {column!r}", column, header, path)
    return {field: header.index(column) for field, column in columns.items()}


def _plain(column: str) -> str:
    """A column's name without case, spaces and unit: `Prompt Tokens` and `prompt_tokens` are the same."""
    return _UNIT_SUFFIX.sub("", re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_"))


def _missing(what: str, column: str, found: Sequence[str], path: Path) -> DataError:
    near = nearest(column, found)
    shown = ", ".join(found[:20]) + (", …" if len(found) > 20 else "")
    return DataError(
        f"{path}: {what}; it has {shown or 'none'}",
        hint=(f"did you mean {near!r}? " if near else "") + "name it with --columns, such as input=COLUMN",
    )
