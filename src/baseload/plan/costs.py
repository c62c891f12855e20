"""What serving costs a month: tokens at a price, and replicas by the hour.

A month is 30 days, 720 hours. Amounts are floats in dollars: plans are estimates, the ledger books integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from baseload.core import TokenPrice
from baseload.money import MILLION, NANO

DAYS_PER_MONTH = 30
HOURS_PER_MONTH = 720
SECONDS_PER_DAY = 86_400

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Spare(StrEnum):
    """What stands by for the loss of one replica."""

    NONE = "none"  # nothing owned: metered targets take over
    SERVING = "serving"  # one more replica that shares the load
    IDLE = "idle"  # one more replica that waits


@dataclass(frozen=True, slots=True)
class Mix:
    """What a token is on average: share of output tokens, and share of the input that is cached.

    `input_tokens` and `output_tokens` are means per request; prices by the token do not depend on them, the
    capacity of a replica does.
    """

    output_share: float
    cached_share: float = 0.0
    input_tokens: float = 1024.0
    output_tokens: float = 1024.0


def usd_per_million(price: TokenPrice, mix: Mix) -> float:
    """Dollars per million tokens, in and out together, at this mix and the price's short-context tier."""
    p_cached = price.input if price.cached_input is None else price.cached_input
    p_input = (1.0 - mix.cached_share) * price.input + mix.cached_share * p_cached
    return ((1.0 - mix.output_share) * p_input + mix.output_share * price.output) / NANO


def usd_per_million_of(price: TokenPrice, input_: Ints, cached: Ints, output: Ints) -> float:
    """Dollars per million tokens of these very requests, each at the tier its own input falls in.

    The arrays hold one request an element. Sums are taken in integers, so no request is rounded.
    """
    tier = price.long_context
    long = np.zeros(len(input_), dtype=bool) if tier is None else input_ > tier.above
    total = _sum_nano(
        price.input, price.cached_input, price.output, input_[~long], cached[~long], output[~long]
    )
    if tier is not None:
        total += _sum_nano(
            tier.input, tier.cached_input, tier.output, input_[long], cached[long], output[long]
        )
    return total / NANO / (int(input_.sum()) + int(output.sum()))


def _sum_nano(
    p_input: int, p_cached: int | None, p_output: int, input_: Ints, cached: Ints, output: Ints
) -> int:
    all_input, all_cached, all_output = int(input_.sum()), int(cached.sum()), int(output.sum())
    cached_nano = all_cached * (p_input if p_cached is None else p_cached)
    return (all_input - all_cached) * p_input + cached_nano + all_output * p_output


def metered_month_usd(tokens_per_day: float, api_usd_per_million: float) -> float:
    """A month of tokens bought: tokens per day · 30 · price."""
    return tokens_per_day / MILLION * DAYS_PER_MONTH * api_usd_per_million


@dataclass(frozen=True, slots=True)
class Fleet:
    """Owned replicas of one kind: what one serves, what one costs, what stands by and who looks after it.

    `throughput_tokens_per_s` is what one replica serves at the SLO, input and output tokens together, when it
    is full; `usable` is the share of it that is planned with. Replica counts called `n` leave the spare out.
    """

    throughput_tokens_per_s: float
    usd_per_hour: float
    usable: float = 1.0
    spare: Spare = Spare.NONE
    team_usd_per_month: float = 0.0

    def in_regions(self, regions: int) -> Fleet:
        """The fleet whose unit is one such replica in each of so many regions that peak at the same time.

        Every region then serves an equal part and keeps a spare of its own; there is one team.
        """
        return replace(
            self,
            throughput_tokens_per_s=self.throughput_tokens_per_s * regions,
            usd_per_hour=self.usd_per_hour * regions,
        )

    @property
    def usable_tokens_per_s(self) -> float:
        """Planned throughput c of one replica."""
        return self.throughput_tokens_per_s * self.usable

    @property
    def replica_month_usd(self) -> float:
        """One replica for 720 hours."""
        return self.usd_per_hour * HOURS_PER_MONTH

    @property
    def spares(self) -> int:
        """Replicas paid for besides the n that the load needs."""
        return 0 if self.spare is Spare.NONE else 1

    @property
    def overhead_month_usd(self) -> float:
        """What owning anything at all costs before its first replica: the spare and the team."""
        return self.spares * self.replica_month_usd + self.team_usd_per_month

    def month_usd(self, n: int) -> float:
        """A month of n replicas with their spare and team; nothing at all for n = 0."""
        return 0.0 if n == 0 else n * self.replica_month_usd + self.overhead_month_usd

    def room_tokens_per_s(self, n: int) -> float:
        """Load that n replicas (and a serving spare) carry as planned.

        Without a spare or with an idle one n·c. A serving spare carries its part, (n+1)·c, but the n that
        remain when one is lost must carry everything, if need be full: min((n+1)·c, n·throughput).
        """
        if self.spare is Spare.SERVING and n > 0:
            return min((n + 1) * self.usable_tokens_per_s, n * self.throughput_tokens_per_s)
        return n * self.usable_tokens_per_s

    def rooms_tokens_per_s(self, most: int) -> Floats:
        """`room_tokens_per_s` of 0, 1, …, `most` replicas."""
        n = np.arange(most + 1, dtype=np.float64)
        if self.spare is not Spare.SERVING:
            return n * self.usable_tokens_per_s
        rooms = np.minimum((n + 1) * self.usable_tokens_per_s, n * self.throughput_tokens_per_s)
        rooms[0] = 0.0
        return rooms

    def needed(self, tokens_per_s: float) -> int:
        """The fewest replicas, spare left out, whose room holds this load; at least one."""
        if self.spare is Spare.SERVING:
            with_all = _whole(tokens_per_s / self.usable_tokens_per_s) - 1
            with_one_lost = _whole(tokens_per_s / self.throughput_tokens_per_s)
            return max(with_all, with_one_lost, 1)
        return max(_whole(tokens_per_s / self.usable_tokens_per_s), 1)

    def floor_usd_per_million(self, use: float) -> float:
        """What a million tokens cost on a replica used to this share around the clock: no spare, no team."""
        return self.usd_per_hour / (self.throughput_tokens_per_s * use * 3600 / MILLION)


def _whole(replicas: float) -> int:
    """Rounded up; a load that fills its replicas exactly does not take one more for float noise."""
    return math.ceil(replicas * (1 - 1e-12))
