"""A replay of too many requests to simulate them all: the fluid model over all of it, and windows of it
simulated, the busiest ones and a random sample of the others.

The fluid model says what owned replicas take of every window's load; the simulated windows say how far it is
off, and how sure that is (`plan/estimate.py`). What is spilled and what it costs follow what is bought.
Percentiles are over the simulated requests, each standing for as many as its stratum has of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from baseload.core import Side
from baseload.money import NANO
from baseload.plan.costs import Floats
from baseload.plan.estimate import Chosen, Estimate, Found, choose, estimate
from baseload.plan.outcome import NOWHERE, Simulated
from baseload.plan.percentile import at_share
from baseload.plan.replay import SHARES, View, three
from baseload.plan.response import Response
from baseload.plan.scenario import Scenario
from baseload.plan.windows import (
    DEFAULT_SAMPLING,
    WINDOW_S,
    Sampling,
    Source,
    Window,
    fluid_of,
    simulated_window,
)
from baseload.traffic.load import Load

WHOLE_REQUESTS = 1_000_000
"""Traffic of so many requests is simulated whole, in a minute or less; of more, in windows."""


def in_windows(
    name: str,
    source: Source,
    scenario: Scenario,
    passed: Callable[[int], None] | None = None,
    sampling: Sampling = DEFAULT_SAMPLING,
    *,
    window_s: float = WINDOW_S,
    fluid: Response | None = None,
) -> View:
    """The view of this traffic, estimated; `passed` is told how many of its requests are behind.

    `fluid` is measured where it is not given. Owned targets are paid for all of the time: outages and
    autoscaling need the whole traffic.
    """
    load = source.load(window_s)
    if fluid is None and any(target.side is Side.OWNED for target in scenario.targets):
        fluid = fluid_of(source, scenario, load, sampling.seed)
    chosen = choose(load.tokens_per_s, sampling.worst, sampling.random, sampling.seed)
    total = round(float(load.requests_per_s.sum()) * load.window_s)
    windows = []
    for number, place in enumerate(chosen.places):
        windows.append(simulated_window(source, place, load.window_s, scenario, sampling))
        if passed is not None:
            passed(round(total * (number + 1) / len(chosen.places)))
    return _view(name, Looked(load, source.duration_s, scenario, chosen, tuple(windows), fluid))


class Looked(NamedTuple):
    """The traffic's load, what was chosen of it and what was found there."""

    load: Load
    duration_s: float
    scenario: Scenario
    chosen: Chosen
    windows: tuple[Window, ...]
    fluid: Response | None

    @property
    def tokens(self) -> Floats:
        """Tokens of every window."""
        tokens: Floats = self.load.tokens_per_s * self.load.window_s
        return tokens

    def bought(self, tokens_per_s: Floats) -> Floats:
        """Share of these loads that the fluid model says is bought."""
        if self.fluid is None:
            return np.ones_like(tokens_per_s)
        served = self.fluid.served_tokens_per_s(tokens_per_s)
        return np.asarray(1.0 - served / np.maximum(tokens_per_s, 1e-9))


def estimated(looked: Looked, sums: Callable[[Simulated], float]) -> Estimate:
    """The sum of a quantity over all requests. `sums` is that of some of them.

    The control is the fluid model's bought tokens times the quantity per token bought in what was simulated.
    """
    pieces = []
    for window in looked.windows:
        blocks = window.blocks
        x = np.array([_tokens(each).sum() for each in blocks], dtype=np.float64)
        y = np.array([sums(each) for each in blocks])
        lasts_s = window.found.traffic.duration_s - float(window.found.traffic.arrival_s[0])
        share = float(looked.bought(np.array([x.sum() / max(lasts_s, 1e-9)]))[0])
        pieces.append((x, y, share * float(x.sum()), max(float(looked.tokens[window.place]), x.sum())))
    bought = sum(_bought(window.found) for window in looked.windows)
    each_bought = sum(float(y.sum()) for _, y, _, _ in pieces) / bought if bought else 0.0
    control = each_bought * looked.bought(looked.load.tokens_per_s) * looked.tokens
    found = [Found(x, y, each_bought * predicted, whole) for x, y, predicted, whole in pieces]
    return estimate(looked.chosen, looked.tokens, control, found)


def _view(name: str, looked: Looked) -> View:
    windows, scenario = looked.windows, looked.scenario
    parts = [window.found for window in windows]
    each = _weights(looked)
    requests = round(float(looked.load.requests_per_s.sum()) * looked.load.window_s)
    hours = [target.usd_nano_per_hour for target in scenario.targets if target.side is Side.OWNED]
    hourly = None if None in hours else sum(nano or 0 for nano in hours) / NANO
    refused: dict[str, float] = {}
    for part, weight in zip(parts, each, strict=True):
        for code, many in part.refused.items():
            refused[code] = refused.get(code, 0.0) + many * weight
    known = all(part.metered_usd() is not None for part in parts)
    usd = estimated(looked, lambda part: part.metered_usd() or 0.0) if known else None
    spilled = estimated(looked, lambda part: float((part.spilled & (part.target != NOWHERE)).sum()))
    bought = estimated(looked, _bought)
    tokens = float(looked.tokens.sum())
    repeated = np.concatenate([np.full(len(p.target), w) for p, w in zip(parts, each, strict=True)])
    ttft_s = np.concatenate([part.ttft_s for part in parts])
    tpot_s = np.concatenate([part.tpot_s for part in parts])
    return View(
        name=name,
        requests=requests,
        owned_usd=None if hourly is None else hourly * looked.duration_s / 3600,
        metered_usd=None if usd is None else max(usd.total, 0.0),
        ttft_s=three([at_share(ttft_s, share, repeated) for share in SHARES]),
        tpot_s=three([at_share(tpot_s, share, repeated) for share in SHARES]),
        spill_share=min(max(spilled.total / requests, 0.0), 1.0),
        owned_tokens_share=min(max(1.0 - bought.total / tokens, 0.0), 1.0),
        refused={code: round(many) for code, many in refused.items() if round(many)},
        cut=0,
        windows=len(windows),
        metered_usd_error=None if usd is None else usd.half,
        spill_share_error=spilled.half / requests,
        owned_tokens_share_error=bought.half / tokens,
    )


def _weights(looked: Looked) -> list[float]:
    """How many requests one of each window's simulated ones stands for."""
    requests = looked.load.requests_per_s * looked.load.window_s
    windows, many = looked.windows, len(looked.chosen.worst)
    weights = [each.requests / max(len(each.found.target), 1) for each in windows[:many]]
    begin = many
    for stratum, sampled in zip(looked.chosen.strata, looked.chosen.sampled, strict=True):
        here = windows[begin : begin + len(sampled)]
        begin += len(sampled)
        times = float(requests[stratum].sum()) / max(sum(each.requests for each in here), 1)
        weights += [times * each.requests / max(len(each.found.target), 1) for each in here]
    return weights


def _tokens(part: Simulated) -> Floats:
    return np.asarray(part.traffic.input_tokens + part.traffic.output_tokens, dtype=np.float64)


def _bought(part: Simulated) -> float:
    """Tokens that owned replicas did not serve."""
    return float(_tokens(part)[~part.on(Side.OWNED)].sum())
