"""Money as integer nano-dollars, and what tokens cost.

Booked money never passes through a float: a cost is summed exactly over its token kinds and rounded
half-even once. An unknown price gives `None`, never 0.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from baseload.core import TokenPrice, Tokens

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""

MILLION = 1_000_000


def nano(usd: str | int | Decimal | float) -> int:
    """Dollars as nano-dollars, exact for every decimal with at most nine places.

    A float is read as the shortest decimal that prints it (2.5 is 2.5). Raises ValueError for what is no
    finite amount.
    """
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:
        raise ValueError(f"not an amount of dollars: {usd!r}") from None
    if not amount.is_finite():
        raise ValueError(f"not an amount of dollars: {usd!r}")
    return int((amount * NANO).to_integral_value(ROUND_HALF_EVEN))


def usd(amount: int) -> Decimal:
    """Nano-dollars as an exact decimal of dollars."""
    return Decimal(amount) / NANO


def show(amount: int | None) -> str:
    """Nano-dollars for people: two significant places below a cent, `unknown` for None."""
    if amount is None:
        return "unknown"
    dollars = usd(amount)
    size = abs(dollars)
    if size >= 1000:
        return f"${dollars:,.0f}"
    if size >= Decimal("0.01") or size == 0:
        return f"${dollars:,.2f}"
    places = -size.adjusted() + 1
    return f"${dollars:.{places}f}"


def divide_half_even(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded half-even, exact at any size; the denominator is positive."""
    quotient, remainder = divmod(numerator, denominator)
    if remainder:
        twice = 2 * remainder
        if twice > denominator or (twice == denominator and quotient & 1):
            return quotient + 1
    return quotient


def token_cost(tokens: Tokens, price: TokenPrice | None) -> int | None:
    """What these tokens cost at this price, in nano-dollars; None where the price is unknown.

    cost = (uncached·p_in + cached·p_cached + written·p_write + output·p_out) / 1e6, rounded half-even once,
    each price of the tier that the whole input falls in. Reasoning tokens are part of the output and cost
    the same.
    """
    if price is None:
        return None
    p_in, p_out, p_cached, p_write = price.input, price.output, price.cached_input, price.cache_write
    tier = price.long_context
    if tier is not None and tokens.input > tier.above:
        p_in, p_out, p_cached = tier.input, tier.output, tier.cached_input
        p_write = max(p_in, p_write or 0) if tier.cache_write is None else tier.cache_write
    total = (tokens.input - tokens.cached_input - tokens.cache_write) * p_in + tokens.output * p_out
    if tokens.cached_input:
        total += tokens.cached_input * (p_in if p_cached is None else p_cached)
    if tokens.cache_write:
        total += tokens.cache_write * (p_in if p_write is None else p_write)
    return divide_half_even(total, MILLION)
