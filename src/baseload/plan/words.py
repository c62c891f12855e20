"""Numbers and verdicts in words: one place, so that terminal, report and figures say the same."""

from __future__ import annotations

import math

from baseload.money import MILLION

BILLION = 1_000 * MILLION


def usd(amount: float) -> str:
    """Dollars in full from $1,000 (`$5,760`), else with cents (`$31.50`)."""
    return f"${amount:,.0f}" if abs(amount) >= 1000 or amount == 0 else f"${amount:,.2f}"


def short_usd(amount: float) -> str:
    """Dollars where there is little room: `$50`, `$2k`, `$1.5M`; three figures at most."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(amount) >= size:
            return f"{'−' if amount < 0 else ''}${_three(abs(amount) / size)}{unit}"
    return f"{'−' if amount < 0 else ''}${_three(abs(amount))}"


def _three(value: float) -> str:
    return f"{float(f'{value:.3g}'):g}" if value < 1000 else f"{value:.0f}"


def usd_per_million(price: float) -> str:
    """A price per million tokens: `$0.88/M`; three places below a dime."""
    return f"${price:.2f}/M" if price >= 0.1 else f"${price:.3f}/M"


def tokens(count: float, *, up: bool = False) -> str:
    """A token count to three figures, `30.7M`, `266M`, `11B`; from 1 to 10 billion to a million, `1,310M`.

    `up` rounds up instead of to the nearest: for a bound, so that what is said holds at the number said.
    """
    if not math.isfinite(count):
        return "∞"
    if count >= 10 * BILLION:
        return f"{_three_figures(count / BILLION, up)}B"
    if count >= BILLION:
        millions = _whole(count / MILLION, up)
        return f"{millions / 1000:g}B" if millions % 100 == 0 else f"{millions:,}M"
    if count >= MILLION:
        return f"{_three_figures(count / MILLION, up)}M"
    if count >= 10_000:
        return f"{_three_figures(count / 1000, up)}k"
    return f"{_whole(count, up):,}"


def _three_figures(value: float, up: bool) -> str:
    places = max(0, 2 - math.floor(math.log10(value)))
    text = f"{_whole(value * 10**places, up) / 10**places:,.{places}f}"
    return text.rstrip("0").removesuffix(".") if places else text


def _whole(value: float, up: bool) -> int:
    """A whole number; what is whole but for float noise is not rounded up."""
    return math.ceil(value * (1 - 1e-9)) if up else round(value)


def percent(share: float, *, up: bool = False) -> str:
    """A share as a percentage: `58%`, one place below 10% (`2.2%`), never 0% or 100% for what is not.

    `up` rounds up instead of to the nearest, as in `tokens`.
    """
    if up:
        parts = 1000 if share < 0.1 else 100
        share = _whole(share * parts, up) / parts
    if share <= 0 or share >= 1:
        return f"{share * 100:.0f}%"
    if share < 0.001:
        return "<0.1%"
    if share > 0.999:
        return ">99.9%"
    return f"{share * 100:.1f}%" if share < 0.1 or share > 0.99 else f"{share * 100:.0f}%"


def api(name: str | None) -> str:
    """An API's name within a sentence: `gpt-4o`, `the llama-3.3-70b API`."""
    return f"the {name}" if name and name.endswith(" API") else name or "no API"


def replicas(count: int, spares: int = 0) -> str:
    """`1 replica`, `6 replicas`, `6+1 replicas` with a spare."""
    if spares:
        return f"{count}+{spares} replicas"
    return f"{count:,} replica" + ("" if count == 1 else "s")


def replicas_cell(count: int, spares: int = 0) -> str:
    """The same for a table: `6+1`, a dash where nothing is owned."""
    return f"{count:,}+{spares}" if spares else f"{count:,}" if count else "–"
