"""How many replicas to own when the rest is bought."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.money import MILLION
from baseload.plan.costs import HOURS_PER_MONTH, SECONDS_PER_DAY, Fleet, Spare, metered_month_usd
from baseload.plan.hybrid import hybrid, hybrid_from, split
from baseload.plan.load import LoadCurve

curves = (
    st.lists(st.just(0.0) | st.floats(0.01, 10.0), min_size=1, max_size=40)
    .filter(lambda loads: sum(loads) > 0.1)
    .map(lambda loads: LoadCurve.of(np.array(loads), 600.0))
)
fleets = st.builds(
    Fleet,
    throughput_tokens_per_s=st.floats(500, 20_000),
    usd_per_hour=st.floats(1, 50),
    usable=st.floats(0.3, 1.0),
    spare=st.sampled_from(Spare),
    team_usd_per_month=st.sampled_from([0.0, 5_000.0, 40_000.0]),
)


@settings(max_examples=1500)
@given(curves, fleets, st.floats(0.5, 40.0), st.floats(0.2, 20.0))
def test_the_newsvendor_finds_what_trying_every_count_finds(
    curve: LoadCurve, fleet: Fleet, replicas_worth: float, price: float
) -> None:
    """No replica count costs less than the closed form's, on 1,500 random load curves."""
    volume = replicas_worth * fleet.usable_tokens_per_s * SECONDS_PER_DAY
    most = fleet.needed(curve.peak * volume / SECONDS_PER_DAY)
    tried = [split(curve, volume, fleet, price, n).usd_per_month for n in range(most + 2)]
    found = hybrid(curve, volume, fleet, price)
    assert found.usd_per_month == pytest.approx(min(tried), rel=1e-9)
    assert found.usd_per_month == pytest.approx(tried[found.replicas], rel=1e-12)


@given(curves, fleets, st.floats(0.5, 40.0), st.floats(0.2, 20.0))
def test_each_owned_replica_passes_the_published_test_and_the_next_fails(
    curve: LoadCurve, fleet: Fleet, replicas_worth: float, price: float
) -> None:
    """Σ min(c, max(0, L − (n−1)c))·Δt·p > r·ΣΔt, window by window, where all replicas have equal room."""
    if fleet.spare is Spare.SERVING:
        fleet = Fleet(fleet.throughput_tokens_per_s, fleet.usd_per_hour, fleet.usable)
    volume = replicas_worth * fleet.usable_tokens_per_s * SECONDS_PER_DAY
    found = hybrid(curve, volume, fleet, price)
    loads, c, dt_s = curve.relative * volume / SECONDS_PER_DAY, fleet.usable_tokens_per_s, curve.window_s

    def gain(n: int) -> float:
        bought = float(np.minimum(c, np.maximum(0.0, loads - (n - 1) * c)).sum()) * dt_s * price / MILLION
        return bought - fleet.usd_per_hour / 3600 * len(loads) * dt_s

    noise = 1e-9 * fleet.usd_per_hour * len(loads) * dt_s
    if found.replicas:
        assert gain(found.replicas) > -noise
        assert gain(found.replicas + 1) <= noise


@settings(deadline=None)
@given(curves, fleets, st.floats(1.1, 5.0))
def test_a_hybrid_pays_from_its_crossing_on_and_not_before(
    curve: LoadCurve, fleet: Fleet, times_floor: float
) -> None:
    """From the volume found on some count saves money, just below it none does; idle hours count.

    Where the crossing is at a full fleet, more volume is bought at the same price on both sides, so that the
    saving grows again only with the next replica that pays.
    """
    price = times_floor * fleet.floor_usd_per_million(fleet.usable * curve.busy)
    start = hybrid_from(curve, fleet, price)
    assert start is not None

    def saving_share(volume: float) -> float:
        bought = metered_month_usd(volume, price)
        return (bought - hybrid(curve, volume, fleet, price).usd_per_month) / bought

    assert abs(saving_share(start * (1 - 1e-6))) < 1e-9
    assert saving_share(start * (1 + 1e-6)) > -1e-9
    assert max(saving_share(start * times) for times in (1.5, 2.0, 4.0, 8.0, 16.0)) > 1e-6


def test_a_price_below_the_floor_never_makes_a_hybrid_pay() -> None:
    """A replica that is always full must be cheaper than its tokens bought, or no volume will do."""
    fleet = Fleet(4392, 8.0, 0.7)
    assert hybrid_from(LoadCurve.flat(), fleet, 0.72) is None
    assert hybrid_from(LoadCurve.flat(), fleet, 0.73) is not None


def test_a_flat_load_is_split_at_whole_replicas() -> None:
    """300M tokens/day fill one pair (266M); the rest is bought until a second pays."""
    found = hybrid(LoadCurve.flat(), 300e6, Fleet(4392, 8.0, 0.7), 6.25)
    assert found.replicas == 2
    found = hybrid(LoadCurve.flat(), 290e6, Fleet(4392, 8.0, 0.7), 0.88)
    assert found.replicas == 1
    assert found.owned_tokens_share == pytest.approx(265.62816 / 290)
    assert found.usd_per_month == pytest.approx(5760 + (290 - 265.62816) * 30 * 0.88)


def test_use_counts_every_replica_that_serves() -> None:
    """A serving spare carries load, an idle one does not: use is owned tokens over what those could serve."""
    curve, volume = LoadCurve.flat(), 1000 * SECONDS_PER_DAY
    assert split(curve, volume, Fleet(1000, 1.0, 0.5, Spare.IDLE), 9.0, 2).use == pytest.approx(0.5)
    assert split(curve, volume, Fleet(1000, 1.0, 0.5, Spare.SERVING), 9.0, 1).use == pytest.approx(0.5)
    assert split(curve, volume, Fleet(1000, 1.0, 0.5, Spare.NONE), 9.0, 0).use == 0.0


def test_an_absurd_volume_is_answered_all_the_same() -> None:
    """Counts are found by halving, not by listing them: a billion replicas take no memory."""
    assert hybrid(LoadCurve.flat(), 1e18, Fleet(4392, 8.0), 1.0).replicas > 10**9


def test_a_month_has_720_hours() -> None:
    """Both sides are priced over the same month."""
    assert HOURS_PER_MONTH * 3600 == 30 * SECONDS_PER_DAY
