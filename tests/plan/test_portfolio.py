"""Several models and classes: the cheapest mix that keeps every rule."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import BaseloadError, EnvironmentProblem, UsageError
from baseload.plan.costs import Fleet, Spare
from baseload.plan.hybrid import hybrid
from baseload.plan.load import LoadCurve
from baseload.plan.portfolio import (
    Demand,
    MeteredPlace,
    OwnedPlace,
    Portfolio,
    Question,
    levels,
    may_serve,
    solve,
)
from baseload.plan.portfolio_file import portfolio_question
from tests.plan.conftest import wavy

PAIR_EU = OwnedPlace("llama-70b", "eu-west", 4392, 8.0, 0.8)
PAIR_US = OwnedPlace("llama-70b", "us", 4392, 8.0, 0.8)
FRONTIER = MeteredPlace("gpt-4o", "us", 6.25, 1.0, zero_retention=True)
CHEAP = MeteredPlace("llama-api", "us", 0.88, 0.8)


def share(found: Portfolio, demand: str, place: str) -> float:
    """Part of a class's tokens that a place serves."""
    return sum(flow.share for flow in found.flows if (flow.demand, flow.place) == (demand, place))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0.2, 5.0), min_size=1, max_size=20), st.floats(0.3, 12.0), st.floats(0.5, 8.0))
def test_one_class_one_model_one_api_is_the_hybrid_optimum(
    loads: list[float], replicas_worth: float, price: float
) -> None:
    """The program finds what the newsvendor's closed form finds, spare and team as a lump included."""
    curve = LoadCurve.of(np.array(loads), 600.0)
    volume = replicas_worth * 4392 * 0.7 * 86_400
    fleet = Fleet(4392, 8.0, 0.7, Spare.IDLE, 3_000.0)
    question = Question(
        (Demand("chat", volume),),
        (OwnedPlace("llama-70b", "eu-west", 4392, 8.0, 0.8, spare=1),),
        (MeteredPlace("api", "us", price, 0.8),),
        team_usd_per_month=3_000.0,
    )
    found = solve(question, curve)
    assert found.usd_per_month == pytest.approx(hybrid(curve, volume, fleet, price).usd_per_month, rel=1e-5)


def test_every_class_is_served_by_those_who_may() -> None:
    """Quality goes to the frontier API, patients stay in the EU, the rest takes what is cheapest."""
    question = Question(
        (
            Demand("chat", 500e6, quality=0.7),
            Demand("research", 50e6, quality=0.95),
            Demand("patient", 200e6, quality=0.7, regions=("eu-west",), zero_retention=True),
        ),
        (PAIR_EU, PAIR_US),
        (FRONTIER, CHEAP),
        team_usd_per_month=20_000.0,
    )
    found = solve(question, wavy())
    places = {(place.name, place.region): place for place in (PAIR_EU, PAIR_US, FRONTIER, CHEAP)}
    classes = {demand.name: demand for demand in question.classes}
    for flow in found.flows:
        assert may_serve(places[flow.place, flow.region], classes[flow.demand])
    for name in classes:
        assert sum(flow.share for flow in found.flows if flow.demand == name) == pytest.approx(1.0)
    assert share(found, "research", "gpt-4o") == pytest.approx(1.0)
    assert {flow.region for flow in found.flows if flow.demand == "patient"} == {"eu-west"}
    assert found.captive == ("patient",)
    spent = sum(each.usd_per_month for each in found.kept) + found.team_usd_per_month
    spent += sum(each.usd_per_month for each in found.flows)
    assert found.usd_per_month == pytest.approx(spent)


def test_traffic_that_may_not_leave_can_lose_a_replica() -> None:
    """A class no API may serve fits on what remains, if need be full."""
    demand = Demand("patient", 4392 * 0.69 * 86_400, regions=("eu-west",))
    found = solve(Question((demand,), (PAIR_EU,), (FRONTIER,)), LoadCurve.flat())
    assert [each.replicas for each in found.kept] == [2]
    free = Demand("chat", 4392 * 0.69 * 86_400)
    assert [
        each.replicas for each in solve(Question((free,), (PAIR_EU,), (FRONTIER,)), LoadCurve.flat()).kept
    ] == [1]


def test_owned_replicas_are_shared_between_classes() -> None:
    """Two half-empty classes take one pair together."""
    half = 4392 * 0.34 * 86_400
    question = Question((Demand("a", half), Demand("b", half)), (PAIR_US,), (FRONTIER,))
    found = solve(question, LoadCurve.flat())
    assert [each.replicas for each in found.kept] == [1]


def test_an_apis_own_limit_holds_and_what_may_wait_needs_no_peak() -> None:
    """Half of the tokens at most; a deferrable class is flat."""
    limited = MeteredPlace("llama-api", "us", 0.88, 0.8, most_tokens_per_day=50e6)
    found = solve(Question((Demand("chat", 100e6),), (), (limited, FRONTIER)), wavy())
    assert share(found, "chat", "llama-api") == pytest.approx(0.5)
    volume = 4392 * 0.7 * 86_400
    waits = solve(Question((Demand("batch", volume, deferrable=True),), (PAIR_US,), (FRONTIER,)), wavy())
    assert share(waits, "batch", "llama-70b") == pytest.approx(1.0)
    assert [each.replicas for each in waits.kept] == [1]


def test_what_may_wait_takes_the_valleys() -> None:
    """Replicas that are owned for the peaks serve the batch class at night: not one more is taken."""
    captive = Demand("patient", 600e6, regions=("eu-west",))
    batch = Demand("batch", 100e6, deferrable=True)
    alone = solve(Question((captive,), (PAIR_EU,), (FRONTIER,)), wavy())
    both = solve(Question((captive, batch), (PAIR_EU,), (FRONTIER,)), wavy())
    assert [each.replicas for each in both.kept] == [each.replicas for each in alone.kept]
    assert both.usd_per_month == pytest.approx(alone.usd_per_month)


def test_a_class_that_nothing_may_serve_is_named() -> None:
    """Residency never bends to make a program feasible."""
    nowhere = Question((Demand("patient", 1e6, regions=("ap-south",)),), (PAIR_EU,), (FRONTIER,))
    with pytest.raises(UsageError, match="nothing may serve the class 'patient'"):
        solve(nowhere, LoadCurve.flat())
    full = MeteredPlace("tiny", "us", 1.0, 1.0, most_tokens_per_day=1.0)
    with pytest.raises(UsageError, match="no mix serves every class"):
        solve(Question((Demand("chat", 1e6),), (), (full,)), LoadCurve.flat())


def test_a_curve_in_levels_keeps_its_mean_and_its_peak() -> None:
    """Load is neither lost nor made, and the highest window stays."""
    means, weights = levels(wavy())
    assert (means * weights).sum() == pytest.approx(1.0)
    assert weights.sum() == pytest.approx(1.0)
    assert means[0] == wavy().peak


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """scipy is an extra."""
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(EnvironmentProblem, match=r"baseload\[portfolio\]"):
        solve(Question((Demand("chat", 1e6),), (PAIR_EU,), ()), LoadCurve.flat())


def test_a_section_of_a_plan_file_is_read_as_written() -> None:
    """Names, defaults and lists."""
    question = portfolio_question(
        {
            "team_usd_per_month": 20000,
            "classes": {"patient": {"tokens_per_day": 1e8, "regions": ["eu-west"], "zero_retention": True}},
            "owned": {
                "llama": {
                    "region": "eu-west",
                    "throughput_tokens_per_s": 4392,
                    "usd_per_hour": 8,
                    "quality": 0.8,
                    "spare": 1,
                }
            },
            "apis": {"gpt-4o": {"region": "us", "usd_per_million": 6.25, "quality": 1}},
        }
    )
    assert question.classes == (Demand("patient", 1e8, regions=("eu-west",), zero_retention=True),)
    assert question.owned == (OwnedPlace("llama", "eu-west", 4392.0, 8.0, 0.8, spare=1),)
    assert question.apis == (MeteredPlace("gpt-4o", "us", 6.25, 1.0),)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "no classes"),
        ({"class": {}}, "unknown key 'class'"),
        ({"classes": []}, "not a mapping"),
        ({"classes": {"a": {}}}, "tokens_per_day is required"),
        ({"classes": {"a": {"token_per_day": 1}}}, "did you mean 'tokens_per_day'"),
        ({"classes": {"a": {"tokens_per_day": "1e9"}}}, "write 1000000000 or 1.0e+9"),
        ({"classes": {"a": {"tokens_per_day": "many"}}}, "is no number"),
        ({"classes": {"a": {"tokens_per_day": 1, "regions": "eu"}}}, "no list of regions"),
        ({"classes": {"a": {"tokens_per_day": 1, "deferrable": 1}}}, "not true or false"),
        ({"classes": {"a": {"tokens_per_day": 0}}}, "portfolio.classes.a.tokens_per_day: 0 is not above 0"),
        ({"classes": {"a": {"tokens_per_day": 1, "quality": 7}}}, "more than 1"),
        ({"owned": {"x": {"throughput_tokens_per_s": 0}}}, "0 is not above 0"),
        ({"owned": {"x": {"usable": 0}}}, "0 is not above 0"),
        ({"owned": {"x": {"spare": 1.5}}}, "not a whole number"),
    ],
)
def test_what_a_section_cannot_mean_is_refused(said: dict[str, Any], reason: str) -> None:
    """With the place and the nearest key."""
    with pytest.raises(BaseloadError) as refused:
        portfolio_question(said)
    assert reason in str(refused.value)
