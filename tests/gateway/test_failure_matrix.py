"""Whatever goes wrong upstream, the client is told one clear thing, once, and the ledger knows of each try.

Every fault a twin has, at every stage, streamed and not, with another target at hand and without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from baseload.errors import FAULTS
from baseload.twin.pace import Latency
from tests.gateway.running import RunningTwin, metered, provider
from tests.gateway.threaded import QUICK_TIMEOUTS, MakeThreaded, Reply

pytestmark = pytest.mark.usefixtures("quick_sweep")
Twins = Callable[..., RunningTwin]


class Moves(NamedTuple):
    """The attempt fails with this code before anything reached the client: another one may answer."""

    code: str


class Cut(NamedTuple):
    """The client holds a part when it fails with this code: an error event, and never `[DONE]`."""

    code: str


class Ends(NamedTuple):
    """The request ends with this code; there is no second attempt."""

    code: str


class Passed(NamedTuple):
    """The target's own answer is the client's, as it is."""

    status: int


class Fine(NamedTuple):
    """The answer is whole."""

    estimated: bool = False


Expected = Moves | Cut | Ends | Passed | Fine
BROKEN, ERROR, FIRST, IDLE = "upstream_broken", "upstream_error", "timeout_first_token", "timeout_idle"
TOTAL = "timeout_total"
GONE = "upstream_connect|upstream_broken"  # whether the reset is seen while connecting or after is chance
NO_ROOM, CREDENTIALS, MODEL = "upstream_no_room", "upstream_credentials", "upstream_model"

# fault, streamed, unstreamed
MATRIX: list[tuple[str, Expected, Expected]] = [
    ("refuse=0.01", Moves(GONE), Moves(GONE)),
    ("reset=accept", Moves(GONE), Moves(GONE)),
    ("reset=request", Moves(BROKEN), Moves(BROKEN)),
    ("reset=headers", Moves(BROKEN), Moves(BROKEN)),
    ("reset=tokens", Cut(BROKEN), Moves(BROKEN)),
    ("reset=tokens,after_tokens=0", Moves(BROKEN), Moves(BROKEN)),
    ("hang=accept", Moves(FIRST), Ends(TOTAL)),
    ("hang=request", Moves(FIRST), Ends(TOTAL)),
    ("hang=headers", Moves(FIRST), Ends(TOTAL)),
    ("hang=tokens", Cut(IDLE), Moves(IDLE)),
    ("hang=tokens,after_tokens=0", Moves(FIRST), Moves(IDLE)),
    ("status=500", Moves(ERROR), Moves(ERROR)),
    ("status=503", Moves(ERROR), Moves(ERROR)),
    ("status=408", Moves(ERROR), Moves(ERROR)),
    ("status=301", Moves(ERROR), Moves(ERROR)),
    ("status=429,retry_after_s=0.05", Moves(NO_ROOM), Moves(NO_ROOM)),
    ("status=529,retry_after_s=0.05", Moves(NO_ROOM), Moves(NO_ROOM)),
    ("status=429,code=insufficient_quota", Moves(CREDENTIALS), Moves(CREDENTIALS)),
    ("status=401", Moves(CREDENTIALS), Moves(CREDENTIALS)),
    ("status=402", Moves(CREDENTIALS), Moves(CREDENTIALS)),
    ("status=403,code=permission_denied", Moves(CREDENTIALS), Moves(CREDENTIALS)),
    ("status=403", Passed(403), Passed(403)),  # a blocked country: about this request
    ("status=404,code=model_not_found", Moves(MODEL), Moves(MODEL)),
    ("status=404", Moves(MODEL), Moves(MODEL)),
    ("status=400", Passed(400), Passed(400)),
    ("status=422", Passed(422), Passed(422)),
    ("status=400,code=context_length_exceeded", Passed(400), Passed(400)),
    ("status=400,code=content_filter", Passed(400), Passed(400)),
    ("slow=0.01", Fine(), Fine()),
    ("cut", Cut(BROKEN), Moves(BROKEN)),
    ("cut,after_tokens=0", Moves(BROKEN), Moves(BROKEN)),
    ("error_event", Cut(ERROR), Moves(ERROR)),
    ("error_event,after_tokens=0", Moves(ERROR), Moves(ERROR)),
    ("error_200", Moves(ERROR), Moves(ERROR)),
    ("no_usage", Fine(estimated=True), Fine(estimated=True)),
    ("bad_json", Fine(), Moves(ERROR)),  # a stream's events are passed on as they are
    ("endless_body", Cut(TOTAL), Moves(BROKEN)),
    ("endless_headers", Moves(BROKEN), Moves(BROKEN)),
    ("double_done", Fine(), Fine()),
    ("wrong_length=16", Fine(), Moves(BROKEN)),  # the stream says [DONE]: it is whole
    ("wrong_length=-16", Fine(), Moves(BROKEN)),
]
CASES = [
    pytest.param(fault, stream, expected, id=f"{fault}-{'streamed' if stream else 'whole'}")
    for fault, streamed, whole in MATRIX
    for stream, expected in ((True, streamed), (False, whole))
]


def test_the_matrix_has_every_fault_of_the_twins() -> None:
    """No kind of fault, and no stage of one, is left out above."""
    from baseload.twin.faults import FaultKind, Stage, parse_rule

    rules = [parse_rule(fault) for fault, _, _ in MATRIX]
    assert {rule.kind for rule in rules} == set(FaultKind)
    for kind in (FaultKind.RESET, FaultKind.HANG):
        assert {rule.at for rule in rules if rule.kind is kind} == set(Stage)


def _target(twin: RunningTwin, **changes: Any) -> dict[str, Any]:
    return metered(twin, timeouts=QUICK_TIMEOUTS, **changes)


def _pace(expected: Expected) -> dict[str, Any]:
    """Where the client must hold a part before the fault, its events must not come in one read with it."""
    return {"latency": Latency(ttft_s=0.01, tpot_s=0.1, spread=0.0)} if isinstance(expected, Cut) else {}


def _check_answer(reply: Reply, stream: bool) -> None:
    assert reply.status == 200
    assert reply.content == "the sun and sea are "
    assert reply.whole
    assert reply.done == stream


def _check_row(row: dict[str, Any], outcome: str, code: str | None) -> None:
    assert row["outcome"] == outcome
    assert row["error_code"] in (code.split("|") if code else [None])
    if outcome == "failed":
        _check_charge(row)


def _check_charge(failed: dict[str, Any]) -> None:
    """A provider bills what it was sent, unless it was not reached or said so with an error status."""
    refused = failed["error_code"] in (CREDENTIALS, NO_ROOM, MODEL, "upstream_connect")
    refused = refused or (failed["error_code"] == ERROR and failed["status"] not in (200, 502))
    if refused:
        assert (failed["cost_nano"], failed["input_tokens"], failed["estimated"]) == (0, 0, 0)
    else:
        assert (failed["input_tokens"], failed["estimated"]) == (1, 1)
        assert failed["cost_nano"] > 0


@pytest.mark.parametrize(("fault", "stream", "expected"), CASES)
def test_with_another_target(
    threaded: MakeThreaded, twins: Twins, fault: str, stream: bool, expected: Expected
) -> None:
    """A failure before anything reached the client moves to the other target, and the client sees only that
    it took two attempts; after that it is told in-band. One ledger row an attempt, at most one completed."""
    bad, good = twins(provider, faults=(f"{fault},times=1",), **_pace(expected)), twins(provider)
    gateway = threaded({"bad": _target(bad, price=("1", "1")), "good": _target(good)})
    reply = gateway.chat(stream=stream, max_tokens=5, ignore_eos=True)
    if isinstance(expected, Moves):
        _check_answer(reply, stream)
        first, second = gateway.rows(2)
        _check_row(first, "failed", expected.code)
        _check_row(second, "completed", None)
        assert (first["target"], second["target"]) == ("bad", "good")
        assert (second["reason"], second["input_tokens"], second["output_tokens"]) == ("fallback", 1, 5)
        shown = [reply.headers[f"x-baseload-{name}"] for name in ("target", "reason", "attempts")]
        assert shown == ["good", "fallback", "2"]
    else:
        _check_alone(reply, gateway.rows(1), stream, expected)
        assert not good.served().requests
    assert sum(row["outcome"] == "completed" for row in gateway.rows()) <= 1
    assert gateway.at_rest()


@pytest.mark.parametrize(("fault", "stream", "expected"), CASES)
def test_with_a_single_target(
    threaded: MakeThreaded, twins: Twins, fault: str, stream: bool, expected: Expected
) -> None:
    """Where nothing else can serve, the same target is tried again after a pause, at most twice; then the
    client gets the error's own status and code, and a row stands for each try."""
    gateway = threaded({"bad": _target(twins(provider, faults=(fault,), **_pace(expected)))})
    reply = gateway.chat(stream=stream, max_tokens=5, ignore_eos=True)
    if isinstance(expected, Moves):
        tries = 1 if expected.code == CREDENTIALS else 3  # a dead credential is not tried again
        assert reply.code in expected.code.split("|")
        assert reply.status == FAULTS[reply.code].status
        assert reply.headers["x-baseload-attempts"] == str(tries)
        rows = gateway.rows(tries)
        assert len(rows) == tries
        for row in rows:
            _check_row(row, "failed", expected.code)
    else:
        _check_alone(reply, gateway.rows(1), stream, expected)
    assert gateway.at_rest()


def _check_alone(
    reply: Reply, rows: list[dict[str, Any]], stream: bool, expected: Cut | Ends | Passed | Fine
) -> None:
    """What a client and the ledger have of a request that took one attempt."""
    assert len(rows) == 1
    (row,) = rows
    assert reply.headers["x-baseload-attempts"] == "1"
    if isinstance(expected, Fine):
        assert (reply.status, reply.whole, reply.done) == (200, True, stream)
        assert b"the " in reply.body
        _check_row(row, "completed", None)
        assert bool(row["estimated"]) == expected.estimated
        if expected.estimated:
            assert row["input_tokens"] == 1
            assert row["output_tokens"] in (5, 6)  # the event that ends a stream can hold a token or not
    elif isinstance(expected, Cut):
        assert reply.status == 200
        assert b'"the "' in reply.body
        assert not reply.done
        assert reply.in_band_error == expected.code
        assert reply.whole
        _check_row(row, "cut", expected.code)
        assert row["estimated"] == 1
    elif isinstance(expected, Ends):
        assert (reply.status, reply.code) == (FAULTS[expected.code].status, expected.code)
        _check_row(row, "failed", expected.code)
    else:
        assert reply.status == expected.status
        assert reply.json["error"]["message"] == f"simulated fault: status {expected.status}"
        _check_row(row, "rejected", None)
        assert row["status"] == expected.status
