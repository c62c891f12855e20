"""The token lines of what is bought, for arrays of draws × months."""

from __future__ import annotations

import numpy as np

from baseload.core import LongContext, TokenPrice
from baseload.errors import UsageError
from baseload.money import MILLION, NANO
from baseload.plan.costs import DAYS_PER_MONTH, HOURS_PER_MONTH, SECONDS_PER_DAY, Floats, Mix, Spare
from baseload.plan.costs import usd_per_million as at_mix
from baseload.plan.model import Inputs, Metered, Role
from baseload.plan.sizing import Room, served, worth_owning
from baseload.plan.world import World

Lines = dict[str, Floats]


def token_lines(inputs: Inputs, metered: Metered, world: World, share: Floats, alone: Floats) -> Lines:
    """What this share of each month's tokens costs bought, by line.

    `alone` is 1 where nothing is owned: then deferrable tokens get batch prices and the base may be
    provisioned; beside owned replicas only the peaks are bought, which cannot wait. Provisioned units and
    committed spend are a contract with one provider: the first API.
    """
    provisioned: Lines = {}
    contract = under_contract(inputs, metered)
    if contract and world.known("api.provisioned_usd_per_unit_hour") and np.any(alone):
        if not world.known("api.provisioned_tokens_per_minute"):
            raise UsageError(
                "provisioned units have a price, and nothing says what one serves",
                hint="state it: --set api.provisioned_tokens_per_minute=…",
            )
        provisioned, part = _provisioned(inputs, metered, world, alone)
        share = share * (1.0 - part)
    millions = inputs.tokens_per_day * DAYS_PER_MONTH / MILLION * world.volume * world.api_price * share
    units = _unit_lines(inputs, metered, world)
    lines = {name: millions * usd if np.any(usd) else np.zeros(()) for name, usd in units.items()}
    if np.any(alone):
        off = alone * world["traffic.deferrable_share"] * world["api.batch_discount"]
        lines["batch"] = -off * (lines["input"] + lines["output"] + lines["reasoning"])
    subtotal = _sum(lines)
    uplift = world["api.regional_uplift"]
    lines["regional_uplift"] = subtotal * uplift if np.any(uplift) else np.zeros(())
    lines["retries"] = (subtotal + lines["regional_uplift"]) * world["api.retry_share"]
    lines |= provisioned
    discount, promised = world["api.commitment_discount"], world["api.commitment_usd_per_month"]
    if contract and (np.any(discount) or np.any(promised)):
        spent = _sum(lines)
        lines["commitment"] = np.maximum(spent * (1.0 - discount), promised) - spent
    return lines


def under_contract(inputs: Inputs, metered: Metered) -> bool:
    """Whether what is promised to a provider, and what it promises, belongs to this API: the first named."""
    return metered.name == inputs.metered[0].name


def unit_usd_per_million(inputs: Inputs, metered: Metered, world: World) -> Floats:
    """What a million tokens of this traffic cost there today, ratios, tiers and retries included."""
    plain = _sum(_unit_lines(inputs, metered, world))
    uplift = 1.0 + world["api.regional_uplift"]
    discount = world["api.commitment_discount"] if under_contract(inputs, metered) else np.zeros(())
    return plain * uplift * (1.0 + world["api.retry_share"]) * (1.0 - discount)


def _unit_lines(inputs: Inputs, metered: Metered, world: World) -> Lines:
    """Dollars per million tokens of the traffic, as the owned model counts them, by line."""
    mix = inputs.mix
    p_in, p_cached, p_write, p_out, long_context = _prices(metered, mix, world)
    other = metered.role is Role.FRONTIER
    count = world["api.tokenizer_ratio"] if other else np.ones(())
    length = count * world["api.verbosity_ratio"] if other else count
    fresh = (1.0 - mix.output_share) * (1.0 - mix.cached_share) * count
    written = world["api.cache_write_share"]
    output = mix.output_share * length * p_out
    return {
        "input": fresh * (1.0 - written) * p_in,
        "cached_read": (1.0 - mix.output_share) * mix.cached_share * count * p_cached,
        "cache_write": fresh * written * p_write,
        "output": output,
        "reasoning": output * (world["api.reasoning_per_output"] if other else 0.0),
        "long_context": long_context * count,
    }


def _prices(metered: Metered, mix: Mix, world: World) -> tuple[float, float, float, float, Floats]:
    """Input, cached, written and output price in $/M, and what long inputs add to a million tokens."""
    price, flat = metered.price, metered.usd_per_million
    if price is None:
        return flat, flat, flat, flat, np.zeros(())
    p_cached = price.input if price.cached_input is None else price.cached_input
    p_write = price.input if price.cache_write is None else price.cache_write
    base = at_mix(price, mix)
    added = np.asarray(flat - base)
    if abs(flat - base) < 1e-9 * max(flat, 1.0):
        tier = price.long_context
        share = world["api.long_context_share"]
        added = np.zeros(()) if tier is None else share * (_tier_at_mix(tier, mix) - base)
    return price.input / NANO, p_cached / NANO, p_write / NANO, price.output / NANO, added


def _tier_at_mix(tier: LongContext, mix: Mix) -> float:
    p_cached = tier.input if tier.cached_input is None else tier.cached_input
    return at_mix(TokenPrice(tier.input, tier.output, cached_input=p_cached), mix)


def _provisioned(inputs: Inputs, metered: Metered, world: World, alone: Floats) -> tuple[Lines, Floats]:
    """Provisioned units by the newsvendor's test, and the share of the tokens they serve; overflow is bought.

    Sold in increments from a minimum on; a unit's price follows token prices.
    """
    increment = world["api.provisioned_increment_units"]
    usd = world["api.provisioned_usd_per_unit_hour"] * increment * HOURS_PER_MONTH
    serves = world["api.provisioned_tokens_per_minute"] * increment / 60.0
    rooms = serves / (inputs.tokens_per_day * world.volume / SECONDS_PER_DAY)
    paid = inputs.tokens_per_day * DAYS_PER_MONTH / MILLION * world.volume
    paid = paid * unit_usd_per_million(inputs, metered, world)
    room = Room(rooms, rooms, Spare.NONE)
    least = np.ceil(world["api.provisioned_minimum_units"] / increment)
    counts = np.maximum(worth_owning(inputs.curve, room, usd / np.maximum(paid, 1e-9)), least)
    share = served(inputs.curve, counts * rooms)
    worth = (alone > 0) & (share * paid > counts * usd)
    counts, share = np.where(worth, counts, 0.0), np.where(worth, share, 0.0)
    return {"provisioned": counts * usd * world.api_price}, share


def _sum(lines: Lines) -> Floats:
    return np.asarray(sum(lines.values(), np.zeros(())))
