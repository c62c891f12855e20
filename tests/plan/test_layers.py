"""Reserved, bought, spot, on demand and metered: the cheapest takes each layer."""

from __future__ import annotations

from typing import Any

import pytest

from baseload.plan.costs import Fleet
from baseload.plan.hybrid import hybrid
from baseload.plan.layers import METERED, Layers, layered
from baseload.plan.model import Inputs, Plan
from baseload.plan.rented import Term
from tests.plan.conftest import GPT_4O, build_plan
from tests.plan.test_tco import fields

ALL_TERMS: dict[str, Any] = {
    "gpu.reserved_discount": 0.4,
    "gpu.spot_ratio": 0.5,
    "bought.usd_per_gpu": 80_000,
}


def stack(tokens_per_day: float = 1e9, **figures: Any) -> tuple[Plan, Layers]:
    """The worked example's layers against GPT-4o."""
    plan = build_plan(tokens_per_day=tokens_per_day, metered=(GPT_4O,), fleet=Fleet(4392, 8.0, 0.7))
    stated = {name.replace("__", "."): value for name, value in figures.items()}
    inputs = Inputs(**{**fields(plan), "gpus": 2, "assumptions": plan.inputs.assumptions.changed(stated)})
    (found,) = layered(inputs)
    return plan, found


def test_replicas_that_cannot_be_stopped_are_the_newsvendors() -> None:
    """Where a start takes all month, on demand is as fixed as a reservation: the published test decides."""
    for volume in (100e6, 1e9, 7e9):
        plan, found = stack(volume, gpu__start_minutes=43_200)
        best = hybrid(plan.inputs.curve, volume, plan.inputs.fleet, GPT_4O.usd_per_million)
        assert found.usd_per_month == pytest.approx(best.usd_per_month)
        assert sum(layer.replicas for layer in found.layers) == best.replicas
        assert found.on_demand_usd_per_month == pytest.approx(best.usd_per_month)


def test_fixed_prices_are_at_the_bottom_and_tokens_on_top() -> None:
    """What is paid around the clock serves the base; what stops when idle comes above; the rest is bought."""
    _, found = stack(**{name.replace(".", "__"): value for name, value in ALL_TERMS.items()})
    order = [layer.term for layer in found.layers]
    assert order[0] == Term.RESERVED
    assert order.index(Term.RESERVED) < order.index(Term.ON_DEMAND)
    if METERED in order:
        assert order[-1] == METERED
    assert sum(layer.tokens_share for layer in found.layers) == pytest.approx(1.0)
    assert found.usd_per_month == pytest.approx(sum(layer.usd_per_month for layer in found.layers))
    assert found.usd_per_month < found.on_demand_usd_per_month


def test_a_cheaper_way_is_never_left_for_a_dearer_one() -> None:
    """Each further way to pay lowers the total or leaves it."""
    total = stack()[1].usd_per_month
    stated: dict[str, Any] = {}
    for name, value in ALL_TERMS.items():
        stated[name.replace(".", "__")] = value
        lower = stack(**stated)[1].usd_per_month
        assert lower <= total
        total = lower


def test_spot_takes_no_more_than_its_share() -> None:
    """Spot replicas can vanish together."""
    _, found = stack(gpu__spot_ratio=0.1, gpu__spot_most_share=0.25, gpu__start_minutes=0)
    replicas = {layer.term: layer.replicas for layer in found.layers}
    assert 0 < replicas["spot"] <= 0.25 * sum(replicas.values())


def test_a_term_nobody_priced_is_named_and_not_guessed() -> None:
    """Reserved, spot and bought ask."""
    assert stack()[1].left_out == ("reserved", "spot", "bought")


def test_a_huge_fleet_is_layered_in_groups() -> None:
    """A trillion tokens a day: thousands of replicas, the same answer per token."""
    _, found = stack(1e12)
    assert sum(layer.replicas for layer in found.layers) > 3000
    _, small = stack(1e11)
    assert found.usd_per_month / 10 == pytest.approx(small.usd_per_month, rel=0.02)
