"""Every crossing of the owned staircase with an API's line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from baseload.plan.break_even import Cheaper, Crossing, crossings, one_replica
from baseload.plan.costs import SECONDS_PER_DAY, Fleet, Spare, metered_month_usd

GPT_4O, OPEN = 6.25, 0.88


def pair(spare: Spare = Spare.NONE, team: float = 0.0, usable: float = 0.7) -> Fleet:
    """Two H100 at $4 that serve 4,392 tokens/s of Llama 3.3 70B: the worked example."""
    return Fleet(4392, 8.0, usable, spare, team)


def millions(found: tuple[Crossing, ...]) -> list[tuple[float, str]]:
    """Crossings as millions of tokens a day to two places, and the cheaper side above."""
    return [(round(each.tokens_per_day / 1e6, 2), each.cheaper_above.value) for each in found]


@pytest.mark.parametrize(
    ("spare", "team", "expected"),
    [
        (Spare.NONE, 0, 30.7),
        (Spare.IDLE, 0, 61.4),
        (Spare.SERVING, 0, 61.4),
        (Spare.IDLE, 15_000, 141),
        (Spare.IDLE, 45_000, 301),
    ],
)
def test_one_pair_against_gpt_4o(spare: Spare, team: float, expected: float) -> None:
    """30.7M tokens/day for the pair alone, 61.4M with a spare, 141M with an engineer besides, 301M with 3."""
    found = one_replica(pair(spare, team), GPT_4O).tokens_per_day / 1e6
    assert float(f"{found:.3g}") == expected


def test_a_step_that_would_pay_beyond_its_room_says_so() -> None:
    """With three engineers a pair pays at 301M, but used to 70% it is full at 266M: two pay, from 332M."""
    fleet = pair(Spare.IDLE, 45_000)
    assert not one_replica(fleet, GPT_4O).pays
    assert millions(crossings(fleet, GPT_4O)) == [(332.16, "owned")]
    # Used to the full, or with a spare that serves, one pair does hold 301M.
    assert millions(crossings(pair(Spare.IDLE, 45_000, 1.0), GPT_4O)) == [(301.44, "owned")]
    assert millions(crossings(pair(Spare.SERVING, 45_000), GPT_4O)) == [(301.44, "owned")]


def test_the_staircase_against_the_same_model_as_an_api() -> None:
    """Cheaper from 219M (rounded up) until full at 266M, the API up to 437M, and so on to 1,091M."""
    assert millions(crossings(pair(), OPEN)) == [
        (218.18, "owned"),
        (265.63, "metered"),
        (436.36, "owned"),
        (531.26, "metered"),
        (654.55, "owned"),
        (796.88, "metered"),
        (872.73, "owned"),
        (1062.51, "metered"),
        (1090.91, "owned"),
    ]


def test_with_an_idle_spare_the_first_crossing_is_at_1310_million() -> None:
    """Five pairs and a sixth that waits are the first to pay against $0.88/M."""
    first = crossings(pair(Spare.IDLE), OPEN)[0]
    assert (round(first.tokens_per_day / 1e6, 2), first.replicas) == (1309.09, 5)


@pytest.mark.parametrize(("usable", "pays"), [(0.57, False), (0.58, True)])
def test_below_58_percent_use_owning_never_pays(usable: float, pays: bool) -> None:
    """At 57% of its throughput a pair's tokens cost more than $0.88/M at every volume."""
    assert bool(crossings(pair(usable=usable), OPEN)) is pays


def test_a_free_api_is_never_beaten() -> None:
    """A price of 0 has no crossing and no break-even volume."""
    assert crossings(pair(), 0.0) == ()
    assert one_replica(pair(), 0.0).tokens_per_day == float("inf")


def owned_is_cheaper(fleet: Fleet, tokens_per_day: float, api: float, peak: float) -> bool:
    """The definition, at one volume."""
    n = fleet.needed(tokens_per_day * peak / SECONDS_PER_DAY)
    return fleet.month_usd(n) <= metered_month_usd(tokens_per_day, api)


fleets = st.builds(
    Fleet,
    throughput_tokens_per_s=st.floats(100, 50_000),
    usd_per_hour=st.floats(0.5, 100),
    usable=st.floats(0.2, 1.0),
    spare=st.sampled_from(Spare),
    team_usd_per_month=st.sampled_from([0.0, 15_000.0, 60_000.0]),
)


@given(
    fleets, st.floats(0.3, 6.0), st.floats(1.0, 6.0), st.lists(st.floats(0.0, 1.0), min_size=20, max_size=20)
)
def test_crossings_agree_with_the_costs_at_every_volume(
    fleet: Fleet, times_floor: float, peak: float, places: list[float]
) -> None:
    """Between crossings the side they name is the cheaper one, wherever one looks; none is left out."""
    api = times_floor * fleet.floor_usd_per_million(fleet.usable / peak)
    found = crossings(fleet, api, peak)
    sides = [each.cheaper_above for each in found]
    assert sides == [Cheaper.OWNED if i % 2 == 0 else Cheaper.METERED for i in range(len(sides))]
    assert not found or sides[-1] is Cheaper.OWNED
    at = [each.tokens_per_day for each in found]
    assert at == sorted(at)
    full = fleet.usable_tokens_per_s * SECONDS_PER_DAY / peak
    for place in places:
        volume = full * 10 ** (place * 5 - 2)
        if (
            any(abs(volume / each - 1) < 1e-6 for each in at)
            or abs(volume / full - round(volume / full)) < 1e-6
        ):
            continue
        expected = owned_is_cheaper(fleet, volume, api, peak)
        passed = int(np.searchsorted(at, volume))
        assert expected is (passed % 2 == 1)


@given(fleets, st.floats(1.01, 6.0), st.floats(1.0, 6.0))
def test_both_sides_cost_the_same_where_owning_starts_to_pay(
    fleet: Fleet, times_floor: float, peak: float
) -> None:
    """At a crossing to owned the step's cost is the API's, or a step begins; at one back the step is full."""
    api = times_floor * fleet.floor_usd_per_million(fleet.usable / peak)
    found = crossings(fleet, api, peak)
    assume(found)
    for each in found:
        full_before = fleet.room_tokens_per_s(each.replicas - 1) * SECONDS_PER_DAY / peak
        if each.cheaper_above is Cheaper.METERED:
            assert each.tokens_per_day == pytest.approx(full_before)
        else:
            same = fleet.month_usd(each.replicas) == pytest.approx(
                metered_month_usd(each.tokens_per_day, api)
            )
            assert same or each.tokens_per_day == pytest.approx(full_before)
