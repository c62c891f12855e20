"""TTFT under a steady closed loop, as load generators measure it: fitted like TPOT, and far less certain.

In such a run C clients send their next request when the last one ends. TTFT is then a request's own prefill,
the step it waits for, and what of the others' prompts comes before its own; the last depends on how the
starts bunch, which no formula of means knows. So the terms below are guesses of form, their factors fitted,
and groups of rows correct them (`levels.py`). A queue under real arrivals is the simulator's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

from msgspec import Struct

from baseload.capacity.fitted import Effect, Fitted, Novelty, fitted, shipped_rows
from baseload.capacity.levels import LEVELS, keys
from baseload.capacity.terms import TERMS, Load, Setup

FACTORS, EFFECTS, QUANTILES = "ttft_factors.csv", "ttft_effects.csv", "ttft_intervals.csv"

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
"""Names of the terms, in the order `parts` gives them."""

FEATURES = ("one", "own", "others", "fixed", "concurrency", "concurrency_squared", "input", "output")
"""What a group's weights multiply."""

SCALE = 2.5
"""Groups differ so many times as much in TTFT as in TPOT."""

NOISE = 0.20
"""Standard deviation of log TTFT among repeats of one key."""

FIXED_S, PER_REQUEST_S, PER_INPUT_TOKEN_S = 0.01, 0.001, 1e-5

_PREFILL = ("prefill_flops", "prefill_attention", "prefill_traffic", "prefill_tokens")
_INDICES = tuple(TERMS.index(name) for name in _PREFILL)


class FirstToken(Struct, frozen=True):
    """A fit of TTFT on top of one of TPOT: factors in PARTS' order, effects, interval quantiles."""

    tpot: Fitted
    factors: tuple[float, ...]
    effects: Mapping[tuple[str, str], Effect]
    quantiles: Mapping[Novelty, float] = {}

    def log_ttft(self, setup: Setup, load: Load) -> float:
        """Logarithm of TTFT in seconds."""
        made = [f * p for f, p in zip(self.factors, parts(self.tpot, setup, load), strict=True)]
        total = math.log(sum(made))
        found = features(made, load)
        for level, key in zip(LEVELS, keys(setup), strict=True):
            effect = self.effects.get((level.name, key))
            if effect is not None:
                total += sum(w * x for w, x in zip(effect.weights, found, strict=True))
        return total

    def estimate(self, setup: Setup, load: Load) -> tuple[float, float, float]:
        """TTFT in seconds with its 80% interval: (value, low, high)."""
        middle = self.log_ttft(setup, load)
        half = self.quantiles.get(self.tpot.novelty(setup), 1.0)
        return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def parts(tpot: Fitted, setup: Setup, load: Load) -> tuple[float, ...]:
    """Seconds of each of PARTS before its factor."""
    seconds = tpot.parts(setup, load)
    prefilled = load.concurrency * load.input_tokens / load.output_tokens
    own_s = sum(seconds[index] for index in _INDICES) / prefilled * load.input_tokens
    step_s = math.exp(tpot.log_tpot(setup, load))
    root = math.sqrt(load.concurrency)
    return (
        own_s,
        step_s,
        own_s * (load.concurrency - 1),
        own_s * root,
        FIXED_S,
        PER_REQUEST_S * load.concurrency,
        step_s * root,
        PER_INPUT_TOKEN_S * load.input_tokens,
    )


def features(made: list[float], load: Load) -> tuple[float, ...]:
    """What groups' weights multiply: shares of some parts, and the load's curve as for TPOT."""
    whole = sum(made)
    octaves = (math.log2(load.concurrency) - 4) / 3
    return (
        1.0,
        made[0] / whole,
        (made[2] + made[3]) / whole,
        (made[4] + made[5]) / whole,
        0.3 * octaves,
        0.15 * (octaves**2 - 1),
        0.1 * math.log2(load.input_tokens / 1024),
        0.1 * math.log2(load.output_tokens / 1024),
    )


@cache
def first_token() -> FirstToken:
    """The fit that the package ships."""
    factors = {row["part"]: float(row["factor"]) for row in shipped_rows(FACTORS)}
    effects = {
        (row["level"], row["group"]): Effect(
            int(row["rows"]), tuple(float(row[name] or 0) for name in FEATURES)
        )
        for row in shipped_rows(EFFECTS)
    }
    quantiles = {Novelty(row["case"]): float(row["quantile"]) for row in shipped_rows(QUANTILES)}
    return FirstToken(fitted(), tuple(factors[name] for name in PARTS), effects, quantiles)
