"""The catalog's price of a bill's model: under the name the bill has for it, or the one that means the same.

Bills write models in their own ways: `Claude4Sonnet`, `Claude Sonnet 4.5`, `gpt-4o-2024-08-06`. A name the
price list does not hold is compared by its words and numbers, without dates, revisions and regions.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import NamedTuple

from baseload.catalog.prices import listed
from baseload.core import TokenPrice

FIRST_PARTY = ("openai", "anthropic", "google", "mistral", "deepseek", "x-ai", "cohere")
"""Whose model a name is where the bill names no seller."""

_REGION = re.compile(r"^(?:us|us-gov|eu|apac|jp|au|ca|global)\.")
_VENDOR = re.compile(r"^[a-z0-9]+\.(?=[a-z])")
_REVISION = re.compile(r"(?:[-@]?v\d+)?(?::\d+)+$|[-@ ]v\d+$|(?<=[a-z])v\d+$")
_DATED = re.compile(r"[-@ ]?(?:20\d{6}|20\d\d-\d\d-\d\d)(?=\D|$)")
_FINISH = frozenset({"instruct", "chat", "it", "latest"})


class Priced(NamedTuple):
    """What the catalog asks for a model: its name there, on demand, and in other tiers where listed.

    `note` says where the name stands for several of different prices.
    """

    name: str
    price: TokenPrice
    batch: TokenPrice | None
    priority: TokenPrice | None
    note: str = ""


def words_of(model: str) -> tuple[str, ...]:
    """The words and numbers of a name in order, sorted: what two names of one model share."""
    plain = _VENDOR.sub("", _REGION.sub("", model.casefold().rpartition("/")[2]))
    plain = _REVISION.sub("", _DATED.sub("", plain))
    return tuple(sorted(part for part in re.findall(r"[a-z]+|\d+", plain) if part not in _FINISH))


def priced(seller: str, model: str, on: date) -> Priced | None:
    """The price of this model on this day; None where the catalog knows none. Imports genai-prices."""
    if not model:
        return None
    for firm in (seller,) if seller else FIRST_PARTY:
        known = _asked(firm, (model,), on) or _asked(firm, _same(firm, words_of(model)), on)
        if known:
            name = next(iter(known))
            row = listed(firm, name) or listed(firm, _DATED.sub("", name))
            batch, priority = (None, None) if row is None else (row.batch, row.priority)
            return Priced(f"{firm}/{name}", known[name], batch, priority, _apart(name, known))
    return None


def _asked(firm: str, names: tuple[str, ...], on: date) -> dict[str, TokenPrice]:
    """Those of these names that have a price on this day, with it."""
    from baseload.catalog.published import published_price

    prices = {name: published_price(firm, name, on) for name in names}
    return {name: price for name, price in prices.items() if price is not None}


def _apart(name: str, known: dict[str, TokenPrice]) -> str:
    """What the dearest of these names costs more than the one taken; empty where all cost the same."""
    dearest = max(known, key=lambda other: known[other].input)
    more = known[dearest].input / known[name].input - 1 if known[name].input else 0.0
    return f"priced as {name}; {dearest} costs {more:.0%} more" if more > 0 else ""


@cache
def _same(firm: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """This firm's names of a model, those for any region first, then the shortest."""
    return tuple(
        sorted(
            (name for name in _names(firm) if words_of(name) == words),
            key=lambda name: (bool(_REGION.match(name)), len(name), name),
        )
    )


@cache
def _names(firm: str) -> tuple[str, ...]:
    """Every id under which genai-prices holds a model of this firm."""
    from baseload.catalog.published import model_ids

    return model_ids(firm)
