"""24 and 36 months by line: nothing but the stated lines, and the month of the plan at its core."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from baseload.core import LongContext, TokenPrice
from baseload.errors import UsageError
from baseload.plan.assumptions import Assumptions, shipped
from baseload.plan.costs import Fleet, Mix, Spare
from baseload.plan.decide import decide
from baseload.plan.decide import plan as bl_plan
from baseload.plan.lines import LINES
from baseload.plan.load import LoadCurve
from baseload.plan.model import Inputs, Metered, Plan, Role
from baseload.plan.question import Question
from baseload.plan.tco import Line, OptionTco
from tests.plan.conftest import GPT_4O, OPEN, wavy

BARE: dict[str, Any] = {
    row.name: 0.0
    for row in shipped()
    if isinstance(row.value, float)
    and row.name != "people.usd_per_engineer_month"
    and row.unit in ("share", "$", "$/month", "hours", "per month", "per year", "$/GPU/year", "days", "bytes")
}
"""Nothing but tokens, replicas, spare and team, at today's volume and prices."""


def planned(
    tokens_per_day: float = 1e9,
    fleet: Fleet | None = None,
    metered: tuple[Metered, ...] = (GPT_4O, OPEN),
    curve: LoadCurve | None = None,
    mix: Mix | None = None,
    **figures: Any,
) -> Plan:
    """The worked example with these figures; dots of names are written as two underscores."""
    stated = {name.replace("__", "."): value for name, value in figures.items()}
    return decide(
        Inputs(
            model="llama-3.3-70b",
            replica="2×H100 (FP8)",
            tokens_per_day=tokens_per_day,
            mix=mix or Mix(0.5),
            curve=curve if curve is not None else wavy(),
            fleet=fleet or Fleet(4392, 8.0, 0.7, Spare.IDLE, 20_000.0),
            metered=metered,
            gpus=2,
            assumptions=bare().changed(stated),
        )
    )


def bare() -> Assumptions:
    """The table with every other line at 0."""
    return shipped().changed(BARE)


def option(plan: Plan, name: str) -> OptionTco:
    """An option's 36 months."""
    return next(each for each in plan.tco.options if each.option.name == name)


def line(found: OptionTco, name: str) -> Line:
    """One of its lines."""
    return next(each for each in found.lines if each.name == name)


@pytest.mark.parametrize("spare", list(Spare))
def test_without_the_other_lines_a_month_is_the_plans_month(spare: Spare) -> None:
    """To the cent for every option, 36 times over."""
    plan = planned(fleet=Fleet(4392, 8.0, 0.7, spare, 20_000.0))
    for each in plan.tco.options:
        months = np.diff(each.cumulative_usd, prepend=0.0)
        assert months == pytest.approx([each.option.usd_per_month] * 36)
        assert (each.usd_24, each.usd_36) == pytest.approx(
            (24 * each.option.usd_per_month, 36 * each.option.usd_per_month)
        )
        assert each.replicas == (each.option.replicas,) * 36
        assert each.used == pytest.approx((each.option.use,) * 36)


def test_lines_add_up_to_the_total_and_each_is_one_of_the_list() -> None:
    """With the shipped figures: nothing is counted beside the lines or twice."""
    plan = decide(planned().inputs)
    shipped_plan = decide(Inputs(**{**fields(plan), "assumptions": shipped()}))
    for each in shipped_plan.tco.options:
        names = [found.name for found in each.lines]
        assert names == sorted(set(names), key=list(LINES).index)
        assert sum(found.usd_36 for found in each.lines) == pytest.approx(each.usd_36)
        assert sum(found.usd_24 for found in each.lines) == pytest.approx(each.usd_24)
        by_month = np.sum([found.by_month for found in each.lines if found.name != "exit"], axis=0)
        assert np.cumsum(by_month) == pytest.approx(each.cumulative_usd)
    owned = {found.name for found in option(shipped_plan, "hybrid with gpt-4o").lines}
    assert owned >= {"gpu_on_demand", "spare", "staging", "egress", "engineers", "on_call", "observability"}
    assert owned >= {"evaluation", "rollout", "incidents", "security", "migration", "exit", "input", "output"}


def fields(plan: Plan) -> dict[str, Any]:
    """The inputs as keywords."""
    return {name: getattr(plan.inputs, name) for name in plan.inputs.__slots__}


def test_growth_and_price_paths_compound_by_the_month() -> None:
    """A year on, volume has grown once by the yearly rate and prices have fallen once."""
    plan = planned(traffic__growth_per_year=0.5, api__price_change_per_year=-0.2)
    bought = option(plan, "gpt-4o")
    month = np.diff(bought.cumulative_usd, prepend=0.0)
    assert month[0] == pytest.approx(187_500)
    assert month[12] == pytest.approx(187_500 * 1.5 * 0.8)
    assert month[24] == pytest.approx(187_500 * 1.5**2 * 0.8**2)
    hybrid = option(plan, "hybrid with gpt-4o")
    assert hybrid.replicas[-1] > hybrid.replicas[0]


def test_gpu_prices_that_rise_make_owning_dearer() -> None:
    """A price path is not always down."""
    plan = planned(gpu__price_change_per_year=0.15)
    owned = line(option(plan, "owned"), "gpu_on_demand").by_month
    assert owned[24] == pytest.approx(owned[0] * 1.15**2)


def test_token_lines_split_a_price_into_its_parts() -> None:
    """Cached input, cache writes, reasoning, retries, uplift, batch: each its own line."""
    price = TokenPrice(2_500_000_000, 10_000_000_000, cached_input=1_250_000_000, cache_write=3_125_000_000)
    mix = Mix(0.5, cached_share=0.4)
    usd = 0.5 * (0.6 * 2.5 + 0.4 * 1.25) + 0.5 * 10
    plan = planned(
        tokens_per_day=1e6 / 30 * 1e3,
        mix=mix,
        metered=(Metered("gpt-4o", Role.FRONTIER, usd, price),),
        api__cache_write_share=0.5,
        api__reasoning_per_output=0.2,
        api__retry_share=0.01,
        traffic__deferrable_share=0.3,
        api__batch_discount=0.5,
    )
    found = {each.name: each.by_month[0] / 1e3 for each in option(plan, "gpt-4o").lines}
    assert found["input"] == pytest.approx(0.5 * 0.6 * 0.5 * 2.5)
    assert found["cache_write"] == pytest.approx(0.5 * 0.6 * 0.5 * 3.125)
    assert found["cached_read"] == pytest.approx(0.5 * 0.4 * 1.25)
    assert found["output"] == pytest.approx(5.0)
    assert found["reasoning"] == pytest.approx(1.0)
    batch = -0.15 * (found["input"] + found["output"] + found["reasoning"])
    assert found["batch"] == pytest.approx(batch)
    spent = sum(
        found[name] for name in ("input", "cache_write", "cached_read", "output", "reasoning", "batch")
    )
    assert found["retries"] == pytest.approx(0.01 * spent)


def test_long_inputs_are_their_own_line_known_or_stated() -> None:
    """Requests that were priced at their tier bring the surcharge; else a share of tokens can be stated."""
    tier = LongContext(200_000, 6_000_000_000, 22_500_000_000)
    price = TokenPrice(3_000_000_000, 15_000_000_000, long_context=tier)
    known = planned(metered=(Metered("claude", Role.FRONTIER, 9.5, price),))
    assert line(option(known, "claude"), "long_context").by_month[0] == pytest.approx(30_000 * 0.5)
    stated = planned(metered=(Metered("claude", Role.FRONTIER, 9.0, price),), api__long_context_share=0.1)
    surcharge = 0.1 * ((6.0 + 22.5) / 2 - 9.0)
    assert line(option(stated, "claude"), "long_context").by_month[0] == pytest.approx(30_000 * surcharge)
    plain = option(planned(api__regional_uplift=0.1), "gpt-4o")
    assert line(plain, "regional_uplift").by_month[0] == pytest.approx(18_750)


def test_people_outages_and_upgrades_cost_what_their_figures_say() -> None:
    """Each from its own figures, month by month."""
    plan = planned(
        people__on_call_usd_per_month=1_500,
        upgrade__months=8,
        upgrade__evaluation_usd=10_000,
        upgrade__rollout_days=3,
        incident__owned_per_month=0.5,
        incident__hours=3,
        incident__usd_per_hour=400,
        security__owned_usd_per_month=1_500,
        staging__replica_hours_per_month=80,
        egress__usd_per_gb=0.09,
        egress__bytes_per_output_token=200,
        licence__usd_per_gpu_year=4_500,
        storage__gb_per_copy=70.55,
        storage__copies=3,
        storage__usd_per_gb_month=0.08,
        exit__owned_usd=10_000,
    )
    owned = option(plan, "owned")
    usd = {each.name: each.by_month for each in owned.lines}
    replicas = owned.replicas[0]
    assert usd["on_call"][0] == 1_500
    assert [month for month, cost in enumerate(usd["evaluation"]) if cost] == [8, 16, 24, 32]
    assert usd["rollout"][8] == pytest.approx(replicas * 5760 / 30 * 3)
    assert usd["incidents"][0] == pytest.approx(0.5 * 3 * 400)
    assert usd["security"][0] == 1_500
    assert usd["staging"][0] == pytest.approx(80 * 8)
    assert usd["egress"][0] == pytest.approx(500e6 * 30 * 200 / 1e9 * 0.09)
    assert usd["licences"][0] == pytest.approx((replicas + 1) * 2 * 4_500 / 12)
    assert usd["storage"][0] == pytest.approx(70.55 * 3 * 0.08)
    assert (line(owned, "exit").usd_24, usd["exit"][-1]) == (10_000, 10_000)


def test_spot_pays_for_the_hours_it_loses() -> None:
    """Half the price, a tenth interrupted: 55.6% of the price on demand."""
    owned = option(planned(gpu__term="spot", gpu__spot_ratio=0.5, gpu__spot_interrupted_share=0.1), "owned")
    assert line(owned, "gpu_spot").by_month[0] == pytest.approx(owned.replicas[0] * 5760 * 0.5 / 0.9)


def test_a_shortfall_of_a_commitment_is_paid() -> None:
    """Promised $100,000 and spent half of it: the rest is due; spent more: the discount is earned."""
    promised: dict[str, Any] = {"api__commitment_usd_per_month": 100_000, "api__commitment_discount": 0.1}
    short = option(planned(tokens_per_day=1e9 * 50_000 / 187_500, **promised), "gpt-4o")
    assert np.diff(short.cumulative_usd, prepend=0.0)[0] == pytest.approx(100_000)
    full = option(planned(**promised), "gpt-4o")
    assert line(full, "commitment").by_month[0] == pytest.approx(-18_750)


def test_provisioned_units_are_owned_where_their_tokens_cost_more_bought() -> None:
    """A unit of 500,000 tokens/min at $100/h: kept for the base, overflow is paid by the token."""
    plan = planned(api__provisioned_usd_per_unit_hour=100, api__provisioned_tokens_per_minute=500_000)
    bought = option(plan, "gpt-4o")
    units = line(bought, "provisioned").by_month[0] / 72_000
    assert units == round(units) == 1
    assert bought.usd_36 < 36 * 187_500
    dear = planned(api__provisioned_usd_per_unit_hour=900, api__provisioned_tokens_per_minute=500_000)
    assert line(option(dear, "gpt-4o"), "provisioned").usd_36 == 0.0


def test_ratios_of_tokens_apply_to_another_model_and_not_to_the_same_one() -> None:
    """A frontier model counts and answers differently; the open model as an API is the owned one."""
    plan = planned(api__tokenizer_ratio=1.1, api__verbosity_ratio=1.2)
    assert line(option(plan, "gpt-4o"), "output").by_month[0] == pytest.approx(93_750 * 1.1 * 1.2)
    assert option(plan, "llama-3.3-70b API").usd_36 == pytest.approx(36 * 26_400)


def test_bought_gpus_are_written_off_financed_powered_and_housed() -> None:
    """The worked server of eight H100: $300,000 over 36 months, 10.2 kW, PUE 1.4, $0.10/kWh."""
    plan = planned(
        gpu__term="bought",
        bought__usd_per_gpu=37_500,
        bought__colocation_usd_per_kw_month=0,
        finance__cost_of_capital_per_year=0,
    )
    owned = option(plan, "owned")
    gpu_hours = owned.replicas[0] * 2 * 720
    per_hour = {each.name: each.by_month[0] / gpu_hours for each in owned.lines}
    assert per_hour["depreciation"] == pytest.approx(300_000 / 8 / 36 / 720)
    assert per_hour["power"] == pytest.approx(10.2 / 8 * 1.4 * 0.10)
    assert per_hour["depreciation"] + per_hour["power"] == pytest.approx(1.625, abs=0.001)


def test_a_reservation_fixes_price_and_replicas_and_leaving_pays_the_rest() -> None:
    """12 months at 40% off: no price path within a term, eleven months due after the first."""
    plan = planned(
        gpu__term="reserved",
        gpu__reserved_discount=0.4,
        gpu__price_change_per_year=-0.3,
        traffic__growth_per_year=-0.5,
    )
    owned = option(plan, "owned")
    assert len(set(owned.replicas[:12])) == 1
    assert owned.replicas[0] > owned.replicas[12] > owned.replicas[24]
    reserved = line(owned, "gpu_reserved").by_month
    assert len({round(usd, 6) for usd in reserved[:12]}) == 1
    assert reserved[0] == pytest.approx(owned.replicas[0] * 5760 * 0.6)
    held = owned.replicas[0] + owned.spares[0]
    assert owned.leaving_usd[0] == pytest.approx(held * 5760 * 0.6 * 11)
    assert owned.leaving_usd[11] == 0.0


def test_what_is_reserved_serves_although_it_would_not_be_owned_again() -> None:
    """Token prices that fall make fewer replicas worth owning; those held serve on and idle less."""
    falling: dict[str, Any] = {
        "api__price_change_per_year": -0.9,
        "gpu__reserved_months": 36,
        "gpu__reserved_discount": 0.0,
    }
    flexible = option(planned(api__price_change_per_year=-0.9, metered=(GPT_4O,)), "hybrid with gpt-4o")
    reserved = option(planned(gpu__term="reserved", metered=(GPT_4O,), **falling), "hybrid with gpt-4o")
    assert flexible.replicas[-1] < flexible.replicas[0]
    assert reserved.replicas[-1] == reserved.replicas[0]
    assert reserved.owned_share[-1] == reserved.owned_share[0] > flexible.owned_share[-1]


def test_a_term_without_a_price_asks_for_it() -> None:
    """Nobody stated what a reservation saves, so it is not guessed."""
    with pytest.raises(UsageError, match=r"--set gpu\.reserved_discount"):
        _ = planned(gpu__term="reserved").tco
    with pytest.raises(UsageError, match=r"--set bought\.usd_per_gpu"):
        _ = planned(gpu__term="bought").tco


def test_idle_is_the_waiting_spare_and_unused_room_and_amortised_the_rest() -> None:
    """A full replica without a spare idles only by its head-room."""
    flat = planned(tokens_per_day=4392 * 0.7 * 86_400, fleet=Fleet(4392, 8.0, 0.7), curve=LoadCurve.flat())
    owned = option(flat, "owned")
    assert owned.gpu_usd == pytest.approx(36 * 5760)
    assert owned.idle_usd == pytest.approx(36 * 5760 * 0.3)
    assert owned.amortised_usd == pytest.approx(36 * 5760 * 0.7)


def test_each_region_keeps_its_own_spare() -> None:
    """Three regions: a third of the load each, N+1 each, one team; a replica is one in every region."""
    fleet = Fleet(4392, 8.0, 0.7, Spare.IDLE, 20_000.0)
    one = option(planned(fleet=fleet), "owned")
    three = option(planned(fleet=fleet.in_regions(3), traffic__regions=3), "owned")
    assert line(three, "spare").by_month[0] == 3 * line(one, "spare").by_month[0] == 3 * 5760
    assert three.replicas[0] == -(-one.replicas[0] // 3)
    assert line(three, "gpu_on_demand").by_month[0] == three.replicas[0] * 3 * 5760
    assert line(three, "engineers").usd_36 == line(one, "engineers").usd_36


def test_regions_count_in_the_month_too() -> None:
    """Break-even, options and 36 months speak of the same fleet; the plan says what a replica is."""
    asked: dict[str, Any] = {
        "tokens_per_day": 1e9,
        "gpus": 2,
        "usd_per_gpu_hour": 4.0,
        "throughput": 4392.0,
        "spare": "idle",
        "api": ("gpt-4o",),
        "api_price": (2.5, 10.0),
        "open_api": False,
    }
    one, three = (
        bl_plan(None, Question(**asked, assumptions={"traffic.regions": count})) for count in (1, 3)
    )
    assert three.inputs.replica == f"{one.inputs.replica} in each of 3 regions"
    assert three.inputs.gpus == 6
    owned = {plan: next(o for o in plan.options if o.name == "owned") for plan in (one, three)}
    assert owned[one].usd_per_month == (4 + 1) * 5760 + 20_000
    assert owned[three].usd_per_month == (2 + 1) * 3 * 5760 + 20_000


def test_deferrable_tokens_lower_the_owned_peak() -> None:
    """What can wait a day is served in the valleys: fewer replicas for the same tokens."""
    plain, moved = (option(planned(traffic__deferrable_share=share), "owned") for share in (0.0, 0.5))
    assert moved.replicas[0] < plain.replicas[0]


def test_a_hybrid_that_owns_nothing_costs_what_its_api_costs() -> None:
    """Batch prices and provisioned units included: it is the same answer."""
    plan = planned(
        tokens_per_day=20e6,
        metered=(GPT_4O,),
        traffic__deferrable_share=0.4,
        api__batch_discount=0.5,
        api__provisioned_usd_per_unit_hour=2,
        api__provisioned_tokens_per_minute=10_000,
    )
    api, both = option(plan, "gpt-4o"), option(plan, "hybrid with gpt-4o")
    assert line(api, "batch").usd_36 < 0
    assert line(api, "provisioned").usd_36 > 0
    assert both.usd_36 == pytest.approx(api.usd_36)


def test_a_hybrid_that_owns_nothing_begins_when_growth_makes_it_pay() -> None:
    """Below the crossing today, above it later; moving there is paid in that month."""
    plan = planned(
        tokens_per_day=60e6, metered=(GPT_4O,), traffic__growth_per_year=3.0, migration__owned_usd=30_000
    )
    both = option(plan, "hybrid with gpt-4o")
    assert both.option.replicas == 0
    first = next(month for month, count in enumerate(both.replicas) if count)
    assert first > 0
    moving = line(both, "migration").by_month
    assert (sum(moving), moving[first]) == (30_000, 30_000)
    assert plan.tco.overtaking[-1].month is not None


def test_more_replicas_than_the_team_can_look_after_take_more_people() -> None:
    """One engineer for 20 replicas; the 21st takes another."""
    plan = planned(tokens_per_day=6.6e9)
    owned = option(plan, "owned")
    assert owned.engineers[0] == -(-(owned.replicas[0] + owned.spares[0]) // 20) > 1
    assert line(owned, "engineers").by_month[0] == pytest.approx(20_000 + (owned.engineers[0] - 1) * 15_000)


def test_the_part_of_the_team_that_pays_observability_pays_no_engineer() -> None:
    """$30,000 with a quarter for observability is one engineer and a half: the 21st replica takes another."""
    plan = planned(6.6e9, Fleet(4392, 8.0, 0.7, Spare.IDLE, 30_000.0), people__observability_share=0.25)
    owned = option(plan, "owned")
    assert owned.engineers[0] > 1
    paid = line(owned, "engineers").by_month[0]
    assert paid == pytest.approx(22_500 + (owned.engineers[0] - 1) * 15_000)


def test_with_regions_every_one_is_upgraded_and_one_is_tested() -> None:
    """Three regions: all replicas are doubled for the rollout; tests before a release take one replica."""
    fleet = Fleet(4392, 8.0, 0.7, Spare.IDLE, 20_000.0).in_regions(3)
    figures: dict[str, Any] = {
        "upgrade__rollout_days": 3,
        "upgrade__months": 8,
        "staging__replica_hours_per_month": 80,
    }
    owned = option(planned(fleet=fleet, traffic__regions=3, **figures), "owned")
    assert line(owned, "rollout").by_month[8] == pytest.approx(owned.replicas[8] * 3 * 5760 / 30 * 3)
    assert line(owned, "staging").by_month[0] == pytest.approx(80 * 8)


def test_what_is_had_for_days_or_hours_is_paid_on_demand() -> None:
    """Bought GPUs cannot be bought for a rollout of three days: those are rented."""
    figures: dict[str, Any] = {
        "upgrade__rollout_days": 3,
        "upgrade__months": 8,
        "staging__replica_hours_per_month": 80,
    }
    owned = option(planned(gpu__term="bought", bought__usd_per_gpu=37_500, **figures), "owned")
    assert line(owned, "rollout").by_month[8] == pytest.approx(owned.replicas[8] * 5760 / 30 * 3)
    assert line(owned, "staging").by_month[0] == pytest.approx(80 * 8)


def test_a_spare_of_no_replica_is_not_paid() -> None:
    """Traffic that falls until nothing is worth owning leaves the people, and no spare standing by."""
    both = option(planned(metered=(GPT_4O,), traffic__growth_per_year=-0.99), "hybrid with gpt-4o")
    assert both.replicas[0] > 0 == both.replicas[-1]
    assert both.spares[-1] == line(both, "spare").by_month[-1] == 0


def test_long_inputs_that_are_cached_cost_the_tiers_cached_price() -> None:
    """Half the input cached at $0.60 in the dearer tier, not at its full $6."""
    tier = LongContext(200_000, 6_000_000_000, 22_500_000_000, cached_input=600_000_000)
    price = TokenPrice(3_000_000_000, 15_000_000_000, cached_input=300_000_000, long_context=tier)
    usd = 0.5 * (1.5 + 0.15) + 7.5
    plan = planned(
        metered=(Metered("claude", Role.FRONTIER, usd, price),),
        mix=Mix(0.5, cached_share=0.5),
        api__long_context_share=0.1,
    )
    surcharge = 0.1 * (0.5 * (3.0 + 0.3) + 11.25 - usd)
    assert line(option(plan, "claude"), "long_context").by_month[0] == pytest.approx(30_000 * surcharge)


def test_provisioned_units_without_their_size_ask_for_it() -> None:
    """A price alone says nothing."""
    with pytest.raises(UsageError, match=r"--set api\.provisioned_tokens_per_minute"):
        _ = planned(api__provisioned_usd_per_unit_hour=10).tco
