"""The life of an attempt is the table it is drawn from."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baseload.gateway.attempt import TRANSITIONS, Attempt, State
from tests.gateway.running import RunningTwin, metered, provider
from tests.gateway.threaded import MakeThreaded, eventually

WAYS = (
    "slow=0.001",
    "status=500",
    "reset=request",
    "reset=headers",
    "cut,after_tokens=0",
    "cut",
    "hang=headers",
    "hang=request",
    "endless_headers",
    "error_200",
)


def test_attempts_move_as_the_table_says(
    threaded: MakeThreaded,
    twins: Callable[..., RunningTwin],
    quick_sweep: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However attempts end, each of their steps is in the table, each step of the table is taken, and none
    moves once it has ended."""
    seen: set[tuple[State, State]] = set()
    set_attribute = Attempt.__setattr__

    def watched(attempt: Attempt, name: str, value: object) -> None:
        if name == "state":
            assert isinstance(value, State)
            if attempt.state is not value:
                seen.add((attempt.state, value))
        set_attribute(attempt, name, value)

    monkeypatch.setattr(Attempt, "__setattr__", watched, raising=False)
    api = twins(provider)
    timeouts = {"ttft": "150ms", "idle": "150ms", "total": "300ms"}
    gateway = threaded({"api": metered(api, timeouts=timeouts)})
    for way in WAYS:
        for stream in (True, False):
            gateway.chat(f"[twin fault={way}]", stream=stream, max_tokens=5, ignore_eos=True)
    api.stop()
    gateway.chat()
    eventually(gateway.at_rest)
    table = {(before, after) for before, afters in TRANSITIONS.items() for after in afters}
    assert seen == table
