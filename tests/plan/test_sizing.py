"""Replica counts over whole arrays are those of the exact search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.plan.costs import SECONDS_PER_DAY, Fleet, Spare, metered_month_usd
from baseload.plan.hybrid import hybrid, split
from baseload.plan.load import LoadCurve
from baseload.plan.sizing import room, served, worth_owning

curves = (
    st.lists(st.just(0.0) | st.floats(0.01, 10.0), min_size=1, max_size=60)
    .filter(lambda loads: sum(loads) > 0.1)
    .map(lambda loads: LoadCurve.of(np.array(loads), 600.0))
)
fleets = st.builds(
    Fleet,
    throughput_tokens_per_s=st.floats(500, 20_000),
    usd_per_hour=st.floats(1, 50),
    usable=st.floats(0.3, 1.0),
    spare=st.sampled_from(Spare),
)


@settings(max_examples=1000, deadline=None)
@given(curves, fleets, st.floats(0.2, 40.0), st.floats(0.2, 20.0))
def test_the_closed_form_costs_what_trying_every_count_finds(
    curve: LoadCurve, fleet: Fleet, replicas_worth: float, price: float
) -> None:
    """On 1,000 random load curves, every kind of spare: no count is cheaper (overhead left out)."""
    volume = replicas_worth * fleet.usable_tokens_per_s * SECONDS_PER_DAY
    bought = metered_month_usd(volume, price)
    rooms = room(fleet, np.array([[volume]]), np.ones(()))
    found = worth_owning(curve, rooms, np.array([[fleet.replica_month_usd / bought]]))[0, 0]

    def cost(n: int) -> float:
        spent = split(curve, volume, fleet, price, n).spill_usd_per_month
        return spent + n * fleet.replica_month_usd

    most = fleet.needed(curve.peak * volume / SECONDS_PER_DAY)
    assert cost(int(found)) == pytest.approx(min(cost(n) for n in range(most + 1)), rel=1e-9)


@given(curves, fleets, st.floats(0.2, 40.0))
def test_rooms_shares_and_needs_are_the_scalar_ones(
    curve: LoadCurve, fleet: Fleet, replicas_worth: float
) -> None:
    """`Room.of`, `served` and `needed` say what `Fleet` and `LoadCurve` say."""
    volume = replicas_worth * fleet.usable_tokens_per_s * SECONDS_PER_DAY
    mean = volume / SECONDS_PER_DAY
    rooms = room(fleet, np.array([volume]), np.ones(()))
    n = np.array([0.0, 1.0, 2.0, 7.0])
    expected = [fleet.room_tokens_per_s(int(count)) / mean for count in n]
    assert rooms.of(n) == pytest.approx(expected)
    assert served(curve, rooms.of(n)) == pytest.approx([curve.served_share(each) for each in expected])
    assert rooms.needed(curve.peak)[0] == fleet.needed(curve.peak * mean)


def test_many_volumes_at_once_are_each_its_own_answer() -> None:
    """An array is a loop."""
    t = np.arange(288)
    curve = LoadCurve.of(1.2 + np.sin(t / 144 * 2 * np.pi), 600.0)
    fleet = Fleet(4392, 8.0, 0.7)
    volumes = np.linspace(50e6, 5e9, 50)
    paid = np.array([metered_month_usd(volume, 6.25) for volume in volumes])
    rooms = room(fleet, volumes, np.ones(()))
    found = worth_owning(curve, rooms, fleet.replica_month_usd / paid)
    assert found.tolist() == [hybrid(curve, volume, fleet, 6.25).replicas for volume in volumes]
