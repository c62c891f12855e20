"""Parts of a plan agree: one basis for a spare, one contract for one API, one answer by two names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baseload.plan.answers import answers
from baseload.plan.assumptions import shipped
from baseload.plan.costs import Fleet, Spare
from baseload.plan.course import course
from baseload.plan.decide import decide
from baseload.plan.load import LoadCurve
from baseload.plan.model import Kind, Plan
from baseload.plan.policy_out import policy_yaml
from baseload.plan.risk import risk
from baseload.plan.spares import spare_prices
from baseload.plan.world import expected
from tests.plan.conftest import GPT_4O, OPEN, build_plan
from tests.plan.test_tco import line, option, planned

BARE_FLEET = Fleet(4392, 8.0, 0.7, Spare.NONE, 20_000.0)


def said(plan: Plan, **given: Any) -> Plan:
    """The plan with these answers."""
    return decide(replace(plan.inputs, answers=answers(given)))


def test_without_a_spare_the_plan_says_what_owning_everything_with_one_costs() -> None:
    """A caveat beside the verdicts names the idle spare's basis, the same figures as the table of spares."""
    plan = build_plan(fleet=BARE_FLEET)
    priced = next(each for each in spare_prices(plan.inputs) if each.spare is Spare.NONE)
    alone = replace(BARE_FLEET, spare=Spare.IDLE)
    owned = next(o for o in plan.options if o.kind is Kind.OWNED)
    last = plan.caveat
    assert len(plan.verdicts) == len(plan.inputs.metered)
    assert plan.told[-1] == last
    assert "nothing takes over for a lost replica where everything is owned" in last
    assert f"${alone.month_usd(owned.replicas):,.0f}" in last
    assert f"{priced.saves_share * 100:.0f}% below" in last
    assert (build_plan().caveat, build_plan().told) == ("", build_plan().verdicts)


def test_owning_everything_without_a_spare_is_recommended_with_a_warning() -> None:
    """Where nothing is bought no API takes over, and the recommendation says so."""
    plan = said(build_plan(fleet=BARE_FLEET), air_gap=True)
    assert plan.advice.option == "owned"
    assert "needs an owned spare: plan with --spare serving or idle" in plan.advice.recommendation
    weights = said(build_plan(fleet=BARE_FLEET, curve=LoadCurve.flat(), metered=(OPEN,)), custom_weights=True)
    assert weights.advice.option == "owned"
    assert "Nothing takes over for a lost replica" in weights.advice.recommendation


def test_owning_starts_when_it_beats_what_buying_everything_really_costs() -> None:
    """Deferrable tokens cost half at an API that serves everything: owning has to beat that, by month."""
    figures: dict[str, Any] = {"traffic__growth_per_year": 2.0, "traffic__deferrable_share": 0.6}
    plan = planned(tokens_per_day=60e6, metered=(GPT_4O,), api__batch_discount=0.5, **figures)
    both, bought = option(plan, "hybrid with gpt-4o"), option(plan, "gpt-4o")
    assert both.option.replicas == 0
    months = np.diff(both.cumulative_usd, prepend=0.0), np.diff(bought.cumulative_usd, prepend=0.0)
    first = next(month for month, count in enumerate(both.replicas) if count)
    assert months[0][first] < months[1][first]


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        ({"api__commitment_usd_per_month": 500_000}, "commitment"),
        (
            {"api__provisioned_usd_per_unit_hour": 1, "api__provisioned_tokens_per_minute": 500_000},
            "provisioned",
        ),
    ],
)
def test_a_contract_is_with_the_first_api_alone(figures: dict[str, Any], name: str) -> None:
    """A promise to one provider makes no other one dearer or cheaper."""
    plan, plain = planned(**figures), planned()
    assert line(option(plan, "gpt-4o"), name).usd_36 > 0
    for other in (OPEN.name, f"hybrid with {OPEN.name}"):
        assert option(plan, other).usd_36 == pytest.approx(option(plain, other).usd_36)


def test_a_first_token_sooner_than_an_api_keeps_rules_it_out() -> None:
    """300 ms asked and 500 kept: what buys is out; the plan's own SLO of 2 s is said to be too slow."""
    plan = said(build_plan(), latency_ttft_ms=300)
    out = dict(plan.advice.ruled_out)
    assert set(out) == {o.name for o in plan.options if o.metered is not None}
    assert set(out.values()) == {"it is taken to keep 500 ms to the first token, and 300 ms are needed"}
    evidence = next(each for each in plan.advice.reasons if each.name == "ultra_low_latency").evidence
    assert "this plan is sized for 2,000 ms: plan with --slo-ttft 300ms" in evidence
    slow = said(build_plan(), latency_ttft_ms=3000)
    assert slow.advice.ruled_out == ()
    assert "--slo-ttft" not in next(e for e in slow.advice.reasons if e.name == "ultra_low_latency").evidence


@pytest.fixture(scope="module")
def later() -> Plan:
    """A hybrid that owns nothing today, begins as the traffic grows, and is then the cheapest."""
    return planned(
        tokens_per_day=60e6, metered=(GPT_4O,), traffic__growth_per_year=1.0, migration__owned_usd=30_000
    )


def test_a_hybrid_that_begins_later_is_another_answer_than_its_api(later: Plan) -> None:
    """The saving is over the API that it leaves, and the odds of having crossed are told."""
    found = risk(later.inputs, later.options, draws=20)
    assert (found.recommended, found.over) == ("hybrid with gpt-4o", "gpt-4o")
    assert ("hybrid with gpt-4o", "gpt-4o") in {(each.option, each.against) for each in found.crossing}


def test_a_hybrid_that_begins_later_says_from_which_month(later: Plan) -> None:
    """What to do names the API until then and the replicas from then on."""
    both = option(later, "hybrid with gpt-4o")
    month = next(month for month, count in enumerate(both.replicas, start=1) if count)
    expected_words = f"Buy everything from gpt-4o, and own the base from month {month} on"
    assert later.advice.recommendation.startswith(expected_words)


def test_the_odds_count_worlds_in_which_nothing_is_cheaper(later: Plan) -> None:
    """A world in which owning never begins is one in which hybrid and API cost the same, to the cent."""
    for band in later.risk.bands:
        assert band.probability_cheapest <= band.probability_lowest <= 1.0
    small = build_plan(tokens_per_day=1e6, metered=(GPT_4O,))
    lowest = {band.name: band.probability_lowest for band in small.risk.bands}
    assert lowest == {"gpt-4o": 1.0, "owned": 0.0, "hybrid with gpt-4o": 1.0}


def test_a_reservation_has_the_price_of_its_first_month_and_its_whole_length() -> None:
    """Begun as traffic grows: each replica's price is that of its month, and each is paid for 12 months."""
    plan = planned(
        tokens_per_day=60e6,
        metered=(GPT_4O,),
        gpu__term="reserved",
        gpu__reserved_discount=0.4,
        gpu__price_change_per_year=-0.3,
        traffic__growth_per_year=2.0,
    )
    both = option(plan, "hybrid with gpt-4o")
    first = next(month for month, count in enumerate(both.replicas) if count)
    assert first % 12 != 0
    signed = both.replicas[first] * 5760 * 0.6 * 0.7 ** (first / 12)
    assert line(both, "gpu_reserved").by_month[first] == pytest.approx(signed)
    world = expected(plan.inputs.assumptions)
    left = course(plan.inputs, both.option, world).leaving_usd[0]
    spare = both.spares[first] / both.replicas[first]
    assert left[first] == pytest.approx(signed * (1 + spare) * 11)
    assert all(both.replicas[first : first + 12])


def test_hard_requests_and_peaks_fit_the_tenants_budget_together() -> None:
    """What is written never lets more be spilled than the budget of the tenant."""
    plan = build_plan(metered=(GPT_4O,))
    text = policy_yaml(plan, "hybrid with gpt-4o")
    spill = next(o for o in plan.options if o.kind is Kind.HYBRID).spill_usd_per_month
    budget = int(text.split("budget: {usd: ")[1].split(",")[0])
    hard = int(text.split("budget_usd_per_month: ")[1].split(",")[0])
    assert hard + round(spill) <= budget


def test_every_shipped_contract_figure_says_whose_it_is() -> None:
    """The table names the first --api where a figure belongs to it alone."""
    for row in shipped():
        if row.name.startswith(("api.commitment", "api.provisioned")):
            assert "first --api" in row.meaning, row.name
