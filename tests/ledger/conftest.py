"""Records to write, and a data folder with a little history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from baseload.core import Tokens
from baseload.ledger.record import Begin, Bill, Call, Caller, Chosen, End, Versions

START_NS = 1_795_334_400_000_000_000
"""A full hour: 2026-11-22 08:00 UTC."""

OWNED = Chosen("llama-a", "owned", "owned", 0, 41_234, 0, 312.5, 21.25)
SPILL = Chosen("gpt-4o", "metered", "spill", 140_000, 0, 0, 600.0, 15.0)


def make_begin(
    request_id: str,
    attempt: int = 1,
    *,
    at_ns: int = START_NS,
    chosen: Chosen = OWNED,
    reserved_nano: int | None = 2_000_000,
    tenant: str = "shop",
    tags: dict[str, str] | None = None,
) -> Begin:
    """A begin like the gateway's."""
    return Begin(
        request_id,
        attempt,
        at_ns,
        Caller(tenant, "k1", "default"),
        Call("chat", "chat.completions", True, 140, 220, tags),
        chosen,
        Versions("config-1", "2026-11-22"),
        reserved_nano,
    )


def make_end(
    request_id: str,
    attempt: int = 1,
    *,
    at_ns: int = START_NS + 500_000_000,
    outcome: str = "completed",
    cost_nano: int | None = 0,
    room_ns: int = 30_000_000,
    usage: Tokens = Tokens(140, 40, 0, 200, 0, False),  # noqa: B008 - frozen
    upstream_request_id: str | None = "chatcmpl-1",
) -> End:
    """An end like the gateway's."""
    bill = Bill(cost_nano, 2_350_000, "gpt-4o", room_ns)
    return End(
        request_id,
        attempt,
        at_ns,
        outcome,
        200,
        500_000_000,
        usage,
        bill,
        ttft_ns=12_345_678,
        upstream_request_id=upstream_request_id,
    )


@pytest.fixture
def begin() -> Callable[..., Begin]:
    """Builds a begin."""
    return make_begin


@pytest.fixture
def end() -> Callable[..., End]:
    """Builds an end."""
    return make_end


@pytest.fixture
def start_ns() -> int:
    """A full hour, when the records' history starts."""
    return START_NS


@pytest.fixture
def owned() -> Chosen:
    """The owned target."""
    return OWNED


@pytest.fixture
def spill() -> Chosen:
    """The metered target, by spill."""
    return SPILL


@pytest.fixture
def journal_folder(tmp_path: Path) -> Path:
    """Where a test's journal lies."""
    return tmp_path / "journal"
