"""From rows to the table: what was bad is collected, columns grow in typed arrays, then become `Traffic`."""

from __future__ import annotations

from array import array
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from baseload.errors import DataError
from baseload.traffic.load import Ints
from baseload.traffic.table import MAX_TOKENS, BadRow, Codes, PrefixBlocks, Traffic

BAD_SHARE_LIMIT = 0.01
SHOWN = 5


class BadRows:
    """Counts rows that could not be read and keeps the first five; more than 1% of all refuses the file.

    `unit` is what `BadRow.line` counts: lines, or rows where the format has none (Parquet).
    """

    def __init__(self, name: str, unit: str = "line") -> None:
        self.name = name
        self.unit = unit
        self.count = 0
        self.first: list[BadRow] = []

    def add(self, line: int, reason: str, *, rows: int = 1) -> None:
        """One more bad row, or several that one mistake spoiled; `line` counts from 1."""
        self.count += rows
        insort(self.first, BadRow(line, reason))
        del self.first[SHOWN:]

    def settle(self, good: int) -> None:
        """Raise DataError when nothing is left, or when bad rows are more than 1% of all rows."""
        total = good + self.count
        if not total:
            raise DataError(f"{self.name}: holds no requests", hint="the file ends where rows should begin")
        if self.count > BAD_SHARE_LIMIT * total:
            raise DataError(
                f"{self.name}: {self.count:,} of {total:,} rows cannot be read, more than 1%:\n"
                + "\n".join(f"  {self.unit} {bad.line}: {bad.reason}" for bad in self.first),
                hint="correct the rows, or name the columns and the format if they were guessed wrongly",
            )
        if not good:
            raise DataError(f"{self.name}: holds no requests that can be used")


class Row(NamedTuple):
    """One request as a reader found it; `time_ns` counts from any origin that the whole file shares."""

    time_ns: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    model: str = ""
    tenant: str = ""
    blocks: Sequence[int] = ()


@dataclass(slots=True)
class Columns:
    """Columns in the file's order, not yet sorted or checked as a whole."""

    time_ns: Ints
    input_tokens: Ints
    output_tokens: Ints
    cached_tokens: Ints
    model: Codes
    tenant: Codes
    models: tuple[str, ...] = ("",)
    tenants: tuple[str, ...] = ("",)
    prefix: PrefixBlocks | None = None


@dataclass(slots=True)
class Origin:
    """Where columns come from: name and citation, whether times are wall clock, what was left out."""

    source: str
    wall_clock: bool
    bad: BadRows
    notes: list[str] = field(default_factory=list)


class Names:
    """Names as small integers, in order of first appearance."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def code(self, name: str) -> int:
        """The name's code, a new one if it is new."""
        return self._codes.setdefault(name, len(self._codes))

    def all(self) -> tuple[str, ...]:
        """Every name; its place is its code."""
        return tuple(self._codes) or ("",)


class Rows:
    """Grows a table row by row, in 40 bytes a row and 8 a prefix block."""

    def __init__(self) -> None:
        self._time_ns, self._input, self._output, self._cached = (array("q") for _ in range(4))
        self._model, self._tenant = array("i"), array("i")
        self._models, self._tenants = Names(), Names()
        self._offsets, self._hashes = array("q", [0]), array("q")

    def __len__(self) -> int:
        return len(self._time_ns)

    def add(self, row: Row) -> None:
        """Append a row. Raises ValueError, and appends nothing, where its counts cannot be."""
        for name, count in (("input", row.input_tokens), ("output", row.output_tokens)):
            if not 0 <= count <= MAX_TOKENS:
                raise ValueError(f"{count} {name} tokens are not within 0 and {MAX_TOKENS:,}")
        if not 0 <= row.cached_tokens <= row.input_tokens:
            raise ValueError(f"{row.cached_tokens} cached of {row.input_tokens} input tokens")
        before = len(self._hashes)
        try:
            self._hashes.extend(row.blocks)
        except (OverflowError, TypeError):
            del self._hashes[before:]
            raise ValueError("a block hash is no 64-bit integer") from None
        self._offsets.append(len(self._hashes))
        self._time_ns.append(row.time_ns)
        self._input.append(row.input_tokens)
        self._output.append(row.output_tokens)
        self._cached.append(row.cached_tokens)
        self._model.append(self._models.code(row.model))
        self._tenant.append(self._tenants.code(row.tenant))

    def traffic(self, origin: Origin, *, block_tokens: int | None = None) -> Traffic:
        """The table; with `block_tokens` the prefix blocks too, and what they hit as cached tokens.

        Raises DataError where nothing, or too little, could be read.
        """
        prefix = None
        if block_tokens is not None:
            offsets, hashes = (np.array(a, dtype=np.int64) for a in (self._offsets, self._hashes))
            prefix = PrefixBlocks(offsets, hashes, block_tokens)
        return assemble(
            Columns(
                time_ns=np.array(self._time_ns, dtype=np.int64),
                input_tokens=np.array(self._input, dtype=np.int64),
                output_tokens=np.array(self._output, dtype=np.int64),
                cached_tokens=np.array(self._cached, dtype=np.int64),
                model=np.array(self._model, dtype=np.int32),
                tenant=np.array(self._tenant, dtype=np.int32),
                models=self._models.all(),
                tenants=self._tenants.all(),
                prefix=prefix,
            ),
            origin,
        )


def assemble(columns: Columns, origin: Origin) -> Traffic:
    """Columns sorted by time and counted from the first arrival, as `Traffic`; `columns` is used up.

    The observation lasts one mean gap beyond the last arrival, so that requests over duration is the rate.
    Raises DataError where nothing, or too little, could be read.
    """
    time_ns = columns.time_ns
    origin.bad.settle(len(time_ns))
    if not (time_ns[1:] >= time_ns[:-1]).all():
        _sort(columns)
        time_ns = columns.time_ns
    start_ns = int(time_ns[0])
    time_ns -= start_ns
    arrival_s = time_ns / 1e9
    prefix, cached_tokens = columns.prefix, columns.cached_tokens
    if prefix is not None:
        cached_tokens = prefix.hit_tokens(columns.input_tokens)
    return Traffic(
        arrival_s=arrival_s,
        input_tokens=columns.input_tokens,
        cached_tokens=cached_tokens,
        output_tokens=columns.output_tokens,
        duration_s=observed_s(len(arrival_s), float(arrival_s[-1])),
        model=columns.model,
        tenant=columns.tenant,
        models=columns.models,
        tenants=columns.tenants,
        prefix=prefix,
        start_ns=start_ns if origin.wall_clock else None,
        source=origin.source,
        bad_rows=origin.bad.count,
        first_bad=tuple(origin.bad.first),
        notes=tuple(origin.notes),
    )


def observed_s(requests: int, span_s: float) -> float:
    """How long requests were observed whose first and last are `span_s` apart: one mean gap longer.

    Then requests / duration = (requests - 1) / span, the unbiased rate of a Poisson process. Where all
    arrive at once there is no gap to go by, and it is 1 s.
    """
    return span_s * requests / (requests - 1) if span_s > 0 else 1.0


def _sort(columns: Columns) -> None:
    """Put every column in order of time; rows of the same time keep the file's order."""
    order = np.argsort(columns.time_ns, kind="stable")
    columns.time_ns = columns.time_ns[order]
    columns.input_tokens = columns.input_tokens[order]
    columns.output_tokens = columns.output_tokens[order]
    columns.cached_tokens = columns.cached_tokens[order]
    columns.model = columns.model[order]
    columns.tenant = columns.tenant[order]
    if columns.prefix is not None:
        columns.prefix = columns.prefix.take(order)
