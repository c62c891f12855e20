"""Amounts are exact integers, and tokens cost what their prices say to the nano-dollar."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baseload.core import LongContext, TokenPrice, Tokens
from baseload.money import MILLION, NANO, divide_half_even, nano, show, token_cost, usd

AMOUNTS = st.integers(-(10**24), 10**24)
RATES = st.integers(0, 100 * NANO)
OPTIONAL_RATES = st.none() | RATES
COUNTS = st.integers(0, 10**7)

LONG = LongContext(above=200, input=6_000, output=22_000, cached_input=600, cache_write=7_500)
PRICE = TokenPrice(3_000, 15_000, cached_input=300, cache_write=3_750, long_context=LONG)


@st.composite
def token_counts(draw: st.DrawFn) -> Tokens:
    """Counts as engines report them: cached and written tokens are parts of the input."""
    uncached, cached, written = draw(COUNTS), draw(COUNTS), draw(COUNTS)
    output = draw(COUNTS)
    reasoning = draw(st.integers(0, output))
    return Tokens(uncached + cached + written, cached, written, output, reasoning)


LONG_PRICES = st.builds(LongContext, COUNTS, RATES, RATES, OPTIONAL_RATES, OPTIONAL_RATES)
PRICES = st.builds(TokenPrice, RATES, RATES, OPTIONAL_RATES, OPTIONAL_RATES, st.none() | LONG_PRICES)


@dataclass(frozen=True)
class PerKind:
    """The price of each kind of token that holds for one request."""

    uncached: int
    cached: int
    written: int
    output: int


def per_kind(price: TokenPrice, input_tokens: int) -> PerKind:
    """The rules of `TokenPrice` and `LongContext`, written out a second time."""

    def stated(amount: int | None, otherwise: int) -> int:
        return otherwise if amount is None else amount

    tier = price.long_context
    if tier is None or input_tokens <= tier.above:
        cached, written = stated(price.cached_input, price.input), stated(price.cache_write, price.input)
        return PerKind(price.input, cached, written, price.output)
    unstated = max(tier.input, stated(price.cache_write, tier.input))
    cached, written = stated(tier.cached_input, tier.input), stated(tier.cache_write, unstated)
    return PerKind(tier.input, cached, written, tier.output)


@given(amount=AMOUNTS)
@example(amount=0)
@example(amount=1)
@example(amount=-1)
def test_dollars_and_nano_dollars_are_the_same_amount(amount: int) -> None:
    """Any amount that a ledger of a country could hold goes to dollars and back unchanged."""
    dollars = usd(amount)
    assert Fraction(dollars) == Fraction(amount, NANO)
    assert nano(dollars) == amount
    assert nano(str(dollars)) == amount


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (2.5, 2_500_000_000),
        (0.1, 100_000_000),
        ("2.50", 2_500_000_000),
        (3, 3_000_000_000),
        (Decimal("0.000000001"), 1),
        ("0.0000000005", 0),  # a tie goes to the even neighbour, 0
        ("0.0000000015", 2),
        ("-0.0000000025", -2),
        ("1e-9", 1),
    ],
)
def test_an_amount_is_read_as_it_is_written(written: str | int | float | Decimal, expected: int) -> None:
    """Also a float, whose shortest decimal counts and not its binary value; past nine places half-even."""
    assert nano(written) == expected


@pytest.mark.parametrize("written", ["", "two", "nan", "inf", float("nan"), float("-inf"), "1,5"])
def test_what_is_no_amount_is_refused(written: str | float) -> None:
    """Never read as 0."""
    with pytest.raises(ValueError, match="not an amount of dollars"):
        nano(written)


@given(numerator=AMOUNTS, denominator=st.integers(1, 10**12))
@example(numerator=5, denominator=10)
@example(numerator=15, denominator=10)
@example(numerator=-5, denominator=10)
@example(numerator=-15, denominator=10)
def test_division_rounds_half_even(numerator: int, denominator: int) -> None:
    """As Python rounds a fraction: to the nearest integer, ties to the even one, negative ones too."""
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(tokens=token_counts(), price=PRICES)
@example(tokens=Tokens(input=1), price=TokenPrice(500_000, 0))  # half a nano-dollar: 0
@example(tokens=Tokens(input=3), price=TokenPrice(500_000, 0))  # one and a half: 2
def test_a_cost_is_summed_exactly_and_rounded_once(tokens: Tokens, price: TokenPrice) -> None:
    """Equal to the same sum over fractions, whatever prices are stated and wherever the tier begins."""
    each = per_kind(price, tokens.input)
    uncached = tokens.input - tokens.cached_input - tokens.cache_write
    exact = Fraction(
        uncached * each.uncached
        + tokens.cached_input * each.cached
        + tokens.cache_write * each.written
        + tokens.output * each.output,
        MILLION,
    )
    assert token_cost(tokens, price) == round(exact)


@pytest.mark.parametrize(
    ("tokens", "price", "nano_millionths"),
    [
        (Tokens(input=200, cache_write=50), PRICE, 150 * 3_000 + 50 * 3_750),
        (Tokens(input=201, cache_write=50), PRICE, 151 * 6_000 + 50 * 7_500),
        (Tokens(input=201, cached_input=100, output=10), PRICE, 101 * 6_000 + 100 * 600 + 10 * 22_000),
        # a tier without a price for writes: as its input, or as a short request's where that is dearer
        (Tokens(input=201, cache_write=201), TokenPrice(1, 1, long_context=LongContext(200, 6, 1)), 201 * 6),
        (
            Tokens(input=201, cache_write=201),
            TokenPrice(5, 1, cache_write=7, long_context=LongContext(200, 6, 1)),
            201 * 7,
        ),
        (Tokens(output=10, reasoning=9), PRICE, 10 * 15_000),
    ],
)
def test_a_long_request_is_charged_by_its_own_tier(
    tokens: Tokens, price: TokenPrice, nano_millionths: int
) -> None:
    """The whole request, what it writes to a cache too, from the first token above the threshold on."""
    assert token_cost(tokens, price) == round(Fraction(nano_millionths, MILLION))


@given(tokens=token_counts())
def test_an_unknown_price_gives_an_unknown_cost(tokens: Tokens) -> None:
    """None, however few the tokens are: never 0."""
    assert token_cost(tokens, None) is None


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "unknown"),
        (0, "$0.00"),
        (10_000_000, "$0.01"),
        (1_234_560_000_000, "$1,235"),
        (12_345_000_000, "$12.34"),
        (1_234_000, "$0.0012"),
        (-1_234_000, "$-0.0012"),
        (1, "$0.0000000010"),
    ],
)
def test_amounts_are_shown_for_people(amount: int | None, shown: str) -> None:
    """Whole dollars from a thousand on, cents, and below a cent two significant places."""
    assert show(amount) == shown
