"""What a month costs, bought and owned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.core import LongContext, TokenPrice, Tokens
from baseload.money import MILLION, NANO, nano, token_cost
from baseload.plan.costs import Fleet, Mix, Spare, metered_month_usd, usd_per_million, usd_per_million_of

GPT_4O = TokenPrice(nano(2.5), nano(10), cached_input=nano(1.25))


def test_a_month_of_gpt_4o_at_100_million_tokens_a_day_costs_18750_dollars() -> None:
    """The source's $500k is 27 times too much: 100M × 30 × $6.25/M is $18,750."""
    assert usd_per_million(GPT_4O, Mix(0.5)) == 6.25
    assert metered_month_usd(100e6, 6.25) == 18_750.0


def test_a_pair_of_h100_at_4_dollars_costs_5760_a_month() -> None:
    """Two GPUs × $4 × 720 h."""
    assert Fleet(4392, 8.0).replica_month_usd == 5_760.0


def test_tokens_of_a_pair_cost_51_cents_full_and_72_at_70_percent() -> None:
    """The floor price of a pair that serves 4,392 tokens/s."""
    fleet = Fleet(4392, 8.0)
    assert round(fleet.floor_usd_per_million(1.0), 2) == 0.51
    assert round(fleet.floor_usd_per_million(0.7), 2) == 0.72
    assert round(fleet.floor_usd_per_million(0.35), 2) == 1.45


def test_cached_input_is_charged_at_its_own_price_or_as_input() -> None:
    """A provider without a price for cached input charges it as input."""
    assert usd_per_million(GPT_4O, Mix(0.5, cached_share=0.4)) == pytest.approx(
        (0.6 * 2.5 + 0.4 * 1.25 + 10) / 2
    )
    assert usd_per_million(TokenPrice(nano(1), nano(1)), Mix(0.2, cached_share=0.9)) == pytest.approx(1.0)


requests = st.lists(
    st.tuples(st.integers(1, 400_000), st.integers(0, 400_000), st.integers(0, 50_000)),
    min_size=1,
    max_size=30,
)


@given(requests)
def test_a_traffic_file_costs_what_its_requests_cost_one_by_one(rows: list[tuple[int, int, int]]) -> None:
    """Each request is charged at the tier its own input falls in, as the ledger would."""
    tier = LongContext(above=200_000, input=nano(6), output=nano(22.5), cached_input=nano(0.6))
    price = TokenPrice(nano(3), nano(15), cached_input=nano(0.3), long_context=tier)
    table = np.array([(i, min(c, i), o) for i, c, o in rows], dtype=np.int64)
    booked = 0
    for i, c, o in table.tolist():
        cost = token_cost(Tokens(input=i, cached_input=c, output=o), price)
        assert cost is not None
        booked += cost
    per_million = usd_per_million_of(price, table[:, 0], table[:, 1], table[:, 2])
    tokens = int(table[:, 0].sum() + table[:, 2].sum())
    # Each booked request is rounded to a nano-dollar, the plan's sum is not.
    assert per_million * tokens / MILLION * NANO == pytest.approx(booked, abs=len(rows), rel=1e-9)


def test_an_idle_spare_is_paid_and_carries_nothing() -> None:
    """Two replicas for the load and one that waits: three paid, two replicas' room."""
    fleet = Fleet(1000, 8.0, 0.7, Spare.IDLE, 1500)
    assert fleet.month_usd(2) == 3 * 5760 + 1500
    assert fleet.room_tokens_per_s(2) == pytest.approx(1400)
    assert fleet.month_usd(0) == 0


@given(st.integers(1, 500), st.floats(0.05, 1.0), st.sampled_from(Spare))
def test_a_serving_spare_leaves_enough_when_one_replica_is_lost(n: int, usable: float, spare: Spare) -> None:
    """With one replica lost the others hold the planned load, at most full; with all, at the usable share."""
    fleet = Fleet(1000, 8.0, usable, spare)
    room = fleet.room_tokens_per_s(n)
    if spare is Spare.SERVING:
        assert room <= n * 1000 * (1 + 1e-12)
        assert room <= (n + 1) * 1000 * usable * (1 + 1e-12)
    assert room >= n * 1000 * usable * (1 - 1e-12)
    assert fleet.rooms_tokens_per_s(n)[n] == room


@given(st.floats(1, 1e6), st.floats(0.05, 1.0), st.sampled_from(Spare))
def test_needed_is_the_fewest_replicas_with_room(load: float, usable: float, spare: Spare) -> None:
    """One replica fewer would not hold the load (but for float noise at the very edge)."""
    fleet = Fleet(1000, 8.0, usable, spare)
    n = fleet.needed(load)
    assert fleet.room_tokens_per_s(n) >= load * (1 - 1e-9)
    assert fleet.needed(fleet.room_tokens_per_s(n)) == n
    assert n == 1 or fleet.room_tokens_per_s(n - 1) <= load * (1 + 1e-9)
