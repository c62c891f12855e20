"""Numbers and verdicts in words: one place, so that terminal, report and figures say the same."""

from __future__ import annotations

import math

from baseload.core import Slo
from baseload.money import MILLION

BILLION = 1_000 * MILLION


def usd(amount: float) -> str:
    """Dollars in full from $1,000 (`$5,760`), else with cents (`$31.50`); `−$5,760` below nothing."""
    size = abs(amount)
    text = f"${size:,.0f}" if size >= 1000 or size == 0 else f"${size:,.2f}"
    return f"−{text}" if amount < 0 and text != "$0.00" else text


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


def figure(value: float | str | None, unit: str) -> str:
    """An assumption's value with its unit: `−20% a year`, `$1,500/month`, `1.25×`, `10 minutes`.

    `unit` is as the table of assumptions has it; a choice needs none, and what nobody knows says so.
    """
    if value is None:
        return "not known"
    if isinstance(value, str):
        return value.replace("_", " ")
    sign, size = "−" if value < 0 else "", abs(value)
    if unit in ("share", "per year"):
        return f"{sign}{percent(size)}{' a year' if unit == 'per year' else ''}"
    if unit.startswith("$"):
        whole = f"${size:,.0f}" if size == round(size) else usd(size)
        return f"{sign}{whole}{unit.removeprefix('$')}"
    if unit.startswith("tokens/"):
        return f"{sign}{tokens(size)} {unit}"
    number = f"{size:,.0f}" if size == round(size) else f"{size:,.3g}"
    if unit == "×":
        return f"{sign}{number}×"
    return f"{sign}{number}" if unit == "count" else f"{sign}{number} {unit}"


def slo_words(slo: Slo, share: float | None = None) -> str:
    """A promise: `TTFT 2 s and TPOT 100 ms`, and at which share of requests where one is given."""
    text = f"TTFT {slo.ttft_s:g} s and TPOT {slo.tpot_s * 1000:g} ms"
    return text if share is None else f"{text} at p{share * 100:g}"


def api(name: str | None) -> str:
    """An API's name within a sentence: `gpt-4o`, `the llama-3.3-70b API`."""
    return f"the {name}" if name and name.endswith(" API") else name or "no API"


def option(name: str) -> str:
    """An option within a sentence: `owning everything`, `the hybrid with gpt-4o`, `the llama-3.3-70b API`."""
    if name == "owned":
        return "owning everything"
    if name.startswith("hybrid with "):
        return f"the hybrid with {api(name.removeprefix('hybrid with '))}"
    return api(name)


def replicas(count: int, spares: int = 0) -> str:
    """`1 replica`, `6 replicas`, `6+1 replicas` with a spare."""
    if spares:
        return f"{count}+{spares} replicas"
    return f"{count:,} replica" + ("" if count == 1 else "s")


def replicas_cell(count: int, spares: int = 0) -> str:
    """The same for a table: `6+1`, a dash where nothing is owned."""
    return f"{count:,}+{spares}" if spares else f"{count:,}" if count else "–"
