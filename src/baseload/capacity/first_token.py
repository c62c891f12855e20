"""TTFT under a steady closed loop, as load generators measure it: fitted like TPOT, and far less certain.

In such a run C clients send their next request when the last one ends. TTFT is then a request's own prefill,
the step it waits for, and what of the others' prompts comes before its own; the last depends on how the
starts bunch, which no formula of means knows. So the parts below are guesses of form:

    TTFT = max(exp(Σ_groups w_g0) · Σ_k factor_k·exp(Σ_groups w_gk)·part_k, own prefill at the sheet's FLOPs)

No part falls as concurrency or prompts grow and every factor is positive, so TTFT never does either, whatever
the groups (`levels.py`) have shown and however far a load is from the measured ones. A queue under real
arrivals is the simulator's.

The interval widens with the distance from the measured loads of the configuration, in octaves. A lighter load
is never slower, so its upper end is at most that of the load at the edge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from msgspec import Struct

from baseload.capacity.anchors import ANCHORED, Anchor, Conditioned, condition, covariance
from baseload.capacity.fitted import (
    NORMAL_80,
    Effect,
    Fitted,
    fitted,
    read_effects,
    shipped_rows,
)
from baseload.capacity.levels import LEVELS, Level, keys
from baseload.capacity.terms import TERMS, Load, Setup, terms
from baseload.errors import UsageError

FACTORS, EFFECTS, QUANTILES = "ttft_factors.csv", "ttft_effects.csv", "ttft_intervals.csv"
RANGES = "measured_loads.csv"

OCTAVE = "octave beyond the measured loads"
"""The case of the interval table that holds what an octave of distance adds to the spread."""

PARTS = (
    "own_prefill",
    "step",
    "all_prefills",
    "bunched_prefills",
    "fixed",
    "per_request",
    "bunched_steps",
    "per_input_token",
)
"""Names of the parts, in the order `parts` gives them."""

WEIGHTS = ("one", *PARTS)
"""What a group's weights are on: everything, then the logarithm of each part's factor."""

SCALE = 2.5
"""Groups differ so many times as much in TTFT as in TPOT."""

NOISE = 0.20
"""Standard deviation of log TTFT among repeats of one key."""

FIXED_S, PER_REQUEST_S, PER_INPUT_TOKEN_S = 0.01, 0.001, 1e-5

PACE = Load(16, 1024, 1024)
"""The load at which a setup's step is compared with the terms': what it is slower by holds for its TTFT."""

_PREFILL = ("prefill_flops", "prefill_attention", "prefill_traffic", "prefill_tokens")
_INDICES = tuple(TERMS.index(name) for name in _PREFILL)
_FLOPS = tuple(TERMS.index(name) for name in _PREFILL[:2])


class Range(NamedTuple):
    """The loads between which a configuration was measured, each quantity by itself."""

    lowest: Load
    highest: Load

    def nearest(self, load: Load) -> Load:
        """The load within the range that is closest to this one."""
        return Load(
            *(min(max(x, low), high) for x, low, high in zip(load, self.lowest, self.highest, strict=True))
        )

    def octaves(self, load: Load) -> float:
        """How far a load lies outside, in octaves of all its quantities together."""
        inside = self.nearest(load)
        return math.hypot(*(math.log2(x / near) for x, near in zip(load, inside, strict=True)))


class TimeToFirst(NamedTuple):
    """TTFT in seconds with its 80% interval; `scatter` as in `fitted.Estimate`."""

    ttft_s: float
    low_s: float
    high_s: float
    scatter: float = 0.0


class FirstToken(Struct, frozen=True):
    """A fit of TTFT on top of one of TPOT: factors in PARTS' order, effects, interval quantiles.

    `ranges` are the measured loads by configuration, "" of all together; `octave` is the standard deviation
    that an octave beyond them adds.
    """

    tpot: Fitted
    factors: tuple[float, ...]
    effects: Mapping[tuple[str, str], Effect]
    quantiles: Mapping[str, float] = {}
    ranges: Mapping[str, Range] = {}
    octave: float = 0.0

    def log_ttft(self, setup: Setup, load: Load) -> float:
        """Logarithm of TTFT in seconds."""
        return math.log(max(sum(self.made(setup, load)), own_prefill_s(setup, load)))

    def made(self, setup: Setup, load: Load) -> list[float]:
        """Seconds of each of PARTS, with the factors of all groups."""
        logs = [0.0] * len(WEIGHTS)
        for level, key in zip(LEVELS, keys(setup), strict=True):
            effect = self.effects.get((level.name, key))
            if effect is not None:
                logs = [total + weight for total, weight in zip(logs, effect.weights, strict=True)]
        return [
            factor * math.exp(logs[0] + more) * part
            for factor, more, part in zip(self.factors, logs[1:], parts(self.tpot, setup, load), strict=True)
        ]

    def estimate(self, setup: Setup, load: Load, anchors: Sequence[Anchor] = ()) -> TimeToFirst:
        """TTFT with its 80% interval; anchors that measured it shift it, as for TPOT.

        Raises UsageError for an anchor whose TTFT is none.
        """
        held = [anchor for anchor in anchors if anchor.ttft_s is not None]
        if any(not 0 < (anchor.ttft_s or 0.0) < math.inf for anchor in held):
            raise UsageError("the TTFT of an anchor is a time above 0")
        inside = self.range_of(setup).nearest(load)
        found = self._estimate(setup, load, held)
        if inside == load:
            return found
        # What is lighter than a measured load is no slower, and what is heavier no faster.
        above = self._estimate(setup, Load(*map(max, load, inside)), held)
        below = self._estimate(setup, Load(*map(min, load, inside)), held)
        return found._replace(
            low_s=max(found.low_s, min(below.low_s, found.ttft_s)),
            high_s=min(found.high_s, max(above.high_s, found.ttft_s)),
        )

    def _estimate(self, setup: Setup, load: Load, anchors: Sequence[Anchor]) -> TimeToFirst:
        novelty = self.tpot.novelty(setup)
        told = self._conditioned(setup, load, anchors)
        middle = self.log_ttft(setup, load) + told.shift
        scatter = told.scatter * NORMAL_80 / self.quantiles.get(novelty, NORMAL_80)
        quantile = self.quantiles.get(ANCHORED if anchors else novelty, NORMAL_80)
        variance = told.variance + NOISE**2 + self.beyond(setup, load)
        half = quantile * math.sqrt(variance) * max(scatter, 1.0)
        return TimeToFirst(math.exp(middle), math.exp(middle - half), math.exp(middle + half), scatter)

    def spread(self, setup: Setup, load: Load) -> float:
        """Standard deviation of log TTFT before the quantile is applied."""
        variance = self._conditioned(setup, load, ()).variance + NOISE**2
        return math.sqrt(variance + self.beyond(setup, load))

    def beyond(self, setup: Setup, load: Load) -> float:
        """Variance that the distance from the measured loads adds."""
        return (self.octave * self.range_of(setup).octaves(load)) ** 2

    def range_of(self, setup: Setup) -> Range:
        """The loads at which this configuration was measured, or all of them where it was not."""
        found = self.ranges.get(keys(setup)[-1]) or self.ranges.get("")
        return found or Range(Load(1e-9, 1e-9, 1e-9), Load(1e9, 1e9, 1e9))

    def _conditioned(self, setup: Setup, load: Load, anchors: Sequence[Anchor]) -> Conditioned:
        groups = [(scaled(level), rows) for level, rows in self.tpot.groups(setup)]

        def features(at: Load) -> tuple[float, ...]:
            made = self.made(setup, at)
            whole = sum(made)
            return (1.0, *(part / whole for part in made))

        def between(one: Sequence[float], other: Sequence[float]) -> float:
            return covariance(groups, one, other, NOISE)

        there = [features(anchor.load) for anchor in anchors]
        off = [math.log(anchor.ttft_s or 1.0) - self.log_ttft(setup, anchor.load) for anchor in anchors]
        return condition(between, features(load), there, off, NOISE)


def scaled(level: Level) -> Level:
    """A level as far as its groups differ in TTFT."""
    return level._replace(shift=level.shift * SCALE, slope=level.slope * SCALE)


def parts(tpot: Fitted, setup: Setup, load: Load) -> tuple[float, ...]:
    """Seconds of each of PARTS before its factor; none falls as concurrency or prompts grow."""
    seconds = tpot.parts(setup, load)
    own_s = _per_request(seconds, _INDICES, load)
    step_s = sum(seconds) * math.exp(tpot.log_tpot(setup, PACE)) / tpot.physical(setup, PACE)[0]
    root = math.sqrt(load.concurrency)
    return (
        own_s,
        step_s,
        own_s * max(load.concurrency - 1, 0.0),
        own_s * root,
        FIXED_S,
        PER_REQUEST_S * load.concurrency,
        step_s * root,
        PER_INPUT_TOKEN_S * load.input_tokens,
    )


def own_prefill_s(setup: Setup, load: Load) -> float:
    """Seconds the prompt's own arithmetic takes on the data sheet's figures: no TTFT is shorter."""
    return _per_request(terms(setup, load), _FLOPS, load)


def _per_request(seconds: Sequence[float], indices: Sequence[int], load: Load) -> float:
    """What terms of TPOT, which count prompts per output token, come to for one request's prompt."""
    return sum(seconds[index] for index in indices) * load.output_tokens / load.concurrency


@cache
def first_token() -> FirstToken:
    """The fit that the package ships."""
    factors = {row["part"]: float(row["factor"]) for row in shipped_rows(FACTORS)}
    quantiles = {row["case"]: float(row["quantile"]) for row in shipped_rows(QUANTILES)}
    octave = quantiles.pop(OCTAVE)
    return FirstToken(
        fitted(),
        tuple(factors[name] for name in PARTS),
        read_effects(shipped_rows(EFFECTS), WEIGHTS),
        quantiles,
        {row["configuration"]: _range(row) for row in shipped_rows(RANGES)},
        octave,
    )


def _range(row: Mapping[str, str]) -> Range:
    ends = (Load(*(float(row[f"{name}_{end}"]) for name in Load._fields)) for end in ("from", "to"))
    return Range(*ends)
