"""A fleet behind the gateway's own rules: what holds for every request, and what each event does."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.capacity.timeline import timeline
from baseload.core import DataClass, Fallback, Limits, Model, Side, Slo, StepTime, Target, TokenPrice
from baseload.errors import UsageError
from baseload.plan.outcome import NOWHERE
from baseload.plan.requests import requests_of
from baseload.plan.scenario import Autoscale, Latency, Outage, Scenario
from baseload.plan.simulate import FleetRun, simulate
from baseload.traffic.table import PrefixBlocks, Traffic

STEP = StepTime(0.02, 5e-4, 1e-7, 1e-4, kv_tokens=40_000, max_sequences=32)
PRICE = TokenPrice(2_500_000_000, 10_000_000_000, cached_input=1_250_000_000)
SLO = Slo(1.0, 0.06)
NO_QUOTA = Limits()


def fleet(replicas: int, *, api: bool = True, quota: Limits = NO_QUOTA, slo: Slo = SLO) -> Model:
    """So many replicas at $8 an hour, and an API."""
    targets = [
        Target(f"r{i}", Side.OWNED, "http://owned", region="eu", step=STEP, usd_nano_per_hour=8 * 10**9)
        for i in range(replicas)
    ]
    if api:
        targets.append(Target("api", Side.METERED, "http://api", region="us", price=PRICE, quota=quota))
    return Model("chat", tuple(targets), slo)


def steady(
    per_s: float, duration_s: float, *, seed: int = 1, prompt: int = 500, output: int = 100
) -> Traffic:
    """Poisson arrivals of requests of these mean lengths."""
    random = np.random.default_rng(seed)
    count = int(per_s * duration_s)
    return Traffic(
        arrival_s=np.sort(random.random(count)) * duration_s,
        input_tokens=random.integers(1, 2 * prompt, count),
        cached_tokens=np.zeros(count, np.int64),
        output_tokens=random.integers(1, 2 * output, count),
        duration_s=duration_s,
        model=np.zeros(count, np.int32),
        tenant=np.zeros(count, np.int32),
    )


def test_one_replica_alone_is_the_replica() -> None:
    """Without anywhere to spill to, a fleet of one gives every request the times of the whole-trace
    replay."""
    traffic = steady(5, 300)
    found = simulate(traffic, Scenario((fleet(1, api=False),)))
    alone = timeline(STEP, requests_of(traffic), compiled=False)
    np.testing.assert_allclose(found.first_s, alone.first_s, atol=1e-9)
    np.testing.assert_allclose(found.end_s, alone.end_s, atol=1e-9)
    assert found.owned_tokens_share == 1.0


def test_spill_starts_where_the_slo_would_break() -> None:
    """A load that fits stays owned; twice what fits spills. Those that stay are held at the SLO: what is
    steered by is a prediction of the mean, so some miss it, none by much."""
    light = simulate(steady(3, 600), Scenario((fleet(1),)))
    assert light.spill_share < 0.002
    heavy = simulate(steady(30, 600), Scenario((fleet(1),)))
    assert 0.2 < heavy.spill_share < 0.9
    assert heavy.ttft_at(0.95, Side.OWNED) < 1.5 * SLO.ttft_s
    assert heavy.tpot_at(0.95, Side.OWNED) < SLO.tpot_s


def test_money_is_hours_and_tokens() -> None:
    """An hour of two replicas costs 2 · $8, and bought tokens their price."""
    traffic = steady(30, 3600)
    found = simulate(traffic, Scenario((fleet(2),)))
    assert found.owned_usd() == pytest.approx(16.0)
    bought = found.target == 2
    usd = traffic.input_tokens[bought].sum() * 2.5e-6 + traffic.output_tokens[bought].sum() * 10e-6
    assert found.metered_usd() == pytest.approx(usd)


def test_an_unknown_price_is_unknown() -> None:
    """No price of what was bought: no cost, rather than 0."""
    model = Model("chat", (Target("api", Side.METERED, "http://api"),))
    assert simulate(steady(1, 60), Scenario((model,))).metered_usd() is None


def test_a_quota_bounds_what_is_bought() -> None:
    """Spill stays within the API's requests per minute in every minute; what nobody can take is refused."""
    found = simulate(steady(40, 600), Scenario((fleet(1, quota=Limits(requests_per_minute=120)),)))
    bought = found.traffic.arrival_s[found.target == 1]
    for begin in np.arange(0.0, 540.0, 7.0):
        assert ((bought >= begin) & (bought < begin + 60.0)).sum() <= 2 * 120
    assert len(bought) <= 120 * 11
    assert found.target.tolist().count(NOWHERE) == sum(found.refused.values())


def test_an_outage_moves_what_had_no_token_and_cuts_the_rest() -> None:
    """Nothing is served by a replica that is down; what it had begun is cut at that moment, what waited
    there is served elsewhere, and it serves again when its ejection is over."""
    traffic = steady(12, 900)
    found = simulate(traffic, Scenario((fleet(2),), outages=(Outage("r0", 300.0, 420.0),)))
    there = found.target == 0
    assert found.cut > 0
    cut = there & (found.end_s == 300.0)
    assert int(cut.sum()) == found.cut
    assert (found.served_output[cut] < traffic.output_tokens[cut]).all()
    assert not ((found.first_s > 300.0) & (found.first_s < 420.0) & there).any()
    assert ((traffic.arrival_s > 420.0) & there).any()
    assert (found.attempts > 1).any()
    assert found.refused_share < 0.005


def test_an_api_that_fails_is_left_for_what_is_owned() -> None:
    """Where the API is down, attempts there fall back; nothing is served there meanwhile."""
    found = simulate(steady(25, 300), Scenario((fleet(1),), outages=(Outage("api", 100.0, 200.0),)))
    there = found.target == 1
    assert not (there & (found.traffic.arrival_s > 100.0) & (found.first_s < 200.0)).any()
    assert found.cut > 0
    assert np.nanmin(found.served_output) >= 1


def test_a_started_replica_serves_after_its_cold_start() -> None:
    """Load beyond the floor starts a replica, which is paid at once, serves after the cold start, and is let
    go again when the load is gone."""
    rush = steady(25, 600)
    quiet = steady(1, 3000, seed=2)
    arrival_s = np.concatenate([rush.arrival_s, 600.0 + quiet.arrival_s])
    both = Traffic(
        arrival_s=arrival_s,
        input_tokens=np.concatenate([rush.input_tokens, quiet.input_tokens]),
        cached_tokens=np.zeros(len(arrival_s), np.int64),
        output_tokens=np.concatenate([rush.output_tokens, quiet.output_tokens]),
        duration_s=3600.0,
        model=np.zeros(len(arrival_s), np.int32),
        tenant=np.zeros(len(arrival_s), np.int32),
    )
    rule = Autoscale(floor=1, cold_start_s=120.0, calm_s=300.0)
    found = simulate(both, Scenario((fleet(3),), autoscale=rule))
    assert found.paid_s[0] == 3600.0
    assert 420.0 <= found.paid_s[1] < 2400.0
    second = found.traffic.arrival_s[found.target == 1]
    assert second.min() >= 120.0
    fixed = simulate(both, Scenario((fleet(1),)))
    assert found.spill_share < fixed.spill_share


def test_each_model_and_kind_of_replica_scales_by_its_own_load() -> None:
    """Of two models with three replicas each, the busy one's are started and the quiet one's are not; of two
    kinds of replica of one model, both keep their first."""
    rush, quiet = steady(25, 900), steady(1, 900, seed=2)
    order = np.argsort(np.concatenate([rush.arrival_s, quiet.arrival_s]))
    both = Traffic(
        arrival_s=np.concatenate([rush.arrival_s, quiet.arrival_s])[order],
        input_tokens=np.concatenate([rush.input_tokens, quiet.input_tokens])[order],
        cached_tokens=np.zeros(len(order), np.int64),
        output_tokens=np.concatenate([rush.output_tokens, quiet.output_tokens])[order],
        duration_s=900.0,
        model=(order >= len(rush)).astype(np.int32),
        tenant=np.zeros(len(order), np.int32),
        models=("busy", "calm"),
    )
    targets = fleet(6).targets
    busy = Model("busy", (*targets[:3], targets[6]), SLO)
    calm = Model("calm", targets[3:], SLO)
    found = simulate(both, Scenario((busy, calm), autoscale=Autoscale(1, 60.0, 300.0)))
    assert found.paid_s[0] == found.paid_s[3 + 1] == 900.0
    assert found.paid_s[1] > 300.0
    assert found.paid_s[5] == found.paid_s[6] == 0.0
    slower = msgspec.structs.replace(targets[1], step=msgspec.structs.replace(STEP, base_s=0.03))
    mixed = Model("chat", (targets[0], slower, targets[2], targets[6]), SLO)
    kinds = simulate(steady(2, 300), Scenario((mixed,), autoscale=Autoscale(1, 60.0, 300.0)))
    assert kinds.paid_s[:3] == (300.0, 300.0, 0.0)


def test_residency_holds_in_a_simulation() -> None:
    """A class that must stay in the EU is never served by the API, however full the replica."""
    found = simulate(steady(60, 120), Scenario((fleet(1),), classes={"": DataClass("eu", frozenset({"eu"}))}))
    assert not (found.target == 1).any()


def test_a_conversation_returns_to_the_replica_that_holds_it() -> None:
    """With prefix blocks, turns of one conversation find their beginning cached, on the same replica."""
    turns, blocks = 12, 20
    counts = np.full(4 * turns, blocks)
    hashes = np.concatenate([np.arange(blocks) + 1000 * (i % 4) for i in range(4 * turns)])
    arrival_s = np.linspace(0.0, 2.0 * (4 * turns - 1), 4 * turns)
    traffic = Traffic(
        arrival_s=arrival_s,
        input_tokens=np.full(4 * turns, blocks * 100),
        cached_tokens=np.zeros(4 * turns, np.int64),
        output_tokens=np.full(4 * turns, 40),
        duration_s=float(arrival_s[-1]),
        model=np.zeros(4 * turns, np.int32),
        tenant=np.zeros(4 * turns, np.int32),
        prefix=PrefixBlocks(np.concatenate([[0], np.cumsum(counts)]), hashes, 100),
    )
    found = simulate(traffic, Scenario((fleet(2, api=False),)))
    for conversation in range(4):
        assert len(set(found.target[conversation::4].tolist())) == 1
    first, later = found.ttft_s[:4], found.ttft_s[4:]
    assert later.max() < first.min() / 3


def test_what_does_not_fit_together_is_refused() -> None:
    """A replica of unknown speed, a target that is not there, a model nobody serves: each says so."""
    unknown = Model("chat", (Target("r0", Side.OWNED, "http://owned"),))
    with pytest.raises(UsageError, match="speed of r0"):
        Scenario((unknown,))
    with pytest.raises(UsageError, match="no target is called 'r9'"):
        Scenario((fleet(1),), outages=(Outage("r9", 0.0, 1.0),))
    with pytest.raises(UsageError, match="from 5 s until 5 s is none"):
        Scenario((fleet(1),), outages=(Outage("r0", 5.0, 5.0),))
    with pytest.raises(UsageError, match="autoscaling down to 0"):
        Scenario((fleet(1),), autoscale=Autoscale(0))
    with pytest.raises(UsageError, match="two targets are called 'r0'"):
        Scenario((Model("chat", fleet(1).targets * 2),))
    other = Model("other", fleet(1).targets)
    with pytest.raises(UsageError, match="the traffic asks for ''"):
        simulate(steady(1, 60), Scenario((fleet(1), other)))


scenarios = st.builds(
    lambda replicas, api, rpm, outages, scaled, seed: Scenario(
        (fleet(replicas, api=api, quota=Limits(requests_per_minute=rpm)),),
        outages=tuple(
            Outage(name, at, at + lasts)
            for name, at, lasts in outages
            if name in {f"r{i}" for i in range(replicas)} | ({"api"} if api else set())
        ),
        latency={"api": Latency(0.3, 0.01)} if api else {},
        autoscale=Autoscale(1, 30.0, 30.0) if scaled else None,
        seed=seed,
    ),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([None, 30, 600]),
    st.lists(
        st.tuples(st.sampled_from(["r0", "r1", "api"]), st.floats(0, 100), st.floats(1, 60)), max_size=4
    ),
    st.booleans(),
    st.integers(0, 3),
)


@settings(max_examples=60)
@given(scenarios, st.floats(0.5, 40.0), st.integers(0, 5))
def test_every_request_ends_once_and_nothing_is_left_behind(
    scenario: Scenario, per_s: float, seed: int
) -> None:
    """Whatever happens: a request is served by one target, with its times in order, or counted under a code;
    at the end no target carries anything; and the same scenario gives the same answer."""
    traffic = steady(per_s, 120.0, seed=seed)
    run = FleetRun(traffic, scenario)
    found = run.run()
    served = found.target != NOWHERE
    assert int((~served).sum()) == sum(found.refused.values())
    assert (found.first_s[served] > traffic.arrival_s[served]).all()
    assert (found.end_s[served] >= found.first_s[served]).all()
    assert (found.served_output[served] >= 1).all()
    for load in run.loads.values():
        assert (load.in_flight, load.waiting_tokens, load.kv_tokens) == (0, 0, 0)
    assert all(0.0 <= paid <= traffic.duration_s for paid in found.paid_s)
    again = simulate(traffic, scenario)
    assert (again.target == found.target).all()
    assert math.isclose(np.nansum(again.end_s), np.nansum(found.end_s), rel_tol=0.0)


def test_a_fallback_list_serves_through_an_outage() -> None:
    """What the gateway's lists do happens here too: the other model's targets serve, cheapest first."""
    traffic = steady(1, 600)
    own, other = fleet(0), fleet(0)
    dear = msgspec.structs.replace(PRICE, input=9 * 10**9, output=40 * 10**9)
    others = tuple(
        Target(name, Side.METERED, "http://api", region="us", price=price)
        for name, price in (("dear", dear), ("cheap", PRICE))
    )
    entry = msgspec.structs.replace(other, name="other", targets=others)
    model = msgspec.structs.replace(own, fallback=Fallback(error=(entry,)))
    outage = (Outage("api", 200.0, 400.0),)
    without = simulate(traffic, Scenario((own,), outages=outage))
    found = simulate(traffic, Scenario((model,), outages=outage))
    during = (traffic.arrival_s > 200.0) & (traffic.arrival_s < 400.0)
    names = np.array([target.name for target in found.targets])
    assert names.tolist() == ["api", "dear", "cheap"]
    assert (found.target[during] != NOWHERE).all()
    assert set(names[found.target[during]].tolist()) == {"cheap"}
    assert set(names[found.target[traffic.arrival_s < 199.0]].tolist()) == {"api"}
    assert (without.target[during] == NOWHERE).any()


def test_a_request_too_long_for_its_replicas_goes_to_the_longer_target() -> None:
    """The list for length is asked before anything is sent where the count says so."""
    traffic = steady(2, 60, prompt=3000)
    short = tuple(msgspec.structs.replace(t, context_tokens=2000) for t in fleet(1, api=False).targets)
    long = Target("long", Side.METERED, "http://api", region="us", price=PRICE, context_tokens=100_000)
    model = Model("chat", short, SLO, fallback=Fallback(context_length=(Model("long", (long,), SLO),)))
    found = simulate(traffic, Scenario((model,)))
    tokens = traffic.input_tokens + traffic.output_tokens
    assert ((found.target == 1) == (tokens > 2000)).all()
    assert found.refused == {}
