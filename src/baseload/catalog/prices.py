"""Token prices that genai-prices does not hold: batch, priority, long context; and who sells an open model.

They come from a frozen table (`token_prices.csv`), so they have one date and no history. Where both sources
price the same thing they may disagree; nothing here averages: each price keeps its source and date.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import NamedTuple

from msgspec import Struct

from baseload.catalog.models import open_model
from baseload.catalog.providers import provider as find_provider
from baseload.catalog.providers import providers
from baseload.catalog.tables import Overrides, Row, merge, parsed, shipped
from baseload.core import LongContext, TokenPrice
from baseload.errors import UnknownName
from baseload.money import nano

TABLE = "token_prices.csv"


class ListedPrice(Struct, frozen=True):
    """One row of the frozen table: the price on demand and, where they are listed, the other ways to buy it.

    `channel` is how the source names the seller ("bedrock_converse"), `page` the seller's own price page.
    A long-context price here names none for cached or written tokens: see `LongContext` for how they count.
    """

    channel: str
    model: str
    price: TokenPrice
    batch: TokenPrice | None
    priority: TokenPrice | None
    page: str


class ApiOffer(NamedTuple):
    """Who sells a model by the token, under which name, at what price."""

    provider: str
    model: str
    price: TokenPrice


def listed(provider: str, model: str, overrides: Overrides | None = None) -> ListedPrice | None:
    """The frozen table's row of this provider (or of one of its channels) and model; None without one."""
    rows = _shipped() if overrides is None else _load(overrides)
    known = find_provider(provider)
    channels = (provider,) if known is None or provider in known.litellm else (*known.litellm, provider)
    return next((rows[channel, model] for channel in channels if (channel, model) in rows), None)


def batch(provider: str, model: str, overrides: Overrides | None = None) -> TokenPrice | None:
    """The price of answers within a day; None where none is listed. UnknownName for a model not held."""
    return _held(provider, model, overrides).batch


def priority(provider: str, model: str, overrides: Overrides | None = None) -> TokenPrice | None:
    """The price of faster service; None where none is listed. UnknownName for a model not held."""
    return _held(provider, model, overrides).priority


def long(provider: str, model: str, overrides: Overrides | None = None) -> LongContext | None:
    """The price of long prompts; None where none is listed. UnknownName for a model not held."""
    return _held(provider, model, overrides).price.long_context


def open_model_prices(
    model: str, on: date, *, overrides: Overrides | None = None, catalog: Overrides | None = None
) -> list[ApiOffer]:
    """Everyone known to sell this open model by the token on this day, cheapest input plus output first.

    Both sources are asked and both are listed, so the same seller may appear twice with two prices. Prices of
    the frozen table count from its date on. `catalog` holds a user's own models. Imports genai-prices.
    Raises UnknownName for a model the catalog does not hold.
    """
    from baseload.catalog.published import published_models

    name = open_model(model, catalog).name
    offers = set(published_models(lambda sold_as: same_model(sold_as, name), on))
    for row in (_shipped() if overrides is None else _load(overrides)).values():
        if row.price.as_of <= on.isoformat() and same_model(row.model, name):
            offers.add(ApiOffer(_seller(row.channel), row.model, row.price))
    return sorted(
        offers, key=lambda offer: (offer.price.input + offer.price.output, offer.provider, offer.model)
    )


def same_model(sold_as: str, name: str) -> bool:
    """Whether a seller's model id is this open model, whatever the seller adds to the name.

    `meta-llama/Llama-3.3-70B-Instruct-Turbo`, `accounts/fireworks/models/llama-v3p3-70b-instruct` and
    `meta.llama3-3-70b-instruct-v1:0` are llama-3.3-70b; fine-tunes and later releases are not.
    """
    return sold_as not in _OTHERS and _stem(sold_as) == _stem(name)


_OTHERS = frozenset({"deepseek.v3-v1:0"})
"""Ids that read like a model they are not: Bedrock's revision 1 of "v3" is DeepSeek-V3.1."""

_FINISH = frozenset({"instruct", "it", "chat", "hf", "basic", "lite", "tee"})
_SPEED = frozenset({"turbo", "versatile", "specdec", "fp8", "fast", "maas", "tput"})
_WHERE = frozenset({"us", "eu", "apac", "global"})
_MAKER = frozenset({"meta", "databricks", "openai", "open", "mistral", "qwen"})
_SIZE = frozenset({"17b", "16e", "128e", "32768"})
_VARIANTS = _FINISH | _SPEED | _WHERE | _MAKER | _SIZE
"""Parts of a seller's id that do not change which weights are served."""


@cache
def _stem(model: str) -> tuple[str, ...]:
    name = model.casefold().rpartition("/")[2]
    name = re.sub(r"(-v?\d+)?:\d+$|-v0\.1$", "", name)  # a cloud's revision, Mistral's first release
    name = re.sub(r"\b(v|qwen)?(\d)p(\d)", r"\1-\2-\3", name).replace("-v-", "-")
    name = re.sub(r"(llama|qwen)(?=\d)", r"\1-", name)
    parts = [part for part in re.split(r"[^a-z0-9]+", name) if part]
    family = parts.index("qwen") if "qwen" in parts else len(parts)
    return tuple(part for at, part in enumerate(parts) if at == family or part not in _VARIANTS)


def _seller(channel: str) -> str:
    return next((each.name for each in providers() if channel in each.litellm), channel)


def _held(provider: str, model: str, overrides: Overrides | None) -> ListedPrice:
    row = listed(provider, model, overrides)
    if row is None:
        rows = _shipped() if overrides is None else _load(overrides)
        raise UnknownName("listed price", f"{provider}/{model}", (f"{_seller(c)}/{m}" for c, m in rows))
    return row


@cache
def _shipped() -> dict[tuple[str, str], ListedPrice]:
    return _load(None)


def _load(overrides: Overrides | None) -> dict[tuple[str, str], ListedPrice]:
    rows = (parsed(_listed, row, TABLE, "price") for row in merge(shipped(TABLE), overrides, "price"))
    return {(row.channel, row.model): row for row in rows}


def _listed(row: Row) -> ListedPrice:
    channel, _, model = row["price"].partition("/")
    long_context = None
    if row["long_above_tokens"]:
        above, long_input, long_output = (row[f"long_{part}"] for part in ("above_tokens", "input", "output"))
        long_context = LongContext(int(above), nano(long_input), nano(long_output))
    plain = _price(row, "", long_context)
    if plain is None:
        raise ValueError("no price")
    return ListedPrice(channel, model, plain, _price(row, "batch_"), _price(row, "priority_"), row["page"])


def _price(row: Row, mode: str, long_context: LongContext | None = None) -> TokenPrice | None:
    if not row[f"{mode}input"] or not row[f"{mode}output"]:
        return None
    return TokenPrice(
        input=nano(row[f"{mode}input"]),
        output=nano(row[f"{mode}output"]),
        cached_input=nano(row["cached_input"]) if row["cached_input"] and not mode else None,
        cache_write=nano(row["cache_write"]) if row["cache_write"] and not mode else None,
        long_context=long_context,
        source=row["source"],
        as_of=row["as_of"],
    )
