"""What could come instead: percentiles, who beats whom, when totals cross, what matters, what is regretted.

All of it runs the same `course` as the expected total, over drawn worlds (Monte Carlo), over one figure at a
time (tornado), and over scenarios with the plan held as it is (regret).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from baseload.plan.assumptions import Assumption, Assumptions
from baseload.plan.costs import Floats
from baseload.plan.course import course
from baseload.plan.model import Inputs, Kind, Option
from baseload.plan.world import DRAWS, MONTHS, World, drawn, expected

PERCENTILES = (10.0, 50.0, 90.0)


@dataclass(frozen=True)
class Band:
    """An option's total as 10th, 50th and 90th percentile: after 24 and 36 months, and month by month.

    Of options that cost the same to the cent the first is the cheapest; `probability_lowest` counts all of
    them, so it says how often nothing is cheaper than this one.
    """

    name: str
    usd_24: tuple[float, float, float]
    usd_36: tuple[float, float, float]
    cumulative_p10: tuple[float, ...]
    cumulative_p50: tuple[float, ...]
    cumulative_p90: tuple[float, ...]
    probability_cheapest: float
    probability_lowest: float


@dataclass(frozen=True, slots=True)
class Beats:
    """How likely option `a` costs less than option `b` over 24 and over 36 months."""

    a: str
    b: str
    probability_24: float
    probability_36: float


@dataclass(frozen=True, slots=True)
class CrossingOdds:
    """How likely an option's total is at or below an API's after each month: the odds of having crossed."""

    option: str
    against: str
    by_month: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure of the tornado: what the plan saves over the best other kind at its low and at its high.

    `flips` says whether another option is then the cheapest.
    """

    name: str
    meaning: str
    low: float
    high: float
    saves_low_usd: float
    saves_high_usd: float
    flips: bool

    @property
    def swing_usd(self) -> float:
        """How far this figure moves the saving."""
        return abs(self.saves_high_usd - self.saves_low_usd)


@dataclass(frozen=True, slots=True)
class Regret:
    """A plan held as it is today in every scenario: its total, and how far above the best in hindsight."""

    name: str
    usd: tuple[float, ...]
    regret_usd: tuple[float, ...]

    @property
    def worst_usd(self) -> float:
        """The largest regret."""
        return max(self.regret_usd)


@dataclass(frozen=True)
class Risk:
    """The results for one seed."""

    seed: int
    draws: int
    bands: tuple[Band, ...]
    beats: tuple[Beats, ...]
    crossing: tuple[CrossingOdds, ...]
    tornado: tuple[Bar, ...]
    scenarios: tuple[str, ...]
    regret: tuple[Regret, ...]
    recommended: str
    over: str


def risk(inputs: Inputs, options: tuple[Option, ...], draws: int = DRAWS) -> Risk:
    """Everything above for these options. Equal inputs and seed give equal results."""
    central = _totals(inputs, options, expected(inputs.assumptions))
    best, other = _best_and_other(options, central)
    bands, beats, odds = monte_carlo(inputs, options, draws)
    scenarios, regrets = regret(inputs, options)
    return Risk(
        seed=inputs.seed,
        draws=draws,
        bands=bands,
        beats=beats,
        crossing=odds,
        tornado=tornado(inputs, options),
        scenarios=scenarios,
        regret=regrets,
        recommended=options[best].name,
        over=options[other].name,
    )


def monte_carlo(
    inputs: Inputs, options: tuple[Option, ...], draws: int = DRAWS
) -> tuple[tuple[Band, ...], tuple[Beats, ...], tuple[CrossingOdds, ...]]:
    """So many worlds for every option: the same worlds for each, so that their difference is theirs alone."""
    world = drawn(inputs.assumptions, draws, inputs.seed)
    runs = [_run(inputs, option, world) for option in options]
    totals = np.array([np.broadcast_to(run.usd_36, draws) for run in runs])
    cheapest = np.bincount(np.argmin(totals, axis=0), minlength=len(options)) / draws
    lowest = (totals == totals.min(axis=0)).mean(axis=1)
    bands = tuple(
        _band(option.name, run, float(cheapest[row]), float(lowest[row]))
        for row, (option, run) in enumerate(zip(options, runs, strict=True))
    )
    named = list(zip(options, runs, strict=True))
    beats = tuple(
        Beats(a.name, b.name, float((x.usd_24 < y.usd_24).mean()), float((x.usd_36 < y.usd_36).mean()))
        for a, x in named
        for b, y in named
        if a is not b
    )
    middle = expected(inputs.assumptions)
    owning = {each.name for each in options if np.any(course(inputs, each, middle).replicas)}
    odds = tuple(
        CrossingOdds(a.name, b.name, _floats((x.cumulative <= y.cumulative).mean(axis=0)))
        for a, x in named
        for b, y in named
        if a.name in owning and b.kind in (Kind.FRONTIER_API, Kind.OPEN_API)
    )
    return bands, beats, odds


class _Run(NamedTuple):
    """An option in drawn worlds: running total by draw and month without leaving, and totals with it."""

    cumulative: Floats
    usd_24: Floats
    usd_36: Floats


def _run(inputs: Inputs, option: Option, world: World) -> _Run:
    found = course(inputs, option, world)
    cumulative = np.cumsum(np.broadcast_to(found.total, (world.draws, world.months)), axis=1)
    return _Run(
        cumulative,
        _to_the_cent(cumulative[:, 23] + found.leaving(24)),
        _to_the_cent(cumulative[:, MONTHS - 1] + found.leaving(MONTHS)),
    )


def _to_the_cent(usd: Floats) -> Floats:
    """Rounded, so that float noise decides between no two options that are one answer."""
    return np.asarray(np.round(usd, 2), dtype=np.float64)


def _band(name: str, run: _Run, cheapest: float, lowest: float) -> Band:
    by_month = np.percentile(run.cumulative, PERCENTILES, axis=0)
    p10, p50, p90 = (_floats(row) for row in by_month)
    return Band(name, _three(run.usd_24), _three(run.usd_36), p10, p50, p90, cheapest, lowest)


def tornado(inputs: Inputs, options: tuple[Option, ...]) -> tuple[Bar, ...]:
    """Each ranged figure at its 10th and 90th percentile, the others as they are; the widest bar first.

    What is looked at is the saving of the option cheapest in the expected world over the best other one.
    """
    central = _totals(inputs, options, expected(inputs.assumptions))
    best, _ = _best_and_other(options, central)
    bars = []
    for row in inputs.assumptions:
        if not row.ranged:
            continue
        low, high = (_totals(inputs, options, expected(_with(inputs, row, at))) for at in (row.low, row.high))
        saves = [_saving(options, totals, best) for totals in (low, high)]
        flips = any(_another(options, totals, best) for totals in (low, high))
        assert row.low is not None
        assert row.high is not None
        if saves[0] == saves[1] and not flips:
            continue
        bars.append(Bar(row.name, row.meaning, row.low, row.high, saves[0], saves[1], flips))
    return tuple(sorted(bars, key=lambda bar: (-bar.swing_usd, bar.name)))


SCENARIOS = ("as planned", "traffic halves", "traffic doubles", "prices fall 50% a year", "utilisation 20%")
"""What a plan may meet. The last: replicas keep the SLO only up to 20% of their throughput."""


def regret(inputs: Inputs, options: tuple[Option, ...]) -> tuple[tuple[str, ...], tuple[Regret, ...]]:
    """Each option, sized as today, in each scenario: its total, and how far above the best in hindsight.

    In hindsight every option may be sized for the scenario. An owner of everything who has too little adds
    replicas, a hybrid buys more.
    """
    worlds = [_scenario(inputs, name) for name in SCENARIOS]
    hindsight = [min(_totals(inputs, options, world)) for world in worlds]
    kept = [_kept_as_it_is(inputs, option, worlds) for option in options]
    best = [min(column) for column in zip(hindsight, *kept, strict=True)]
    rows = (
        Regret(option.name, usd, tuple(u - b for u, b in zip(usd, best, strict=True)))
        for option, usd in zip(options, kept, strict=True)
    )
    return SCENARIOS, tuple(rows)


def _kept_as_it_is(inputs: Inputs, option: Option, worlds: list[World]) -> tuple[float, ...]:
    """The option's total in each world with today's replicas."""
    held = option.replicas if option.kind in (Kind.OWNED, Kind.HYBRID) else None
    return tuple(float(course(inputs, option, world, held).until(MONTHS)[0]) for world in worlds)


def _scenario(inputs: Inputs, name: str) -> World:
    now = inputs.assumptions.number("traffic.volume_factor")
    changes = {
        "traffic halves": {"traffic.volume_factor": now / 2},
        "traffic doubles": {"traffic.volume_factor": now * 2},
        "prices fall 50% a year": {"api.price_change_per_year": -0.5},
        "utilisation 20%": {"throughput.usable_factor": 0.2 / inputs.fleet.usable},
    }
    return expected(inputs.assumptions.changed(changes.get(name, {})))


def _with(inputs: Inputs, row: Assumption, value: float | None) -> Assumptions:
    return inputs.assumptions.changed({row.name: value})


def _totals(inputs: Inputs, options: tuple[Option, ...], world: World) -> list[float]:
    return [float(course(inputs, option, world).until(MONTHS)[0]) for option in options]


def _best_and_other(options: tuple[Option, ...], totals: list[float]) -> tuple[int, int]:
    """The cheapest option, and the cheapest that is not the same answer in other words."""
    best = int(np.argmin(np.round(totals, 2)))
    others = [i for i in range(len(options)) if i != best and not _same(options, totals, i, best)]
    return best, min(others, key=lambda i: totals[i])


def _same(options: tuple[Option, ...], totals: list[float], i: int, j: int) -> bool:
    """Whether two options are one answer in this world: a hybrid that never owns costs what its API does."""
    a, b = options[i], options[j]
    one = a.metered == b.metered and not a.replicas and not b.replicas
    return one and round(totals[i], 2) == round(totals[j], 2)


def _saving(options: tuple[Option, ...], totals: list[float], best: int) -> float:
    others = [t for i, t in enumerate(totals) if i != best and not _same(options, totals, i, best)]
    return min(others) - totals[best]


def _another(options: tuple[Option, ...], totals: list[float], best: int) -> bool:
    return _saving(options, totals, best) < 0


def _three(values: Floats) -> tuple[float, float, float]:
    low, middle, high = np.percentile(values, PERCENTILES)
    return float(low), float(middle), float(high)


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
