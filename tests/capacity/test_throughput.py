"""What a replica serves within an SLO."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.capacity.replica import EventKind, Replica
from baseload.capacity.steptime import step_time
from baseload.capacity.throughput import steady_state, throughput, within_slo
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.core import Slo, StepTime
from baseload.errors import UsageError

PAIR = step_time(open_model("llama-3.3-70b"), gpu("h100"), 2, "fp8")
STEP = StepTime(0.010, 0.0001, 1e-7, 5e-5, kv_tokens=100_000, max_sequences=64)


def test_a_pair_of_h100s_serves_what_was_measured() -> None:
    """Llama 70B FP8 on 2 x H100 at 1,024/1,024 and 64 concurrent: 4,392 tokens/s and 28.8 ms, within 3%."""
    at = steady_state(PAIR, 1024, 1024, 64)
    assert at.tokens_per_s == pytest.approx(4392, rel=0.03)
    assert at.tpot_s == pytest.approx(0.0288, rel=0.03)


def test_the_slo_decides_the_concurrency() -> None:
    """One more request than the answer breaks the SLO (or the room); the answer keeps it."""
    slo = Slo(ttft_s=0.5, tpot_s=0.030)
    best = within_slo(PAIR, 1024, 1024, slo)
    assert best is not None
    assert best.tpot_s <= 0.030 < steady_state(PAIR, 1024, 1024, best.concurrency + 1).tpot_s
    assert throughput(PAIR, 1024, 1024, slo) == best.tokens_per_s


def test_memory_binds_where_the_slo_does_not() -> None:
    """With a loose SLO the KV room sets the concurrency: 100,000 tokens hold 25 requests of 4,000."""
    best = within_slo(STEP, 3500, 1000, Slo(ttft_s=100, tpot_s=100))
    assert best is not None
    assert best.concurrency == 25


def test_an_slo_nothing_keeps_gives_zero() -> None:
    """A TPOT below the bare step, or a prompt above the room, is served by nothing: 0 tokens/s."""
    assert throughput(STEP, 100, 100, Slo(tpot_s=0.001)) == 0.0
    assert throughput(STEP, 200_000, 100, Slo(ttft_s=1e9, tpot_s=1e9)) == 0.0


def test_no_lengths_are_refused() -> None:
    """Lengths below one token are no request."""
    with pytest.raises(UsageError, match="at least one input"):
        throughput(STEP, 0, 10, Slo())


@given(read=st.integers(1, 4000), made=st.integers(1, 4000), tpot_ms=st.integers(1, 300))
def test_a_looser_slo_never_serves_less(read: int, made: int, tpot_ms: int) -> None:
    """Throughput rises with what the SLO allows."""
    tight = throughput(STEP, read, made, Slo(ttft_s=2, tpot_s=tpot_ms / 1000))
    loose = throughput(STEP, read, made, Slo(ttft_s=4, tpot_s=tpot_ms / 500))
    assert loose >= tight * (1 - 1e-9)


def test_the_simulated_replica_agrees() -> None:
    """A closed loop of 32 requests through the simulation serves what the steady state says, within 5%."""
    replica, now_s, sent, finished = Replica(PAIR), 0.0, 0, 0
    for sent in range(32):
        # lengths staggered at first, so that the batch does not finish in step for ever
        replica.submit(0.0, str(sent), 512, 16 * (sent + 1))
    while finished < 640:
        next_s = replica.next_event_s()
        assert next_s is not None
        now_s = next_s
        for event in replica.advance(now_s):
            if event.kind is EventKind.FINISHED:
                finished += 1
                sent += 1
                replica.submit(now_s, str(sent), 512, 512)
    made = 608 * 1024 + sum(512 + 16 * (i + 1) for i in range(32))
    assert made / now_s == pytest.approx(steady_state(PAIR, 512, 512, 32).tokens_per_s, rel=0.05)
