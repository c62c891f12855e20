"""What providers really said goes through a running gateway whole: every exchange, however it is cut.

`python -m bench.recorded` prints the same as a table.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.recorded import BAR, played, share, tally
from tests.gateway.recorded_cases import CLIENTS, TARGETS, Case, cases, example_cases


def check(chosen: list[Case], folder: Path, pairs: int, whole: int) -> None:
    """Nothing is lost or miscounted, and this many pairs and whole answers were there at all."""
    outcomes, miscounted = played(chosen, folder)
    table = tally(outcomes)
    lost = [f"{one.case} {one.cuts}: {one.why[:300]}" for one in outcomes if one.kind == "lost"]
    assert lost == []
    assert miscounted == []
    assert share(table)[0] >= BAR
    assert len(table) == pairs
    assert sum(counts["whole"] for counts in table.values()) >= whole


@pytest.mark.timeout(900)
def test_every_recorded_exchange_goes_through_the_gateway(shared: Path, tmp_path: Path) -> None:
    """Requests reach targets as the pure translator writes them; same-format answers are the recorded bytes,
    others what the pure translator makes of them; tokens in the ledger are the recorded ones; and what is not
    carried is refused by the name that the matrix has for it, before anything is sent."""
    check(list(cases(shared)), tmp_path, len(CLIENTS) * len(TARGETS), 1000)


@pytest.mark.timeout(400)
def test_every_example_goes_through_the_gateway(tmp_path: Path) -> None:
    """The same of the exchanges of our own writing, which a fresh clone has."""
    check(list(example_cases()), tmp_path, len(CLIENTS) * len(TARGETS), 800)
