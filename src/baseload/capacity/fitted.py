"""TPOT of any setup under any load, with its interval: fitted efficiencies and what groups have shown.

    TPOT = (Σ efficiency·term) · exp(Σ_groups w_g·b(load)) · speculation

`terms.py` has the terms, `levels.py` the groups. Plain floats, so that the planner and commands that never
need numpy can ask; the figures are those of `data/`, made by scripts/make_capacity_table.py.

The interval's half-width in log TPOT is `spread · quantile`: spread² = noise² + Σ_groups D/(1 + n·D/noise²),
D = shift² + slope²·|b|² of groups with n measured rows, and the quantile is the one that covered 80% of rows
left out in the same way (seen or unseen configuration, model, GPU).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import NamedTuple

from msgspec import Struct

from baseload.capacity.levels import BASIS, LEVELS, NOISE, SPECULATIVE_LOG, Level, basis, keys
from baseload.capacity.terms import TERMS, Load, Setup, terms
from baseload.errors import DataError, UsageError

EFFICIENCIES, EFFECTS, QUANTILES = "tpot_efficiencies.csv", "tpot_effects.csv", "tpot_intervals.csv"

USUAL_NOISE = NOISE["inferencex"]


class Novelty(StrEnum):
    """How much of a setup has been measured: what its interval is taken from."""

    MEASURED = "measured configuration"
    CONFIGURATION = "configuration not measured"
    GPU = "GPU not measured"
    MODEL = "model not measured"
    BOTH = "neither model nor GPU measured"


class Effect(NamedTuple):
    """What one group has shown: its weights in BASIS' order, and on how many measured rows."""

    rows: int
    weights: tuple[float, ...]


class Anchor(NamedTuple):
    """A measured point of the user's own, on the setup that is asked about."""

    load: Load
    tpot_s: float


class Estimate(Struct, frozen=True):
    """TPOT in seconds with its 80% interval, and what that rests on."""

    tpot_s: float
    low_s: float
    high_s: float
    novelty: Novelty
    rows: int
    anchors: int = 0

    @property
    def error(self) -> float:
        """Relative half-width of the 80% interval."""
        return math.sqrt(self.high_s / self.low_s) - 1


class Fitted(Struct, frozen=True):
    """A fit: efficiencies in TERMS' order, effects by (level, group), interval quantiles by novelty."""

    efficiencies: tuple[float, ...]
    effects: Mapping[tuple[str, str], Effect]
    speculative: tuple[float, float] = (0.0, 0.0)
    quantiles: Mapping[Novelty, float] = {}

    def log_tpot(self, setup: Setup, load: Load) -> float:
        """Logarithm of TPOT in seconds, corrections of every group included."""
        physical, features = self.physical(setup, load)
        total = math.log(physical) + self.speculation(setup, load)
        for level, key in zip(LEVELS, keys(setup), strict=True):
            effect = self.effects.get((level.name, key))
            if effect is not None:
                total += sum(w * x for w, x in zip(effect.weights, features, strict=True))
        return total

    def physical(self, setup: Setup, load: Load) -> tuple[float, tuple[float, ...]]:
        """TPOT in seconds from the terms alone, and the features of this load."""
        parts = self.parts(setup, load)
        physical = sum(parts)
        return physical, basis([part / physical for part in parts], load)

    def parts(self, setup: Setup, load: Load) -> list[float]:
        """Seconds of each of TERMS within one output token's time, efficiencies applied."""
        return [e * t for e, t in zip(self.efficiencies, terms(setup, load), strict=True)]

    def speculation(self, setup: Setup, load: Load) -> float:
        """What guessing tokens ahead changes in log TPOT, as likely as the setup says."""
        if not setup.speculative:
            return 0.0
        shift, slope = self.speculative
        curve = 0.5 * (math.log2(load.concurrency) - 4) / 3
        return setup.speculative * (SPECULATIVE_LOG + shift + slope * curve)

    def estimate(self, setup: Setup, load: Load, anchors: Sequence[Anchor] = ()) -> Estimate:
        """TPOT with its interval. Anchors shift it as far as the prior says they speak for this load.

        Raises UsageError for a load or an anchor that is none.
        """
        _check(load)
        for anchor in anchors:
            _check(anchor.load)
            if not 0 < anchor.tpot_s < math.inf:
                raise UsageError(f"a TPOT of {anchor.tpot_s} s is no measurement")
        shift, variance = self._conditioned(setup, load, anchors)
        log_tpot = self.log_tpot(setup, load) + shift
        novelty = self.novelty(setup)
        quantile = self.quantiles.get(Novelty.MEASURED if anchors else novelty, 1.2816)
        half = quantile * math.sqrt(variance + self._guessing(setup) + USUAL_NOISE**2)
        effect = self.effects.get(("configuration", keys(setup)[-1]))
        return Estimate(
            tpot_s=math.exp(log_tpot),
            low_s=math.exp(log_tpot - half),
            high_s=math.exp(log_tpot + half),
            novelty=novelty,
            rows=effect.rows if effect else 0,
            anchors=len(anchors),
        )

    def novelty(self, setup: Setup) -> Novelty:
        """What of this setup has measured rows."""
        held = {level.name: rows > 0 for level, rows in self._groups(setup)}
        if held["configuration"]:
            return Novelty.MEASURED
        if not held["model"]:
            return Novelty.MODEL if held["gpu"] else Novelty.BOTH
        return Novelty.CONFIGURATION if held["gpu"] else Novelty.GPU

    def spread(self, setup: Setup, load: Load) -> float:
        """Standard deviation of log TPOT before the quantile is applied."""
        features = self.physical(setup, load)[1]
        variance = _covariance(self._groups(setup), features, features)
        return math.sqrt(variance + self._guessing(setup) + USUAL_NOISE**2)

    def _guessing(self, setup: Setup) -> float:
        """Variance from not knowing whether tokens are guessed ahead: p·(1 − p)·effect²."""
        effect = SPECULATIVE_LOG + self.speculative[0]
        return setup.speculative * (1 - setup.speculative) * effect**2

    def _groups(self, setup: Setup) -> list[tuple[Level, int]]:
        """The groups of a setup with their measured rows."""
        found = []
        for level, key in zip(LEVELS, keys(setup), strict=True):
            effect = self.effects.get((level.name, key))
            found.append((level, effect.rows if effect else 0))
        return found

    def _conditioned(self, setup: Setup, load: Load, anchors: Sequence[Anchor]) -> tuple[float, float]:
        """Shift and remaining variance at `load` once the anchors are known, as in kriging."""
        groups = self._groups(setup)
        here = self.physical(setup, load)[1]
        there = [self.physical(setup, anchor.load)[1] for anchor in anchors]
        between = [[_covariance(groups, one, other) for other in there] for one in there]
        for index, row in enumerate(between):
            row[index] += USUAL_NOISE**2
        across = [_covariance(groups, here, one) for one in there]
        off = [math.log(anchor.tpot_s) - self.log_tpot(setup, anchor.load) for anchor in anchors]
        weights = solve(between, across)
        left = _covariance(groups, here, here) - sum(w * c for w, c in zip(weights, across, strict=True))
        return sum(w * r for w, r in zip(weights, off, strict=True)), max(left, 0.0)


def _covariance(groups: Sequence[tuple[Level, int]], one: Sequence[float], other: Sequence[float]) -> float:
    """Covariance of the corrections at two loads' features, as far as no measured row fixes them."""
    curves = sum(x * y for x, y in zip(one[1:], other[1:], strict=True))
    own = sum(x * x for x in one[1:])
    opposite = sum(y * y for y in other[1:])
    total = 0.0
    for level, rows in groups:
        size = level.shift**2 + level.slope**2 * curves
        if rows:
            wide = level.shift**2 + level.slope**2 * math.sqrt(own * opposite)
            size /= 1 + rows * wide / USUAL_NOISE**2
        total += size
    return total


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


def _check(load: Load) -> None:
    if not all(0 < value < math.inf for value in load):
        raise UsageError(
            "a load is a number of requests that run at once, and input and output tokens of each",
            hint="give all three, above 0",
        )


@cache
def fitted() -> Fitted:
    """The fit that the package ships."""
    efficiencies = {row["term"]: float(row["efficiency"]) for row in shipped_rows(EFFICIENCIES)}
    quantiles = {Novelty(row["case"]): float(row["quantile"]) for row in shipped_rows(QUANTILES)}
    effects = {}
    for row in shipped_rows(EFFECTS):
        weights = tuple(float(row[name] or 0) for name in BASIS)
        effects[row["level"], row["group"]] = Effect(int(row["rows"]), weights)
    speculative = effects.pop(("speculative", "")).weights
    return Fitted(
        tuple(efficiencies[name] for name in TERMS), effects, (speculative[0], speculative[6]), quantiles
    )


def shipped_rows(table: str) -> list[dict[str, str]]:
    """The rows of one of the capacity model's tables, by column. Raises DataError for an empty one."""
    text = (resources.files("baseload.capacity") / "data" / table).read_text("utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    if not rows:
        raise DataError(f"{table}: no rows", hint="run scripts/make_capacity_table.py")
    return rows
