"""Several models and classes with quality, residency and region rules: the cheapest mix that serves all.

A mixed-integer program, solved by HiGHS (scipy). With windows k of load L, their share w of the time, classes
c, owned places m (a model in a region) and APIs a, all rates in tokens/s:

    minimise   Σ_m (n_m + spare·z_m)·r_m·720 + t·team + Σ_k,c,a x_kca · w_k · 2.592 · p_a
    such that  Σ_o x_kco = L_kc                        every class is served in every window, or
               Σ_k,o w_k · x_kco = mean of L_c         in whichever windows, where its answers may wait
               x_kco = 0 where o may not serve c       quality, regions, retention
               Σ_c x_kcm ≤ usable_m · n_m              replicas
               x_kcm ≤ full_m · (n_m - z_m)            a class no API may serve: one can be lost
               n_m ≤ N_m · z_m,  z_m ≤ t               spare and team are paid where anything is owned
               Σ_k,c w_k · x_kca ≤ most_a              an API's own limit

(2.592: millions of seconds in a month of 30 days, so that p is in $ per million tokens.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from baseload.errors import EnvironmentProblem, UsageError
from baseload.plan.costs import DAYS_PER_MONTH, HOURS_PER_MONTH, SECONDS_PER_DAY, Floats
from baseload.plan.load import LoadCurve

LEVELS = 24
"""Levels of load a curve is told in: equal shares of the time, the highest split off as the peak."""

MEGASECONDS_PER_MONTH = SECONDS_PER_DAY * DAYS_PER_MONTH / 1e6
MOST_NODES = 5_000
"""Nodes of the search tree that are looked at: the same bound on every machine, unlike seconds."""

GAP = 1e-6
"""Relative distance to the optimum at which the search ends."""

_LIMIT_REACHED = 1
"""scipy's status of a search that ended at its limit."""


@dataclass(frozen=True, slots=True)
class OwnedPlace:
    """A model that may be owned in a region; `spare` replicas wait beside the others. `quality` is 0 to 1."""

    name: str
    region: str
    throughput_tokens_per_s: float
    usd_per_hour: float
    quality: float
    usable: float = 0.7
    spare: int = 0


@dataclass(frozen=True, slots=True)
class MeteredPlace:
    """An API that processes in `region`; `most_tokens_per_day` is its own limit, None for none."""

    name: str
    region: str
    usd_per_million: float
    quality: float
    zero_retention: bool = False
    most_tokens_per_day: float | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """A class of traffic: least quality, regions where it may be processed (None: any), whether nothing may
    be kept, and whether its answers may wait for the valleys, so that only their sum counts.
    """

    name: str
    tokens_per_day: float
    quality: float = 0.0
    regions: tuple[str, ...] | None = None
    zero_retention: bool = False
    deferrable: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be served, by what it may be, and the people owning anything takes."""

    classes: tuple[Demand, ...]
    owned: tuple[OwnedPlace, ...]
    apis: tuple[MeteredPlace, ...]
    team_usd_per_month: float = 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    """Replicas of a place, its spares, and what both cost a month."""

    place: OwnedPlace
    replicas: int
    spares: int
    usd_per_month: float


@dataclass(frozen=True, slots=True)
class Flow:
    """Part of a class's tokens that a place serves, and what they cost there by the token (0 where owned)."""

    demand: str
    place: str
    region: str
    share: float
    usd_per_month: float


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The cheapest mix. `captive` names the classes no API may serve: their places can lose one replica.

    `gap` is how far below, as a share of its cost, a cheaper mix might still be: above `GAP` only where the
    search ended at `MOST_NODES`.
    """

    usd_per_month: float
    team_usd_per_month: float
    kept: tuple[Kept, ...]
    flows: tuple[Flow, ...]
    captive: tuple[str, ...]
    gap: float = 0.0


def may_serve(place: OwnedPlace | MeteredPlace, demand: Demand) -> bool:
    """Whether this place is good enough for the class, in its regions, and keeps nothing if need be."""
    keeps_nothing = isinstance(place, OwnedPlace) or place.zero_retention
    return (
        place.quality >= demand.quality
        and (demand.regions is None or place.region in demand.regions)
        and (keeps_nothing or not demand.zero_retention)
    )


def solve(question: Question, curve: LoadCurve, most_nodes: int = MOST_NODES) -> Portfolio:
    """The cheapest mix for these classes, each following this curve; `gap` says how sure that is.

    Equal questions give equal answers on every machine: the search is bounded in nodes, not in seconds.
    Raises UsageError for a class that nothing may serve or where no mix serves all, EnvironmentProblem where
    scipy is not installed.
    """
    places: tuple[OwnedPlace | MeteredPlace, ...] = (*question.owned, *question.apis)
    for demand in question.classes:
        if not any(may_serve(place, demand) for place in places):
            raise UsageError(
                f"nothing may serve the class {demand.name!r}",
                hint="name a place in its regions with its quality, or loosen the class",
            )
    return _Program(question, curve).solve(most_nodes)


class _Program:
    """Columns and rows of the program: x for every (window, class, place), then n and z by owned place, t."""

    def __init__(self, question: Question, curve: LoadCurve) -> None:
        self.question = question
        self.levels, self.weights = levels(curve)
        self.places: tuple[OwnedPlace | MeteredPlace, ...] = (*question.owned, *question.apis)
        self.flows = len(self.levels) * len(question.classes) * len(self.places)
        self.columns = self.flows + 2 * len(question.owned) + 1
        self.rows: list[tuple[dict[int, float], float, float]] = []
        self.captive = tuple(
            demand.name for demand in question.classes if not any(may_serve(a, demand) for a in question.apis)
        )

    def _x(self, level: int, demand: int, place: int) -> int:
        return (level * len(self.question.classes) + demand) * len(self.places) + place

    def _n(self, owned: int) -> int:
        return self.flows + owned

    def _z(self, owned: int) -> int:
        return self.flows + len(self.question.owned) + owned

    def solve(self, most_nodes: int) -> Portfolio:
        """The optimum, read back from the columns; or the best found in so many nodes."""
        try:
            from scipy.optimize import Bounds, LinearConstraint, milp
            from scipy.sparse import csr_array
        except ImportError:
            hint = "pip install 'baseload[portfolio]'"
            raise EnvironmentProblem("a portfolio is solved by scipy, which is missing", hint=hint) from None
        self._serve_every_class()
        self._fit_replicas()
        self._limit_apis()
        entries = [
            (row, at, value) for row, (terms, _, _) in enumerate(self.rows) for at, value in terms.items()
        ]
        rows, columns, values = (np.array(part) for part in zip(*entries, strict=True))
        matrix = csr_array((values, (rows, columns)), shape=(len(self.rows), self.columns))
        lower, upper = (np.array([row[end] for row in self.rows]) for end in (1, 2))
        whole = np.zeros(self.columns)
        whole[self.flows :] = 1
        found = milp(
            self._costs(),
            constraints=LinearConstraint(matrix, lower, upper),
            integrality=whole,
            bounds=Bounds(0.0, self._most()),
            options={"node_limit": most_nodes, "mip_rel_gap": GAP},
        )
        if found.x is None and found.status == _LIMIT_REACHED:
            raise UsageError(
                f"no mix was found in {most_nodes:,} nodes of the search",
                hint="plan fewer classes, or fewer places, at a time",
            )
        if found.x is None:
            raise UsageError(
                f"no mix serves every class: {found.message}", hint="raise an API's limit or add a place"
            )
        return replace(self._portfolio(np.asarray(found.x)), gap=max(float(found.mip_gap or 0.0), 0.0))

    def _serve_every_class(self) -> None:
        places = range(len(self.places))
        for c, demand in enumerate(self.question.classes):
            mean = demand.tokens_per_day / SECONDS_PER_DAY
            if demand.deferrable:
                terms = {
                    self._x(level, c, at): float(weight)
                    for level, weight in enumerate(self.weights)
                    for at in places
                }
                self.rows.append((terms, mean, mean))
                continue
            for level, over_mean in enumerate(self.levels):
                load = mean * float(over_mean)
                self.rows.append(({self._x(level, c, at): 1.0 for at in places}, load, load))

    def _fit_replicas(self) -> None:
        for m, place in enumerate(self.question.owned):
            room = place.throughput_tokens_per_s * place.usable
            for level in range(len(self.levels)):
                terms = {self._x(level, c, m): 1.0 for c in range(len(self.question.classes))}
                self.rows.append(({**terms, self._n(m): -room}, -np.inf, 0.0))
                held = {
                    self._x(level, c, m): 1.0
                    for c, demand in enumerate(self.question.classes)
                    if demand.name in self.captive
                }
                if held and not place.spare:
                    full = place.throughput_tokens_per_s
                    self.rows.append(({**held, self._n(m): -full, self._z(m): full}, -np.inf, 0.0))
            self.rows.append(({self._n(m): 1.0, self._z(m): -self._most_replicas(place)}, -np.inf, 0.0))
            self.rows.append(({self._z(m): 1.0, self.columns - 1: -1.0}, -np.inf, 0.0))

    def _limit_apis(self) -> None:
        for a, place in enumerate(self.question.apis, start=len(self.question.owned)):
            if place.most_tokens_per_day is None:
                continue
            terms = {
                self._x(level, c, a): float(weight) * SECONDS_PER_DAY
                for level, weight in enumerate(self.weights)
                for c in range(len(self.question.classes))
            }
            self.rows.append((terms, -np.inf, place.most_tokens_per_day))

    def _most_replicas(self, place: OwnedPlace) -> float:
        mean = sum(demand.tokens_per_day for demand in self.question.classes) / SECONDS_PER_DAY
        peak = mean * float(self.levels[0])
        return float(np.ceil(peak / (place.throughput_tokens_per_s * place.usable)) + 1)

    def _costs(self) -> Floats:
        costs = np.zeros(self.columns)
        for level, weight in enumerate(self.weights):
            for c in range(len(self.question.classes)):
                for at, place in enumerate(self.places):
                    if isinstance(place, MeteredPlace):
                        usd = float(weight) * MEGASECONDS_PER_MONTH * place.usd_per_million
                        costs[self._x(level, c, at)] = usd
        for m, owned in enumerate(self.question.owned):
            costs[self._n(m)] = owned.usd_per_hour * HOURS_PER_MONTH
            costs[self._z(m)] = owned.usd_per_hour * HOURS_PER_MONTH * owned.spare
        costs[-1] = self.question.team_usd_per_month
        return costs

    def _most(self) -> Floats:
        most = np.full(self.columns, np.inf)
        for level in range(len(self.levels)):
            for c, demand in enumerate(self.question.classes):
                for at, place in enumerate(self.places):
                    if not may_serve(place, demand):
                        most[self._x(level, c, at)] = 0.0
        for m, owned in enumerate(self.question.owned):
            most[self._n(m)], most[self._z(m)] = self._most_replicas(owned), 1.0
        most[-1] = 1.0
        return most

    def _portfolio(self, x: Floats) -> Portfolio:
        kept = []
        for m, owned in enumerate(self.question.owned):
            n = round(float(x[self._n(m)]))
            if n:
                usd = (n + owned.spare) * owned.usd_per_hour * HOURS_PER_MONTH
                kept.append(Kept(owned, n, owned.spare, usd))
        flows = []
        for c, demand in enumerate(self.question.classes):
            mean = demand.tokens_per_day / SECONDS_PER_DAY
            for at, place in enumerate(self.places):
                rates = np.array([x[self._x(level, c, at)] for level in range(len(self.levels))])
                rate = float((rates * self.weights).sum())
                if rate > mean * 1e-9:
                    price = place.usd_per_million if isinstance(place, MeteredPlace) else 0.0
                    usd = rate * MEGASECONDS_PER_MONTH * price
                    flows.append(Flow(demand.name, place.name, place.region, rate / mean, usd))
        team_usd = self.question.team_usd_per_month if kept else 0.0
        total = team_usd + sum(each.usd_per_month for each in kept)
        total += sum(each.usd_per_month for each in flows)
        return Portfolio(total, team_usd, tuple(kept), tuple(flows), self.captive)


def levels(curve: LoadCurve, count: int = LEVELS) -> tuple[Floats, Floats]:
    """The curve in so many levels over the mean, highest first, and each one's share of the time.

    The first is the highest window by itself, so that replicas hold the peak; the others are means of equal
    shares of the rest. Their weighted mean is 1.
    """
    windows = len(curve.relative)
    if windows <= count:
        return curve.relative, np.full(windows, 1.0 / windows)
    parts = [curve.relative[:1], *np.array_split(curve.relative[1:], count - 1)]
    means = np.array([float(part.mean()) for part in parts])
    return means, np.array([len(part) / windows for part in parts])
