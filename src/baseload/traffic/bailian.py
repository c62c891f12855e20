"""Qwen-Bailian traces: JSON Lines with `timestamp` (s), lengths, kind of request, and 16-token block hashes.

`cached_tokens` is what an unlimited prefix cache would have held, from the hashes. The kind of request
(`type`: text, search, image, file) stands in for the tenant, as the only grouping the trace has. Source:
Wang et al., KVCache in the wild, ATC 2025 (Apache-2.0).
"""

from __future__ import annotations

import io
from pathlib import Path

from msgspec import Struct

from baseload.traffic.jsonlines import json_rows
from baseload.traffic.rows import BadRows, Origin, Row, Rows
from baseload.traffic.table import Traffic
from baseload.traffic.timestamps import Clock, Unit

BLOCK_TOKENS = 16


class _Line(Struct):
    chat_id: int
    timestamp: float
    input_length: int
    output_length: int
    hash_ids: list[int]
    type: str = ""


def read_bailian(stream: io.BufferedReader, path: Path) -> Traffic:
    """The trace in `stream`, with prefix blocks. Raises DataError (see `BadRows`)."""
    bad, rows, clock = BadRows(str(path)), Rows(), Clock(Unit.S)
    for number, line in json_rows(stream, path, bad, _Line):
        try:
            time_ns = clock.ns(line.timestamp)
            rows.add(
                Row(time_ns, line.input_length, line.output_length, tenant=line.type, blocks=line.hash_ids)
            )
        except ValueError as error:
            bad.add(number, str(error))
    return rows.traffic(
        Origin(f"{path.name} (Qwen-Bailian trace)", wall_clock=False, bad=bad), block_tokens=BLOCK_TOKENS
    )
