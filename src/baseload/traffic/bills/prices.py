"""The catalog's price of a bill's model: under the name the bill has for it, or the one that means the same.

Bills write models in their own ways: `Claude4Sonnet`, `Claude Sonnet 4.5`, `gpt-4o-2024-08-06`. A name the
price list does not hold is compared by its words and numbers, without dates, revisions and regions.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import cache
from typing import NamedTuple

from baseload.catalog.prices import listed
from baseload.core import TokenPrice
from baseload.traffic.bills.bill import Item, Tier

FIRST_PARTY = ("openai", "anthropic", "google", "mistral", "deepseek", "x-ai", "cohere")
"""Whose model a name is where the bill names no seller."""

WRITE_1H_TIMES_INPUT = 2
"""A cache write kept for an hour, in input prices: https://platform.claude.com/docs/en/about-claude/pricing
(2026-09); the catalog holds the price of the usual write alone."""

_REGION = re.compile(r"^(?:us|us-gov|eu|apac|jp|au|ca|global)\.")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
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


@cache
def words_of(model: str) -> frozenset[tuple[str, ...]]:
    """The ways to spell a name as sorted words and numbers; two names that share one are of one model.

    A vendor before a dot may be left out, and words run together may be apart: `DeepSeek-R1`, `NovaLite`.
    """
    name = _REGION.sub("", model.rpartition("/")[2])
    spelt = {_VENDOR.sub("", name), name}
    return frozenset(_words(each) for way in spelt for each in (way, _CAMEL.sub(" ", way)))


def _words(name: str) -> tuple[str, ...]:
    plain = _REVISION.sub("", _DATED.sub("", name.casefold()))
    return tuple(sorted(part for part in re.findall(r"[a-z]+|\d+", plain) if part not in _FINISH))


@cache
def priced(seller: str, model: str, on: date) -> Priced | None:
    """The price of this model on this day; None where the catalog knows none. Imports genai-prices."""
    if not model:
        return None
    for firm in (seller,) if seller else FIRST_PARTY:
        known = _asked(firm, (model,), on) or _asked(firm, _same(firm, model), on)
        if known:
            name = next(iter(known))
            row = listed(firm, name) or listed(firm, _DATED.sub("", name))
            batch, priority = (None, None) if row is None else (row.batch, row.priority)
            return Priced(f"{firm}/{name}", known[name], batch, priority, _apart(model, name, known))
    return None


def _asked(firm: str, names: tuple[str, ...], on: date) -> dict[str, TokenPrice]:
    """Those of these names that have a price on this day, with it."""
    from baseload.catalog.published import published_price

    prices = {name: published_price(firm, name, on) for name in names}
    return {name: price for name, price in prices.items() if price is not None}


def _apart(model: str, name: str, known: dict[str, TokenPrice]) -> str:
    """What another of these names costs beside the one taken; empty where the bill named the region."""
    taken = known[name].input
    other = max(known, key=lambda each: (abs(known[each].input - taken), each))
    if known[other].input == taken or not taken or _region(model) == _region(name):
        return ""
    return f"priced as {name}; {other} costs {known[other].input / taken - 1:+.0%}"


@cache
def _same(firm: str, model: str) -> tuple[str, ...]:
    """This firm's names of a model: those of the same region first, then those of none, then the shortest."""
    words, region = words_of(model), _region(model)
    return tuple(
        sorted(
            (name for name in _names(firm) if words & words_of(name)),
            key=lambda name: (_region(name) != region, bool(_region(name)), len(name), name),
        )
    )


def _region(name: str) -> str:
    found = _REGION.match(name)
    return "" if found is None else found[0]


@cache
def _names(firm: str) -> tuple[str, ...]:
    """Every name that genai-prices finds a model of this firm by.

    Its ids say `regional` where the names it answers to begin with any one region.
    """
    from baseload.catalog.published import model_ids

    return tuple(re.sub(r"^regional\.", "us.", name) for name in model_ids(firm))


class PricesOf:
    """The prices of one model on the days it was used, or on the day `on`; `known` is the last one found."""

    def __init__(self, seller: str, model: str, on: date | None) -> None:
        self._seller, self._model, self._on = seller, model, on
        self.known: Priced | None = None

    def at(self, start_ns: int) -> Priced | None:
        """The price at this Unix time's day (UTC); None where there is none."""
        day = self._on or datetime.fromtimestamp(start_ns // 1_000_000_000, UTC).date()
        found = priced(self._seller, self._model, day)
        self.known = found or self.known
        return found


def long_price(price: TokenPrice) -> TokenPrice:
    """The long-context price as a price of its own; see `LongContext` for what it does not name."""
    tier = price.long_context
    if tier is None:
        return price
    written = max(tier.input, price.cache_write or 0) if tier.cache_write is None else tier.cache_write
    return TokenPrice(
        tier.input, tier.output, tier.cached_input, written, source=price.source, as_of=price.as_of
    )


def price_of(item: Item, known: Priced, tier: Tier, long: bool) -> int | None:
    """Nano-dollars per million tokens of one kind; None for none."""
    price = long_price(known.price) if long else known.price
    price = {Tier.BATCH: known.batch, Tier.PRIORITY: known.priority}.get(tier) or price
    match item:
        case Item.OUTPUT:
            return price.output
        case Item.CACHED:
            return price.input if price.cached_input is None else price.cached_input
        case Item.WRITE:
            return price.input if price.cache_write is None else price.cache_write
        case Item.WRITE_1H:
            return WRITE_1H_TIMES_INPUT * price.input
        case Item.INPUT:
            return price.input
    return None
