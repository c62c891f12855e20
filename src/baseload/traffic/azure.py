"""Azure LLM inference traces of 2023 and 2024: `TIMESTAMP,ContextTokens,GeneratedTokens`, ten million rows.

Blocks of the file are parsed as arrays: commas and line ends by comparison, numbers by arithmetic on the
digits' columns, dates through the minutes they share. That takes rows of the one shape nearly all rows have;
every other row is read by itself (`_read_row`), which also finds what is wrong with it.

Sources: Patel et al., Splitwise, ISCA 2024 (2023); Stojkovic et al., DynamoLLM, HPCA 2025 (2024). CC-BY 4.0.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from baseload.errors import DataError
from baseload.traffic.cells import whole
from baseload.traffic.load import Ints
from baseload.traffic.rows import BadRows, Columns, Origin, assemble
from baseload.traffic.table import MAX_TOKENS, Mask, Traffic
from baseload.traffic.timestamps import SECOND_NS, iso_ns

Bytes = npt.NDArray[np.uint8]

HEADER = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")

_BLOCK_BYTES = 1 << 20  # a block and its temporaries stay near the CPU's caches
_MARGIN = 32  # bytes before a block, so that windows which end in its first row exist
_COMMA, _NEWLINE, _RETURN, _COLON, _DOT, _ZERO = b",\n\r:.0"
_MINUTE = len("2023-11-16 18:15")
_SECOND = len("2023-11-16 18:15:46")
_MAX_DIGITS = len(str(MAX_TOKENS)) - 1


class Part(NamedTuple):
    """The rows of one block that could be read."""

    time_ns: Ints
    input_tokens: npt.NDArray[np.int32]
    output_tokens: npt.NDArray[np.int32]


_NO_ROWS = Part(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32))


class _Fields(NamedTuple):
    """Where the rows of a block lie in its buffer: start, the two commas, end (exclusive)."""

    start: Ints
    comma: Ints
    second_comma: Ints
    end: Ints


def read_azure(stream: io.BufferedReader, path: Path) -> Traffic:
    """The trace in `stream`, its header included. Raises DataError (see `BadRows`).

    Memory: 16 bytes a row while reading, then at most 64 for a moment; all rows share one model and tenant.
    """
    header = stream.readline(_BLOCK_BYTES).decode("utf-8-sig", "replace").strip()
    if tuple(header.split(",")) != HEADER:
        raise DataError(
            f"{path}: the header is {header[:200]!r}, not {','.join(HEADER)!r}",
            hint="with other columns it is read as plain CSV: --format csv --columns arrival=COLUMN,…",
        )
    bad = BadRows(str(path))
    parts = [_NO_ROWS, *read_parts(stream, path, bad)]
    time_ns = np.concatenate([part.time_ns for part in parts])
    input_tokens = np.concatenate([part.input_tokens for part in parts], dtype=np.int64)
    output_tokens = np.concatenate([part.output_tokens for part in parts], dtype=np.int64)
    parts.clear()
    columns = Columns(
        time_ns=time_ns,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=np.broadcast_to(np.int64(0), time_ns.shape),
        model=np.broadcast_to(np.int32(0), time_ns.shape),
        tenant=np.broadcast_to(np.int32(0), time_ns.shape),
    )
    return assemble(columns, Origin(f"{path.name} (Azure LLM inference trace)", True, bad))


def read_parts(stream: io.BufferedReader, path: Path, bad: BadRows) -> Iterator[Part]:
    """The rows of the lines that follow the header, block by block."""
    line = 2
    for block in _blocks(stream, path):
        part, lines = _parse_block(block, line, bad)
        yield part
        line += lines


def _blocks(stream: io.BufferedReader, path: Path) -> Iterator[Bytes]:
    """Whole lines, about a megabyte at a time, after `_MARGIN` spare bytes; one buffer serves all blocks."""
    buffer = np.zeros(_MARGIN + 2 * _BLOCK_BYTES, dtype=np.uint8)
    filled = _MARGIN
    while True:
        got = stream.readinto(buffer.data[filled:-1])
        if not got:
            break
        filled += got
        newlines = np.flatnonzero(buffer[_MARGIN:filled] == _NEWLINE)
        if not len(newlines):
            if filled == len(buffer) - 1:
                raise DataError(
                    f"{path}: a line is longer than {len(buffer):,} bytes",
                    hint="one request a line is expected",
                )
            continue
        end = _MARGIN + int(newlines[-1]) + 1
        yield buffer[:end]
        rest = filled - end
        buffer[_MARGIN : _MARGIN + rest] = buffer[end:filled]
        filled = _MARGIN + rest
    if filled > _MARGIN:
        buffer[filled] = _NEWLINE
        yield buffer[: filled + 1]


def _parse_block(block: Bytes, first_line: int, bad: BadRows) -> tuple[Part, int]:
    """The rows of a block and how many lines it has."""
    ends = np.flatnonzero(block[_MARGIN:] == _NEWLINE) + _MARGIN
    starts = np.concatenate([[_MARGIN], ends[:-1] + 1])
    lines = np.arange(first_line, first_line + len(ends))
    ends = ends - ((block[ends - 1] == _RETURN) & (ends > starts))
    wanted = ends > starts
    if not wanted.all():
        starts, ends, lines = starts[wanted], ends[wanted], lines[wanted]
    fields, regular = _split(block, starts, ends)
    time_ns, time_read = _times(block, fields.start, fields.comma)
    input_tokens, input_read = _numbers(block, fields.comma + 1, fields.second_comma)
    output_tokens, output_read = _numbers(block, fields.second_comma + 1, fields.end)
    good = regular & time_read & input_read & output_read
    for row in np.flatnonzero(~good):
        try:
            values = _read_row(bytes(block[starts[row] : ends[row]]))
        except ValueError as error:
            bad.add(int(lines[row]), str(error))
            continue
        time_ns[row], input_tokens[row], output_tokens[row] = values
        good[row] = True
    if not good.all():
        time_ns, input_tokens, output_tokens = time_ns[good], input_tokens[good], output_tokens[good]
    return Part(time_ns, input_tokens, output_tokens), len(wanted)


def _split(block: Bytes, starts: Ints, ends: Ints) -> tuple[_Fields, Mask]:
    """Where each row's commas are, and which rows have exactly two; the others get an empty layout."""
    commas = np.flatnonzero(block[_MARGIN:] == _COMMA) + _MARGIN
    if len(commas) == 2 * len(starts):
        pairs = commas.reshape(-1, 2)
        if (pairs[:, 0] >= starts).all() and (pairs[:, 1] < ends).all():
            return _Fields(starts, pairs[:, 0], pairs[:, 1], ends), np.ones(len(starts), np.bool_)
    first = np.searchsorted(commas, starts)
    regular = np.searchsorted(commas, ends) - first == 2
    comma, second_comma = starts.copy(), starts.copy()
    comma[regular] = commas[first[regular]]
    second_comma[regular] = commas[first[regular] + 1]
    return _Fields(starts, comma, second_comma, ends), regular


def _numbers(block: Bytes, starts: Ints, ends: Ints) -> tuple[npt.NDArray[np.int32], Mask]:
    """Unsigned decimals of one to nine digits, and which fields are such."""
    lengths = ends - starts
    read = (lengths >= 1) & (lengths <= _MAX_DIGITS)
    value = np.zeros(len(starts), dtype=np.int32)
    width = int(lengths[read].max()) if read.any() else 0
    if width:
        digits = sliding_window_view(block, width)[ends - width] - np.uint8(_ZERO)
        for place in range(width):
            digit = digits[:, width - 1 - place]
            inside = lengths > place
            read &= (digit <= 9) | ~inside
            value += np.where(inside, digit, np.uint8(0)) * np.int32(10**place)
    return value, read


def _times(block: Bytes, starts: Ints, ends: Ints) -> tuple[Ints, Mask]:
    """Unix times in ns of `YYYY-MM-DD HH:MM:SS[.fraction][zone]`, and which fields were read.

    Fields of one length mostly have one layout: it is taken from the first of them.
    """
    time_ns = np.zeros(len(starts), dtype=np.int64)
    read = np.zeros(len(starts), dtype=np.bool_)
    lengths = ends - starts
    for length in np.unique(lengths):
        if not _SECOND <= length <= _MARGIN:
            continue
        alike = np.flatnonzero(lengths == length)
        field = sliding_window_view(block, int(length))[starts[alike]]
        time_ns[alike], read[alike] = _alike_times(field)
    return time_ns, read


def _alike_times(field: Bytes) -> tuple[Ints, Mask]:
    """Times of equally long fields (rows × bytes); rows that differ in layout from the first are not read."""
    zone = _zone_length(bytes(field[0]))
    columns = np.ascontiguousarray(field[:, _MINUTE : field.shape[1] - zone].T)
    separators = {0: _COLON, 3: _DOT}
    read = np.ones(len(field), dtype=np.bool_)
    fraction_ns = np.zeros(len(field), dtype=np.int64)
    weight = 10 * SECOND_NS
    for place, column in enumerate(columns):
        if place in separators:
            read &= column == separators[place]
            continue
        digit = column - np.uint8(_ZERO)
        read &= digit <= (5 if place == 1 else 9)
        fraction_ns += digit * np.int64(weight)
        weight //= 10
    minutes, known = _minutes(field, zone)
    return minutes + fraction_ns, read & known


def _zone_length(field: bytes) -> int:
    """Bytes of the zone at the end of a time: `Z`, `+00:00`, or none."""
    if field.endswith(b"Z"):
        return 1
    return 6 if len(field) > _SECOND and field[-6:-5] in (b"+", b"-") else 0


def _minutes(field: Bytes, zone: int) -> tuple[Ints, Mask]:
    """The minute and zone of each row as Unix time in ns, looked up once for rows in a run that share it."""
    length = field.shape[1]
    key = np.ascontiguousarray(field[:, :_MINUTE]).view(np.uint64)
    fresh = np.ones(len(field), dtype=np.bool_)
    fresh[1:] = (key[1:] != key[:-1]).any(axis=1)
    if zone:
        fresh[1:] |= (field[1:, length - zone :] != field[:-1, length - zone :]).any(axis=1)
    heads = np.flatnonzero(fresh)
    found = np.zeros(len(heads), dtype=np.int64)
    known = np.zeros(len(heads), dtype=np.bool_)
    for run, head in enumerate(heads):
        text = bytes(field[head]).decode("ascii", "replace")
        try:
            found[run] = iso_ns(text[:_MINUTE] + text[length - zone :])
        except ValueError:
            continue
        known[run] = True
    counts = np.diff(np.append(heads, len(field)))
    return np.repeat(found, counts), np.repeat(known, counts)


def _read_row(line: bytes) -> tuple[int, int, int]:
    """One row by itself. Raises ValueError with what is wrong."""
    cells = [cell.strip().strip('"') for cell in line.decode("utf-8", "replace").split(",")]
    if len(cells) != len(HEADER):
        raise ValueError(f"{len(cells)} fields where {len(HEADER)} are expected ({','.join(HEADER)})")
    counts = [whole(name, cell) for name, cell in zip(HEADER[1:], cells[1:], strict=True)]
    for name, count in zip(HEADER[1:], counts, strict=True):
        if not 0 <= count <= MAX_TOKENS:
            raise ValueError(f"{name} {count} is not within 0 and {MAX_TOKENS:,}")
    return iso_ns(cells[0]), counts[0], counts[1]
