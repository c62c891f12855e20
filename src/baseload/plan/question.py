"""What a plan is asked: every field may be left out, and what is left out is assumed and said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from baseload.core import Slo
from baseload.errors import UsageError
from baseload.plan.costs import Spare


class SizeBy(StrEnum):
    """What a replica is planned with."""

    SLO = "slo"  # the load at which the promise is kept, found by simulating the traffic's requests
    USABLE = "usable"  # a share of the throughput, the rest left for bursts


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The fields of `baseload plan` and of `bl.plan`; None means: look it up, or assume it and say so.

    Prices are in dollars: `api_price` is (input, output) per million tokens and takes the place of the
    catalog's price of the first `api`; `open_api_price` is per million tokens whichever way they go.
    `throughput` is what one replica serves in tokens/s, input and output together, and takes the place of
    the capacity model.
    `size_by` None sizes by simulation where the traffic has enough requests and neither throughput nor usable
    share is given; `slo_percentile` is the share of requests, in percent, that it keeps the SLO for, and
    `search_offers` looks for the cheapest GPUs on offer that do.
    `on` is the day of the prices; None is today (UTC). `assumptions` replace figures of the shipped table by
    name, `answers` are what only a person can say (`baseload.plan.answers`), `portfolio` holds several
    classes and models (`baseload.plan.portfolio_file`), `seed` decides the risk's draws.
    """

    tokens_per_day: float | None = None
    output_share: float | None = None
    cached_share: float | None = None
    api: tuple[str, ...] = ()
    api_price: tuple[float, float] | None = None
    open_api: bool = True
    open_api_price: float | None = None
    model: str | None = None
    gpu: str | None = None
    gpus: int | None = None
    precision: str | None = None
    usd_per_gpu_hour: float | None = None
    throughput: float | None = None
    usable: float | None = None
    spare: Spare | str | None = None
    team_usd_per_month: float | None = None
    slo: Slo | None = None
    slo_percentile: float = 95.0
    size_by: SizeBy | str | None = None
    search_offers: bool = False
    on: date | None = None
    assumptions: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    portfolio: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1

    def __post_init__(self) -> None:
        """Raises UsageError for a value that cannot be meant."""
        if isinstance(self.api, str):
            object.__setattr__(self, "api", (self.api,))
        if self.seed < 0:
            raise UsageError(f"seed: {self.seed} is below 0")
        _positive("tokens per day", self.tokens_per_day)
        _positive("GPUs of a replica", self.gpus)
        _positive("price of a GPU hour", self.usd_per_gpu_hour)
        _positive("throughput of a replica", self.throughput)
        _share("output share", self.output_share)
        _share("cached share", self.cached_share)
        _share("usable share of the throughput", self.usable)
        if self.usable == 0:
            raise UsageError(
                "the usable share of the throughput is 0", hint="0.7 leaves 30% head-room for bursts"
            )
        _not_negative("team", self.team_usd_per_month)
        _not_negative("price of the open model's API", self.open_api_price)
        for price in self.api_price or ():
            _not_negative("API price", price)
        if self.spare is not None and str(self.spare) not in set(Spare):
            raise UsageError(f"no such spare: {self.spare!r}", hint=f"choose one of {', '.join(Spare)}")
        if self.open_api_price is not None and not self.open_api:
            raise UsageError(
                "a price for the open model's API, and no such API", hint="leave one of the two out"
            )
        if self.api_price is not None and not self.api:
            raise UsageError("a price for an API that is not named", hint="name it: --api gpt-4o")
        if self.slo is not None and self.throughput is not None:
            raise UsageError(
                "the throughput is given, so no SLO is looked at",
                hint="give the throughput that keeps your SLO, or leave --throughput out",
            )
        _check_sizing(self)
        if self.slo is not None:
            _positive("TTFT of the SLO", self.slo.ttft_s)
            _positive("TPOT of the SLO", self.slo.tpot_s)


def _check_sizing(question: Question) -> None:
    by = question.size_by
    if by is not None and str(by) not in set(SizeBy):
        raise UsageError(f"no such way to size: {by!r}", hint=f"choose one of {', '.join(SizeBy)}")
    if not 50 <= question.slo_percentile < 100:
        raise UsageError(
            f"SLO percentile: {question.slo_percentile} is not from 50 to below 100", hint="p95 is 95"
        )
    simulated = by is not None and str(by) == SizeBy.SLO
    if question.throughput is not None and (simulated or question.search_offers):
        raise UsageError(
            "the throughput is given, so nothing is simulated",
            hint="leave --throughput out to size by the SLO or to search offers",
        )
    if question.usable is not None and simulated:
        raise UsageError(
            "sizing by the SLO finds what is usable", hint="leave --usable out, or give --size-by usable"
        )


def _positive(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < float("inf"):
        raise UsageError(f"{name}: {value} is not above 0")


def _not_negative(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value < float("inf"):
        raise UsageError(f"{name}: {value} is not 0 or more")


def _share(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise UsageError(f"{name}: {value} is not between 0 and 1", hint="70% is written 0.7")
