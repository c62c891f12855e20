"""What the report's sliders move, and the plan they then ask for.

`report/assets/plan.js` is the same arithmetic in the page; a test in a browser holds both equal on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from baseload.plan.costs import usd_per_million
from baseload.plan.model import Inputs, Metered


@dataclass(frozen=True, slots=True)
class Sliders:
    """Volume, share of output tokens, price of a GPU's hour, usable share of a replica, and people.

    A replica's throughput is held: it is what was given, or the capacity model's at the plan's own lengths.
    """

    tokens_per_day: float
    output_share: float
    usd_per_gpu_hour: float
    usable: float
    team_usd_per_month: float


def sliders(inputs: Inputs) -> Sliders:
    """Where the sliders stand for these inputs."""
    fleet = inputs.fleet
    return Sliders(
        inputs.tokens_per_day,
        inputs.mix.output_share,
        fleet.usd_per_hour / inputs.gpus,
        fleet.usable,
        fleet.team_usd_per_month,
    )


def moved(inputs: Inputs, to: Sliders) -> Inputs:
    """The inputs with the sliders there; untouched sliders give the very same numbers."""
    now = sliders(inputs)
    mix = replace(inputs.mix, output_share=to.output_share)
    fleet = replace(
        inputs.fleet,
        usd_per_hour=inputs.fleet.usd_per_hour * (to.usd_per_gpu_hour / now.usd_per_gpu_hour),
        usable=to.usable,
        team_usd_per_month=to.team_usd_per_month,
    )

    def priced(metered: Metered) -> Metered:
        if metered.price is None:
            return metered
        shift = usd_per_million(metered.price, mix) - usd_per_million(metered.price, inputs.mix)
        return replace(metered, usd_per_million=metered.usd_per_million + shift)

    return replace(
        inputs,
        tokens_per_day=to.tokens_per_day,
        mix=mix,
        fleet=fleet,
        metered=tuple(priced(metered) for metered in inputs.metered),
    )
