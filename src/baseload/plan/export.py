"""The plan as plain data: what `baseload plan --json` prints. docs/plan.md documents every key."""

from __future__ import annotations

from typing import Any

from baseload.plan.bands import volume_bands
from baseload.plan.billed import bill_dict
from baseload.plan.export_advice import advice_dict, portfolio_dict
from baseload.plan.export_tco import (
    assumptions_dict,
    bands_dict,
    layers_dict,
    load_dict,
    risk_dict,
    spare_dict,
    tco_dict,
)
from baseload.plan.frontier import frontier, use_cost
from baseload.plan.layers import layered
from baseload.plan.model import BreakEven, Fact, Inputs, Option, Plan, WhatIf
from baseload.plan.sizing_words import sizing_dict
from baseload.plan.spares import spare_prices

JSON_VERSION = 1
"""Grows when a key changes its meaning or goes away; new keys do not count."""


def plan_dict(plan: Plan) -> dict[str, Any]:
    """The plan's numbers and words. Dollars are rounded to cents, prices and shares to six places."""
    inputs = plan.inputs
    return {
        "version": JSON_VERSION,
        "answer": plan.answer,
        "verdicts": list(plan.told),
        "cheapest": plan.cheapest.name,
        "tokens_per_day": _tokens(inputs.tokens_per_day),
        "output_share": round(inputs.mix.output_share, 6),
        "cached_share": round(inputs.mix.cached_share, 6),
        "peak_over_mean": round(inputs.curve.peak, 6),
        "model": inputs.model,
        "replica": _replica(inputs),
        "options": [_option(option) for option in plan.options],
        "break_even": [_break_even(plan, found) for found in plan.break_even],
        "what_if": [_what_if(each) for each in plan.what_if],
        "assumptions": [_fact(fact) for fact in inputs.facts],
        "load": load_dict(inputs),
        "spares": [spare_dict(each) for each in spare_prices(inputs)],
        "layers": [layers_dict(each) for each in layered(inputs)],
        "tco": tco_dict(plan.tco),
        "risk": risk_dict(plan.risk),
        "break_even_bands": bands_dict(volume_bands(inputs)),
        "frontier": _frontier(inputs),
        "cost_by_use": [
            {
                "use": each.use,
                "reservation_usd_per_million": round(each.reservation_usd_per_million, 6),
                "usage_usd_per_million": round(each.usage_usd_per_million, 6),
            }
            for each in use_cost(inputs)
        ],
        "advice": advice_dict(plan.advice),
        "answers": inputs.answers.to_dict(),
        "portfolio": None if plan.portfolio is None else portfolio_dict(plan.portfolio),
        "economics": assumptions_dict(inputs.assumptions),
        "sizing": sizing_dict(inputs),
        "bill": bill_dict(inputs.billed),
    }


def option_parts(plan: Plan, option: Option) -> tuple[float, float, float]:
    """An option's month by what the money is for: replicas with their spare, people, tokens bought."""
    fleet = plan.inputs.fleet
    replicas_usd = (option.replicas + option.spare_replicas) * fleet.replica_month_usd
    people_usd = fleet.team_usd_per_month if option.replicas else 0.0
    return replicas_usd, people_usd, max(option.usd_per_month - replicas_usd - people_usd, 0.0)


def _what_if(each: WhatIf) -> dict[str, Any]:
    return {
        "change": each.change,
        "cheapest": each.cheapest,
        "usd_per_month": _usd(each.usd_per_month),
        "flips": each.flips,
    }


def _fact(fact: Fact) -> dict[str, Any]:
    return {
        "name": fact.name,
        "value": fact.value,
        "source": fact.source,
        "as_of": fact.as_of or None,
        "assumed": fact.assumed,
    }


def _frontier(inputs: Inputs) -> dict[str, Any] | None:
    found = frontier(inputs)
    if found is None:
        return None
    return {
        "error": round(found.error, 6),
        "source": found.source,
        "within_slo_concurrency": None if found.within is None else found.within.concurrency,
        "points": [
            {
                "concurrency": at.concurrency,
                "ttft_s": round(at.ttft_s, 6),
                "tpot_s": round(at.tpot_s, 6),
                "tokens_per_s": round(at.tokens_per_s, 3),
            }
            for at in found.points
        ],
    }


def _replica(inputs: Inputs) -> dict[str, Any]:
    fleet = inputs.fleet
    return {
        "name": inputs.replica,
        "usd_per_month": _usd(fleet.replica_month_usd),
        "throughput_tokens_per_s": round(fleet.throughput_tokens_per_s, 3),
        "usable": fleet.usable,
        "spare": fleet.spare.value,
        "team_usd_per_month": _usd(fleet.team_usd_per_month),
        "usd_per_million_at_full_use": round(fleet.floor_usd_per_million(1.0), 6),
        "usd_per_million_at_usable": round(fleet.floor_usd_per_million(fleet.usable), 6),
    }


def _option(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "kind": option.kind.value,
        "usd_per_month": _usd(option.usd_per_month),
        "usd_per_million": round(option.usd_per_million, 6),
        "replicas": option.replicas,
        "spare_replicas": option.spare_replicas,
        "owned_tokens_share": round(option.owned_tokens_share, 6),
        "use": round(option.use, 6),
        "spill_usd_per_month": _usd(option.spill_usd_per_month),
        "metered": option.metered,
    }


def _break_even(plan: Plan, found: BreakEven) -> dict[str, Any]:
    fleet = plan.inputs.fleet
    one, hybrid_from = found.one_replica, found.hybrid_from_tokens_per_day
    return {
        "against": found.against.name,
        "usd_per_million": round(found.against.usd_per_million, 6),
        "never": found.never,
        "crossings": [
            {
                "tokens_per_day": _tokens(crossing.tokens_per_day),
                "cheaper_above": crossing.cheaper_above.value,
                "replicas": crossing.replicas,
            }
            for crossing in found.crossings
        ],
        "one_replica": {
            "tokens_per_day": _tokens(one.tokens_per_day),
            "full_at_tokens_per_day": _tokens(one.full_at_tokens_per_day),
            "pays": one.pays,
        },
        "hybrid_from_tokens_per_day": None if hybrid_from is None else _tokens(hybrid_from),
        "owned_usd_per_million_at_full_use": round(fleet.floor_usd_per_million(1.0), 6),
        "owned_usd_per_million_at_usable": round(fleet.floor_usd_per_million(fleet.usable), 6),
        "words": found.words,
    }


def _usd(amount: float) -> float:
    return round(amount, 2)


def _tokens(count: float) -> int | None:
    """Whole tokens; None for what no volume reaches."""
    return round(count) if count < float("inf") else None
