"""The spare as a choice that is priced: none because the API takes over, one that serves, one that waits.

Each is compared with the better pure answer, all bought or all owned. Who owns everything buys nothing that
could take over, so there the busiest window's replicas have an idle spare whatever the hybrid does. The
plan's month and verdicts keep the spare that was asked for on both sides; without one, the last verdict says
what this table says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from baseload.plan.costs import SECONDS_PER_DAY, Spare, metered_month_usd
from baseload.plan.hybrid import hybrid
from baseload.plan.model import Inputs, Metered


@dataclass(frozen=True, slots=True)
class SparePrice:
    """The best hybrid with this spare against one price; `saves_share` is under the better pure answer."""

    spare: Spare
    against: str
    replicas: int
    spare_replicas: int
    usd_per_month: float
    pure_usd_per_month: float

    @property
    def saves_share(self) -> float:
        """What it saves of the better pure answer's month; 0 where the hybrid owns nothing."""
        return 1.0 - self.usd_per_month / self.pure_usd_per_month if self.pure_usd_per_month else 0.0


def spare_prices(inputs: Inputs) -> tuple[SparePrice, ...]:
    """All three spares against every price."""
    return tuple(priced(inputs, metered, spare) for metered in inputs.metered for spare in Spare)


def priced(inputs: Inputs, metered: Metered, spare: Spare) -> SparePrice:
    """The best hybrid with this spare against this price."""
    fleet = replace(inputs.fleet, spare=spare)
    best = hybrid(inputs.curve, inputs.tokens_per_day, fleet, metered.usd_per_million)
    alone = replace(inputs.fleet, spare=Spare.IDLE)
    peak = inputs.curve.peak * inputs.tokens_per_day / SECONDS_PER_DAY
    pure = min(
        metered_month_usd(inputs.tokens_per_day, metered.usd_per_million),
        alone.month_usd(alone.needed(peak)),
    )
    spares = fleet.spares if best.replicas else 0
    return SparePrice(spare, metered.name, best.replicas, spares, best.usd_per_month, pure)
