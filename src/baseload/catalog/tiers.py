"""Service tiers: what a provider asks for the same tokens served faster, later or in a named place.

Two sources: shares of the standard prices that a provider publishes as a rule, and the frozen table's own
rows for priority and batch. docs/costs.md names where each rule is published.
"""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction

from msgspec import structs

from baseload.catalog.prices import listed
from baseload.core import TokenPrice
from baseload.money import divide_half_even

_HALF = Fraction(1, 2)
_US = Fraction(11, 10)

_RULES: tuple[tuple[str, str, dict[str, Fraction]], ...] = (
    ("openai", "", {"flex": _HALF, "batch": _HALF}),
    ("azure", "", {"flex": _HALF}),
    ("groq", "", {"flex": Fraction(1)}),
    ("google", "gemini", {"flex": _HALF, "batch": _HALF}),
    ("anthropic", "", {"batch": _HALF, "us": _US, "batch+us": _HALF * _US}),
    ("anthropic", r"claude-opus-(?:4-8|5|5-5)(?:-\d{8})?$", {"fast": Fraction(2), "us+fast": 2 * _US}),
)
"""Provider, what its model's name begins with, and the share of every token's standard price, by tier."""

_ALIASES = {"openai": {"fast": "priority"}}
"""Other words of a provider for the same tier."""


def with_tiers(price: TokenPrice, provider: str, model: str, on: date) -> TokenPrice:
    """The price with those of its service tiers that are published; searches cost the same in all of them.

    `provider` is our own name of it. Rows of the frozen table count from its date on, and where it asks the
    same standard price; they come before the rules.
    """
    tiers: dict[str, TokenPrice] = {}
    for name, pattern, shares in _RULES:
        if name == provider and re.match(pattern, model):
            tiers |= {tier: share(price, part) for tier, part in shares.items()}
    tiers |= _listed_tiers(price, provider, model, on)
    for alias, tier in _ALIASES.get(provider, {}).items():
        if tier in tiers:
            tiers[alias] = tiers[tier]
    return structs.replace(price, tiers=tiers) if tiers else price


def _listed_tiers(price: TokenPrice, provider: str, model: str, on: date) -> dict[str, TokenPrice]:
    row = listed(provider, model)
    if row is None or row.price.as_of > on.isoformat():
        return {}
    if (row.price.input, row.price.output) != (price.input, price.output):
        return {}
    found = {"priority": row.priority, "batch": row.batch}
    return {name: _in_tier(price, other) for name, other in found.items() if other is not None}


def _in_tier(price: TokenPrice, listed_price: TokenPrice) -> TokenPrice:
    """The listed price of a tier, with every other kind of token by the same share where there is one.

    Input and output that changed by different shares leave no share for the rest: cached tokens then cost
    as input, and what has no such stand-in has no known price.
    """
    source = f"{listed_price.source} of {listed_price.as_of}"
    if price.input and price.output * listed_price.input == listed_price.output * price.input:
        return structs.replace(share(price, Fraction(listed_price.input, price.input)), source=source)
    return structs.replace(listed_price, searches=price.searches)


_KINDS = ("input", "output", "cached_input", "cache_write", "cache_write_1h")
_OTHERS = ("input_audio", "output_audio", "cached_audio", "output_image")


def share(price: TokenPrice, part: Fraction) -> TokenPrice:
    """This share of every token's price, long context too."""
    changed = {name: _part(getattr(price, name), part) for name in _KINDS + _OTHERS}
    long_context = price.long_context
    if long_context is not None:
        parts = {name: _part(getattr(long_context, name), part) for name in _KINDS}
        long_context = structs.replace(long_context, **parts)
    return structs.replace(price, **changed, long_context=long_context, tiers=None)


def _part(amount: int | None, part: Fraction) -> int | None:
    return None if amount is None else divide_half_even(amount * part.numerator, part.denominator)
