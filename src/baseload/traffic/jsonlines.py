"""JSON Lines as typed rows: one object a line, checked while it is decoded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from baseload.traffic.rows import BadRows
from baseload.traffic.source import lines

T = TypeVar("T")


def json_rows(stream: io.BufferedReader, path: Path, bad: BadRows, kind: type[T]) -> Iterator[tuple[int, T]]:
    """Line numbers and objects of `kind`; lines that are no such object go to `bad`."""
    decode = msgspec.json.Decoder(kind).decode
    for number, line in lines(stream, path):
        try:
            yield number, decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            bad.add(number, str(error))
