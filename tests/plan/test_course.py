"""The course over thousands of worlds is each world's month by itself: held against plain arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baseload.plan.assumptions import shipped
from baseload.plan.costs import Fleet, Spare, metered_month_usd
from baseload.plan.course import course
from baseload.plan.hybrid import split
from baseload.plan.model import Inputs, Kind, Option
from baseload.plan.world import World, drawn
from tests.plan.conftest import GPT_4O
from tests.plan.test_tco import BARE, fields, planned

RANGES: dict[str, Any] = {
    "api.tokenizer_ratio": 1.0,
    "api.verbosity_ratio": 1.0,
    "traffic.growth_per_year": {"value": 0.1, "low": -0.3, "high": 0.8},
    "traffic.volume_factor": {"value": 1.0, "low": 0.7, "high": 1.4},
    "api.price_change_per_year": {"value": -0.2, "low": -0.5, "high": 0.1},
    "api.price_volatility_per_year": 0.2,
    "gpu.price_factor": {"value": 1.0, "low": 0.7, "high": 1.5},
    "gpu.price_change_per_year": {"value": 0.0, "low": -0.2, "high": 0.2},
    "gpu.price_volatility_per_year": 0.2,
    "throughput.factor": {"value": 1.0, "low": 0.8, "high": 1.2},
    "throughput.usable_factor": {"value": 1.0, "low": 0.8, "high": 1.2},
    "people.factor": {"value": 1.0, "low": 0.7, "high": 1.6},
}
DRAWS = 25
MONTHS = (0, 1, 11, 12, 23, 35)


def at(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], world: World, draw: int, month: int
) -> float:
    """One cell of an array that broadcasts to draws × months."""
    return float(np.broadcast_to(values, (world.draws, world.months))[draw, month])


@pytest.mark.parametrize("spare", list(Spare))
def test_every_month_of_every_world_is_what_plain_arithmetic_says(spare: Spare) -> None:
    """Volume, prices, throughput and people of the cell; the cheapest count found by trying every one."""
    plan = planned(fleet=Fleet(4392, 8.0, 0.7, spare, 20_000.0), metered=(GPT_4O,))
    inputs = Inputs(**{**fields(plan), "assumptions": shipped().changed(BARE).changed(RANGES)})
    world = drawn(inputs.assumptions, DRAWS, seed=7)
    for option in plan.options:
        total = course(inputs, option, world).total
        for draw in range(DRAWS):
            for month in MONTHS:
                assert at(total, world, draw, month) == pytest.approx(
                    plain(inputs, option, world, draw, month), rel=1e-9
                )


def plain(inputs: Inputs, option: Option, world: World, draw: int, month: int) -> float:
    """The option's month in this cell, one replica count after the other."""
    volume = inputs.tokens_per_day * at(world.volume, world, draw, month)
    price = GPT_4O.usd_per_million * at(world.api_price, world, draw, month)
    if option.kind is Kind.FRONTIER_API:
        return metered_month_usd(volume, price)
    usable = inputs.fleet.usable * at(world["throughput.usable_factor"], world, draw, month)
    fleet = replace(
        inputs.fleet,
        throughput_tokens_per_s=4392 * at(world["throughput.factor"], world, draw, month),
        usd_per_hour=8.0 * at(world.gpu_price, world, draw, month),
        usable=min(usable, 1.0),
        team_usd_per_month=20_000 * at(world["people.factor"], world, draw, month),
    )
    most = fleet.needed(inputs.curve.peak * volume / 86_400)
    if option.kind is Kind.OWNED:
        return fleet.month_usd(most) + more_people(inputs, fleet, world, most, draw, month)
    months = []
    for n in range(most + 1):
        spilled = split(inputs.curve, volume, fleet, price, n).spill_usd_per_month
        people = more_people(inputs, fleet, world, n, draw, month)
        months.append((n * fleet.replica_month_usd + spilled, people))
    best = months.index(min(months))
    overhead_usd = fleet.overhead_month_usd if best else fleet.team_usd_per_month
    return sum(months[best]) + overhead_usd


def more_people(inputs: Inputs, fleet: Fleet, world: World, n: int, draw: int, month: int) -> float:
    """Engineers beyond the team's one, a further one for every 20 replicas."""
    engineers = max(-(-(n + fleet.spares) // 20), 1)
    return (engineers - 1) * 15_000 * at(world["people.factor"], world, draw, month)
