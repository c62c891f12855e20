"""Fewest replicas, cheapest offer and last day: each answer holds, and the next smaller one does not."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.catalog.models import open_model
from baseload.core import Slo, StepTime
from baseload.errors import UsageError
from baseload.plan.promise import Promise
from baseload.plan.slo_search import (
    Candidate,
    at_least,
    busiest,
    candidates_of,
    cheapest,
    fewest_replicas,
    runs_out_days,
    seen_with,
)
from baseload.plan.windows import Drawn
from baseload.traffic.read import read_traffic
from tests.plan.test_response import pair
from tests.plan.test_simulate import STEP, steady
from tests.plan.test_windows import shape

PROMISE = Promise(Slo(1.0, 0.05), 0.95)


@settings(max_examples=25)
@given(st.floats(1.0, 60.0), st.sampled_from([0.9, 0.95, 0.99]), st.floats(0.03, 0.2), st.integers(0, 3))
def test_the_fewest_keep_the_promise_and_one_less_does_not(
    per_s: float, share: float, tpot_s: float, seed: int
) -> None:
    """Whatever the load and the promise: the count found keeps it, one less breaks it, and none is found only
    where a request alone would break it."""
    traffic = steady(per_s, 60.0, seed=seed)
    promise = Promise(Slo(1.0, tpot_s), share)
    found = fewest_replicas(traffic, STEP, promise)
    assert found is not None
    assert seen_with((traffic,), STEP, found.replicas, promise).keeps(promise)
    assert found.seen.keeps(promise)
    if found.replicas > 1:
        assert found.with_one_less is not None
        assert not found.with_one_less.keeps(promise)
    assert at_least((traffic,), STEP, promise) <= found.replicas


def test_a_promise_that_nothing_keeps_has_no_count() -> None:
    """A TPOT below one step's time, or a request larger than the KV room: no number of replicas helps."""
    traffic = steady(5, 60)
    assert fewest_replicas(traffic, STEP, Promise(Slo(1.0, 0.01))) is None
    small = StepTime(0.02, 5e-4, 1e-7, 1e-4, kv_tokens=900, max_sequences=32)
    assert fewest_replicas(traffic, small, PROMISE) is None


def test_the_azure_hour_takes_two_pairs(shared: Path) -> None:
    """One pair leaves TTFT p95 at 4 s in the bursts; two keep p99 within 1 s and 50 ms."""
    traffic = read_traffic(shared / "data/traces/azure2023/AzureLLMInferenceTrace_conv.csv")
    found = fewest_replicas(traffic, pair(), Promise(Slo(1.0, 0.05), 0.99))
    assert found is not None
    assert found.replicas == 2
    assert found.with_one_less is not None
    assert found.with_one_less.ttft_s > 2.0


def test_a_long_trace_is_judged_in_its_busiest_windows() -> None:
    """Three windows around the peak, each no longer than so many requests."""
    pieces = busiest(Drawn(shape()))
    assert len(pieces) == 3
    assert all(len(piece) / piece.duration_s > 12.0 for piece in pieces)
    small = steady(1, 60)
    assert busiest(small) == (small,)


def test_the_cheapest_is_the_cheapest_of_all_tried() -> None:
    """Skipping what can only cost more finds what trying every candidate finds."""
    traffic = steady(40, 60)
    candidates = [
        Candidate("as it is", STEP, 8.0),
        Candidate("twice as fast", replace_times(STEP, 0.5), 15.0),
        Candidate("half as fast", replace_times(STEP, 2.0), 4.5),
        Candidate("too slow for any", replace_times(STEP, 5.0), 0.1),
        Candidate("dear", STEP, 30.0),
    ]
    found = cheapest(traffic, candidates, PROMISE)
    costs = {}
    for candidate in candidates:
        fewest = fewest_replicas(traffic, candidate.step, PROMISE)
        if fewest is not None:
            costs[candidate.name] = fewest.replicas * candidate.usd_per_hour
    assert found[0].usd_per_hour == min(costs.values())
    assert "too slow for any" not in costs
    assert cheapest(traffic, candidates[3:4], PROMISE) == ()


def replace_times(step: StepTime, times: float) -> StepTime:
    """Every step so many times as long."""
    return StepTime(
        step.base_s * times,
        step.per_sequence_s * times,
        step.per_kv_token_s * times,
        step.per_prefill_token_s * times,
        step.kv_tokens,
        step.max_sequences,
    )


def test_candidates_come_with_price_source_and_date() -> None:
    """Every combination offered holds the model, and says what it costs, where, and since when."""
    found = candidates_of(open_model("llama-3.3-70b"))
    assert len({each.name for each in found}) == len(found) > 50
    for each in found:
        assert each.usd_per_hour > 0
        assert each.source
        assert each.as_of
        assert each.step.kv_tokens >= 8192
    assert any(each.name.startswith("2×H100-SXM fp8") for each in found)


def test_growth_says_on_which_day_a_fleet_runs_out() -> None:
    """At that day's load the promise just holds, 2% later it does not; twice the growth, about half the time;
    without growth never; too small today is today."""
    traffic = steady(6, 120)
    found = fewest_replicas(traffic, STEP, PROMISE)
    assert found is not None
    slow = runs_out_days(traffic, STEP, found.replicas + 1, PROMISE, 0.05)
    fast = runs_out_days(traffic, STEP, found.replicas + 1, PROMISE, 0.10)
    assert slow is not None
    assert fast is not None
    assert slow / fast == pytest.approx(math.log(1.10) / math.log(1.05))
    times = 1.10 ** (fast / 30)
    kept = seen_with((traffic.compressed(times),), STEP, found.replicas + 1, PROMISE)
    lost = seen_with((traffic.compressed(times * 1.02),), STEP, found.replicas + 1, PROMISE)
    assert kept.keeps(PROMISE)
    assert not lost.keeps(PROMISE)
    assert runs_out_days(traffic, STEP, found.replicas, PROMISE, 0.0) is None
    busy = replace(traffic, arrival_s=traffic.arrival_s / 10, duration_s=12.0)
    assert runs_out_days(busy, STEP, 1, PROMISE, 0.1) == 0.0
    with pytest.raises(UsageError, match="is none"):
        runs_out_days(traffic, STEP, 1, PROMISE, float(np.inf))


def test_a_fleet_that_no_growth_breaks_never_runs_out() -> None:
    """Requests that may all come at once without breaking the promise: no day, not an infinite one."""
    few = steady(1, 5.0)
    assert seen_with((few.compressed(1e7),), STEP, 4, PROMISE).keeps(PROMISE)
    assert runs_out_days(few, STEP, 4, PROMISE, 0.1) is None
