"""A long trace answered: the fluid model over all of it, simulation of a few of its windows.

The worst windows are simulated because promises break there; a random sample of the others says how far the
fluid model is off, and how sure that is:

    owned tokens = Σ worst, simulated + Σ others, fluid + N·mean(d) ± 1.96·N·sd(d)/√m·√(1 − m/N)

with d = simulated − fluid of each of the m sampled windows out of N others. This is a difference estimator
with finite population correction (Cochran: Sampling Techniques, 1977, §2.8, §7.2): the better the fluid
model, the smaller the sample it takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from baseload.core import Side
from baseload.plan.costs import Floats, Ints
from baseload.plan.outcome import NOWHERE
from baseload.plan.percentile import at_share
from baseload.plan.response import Response, response
from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.traffic.draw import draw
from baseload.traffic.load import Load, LoadShape
from baseload.traffic.table import Traffic

WINDOW_S = 600.0
WARM_UP_S = 60.0
"""Simulated before a window's first counted arrival, so that it does not find an empty fleet."""

SAMPLED = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
SAMPLE_REQUESTS = 12_000
"""Windows whose requests the response is measured with, by their place in the order of loads, and how
many."""

CONFIDENCE = 1.96
"""Standard errors in half of a 95% interval."""


class Source(Protocol):
    """Traffic too long to be simulated whole, or even to be held: its load, and any piece of it on demand."""

    @property
    def duration_s(self) -> float:
        """How long it lasts."""

    def load(self, window_s: float) -> Load:
        """Tokens per second in windows of about this length."""

    def between(self, start_s: float, end_s: float) -> Traffic:
        """The requests that arrive in this time, counted from its start."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A load shape as requests that are drawn when they are asked for; the same piece is the same
    requests."""

    shape: LoadShape
    seed: int = 0

    @property
    def duration_s(self) -> float:
        """How long the shape lasts."""
        return self.shape.duration_s

    def load(self, window_s: float) -> Load:
        """The shape's own load, in its own windows."""
        return self.shape.load

    def between(self, start_s: float, end_s: float) -> Traffic:
        """Requests of every window this touches, those outside left out."""
        width_s = self.shape.window_s
        first = int(start_s / width_s)
        whole = draw(self.shape.between(first * width_s, end_s), seed=self.seed * 1_000_003 + first)
        return whole.between(start_s - first * width_s, end_s - first * width_s)


class Sampling(NamedTuple):
    """How much is simulated: windows, and at the most so many requests of each, from its beginning."""

    worst: int = 4
    random: int = 12
    most_requests: int = 15_000
    seed: int = 0


DEFAULT_SAMPLING = Sampling()


class Window(NamedTuple):
    """One simulated window: why it was, its load and shares, and what its requests saw."""

    start_s: float
    worst: bool
    tokens_per_s: float
    fluid_share: float
    owned_share: float
    refused_share: float
    requests: int
    ttft_s: Floats
    tpot_s: Floats

    def ttft_at(self, share: float) -> float:
        """TTFT that this share of its requests kept."""
        return at_share(self.ttft_s, share)

    def tpot_at(self, share: float) -> float:
        """The same of TPOT."""
        return at_share(self.tpot_s, share)


@dataclass(frozen=True, eq=False)
class LongAnswer:
    """What a fleet owns of a long trace.

    `fluid_share` is the fluid model's share of the tokens owned; `owned_share` that share corrected by the
    simulated windows, with `error` the half-width of its 95% interval. `windows` are the simulated ones, the
    worst first.
    """

    response: Response
    fluid_share: float
    owned_share: float
    error: float
    windows: tuple[Window, ...]

    @property
    def worst(self) -> tuple[Window, ...]:
        """The busiest windows."""
        return tuple(window for window in self.windows if window.worst)


def answer(
    source: Source,
    scenario: Scenario,
    sampling: Sampling = DEFAULT_SAMPLING,
    *,
    window_s: float = WINDOW_S,
    sample: Traffic | Sequence[Traffic] | None = None,
) -> LongAnswer:
    """Owned share of a long trace with its error bar, and what the worst windows are like.

    `sample` are the requests the fleet's response is measured with; by default some of a busy, of a quiet and
    of the windows between.
    """
    load = source.load(window_s)
    loads, width_s = load.tokens_per_s, load.window_s
    if sample is None:
        sample = _sample(source, loads, width_s)
    fluid = response(sample, scenario, seed=sampling.seed)
    chosen, worst = choose(loads, sampling)
    windows = tuple(
        _simulated(source, int(place), width_s, scenario, sampling, fluid, bool(place in worst))
        for place in chosen.tolist()
    )
    owned, error = _estimate(loads, chosen, windows, fluid)
    return LongAnswer(fluid, fluid.owned_share(load), owned / loads.sum(), error / loads.sum(), windows)


def choose(loads: Floats, sampling: Sampling) -> tuple[Ints, set[int]]:
    """The busiest windows, then a random sample of the others that hold any load."""
    order = np.argsort(-loads, kind="stable")
    order = order[loads[order] > 0]
    worst, others = order[: sampling.worst], order[sampling.worst :]
    random = np.random.default_rng(sampling.seed)
    drawn = random.choice(others, min(sampling.random, len(others)), replace=False)
    return np.concatenate([worst, np.sort(drawn)]), set(worst.tolist())


def _sample(source: Source, loads: Floats, width_s: float) -> list[Traffic]:
    """The first requests of windows from the busiest to a quiet one: requests of every load there is."""
    held = np.argsort(loads)[np.count_nonzero(loads <= 0) :]
    places = held[(np.array(SAMPLED) * (len(held) - 1)).astype(np.int64)]
    pieces = []
    for place in np.unique(places).tolist():
        piece = source.between(place * width_s, (place + 1) * width_s)
        if len(piece) > SAMPLE_REQUESTS:
            piece = piece.between(0.0, float(piece.arrival_s[SAMPLE_REQUESTS]))
        if len(piece) > 1:
            pieces.append(piece)
    return pieces


def _simulated(
    source: Source,
    place: int,
    width_s: float,
    scenario: Scenario,
    sampling: Sampling,
    fluid: Response,
    worst: bool,
) -> Window:
    """One window: its first `most_requests` requests, after a warm-up with those before it."""
    start_s = place * width_s
    warm_s = min(WARM_UP_S, start_s)
    traffic = source.between(start_s - warm_s, start_s + width_s)
    arrival_s = traffic.arrival_s
    before = int(np.searchsorted(arrival_s, warm_s))
    last = min(before + sampling.most_requests, len(traffic))
    if last < len(traffic):
        traffic = traffic.between(0.0, float(arrival_s[last]))
    found = simulate(traffic, scenario)
    counted = np.arange(len(traffic)) >= before
    tokens = (traffic.input_tokens + traffic.output_tokens)[counted]
    load = float(tokens.sum()) / (traffic.duration_s - warm_s)
    expected = float(fluid.served_tokens_per_s(np.array([load]))[0]) / load if load else 1.0
    owned = float(tokens[found.on(Side.OWNED)[counted]].sum()) / max(float(tokens.sum()), 1.0)
    return Window(
        start_s,
        worst,
        load,
        expected,
        owned,
        float((found.target[counted] == NOWHERE).mean()) if counted.any() else 0.0,
        int(counted.sum()),
        found.ttft_s[counted],
        found.tpot_s[counted],
    )


def _estimate(
    loads: Floats, chosen: Ints, windows: tuple[Window, ...], fluid: Response
) -> tuple[float, float]:
    """Owned tokens/s summed over all windows, and half of its 95% interval.

    What is compared is each window's share at its own load, times its tokens: where only its beginning was
    simulated, the rest is taken to be like it.
    """
    fluid_tokens = fluid.served_tokens_per_s(loads)
    off = np.array([window.owned_share - window.fluid_share for window in windows]) * loads[chosen]
    worst = np.array([window.worst for window in windows])
    sampled = int((~worst).sum())
    others = int((loads > 0).sum()) - int(worst.sum())
    owned = float(fluid_tokens.sum() + off[worst].sum())
    if not sampled:
        return owned, 0.0 if not others else math.inf
    owned += others * float(off[~worst].mean())
    if sampled == others:
        return owned, 0.0
    if sampled < 2:
        return owned, math.inf
    spread = float(off[~worst].std(ddof=1)) / math.sqrt(sampled)
    return owned, CONFIDENCE * others * spread * math.sqrt(1.0 - sampled / others)
