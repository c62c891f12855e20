"""A month at every volume with what may turn out differently: the band around a break-even's staircase.

Prices, throughput and people are drawn as for the risk; growth, price paths and the lines besides GPUs,
spare, team and tokens are not in it: it is the month of the plan, with its uncertainty of today.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baseload.money import MILLION
from baseload.plan.bought import unit_usd_per_million
from baseload.plan.costs import DAYS_PER_MONTH, Floats
from baseload.plan.model import Inputs
from baseload.plan.rented import Term, replica_month_usd
from baseload.plan.risk import PERCENTILES
from baseload.plan.sizing import room
from baseload.plan.world import World, drawn

VOLUMES = 60
BAND_DRAWS = 1_000
DECADES = 1.5
"""Orders of magnitude shown on either side of the planned volume."""


@dataclass(frozen=True, slots=True)
class VolumeBand:
    """A month of one option at every volume: 10th, 50th and 90th percentile in dollars."""

    name: str
    p10: tuple[float, ...]
    p50: tuple[float, ...]
    p90: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class VolumeBands:
    """The volumes in tokens a day, and the band of owning everything and of each API."""

    tokens_per_day: tuple[float, ...]
    bands: tuple[VolumeBand, ...]


def volume_bands(inputs: Inputs) -> VolumeBands:
    """Bands over volumes spaced evenly on a logarithmic axis. Equal inputs and seed give equal bands."""
    world = drawn(inputs.assumptions, BAND_DRAWS, inputs.seed)
    span = 10.0**DECADES
    volumes = np.geomspace(inputs.tokens_per_day / span, inputs.tokens_per_day * span, VOLUMES)
    millions = volumes * DAYS_PER_MONTH / MILLION
    bands = [_band("owned", _owned(inputs, world, volumes))]
    for metered in inputs.metered:
        usd = np.broadcast_to(unit_usd_per_million(inputs, metered, world), (BAND_DRAWS, 1))
        bands.append(_band(metered.name, usd * millions))
    return VolumeBands(tuple(float(volume) for volume in volumes), tuple(bands))


def _owned(inputs: Inputs, world: World, volumes: Floats) -> Floats:
    fleet = inputs.fleet
    rooms = room(fleet, volumes[None, :], world["throughput.factor"], world["throughput.usable_factor"])
    needed = rooms.needed(inputs.curve.peak)
    term = Term(inputs.assumptions.choice("gpu.term"))
    month = np.broadcast_to(replica_month_usd(inputs, term, world), (BAND_DRAWS, world.months))[:, :1]
    return np.asarray((needed + fleet.spares) * month + fleet.team_usd_per_month * world["people.factor"])


def _band(name: str, usd: Floats) -> VolumeBand:
    p10, p50, p90 = (tuple(float(value) for value in row) for row in np.percentile(usd, PERCENTILES, axis=0))
    return VolumeBand(name, p10, p50, p90)
