"""Where owned serving and a metered price cost the same: a staircase against a line, every crossing.

Owned serving that carries everything needs the fewest n replicas with peak · v ≤ room(n), v the mean load, so
its monthly cost is a staircase in the volume; the metered bill p·v is a line. On step n they cross where
p · v = cost(n), if that lies on the step, and the line can fall below again only where the next step begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from baseload.money import MILLION
from baseload.plan.costs import DAYS_PER_MONTH, SECONDS_PER_DAY, Fleet

MOST_REPLICAS = 100_000
"""Steps of the staircase that are looked at; the crossings beyond are not reported."""


class Cheaper(StrEnum):
    """Which side costs less."""

    OWNED = "owned"
    METERED = "metered"


@dataclass(frozen=True, slots=True)
class Crossing:
    """A volume at which the cheaper side changes, and the side that is cheaper above it."""

    tokens_per_day: float
    cheaper_above: Cheaper
    replicas: int
    """Replicas, spare left out, of the step that begins or pays off here."""


@dataclass(frozen=True, slots=True)
class OneReplica:
    """The first step by itself: where one replica with spare and team pays off, and where it is full."""

    tokens_per_day: float
    full_at_tokens_per_day: float

    @property
    def pays(self) -> bool:
        """Whether it pays off before it is full."""
        return self.tokens_per_day <= self.full_at_tokens_per_day


def crossings(fleet: Fleet, api_usd_per_million: float, peak: float = 1.0) -> tuple[Crossing, ...]:
    """Every volume at which owning everything becomes cheaper or dearer than this price; empty for never.

    `peak` is the load curve's highest window over its mean: owned replicas are sized for it. Equal cost
    counts as owned being cheaper, and a step's end, where its replicas are full, belongs to the step.
    """
    usd_per_daily_token = api_usd_per_million * DAYS_PER_MONTH / MILLION
    if usd_per_daily_token <= 0:
        return ()
    most = _steps(fleet, usd_per_daily_token, peak)
    if most == 0:
        return ()
    n = np.arange(1, most + 1, dtype=np.float64)
    ends = fleet.rooms_tokens_per_s(most)[1:] * SECONDS_PER_DAY / peak
    begins = np.concatenate(([0.0], ends[:-1]))
    pays_at = (n * fleet.replica_month_usd + fleet.overhead_month_usd) / usd_per_daily_token
    owned_from = np.maximum(begins, pays_at)
    pays = owned_from < ends
    joined = pays & np.concatenate(([False], pays[:-1])) & (owned_from <= begins)
    left = pays & ~np.concatenate((joined[1:], [True]))
    found = [
        Crossing(float(owned_from[i]), Cheaper.OWNED, int(i) + 1) for i in np.flatnonzero(pays & ~joined)
    ]
    found += [Crossing(float(ends[i]), Cheaper.METERED, int(i) + 2) for i in np.flatnonzero(left)]
    return tuple(sorted(found, key=lambda crossing: crossing.tokens_per_day))


def one_replica(fleet: Fleet, api_usd_per_million: float, peak: float = 1.0) -> OneReplica:
    """What the first step does against this price; a price of nothing is never reached (infinity)."""
    usd_per_daily_token = api_usd_per_million * DAYS_PER_MONTH / MILLION
    pays_at = fleet.month_usd(1) / usd_per_daily_token if usd_per_daily_token > 0 else float("inf")
    return OneReplica(pays_at, fleet.room_tokens_per_s(1) * SECONDS_PER_DAY / peak)


def _steps(fleet: Fleet, usd_per_daily_token: float, peak: float) -> int:
    """Steps after which the cheaper side changes no more; 0 where owning never pays.

    With x the volume that pays one replica, c the one that fills it and f the one that pays the overhead:
    where c ≤ x no step pays (a room is at most n·c, or (n+1)·c when the spare serves and is paid for too).
    Otherwise step n+1 pays from its very start once (n+1)·x + f ≤ n·c: from n = (x + f)/(c - x) on.
    """
    filled = fleet.usable_tokens_per_s * SECONDS_PER_DAY / peak
    paid = fleet.replica_month_usd / usd_per_daily_token
    overhead = fleet.overhead_month_usd / usd_per_daily_token
    if filled <= paid:
        return 0
    return int(min((paid + overhead) / (filled - paid) + 2, MOST_REPLICAS))
