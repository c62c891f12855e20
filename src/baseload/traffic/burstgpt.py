"""BurstGPT traces: CSV with `Timestamp` (seconds from the first day), model, tokens and log type.

Rows without response tokens are requests that failed, as the trace's authors document; they are left out and
counted in `Traffic.notes`. `Log Type` (conversation or API) stands in for the tenant, as the only grouping
the trace has. Source: Wang et al., BurstGPT, KDD 2025 (CC-BY 4.0).
"""

from __future__ import annotations

import io
from pathlib import Path

from baseload.traffic.cells import whole
from baseload.traffic.columns import locate
from baseload.traffic.delimited import Delimited
from baseload.traffic.rows import BadRows, Origin, Row, Rows
from baseload.traffic.table import Traffic
from baseload.traffic.timestamps import Clock, Unit

COLUMNS = {
    "arrival": "Timestamp",
    "model": "Model",
    "input": "Request tokens",
    "output": "Response tokens",
    "tenant": "Log Type",
}


def read_burstgpt(stream: io.BufferedReader, path: Path) -> Traffic:
    """The trace in `stream` without failed requests. Raises DataError (see `BadRows`)."""
    bad, rows, clock, failed = BadRows(str(path)), Rows(), Clock(Unit.S), 0
    table = Delimited(stream, path, bad)
    at = locate(COLUMNS, table.header, path)
    for number, cells in table:
        try:
            row = Row(
                clock.ns(cells[at["arrival"]]),
                whole("Request tokens", cells[at["input"]]),
                whole("Response tokens", cells[at["output"]]),
                model=cells[at["model"]],
                tenant=cells[at["tenant"]],
            )
            if row.output_tokens == 0:
                failed += 1
                continue
            rows.add(row)
        except ValueError as error:
            bad.add(number, str(error))
    notes = [f"{failed:,} failed requests (no response tokens) are left out"] if failed else []
    return rows.traffic(Origin(f"{path.name} (BurstGPT trace)", False, bad, notes))
