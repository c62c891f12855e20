"""What one replica trades: throughput for latency, and use for the price of a token."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from baseload.capacity.steptime import step_time
from baseload.capacity.throughput import Operating, steady_state, within_slo
from baseload.catalog.gpus import gpu as find_gpu
from baseload.catalog.models import open_model
from baseload.core import Slo
from baseload.errors import BaseloadError
from baseload.plan.model import Inputs

USES = tuple(round(0.05 * step, 2) for step in range(1, 21))


@dataclass(frozen=True, slots=True)
class Frontier:
    """One replica at rising concurrency for the plan's mean lengths; `within` is the last that keeps the SLO.

    `error` is the half-width of the capacity model's 80% interval, `source` where it comes from. In several
    regions it is the replica of one.
    """

    points: tuple[Operating, ...]
    within: Operating | None
    slo: Slo
    error: float
    source: str
    regions: int = 1

    @property
    def tpot_at_ttft_s(self) -> float | None:
        """Time per output token at which the TTFT reaches the promised one; None where the curve never does.

        Both rise with concurrency, so the TTFT's limit is a place on an axis of the other.
        """
        most = self.slo.ttft_s
        if self.points[0].ttft_s > most:
            return self.points[0].tpot_s
        for before, after in pairwise(self.points):
            if after.ttft_s > most:
                share = (most - before.ttft_s) / (after.ttft_s - before.ttft_s)
                return before.tpot_s + share * (after.tpot_s - before.tpot_s)
        return None


@dataclass(frozen=True, slots=True)
class UseCost:
    """Dollars per million tokens of a replica at this use.

    By reservation every hour paid counts, used or not: r / (throughput · use). By usage only the part of an
    hour that served counts: r / throughput, the same at every use. Spare and people are in neither.
    """

    use: float
    reservation_usd_per_million: float
    usage_usd_per_million: float


def frontier(inputs: Inputs) -> Frontier | None:
    """The capacity model's curve for this replica; None where the catalog lacks one of its parts."""
    regions = int(inputs.assumptions.number("traffic.regions"))
    lengths = max(inputs.mix.input_tokens, 1.0), max(inputs.mix.output_tokens, 1.0)
    try:
        model, gpu = open_model(inputs.model), find_gpu(inputs.gpu)
        step = step_time(model, gpu, max(inputs.gpus // regions, 1), inputs.precision)
        within = within_slo(step, *lengths, inputs.slo)
    except BaseloadError:
        return None
    most = max(1, min(step.max_sequences, int(step.kv_tokens / (lengths[0] + lengths[1] / 2))))
    counts = sorted({*range(1, min(most, 16) + 1), *range(16, most + 1, 4), most} & set(range(1, most + 1)))
    points = tuple(steady_state(step, *lengths, count) for count in counts)
    return Frontier(points, within, inputs.slo, step.error, step.source, regions)


def use_cost(inputs: Inputs) -> tuple[UseCost, ...]:
    """The two prices of a million tokens at every use."""
    fleet = inputs.fleet
    return tuple(
        UseCost(use, fleet.floor_usd_per_million(use), fleet.floor_usd_per_million(1.0)) for use in USES
    )
