"""What a fleet simulation found: where each request was served, when, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from baseload.capacity.timeline import tpot_s
from baseload.core import Side, Target
from baseload.money import MILLION, NANO
from baseload.plan.costs import Floats, Ints, usd_per_million_of
from baseload.plan.percentile import at_share
from baseload.traffic.table import Traffic

NOWHERE = -1
"""Target of a request that was not served."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """One entry a request in every array, in the order of `traffic`.

    `target` is the place in `targets` that served it, or NOWHERE. Times are seconds on the traffic's clock,
    NaN where there is none. `served_output` is its answer, or the part of it that was produced when its
    target failed (`cut` of them). `paid_s` is how long each target was paid for by the hour, 0 for metered
    ones. `refused` counts by error code; `failed` are those whose every attempt failed.
    """

    traffic: Traffic
    targets: tuple[Target, ...]
    target: npt.NDArray[np.int32]
    spilled: npt.NDArray[np.bool_]
    attempts: npt.NDArray[np.int32]
    first_s: Floats
    end_s: Floats
    served_output: Ints
    paid_s: tuple[float, ...]
    refused: dict[str, int]
    cut: int

    def on(self, side: Side) -> npt.NDArray[np.bool_]:
        """Which requests were served on this side."""
        sides = np.array([*(target.side is side for target in self.targets), False])
        return sides[self.target]

    @cached_property
    def _tokens(self) -> Ints:
        return self.traffic.input_tokens + self.traffic.output_tokens

    @property
    def owned_tokens_share(self) -> float:
        """Share of all tokens asked for that owned replicas served."""
        return float(self._tokens[self.on(Side.OWNED)].sum()) / max(float(self._tokens.sum()), 1.0)

    @property
    def spill_share(self) -> float:
        """Share of requests that spilled to a metered target."""
        return float((self.spilled & (self.target != NOWHERE)).mean())

    @property
    def refused_share(self) -> float:
        """Share of requests that nobody served."""
        return float((self.target == NOWHERE).mean())

    @property
    def ttft_s(self) -> Floats:
        """Time to first token from the request's arrival, retries included."""
        return self.first_s - self.traffic.arrival_s

    @property
    def tpot_s(self) -> Floats:
        """Mean time per output token after the first; NaN for answers of one token and for cut ones."""
        whole = self.served_output >= self.traffic.output_tokens
        return np.where(whole, tpot_s(self.first_s, self.end_s, self.traffic.output_tokens), np.nan)

    def ttft_at(self, share: float, side: Side | None = None) -> float:
        """TTFT that this share of the served requests keeps (of one side); NaN where there are none."""
        return self._quantile(self.ttft_s, share, side)

    def tpot_at(self, share: float, side: Side | None = None) -> float:
        """The same of TPOT."""
        return self._quantile(self.tpot_s, share, side)

    def _quantile(self, values: Floats, share: float, side: Side | None) -> float:
        if side is not None:
            values = values[self.on(side)]
        return at_share(values, share)

    def metered_usd(self) -> float | None:
        """What the metered targets charge for all they served; None where a price is not known."""
        total = 0.0
        for number, target in enumerate(self.targets):
            here = self.target == number
            if target.side is not Side.METERED or not here.any():
                continue
            if target.price is None:
                return None
            input_, output = self.traffic.input_tokens[here], self.served_output[here]
            tokens = int(input_.sum()) + int(output.sum())
            cached = self.traffic.cached_tokens[here]
            total += usd_per_million_of(target.price, input_, cached, output) * tokens / MILLION
        return total

    def owned_usd(self) -> float | None:
        """What the owned targets cost for the hours they were paid; None where a price is not known."""
        total = 0.0
        for target, paid_s in zip(self.targets, self.paid_s, strict=True):
            if paid_s and target.usd_nano_per_hour is None:
                return None
            total += paid_s / 3600 * (target.usd_nano_per_hour or 0) / NANO
        return total
