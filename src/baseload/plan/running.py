"""The lines of running and changing what serves: people, disks, upgrades, outages, moving and leaving."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baseload.plan.costs import DAYS_PER_MONTH, HOURS_PER_MONTH, Floats
from baseload.plan.model import Inputs
from baseload.plan.sizing import NOISE
from baseload.plan.world import World

Lines = dict[str, Floats]

BYTES_PER_GB = 1e9


class Serving(NamedTuple):
    """Owned serving by draw and month: replicas and spares paid, whether anything is owned (0, 1), its share
    of the tokens, and a replica's month on demand: what is had for days or hours only."""

    held: Floats
    spares: Floats
    owning: Floats
    share: Floats
    on_demand_month_usd: Floats


def owned_overhead_lines(inputs: Inputs, world: World, serving: Serving) -> Lines:
    """What owned serving costs besides its GPUs.

    A replica is one in every region: an upgrade doubles all of them, tests before a release take one of one.
    """
    owning, a_month = serving.owning, serving.on_demand_month_usd
    in_one_region = a_month / world["traffic.regions"]
    upgrading = _every(world, "upgrade.months") * owning
    output = inputs.tokens_per_day * inputs.mix.output_share * DAYS_PER_MONTH * world.volume * serving.share
    lines = _people(inputs, world, serving)
    lines |= {
        "staging": world["staging.replica_hours_per_month"] / HOURS_PER_MONTH * in_one_region * owning,
        "egress": output * world["egress.bytes_per_output_token"] / BYTES_PER_GB * world["egress.usd_per_gb"],
        "licences": (serving.held + serving.spares) * inputs.gpus * world["licence.usd_per_gpu_year"] / 12.0,
        "gateway": world["gateway.usd_per_month"] * owning,
        "evaluation": world["upgrade.evaluation_usd"] * upgrading,
        "rollout": serving.held * a_month / DAYS_PER_MONTH * world["upgrade.rollout_days"] * upgrading,
        "migration": world["migration.owned_usd"] * np.diff(owning, axis=1, prepend=0.0),
        "security": world["security.owned_usd_per_month"] * owning,
        "incidents": world.owned_incidents * _outage_usd(world) * serving.share,
    }
    if world.known("storage.gb_per_copy"):
        gb = world["storage.gb_per_copy"] * world["storage.copies"] * world["traffic.regions"]
        lines["storage"] = gb * world["storage.usd_per_gb_month"] * owning
    return lines


def overhead_month_usd(inputs: Inputs, world: World) -> Floats:
    """What a month of owning anything at all costs besides replicas and spares, upgrades spread evenly."""
    return np.asarray(
        inputs.fleet.team_usd_per_month * world["people.factor"]
        + world["people.on_call_usd_per_month"]
        + world["gateway.usd_per_month"]
        + world["security.owned_usd_per_month"]
        + world["upgrade.evaluation_usd"] / world["upgrade.months"]
    )


def api_overhead_lines(world: World, owned_share: Floats) -> Lines:
    """What buying costs besides tokens; outages count for the tokens that are bought."""
    first = np.zeros((1, world.months))
    first[:, 0] = 1.0
    return {
        "evaluation": world["upgrade.api_evaluation_usd"] * _every(world, "upgrade.api_months"),
        "migration": world["migration.api_usd"] * first,
        "security": world["security.api_usd_per_month"] + 0.0 * first,
        "incidents": world.api_incidents * _outage_usd(world) * (1.0 - owned_share),
    }


def engineers_needed(inputs: Inputs, world: World, replicas: Floats) -> Floats:
    """Engineers for so many replicas, spares included: the team's own, and more as the fleet grows."""
    needed = np.ceil(replicas * world["traffic.regions"] / world["people.replicas_per_engineer"])
    return np.where(replicas > 0, np.maximum(_team(inputs, world), needed), 0.0)


def _team(inputs: Inputs, world: World) -> Floats:
    """Engineers that the team's sum pays besides observability; at least one."""
    wages = np.maximum(world["people.usd_per_engineer_month"], 1.0)
    paid = inputs.fleet.team_usd_per_month * (1.0 - world["people.observability_share"])
    return np.maximum(np.floor(paid / wages * (1 + NOISE)), 1.0)


def _people(inputs: Inputs, world: World, serving: Serving) -> Lines:
    team = inputs.fleet.team_usd_per_month * world["people.factor"]
    wages = world["people.usd_per_engineer_month"] * world["people.factor"]
    needed = engineers_needed(inputs, world, serving.held + serving.spares)
    more = np.maximum(needed - _team(inputs, world), 0.0)
    seen = world["people.observability_share"]
    return {
        "engineers": team * (1.0 - seen) * serving.owning + more * wages,
        "observability": team * seen * serving.owning,
        "on_call": world["people.on_call_usd_per_month"] * serving.owning,
    }


def _every(world: World, months: str) -> Floats:
    """1 in each month in which something that recurs after so many months falls due, 0 in the others."""
    month = np.arange(world.months)[None, :]
    due = (month > 0) & (month % int(world[months]) == 0)
    return np.asarray(due, dtype=np.float64)


def _outage_usd(world: World) -> Floats:
    return np.asarray(world["incident.hours"] * world["incident.usd_per_hour"])
