"""Prices of a plan's two sides, each with its source: tokens of the APIs, hours of the GPUs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from baseload.catalog.gpus import Gpu
from baseload.catalog.models import OpenModel
from baseload.catalog.offers import GpuOffer, gpu_offers
from baseload.catalog.prices import ApiOffer, open_model_prices
from baseload.catalog.providers import provider, providers
from baseload.catalog.rates import compile_rates, pair_key
from baseload.core import TokenPrice
from baseload.errors import UnknownName, UsageError
from baseload.money import NANO, nano
from baseload.plan import words
from baseload.plan.costs import Mix, usd_per_million, usd_per_million_of
from baseload.plan.facts import Facts
from baseload.plan.model import ASSUMED, GIVEN, Metered, Role
from baseload.plan.question import Question
from baseload.traffic.table import Traffic

DEFAULT_API = "gpt-4o"

FIRST_PARTY = ("openai", "anthropic", "google", "mistral", "deepseek", "x-ai", "cohere")
"""Whose price a bare model name means, before that of those who resell it."""

MARKETPLACE = "huggingface_"
"""Prefix of sellers that genai-prices knows through Hugging Face."""


@dataclass(frozen=True, slots=True)
class Market:
    """What a price is asked for: the mix of tokens, the very requests where they are known, and the day."""

    mix: Mix
    requests: Traffic | None
    on: date

    def usd_per_million(self, price: TokenPrice) -> float:
        """Dollars per million tokens of this traffic; where its requests are known, each at its own tier."""
        if self.requests is None:
            return usd_per_million(price, self.mix)
        table = self.requests
        return usd_per_million_of(price, table.input_tokens, table.cached_tokens, table.output_tokens)


def frontier(question: Question, market: Market, facts: Facts) -> tuple[Metered, ...]:
    """The APIs named in the question, or the default one where it names none."""
    names = question.api or (DEFAULT_API,)
    found = []
    for position, name in enumerate(names):
        if question.api_price is not None and position == 0:
            price = TokenPrice(nano(question.api_price[0]), nano(question.api_price[1]), source=GIVEN)
            head, slash, rest = name.partition("/")
            offer = ApiOffer(head if slash else "", rest or name, price)
        else:
            offer = named_offer(name, market.on)
            price = offer.price
        usd = market.usd_per_million(price)
        metered = Metered(name, Role.FRONTIER, usd, price, offer.provider, offer.model)
        value = f"{_in_out(price)}, {words.usd_per_million(metered.usd_per_million)} at this mix"
        facts.note(f"price of {name}", value, price.source, price.as_of)
        found.append(metered)
    if not question.api:
        facts.note("API compared with", DEFAULT_API, ASSUMED)
    return tuple(found)


def open_api(
    question: Question, model: OpenModel | None, name: str, market: Market, facts: Facts
) -> tuple[Metered, ...]:
    """The model that would be owned, as an API: the price given, else the median of its sellers; or none."""
    label = f"{name} API"
    if question.open_api_price is not None:
        usd = question.open_api_price
        facts.note(f"price of {label}", f"{words.usd_per_million(usd)} whichever way", GIVEN)
        return (Metered(label, Role.OPEN, usd),)
    if not question.open_api:
        return ()
    sold = [] if model is None else sellers(model, market)
    if not sold:
        facts.note(f"price of {label}", "nobody is known to sell it; give --open-api-price", "catalog")
        return ()
    usd, seller, price = sold[(len(sold) - 1) // 2]
    every = ", ".join(f"{who} {words.usd_per_million(each)}" for each, who, _ in sold)
    value = f"{_in_out(price)} at {seller}, {words.usd_per_million(usd)} at this mix: the median of {every}"
    facts.note(f"price of {label}", value, price.source, price.as_of)
    return (Metered(label, Role.OPEN, usd, price, seller, _sold_as(name, seller, price, market.on)),)


def _sold_as(model: str, seller: str, price: TokenPrice, on: date) -> str:
    """The name under which this seller sells the open model at this price."""
    for offer in open_model_prices(model, on):
        known = provider(offer.provider.removeprefix(MARKETPLACE))
        if offer.price == price and seller in (
            known and known.name,
            offer.provider.removeprefix(MARKETPLACE),
        ):
            return offer.model
    return ""


def named_price(name: str, on: date) -> TokenPrice:
    """The price of `provider/model`, or of a bare model name at the firm that makes it.

    Raises UnknownName for what nobody known sells, with the nearest provider where one is named.
    """
    return named_offer(name, on).price


def named_offer(name: str, on: date) -> ApiOffer:
    """The same with who sells it under which name."""
    head, slash, rest = name.partition("/")
    named = provider(head) if slash else None
    if named is not None:
        price = compile_rates([(named.name, rest)], on).price(named.name, rest)
        if price is not None:
            return ApiOffer(named.name, rest, price)
    else:
        table = compile_rates([(each.name, name) for each in providers()], on)
        for who in (*FIRST_PARTY, *(each.name for each in providers())):
            price = table.price(who, name)
            if price is not None:
                return ApiOffer(who, name, price)
    raise UnknownName("API price", name, _priced_names(name, on))


def _priced_names(name: str, on: date) -> list[str]:
    """Names with a price, written as this one is: with their seller, or bare where their maker sells them."""
    from baseload.catalog.published import published_models

    offers = list(published_models(lambda _: True, on))
    if "/" in name:
        return [pair_key(each.provider, each.model) for each in offers]
    return [each.model for each in offers if each.provider in FIRST_PARTY]


def sellers(model: OpenModel, market: Market) -> list[tuple[float, str, TokenPrice]]:
    """Who sells this open model by the token: (dollars per million, seller, price), cheapest first.

    Each seller's cheapest price for this traffic counts; what a marketplace resells counts as its maker's.
    """
    best: dict[str, tuple[float, TokenPrice]] = {}
    for offer in open_model_prices(model.name, market.on):
        name = offer.provider.removeprefix(MARKETPLACE)
        known = provider(name)
        seller = name if known is None else known.name
        usd = market.usd_per_million(offer.price)
        if seller not in best or usd < best[seller][0]:
            best[seller] = usd, offer.price
    return sorted(((usd, seller, price) for seller, (usd, price) in best.items()), key=lambda each: each[:2])


def gpu_hour_usd(question: Question, gpu: Gpu | None, gpus: int, facts: Facts) -> float:
    """What an hour of one GPU costs: as given, else the median of the providers, all of them shown."""
    if question.usd_per_gpu_hour is not None:
        facts.note("GPU hour", f"{words.usd(question.usd_per_gpu_hour)} a GPU", GIVEN)
        return question.usd_per_gpu_hour
    offers = [] if gpu is None else _cheapest_by_provider(gpu_offers(gpu.name), gpus)
    if not offers:
        raise UsageError(f"no offer of {gpus} such GPUs in one machine is known", hint="give --gpu-hour")
    offer = offers[(len(offers) - 1) // 2]
    every = ", ".join(f"{each.provider} {words.usd(_gpu_usd(each))}" for each in offers)
    value = (
        f"{words.usd(_gpu_usd(offer))} a GPU at {offer.provider} ({offer.instance}): the median of {every}"
    )
    facts.note("GPU hour", value, f"{offer.source}, on demand", offer.as_of)
    return _gpu_usd(offer)


def _cheapest_by_provider(offers: Iterable[GpuOffer], gpus: int) -> list[GpuOffer]:
    """Each provider's cheapest machine that holds whole replicas of so many GPUs, cheapest first."""
    best: dict[str, GpuOffer] = {}
    for offer in offers:
        if offer.gpus % gpus:
            continue
        held = best.get(offer.provider)
        if held is None or _order(offer) < _order(held):
            best[offer.provider] = offer
    return sorted(best.values(), key=_order)


def _order(offer: GpuOffer) -> tuple[float, str, str]:
    return _gpu_usd(offer), offer.provider, offer.instance


def _gpu_usd(offer: GpuOffer) -> float:
    return offer.usd_nano_per_hour / NANO / offer.gpus


def _in_out(price: TokenPrice) -> str:
    return f"{words.usd_per_million(price.input / NANO)} in, {words.usd_per_million(price.output / NANO)} out"
