"""Advice: every reason judged or asked, a recommendation that keeps the answers, and what would change it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from baseload.errors import BaseloadError
from baseload.plan.advice import Advice, advise
from baseload.plan.answers import QUESTIONS, answers
from baseload.plan.assumptions import shipped
from baseload.plan.costs import Fleet, Spare
from baseload.plan.decide import decide
from baseload.plan.model import Inputs, Plan
from baseload.plan.reasons import Basis, Side
from tests.plan.conftest import GPT_4O, OPEN, build_plan
from tests.plan.test_tco import fields

EVERYTHING_NO: dict[str, Any] = dict.fromkeys(
    ("sensitive_data", "custom_weights", "air_gap", "needs_frontier_model", "special_modalities"), False
)


def told(plan: Plan, figures: dict[str, Any] | None = None, **said: Any) -> Plan:
    """The plan with these answers and figures."""
    changed = {"answers": answers(said), "assumptions": shipped().changed(figures or {})}
    return decide(Inputs(**{**fields(plan), **changed}))


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The worked example: a hybrid against GPT-4o, the open model's API cheapest."""
    return build_plan(metered=(GPT_4O, OPEN))


def holds(advice: Advice) -> dict[str, bool | None]:
    """Each reason's verdict."""
    return {reason.name: reason.holds for reason in advice.reasons}


def test_all_twelve_reasons_are_judged_by_numbers_or_asked(plan: Plan) -> None:
    """Nobody said anything: volume, predictable cost and independence from numbers, nine questions."""
    advice = plan.advice
    assert [reason.side for reason in advice.reasons] == [Side.API] * 5 + [Side.OWN] * 7
    by_numbers = {reason.name for reason in advice.reasons if reason.basis is Basis.NUMBERS}
    assert by_numbers == {
        "low_or_uneven_volume",
        "very_high_volume",
        "predictable_cost",
        "provider_independence",
    }
    for reason in advice.reasons:
        assert (reason.holds is None) == (reason.basis is Basis.ASKED)
        assert reason.evidence
    assert {name for name, _ in advice.ask} <= set(QUESTIONS)
    assert len(advice.ask) == 7


def test_every_answer_settles_its_reason(plan: Plan) -> None:
    """With all questions answered nothing is left to ask."""
    advice = told(plan, **EVERYTHING_NO, latency_ttft_ms=200, engineers=0, weeks_to_launch=4).advice
    assert advice.ask == ()
    verdicts = holds(advice)
    assert verdicts["ship_now"] is True
    assert verdicts["ultra_low_latency"] is True
    assert verdicts["nothing_sensitive"] is True
    assert verdicts["data_sovereignty"] is False
    assert {name for name, _ in advice.ruled_out} == {o.name for o in plan.options if o.metered is not None}
    assert advice.option == "owned"


def test_volume_speaks_for_owning_above_the_crossing_and_against_it_below() -> None:
    """The same numbers decide both reasons, and say from where on."""
    for volume, enough in ((100e6, False), (1e9, True)):
        advice = build_plan(tokens_per_day=volume, metered=(GPT_4O,)).advice
        verdicts = holds(advice)
        assert (verdicts["low_or_uneven_volume"], verdicts["very_high_volume"]) == (not enough, enough)
        evidence = advice.reasons[0].evidence
        assert "owning some of it pays from" in evidence


@pytest.mark.parametrize(
    ("said", "option", "why"),
    [
        (
            {"sensitive_data": True, "zero_retention_agreement": False},
            "owned",
            "may not be processed by an API",
        ),
        ({"air_gap": True}, "owned", "a connection to the outside"),
        ({"custom_weights": True}, "hybrid with gpt-4o", "does not serve your own weights"),
        ({"needs_frontier_model": True}, "gpt-4o", "does not do what the work needs"),
        ({"special_modalities": True}, "gpt-4o", "does not do what the work needs"),
        ({"air_gap": True, "needs_frontier_model": True}, None, "a connection to the outside"),
        ({"sensitive_data": True, "zero_retention_agreement": True}, "llama-3.3-70b API", ""),
    ],
)
def test_an_answer_rules_out_what_it_rules_out(
    plan: Plan, said: dict[str, Any], option: str | None, why: str
) -> None:
    """The recommendation is the cheapest of what is left, and says what was left out and why."""
    advice = told(plan, **said).advice
    assert advice.option == option
    assert any(why in each for _, each in advice.ruled_out) or not why
    assert option not in {name for name, _ in advice.ruled_out}
    if option not in (None, "llama-3.3-70b API"):
        assert "would be cheaper" in advice.recommendation


def test_the_recommendation_names_what_would_change_it(plan: Plan) -> None:
    """Open questions whose answer rules it out, and inputs that flip it."""
    changes = "\n".join(plan.advice.would_change)
    assert re.search(r"A volume from [\d.,]+B tokens/day on: then owning the base", changes)
    assert "Must it run without any connection to the outside? If yes: own everything" in changes
    assert "the open model is not sold as an API: then own" in changes
    owning = build_plan(metered=(GPT_4O,)).advice
    assert re.search(r"A volume below \d+M tokens/day: then buying everything", owning.would_change[0])
    near = build_plan(tokens_per_day=330e6, metered=(GPT_4O,)).advice
    assert any("instead of what is assumed" in each for each in near.would_change)


def test_who_must_ship_before_a_team_is_there_starts_at_an_api() -> None:
    """Unless the data may not go there."""
    plan = build_plan(metered=(GPT_4O,))
    soon = told(plan, engineers=0, weeks_to_launch=4).advice
    assert "Start at an API" in soon.recommendation
    kept = told(plan, engineers=0, weeks_to_launch=4, air_gap=True).advice
    assert "Start at an API" not in kept.recommendation


def test_traffic_that_may_not_leave_is_told_to_own_a_spare() -> None:
    """Nothing takes over when its replica is lost."""
    plan = build_plan(metered=(GPT_4O,), fleet=Fleet(4392, 8.0, 0.7, Spare.NONE, 20_000.0))
    assert "needs an owned spare" in told(plan, air_gap=True).advice.recommendation
    assert "needs an owned spare" not in plan.advice.recommendation


def test_people_are_named_with_the_month_and_the_decision_to_hire() -> None:
    """Three months from decision to engineer; those who are there need no hiring."""
    plan = build_plan(tokens_per_day=6e9, metered=(GPT_4O,))
    grown = told(plan, {"traffic.growth_per_year": 0.6}, engineers=2).advice
    assert grown.people[0].month == 1
    assert grown.people[0].hire_by == (1 if grown.people[0].engineers <= 2 else -2)
    later = [step for step in grown.people if step.month > 1]
    assert later
    assert all(step.hire_by == step.month - 3 for step in later if step.engineers > 2)


def test_a_reservation_is_what_is_locked_in_and_what_leaving_costs() -> None:
    """Twelve months: nothing is due at a term's end, the rest of it in between."""
    plan = build_plan(metered=(GPT_4O,))
    reserved = {"gpu.term": "reserved", "gpu.reserved_discount": 0.3, "gpu.reserved_months": 18}
    advice = told(plan, reserved).advice
    assert any("reserved for 18 months" in each for each in advice.locked_in)
    assert advice.leaving_usd_12 > advice.leaving_usd_36 > 0


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"sensitive": True}, "did you mean 'sensitive_data'"),
        ({"air_gap": "yes"}, "is not yes or no"),
        ({"engineers": True}, "is no number"),
        ({"engineers": -1}, "is no number"),
    ],
)
def test_what_is_no_answer_is_refused(said: dict[str, Any], reason: str) -> None:
    """By name, with the nearest question."""
    with pytest.raises(BaseloadError) as refused:
        answers(said)
    assert reason in str(refused.value)


def test_equal_plans_get_equal_advice(plan: Plan) -> None:
    """Pure like the rest."""
    assert advise(plan) == advise(build_plan(metered=(GPT_4O, OPEN)))
