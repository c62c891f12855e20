"""The cheapest mix is the cheapest of all: held against trying every count of replicas."""

from __future__ import annotations

from itertools import product
from math import ceil, inf

import numpy as np
import pytest
from scipy.optimize import linprog

from baseload.plan.load import LoadCurve
from baseload.plan.portfolio import GAP, Demand, MeteredPlace, OwnedPlace, Question, may_serve, solve

DAY_S = 86_400
MEGASECONDS = 2.592


def portfolio(seed: int) -> tuple[Question, LoadCurve]:
    """Two or three classes, two owned places, two APIs, four windows; every class may be served somewhere."""
    rng = np.random.default_rng(seed)
    owned = tuple(
        OwnedPlace(
            f"own-{region}",
            region,
            float(rng.uniform(1_000, 5_000)),
            float(rng.uniform(2, 12)),
            float(rng.uniform(0.6, 0.9)),
            spare=int(rng.integers(0, 2)),
        )
        for region in ("eu", "us")
    )
    apis = (
        MeteredPlace(
            "frontier", "us", float(rng.uniform(2, 9)), 1.0, zero_retention=bool(rng.integers(0, 2))
        ),
        MeteredPlace("cheap", "eu", float(rng.uniform(0.3, 3)), 0.65),
    )
    classes = [Demand("any", float(rng.uniform(5e7, 5e8)), 0.5)]
    classes.append(Demand("hard", float(rng.uniform(1e7, 2e8)), float(rng.uniform(0.6, 1.0))))
    if rng.integers(0, 2):
        classes.append(Demand("private", float(rng.uniform(5e7, 3e8)), 0.6, ("eu",), zero_retention=True))
    curve = LoadCurve.of(rng.uniform(0.2, 3.0, 4), 600.0)
    return Question(tuple(classes), owned, apis, float(rng.uniform(0, 25_000))), curve


def cheapest_by_trying(question: Question, curve: LoadCurve) -> float:
    """Every pair of counts, the tokens of each window moved as cheaply as these replicas let them."""
    total = sum(each.tokens_per_day for each in question.classes) / DAY_S * float(curve.relative[0])
    counts = [
        range(ceil(total / (place.throughput_tokens_per_s * place.usable)) + 2) for place in question.owned
    ]
    best = inf
    for chosen in product(*counts):
        pairs = list(zip(chosen, question.owned, strict=True))
        usd = sum((n + place.spare) * place.usd_per_hour * 720 for n, place in pairs if n)
        usd += question.team_usd_per_month if any(chosen) else 0.0
        for over_mean in curve.relative:
            if usd >= best:
                break
            usd += window_usd(question, chosen, float(over_mean), 1 / len(curve.relative))
        best = min(best, usd)
    return best


def window_usd(question: Question, chosen: tuple[int, ...], over_mean: float, weight: float) -> float:
    """The cheapest way through one window: a transport problem of a few flows; infinity for none."""
    places: tuple[OwnedPlace | MeteredPlace, ...] = (*question.owned, *question.apis)
    captive = [not any(may_serve(api, each) for api in question.apis) for each in question.classes]
    flows = [(c, p) for c in range(len(question.classes)) for p in range(len(places))]
    costs = [getattr(places[p], "usd_per_million", 0.0) * MEGASECONDS * weight for _, p in flows]
    most = [None if may_serve(places[p], question.classes[c]) else 0.0 for c, p in flows]
    served = [[float(c == at) for c, _ in flows] for at in range(len(question.classes))]
    loads = [each.tokens_per_day / DAY_S * over_mean for each in question.classes]
    rows, rooms = [], []
    for at, (n, place) in enumerate(zip(chosen, question.owned, strict=True)):
        rows.append([float(p == at) for _, p in flows])
        rooms.append(n * place.throughput_tokens_per_s * place.usable)
        if not place.spare:
            rows.append([float(p == at and captive[c]) for c, p in flows])
            rooms.append(max(n - 1, 0) * place.throughput_tokens_per_s)
    found = linprog(costs, rows, rooms, served, loads, [(0.0, each) for each in most])
    return float(found.fun) if found.status == 0 else inf


@pytest.mark.parametrize("seed", range(20))
def test_no_count_of_replicas_is_cheaper(seed: int) -> None:
    """Twenty portfolios drawn at random: the program's cost is that of the best count there is."""
    question, curve = portfolio(seed)
    found = solve(question, curve)
    assert found.gap <= GAP
    assert found.usd_per_month == pytest.approx(cheapest_by_trying(question, curve), rel=1e-5)


def test_a_search_that_ends_early_says_how_much_cheaper_it_could_be() -> None:
    """At one node the cost found is bounded by the gap, and equal questions get equal answers."""
    gaps = []
    for seed in range(20):
        question, curve = portfolio(seed)
        early, best = solve(question, curve, most_nodes=1), solve(question, curve)
        assert early == solve(question, curve, most_nodes=1)
        assert best.usd_per_month >= early.usd_per_month * (1 - early.gap) * (1 - 1e-6)
        gaps.append(early.gap)
    assert max(gaps) > GAP
