"""Months, risk and advice hold at volumes and prices nobody plans with: finite, in order, no warning."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.plan.assumptions import shipped
from baseload.plan.check import check_dict, compare, planned_month
from baseload.plan.costs import Fleet, Mix, Spare
from baseload.plan.decide import decide
from baseload.plan.export_tco import layers_dict, tco_dict
from baseload.plan.layers import layered
from baseload.plan.load import LoadCurve
from baseload.plan.model import Inputs, Metered, Plan, Role
from baseload.plan.rented import Term
from baseload.plan.risk import monte_carlo, regret, tornado
from baseload.plan.spares import spare_prices
from baseload.plan.tco import tco

PRICED = {"gpu.reserved_discount": 0.4, "gpu.spot_ratio": 0.5, "bought.usd_per_gpu": 37_500}
curves = (
    st.lists(st.just(0.0) | st.floats(0.01, 100.0), min_size=1, max_size=30)
    .filter(lambda loads: sum(loads) > 0.1)
    .map(lambda loads: LoadCurve.of(np.array(loads), 3600.0))
)
inputs = st.builds(
    Inputs,
    model=st.just("m"),
    replica=st.just("r"),
    tokens_per_day=st.floats(1.0, 1e13),
    mix=st.builds(Mix, st.floats(0, 1), st.floats(0, 1)),
    curve=curves,
    fleet=st.builds(
        Fleet,
        st.floats(1, 1e6),
        st.floats(0.01, 1e3),
        st.floats(0.05, 1),
        st.sampled_from(Spare),
        st.sampled_from([0.0, 20_000.0]),
    ),
    metered=st.lists(
        st.builds(Metered, st.just("api"), st.sampled_from(Role), st.just(0.0) | st.floats(1e-4, 1e3)),
        min_size=1,
        max_size=1,
    ).map(tuple),
    gpus=st.sampled_from([1, 8]),
    assumptions=st.builds(
        lambda term, deferrable, growth: shipped().changed(
            PRICED
            | {"gpu.term": term, "traffic.deferrable_share": deferrable, "traffic.growth_per_year": growth}
        ),
        st.sampled_from([term.value for term in Term]),
        st.sampled_from([0.0, 0.3, 1.0]),
        st.sampled_from([-0.9, 0.0, 5.0]),
    ),
)


@settings(max_examples=150, deadline=None)
@given(inputs)
def test_any_plan_has_months_that_are_finite_and_add_up(given_inputs: Inputs) -> None:
    """Every number can be written as JSON; lines are the total; shares are shares."""
    plan = decide(given_inputs)
    found = tco(given_inputs, plan.options)
    json.dumps(tco_dict(found), allow_nan=False)
    for each in found.options:
        assert math.isfinite(each.usd_36)
        assert sum(line.usd_36 for line in each.lines) == pytest.approx(each.usd_36, rel=1e-9, abs=1e-6)
        assert all(-1e-9 <= share <= 1 + 1e-9 for share in each.owned_share)
        assert -1e-6 * each.gpu_usd <= each.idle_usd <= each.gpu_usd * (1 + 1e-9)
    json.dumps([layers_dict(each) for each in layered(given_inputs)], allow_nan=False)
    assert all(each.saves_share <= 1 for each in spare_prices(given_inputs))


@settings(max_examples=25, deadline=None)
@given(inputs)
def test_any_plan_has_a_risk(given_inputs: Inputs) -> None:
    """Percentiles in order, probabilities that are ones, regrets that are none or more."""
    options = decide(given_inputs).options
    bands, beats, odds = monte_carlo(given_inputs, options, draws=200)
    for band in bands:
        assert band.usd_36[0] <= band.usd_36[1] <= band.usd_36[2] < math.inf
    assert all(0 <= each.probability_36 <= 1 for each in beats)
    assert all(0 <= value <= 1 for each in odds for value in each.by_month)
    assert all(math.isfinite(bar.swing_usd) for bar in tornado(given_inputs, options))
    _, rows = regret(given_inputs, options)
    assert all(value >= 0 for row in rows for value in row.regret_usd)


def test_the_json_of_plan_and_check_holds_no_infinity(plans: dict[str, Plan], whole: Plan) -> None:
    """What is not a number is null: other readers of JSON refuse the rest."""
    for plan in (*plans.values(), whole):
        said = plan.to_dict()
        json.dumps(said, allow_nan=False)
        option, planned = planned_month(said)
        nothing = replace(planned, tokens_per_day=0.0, metered_usd=0.0, owned_usd=0.0, replicas=0.0)
        for came in (planned, nothing):
            json.dumps(check_dict(compare(option, planned, came, 1e-9)), allow_nan=False)
            json.dumps(check_dict(compare(option, nothing, came, 30.0)), allow_nan=False)
