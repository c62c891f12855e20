"""The nouns of a plan: what went in, with where each figure comes from, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baseload.core import Slo, TokenPrice
from baseload.plan.answers import NOBODY_SAID, Answers
from baseload.plan.assumptions import Assumptions, shipped
from baseload.plan.break_even import Crossing, OneReplica
from baseload.plan.costs import Fleet, Mix
from baseload.plan.load import LoadCurve

if TYPE_CHECKING:
    from baseload.plan.advice import Advice
    from baseload.plan.billed import Billed
    from baseload.plan.check import Check
    from baseload.plan.offer_search import Searched
    from baseload.plan.portfolio import Portfolio
    from baseload.plan.risk import Risk
    from baseload.plan.slo_sizing import Sized
    from baseload.plan.tco import Tco

ASSUMED = "assumption"
"""Source of a figure that nobody stated: neither the user nor a dated source."""

GIVEN = "given"
"""Source of a figure the user stated."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One input of the plan: its value in words with its unit, and its source and ISO date ("" for none)."""

    name: str
    value: str
    source: str
    as_of: str = ""

    @property
    def assumed(self) -> bool:
        """Whether this is a default without a source."""
        return self.source.startswith(ASSUMED)


class Role(StrEnum):
    """What a metered price is compared as."""

    FRONTIER = "frontier"  # another, usually stronger model
    OPEN = "open"  # the very model that would be owned, as an API


@dataclass(frozen=True, slots=True)
class Metered:
    """A price that owned serving is compared with, in dollars per million tokens, in and out together.

    `price` holds its parts; None where there is one price whichever way tokens go. `provider` and `model` are
    who sells it under which name; "" where nobody said.
    """

    name: str
    role: Role
    usd_per_million: float
    price: TokenPrice | None = None
    provider: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """All a decision needs, resolved to numbers; `facts` say where each comes from.

    `gpus` are those of one replica, in all regions where there are several. `assumptions` are what 24 and 36
    months rest on besides, `seed` draws the risk, `portfolio` is that section of a plan file
    (`baseload.plan.portfolio_file`). `sized` is the simulation that replicas were sized by, `searched` the
    search over GPUs on offer, `billed` what the bill that is the traffic says of money; None where there is
    none.
    """

    model: str
    replica: str
    tokens_per_day: float
    mix: Mix
    curve: LoadCurve
    fleet: Fleet
    metered: tuple[Metered, ...]
    facts: tuple[Fact, ...] = ()
    gpus: int = 1
    gpu: str = ""
    precision: str = ""
    slo: Slo = field(default_factory=Slo)
    assumptions: Assumptions = field(default_factory=shipped)
    answers: Answers = NOBODY_SAID
    seed: int = 1
    portfolio: Mapping[str, Any] = field(default_factory=dict, hash=False)
    sized: Sized | None = None
    searched: Searched | None = None
    billed: Billed | None = None


class Kind(StrEnum):
    """The kinds of answer a plan compares."""

    FRONTIER_API = "frontier_api"
    OPEN_API = "open_api"
    OWNED = "owned"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class Option:
    """One way to serve the whole demand. `replicas` leaves the spare out, `use` counts it where it serves."""

    name: str
    kind: Kind
    usd_per_month: float
    usd_per_million: float
    replicas: int
    spare_replicas: int
    owned_tokens_share: float
    use: float
    spill_usd_per_month: float = 0.0
    metered: str | None = None


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Owned serving against one metered price over all volumes of this load curve.

    `crossings` compares owning everything; `hybrid_from_tokens_per_day` is where a hybrid with this price
    starts to pay, None for never.
    """

    against: Metered
    crossings: tuple[Crossing, ...]
    one_replica: OneReplica
    hybrid_from_tokens_per_day: float | None
    words: str

    @property
    def never(self) -> bool:
        """Whether owning everything is dearer at every volume."""
        return not self.crossings


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One change of an input, what would then be cheapest, and whether that is another answer."""

    change: str
    cheapest: str
    usd_per_month: float
    flips: bool


@dataclass(frozen=True)
class Plan:
    """What to own and what to buy, with its evidence. Equal inputs give equal plans, to the byte."""

    inputs: Inputs
    options: tuple[Option, ...]
    break_even: tuple[BreakEven, ...]
    what_if: tuple[WhatIf, ...]
    answer: str
    verdicts: tuple[str, ...]
    """One against each API alone, in the APIs' order."""
    caveat: str = ""
    """What holds for all of them; empty for nothing."""

    @property
    def told(self) -> tuple[str, ...]:
        """The verdicts, and what holds for all of them."""
        return (*self.verdicts, self.caveat) if self.caveat else self.verdicts

    @property
    def cheapest(self) -> Option:
        """The option with the lowest monthly cost; ties go to the first, bought before owned."""
        return min(self.options, key=lambda option: option.usd_per_month)

    @cached_property
    def tco(self) -> Tco:
        """24 and 36 months of every option, by line and month; computed when it is first looked at."""
        from baseload.plan.tco import tco

        return tco(self.inputs, self.options)

    @cached_property
    def risk(self) -> Risk:
        """What could come instead, for the inputs' seed; computed when it is first looked at."""
        from baseload.plan.risk import risk

        return risk(self.inputs, self.options)

    @cached_property
    def portfolio(self) -> Portfolio | None:
        """The cheapest mix for the plan file's classes, on this plan's load curve; None without classes."""
        from baseload.plan.portfolio import solve
        from baseload.plan.portfolio_file import portfolio_question

        if not self.inputs.portfolio:
            return None
        return solve(portfolio_question(self.inputs.portfolio), self.inputs.curve)

    @cached_property
    def advice(self) -> Advice:
        """What to do, why, and what would change it; computed when it is first looked at."""
        from baseload.plan.advice import advise

        return advise(self)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data; the keys are documented in docs/plan.md."""
        from baseload.plan.export import plan_dict

        return plan_dict(self)

    def html(self, actual: Check | None = None) -> str:
        """The report: one HTML page that needs nothing else; `actual` adds the plan beside the ledger."""
        from baseload.plan.report import report_html

        return report_html(self, actual)

    def markdown(self, actual: Check | None = None) -> str:
        """The report as Markdown; `actual` adds the plan beside the ledger."""
        from baseload.plan.report import report_markdown

        return report_markdown(self, actual)

    def report(self, path: str | Path, actual: Check | None = None) -> Path:
        """Write the report to this file, as Markdown where its name ends in .md; returns the path.

        `actual` is what `baseload.plan.check.check` found. Raises EnvironmentProblem where writing fails.
        """
        from baseload.plan.report import write_report

        return write_report(self, Path(path), actual)

    def _repr_html_(self) -> str:
        from baseload.plan.report import notebook_html

        return notebook_html(self)

    def __str__(self) -> str:
        return "\n".join((self.answer, *self.told))
