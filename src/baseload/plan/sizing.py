"""How many replicas, for many volumes and prices at once: `hybrid` and `Fleet.needed` over whole arrays.

What the n-th replica serves is Σ_t min(c, L(t) - (n-1)c), and P(L > x) falls with x: the last replica that
pays is the one in or just before which P(L > x) falls below r/(p·c). So two counts need to be compared, not
all of them. With a serving spare a replica adds its full throughput to the room at first and c later, so both
ratios and the bend between them are looked at. A test holds the result against trying every count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baseload.plan.costs import SECONDS_PER_DAY, Fleet, Floats, Spare
from baseload.plan.load import LoadCurve

NOISE = 1e-12
"""What is whole but for float noise is not rounded up."""


@dataclass(frozen=True)
class Room:
    """What n replicas carry over the mean load, for arrays of volumes and throughputs.

    `usable` and `full` are one replica's planned and full throughput over the mean load.
    """

    usable: Floats
    full: Floats
    spare: Spare

    def of(self, n: Floats) -> Floats:
        """The room of n replicas, as `Fleet.room_tokens_per_s` has it, over the mean load."""
        if self.spare is not Spare.SERVING:
            return n * self.usable
        return np.where(n > 0, np.minimum((n + 1) * self.usable, n * self.full), 0.0)

    def needed(self, peak: float) -> Floats:
        """The fewest replicas that hold the highest window; at least one."""
        n = np.ceil(peak / self.usable * (1 - NOISE))
        if self.spare is Spare.SERVING:
            n = np.maximum(n - 1, np.ceil(peak / self.full * (1 - NOISE)))
        return np.maximum(n, 1.0)


def room(
    fleet: Fleet, tokens_per_day: Floats, throughput_factor: Floats, usable_factor: Floats | float = 1.0
) -> Room:
    """The room of this fleet's replicas at these volumes; factors are over what is planned with."""
    mean = tokens_per_day / SECONDS_PER_DAY
    full = fleet.throughput_tokens_per_s * throughput_factor / mean
    return Room(full * np.minimum(fleet.usable * usable_factor, 1.0), full, fleet.spare)


def served(curve: LoadCurve, rooms: Floats) -> Floats:
    """Share of the tokens under these rooms: `LoadCurve.served_share` over an array."""
    levels, shares = curve.served_knots
    return np.asarray(np.interp(rooms, levels, shares))


def worth_owning(curve: LoadCurve, room: Room, owned_over_bought: Floats) -> Floats:
    """The newsvendor's count for arrays, overhead left out.

    `owned_over_bought` is a replica's month over what the whole month's tokens cost bought.
    """
    most = room.needed(curve.peak)
    below = np.floor(_pays_below(curve, owned_over_bought / room.usable) / room.usable)
    candidates = [below, below + 1]
    if room.spare is Spare.SERVING:
        full = np.floor(_pays_below(curve, owned_over_bought / room.full) / room.full)
        bend = np.floor(room.usable / np.maximum(room.full - room.usable, NOISE * room.full))
        candidates = [below * 0, below - 1, *candidates, full, full + 1, bend, bend + 1]
    best: Floats | None = None
    for candidate in candidates:
        n = np.clip(candidate, 0, most)
        cost = n * owned_over_bought - served(curve, room.of(n))
        if best is None:
            best, best_cost = n, cost
            continue
        better = (cost < best_cost - NOISE) | ((cost <= best_cost + NOISE) & (n < best))
        best, best_cost = np.where(better, n, best), np.where(better, cost, best_cost)
    assert best is not None
    return best


def _pays_below(curve: LoadCurve, critical: Floats) -> Floats:
    """The load over the mean below which P(L > x) is above this critical ratio; 0 where it nowhere is."""
    windows = len(curve.relative)
    above = np.clip(np.floor(critical * windows * (1 + NOISE)), 0, windows)
    return np.append(curve.relative, 0.0)[above.astype(np.int64)]
