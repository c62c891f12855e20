"""Money as integer nano-dollars, and what tokens cost.

Booked money never passes through a float: a cost is summed exactly over its token kinds and rounded
half-even once. An unknown price gives `None`, never 0.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from baseload.core import Apart, TokenPrice, Tokens

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
    the same. What is `apart` has prices of its own (docs/costs.md): the cost is unknown too where one of them
    is, or where usage said something that nobody priced.
    """
    if price is None:
        return None
    if tokens.apart is not None:
        return _cost_apart(tokens, tokens.apart, price)
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


def _cost_apart(tokens: Tokens, apart: Apart, price: TokenPrice) -> int | None:
    """As `token_cost`, each kind at its own price in the service tier of the answer."""
    of_tier = price if not apart.tier else (price.tiers or {}).get(apart.tier)
    if of_tier is None or apart.unpriced:
        return None
    rates = _rates(of_tier, tokens.input)
    heard, spoken = apart.input_audio, apart.output_audio
    shares = (
        (tokens.input - tokens.cached_input - tokens.cache_write - heard + apart.cached_audio, rates.input),
        (tokens.cached_input - apart.cached_audio, rates.cached_input),
        (tokens.cache_write - apart.cache_write_1h, rates.cache_write),
        (tokens.output - spoken - apart.output_image, rates.output),
        (apart.cache_write_1h, rates.cache_write_1h),
        (heard - apart.cached_audio, rates.input_audio),
        (apart.cached_audio, rates.cached_audio),
        (spoken, rates.output_audio),
        (apart.output_image, rates.output_image),
        (apart.searches, rates.searches),
    )
    total = 0
    for count, rate in shares:
        if count:
            if rate is None:
                return None
            total += count * rate
    return divide_half_even(total, MILLION)


def _rates(price: TokenPrice, input_tokens: int) -> TokenPrice:
    """The price with everything filled in that a request of this input is charged.

    What a long request's price leaves out costs as the short one's, but no less than its plain tokens.
    """
    p_in, p_out, cached, write = price.input, price.output, price.cached_input, price.cache_write
    hour, tier = price.cache_write_1h, price.long_context
    if tier is not None and input_tokens > tier.above:
        p_in, p_out, cached = tier.input, tier.output, tier.cached_input
        write = max(p_in, write or 0) if tier.cache_write is None else tier.cache_write
        hour = _at_least(hour, write) if tier.cache_write_1h is None else tier.cache_write_1h
    cached = p_in if cached is None else cached
    heard = _at_least(price.input_audio, p_in) if tier is not None else price.input_audio
    again = heard if price.cached_audio is None else price.cached_audio
    return TokenPrice(
        p_in,
        p_out,
        cached,
        p_in if write is None else write,
        cache_write_1h=hour,
        input_audio=heard,
        output_audio=price.output_audio,
        cached_audio=_at_least(again, cached) if tier is not None else again,
        output_image=price.output_image,
        searches=price.searches,
    )


def _at_least(amount: int | None, least: int) -> int | None:
    return None if amount is None else max(amount, least)
