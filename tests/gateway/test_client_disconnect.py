"""A client that goes away cancels the upstream at once, wherever its request is, and pays what was made."""

from __future__ import annotations

import contextlib
import gc
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from baseload.core import StepTime
from baseload.gateway.attempt import Attempt
from baseload.gateway.exchange import Exchange
from baseload.twin.pace import Latency
from baseload.twin.served import Outcome, Served
from tests.gateway.running import RunningTwin, engine, metered, owned, provider
from tests.gateway.threaded import MakeThreaded, ThreadedGateway, eventually

Twins = Callable[..., RunningTwin]
NOTICED_S = 1.0
SLOW_STEP = StepTime(0.03, 0.0, 0.0, 1e-6, kv_tokens=400_000, max_sequences=1, source="test")
STREAMS = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


def _cancelled(twin: RunningTwin) -> list[Served]:
    return [each for each in twin.served().requests if each.outcome is Outcome.CANCELLED]


def _leave(gateway: ThreadedGateway, twin: RunningTwin, ready: Callable[[], Any], **request: Any) -> Served:
    """Send a request, close its connection once `ready`, and wait until the twin noticed."""
    with gateway.connection() as connection:
        gateway.send(connection, **request)
        eventually(ready)
    (cancelled,) = eventually(lambda: _cancelled(twin), NOTICED_S)
    return cancelled


@STREAMS
def test_queued_at_the_engine(threaded: MakeThreaded, twins: Twins, stream: bool) -> None:
    """A request that still waits in the engine's queue is cancelled there: nothing is produced for it."""
    replica = twins(engine, step=SLOW_STEP)
    gateway = threaded({"replica": owned(replica)})
    with gateway.connection() as first:
        gateway.send(first, stream=True, ignore_eos=True, max_tokens=2000)
        first.getresponse().readline()
        gone = _leave(gateway, replica, lambda: len(replica.served().open) == 2, stream=stream)
        assert (gone.output, gone.delivered) == (0, 0)
        assert len(replica.served().open) == 1
    _, row = gateway.rows(2)
    assert (row["outcome"], row["status"], row["output_tokens"]) == ("client_gone", 499, 0)
    eventually(gateway.at_rest)


@STREAMS
def test_before_the_first_token(threaded: MakeThreaded, twins: Twins, stream: bool) -> None:
    """A request whose prompt is being read is cancelled; its input is charged as estimated."""
    api = twins(provider, latency=Latency(ttft_s=30.0, spread=0.0))
    gateway = threaded({"api": metered(api)})
    _leave(gateway, api, lambda: api.served().open, content="x" * 4000, stream=stream)
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["output_tokens"], row["estimated"]) == ("client_gone", 0, 1)
    assert row["input_tokens"] == pytest.approx(1000, rel=0.05)
    assert row["cost_nano"] > 0
    eventually(gateway.at_rest)


def test_in_the_midst_of_a_stream(threaded: MakeThreaded, twins: Twins) -> None:
    """A stream is cut short: the output charged is what was passed on, one token an event."""
    api = twins(provider, latency=Latency(ttft_s=0.01, tpot_s=0.1, spread=0.0))
    gateway = threaded({"api": metered(api)})
    gone = _leave(
        gateway,
        api,
        lambda: any(each.delivered >= 4 for each in api.served().open),
        stream=True,
        ignore_eos=True,
        max_tokens=500,
    )
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["estimated"]) == ("client_gone", 1)
    assert gone.delivered - 1 <= row["output_tokens"] <= gone.delivered
    assert row["ttft_ns"] is not None
    eventually(gateway.at_rest)


def test_in_the_midst_of_an_unstreamed_answer(threaded: MakeThreaded, twins: Twins) -> None:
    """What an unstreamed answer had produced is charged at the pace that the target's answers showed."""
    api = twins(provider, latency=Latency(ttft_s=0.01, tpot_s=0.02, spread=0.0))
    gateway = threaded({"api": metered(api)})
    for tokens in (2, 5, 9):
        gateway.chat(ignore_eos=True, max_tokens=tokens)
    gone = _leave(
        gateway,
        api,
        lambda: any(each.output >= 20 for each in api.served().open),
        ignore_eos=True,
        max_tokens=500,
    )
    row = gateway.rows(4)[-1]
    assert (row["outcome"], row["estimated"], row["input_tokens"]) == ("client_gone", 1, gone.input)
    assert row["output_tokens"] == pytest.approx(gone.output, rel=0.3)
    eventually(gateway.at_rest)


def test_running_usage_is_exact(threaded: MakeThreaded, twins: Twins) -> None:
    """Where the engine reports usage with every event, a cut stream is charged by that and not estimated."""
    replica = twins(engine, step=StepTime(0.1, 0, 0, 0, kv_tokens=10_000, max_sequences=8))
    gateway = threaded({"replica": owned(replica)})
    gone = _leave(
        gateway,
        replica,
        lambda: any(each.delivered >= 3 for each in replica.served().open),
        content="[twin cached=7] " + "x" * 100,
        stream=True,
        ignore_eos=True,
        max_tokens=500,
        stream_options={"include_usage": True, "continuous_usage_stats": True},
    )
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["estimated"]) == ("client_gone", 0)
    assert (row["input_tokens"], row["cached_input_tokens"]) == (gone.input, 7)
    assert gone.delivered - 1 <= row["output_tokens"] <= gone.delivered


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that neither accepts nor refuses: its queue is full, so that connecting takes for ever."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_while_connecting(threaded: MakeThreaded, twins: Twins, deaf_port: int) -> None:
    """An attempt that has no connection yet was not sent: nothing is charged."""
    gateway = threaded({"deaf": metered(twins(provider), url=f"http://127.0.0.1:{deaf_port}/v1")})
    with gateway.connection() as connection:
        gateway.send(connection)
        eventually(lambda: not gateway.at_rest())
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["cost_nano"], row["input_tokens"]) == ("client_gone", 0, 0)
    assert row["estimated"] == 0
    eventually(gateway.at_rest)


def test_connecting_has_its_own_deadline(
    threaded: MakeThreaded, twins: Twins, deaf_port: int, quick_sweep: None
) -> None:
    """A target that does not accept is left for another one after the connect timeout."""
    deaf = metered(twins(provider), ("1", "1"), url=f"http://127.0.0.1:{deaf_port}/v1")
    gateway = threaded({"deaf": {**deaf, "timeouts": {"connect": "200ms"}}, "api": metered(twins(provider))})
    assert gateway.chat().status == 200
    first, second = gateway.rows(2)
    assert (first["outcome"], first["error_code"]) == ("failed", "timeout_connect")
    assert (second["target"], second["reason"]) == ("api", "fallback")


def test_while_waiting_for_a_retry(threaded: MakeThreaded, twins: Twins) -> None:
    """A client that leaves during the pause before a retry ends the request: no further attempt is made."""
    api = twins(provider, faults=("status=429,retry_after_s=1",))
    gateway = threaded({"api": metered(api)})
    with gateway.connection() as connection:
        gateway.send(connection)
        eventually(lambda: api.served().requests)
        gateway.rows(1)
    eventually(gateway.at_rest)
    assert gateway.metric("baseload_requests_total", code="client_gone") == 1
    assert gateway.call(lambda: [client.conversation for client in gateway.gateway.connections]) == []
    assert len(api.served().requests) == 1


def test_what_has_ended_is_let_go_at_once(threaded: MakeThreaded, twins: Twins) -> None:
    """However a request ends, it and its body are free without waiting for the cyclic collector: completed,
    streamed or not, left by its client in any phase, refused, failed, or ended by a defect."""
    slow = twins(provider, latency=Latency(ttft_s=30.0, spread=0.0))
    quick, broken = twins(provider), twins(provider, faults=("status=500",))
    targets = {"slow": metered(slow), "quick": metered(quick), "broken": metered(broken)}
    models = {name: {"metered": [target]} for name, target in zip(("chat", "q", "b"), targets, strict=True)}
    gateway = threaded(targets, models)
    gc.collect()
    gc.disable()
    try:
        for stream in (True, False):
            for model in ("q", "b", "none"):
                gateway.chat(model=model, stream=stream, max_tokens=3)
            with gateway.connection() as connection:
                gateway.send(connection, stream=stream)
                eventually(lambda: not gateway.at_rest())
        eventually(gateway.at_rest)
        eventually(lambda: not [one for one in gc.get_objects() if type(one) in (Exchange, Attempt)])
    finally:
        gc.enable()


def test_a_half_closed_connection_is_a_gone_client(threaded: MakeThreaded, twins: Twins) -> None:
    """The end of a client's stream is the only sign that nobody waits: it cancels, too."""
    api = twins(provider, latency=Latency(ttft_s=30.0, spread=0.0))
    gateway = threaded({"api": metered(api)})
    with gateway.connection() as connection:
        gateway.send(connection, stream=True)
        eventually(lambda: api.served().open)
        connection.sock.shutdown(socket.SHUT_WR)
        eventually(lambda: _cancelled(api), NOTICED_S)
