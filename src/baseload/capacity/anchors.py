"""What a user's own measurements change: kriging with the covariance of what the fit does not know.

With covariance K between the anchors (measuring noise included), k between them and the load that is asked
about, and r the logarithm of measured over fitted at the anchors,

    shift = kᵀK⁻¹r        variance left = k₀ − kᵀK⁻¹k        scatter² = rᵀK⁻¹r / anchors

Scatter is 1 on average where the anchors are what the fit expects. Above 1 they disagree with it, or with
each other, by more than it allows for, and every spread grows by that factor: the scale factor that the
Particle Data Group puts on averages of measurements which disagree (its review, section 5.2.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from baseload.capacity.levels import Level
from baseload.capacity.terms import Load

CONTRADICTS = 2.0
"""Scatter above which anchors are said to contradict the fit: one in twenty do by chance."""

ANCHORED = "with anchors"
"""The case of the interval tables that holds once anchors are given: what covered 80% beside two of them."""


class Anchor(NamedTuple):
    """A measured point of the user's own, on the setup that is asked about; TTFT where it was measured."""

    load: Load
    tpot_s: float
    ttft_s: float | None = None


class Conditioned(NamedTuple):
    """What the anchors leave: a shift of the logarithm, the variance that remains, and how they scatter."""

    shift: float
    variance: float
    scatter: float


def covariance(
    groups: Sequence[tuple[Level, int]], one: Sequence[float], other: Sequence[float], noise: float
) -> float:
    """Covariance of the groups' corrections at two loads' features, as far as no measured row fixes them.

    `groups` are those of the setup with their measured rows; of a group with n rows D/(1 + n·D/noise²) of
    its prior variance D is left.
    """
    curves = sum(x * y for x, y in zip(one[1:], other[1:], strict=True))
    own = sum(x * x for x in one[1:])
    opposite = sum(y * y for y in other[1:])
    total = 0.0
    for level, rows in groups:
        size = level.shift**2 + level.slope**2 * curves
        if rows:
            wide = level.shift**2 + level.slope**2 * math.sqrt(own * opposite)
            size /= 1 + rows * wide / noise**2
        total += size
    return total


def condition(
    between: Callable[[Sequence[float], Sequence[float]], float],
    here: Sequence[float],
    there: Sequence[Sequence[float]],
    off: Sequence[float],
    noise: float,
) -> Conditioned:
    """What anchors with the features `there`, off by `off`, say of a load with the features `here`.

    `between` gives the covariance of two loads' features; `noise` is a measurement's standard deviation.
    """
    if not there:
        return Conditioned(0.0, between(here, here), 0.0)
    matrix = [[between(one, other) for other in there] for one in there]
    for index, row in enumerate(matrix):
        row[index] += noise**2
    across = [between(here, one) for one in there]
    weights = solve(matrix, across)
    left = between(here, here) - sum(w * c for w, c in zip(weights, across, strict=True))
    shift = sum(w * r for w, r in zip(weights, off, strict=True))
    square = sum(w * r for w, r in zip(solve(matrix, off), off, strict=True))
    return Conditioned(shift, max(left, 0.0), math.sqrt(max(square, 0.0) / len(off)))


def solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """The solution of a small regular system of linear equations, by elimination with pivoting."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for step in range(size):
        best = max(range(step, size), key=lambda index: abs(rows[index][step]))
        rows[step], rows[best] = rows[best], rows[step]
        for below in rows[step + 1 :]:
            factor = below[step] / rows[step][step]
            for column in range(step, size + 1):
                below[column] -= factor * rows[step][column]
    found = [0.0] * size
    for step in reversed(range(size)):
        known = sum(rows[step][column] * found[column] for column in range(step + 1, size))
        found[step] = (rows[step][size] - known) / rows[step][step]
    return found
