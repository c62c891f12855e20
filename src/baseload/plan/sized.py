"""The SLO search asked of one owned target of a configuration: how many, for how long, or what instead."""

from __future__ import annotations

from msgspec import Struct

from baseload.catalog.models import open_model
from baseload.core import Side, Slo
from baseload.errors import UnknownName
from baseload.money import NANO
from baseload.plan import words
from baseload.plan.promise import Promise
from baseload.plan.scenario import Scenario
from baseload.plan.slo_search import (
    Found,
    candidates_of,
    cheapest,
    fewest_replicas,
    runs_out_days,
)
from baseload.traffic.table import Traffic


class Offer(Struct, frozen=True):
    """Replicas of another kind that keep the promise too, at the lowest hourly cost that was found."""

    name: str
    replicas: int
    usd_per_hour: float
    error: float
    """Half-width of the 80% interval of its step times."""

    source: str
    as_of: str


class Sized(Struct, frozen=True):
    """How many replicas like this target keep the promise alone, with nothing bought.

    `replicas` None: no number does. `seen` and `with_one_less` are (TTFT, TPOT) in seconds at the promised
    share, the latter None for one replica. `runs_out_days` is None without growth, or where it never does.
    `offer` is None where the catalog does not hold the model.
    """

    target: str
    share: float
    slo: Slo
    replicas: int | None
    seen: tuple[float, float] | None = None
    with_one_less: tuple[float, float] | None = None
    usd_per_hour: float | None = None
    growth_per_month: float | None = None
    runs_out_days: float | None = None
    offer: Offer | None = None


def size(traffic: Traffic, scenario: Scenario, name: str, share: float, growth: float | None = None) -> Sized:
    """The SLO search for this owned target's step time, and for every offer of the catalog.

    The promise is the SLO of the first model that the target serves, at this share of requests. Raises
    UnknownName where no owned target has this name.
    """
    owned = {target.name: target for target in scenario.targets if target.side is Side.OWNED}
    if name not in owned:
        raise UnknownName("owned target", name, owned)
    target = owned[name]
    model = next(each for each in scenario.models if target in each.targets)
    assert target.step is not None  # a scenario has none without
    promise = Promise(model.slo, share)
    try:
        known = open_model(target.model or model.name)
    except UnknownName:
        found: tuple[Found, ...] = ()
    else:
        found = cheapest(traffic, candidates_of(known), promise)
    offer = _offer(found[0]) if found else None
    fewest = fewest_replicas(traffic, target.step, promise)
    if fewest is None:
        return Sized(name, share, model.slo, None, offer=offer)
    hourly = target.usd_nano_per_hour
    days = None
    if growth is not None:
        days = runs_out_days(traffic, target.step, fewest.replicas, promise, growth)
    less = fewest.with_one_less
    return Sized(
        name,
        share,
        model.slo,
        fewest.replicas,
        fewest.seen[:2],
        None if less is None else less[:2],
        None if hourly is None else hourly / NANO * fewest.replicas,
        growth,
        days,
        offer,
    )


def _offer(found: Found) -> Offer:
    candidate = found.candidate
    return Offer(
        candidate.name,
        found.fewest.replicas,
        found.usd_per_hour,
        candidate.step.error,
        candidate.source,
        candidate.as_of,
    )


def sentences(sized: Sized) -> list[str]:
    """The answer in words: the count and what one less would do, the day it ends, the cheapest offer."""
    slo = sized.slo
    promise = f"TTFT {slo.ttft_s:g} s and TPOT {slo.tpot_s * 1000:g} ms at p{sized.share * 100:g}"
    if sized.replicas is None:
        lines = [f"No number of {sized.target} keeps {promise}: a request alone would break it."]
    else:
        assert sized.seen is not None
        cost = "" if sized.usd_per_hour is None else f" for {words.usd(sized.usd_per_hour)} an hour"
        lines = [f"{sized.replicas} of {sized.target} keep {promise} alone{cost}: {_at(sized.seen)}."]
        if sized.with_one_less is not None:
            lines.append(f"One less: {_at(sized.with_one_less)}.")
        if sized.growth_per_month is not None:
            growth = f"{words.percent(sized.growth_per_month)} growth a month"
            ends = (
                "never run out"
                if sized.runs_out_days is None
                else f"run out in {sized.runs_out_days:.0f} days"
            )
            lines.append(f"At {growth} they {ends}.")
    if sized.offer is not None:
        offer = sized.offer
        cost = f"{words.usd(offer.usd_per_hour)} an hour"
        trust = f"step times ±{offer.error * 100:.0f}%; {offer.source}, {offer.as_of}"
        lines.append(f"Cheapest offer that keeps it: {offer.replicas} x {offer.name}, {cost} ({trust}).")
    return lines


def sized_dict(sized: Sized) -> dict[str, object]:
    """The same as plain data; docs/simulator.md names the keys."""
    offer = sized.offer
    return {
        "target": sized.target,
        "share": sized.share,
        "slo_ttft_s": sized.slo.ttft_s,
        "slo_tpot_s": sized.slo.tpot_s,
        "replicas": sized.replicas,
        "usd_per_hour": sized.usd_per_hour,
        **_pair("", sized.seen),
        **_pair("one_less_", sized.with_one_less),
        "growth_per_month": sized.growth_per_month,
        "runs_out_days": None if sized.runs_out_days is None else round(sized.runs_out_days, 1),
        "offer": None
        if offer is None
        else {
            "name": offer.name,
            "replicas": offer.replicas,
            "usd_per_hour": round(offer.usd_per_hour, 6),
            "error": offer.error,
            "source": offer.source,
            "as_of": offer.as_of,
        },
    }


def _pair(prefix: str, seen: tuple[float, float] | None) -> dict[str, float | None]:
    ttft_s, tpot_s = (None, None) if seen is None else (round(each, 6) for each in seen)
    return {f"{prefix}ttft_s": ttft_s, f"{prefix}tpot_s": tpot_s}


def _at(seen: tuple[float, float]) -> str:
    return f"TTFT {seen[0]:.2f} s, TPOT {seen[1] * 1000:.0f} ms"
