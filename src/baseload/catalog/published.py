"""One published price at a time: the only module that imports genai-prices, which is heavy to import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version

from genai_prices import types
from genai_prices.data_snapshot import get_snapshot
from msgspec import structs

from baseload.catalog.prices import ApiOffer, listed
from baseload.catalog.providers import provider, providers
from baseload.catalog.tiers import with_tiers
from baseload.core import LongContext, TokenPrice
from baseload.money import nano

_Rate = Decimal | types.TieredPrices


def published_price(provider_name: str, model: str, on: date) -> TokenPrice | None:
    """What this provider asked for this model's tokens on this day (UTC); None where that is not known.

    Where the price depends on the hour it is the dearest one, so that nothing is booked below its cost, and
    `source` says so. A model without a price for input has no price. What genai-prices lacks comes from the
    frozen table, for days from its date on: the whole price, or the long-context one where both sources
    agree on the rest. Service tiers: see `catalog.tiers`.
    """
    price = _published(provider_name, model, on)
    if price is None:
        return None
    known = provider(provider_name)
    name = provider_name if known is None else known.name
    if name == "google" and price.input_audio is None:  # its page names audio only where it costs more
        price = structs.replace(price, input_audio=price.input, cached_audio=price.cached_input)
    return with_tiers(price, name, model, on)


def _published(provider_name: str, model: str, on: date) -> TokenPrice | None:
    found = _find(provider_name, model)
    price = None if found is None else _price_of(found, on)
    row = listed(provider_name, model)
    if row is None or row.price.as_of > on.isoformat():
        return price
    if price is None:
        return row.price
    long_context = row.price.long_context
    agree = (price.input, price.output) == (row.price.input, row.price.output)
    if price.long_context is None and long_context is not None and agree:
        source = f"{price.source}; long context: {row.price.source} of {row.price.as_of}"
        return structs.replace(price, long_context=long_context, source=source)
    return price


def _price_of(found: types.ModelInfo, on: date) -> TokenPrice | None:
    source = f"genai-prices {version('genai-prices')}"
    by_hour = _prices_of_day(found, on)
    priced = [price for price in by_hour if price.input_mtok is not None]
    if not priced:
        return None
    dearest = max(priced, key=_weight)
    if any(price != dearest for price in by_hour):
        source += " (dearest hour of the day)"
    return _token_price(dearest, source, on)


def published_models(wanted: Callable[[str], bool], on: date) -> Iterator[ApiOffer]:
    """Every wanted model genai-prices holds, by id, with its price on this day; those without one left out.

    Its providers go by our name where we have one.
    """
    ours = {each.genai_prices: each.name for each in providers() if each.genai_prices}
    for seller in get_snapshot().providers:
        for model in seller.models:
            price = _price_of(model, on) if wanted(model.id) else None
            if price is not None:
                yield ApiOffer(ours.get(seller.id, seller.id), model.id, price)


def model_ids(provider_name: str) -> tuple[str, ...]:
    """The ids of the models genai-prices holds of this provider, priced or not."""
    known = provider(provider_name)
    genai_id = provider_name if known is None else known.genai_prices
    sellers = (seller for seller in get_snapshot().providers if seller.id == genai_id)
    return tuple(model.id for seller in sellers for model in seller.models)


def _find(provider_name: str, model: str) -> types.ModelInfo | None:
    known = provider(provider_name)
    genai_id = provider_name if known is None else known.genai_prices
    if not genai_id:
        return None
    try:
        return get_snapshot().find_provider_model(model, None, genai_id, None)[1]
    except LookupError:
        return None


def _prices_of_day(model: types.ModelInfo, on: date) -> list[types.ModelPrice]:
    if isinstance(model.prices, types.ModelPrice):
        return [model.prices]
    midnight = datetime.combine(on, time(), UTC)
    return [model.get_prices(midnight + timedelta(minutes=30 * half)) for half in range(48)]


def _weight(price: types.ModelPrice) -> Decimal:
    return _base(price.input_mtok) + _base(price.output_mtok)


def _token_price(price: types.ModelPrice, source: str, on: date) -> TokenPrice:
    starts = [
        rate.tiers[0].start
        for rate in (price.input_mtok, price.output_mtok, price.cache_read_mtok, price.cache_write_mtok)
        if isinstance(rate, types.TieredPrices) and rate.tiers
    ]
    hour = _named(price, "cache_write_1h_mtok")
    long_context = None
    if starts:
        long_context = LongContext(
            above=min(starts),
            input=nano(_top(price.input_mtok)),
            output=nano(_top(price.output_mtok)),
            cached_input=None if price.cache_read_mtok is None else nano(_top(price.cache_read_mtok)),
            cache_write=None if price.cache_write_mtok is None else nano(_top(price.cache_write_mtok)),
            cache_write_1h=None if hour is None else nano(_top(hour)),
        )
    return TokenPrice(
        input=nano(_base(price.input_mtok)),
        output=nano(_base(price.output_mtok)),
        cached_input=None if price.cache_read_mtok is None else nano(_base(price.cache_read_mtok)),
        cache_write=None if price.cache_write_mtok is None else nano(_base(price.cache_write_mtok)),
        long_context=long_context,
        source=source,
        as_of=on.isoformat(),
        cache_write_1h=None if hour is None else nano(_base(hour)),
        input_audio=_nano(price, "input_audio_mtok"),
        output_audio=_nano(price, "output_audio_mtok"),
        cached_audio=_nano(price, "cache_audio_read_mtok"),
        output_image=_nano(price, "output_image_mtok"),
        searches=_nano(price, "web_searches_kcount", per=1000),
    )


def _named(price: types.ModelPrice, name: str) -> _Rate | None:
    """A rate that genai-prices holds for some models only."""
    rate: _Rate | None = getattr(price, name, None)
    return rate


def _nano(price: types.ModelPrice, name: str, per: int = 1) -> int | None:
    """Such a rate in nano-dollars per million, its dearest tier; None where the model has none."""
    rate = _named(price, name)
    return None if rate is None else nano(_top(rate)) * per


def _base(rate: _Rate | None) -> Decimal:
    """The price below every tier; a model without output tokens (embeddings) has no output price: 0."""
    if rate is None:
        return Decimal(0)
    return rate.base if isinstance(rate, types.TieredPrices) else rate


def _top(rate: _Rate | None) -> Decimal:
    """The price above the last tier: where there are several, no long request is booked below its cost."""
    return rate.tiers[-1].price if isinstance(rate, types.TieredPrices) and rate.tiers else _base(rate)
