"""How a plan's replicas were sized, for how long they do, and what is on offer: in words and as data."""

from __future__ import annotations

import math
from typing import Any

from baseload.plan import words
from baseload.plan.costs import SECONDS_PER_DAY
from baseload.plan.model import Inputs
from baseload.plan.offer_search import Kept, Searched
from baseload.plan.question import SizeBy

DAYS_PER_YEAR = 365
MOST_OFFERS = 5
"""Offers shown; the JSON has them all."""


def owning_everything(inputs: Inputs) -> int:
    """Replicas that hold the busiest window, the spare left out."""
    return inputs.fleet.needed(inputs.tokens_per_day / SECONDS_PER_DAY * inputs.curve.peak)


def growth_per_year(inputs: Inputs) -> float:
    """Growth of the volume as the plan has it."""
    return inputs.assumptions.number("traffic.growth_per_year")


def run_out_days(inputs: Inputs) -> float | None:
    """In how many days the busiest window outgrows the replicas of owning everything; None for never.

    days = 365·ln(room(n)/busiest window)/ln(1 + growth a year).
    """
    growth = growth_per_year(inputs)
    if growth <= 0:
        return None
    busiest = inputs.tokens_per_day / SECONDS_PER_DAY * inputs.curve.peak
    room = inputs.fleet.room_tokens_per_s(owning_everything(inputs))
    return max(0.0, DAYS_PER_YEAR * math.log(room / busiest) / math.log1p(growth))


def sizing_lines(inputs: Inputs) -> list[str]:
    """What was simulated, the day the replicas run out, the cheapest offers; nothing of a plan without
    any."""
    said = [sized_words(inputs), run_out_words(inputs)]
    lines = [line for line in said if line]
    if inputs.sized is not None:
        rooms = "; ".join(f"{room.replicas}: {room.each:,.0f} tokens/s each" for room in inputs.sized.rooms)
        lines[0] = f"{lines[0].removesuffix('.')}: {rooms}."
    if inputs.searched is not None:
        lines += _search_lines(inputs.searched)
    return lines


def sized_words(inputs: Inputs) -> str:
    """The promise replicas were sized by; "" where they were not simulated."""
    sized = inputs.sized
    return "" if sized is None else f"Sized by simulation to keep {words.slo_words(sized.slo, sized.share)}."


def run_out_words(inputs: Inputs) -> str:
    """How long the replicas of owning everything hold; "" without growth."""
    if (days := run_out_days(inputs)) is None:
        return ""
    n, growth = owning_everything(inputs), words.percent(growth_per_year(inputs))
    return (
        f"At {growth} growth a year owning everything on {words.replicas(n, 0)} holds the busiest "
        f"window for {days:,.0f} days; a hybrid buys more from then on."
    )


def search_words(searched: Searched) -> list[str]:
    """What keeps the promise with nothing bought: the plan's replica, for how long, how many ways."""
    promise = words.slo_words(searched.promise.slo, searched.promise.share)
    if searched.own is None:
        lines = [f"No number of the plan's replicas keeps {promise} on this traffic alone."]
    else:
        lines = [f"To keep {promise} on this traffic alone it takes {_kept(searched.own)}."]
        if (less := searched.own.one_less) is not None:
            lines.append(f"One less: TTFT {less[0]:.2f} s, TPOT {less[1] * 1000:.0f} ms.")
        if searched.runs_out_days is not None:
            growth = words.percent(searched.growth_per_year)
            lines.append(
                f"At {growth} growth a year they keep it for {searched.runs_out_days:,.0f} days, simulated."
            )
    if not searched.offers:
        return [*lines, f"None of {searched.tried} offers keeps it."]
    return [*lines, f"Cheapest of {searched.tried} ways to rent GPUs that keep it, by the hour:"]


def _search_lines(searched: Searched) -> list[str]:
    lines = search_words(searched)
    for offer in searched.offers[:MOST_OFFERS]:
        trust = f"step times ±{offer.error * 100:.0f}%; {offer.source}, {offer.as_of}"
        lines.append(f"- {_kept(offer)} ({trust})")
    return [*lines, f"Start each with: {searched.offers[0].launch}"] if searched.offers else lines


def _kept(kept: Kept) -> str:
    return (
        f"{kept.replicas} x {kept.name}, {words.usd(kept.usd_per_hour)} an hour, "
        f"{words.usd(kept.usd_per_month)} a month: TTFT {kept.ttft_s:.2f} s, TPOT {kept.tpot_s * 1000:.0f} ms"
    )


def sizing_dict(inputs: Inputs) -> dict[str, Any]:
    """The same as plain data; docs/plan.md names the keys."""
    sized, days = inputs.sized, run_out_days(inputs)
    return {
        "by": (SizeBy.USABLE if sized is None else SizeBy.SLO).value,
        "share": None if sized is None else sized.share,
        "slo_ttft_s": None if sized is None else sized.slo.ttft_s,
        "slo_tpot_s": None if sized is None else sized.slo.tpot_s,
        "tokens_per_s": round(inputs.fleet.usable_tokens_per_s, 3),
        "at_replicas": None if sized is None else sized.replicas,
        "rooms": [
            {"replicas": room.replicas, "tokens_per_s": round(room.tokens_per_s, 3)}
            for room in (() if sized is None else sized.rooms)
        ],
        "owned_replicas": owning_everything(inputs),
        "growth_per_year": growth_per_year(inputs),
        "runs_out_days": None if days is None else round(days, 1),
        "search": None if inputs.searched is None else _search_dict(inputs.searched),
    }


def _search_dict(searched: Searched) -> dict[str, Any]:
    days = searched.runs_out_days
    return {
        "share": searched.promise.share,
        "slo_ttft_s": searched.promise.slo.ttft_s,
        "slo_tpot_s": searched.promise.slo.tpot_s,
        "own": None if searched.own is None else _kept_dict(searched.own),
        "runs_out_days": None if days is None else round(days, 1),
        "tried": searched.tried,
        "offers": [_kept_dict(offer) for offer in searched.offers],
    }


def _kept_dict(kept: Kept) -> dict[str, Any]:
    ttft_s, tpot_s = kept.one_less or (None, None)
    return {
        "name": kept.name,
        "replicas": kept.replicas,
        "usd_per_hour": round(kept.usd_per_hour, 6),
        "usd_per_month": round(kept.usd_per_month, 2),
        "ttft_s": round(kept.ttft_s, 6),
        "tpot_s": round(kept.tpot_s, 6),
        "one_less_ttft_s": None if ttft_s is None else round(ttft_s, 6),
        "one_less_tpot_s": None if tpot_s is None else round(tpot_s, 6),
        "error": round(kept.error, 6),
        "source": kept.source or None,
        "as_of": kept.as_of or None,
        "launch": kept.launch,
    }
