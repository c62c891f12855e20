"""Fits efficiencies and group effects to measured rows; numpy, only where something is fitted.

Two stages. Efficiencies: Huber loss on the error of log TPOT, with a weak pull towards 1, by damped
Gauss-Newton steps. Effects: given those, the corrections of all groups together are a linear model with
Gaussian weights (`levels.py` says how wide), so their posterior mean is one linear system over the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from baseload.capacity import first_token as first
from baseload.capacity.first_token import FirstToken
from baseload.capacity.fitted import Effect, Fitted
from baseload.capacity.levels import (
    LEVELS,
    NOISE,
    SPECULATIVE_LOG,
    SPECULATIVE_SHIFT,
    Level,
    basis,
    keys,
)
from baseload.capacity.measured import Row
from baseload.capacity.terms import terms

Array = NDArray[np.float64]

HUBER = 0.25
"""Errors of log TPOT beyond this count linearly."""

PULL = 1.0
"""Weight of the efficiencies' distance from 1 (in log), in rows."""

FIRST_TOKEN_ROUNDS, OUTLYING = 3, 0.3
"""A TTFT that the fit misses by more than this (in log) counts less in the next round: some queued."""

_STEPS, _TRIES, _ENOUGH = 60, 8, 1e-6


def fit(
    rows: Sequence[Row], levels: Sequence[Level] = LEVELS, noise: dict[str, float] | None = None
) -> Fitted:
    """Efficiencies and effects from these rows; the interval's quantiles are not in it."""
    noise = NOISE if noise is None else noise
    physical = np.array([terms(row.setup, row.load) for row in rows])
    measured = np.log([row.tpot_s for row in rows])
    guessing = np.array([row.setup.speculative for row in rows])
    efficiencies = fit_efficiencies(physical, measured - SPECULATIVE_LOG * guessing)
    parts = physical * efficiencies
    total = parts.sum(axis=1)
    features = np.array(
        [basis(part / whole, row.load) for part, whole, row in zip(parts, total, rows, strict=True)]
    )
    off = measured - np.log(total) - SPECULATIVE_LOG * guessing
    curve = 0.5 * (np.log2([row.load.concurrency for row in rows]) - 4) / 3
    speculation = np.stack([guessing, guessing * curve], axis=1) * SPECULATIVE_SHIFT
    noises = np.array([noise[row.campaign] for row in rows])
    effects, dual = _posterior(rows, off, features, noises, levels, speculation @ speculation.T)
    shift, slope = SPECULATIVE_SHIFT * (speculation.T @ dual)
    return Fitted(tuple(map(float, efficiencies)), effects, (float(shift), float(slope)))


def fit_first_token(rows: Sequence[Row], tpot: Fitted) -> FirstToken:
    """Factors and effects of TTFT from these rows, given a fit of TPOT on them."""
    physical = np.array([first.parts(tpot, row.setup, row.load) for row in rows])
    measured = np.log([row.ttft_s for row in rows])
    factors = fit_efficiencies(physical, measured)
    made = physical * factors
    features = np.array(
        [first.features(part.tolist(), row.load) for part, row in zip(made, rows, strict=True)]
    )
    levels = [
        level._replace(shift=level.shift * first.SCALE, slope=level.slope * first.SCALE) for level in LEVELS
    ]
    off = measured - np.log(made.sum(axis=1))
    noises = np.full(len(rows), first.NOISE)
    for _ in range(FIRST_TOKEN_ROUNDS):
        effects, dual = _posterior(rows, off, features, noises, levels, np.zeros((len(rows), len(rows))))
        left = np.abs(noises**2 * dual)  # what the fit leaves of each row
        noises = first.NOISE * np.maximum(left / OUTLYING, 1.0)
    return FirstToken(tpot, tuple(map(float, factors)), effects)


def _posterior(
    rows: Sequence[Row],
    off: Array,
    features: Array,
    noises: Array,
    levels: Sequence[Level],
    covariance: Array,
) -> tuple[dict[tuple[str, str], Effect], Array]:
    """Posterior mean of every group's weights, and the rows' dual weights.

    `covariance` is that of what is not a group's; it is added to. A group's weights are its prior variances
    times the sum of features times dual over its rows.
    """
    groups = np.array([keys(row.setup) for row in rows])
    alike = features[:, 1:] @ features[:, 1:].T
    covariance = covariance + np.diag(noises**2)
    for column, level in enumerate(levels):
        _, index = np.unique(groups[:, column], return_inverse=True)
        same = index[:, None] == index[None, :]
        covariance += same * (level.shift**2 + level.slope**2 * alike)
    dual = np.linalg.solve(covariance, off)
    effects = {}
    for column, level in enumerate(levels):
        scale = np.full(features.shape[1], level.slope**2)
        scale[0] = level.shift**2
        for key, count in sorted(Counter(groups[:, column].tolist()).items()):
            inside = groups[:, column] == key
            weights = scale * (features[inside].T @ dual[inside])
            effects[level.name, str(key)] = Effect(count, tuple(map(float, weights)))
    return effects, np.asarray(dual, dtype=np.float64)


def fit_efficiencies(physical: Array, log_tpot: Array) -> Array:
    """Factors > 0 per term that bring Σ factor·term closest to TPOT in Huber loss of the log error."""
    logs = np.full(physical.shape[1], 0.2)
    damping, loss = 1.0, _loss(logs, physical, log_tpot)
    for _ in range(_STEPS):
        parts = physical * np.exp(logs)
        total = parts.sum(axis=1)
        error = log_tpot - np.log(total)
        weights = np.where(np.abs(error) < HUBER, 1.0, HUBER / np.maximum(np.abs(error), HUBER))
        slopes = parts / total[:, None]
        curvature = slopes.T @ (slopes * weights[:, None]) + PULL * np.eye(len(logs))
        gradient = slopes.T @ (weights * error) - PULL * logs
        for _ in range(_TRIES):
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), gradient)
            tried = _loss(logs + step, physical, log_tpot)
            if tried < loss:
                break
            damping *= 4
        else:
            return np.asarray(np.exp(logs), dtype=np.float64)
        gained, loss, logs, damping = loss - tried, tried, logs + step, max(damping / 3, _ENOUGH)
        if gained < _ENOUGH:
            break
    return np.asarray(np.exp(logs), dtype=np.float64)


def _loss(logs: Array, physical: Array, log_tpot: Array) -> float:
    error = np.abs(log_tpot - np.log(physical @ np.exp(logs)))
    huber = np.where(error < HUBER, error**2 / 2, HUBER * (error - HUBER / 2))
    return float(huber.sum() + PULL * (logs**2).sum() / 2)
