"""n·c(n) is kept in the long run, on requests it was not found on, and is not far below what could be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from baseload.core import Slo
from baseload.plan.promise import Promise
from baseload.plan.response import at_load
from baseload.plan.room import (
    busiest_run,
    even_run,
    most_kept,
    owned,
    room_of,
    stretch_of,
)
from baseload.plan.simulate import simulate
from baseload.traffic.draw import draw
from baseload.traffic.shapes import azure_conversation_2023
from baseload.traffic.table import PrefixBlocks, Traffic
from tests.plan.test_response import pair
from tests.plan.test_simulate import STEP, steady

PAIR = pair()
PROMISE = Promise(Slo(1.0, 0.05), 0.95)


def poisson(requests: int, seed: int) -> Traffic:
    """So many requests at random times, of lengths around 500 and 100."""
    return steady(20, requests / 20, seed=seed)


def azure(requests: int, seed: int) -> Traffic:
    """So many requests with the lengths of the Azure hour, at random times."""
    random = np.random.default_rng(seed)
    hour = draw(azure_conversation_2023(), seed=seed)
    places = random.integers(0, len(hour), requests)
    return hour_like(hour, places, random)


def hour_like(hour: Traffic, places: np.ndarray, random: np.random.Generator) -> Traffic:
    """Requests of the hour at random times, five a second."""
    like = steady(5, len(places) / 5, seed=int(random.integers(1 << 30)))
    return Traffic(
        arrival_s=like.arrival_s,
        input_tokens=hour.input_tokens[places],
        cached_tokens=like.cached_tokens,
        output_tokens=hour.output_tokens[places],
        duration_s=like.duration_s,
        model=like.model,
        tenant=like.tenant,
    )


def keeps(traffic: Traffic, replicas: int, tokens_per_s: float, promise: Promise) -> bool:
    """Whether all of these requests, none left out, see what is promised at this load."""
    found = simulate(at_load(traffic, tokens_per_s), owned(PAIR, replicas, promise.slo))
    slo = promise.slo
    return (
        not found.refused
        and found.ttft_at(promise.share) <= slo.ttft_s
        and found.tpot_at(promise.share) <= slo.tpot_s
    )


@pytest.mark.parametrize("slo", [Slo(1.0, 0.05), Slo(0.5, 0.04), Slo(2.0, 0.1)], ids=["50", "40", "100"])
@pytest.mark.parametrize("replicas", [1, 4])
@pytest.mark.parametrize("made", [poisson, azure], ids=["poisson", "azure"])
def test_other_requests_four_times_as_many_keep_it(
    made: Callable[[int, int], Traffic], replicas: int, slo: Slo
) -> None:
    """At n·c(n), requests of two other seeds, four times the run it settles on, keep the promise; at 8% more
    none does."""
    promise = Promise(slo)
    room = room_of(made(20_000, 1), PAIR, replicas, promise)
    for seed in (101, 102):
        others = made(16 * stretch_of(replicas), seed)
        assert keeps(others, replicas, room, promise)
        assert not keeps(others, replicas, room * 1.08, promise)


def test_more_replicas_serve_more_each_in_the_long_run() -> None:
    """Pooling, and not a short run's luck: what each of eight serves, eight keep on 50,000 other requests,
    and one alone does not."""
    eight = room_of(poisson(20_000, 1), PAIR, 8, PROMISE)
    others = poisson(50_000, 104)
    assert keeps(others, 8, eight, PROMISE)
    assert not keeps(others, 1, eight / 8, PROMISE)


def test_a_promise_nothing_keeps_has_no_room() -> None:
    """0.0, whatever the replicas."""
    assert room_of(steady(10, 400), STEP, 1, Promise(Slo(0.001, 0.001))) == 0.0


def test_the_busiest_run_is_the_shortest() -> None:
    """Of all runs of so many requests; shorter traffic is taken whole."""
    traffic = steady(20, 300.0)
    run = busiest_run(traffic, 500)
    arrival_s = traffic.arrival_s
    shortest_s = min(arrival_s[i + 499] - arrival_s[i] for i in range(len(traffic) - 499))
    assert len(run) == 500
    assert run.arrival_s[-1] - run.arrival_s[0] == pytest.approx(shortest_s)
    assert busiest_run(traffic, 10**6) is traffic


def test_every_stretch_of_a_run_is_the_same_load() -> None:
    """Quiet and busy minutes are evened out, the order and the bursts within a stretch stay."""
    quiet, busy = steady(2, 500.0), steady(20, 100.0, seed=2)
    mixed = Traffic(
        arrival_s=np.concatenate([quiet.arrival_s, 500.0 + busy.arrival_s]),
        input_tokens=np.concatenate([quiet.input_tokens, busy.input_tokens]),
        cached_tokens=np.zeros(3000, np.int64),
        output_tokens=np.concatenate([quiet.output_tokens, busy.output_tokens]),
        duration_s=600.0,
        model=np.zeros(3000, np.int32),
        tenant=np.zeros(3000, np.int32),
    )
    run = even_run(mixed, 3000, 500)
    assert (run.output_tokens == mixed.output_tokens).all()
    assert (np.diff(run.arrival_s) >= 0.0).all()
    ends_s = run.arrival_s[499::500]
    tokens = (run.input_tokens + run.output_tokens).reshape(6, 500).sum(axis=1)
    loads = tokens / np.diff(ends_s, prepend=0.0)
    assert loads == pytest.approx(loads.mean())


def test_requests_that_are_too_few_begin_again_unless_a_cache_would_hold_them() -> None:
    """So many as asked for; with prefix blocks only those there are."""
    traffic = steady(10, 60.0)
    run = even_run(traffic, 1_500, 500)
    assert len(run) == 1_500
    assert (run.input_tokens[600:1_200] == traffic.input_tokens).all()
    blocks = PrefixBlocks(
        hashes=np.arange(600, dtype=np.int64),
        offsets=np.arange(601, dtype=np.int64),
        block_tokens=512,
    )
    hashed = Traffic(
        arrival_s=traffic.arrival_s,
        input_tokens=traffic.input_tokens,
        cached_tokens=traffic.cached_tokens,
        output_tokens=traffic.output_tokens,
        duration_s=traffic.duration_s,
        model=traffic.model,
        tenant=traffic.tenant,
        prefix=blocks,
    )
    assert len(even_run(hashed, 1_500, 500)) == 600
    assert room_of(hashed, STEP, 1, PROMISE) > 0.0


def test_the_most_that_is_kept_is_found_to_a_percent() -> None:
    """Between the bounds, above them, below them, and where there is no end."""
    assert most_kept(lambda load: load <= 0.5, 0.1, 1.0) == pytest.approx(0.5, rel=0.01)
    assert most_kept(lambda load: load <= 30.0, 1.0, 2.0) == pytest.approx(30.0, rel=0.01)
    assert most_kept(lambda load: False, 0.1, 1.0) == 0.0
    assert most_kept(lambda load: True, 1.0, 2.0) == np.inf
