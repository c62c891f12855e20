"""Our own ledger as traffic: one row a request, so that what came last month can be planned with.

A request counts once, however many attempts it took. Refused requests are not traffic; `Traffic.notes` counts
them by the code they were told.
"""

from __future__ import annotations

from pathlib import Path

from baseload.ledger.launch import store_path
from baseload.ledger.store import EVERYTHING, Filter, Store
from baseload.traffic.rows import BadRows, Origin, Row, Rows
from baseload.traffic.table import Traffic


def read_ledger(path: Path, only: Filter = EVERYTHING) -> Traffic:
    """The requests in the ledger at `path`, a store or the data folder that holds one.

    Tokens are those counted where a request was answered, else the estimates it was admitted with (see
    `ledger.store.Arrival`). Raises EnvironmentProblem where there is no ledger, DataError where it is empty.
    """
    if path.is_dir():
        path = store_path(path)
    bad, rows = BadRows(str(path), unit="request"), Rows()
    with Store(path) as store:
        number = 0
        for batch in store.arrivals(only):
            for arrival in batch:
                number += 1
                try:
                    rows.add(
                        Row(
                            arrival.at_ns,
                            arrival.input_tokens,
                            arrival.output_tokens,
                            arrival.cached_input_tokens,
                            arrival.model,
                            arrival.tenant,
                        )
                    )
                except ValueError as error:
                    bad.add(number, str(error))
        refused = store.refusals(only)
    notes = [f"{count:,} more requests were refused with {code}" for code, count in refused.items()]
    return rows.traffic(Origin(f"{path} (baseload ledger)", True, bad, notes))
