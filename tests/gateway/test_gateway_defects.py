"""A defect of the gateway, wherever it strikes, ends its own request: told, settled, nothing held.

Each test breaks one function that the event loop reaches by another way than the request's arrival.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable
from typing import Any

import pytest

from baseload.gateway import guess
from baseload.gateway.attempt import Attempt
from baseload.gateway.client import ClientConnection
from baseload.gateway.exchange import Exchange
from baseload.ledger.journal import Journal
from baseload.twin.pace import Latency
from tests.gateway.running import RunningTwin, metered, provider
from tests.gateway.threaded import MakeThreaded, eventually, read_reply

pytestmark = pytest.mark.usefixtures("quick_sweep")
Twins = Callable[..., RunningTwin]


def _break(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, nth: int = 1, times: int = 1) -> None:
    """The function raises at its `nth` call and the `times` - 1 that follow."""
    whole = getattr(owner, name)
    calls = 0

    @functools.wraps(whole)
    def broken(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if nth <= calls < nth + times:
            raise ZeroDivisionError(name)
        return whole(*args, **named)

    monkeypatch.setattr(owner, name, broken)


# what is broken, at which call, and the fault of the target that leads there
ENTRIES = {
    "connected": (Attempt, "connected", 1, ""),
    "connect_failed": (Attempt, "connect_failed", 1, "down"),
    "response_head": (Attempt, "response_head", 1, ""),
    "response_body": (Attempt, "response_body", 1, ""),
    "the whole answer": (Attempt, "_whole", 1, ""),
    "response_closed": (Attempt, "response_closed", 1, "reset=request"),
    "check": (Attempt, "check", 1, "hang=request"),
    "the end's record": (Journal, "end", 1, ""),
    "after a pause": (Exchange, "attempt_next", 3, "status=500"),
    "the next attempt": (Exchange, "attempt_next", 2, "status=500"),
    "the bill": (Attempt, "bill", 1, ""),
}


NOT_MET = {("response_body", False), ("the whole answer", True)}
"""A whole answer that came with its head is handed on at once; a stream never is whole."""


@pytest.mark.parametrize(
    ("entry", "stream"),
    [(entry, stream) for entry in ENTRIES for stream in (False, True) if (entry, stream) not in NOT_MET],
)
def test_a_defect_is_told_settled_and_holds_nothing(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch, entry: str, stream: bool
) -> None:
    """The client hears `internal` with status 500, or in-band if its stream has begun; each attempt has its
    end in the ledger, no load, limit or connection is held, and the next request is served."""
    owner, name, nth, fault = ENTRIES[entry]
    faults = (f"{fault},times=1",) if "=" in fault else ()
    api = twins(provider, faults=faults)
    targets = {"api": metered(api, price=("1", "1"))}
    if fault == "down":
        api.stop()
        targets["other"] = metered(twins(provider))
    gateway = threaded(targets, tenants={"shop": {"limits": {"concurrent": 1}}})
    with monkeypatch.context() as patch:
        _break(patch, owner, name, nth=nth)
        reply = gateway.chat(stream=stream, max_tokens=3, ignore_eos=True)
    if reply.status == 200:
        assert (reply.in_band_error, reply.whole) == ("internal", True)
    else:
        assert (reply.status, reply.code) == (500, "internal")
    assert reply.headers["x-request-id"]
    eventually(gateway.at_rest)
    assert all(row["outcome"] == "failed" for row in gateway.rows(1))
    health = gateway.gateway.loads["api"].health
    assert gateway.call(lambda: health._failures) == (1 if fault.startswith("status") else 0)
    assert gateway.chat(stream=stream).status == 200
    eventually(gateway.at_rest)


def test_usage_that_cannot_be_counted_is_settled_without(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the guess itself is what fails, the attempt ends without usage, but its end is on record."""
    gateway = threaded({"api": metered(twins(provider, faults=("no_usage,times=1",)))})
    with monkeypatch.context() as patch:
        _break(patch, guess, "tokens", times=10)
        assert gateway.chat().code == "internal"
    eventually(gateway.at_rest)
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["error_code"], row["cost_nano"]) == ("failed", "internal", 0)


def test_a_defect_when_the_client_leaves_holds_nothing(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request whose cancelling meets a defect still leaves its target's load and its tenant's limits."""
    slow = Latency(ttft_s=30.0, tpot_s=0.001)
    gateway = threaded({"api": metered(twins(provider, latency=slow))})
    with monkeypatch.context() as patch:
        _break(patch, Attempt, "cancel")
        with gateway.connection() as connection:
            gateway.send(connection)
            eventually(lambda: not gateway.at_rest())
        eventually(gateway.at_rest)
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["error_code"]) == ("failed", "internal")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_defect_at_delivery_is_its_own_requests_only(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """In strict mode one answer that cannot be delivered does not hold back those flushed along with it."""
    gateway = threaded({"api": metered(twins(provider))}, journal={"strict": True})
    with monkeypatch.context() as patch:
        _break(patch, Exchange, "finish")
        with contextlib.suppress(ConnectionError), gateway.connection() as connection:
            gateway.send(connection, stream=stream)
            read_reply(connection)
        eventually(gateway.at_rest)
    assert gateway.chat(stream=stream).status == 200
    assert [row["outcome"] for row in gateway.rows(2)] == ["completed"] * 2


def test_an_error_that_cannot_be_told_cuts_the_connection(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If nothing can be written any more the client is cut off at once rather than left to wait."""
    gateway = threaded({"api": metered(twins(provider))})
    with monkeypatch.context() as patch:
        _break(patch, ClientConnection, "write", times=2)
        with gateway.connection() as connection:
            gateway.send(connection)
            with pytest.raises(ConnectionError):
                read_reply(connection)
    eventually(gateway.at_rest)
    assert gateway.chat().status == 200
    assert list(map(operator.itemgetter("outcome"), gateway.rows(2))) == ["completed"] * 2
