"""Fits efficiencies and group effects to measured rows; numpy, only where something is fitted.

Two stages. Efficiencies: Huber loss on the error of log TPOT, with a weak pull towards 1, by damped
Gauss-Newton steps. Effects: given those, the corrections of all groups together are a linear model with
Gaussian weights (`levels.py` says how wide), so their posterior mean is one linear system over the rows; it
is solved again with rows that the fit misses counting less. TTFT's factors are in a sum, so its system is
that of the linearised sum, solved again from where the last one led.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from baseload.capacity import first_token as first
from baseload.capacity.first_token import FirstToken, Range
from baseload.capacity.fitted import Effect, Fitted, shared_precisions
from baseload.capacity.levels import (
    LEVELS,
    NOISE,
    SPECULATIVE_LOG,
    SPECULATIVE_SHIFT,
    Level,
    basis,
    guessing_slope,
    keys,
)
from baseload.capacity.measured import Row
from baseload.capacity.terms import Load, terms

Array = NDArray[np.float64]

HUBER = 0.25
"""Errors of log TPOT beyond this count linearly."""

PULL = 1.0
"""Weight of the efficiencies' distance from 1 (in log), in rows."""

ROBUST_ROUNDS, ROBUST = 3, 2.0
"""A TPOT that the fit misses by more than so many standard deviations counts less in the next round."""

FIRST_TOKEN_ROUNDS, OUTLYING = 6, 0.3
"""The same for a TTFT missed by more than this (in log): some queued."""

_STEPS, _TRIES, _ENOUGH = 60, 8, 1e-6
_STEEPEST = 20.0


class Groups:
    """Which rows belong together at each level, and how far the groups of a level differ."""

    def __init__(self, rows: Sequence[Row], levels: Sequence[Level]) -> None:
        self.levels = levels
        self.names = np.array([keys(row.setup) for row in rows])
        self.guessed = np.array([bool(row.setup.speculative) for row in rows])
        found = [np.unique(column, return_inverse=True) for column in self.names.T]
        self.unique = [names.tolist() for names, _ in found]
        self.index = [index.reshape(-1) for _, index in found]

    def covariance(self, features: Array) -> Array:
        """Prior covariance of the rows' corrections; the first of the features is 1."""
        alike = features[:, 1:] @ features[:, 1:].T
        total = np.zeros_like(alike)
        for level, index in zip(self.levels, self.index, strict=True):
            total += (index[:, None] == index[None, :]) * (level.shift**2 + level.slope**2 * alike)
        return total

    def weights(self, features: Array, dual: Array) -> list[Array]:
        """Posterior mean of the weights by level and group: prior variance · Σ features · dual."""
        found = []
        for level, index, names in zip(self.levels, self.index, self.unique, strict=True):
            sums = np.zeros((len(names), features.shape[1]))
            np.add.at(sums, index, features * dual[:, None])
            found.append(sums * _variances(level, features.shape[1]))
        return found

    def effects(self, weights: Sequence[Array]) -> dict[tuple[str, str], Effect]:
        """The weights by (level, group), with the group's rows."""
        found = {}
        for level, index, names, each in zip(self.levels, self.index, self.unique, weights, strict=True):
            count = Counter(index.tolist())
            guessed = Counter(index[self.guessed].tolist())
            for place, name in enumerate(names):
                values = tuple(map(float, each[place]))
                found[level.name, str(name)] = Effect(count[place], values, guessed[place])
        return found


def fit(
    rows: Sequence[Row], levels: Sequence[Level] = LEVELS, noise: Mapping[str, float] | None = None
) -> Fitted:
    """Efficiencies and effects from these rows; the interval's quantiles are not in it."""
    noise = NOISE if noise is None else noise
    efficiencies, features, off, speculation = design(rows)
    groups = Groups(rows, levels)
    usual = np.array([noise[row.campaign] for row in rows])
    covariance = groups.covariance(features) + speculation @ speculation.T
    dual = robust_dual(covariance, off, usual)
    effects = groups.effects(groups.weights(features, dual))
    shift, slope = SPECULATIVE_SHIFT * (speculation.T @ dual)
    return Fitted(
        tuple(map(float, efficiencies)),
        effects,
        (float(shift), float(slope)),
        precisions=shared_precisions(effects),
    )


def design(rows: Sequence[Row]) -> tuple[Array, Array, Array, Array]:
    """Efficiencies; per row the groups' features, what is left of log TPOT, and speculation's features."""
    physical = np.array([terms(row.setup, row.load) for row in rows])
    measured = np.log([row.tpot_s for row in rows])
    guessing = np.array([row.setup.speculative or 0.0 for row in rows])
    efficiencies = fit_efficiencies(physical, measured - SPECULATIVE_LOG * guessing)
    parts = physical * efficiencies
    total = parts.sum(axis=1)
    features = np.array(
        [
            basis(part / whole, row.setup, row.load)
            for part, whole, row in zip(parts, total, rows, strict=True)
        ]
    )
    off = measured - np.log(total) - SPECULATIVE_LOG * guessing
    curve = np.array([guessing_slope(row.load.concurrency) for row in rows])
    speculation = np.stack([guessing, guessing * curve], axis=1) * SPECULATIVE_SHIFT
    return efficiencies, features, off, speculation


def robust_dual(covariance: Array, off: Array, usual: Array) -> Array:
    """The rows' dual weights; those that miss by more than ROBUST of their `usual` noise count less."""
    noises = usual
    for _ in range(ROBUST_ROUNDS):
        dual = _solve(covariance + np.diag(noises**2), off)
        left = np.abs(noises**2 * dual)  # what the fit leaves of each row
        noises = usual * np.maximum(left / (ROBUST * usual), 1.0)
    return dual


def fit_first_token(rows: Sequence[Row], tpot: Fitted, levels: Sequence[Level] = LEVELS) -> FirstToken:
    """Factors and effects of TTFT from these rows, given a fit of TPOT on them."""
    physical = np.array([first.parts(tpot, row.setup, row.load) for row in rows])
    measured = np.log([row.ttft_s for row in rows])
    factors = fit_efficiencies(physical, measured)
    groups = Groups(rows, [first.scaled(level) for level in levels])
    weights = _fit_in_sum(groups, physical * factors, measured)
    return FirstToken(tpot, tuple(map(float, factors)), groups.effects(weights), ranges=measured_ranges(rows))


def _fit_in_sum(groups: Groups, made: Array, measured: Array) -> list[Array]:
    """Weights of each level on the logarithms of the parts' factors, in a sum whose logarithm is measured.

    Each round solves the system of the sum as it is linear where the last round led, and goes that way as
    long as it lowers what is minimised: Σ (error/noise)² + Σ weights²/prior variance.
    """
    size = made.shape[1] + 1
    noises = np.full(len(measured), first.NOISE)
    weights = [np.zeros((len(names), size)) for names in groups.unique]
    for _ in range(FIRST_TOKEN_ROUNDS):
        fitted_log, shares, logs = _in_sum(groups, weights, made)
        target = measured - fitted_log + (shares * logs).sum(axis=1)
        dual = _solve(groups.covariance(shares) + np.diag(noises**2), target)
        towards = groups.weights(shares, dual)
        best, step = _minimised(groups, weights, made, measured, noises), 1.0
        for _ in range(_TRIES):
            tried = [old + step * (new - old) for old, new in zip(weights, towards, strict=True)]
            if _minimised(groups, tried, made, measured, noises) < best:
                break
            step /= 2
        else:
            break
        weights = tried
        left = np.abs(measured - _in_sum(groups, weights, made)[0])
        noises = first.NOISE * np.maximum(left / OUTLYING, 1.0)
    return weights


def _in_sum(groups: Groups, weights: Sequence[Array], made: Array) -> tuple[Array, Array, Array]:
    """Logarithm of the sum, its slopes by everything and by each part, and the weights of each row."""
    logs = np.zeros((len(made), made.shape[1] + 1))
    for index, each in zip(groups.index, weights, strict=True):
        logs += each[index]
    parts = made * np.exp(np.clip(logs[:, 1:], -_STEEPEST, _STEEPEST))
    total = parts.sum(axis=1)
    shares = np.concatenate([np.ones((len(made), 1)), parts / total[:, None]], axis=1)
    return np.log(total) + logs[:, 0], shares, logs


def _minimised(
    groups: Groups, weights: Sequence[Array], made: Array, measured: Array, noises: Array
) -> float:
    error = measured - _in_sum(groups, weights, made)[0]
    priors = (
        (each**2 / _variances(level, each.shape[1])).sum()
        for level, each in zip(groups.levels, weights, strict=True)
    )
    return float(((error / noises) ** 2).sum() + sum(priors))


def _variances(level: Level, size: int) -> Array:
    found = np.full(size, level.slope**2)
    found[0] = level.shift**2
    return found


def _solve(covariance: Array, right: Array) -> Array:
    return np.asarray(scipy.linalg.solve(covariance, right, assume_a="pos"), dtype=np.float64)


def measured_ranges(rows: Sequence[Row]) -> dict[str, Range]:
    """The loads between which each configuration was measured, and all together under ""."""
    loads: dict[str, list[Load]] = {"": []}
    for row in rows:
        loads.setdefault(keys(row.setup)[-1], []).append(row.load)
        loads[""].append(row.load)
    return {
        name: Range(Load(*map(min, zip(*each, strict=True))), Load(*map(max, zip(*each, strict=True))))
        for name, each in sorted(loads.items())
    }


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
