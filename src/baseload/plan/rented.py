"""The GPU lines of what is owned, for arrays of draws × months: on demand, reserved, spot or bought."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from baseload.errors import UsageError
from baseload.plan.costs import HOURS_PER_MONTH, Floats
from baseload.plan.model import Inputs
from baseload.plan.world import World

Lines = dict[str, Floats]


class Term(StrEnum):
    """How GPUs are had."""

    ON_DEMAND = "on_demand"
    RESERVED = "reserved"
    SPOT = "spot"
    BOUGHT = "bought"


class Gpus(NamedTuple):
    """GPU lines of replicas and spares, and what leaving then costs."""

    lines: Lines
    leaving_usd: Floats


NEEDS = {
    Term.ON_DEMAND: (),
    Term.RESERVED: ("gpu.reserved_discount",),
    Term.SPOT: ("gpu.spot_ratio",),
    Term.BOUGHT: ("bought.usd_per_gpu",),
}
"""Figures without which a term has no price."""


def replica_month_usd(inputs: Inputs, term: Term, world: World) -> Floats:
    """A replica for a month under this term, had in that month. Raises UsageError where a price lacks."""
    for name in NEEDS[term]:
        if not world.known(name):
            raise UsageError(f"{term.value} GPUs have no price", hint=f"state it: --set {name}=…")
    month = inputs.fleet.replica_month_usd
    if term is Term.BOUGHT:
        return np.asarray(sum(_bought(inputs, world).values()))
    if term is Term.RESERVED:
        return np.asarray(month * (1.0 - world["gpu.reserved_discount"]) * world.gpu_price)
    if term is Term.SPOT:
        lost = 1.0 - world["gpu.spot_interrupted_share"]
        return np.asarray(month * world["gpu.spot_ratio"] / lost * world.gpu_price)
    return np.asarray(month * world.gpu_price)


def held_replicas(term: Term, world: World, needed: Floats) -> Floats:
    """Replicas paid where so many are needed: reserved ones for their own term, bought ones for good."""
    needed = np.broadcast_to(needed, np.broadcast_shapes(needed.shape, (1, world.months)))
    if term is Term.BOUGHT:
        return np.asarray(np.maximum.accumulate(needed, axis=1))
    if term is Term.RESERVED:
        months = int(world["gpu.reserved_months"])
        return np.asarray(_signed(needed, months) @ _runs(world.months, months))
    return needed


def gpu_lines(inputs: Inputs, term: Term, world: World, held: Floats, spares: Floats) -> Gpus:
    """What so many paid replicas and spares cost by line.

    A reservation has the price of the month in which it begins for its whole length, and leaving costs the
    rest of it; a bought GPU is taken to be sold at its written-down value.
    """
    usd = replica_month_usd(inputs, term, world)
    if term is Term.RESERVED:
        replicas, replicas_left = _reservations(held, usd, int(world["gpu.reserved_months"]))
        waiting, waiting_left = _reservations(spares, usd, int(world["gpu.reserved_months"]))
        return Gpus({"gpu_reserved": replicas, "spare": waiting}, replicas_left + waiting_left)
    if term is Term.BOUGHT:
        lines = {name: held * part for name, part in _bought(inputs, world).items()}
    else:
        lines = {f"gpu_{term.value}": held * usd}
    lines["spare"] = spares * usd
    return Gpus(lines, np.zeros((1, world.months)))


def _reservations(held: Floats, usd: Floats, months: int) -> tuple[Floats, Floats]:
    """What these reservations cost by month, each at its first month's price, and what is left to pay."""
    horizon = held.shape[1]
    prices = _signed(held, months) * usd
    runs = _runs(horizon, months)
    left = months - 1.0 - (np.arange(horizon)[None, :] - np.arange(horizon)[:, None])
    return np.asarray(prices @ runs), np.asarray(prices @ (runs * left))


def _signed(needed: Floats, months: int) -> Floats:
    """Reservations that begin in each month: what is needed and no running one covers."""
    begun = np.zeros_like(needed)
    for month in range(needed.shape[1]):
        running = begun[:, max(month - months + 1, 0) : month].sum(axis=1)
        begun[:, month] = np.maximum(needed[:, month] - running, 0.0)
    return begun


def _runs(horizon: int, months: int) -> Floats:
    """1 where a reservation that begins in the row's month runs in the column's."""
    since = np.arange(horizon)[None, :] - np.arange(horizon)[:, None]
    return np.asarray((since >= 0) & (since < months), dtype=np.float64)


def _bought(inputs: Inputs, world: World) -> Lines:
    """A bought replica's month by line: written off evenly, interest on the mean book value, power, place."""
    capital = world["bought.usd_per_gpu"] * inputs.gpus
    kept = world["bought.residual_share"]
    kw = world["bought.kw_per_gpu"] * inputs.gpus
    return {
        "depreciation": capital * (1.0 - kept) / world["bought.life_months"],
        "cost_of_capital": capital * (1.0 + kept) / 2.0 * world["finance.cost_of_capital_per_year"] / 12.0,
        "power": kw * world["bought.pue"] * HOURS_PER_MONTH * world["bought.usd_per_kwh"],
        "colocation": kw * world["bought.colocation_usd_per_kw_month"],
        "maintenance": capital * world["bought.maintenance_share_per_year"] / 12.0,
    }
