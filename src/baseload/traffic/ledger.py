"""Our own ledger as traffic: one row a request, so that what came last month can be planned with.

A request counts once, however many attempts it took. One that was refused, or never produced a token, took no
serving and is not traffic; `Traffic.notes` counts those by the code they were told or by how they ended.
"""

from __future__ import annotations

from pathlib import Path

from baseload.core import Outcome
from baseload.ledger.launch import store_path
from baseload.ledger.store import EVERYTHING, Filter, Store
from baseload.traffic.rows import BadRows, Origin, Row, Rows
from baseload.traffic.table import Traffic

_LEFT_OUT = {
    Outcome.FAILED: "every attempt failed",
    Outcome.REJECTED: "the target rejected them",
    Outcome.CLIENT_GONE: "the client went away before the first token",
    Outcome.CUT: "cut off before the first token",
    Outcome.UNKNOWN: "how they ended is unknown",
    "running": "still running",
}


def read_ledger(path: Path, only: Filter = EVERYTHING) -> Traffic:
    """The served requests in the ledger at `path`, a store or the data folder that holds one.

    Raises EnvironmentProblem where there is no ledger, DataError where no request in it was served.
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
        unserved, refused = store.unserved(only), store.refusals(only)
    notes = [f"{count:,} more requests are left out: {_LEFT_OUT[how]}" for how, count in unserved.items()]
    notes += [f"{count:,} more requests were refused with {code}" for code, count in refused.items()]
    return rows.traffic(Origin(f"{path} (baseload ledger)", True, bad, notes))
