"""Money as integer nano-dollars, and what tokens cost.

Booked money never passes through a float: a cost is summed exactly over its token kinds and rounded
half-even once. An unknown price gives `None`, never 0.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import NamedTuple

from baseload.core import LongContext, TokenPrice, Tokens

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
    """What these tokens cost at this price, in nano-dollars; None where that is unknown.

    cost = (uncached·p_in + cached·p_cached + written·p_write + output·p_out) / 1e6, rounded half-even once,
    each price of the tier that the whole input falls in. Reasoning tokens are part of the output and cost
    the same. Tokens written for an hour, audio and web searches have prices of their own (docs/costs.md);
    None too where such a price is not known, or where usage said something `unpriced`.
    """
    if tokens.tier and price is not None:
        price = None if price.tiers is None else price.tiers.get(tokens.tier)
    if price is None or tokens.unpriced:
        return None
    p_in, p_out, p_cached, p_write = price.input, price.output, price.cached_input, price.cache_write
    tier = price.long_context
    if tier is not None and tokens.input > tier.above:
        p_in, p_out, p_cached = tier.input, tier.output, tier.cached_input
        p_write = max(p_in, p_write or 0) if tier.cache_write is None else tier.cache_write
    else:
        tier = None
    total = (tokens.input - tokens.cached_input - tokens.cache_write) * p_in + tokens.output * p_out
    if tokens.cached_input:
        total += tokens.cached_input * (p_in if p_cached is None else p_cached)
    if tokens.cache_write:
        total += tokens.cache_write * (p_in if p_write is None else p_write)
    if tokens.cache_write_1h or tokens.input_audio or tokens.output_audio or tokens.searches:
        base = _Base(
            p_in, p_out, p_in if p_cached is None else p_cached, p_in if p_write is None else p_write
        )
        more = _extras(tokens, price, tier, base)
        if more is None:
            return None
        total += more
    return divide_half_even(total, MILLION)


class _Base(NamedTuple):
    """What a token of each kind was charged before what is special about it."""

    input: int
    output: int
    cached: int
    write: int


def _extras(tokens: Tokens, price: TokenPrice, tier: LongContext | None, base: _Base) -> int | None:
    """What special tokens cost beyond the plain ones they are counted among; None for an unknown price."""
    hour, heard, spoken = price.cache_write_1h, price.input_audio, price.output_audio
    if tier is not None:
        hour = None if hour is None else max(hour, base.input)
        hour = hour if tier.cache_write_1h is None else tier.cache_write_1h
        heard = None if heard is None else max(heard, base.input)
        spoken = None if spoken is None else max(spoken, base.output)
    total = 0
    if tokens.cache_write_1h:
        if hour is None:
            return None
        total += tokens.cache_write_1h * (hour - base.write)
    if tokens.input_audio:
        if heard is None:
            return None
        again = heard if price.cached_audio is None else price.cached_audio
        total += (tokens.input_audio - tokens.cached_audio) * (heard - base.input)
        total += tokens.cached_audio * (again - base.cached)
    if tokens.output_audio:
        if spoken is None:
            return None
        total += tokens.output_audio * (spoken - base.output)
    if tokens.searches:
        if price.searches is None:
            return None
        total += tokens.searches * price.searches
    return total
