"""TPOT of any setup under any load, with its interval: fitted efficiencies and what groups have shown.

    TPOT = (Σ efficiency·term) · exp(Σ_groups w_g·b(load)) · speculation

`terms.py` has the terms, `levels.py` the groups. Plain floats, so that the planner and commands that never
need numpy can ask; the figures are those of `data/`, made by scripts/make_capacity_table.py.

The interval's half-width in log TPOT is `spread · quantile`: spread² = noise² + Σ_groups D/(1 + n·D/noise²),
D = shift² + slope²·|b|² of groups with n measured rows, and the quantile is the one that covered 80% of rows
left out in the same way (seen or unseen configuration, precision, GPU, model).

Where nobody says whether tokens are guessed ahead (`Setup.speculative` is None), the share of such runs among
the measured rows is taken, p·effect is added to log TPOT and p·(1 − p)·effect² to spread²: the first two
moments of the mixture.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import NamedTuple

from msgspec import Struct

from baseload.capacity.anchors import ANCHORED, CONTRADICTS, Anchor, Conditioned, condition, covariance
from baseload.capacity.levels import BASIS, LEVELS, NOISE, SPECULATIVE_LOG, Level, basis, guessing_slope, keys
from baseload.capacity.terms import TERMS, Load, Setup, is_amd, terms
from baseload.errors import DataError, UsageError

EFFICIENCIES, EFFECTS, QUANTILES = "tpot_efficiencies.csv", "tpot_effects.csv", "tpot_intervals.csv"

USUAL_NOISE = NOISE["inferencex"]

KNOWN_ROWS = 20
"""Rows with which a model, a GPU or a precision counts as measured; with fewer it is as good as unknown."""

KNOWN_CONFIGURATION_ROWS = 3
"""The same for a configuration, whose other groups already speak for it."""

NORMAL_80 = 1.2816
"""Half-width, in standard deviations, of the 80% interval of a normal distribution."""

_HABIT = ("model+engine", "stack", "configuration")
HABIT_ROWS = 4.0
"""Groups that narrow down how likely it is that tokens are guessed ahead, and the rows a wider one counts
for in a narrower."""


class Novelty(StrEnum):
    """How much of a setup has been measured: what its interval is taken from."""

    MEASURED = "measured configuration"
    CONFIGURATION = "configuration not measured"
    PRECISION = "precision not measured"
    GPU = "GPU not measured"
    MODEL = "model not measured"
    SEVERAL = "neither model nor GPU measured"
    MAKER = "GPU maker not measured"


class Effect(NamedTuple):
    """What one group has shown: its weights, on how many rows, and how many of these guessed ahead."""

    rows: int
    weights: tuple[float, ...]
    guessed: int = 0


class Estimate(Struct, frozen=True):
    """TPOT in seconds with its 80% interval, and what that rests on.

    `scatter` is how many times farther from the fit the anchors are than it allows for; 0 without anchors.
    """

    tpot_s: float
    low_s: float
    high_s: float
    novelty: Novelty
    rows: int
    anchors: int = 0
    scatter: float = 0.0

    @property
    def error(self) -> float:
        """Relative half-width of the 80% interval."""
        return math.sqrt(self.high_s / self.low_s) - 1

    @property
    def contradicted(self) -> bool:
        """Whether the anchors disagree with the fit, or each other, by more than chance."""
        return self.scatter > CONTRADICTS


class Fitted(Struct, frozen=True):
    """A fit: efficiencies in TERMS' order, effects by (level, group), quantiles by novelty or ANCHORED.

    `precisions` are those measured on several models, which say something of a model not measured in them.
    """

    efficiencies: tuple[float, ...]
    effects: Mapping[tuple[str, str], Effect]
    speculative: tuple[float, float] = (0.0, 0.0)
    quantiles: Mapping[str, float] = {}
    precisions: frozenset[str] = frozenset()

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
        return physical, basis([part / physical for part in parts], setup, load)

    def parts(self, setup: Setup, load: Load) -> list[float]:
        """Seconds of each of TERMS within one output token's time, efficiencies applied."""
        return [e * t for e, t in zip(self.efficiencies, terms(setup, load), strict=True)]

    def guessing(self, setup: Setup) -> float:
        """How likely it is that tokens are guessed ahead: what the setup says, else the measured rows' share.

        Each narrower group's share is pulled to the wider one's by HABIT_ROWS.
        """
        if setup.speculative is not None:
            return setup.speculative
        share = 0.0
        for level, key in zip(LEVELS, keys(setup), strict=True):
            effect = self.effects.get((level.name, key)) if level.name in _HABIT else None
            if effect is None:
                continue
            if level.name == _HABIT[0]:
                share = effect.guessed / max(effect.rows, 1)
            else:
                share = (effect.guessed + HABIT_ROWS * share) / (effect.rows + HABIT_ROWS)
        return share

    def speculation(self, setup: Setup, load: Load) -> float:
        """What guessing tokens ahead changes in log TPOT, as likely as it is."""
        share = self.guessing(setup)
        return share * self._guessed(load) if share else 0.0

    def _guessed(self, load: Load) -> float:
        shift, slope = self.speculative
        return SPECULATIVE_LOG + shift + slope * guessing_slope(load.concurrency)

    def estimate(self, setup: Setup, load: Load, anchors: Sequence[Anchor] = ()) -> Estimate:
        """TPOT with its interval. Anchors shift it as far as the prior says they speak for this load.

        Anchors that contradict the fit, or each other, widen it. Raises UsageError for a load or an anchor
        that is none.
        """
        check_load(load)
        for anchor in anchors:
            check_load(anchor.load)
            if not 0 < anchor.tpot_s < math.inf:
                raise UsageError(f"a TPOT of {anchor.tpot_s} s is no measurement")
        novelty = self.novelty(setup)
        told = self._conditioned(setup, load, anchors)
        log_tpot = self.log_tpot(setup, load) + told.shift
        scatter = told.scatter * NORMAL_80 / self.quantiles.get(novelty, NORMAL_80)
        quantile = self.quantiles.get(ANCHORED if anchors else novelty, NORMAL_80)
        half = quantile * math.sqrt(told.variance + USUAL_NOISE**2) * max(scatter, 1.0)
        return Estimate(
            tpot_s=math.exp(log_tpot),
            low_s=math.exp(log_tpot - half),
            high_s=math.exp(log_tpot + half),
            novelty=novelty,
            rows=self.rows(setup),
            anchors=len(anchors),
            scatter=scatter,
        )

    def rows(self, setup: Setup) -> int:
        """Measured rows of this very configuration."""
        effect = self.effects.get(("configuration", keys(setup)[-1]))
        return effect.rows if effect else 0

    def novelty(self, setup: Setup) -> Novelty:
        """What of this setup has measured rows, KNOWN_ROWS at least."""
        held = {level.name: rows for level, rows in self.groups(setup)}
        if held["configuration"] >= KNOWN_CONFIGURATION_ROWS:
            return Novelty.MEASURED
        gpu, model = held["gpu"] >= KNOWN_ROWS, held["model"] >= KNOWN_ROWS
        precision = setup.precision in self.precisions or held["model+precision"] >= KNOWN_ROWS
        if not gpu and is_amd(setup.gpu):
            return Novelty.MAKER
        unknown = [
            case
            for case, known in ((Novelty.PRECISION, precision), (Novelty.GPU, gpu), (Novelty.MODEL, model))
            if not known
        ]
        if len(unknown) > 1:
            return Novelty.SEVERAL
        return unknown[0] if unknown else Novelty.CONFIGURATION

    def spread(self, setup: Setup, load: Load) -> float:
        """Standard deviation of log TPOT before the quantile is applied."""
        return math.sqrt(self._conditioned(setup, load, ()).variance + USUAL_NOISE**2)

    def groups(self, setup: Setup) -> list[tuple[Level, int]]:
        """The groups of a setup with their measured rows."""
        found = []
        for level, key in zip(LEVELS, keys(setup), strict=True):
            effect = self.effects.get((level.name, key))
            found.append((level, effect.rows if effect else 0))
        return found

    def _conditioned(self, setup: Setup, load: Load, anchors: Sequence[Anchor]) -> Conditioned:
        """What the anchors leave at `load`; whether tokens are guessed ahead is one more thing they tell."""
        groups, share = self.groups(setup), self.guessing(setup)

        def features(at: Load) -> tuple[float, ...]:
            return (*self.physical(setup, at)[1], self._guessed(at))

        def between(one: Sequence[float], other: Sequence[float]) -> float:
            mixture = share * (1 - share) * one[-1] * other[-1]
            return covariance(groups, one[:-1], other[:-1], USUAL_NOISE) + mixture

        there = [features(anchor.load) for anchor in anchors]
        off = [math.log(anchor.tpot_s) - self.log_tpot(setup, anchor.load) for anchor in anchors]
        return condition(between, features(load), there, off, USUAL_NOISE)


def shared_precisions(effects: Mapping[tuple[str, str], Effect]) -> frozenset[str]:
    """Precisions with KNOWN_ROWS rows in all and rows of two models at least."""
    models: dict[str, int] = {}
    for level, key in effects:
        if level == "model+precision":
            precision = key.rsplit("|", 1)[1]
            models[precision] = models.get(precision, 0) + 1
    return frozenset(
        name for name, count in models.items() if count > 1 and effects["precision", name].rows >= KNOWN_ROWS
    )


def check_load(load: Load) -> None:
    """Raises UsageError for what is no load, and for answers of one token, which have no TPOT."""
    if not all(0 < value < math.inf for value in load):
        raise UsageError(
            "a load is a number of requests that run at once, and input and output tokens of each",
            hint="give all three, above 0",
        )
    if load.output_tokens < 2:
        raise UsageError(
            f"an answer of {load.output_tokens:g} tokens has no time per output token after the first",
            hint="ask for at least 2 output tokens",
        )


@cache
def fitted() -> Fitted:
    """The fit that the package ships."""
    efficiencies = {row["term"]: float(row["efficiency"]) for row in shipped_rows(EFFICIENCIES)}
    effects = read_effects(shipped_rows(EFFECTS), BASIS)
    speculative = effects.pop(("speculative", "")).weights
    return Fitted(
        tuple(efficiencies[name] for name in TERMS),
        effects,
        (speculative[0], speculative[BASIS.index("concurrency")]),
        {row["case"]: float(row["quantile"]) for row in shipped_rows(QUANTILES)},
        shared_precisions(effects),
    )


def read_effects(rows: Iterable[Mapping[str, str]], features: Sequence[str]) -> dict[tuple[str, str], Effect]:
    """The groups of a shipped table; a weight that is not written is 0."""
    return {
        (row["level"], row["group"]): Effect(
            int(row["rows"]),
            tuple(float(row[name] or 0) for name in features),
            int(row.get("speculative") or 0),
        )
        for row in rows
    }


def shipped_rows(table: str) -> list[dict[str, str]]:
    """The rows of one of the capacity model's tables, by column. Raises DataError for an empty one."""
    text = (resources.files("baseload.capacity") / "data" / table).read_text("utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    if not rows:
        raise DataError(f"{table}: no rows", hint="run scripts/make_capacity_table.py")
    return rows
