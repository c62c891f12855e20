"""What could come instead: seeded worlds with the stated percentiles, and what follows from them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from baseload.plan.assumptions import shipped
from baseload.plan.costs import Fleet, Spare
from baseload.plan.course import course
from baseload.plan.export_tco import risk_dict
from baseload.plan.model import Inputs, Plan
from baseload.plan.risk import SCENARIOS, Risk, monte_carlo, regret, risk, tornado
from baseload.plan.world import drawn, expected
from tests.plan.conftest import GPT_4O, build_plan
from tests.plan.test_tco import fields


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The worked example against GPT-4o alone: a hybrid of six replicas."""
    return build_plan(metered=(GPT_4O,))


@pytest.fixture(scope="module")
def found(plan: Plan) -> Risk:
    """Its risk."""
    return plan.risk


def with_figures(plan: Plan, **figures: float) -> Inputs:
    """The plan's inputs with other figures; dots of names are written as two underscores."""
    stated = {name.replace("__", "."): value for name, value in figures.items()}
    return Inputs(**{**fields(plan), "assumptions": shipped().changed(stated)})


def test_drawn_figures_have_the_stated_percentiles() -> None:
    """Low, value and high are the 10th, 50th and 90th percentile of what is drawn."""
    world = drawn(shipped(), draws=40_000)
    for name in ("traffic.growth_per_year", "throughput.factor", "upgrade.evaluation_usd"):
        row = shipped()[name]
        p10, p50, p90 = np.percentile(world[name], (10, 50, 90))
        assert row.low is not None
        assert row.high is not None
        assert isinstance(row.value, float)
        width = row.high - row.low
        assert (p10, p50, p90) == pytest.approx((row.low, row.value, row.high), abs=0.03 * width)


def test_prices_wander_by_the_stated_yearly_spread_and_start_today() -> None:
    """A random walk: its logarithm spreads by 20% after a year, and the first month is not a surprise."""
    walk = np.log(drawn(shipped(), draws=40_000).gpu_walk)
    assert (walk[:, 0] == 0).all()
    assert walk[:, 12].std() == pytest.approx(0.2, rel=0.03)
    assert np.median(walk[:, 12]) == pytest.approx(0.0, abs=0.01)


def test_outages_are_counted() -> None:
    """Half an outage a month on average, in whole ones, where the rate is certain."""
    world = drawn(shipped().changed({"incident.owned_per_month": 0.5}), draws=5_000)
    assert world.owned_incidents.mean() == pytest.approx(0.5, rel=0.05)
    assert set(np.unique(world.owned_incidents)) >= {0.0, 1.0, 2.0}


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(plan: Plan, found: Risk) -> None:
    """Risk is as repeatable as the rest."""
    again = risk(plan.inputs, plan.options)
    assert json.dumps(risk_dict(found)) == json.dumps(risk_dict(again))
    other = Inputs(**{**fields(plan), "seed": 2})
    assert risk_dict(risk(other, plan.options))["bands"] != risk_dict(found)["bands"]


def test_certain_figures_leave_a_band_without_width(plan: Plan) -> None:
    """With nothing uncertain every world is the expected one."""
    certain = {row.name: row.value for row in shipped() if row.ranged}
    certain |= {"api.price_volatility_per_year": 0.0, "gpu.price_volatility_per_year": 0.0}
    certain |= {"incident.owned_per_month": 0.0, "incident.api_per_month": 0.0}
    inputs = Inputs(**{**fields(plan), "assumptions": shipped().changed(certain)})
    bands, beats, _ = monte_carlo(inputs, plan.options, draws=50)
    for band, option in zip(bands, plan.options, strict=True):
        usd = course(inputs, option, expected(inputs.assumptions)).until(36)[0]
        assert band.usd_36 == pytest.approx((usd, usd, usd))
    assert {each.probability_36 for each in beats} == {0.0, 1.0}


def test_percentiles_are_in_order_and_probabilities_add_up(plan: Plan, found: Risk) -> None:
    """P10 ≤ P50 ≤ P90, in total and by month; some option is the cheapest in every world."""
    for band in found.bands:
        assert band.usd_36[0] <= band.usd_36[1] <= band.usd_36[2]
        assert all(np.array(band.cumulative_p10) <= np.array(band.cumulative_p90))
        assert all(np.diff(band.cumulative_p50) > 0)
    assert sum(band.probability_cheapest for band in found.bands) == pytest.approx(1.0)
    odds = {(each.a, each.b): each.probability_36 for each in found.beats}
    assert len(odds) == len(plan.options) * (len(plan.options) - 1)
    for (a, b), probability in odds.items():
        assert probability + odds[b, a] == pytest.approx(1.0, abs=1e-3)


def test_the_odds_of_having_crossed_grow_where_moving_is_paid_back(plan: Plan, found: Risk) -> None:
    """Hybrid against GPT-4o: moving costs first, then the saving comes month by month."""
    (odds,) = [each for each in found.crossing if each.option == "hybrid with gpt-4o"]
    assert len(odds.by_month) == 36
    assert odds.by_month[0] < odds.by_month[3]
    assert max(odds.by_month) > 0.9


def test_a_bar_of_the_tornado_is_the_saving_at_both_ends(plan: Plan, found: Risk) -> None:
    """Recomputed from the outside for the widest bar; bars come widest first."""
    widest = found.tornado[0]
    ends = []
    for value in (widest.low, widest.high):
        inputs = with_figures(plan, **{widest.name.replace(".", "__"): value})
        world = expected(inputs.assumptions)
        usd = {option.name: course(inputs, option, world).until(36)[0] for option in plan.options}
        best = usd.pop(found.recommended)
        ends.append(min(usd.values()) - best)
    assert (widest.saves_low_usd, widest.saves_high_usd) == pytest.approx(tuple(ends))
    swings = [bar.swing_usd for bar in found.tornado]
    assert swings == sorted(swings, reverse=True)


def test_a_figure_that_decides_is_marked_as_one_that_flips() -> None:
    """Just above the crossing a bad throughput makes buying cheaper."""
    near = build_plan(tokens_per_day=330e6, metered=(GPT_4O,))
    flips = {bar.name for bar in tornado(near.inputs, near.options) if bar.flips}
    assert flips
    far = build_plan(tokens_per_day=5e9, metered=(GPT_4O,))
    assert not [bar.name for bar in tornado(far.inputs, far.options) if bar.flips]


def test_regret_is_never_negative_and_somebody_has_none_as_planned(plan: Plan) -> None:
    """Against hindsight nobody wins; the plan that keeps its replicas regrets what changed."""
    scenarios, rows = regret(plan.inputs, plan.options)
    assert scenarios == SCENARIOS
    for row in rows:
        assert min(row.regret_usd) >= 0.0
        assert row.worst_usd == max(row.regret_usd)
    named = {row.name: row for row in rows}
    api, both = named["gpt-4o"], named["hybrid with gpt-4o"]
    at = {name: i for i, name in enumerate(scenarios)}
    assert api.regret_usd[at["traffic doubles"]] > api.regret_usd[at["as planned"]]
    assert both.usd[at["traffic halves"]] < both.usd[at["as planned"]] < both.usd[at["traffic doubles"]]
    assert both.usd[at["utilisation 20%"]] > both.usd[at["as planned"]]
    assert api.usd[at["utilisation 20%"]] == api.usd[at["as planned"]]
    assert api.usd[at["prices fall 50% a year"]] < api.usd[at["as planned"]]


def test_an_owner_of_everything_adds_replicas_when_traffic_doubles_and_keeps_them_when_it_halves() -> None:
    """Nothing may be refused, and what is held is paid."""
    plan = build_plan(metered=(GPT_4O,), fleet=Fleet(4392, 8.0, 0.7, Spare.NONE, 0.0))
    owned = next(option for option in plan.options if option.name == "owned")
    halved = with_figures(plan, traffic__volume_factor=0.5)
    doubled = with_figures(plan, traffic__volume_factor=2.0)
    kept = course(halved, owned, expected(halved.assumptions), held=owned.replicas)
    grown = course(doubled, owned, expected(doubled.assumptions), held=owned.replicas)
    assert kept.replicas[0, 0] == owned.replicas
    assert grown.replicas[0, 0] > owned.replicas


def test_a_hybrid_that_owns_nothing_is_held_to_owning_nothing() -> None:
    """Not revised, it stays its API in every scenario, without people for replicas it does not have."""
    plan = build_plan(tokens_per_day=100e6, metered=(GPT_4O,))
    _, rows = regret(plan.inputs, plan.options)
    named = {row.name: row for row in rows}
    assert named["hybrid with gpt-4o"].usd == pytest.approx(named["gpt-4o"].usd)


def test_two_names_of_one_answer_beat_each_other_nowhere() -> None:
    """A hybrid that never owns costs what its API costs, to the cent: noise is no probability."""
    plan = build_plan(tokens_per_day=1e6, metered=(GPT_4O,))
    odds = {(each.a, each.b): each.probability_36 for each in plan.risk.beats}
    assert odds["gpt-4o", "hybrid with gpt-4o"] == odds["hybrid with gpt-4o", "gpt-4o"] == 0.0
    cheapest = {band.name: band.probability_cheapest for band in plan.risk.bands}
    assert cheapest == {"gpt-4o": 1.0, "owned": 0.0, "hybrid with gpt-4o": 0.0}
