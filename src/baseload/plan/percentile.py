"""Percentiles as every part of the planner that looks at requests takes them."""

from __future__ import annotations

import math

import numpy as np

from baseload.plan.costs import Floats

NOISE = 1e-9
"""Of a sum of weights: what reaches the share but for float noise reaches it."""


def at_share(values: Floats, share: float, weights: Floats | None = None) -> float:
    """The smallest value that at least this share of the values keeps: 0.95 is p95; NaN where there are none.

    Nearest rank, the inverse of the empirical distribution: always a value that was seen, never one between
    two, so that "p95 keeps 1 s" says that 95 of 100 requests did. NaN among the values is left out. With
    `weights`, a value stands for so many like it.
    """
    known = ~np.isnan(values)
    values = values[known]
    if not len(values):
        return math.nan
    order = np.argsort(values, kind="stable")
    reached = np.arange(1.0, len(values) + 1) if weights is None else np.cumsum(weights[known][order])
    place = int(np.searchsorted(reached, share * reached[-1] * (1.0 - NOISE)))
    return float(values[order][place])
