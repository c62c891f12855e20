"""A sum over many windows from a few of them, with its error bar.

Windows that were chosen stand for themselves; of the others, those alike in load make a stratum, and a random
few of each stand for it. A prediction of every window (the control) takes off what it explains:

    total = Σ worst, found + Σ others, predicted + Σ_h X_h·(Σ d / Σ x) over the sampled of stratum h

with x a window's size, known for all, and d = found − predicted. Its variance is that of stratified sampling
with a ratio estimator, Σ_h N_h²·(1 − m_h/N_h)·s_h²/m_h, and, where a part of a window was looked at, what
its blocks say of the rest (two-stage sampling). Half of the interval is Student's t of Satterthwaite's
degrees of freedom (Cochran: Sampling Techniques, 1977, §5.4, §6.10, §10.4; Satterthwaite, 1946).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from baseload.plan.costs import Floats, Ints

CONFIDENCE = 0.95
PER_STRATUM = 3
"""Windows sampled of each stratum at the least: two say little of how far they are apart."""


class Chosen(NamedTuple):
    """Windows to simulate: the `worst`, and of each of the `strata` of all others the `sampled`."""

    worst: Ints
    strata: tuple[Ints, ...]
    sampled: tuple[Ints, ...]

    @property
    def places(self) -> list[int]:
        """All of them, the worst first."""
        return [*self.worst.tolist(), *(place for each in self.sampled for place in each.tolist())]


class Found(NamedTuple):
    """What was found in a window: `x` is the size and `y` the sum looked for, of each block that was looked
    at, `predicted` the control's y for these blocks together, and `whole` the size of all of the window."""

    x: Floats
    y: Floats
    predicted: float
    whole: float

    @property
    def off(self) -> float:
        """What was found beyond what was predicted, for all of the window."""
        return (float(self.y.sum()) - self.predicted) * self.whole / float(self.x.sum())

    @property
    def variance(self) -> float:
        """Of `off`, since only a part of the window was looked at: that of a ratio of block sums."""
        seen = float(self.x.sum())
        left = 1.0 - min(seen / self.whole, 1.0)
        blocks = len(self.x)
        if left <= 1e-9 or blocks < 2:
            return 0.0
        apart = self.y - float(self.y.sum()) / seen * self.x
        return float(apart @ apart) * blocks / (blocks - 1) * (self.whole / seen) ** 2 * left


class Estimate(NamedTuple):
    """A sum and half of its interval."""

    total: float
    half: float


def choose(loads: Floats, worst: int, sampled: int, seed: int) -> Chosen:
    """The busiest windows, and a random sample of each stratum of the others that hold any load."""
    order = np.argsort(-loads, kind="stable")
    order = order[loads[order] > 0]
    rest = order[worst:]
    many = min(sampled, len(rest))
    random = np.random.default_rng(seed)
    strata = np.array_split(rest, max(many // PER_STRATUM, 1)) if many else []
    taken = [len(part) for part in np.array_split(np.arange(many), len(strata))] if many else []
    return Chosen(
        order[:worst],
        tuple(strata),
        tuple(
            np.sort(random.choice(each, min(take, len(each)), replace=False))
            for each, take in zip(strata, taken, strict=True)
        ),
    )


def estimate(
    chosen: Chosen,
    sizes: Floats,
    control: Floats,
    found: Sequence[Found],
    confidence: float = CONFIDENCE,
) -> Estimate:
    """The sum over all windows, of which `found` are those of `chosen.places` in this order.

    `sizes` and `control` are every window's x and predicted y. Infinite half-width where a stratum was
    sampled once, or not at all.
    """
    many = len(chosen.worst)
    total = float(control.sum()) + sum(each.off for each in found[:many])
    parts = [(each.variance, len(each.x) - 1) for each in found[:many]]
    begin = many
    for stratum, sampled in zip(chosen.strata, chosen.sampled, strict=True):
        here = found[begin : begin + len(sampled)]
        begin += len(sampled)
        off, x = np.array([each.off for each in here]), np.array([each.whole for each in here])
        rate = float(off.sum() / x.sum())
        total += rate * float(sizes[stratum].sum())
        size, m = len(stratum), len(here)
        parts += [(each.variance * size / m, len(each.x) - 1) for each in here]
        if m < size:
            apart = off - rate * x
            spread = float(apart @ apart) / (m - 1) if m > 1 else math.inf
            parts.append((size * size * (1.0 - m / size) * spread / m, max(m - 1, 1)))
    left = len(np.flatnonzero(sizes > 0)) - many - sum(len(each) for each in chosen.strata)
    return Estimate(total, math.inf if left else _half(parts, confidence))


def _half(parts: Sequence[tuple[float, int]], confidence: float) -> float:
    variance = sum(part for part, _ in parts)
    if variance in (0.0, math.inf):
        return variance
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts if part)
    return float(stdtrit(freedom, 0.5 + confidence / 2)) * math.sqrt(variance)
