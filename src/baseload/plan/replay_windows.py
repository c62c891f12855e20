"""A replay of too many requests to simulate them all: its busiest windows and a random sample of the others.

Each busy window stands for itself, each of the m sampled ones for N/m of the N others, and where only a
window's beginning was simulated, that stands for all of it. Percentiles and sums are over requests with these
weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from baseload.core import Side
from baseload.money import NANO
from baseload.plan.costs import Floats
from baseload.plan.outcome import NOWHERE, Simulated
from baseload.plan.replay import SHARES, View
from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.plan.windows import DEFAULT_SAMPLING, WARM_UP_S, WINDOW_S, Sampling, choose
from baseload.traffic.table import Traffic

WHOLE_REQUESTS = 1_000_000
"""Traffic of so many requests is simulated whole, in a minute or less; of more, in windows."""


def in_windows(
    name: str,
    traffic: Traffic,
    scenario: Scenario,
    passed: Callable[[int], None] | None = None,
    sampling: Sampling = DEFAULT_SAMPLING,
) -> View:
    """The view of this traffic, estimated; `passed` is told how many of its requests are behind.

    Owned targets are paid for all of the time: outages and autoscaling need the whole traffic.
    """
    load = traffic.load(WINDOW_S)
    chosen, worst = choose(load.tokens_per_s, sampling)
    others = int((load.tokens_per_s > 0).sum()) - len(worst)
    parts, weights = [], []
    for number, place in enumerate(chosen.tolist()):
        part, whole = _window(traffic, place * load.window_s, load.window_s, scenario, sampling)
        times = 1.0 if place in worst else others / (len(chosen) - len(worst))
        parts.append(part)
        weights.append(times * whole / max(len(part.traffic), 1))
        if passed is not None:
            passed(round(len(traffic) * (number + 1) / len(chosen)))
    return _view(name, traffic, scenario, parts, weights)


def _window(
    traffic: Traffic, start_s: float, width_s: float, scenario: Scenario, sampling: Sampling
) -> tuple[Simulated, int]:
    """One window's simulated requests, those of its warm-up left out, and how many it has."""
    warm_s = min(WARM_UP_S, start_s)
    piece = traffic.between(start_s - warm_s, start_s + width_s)
    before = int(np.searchsorted(piece.arrival_s, warm_s))
    whole = len(piece) - before
    if whole > sampling.most_requests:
        piece = piece.between(0.0, float(piece.arrival_s[before + sampling.most_requests]))
    found = simulate(piece, scenario)
    counted = np.arange(len(piece)) >= before
    return replace(
        found,
        traffic=piece.where(counted),
        refused={code: round(many * counted.mean()) for code, many in found.refused.items()},
        **{name: getattr(found, name)[counted] for name in _COLUMNS},
    ), whole


_COLUMNS = ("target", "spilled", "attempts", "first_s", "end_s", "served_output")


def _view(
    name: str, traffic: Traffic, scenario: Scenario, parts: list[Simulated], weights: list[float]
) -> View:
    each = np.concatenate([np.full(len(p.target), w) for p, w in zip(parts, weights, strict=True)])
    served = np.concatenate([part.target != NOWHERE for part in parts])
    spilled = np.concatenate([part.spilled for part in parts]) & served
    owned = np.concatenate([part.on(Side.OWNED) for part in parts])
    tokens = np.concatenate([part.traffic.input_tokens + part.traffic.output_tokens for part in parts])
    metered = [part.metered_usd() for part in parts]
    hours = [target.usd_nano_per_hour for target in scenario.targets if target.side is Side.OWNED]
    hourly = None if None in hours else sum(nano or 0 for nano in hours) / NANO
    refused: dict[str, float] = {}
    for part, weight in zip(parts, weights, strict=True):
        for code, many in part.refused.items():
            refused[code] = refused.get(code, 0.0) + many * weight
    return View(
        name=name,
        requests=len(traffic),
        owned_usd=None if hourly is None else hourly * traffic.duration_s / 3600,
        metered_usd=None
        if None in metered
        else sum((usd or 0.0) * weight for usd, weight in zip(metered, weights, strict=True)),
        ttft_s=_quantiles(np.concatenate([part.ttft_s for part in parts]), each),
        tpot_s=_quantiles(np.concatenate([part.tpot_s for part in parts]), each),
        spill_share=float(each[spilled].sum() / each.sum()),
        owned_tokens_share=float((tokens * each)[owned].sum() / (tokens * each).sum()),
        refused={code: round(many) for code, many in refused.items() if round(many)},
        cut=0,
        windows=len(parts),
    )


def _quantiles(values: Floats, weights: Floats) -> tuple[float | None, float | None, float | None]:
    """Weighted percentiles of what is known."""
    known = ~np.isnan(values)
    values, weights = values[known], weights[known]
    if not len(values):
        return None, None, None
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    low, middle, high = (
        float(values[order][min(int(np.searchsorted(reached, share)), len(values) - 1)]) for share in SHARES
    )
    return low, middle, high
