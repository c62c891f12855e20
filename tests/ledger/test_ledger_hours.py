"""Closing hours: every nano-dollar of an hour's price goes somewhere, once."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from baseload.ledger.hours import HOUR_NS, PaidHour, Span, apportion, close, hour_of, paid, paid_hours
from baseload.ledger.record import Fleet

WEIGHTS = st.lists(st.integers(0, 10**13), min_size=1, max_size=30)
PRICE = 8_000_000_000
A = ("llama-a", PRICE)


@given(st.integers(0, 10**14), WEIGHTS)
def test_apportioned_parts_sum_to_the_amount(amount: int, weights: list[int]) -> None:
    """The parts sum to the amount, and each is its exact share rounded up or down."""
    parts = apportion(amount, weights)
    assert sum(parts) == amount
    if whole := sum(weights):
        assert all(
            abs(Fraction(amount * w, whole) - part) < 1 for part, w in zip(parts, weights, strict=True)
        )


@given(st.integers(0, 10**12), st.integers(1, HOUR_NS), WEIGHTS)
def test_amortised_and_idle_are_the_price(price: int, paid_ns: int, rooms: list[int]) -> None:
    """amortised + idle = price to the nano-dollar, and nothing is idle where more was used than paid for."""
    amortised, idle = close(PaidHour("llama-a", 0, paid_ns, price), rooms)
    assert sum(amortised) + idle == price
    assert min([*amortised, idle]) >= 0
    if sum(rooms) >= paid_ns:
        assert idle == 0


def test_half_used_is_half_idle() -> None:
    """An hour used to one half costs its users one half."""
    hour = PaidHour("llama-a", 0, HOUR_NS, PRICE)
    assert close(hour, [HOUR_NS // 4, HOUR_NS // 4]) == ([PRICE // 4, PRICE // 4], PRICE // 2)
    assert close(hour, []) == ([], PRICE)
    assert close(hour, [HOUR_NS, HOUR_NS]) == ([PRICE // 2, PRICE // 2], 0)


@given(st.lists(st.integers(0, 5 * HOUR_NS), min_size=2, max_size=12, unique=True), st.integers(0, 10**10))
def test_hours_cost_their_time(moments: list[int], price: int) -> None:
    """However records cut the time, each hour's price is its paid time at that price, rounded once."""
    fleets = [Fleet(at, "v", (("a", price),)) for at in sorted(moments)]
    for hour in paid_hours(paid(fleets)):
        from_ns, to_ns = max(hour.hour_ns, min(moments)), min(hour.hour_ns + HOUR_NS, max(moments))
        assert hour.paid_ns == to_ns - from_ns
        assert abs(Fraction(price * hour.paid_ns, HOUR_NS) - hour.price_nano) <= Fraction(1, 2)


def test_a_target_is_paid_until_a_record_no_longer_names_it() -> None:
    """Paid from the first record that names it to the first that does not, also over a crash."""
    spans = paid([Fleet(0, "1", (A,)), Fleet(10, "1", (A,)), Fleet(50, "2", ()), Fleet(60, "2", ())])
    assert spans == [Span("llama-a", 0, 10, PRICE), Span("llama-a", 10, 50, PRICE)]


def test_a_gap_between_records_that_name_it_is_paid() -> None:
    """GPUs cost money while the gateway is stopped, if they are still there when it starts again."""
    assert paid([Fleet(10, "1", (A,), stopping=True), Fleet(90, "1", (A,))]) == [
        Span("llama-a", 10, 90, PRICE)
    ]


def test_a_target_gone_after_a_clean_stop_is_paid_until_the_stop() -> None:
    """If it is no longer named after a clean stop, it is taken to be returned then."""
    fleets = [Fleet(0, "1", (A,)), Fleet(10, "1", (A,), stopping=True), Fleet(90, "2", ())]
    assert paid(fleets) == [Span("llama-a", 0, 10, PRICE)]


def test_a_changed_price_holds_from_its_record() -> None:
    """A price that changes within an hour counts for its part of it; the hour is rounded once."""
    half = HOUR_NS // 2
    fleets = [Fleet(0, "1", (("a", 4),)), Fleet(half, "2", (("a", 9),)), Fleet(HOUR_NS, "2", (("a", 9),))]
    assert paid_hours(paid(fleets)) == [PaidHour("a", 0, HOUR_NS, 6)]  # (4 + 9) / 2 = 6.5, half to even


def test_hours_begin_at_full_hours() -> None:
    """An hour is a UTC hour."""
    assert [hour_of(at) for at in (0, 1, HOUR_NS - 1, HOUR_NS)] == [0, 0, 0, HOUR_NS]
