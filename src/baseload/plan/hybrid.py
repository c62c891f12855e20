"""How many replicas to own when what does not fit is bought: the newsvendor on the load-duration curve.

Own the n-th replica iff what it would serve costs more bought than the replica does:
    Σ_t min(c, max(0, L(t) - (n-1)c))·Δt·p > r·Σ_t Δt
with load L and room c in tokens/s, metered price p in $/token and replica price r in $/s. The left side falls
with n, so the first replica that fails ends the count; then the overhead (spare and team) is a lump against
n = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from baseload.plan.costs import SECONDS_PER_DAY, Fleet, Spare, metered_month_usd
from baseload.plan.load import LoadCurve

MOST_DOUBLINGS = 64
"""Times one replica's volume is doubled in search of a crossing, before noise in a price is taken for one."""


@dataclass(frozen=True, slots=True)
class Hybrid:
    """The cheapest split of a load between owned replicas and one metered price.

    `replicas` leaves the spare out; 0 means: buy everything. `use` is the owned tokens over what the serving
    replicas could serve when full around the clock.
    """

    replicas: int
    usd_per_month: float
    spill_usd_per_month: float
    owned_tokens_share: float
    use: float


def hybrid(curve: LoadCurve, tokens_per_day: float, fleet: Fleet, api_usd_per_million: float) -> Hybrid:
    """The split with the lowest monthly cost; ties go to fewer replicas."""
    n = _replicas(curve, tokens_per_day, fleet, api_usd_per_million)
    if not _pays(curve, tokens_per_day, fleet, api_usd_per_million, n):
        n = 0
    return split(curve, tokens_per_day, fleet, api_usd_per_million, n)


def split(
    curve: LoadCurve, tokens_per_day: float, fleet: Fleet, api_usd_per_million: float, n: int
) -> Hybrid:
    """What owning exactly n replicas and buying the rest costs and serves."""
    mean = tokens_per_day / SECONDS_PER_DAY
    share = _served(curve, tokens_per_day, fleet, n)
    spill_usd = metered_month_usd(tokens_per_day * (1.0 - share), api_usd_per_million)
    serving = n + fleet.spares if fleet.spare is Spare.SERVING and n else n
    use = share * mean / (serving * fleet.throughput_tokens_per_s) if serving else 0.0
    return Hybrid(n, fleet.month_usd(n) + spill_usd, spill_usd, share, use)


def hybrid_from(curve: LoadCurve, fleet: Fleet, api_usd_per_million: float) -> float | None:
    """The volume in tokens/day from which a hybrid is cheaper than buying everything; None for never.

    Each replica count saves more the higher the volume, so the best one does, and there is one crossing. It
    exists iff a replica that is full whenever there is any load is cheaper than its tokens bought. Bisected
    to the last bit.
    """
    if fleet.floor_usd_per_million(fleet.usable * curve.busy) >= api_usd_per_million:
        return None

    def pays(volume: float) -> bool:
        n = max(_replicas(curve, volume, fleet, api_usd_per_million), 1)
        return _pays(curve, volume, fleet, api_usd_per_million, n)

    low, high = 0.0, fleet.usable_tokens_per_s * SECONDS_PER_DAY
    for _ in range(MOST_DOUBLINGS):
        if pays(high):
            break
        low, high = high, high * 2.0
    else:
        return None
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if pays(middle) else (middle, high)
    return high


def _pays(curve: LoadCurve, tokens_per_day: float, fleet: Fleet, api_usd_per_million: float, n: int) -> bool:
    """Whether what n replicas serve costs more bought than they do with their overhead."""
    served = _served(curve, tokens_per_day, fleet, n)
    return metered_month_usd(tokens_per_day * served, api_usd_per_million) > fleet.month_usd(n)


def _served(curve: LoadCurve, tokens_per_day: float, fleet: Fleet, n: int) -> float:
    """Share of the tokens that n replicas serve."""
    return curve.served_share(fleet.room_tokens_per_s(n) * SECONDS_PER_DAY / tokens_per_day)


def _replicas(curve: LoadCurve, tokens_per_day: float, fleet: Fleet, api_usd_per_million: float) -> int:
    """The newsvendor's count, without overhead: the last replica whose tokens cost more bought than it does.

    What one more replica serves falls with their number, so the last one that pays is found by halving.
    """
    low, high = 0, fleet.needed(curve.peak * tokens_per_day / SECONDS_PER_DAY)
    while low < high:
        n = (low + high + 1) // 2
        more = _served(curve, tokens_per_day, fleet, n) - _served(curve, tokens_per_day, fleet, n - 1)
        pays = metered_month_usd(tokens_per_day * more, api_usd_per_million) > fleet.replica_month_usd
        low, high = (n, high) if pays else (low, n - 1)
    return low
