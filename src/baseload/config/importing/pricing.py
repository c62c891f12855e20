"""What the catalog can price, and a catalog's price as a section of a target."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from baseload.core import LongContext, TokenPrice

_LATEST = date(9999, 1, 1)
"""A day after every price that is known."""
_NANO = Decimal(1_000_000_000)


@cache
def _latest(provider: str, model: str) -> TokenPrice | None:
    from baseload.catalog.published import published_price  # heavy, and few commands need it

    return published_price(provider, model, _LATEST)


def is_priced(provider: str, model: str) -> bool:
    """Whether the catalog has a price of what this provider calls this model, by its newest figures."""
    return _latest(provider, model) is not None


def price_of(provider: str, model: str) -> dict[str, Any] | None:
    """The catalog's newest price of a model, written as a target's `price`; None where there is none.

    For a target whose own name of the model says nothing. Prices of service tiers are left out.
    """
    found = _latest(provider, model)
    if found is None:
        return None
    section: dict[str, Any] = _usd(found, _KINDS)
    if found.searches is not None:
        section["thousand_searches"] = (Decimal(found.searches) / _NANO / 1000).normalize()
    if found.long_context is not None:
        long_context = found.long_context
        section["long_context"] = {"above": long_context.above, **_usd(long_context, _LONG_KINDS)}
    return {**section, "source": f"{found.source}, {provider}/{model}"}  # its version says the day


_LONG_KINDS = ("input", "output", "cached_input", "cache_write", "cache_write_1h")
_KINDS = (*_LONG_KINDS, "input_audio", "output_audio", "cached_audio", "output_image")


def _usd(price: TokenPrice | LongContext, kinds: tuple[str, ...]) -> dict[str, Any]:
    """The prices of these kinds in USD, those that are known."""
    figures = {kind: getattr(price, kind) for kind in kinds}
    return {
        kind: (Decimal(figure) / _NANO).normalize() for kind, figure in figures.items() if figure is not None
    }
