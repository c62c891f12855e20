"""Numbers and verdicts in words: one place, so that terminal, report and figures say the same."""

from __future__ import annotations

import math

from baseload.money import MILLION

BILLION = 1_000 * MILLION


def usd(amount: float) -> str:
    """Dollars in full from $1,000 (`$5,760`), else with cents (`$31.50`)."""
    return f"${amount:,.0f}" if abs(amount) >= 1000 or amount == 0 else f"${amount:,.2f}"


def usd_per_million(price: float) -> str:
    """A price per million tokens: `$0.88/M`; three places below a dime."""
    return f"${price:.2f}/M" if price >= 0.1 else f"${price:.3f}/M"


def tokens(count: float, *, up: bool = False) -> str:
    """A token count to three figures, in whole millions up to 10 billion: `30.7M`, `1,310M`, `11.0B`.

    `up` rounds up instead of to the nearest: for a bound, so that what is said holds at the number said.
    """
    if not math.isfinite(count):
        return "∞"
    if count >= 10 * BILLION:
        return f"{_rounded(count / BILLION, up)}B"
    if count >= MILLION:
        return f"{_rounded(count / MILLION, up)}M"
    if count >= 10_000:
        return f"{_rounded(count / 1000, up)}k"
    return f"{math.ceil(count) if up else round(count):,}"


def _rounded(value: float, up: bool) -> str:
    places = max(0, 2 - math.floor(math.log10(value)))
    scaled = value * 10**places
    # A volume that is a whole number but for float noise stays itself.
    whole = math.ceil(scaled - 1e-9 * scaled) if up else round(scaled)
    return f"{whole / 10**places:,.{places}f}"


def percent(share: float, *, up: bool = False) -> str:
    """A share as a percentage: `58%`, one place below 10% (`2.2%`), never 0% or 100% for what is not.

    `up` rounds up instead of to the nearest, as in `tokens`.
    """
    if up:
        share = math.ceil(share * (1000 if share < 0.1 else 100) - 1e-9) / (1000 if share < 0.1 else 100)
    if share <= 0 or share >= 1:
        return f"{share * 100:.0f}%"
    if share < 0.001:
        return "<0.1%"
    if share > 0.999:
        return ">99.9%"
    return f"{share * 100:.1f}%" if share < 0.1 or share > 0.99 else f"{share * 100:.0f}%"


def replicas(count: int, spares: int = 0) -> str:
    """`1 replica`, `6 replicas`, `6+1 replicas` with a spare."""
    if spares:
        return f"{count}+{spares} replicas"
    return f"{count:,} replica" + ("" if count == 1 else "s")
