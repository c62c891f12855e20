"""Which replicas to reserve, buy, take on spot or on demand, which tokens to buy: one test, layer by layer.

Replica n serves what of the load lies between its own floor and ceiling. Its month costs
    reserved or bought   its price, whether it serves or not;
    on demand or spot    its price for the hours in which there is load above its floor, and its starts;
    metered              the tokens it would have served.
The cheapest of these takes the layer; hours and tokens fall with n, so fixed prices end up at the bottom and
metered ones on top, as the newsvendor's test has it for one price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baseload.plan.costs import HOURS_PER_MONTH, SECONDS_PER_DAY, Floats, metered_month_usd
from baseload.plan.model import Inputs, Metered
from baseload.plan.rented import NEEDS, Term, replica_month_usd
from baseload.plan.sizing import served
from baseload.plan.world import World, expected

Names = npt.NDArray[np.str_]

METERED = "metered"
MOST_LAYERS = 500
"""Replicas are taken in equal groups where there are more of them."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one way of paying carries: `replicas` of it (0 for metered), its month, its share of tokens."""

    term: str
    replicas: int
    usd_per_month: float
    tokens_share: float


@dataclass(frozen=True, slots=True)
class Layers:
    """The cheapest stack against one metered price, from the bottom up; spares and team are not in it.

    `on_demand_usd_per_month` is the same load with replicas paid around the clock on demand and the rest
    metered: what layering is worth is the difference. `left_out` names the terms nobody stated a price of.
    """

    against: str
    layers: tuple[Layer, ...]
    usd_per_month: float
    on_demand_usd_per_month: float
    left_out: tuple[str, ...]


def layered(inputs: Inputs) -> tuple[Layers, ...]:
    """The cheapest stack against each metered price, at today's volume and prices."""
    world = expected(inputs.assumptions)
    return tuple(_stack(inputs, metered, world) for metered in inputs.metered)


def _stack(inputs: Inputs, metered: Metered, world: World) -> Layers:
    fleet, mean = inputs.fleet, inputs.tokens_per_day / SECONDS_PER_DAY
    most = max(int(np.ceil(inputs.curve.peak * mean / fleet.usable_tokens_per_s)), 1)
    group = -(-most // MOST_LAYERS)
    count = -(-most // group)
    step = fleet.usable_tokens_per_s * group / mean
    shares = np.diff(served(inputs.curve, np.arange(count + 1, dtype=np.float64) * step))
    bought_usd = metered_month_usd(inputs.tokens_per_day, metered.usd_per_million) * shares
    hours = _hours(inputs, np.arange(count, dtype=np.float64) * step, world) / HOURS_PER_MONTH
    costs = {METERED: bought_usd}
    for term in Term:
        if all(world.known(name) for name in NEEDS[term]):
            usd = float(replica_month_usd(inputs, term, world).flat[0]) * group
            elastic = term in (Term.ON_DEMAND, Term.SPOT)
            costs[term.value] = usd * hours if elastic else np.full(count, usd)
    chosen = _cheapest(costs, float(world["gpu.spot_most_share"]))
    layers = [
        Layer(
            name,
            0 if name == METERED else int((chosen == name).sum()) * group,
            float(costs[name][chosen == name].sum()),
            float(shares[chosen == name].sum()),
        )
        for name in sorted(costs, key=lambda name: _middle(chosen, name))
        if (chosen == name).any()
    ]
    fixed = float(replica_month_usd(inputs, Term.ON_DEMAND, world).flat[0]) * group
    return Layers(
        metered.name,
        tuple(layers),
        sum(layer.usd_per_month for layer in layers),
        float(np.minimum(bought_usd, fixed).sum()),
        tuple(term.value for term in Term if term.value not in costs),
    )


def _hours(inputs: Inputs, floors: Floats, world: World) -> Floats:
    """Hours a month for which a replica with this floor runs, where it is stopped when it has nothing to do.

    Every start is paid for as long as it takes before it serves.
    """
    loads, windows = inputs.curve.by_time, len(inputs.curve.by_time)
    start_h = float(world["gpu.start_minutes"]) / 60.0
    months = inputs.curve.duration_s / 3600.0 / HOURS_PER_MONTH
    found = []
    for floor in floors:
        on = loads > floor
        starts = int((on[1:] & ~on[:-1]).sum()) + int(on[0] and not on[-1])
        found.append(on.sum() / windows * HOURS_PER_MONTH + starts * start_h / months)
    return np.asarray(np.minimum(np.array(found), float(HOURS_PER_MONTH)))


def _cheapest(costs: dict[str, Floats], spot_most_share: float) -> Names:
    """The cheapest way of each layer; spot takes at most its share of the replicas, where it saves most."""
    without = {name: usd for name, usd in costs.items() if name != Term.SPOT}
    table = np.stack(list(without.values()))
    chosen = [list(without)[row] for row in np.argmin(table, axis=0)]
    if Term.SPOT.value in costs:
        saving = table.min(axis=0) - costs[Term.SPOT.value]
        owned = sum(name != METERED or saves > 0 for name, saves in zip(chosen, saving, strict=True))
        for index in np.argsort(-saving, kind="stable")[: int(owned * spot_most_share)]:
            if saving[index] > 0:
                chosen[index] = Term.SPOT.value
    return np.array(chosen)


def _middle(chosen: Names, name: str) -> float:
    """Mean height of a way's layers, so that the stack is told from the bottom up."""
    at = np.flatnonzero(chosen == name)
    return float(at.mean()) if len(at) else -1.0
