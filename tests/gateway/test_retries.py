"""How often, how long and where a failed request is tried again; when a target is left alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from baseload.gateway.server import PortLimits
from baseload.policy.health import State
from tests.gateway.running import RunningTwin, engine, metered, owned, provider
from tests.gateway.threaded import MakeThreaded, ThreadedGateway, eventually

Twins = Callable[..., RunningTwin]
pytestmark = pytest.mark.usefixtures("quick_sweep")


def _state(gateway: ThreadedGateway, target: str) -> State:
    return gateway.call(lambda: gateway.gateway.loads[target].health.state)


def test_at_most_two_moves(threaded: MakeThreaded, twins: Twins) -> None:
    """Of four failing targets three are tried, each once, and the client hears of the last."""
    failing = {
        f"api-{n}": metered(twins(provider, faults=(f"status=50{n}",)), (f"{n}", f"{n}")) for n in range(4)
    }
    gateway = threaded(failing)
    reply = gateway.chat()
    assert (reply.status, reply.code, reply.headers["x-baseload-attempts"]) == (502, "upstream_error", "3")
    rows = gateway.rows(3)
    assert [row["target"] for row in rows] == ["api-0", "api-1", "api-2"]
    assert [row["reason"] for row in rows] == ["metered", "fallback", "fallback"]
    assert [row["status"] for row in rows] == [500, 501, 502]


def test_retries_are_a_fifth_of_the_requests_and_three(threaded: MakeThreaded, twins: Twins) -> None:
    """An outage is not multiplied: beyond 20% of the last ten seconds' requests, plus 3, none is made."""
    api = twins(provider, faults=("status=500",))
    gateway = threaded({"api": metered(api)})
    for _ in range(20):
        assert gateway.chat().code == "upstream_error"
    retries = sum(row["attempt"] > 1 for row in gateway.rows(20))
    assert 3 <= retries <= 3 + 20 // 5
    assert gateway.metric("baseload_retries_refused_total") >= 20 - retries
    assert len(api.served().requests) == 20 + retries


@pytest.mark.parametrize("status", [429, 503, 529])
def test_retry_after_is_honoured(threaded: MakeThreaded, twins: Twins, status: int) -> None:
    """A lone target that asks for half a second is asked again then, not sooner; the client only waits."""
    gateway = threaded(
        {"api": metered(twins(provider, faults=(f"status={status},retry_after_s=0.5,times=1",)))}
    )
    began_s = time.monotonic()
    reply = gateway.chat(max_tokens=3, ignore_eos=True)
    assert (reply.status, reply.content) == (200, "the sun and ")
    assert 0.5 <= time.monotonic() - began_s < 2.0
    assert [row["outcome"] for row in gateway.rows(2)] == ["failed", "completed"]


def test_a_full_target_is_left_alone_as_long_as_it_asks(threaded: MakeThreaded, twins: Twins) -> None:
    """After a 429 with Retry-After other requests go elsewhere meanwhile; the target is not ejected."""
    full, other = twins(provider, faults=("status=429,retry_after_s=30",)), twins(provider)
    gateway = threaded({"full": metered(full, ("1", "1")), "other": metered(other)})
    assert [gateway.chat().headers["x-baseload-target"] for _ in range(5)] == ["other"] * 5
    assert len(full.served().requests) == 1
    assert _state(gateway, "full") is State.CLOSED


def test_a_long_wait_is_the_clients_to_do(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Retry-After beyond the waiting budget is passed on at once, as the target said it."""
    monkeypatch.setattr("baseload.gateway.failure.WAITING_BUDGET_S", 10.0)
    gateway = threaded({"api": metered(twins(provider, faults=("status=429,retry_after_s=30",)))})
    reply = gateway.chat()
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (429, "upstream_no_room", "30")
    reply = gateway.chat()  # now the gateway knows without asking
    assert (reply.status, reply.code) == (503, "no_target_available")
    assert 28 <= int(reply.headers["retry-after"]) <= 30


def test_a_dead_credential_is_out_and_the_others_serve(threaded: MakeThreaded, twins: Twins) -> None:
    """401 from upstream is never the client's 401: the credential is out until an operator acts, other
    targets serve, and without any the client is told why."""
    dead, good = twins(provider, faults=("status=401",)), twins(provider)
    gateway = threaded({"dead": metered(dead, ("1", "1")), "good": metered(good)})
    assert [gateway.chat().headers["x-baseload-target"] for _ in range(3)] == ["good"] * 3
    assert len(dead.served().requests) == 1
    assert _state(gateway, "dead") is State.DEAD_CREDENTIAL
    assert gateway.metric("baseload_target_state", target="dead", state="dead_credential") == 1
    reply = gateway.chat(headers={"x-baseload-targets": "dead"})
    assert (reply.status, reply.code) == (503, "no_target_available")
    assert "dead credential" in reply.json["error"]["message"]


def test_a_changed_credential_revives_its_target(threaded: MakeThreaded, twins: Twins) -> None:
    """The operator's act is the new credential: with it in force the target is used again."""
    twin = twins(provider, api_key="right")
    target = metered(twin)
    target["metered"]["key"] = "wrong"
    gateway = threaded({"api": target})
    assert gateway.chat().code == "upstream_credentials"
    assert _state(gateway, "api") is State.DEAD_CREDENTIAL
    gateway.reload()
    assert _state(gateway, "api") is State.DEAD_CREDENTIAL
    target["metered"]["key"] = "right"
    gateway.reload()
    assert _state(gateway, "api") is State.CLOSED
    assert gateway.chat().status == 200


def test_five_failures_eject_and_a_probe_brings_back(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After five failures in a row a target is out for its time; then one real request probes it."""
    monkeypatch.setattr("baseload.policy.health.EJECTION_S", 2.0)
    flaky, other = twins(provider, faults=("status=500,skip=10,times=5",)), twins(provider)
    gateway = threaded({"flaky": metered(flaky, ("1", "1")), "other": metered(other)})
    assert [gateway.chat().headers["x-baseload-target"] for _ in range(10)] == ["flaky"] * 10
    assert [gateway.chat().headers["x-baseload-target"] for _ in range(8)] == ["other"] * 8
    assert len(flaky.served().requests) == 15
    assert _state(gateway, "flaky") is State.EJECTED
    returns_s = gateway.call(lambda: gateway.gateway.loads["flaky"].health.returns_s)
    eventually(lambda: time.monotonic() > returns_s)
    assert gateway.chat().headers["x-baseload-target"] == "flaky"
    assert _state(gateway, "flaky") is State.CLOSED


def test_a_slow_target_on_a_kept_connection_is_ejected_too(threaded: MakeThreaded, twins: Twins) -> None:
    """A first token that does not come is the target's failure whether its connection is new or kept."""
    slow: dict[str, Any] = {"timeouts": {"ttft": "150ms"}}
    stuck = twins(provider, faults=("hang=request,skip=1",))
    gateway = threaded({"stuck": metered(stuck, ("1", "1"), **slow), "good": metered(twins(provider))})
    assert gateway.chat(stream=True).headers["x-baseload-target"] == "stuck"
    reply = gateway.chat(stream=True)
    assert (reply.headers["x-baseload-target"], reply.headers["x-baseload-attempts"]) == ("good", "2")
    assert [row["error_code"] for row in gateway.rows(3)] == [None, "timeout_first_token", None]
    for _ in range(4):
        assert gateway.chat(stream=True).headers["x-baseload-target"] == "good"
    assert _state(gateway, "stuck") is State.EJECTED


def test_the_last_target_is_never_ejected(threaded: MakeThreaded, twins: Twins) -> None:
    """A lone target that failed a while is asked all the same, and serves again as soon as it can."""
    gateway = threaded({"only": metered(twins(provider, faults=("status=500,times=9",)))})
    for _ in range(9):
        gateway.chat()
    assert gateway.chat().status == 200


def test_a_missing_model_is_looked_for_elsewhere(threaded: MakeThreaded, twins: Twins) -> None:
    """404 from a target that does not hold the model moves on; the alarm is in the metrics' outcome."""
    wrong = metered(twins(provider), ("1", "1"), model="another-model")
    gateway = threaded({"wrong": wrong, "right": metered(twins(provider))})
    reply = gateway.chat()
    assert (reply.status, reply.headers["x-baseload-target"]) == (200, "right")
    first, _ = gateway.rows(2)
    assert (first["error_code"], first["status"]) == ("upstream_model", 404)


def test_context_length_is_passed_on_as_it_is(threaded: MakeThreaded, twins: Twins) -> None:
    """What the target says of a prompt that is too long reaches the client word by word, without a retry."""
    small = twins(engine, context_tokens=50)
    gateway = threaded({"small": owned(small), "api": metered(twins(provider))})
    reply = gateway.chat("x" * 4000)
    assert (reply.status, reply.headers["x-baseload-attempts"]) == (400, "1")
    assert "maximum context length is 50 tokens" in reply.json["error"]["message"]
    assert [row["outcome"] for row in gateway.rows(1)] == ["rejected"]


def test_a_lack_of_sockets_is_not_the_targets_failure(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where this gateway cannot make a connection more, the request moves on or waits; nobody is ejected."""
    gateway = threaded({"api": metered(twins(provider))})
    with monkeypatch.context() as patch:
        patch.setattr("baseload.gateway.upstream.MAX_CONNECTIONS", 0)
        patch.setattr("baseload.gateway.failure.WAITING_BUDGET_S", 0.0)
        for _ in range(6):
            reply = gateway.chat()
            assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "overloaded", "1")
    health = gateway.gateway.loads["api"].health
    assert gateway.call(lambda: health._failures) == 0
    assert {row["cost_nano"] for row in gateway.rows(6)} == {0}
    assert gateway.chat().status == 200


def test_a_late_close_of_a_kept_connection_is_the_targets_failure(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a close right after sending can be that of an idle connection; later the target broke off, which
    counts against it and is charged."""
    monkeypatch.setattr("baseload.gateway.attempt.STALE_S", 0.0)
    gateway = threaded({"api": metered(twins(provider, faults=("reset=request,skip=1,times=1",)))})
    assert gateway.chat().status == 200
    assert gateway.chat().status == 200
    health = gateway.gateway.loads["api"].health
    assert gateway.call(lambda: health._failures) == 1
    assert [row["estimated"] for row in gateway.rows(3)] == [0, 1, 0]


def test_an_unreachable_target_is_named_without_its_address(threaded: MakeThreaded, twins: Twins) -> None:
    """Tenants learn which target failed and how, not where it is."""
    api = twins(provider)
    gateway = threaded({"api": metered(api)})
    api.stop()
    reply = gateway.chat()
    assert reply.json["error"]["message"].startswith("no connection to api: refused")
    assert b"127.0.0.1" not in reply.body
    assert [reply.headers[f"x-baseload-{name}"] for name in ("target", "reason")] == ["api", "fallback"]


def test_a_stream_begun_by_a_comment_has_its_id(threaded: MakeThreaded, twins: Twins) -> None:
    """A client that waits for its first token knows already what to ask the ledger for."""
    slow = twins(provider, faults=("hang=request",))
    target = metered(slow, timeouts={"ttft": "400ms"})
    gateway = threaded({"api": target}, limits=PortLimits(comment_s=0.05))
    reply = gateway.chat(stream=True)
    assert reply.body.startswith(b": waiting")
    assert {row["request_id"] for row in gateway.rows(3)} == {reply.headers["x-request-id"]}
