"""The course of one option over the coming months, in one world or in thousands at once: every cost line.

The same arithmetic answers the expected course (one draw), the risk (10,000), a slider, and every scenario.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baseload.money import MILLION
from baseload.plan.bought import Lines, token_lines, unit_usd_per_million
from baseload.plan.costs import DAYS_PER_MONTH, Floats, Spare
from baseload.plan.load import LoadCurve
from baseload.plan.model import Inputs, Kind, Metered, Option
from baseload.plan.rented import Term, gpu_lines, held_replicas, replica_month_usd
from baseload.plan.running import Serving, api_overhead_lines, overhead_month_usd, owned_overhead_lines
from baseload.plan.sizing import Room, room, served, worth_owning
from baseload.plan.world import World

LEAST_USD = 1e-9
"""Stands for a price of nothing where it divides: no replica pays against it."""


@dataclass(frozen=True)
class Course:
    """Cost lines by name, each broadcasting to (draws, months).

    `leaving_usd` is what leaving then would cost. `replicas` are those paid, the spares left out.
    `owned_share` is the share of the tokens that owned replicas serve, `used` that of the serving replicas'
    full throughput that does.
    """

    months: int
    lines: Lines
    leaving_usd: Floats
    replicas: Floats
    spares: Floats
    owned_share: Floats
    used: Floats
    spare_serves: bool = False

    @property
    def total(self) -> Floats:
        """All lines together without leaving, (draws, months)."""
        return np.asarray(sum(self.lines.values(), np.zeros((1, self.months))))

    def until(self, months: int) -> Floats:
        """What so many months cost together with leaving after them, by draw."""
        return np.asarray(self.total[:, :months].sum(axis=1) + self.leaving(months))

    def leaving(self, months: int) -> Floats:
        """What leaving after so many months costs, by draw."""
        return np.broadcast_to(self.leaving_usd, (len(self.leaving_usd), self.months))[:, months - 1]


def course(inputs: Inputs, option: Option, world: World, held: int | None = None) -> Course:
    """The option's course. Replicas follow each month's volume and prices; a hybrid that owns nothing today
    begins to own in the month from which that pays with all its overhead, and keeps its people from then on;
    a spare stands by only where there is a replica to lose.

    `held` is a plan that is not revised: a hybrid keeps these replicas, an owner of everything never has
    fewer.
    """
    metered = next((each for each in inputs.metered if each.name == option.metered), None)
    if option.kind in (Kind.FRONTIER_API, Kind.OPEN_API):
        assert metered is not None
        return _all_bought(inputs, metered, world)
    case = _case(inputs, world, metered)
    if metered is None:
        owning = np.ones((1, world.months))
        counts = case.rooms.needed(case.curve.peak)
        counts = counts if held is None else np.maximum(counts, float(held))
        return _owning_course(case, held_replicas(case.term, world, counts), owning, owning)
    if held is None:
        counts, owning = _hybrid_counts(case, metered, begun=option.replicas > 0)
    else:
        owning = np.full((1, world.months), float(held > 0))
        counts = owning * held
    counts = held_replicas(case.term, world, counts * owning)
    return _owning_course(case, counts, owning, served(case.curve, case.rooms.of(counts)))


@dataclass(frozen=True)
class _Case:
    """What an option that owns is computed from: its load, its room, and a replica's month."""

    inputs: Inputs
    world: World
    metered: Metered | None
    curve: LoadCurve
    rooms: Room
    term: Term
    month_usd: Floats


def _case(inputs: Inputs, world: World, metered: Metered | None) -> _Case:
    volume = inputs.tokens_per_day * world.volume
    term = Term(inputs.assumptions.choice("gpu.term"))
    return _Case(
        inputs,
        world,
        metered,
        inputs.curve.flattened(float(world["traffic.deferrable_share"])),
        room(inputs.fleet, volume, world["throughput.factor"], world["throughput.usable_factor"]),
        term,
        replica_month_usd(inputs, term, world),
    )


def _all_bought(inputs: Inputs, metered: Metered, world: World) -> Course:
    none = np.zeros((1, world.months))
    lines = token_lines(inputs, metered, world, np.ones(()), alone=np.ones(()))
    lines |= api_overhead_lines(world, none)
    return Course(world.months, lines, none + world["exit.api_usd"], none, none, none, none)


def _hybrid_counts(case: _Case, metered: Metered, *, begun: bool) -> tuple[Floats, Floats]:
    """Replicas by the newsvendor's test, and whether owning has begun, by draw and month."""
    inputs, world = case.inputs, case.world
    millions = inputs.tokens_per_day * DAYS_PER_MONTH / MILLION * world.volume
    paid = millions * world.api_price * unit_usd_per_million(inputs, metered, world)
    counts = worth_owning(case.curve, case.rooms, case.month_usd / np.maximum(paid, LEAST_USD))
    if begun:
        return counts, np.ones((1, world.months))
    lump = inputs.fleet.spares * case.month_usd + overhead_month_usd(inputs, world)
    rest = 1.0 - served(case.curve, case.rooms.of(counts))
    gain = _bought_usd(case, metered, np.ones(()), alone=1.0) - _bought_usd(case, metered, rest, alone=0.0)
    pays = gain > counts * case.month_usd + lump
    return counts, np.maximum.accumulate(np.asarray(pays & (counts > 0), dtype=np.float64), axis=1)


def _bought_usd(case: _Case, metered: Metered, share: Floats, *, alone: float) -> Floats:
    """What this share of each month's tokens costs bought, with all that an API alone makes cheaper."""
    lines = token_lines(case.inputs, metered, case.world, share, alone=np.array(alone))
    return np.asarray(sum(lines.values(), np.zeros((1, case.world.months))))


def _owning_course(case: _Case, counts: Floats, owning: Floats, share: Floats) -> Course:
    """The course of these counts, which serve this share; what is metered takes the rest of the tokens."""
    inputs, world, metered = case.inputs, case.world, case.metered
    fleet = inputs.fleet
    spares = held_replicas(case.term, world, np.where(counts > 0, owning * fleet.spares, 0.0))
    gpus = gpu_lines(inputs, case.term, world, counts, spares)
    on_demand = replica_month_usd(inputs, Term.ON_DEMAND, world)
    serving = Serving(counts, spares, owning, share, on_demand)
    lines = gpus.lines | owned_overhead_lines(inputs, world, serving)
    leaving = gpus.leaving_usd + world["exit.owned_usd"] * owning
    if metered is not None:
        lines |= token_lines(inputs, metered, world, 1.0 - share, alone=1.0 - owning)
        for name, line in api_overhead_lines(world, share).items():
            lines[name] = line + lines.get(name, np.zeros(()))
        leaving = leaving + world["exit.api_usd"]
    full = (counts + (spares if fleet.spare is Spare.SERVING else 0.0)) * case.rooms.full
    used = np.divide(share, full, out=np.zeros(np.broadcast(share, full).shape), where=full > 0)
    return Course(world.months, lines, leaving, counts, spares, share, used, fleet.spare is Spare.SERVING)
