"""How many replicas to own when what does not fit is bought: the newsvendor on the load-duration curve.

Own the n-th replica iff what it would serve costs more bought than the replica does:
    Σ_t min(c, max(0, L(t) - (n-1)c))·Δt·p > r·Σ_t Δt
with load L and room c in tokens/s, metered price p in $/token and replica price r in $/s. The left side falls
with n, so the first replica that fails ends the count; then the overhead (spare and team) is a lump against
n = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baseload.errors import UsageError
from baseload.plan.break_even import MOST_REPLICAS
from baseload.plan.costs import SECONDS_PER_DAY, Fleet, Floats, Spare, metered_month_usd
from baseload.plan.load import LoadCurve


@dataclass(frozen=True, slots=True)
class Hybrid:
    """The cheapest split of a load between owned replicas and one metered price.

    `replicas` leaves the spare out; 0 means: buy everything. `use` is the owned tokens over what the serving
    replicas could serve when full around the clock.
    """

    replicas: int
    usd_per_month: float
    owned_usd_per_month: float
    spill_usd_per_month: float
    owned_tokens_share: float
    use: float


def hybrid(curve: LoadCurve, tokens_per_day: float, fleet: Fleet, api_usd_per_million: float) -> Hybrid:
    """The split with the lowest monthly cost; ties go to fewer replicas.

    Raises UsageError where the peak takes more than 100,000 replicas.
    """
    served = _served(curve, tokens_per_day, fleet)
    n = _replicas(served, tokens_per_day, fleet, api_usd_per_million)
    saved = metered_month_usd(tokens_per_day * float(served[n]), api_usd_per_million)
    if saved <= fleet.month_usd(n):
        n = 0
    return split(curve, tokens_per_day, fleet, api_usd_per_million, n)


def split(
    curve: LoadCurve, tokens_per_day: float, fleet: Fleet, api_usd_per_million: float, n: int
) -> Hybrid:
    """What owning exactly n replicas and buying the rest costs and serves."""
    mean = tokens_per_day / SECONDS_PER_DAY
    share = float(curve.served(np.array([fleet.room_tokens_per_s(n) / mean]))[0])
    share = min(share, 1.0)
    spill_usd = metered_month_usd(tokens_per_day * (1.0 - share), api_usd_per_million)
    owned_usd = fleet.month_usd(n)
    serving = n + fleet.spares if fleet.spare is Spare.SERVING and n else n
    use = share * mean / (serving * fleet.throughput_tokens_per_s) if serving else 0.0
    return Hybrid(n, owned_usd + spill_usd, owned_usd, spill_usd, share, use)


def hybrid_from(curve: LoadCurve, fleet: Fleet, api_usd_per_million: float) -> float | None:
    """The volume in tokens/day from which a hybrid is cheaper than buying everything; None for never.

    Each replica count saves more the higher the volume, so the best one does, and there is one crossing. It
    exists iff a replica that is always full is cheaper than its tokens bought. Bisected to the last bit.
    """
    if fleet.floor_usd_per_million(fleet.usable) >= api_usd_per_million:
        return None
    filled = fleet.usable_tokens_per_s * SECONDS_PER_DAY
    high = filled
    while not _pays(curve, high, fleet, api_usd_per_million):
        high *= 2.0
        if high * curve.peak > filled * MOST_REPLICAS:
            return None
    low = 0.0
    while low < (middle := (low + high) / 2) < high:
        if _pays(curve, middle, fleet, api_usd_per_million):
            high = middle
        else:
            low = middle
    return high


def _pays(curve: LoadCurve, tokens_per_day: float, fleet: Fleet, api_usd_per_million: float) -> bool:
    served = _served(curve, tokens_per_day, fleet)
    n = max(_replicas(served, tokens_per_day, fleet, api_usd_per_million), 1)
    return metered_month_usd(tokens_per_day * float(served[n]), api_usd_per_million) >= fleet.month_usd(n)


def _served(curve: LoadCurve, tokens_per_day: float, fleet: Fleet) -> Floats:
    """Share of the tokens that 0, 1, … replicas serve, up to the count that serves them all."""
    mean = tokens_per_day / SECONDS_PER_DAY
    most = fleet.needed(curve.peak * mean)
    if most > MOST_REPLICAS:
        raise UsageError(
            f"{most:,} replicas would be needed for the peak",
            hint="check the tokens per day and the throughput of a replica",
        )
    return curve.served(fleet.rooms_tokens_per_s(most) / mean)


def _replicas(served: Floats, tokens_per_day: float, fleet: Fleet, api_usd_per_million: float) -> int:
    """The newsvendor's count: replicas before the first whose tokens cost no more bought than it does."""
    worth = metered_month_usd(tokens_per_day, api_usd_per_million) * np.diff(served)
    fails = np.flatnonzero(worth <= fleet.replica_month_usd)
    return int(fails[0]) if len(fails) else len(worth)
