"""What a configuration shares with others: the groups whose measured rows speak for it, partly.

The logarithm of TPOT is that of the physical terms plus, for every group a setup belongs to, a correction

    w_g · b(load),  b = (1, shares of some terms, curve of the load)

with w_g drawn around zero: `shift` is the standard deviation of its first weight, `slope` of the others. A
group with many rows finds its own weights, one with few stays near zero, one without is zero: so the
configuration nobody measured gets what its model, GPU, engine and precision have shown elsewhere. A share is
a term's part of the physical TPOT, so a weight on it corrects that term's efficiency in this group.
The standard deviations were chosen by a random search on the cross-validation of docs/capacity.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from baseload.capacity.terms import TERMS, Load, Setup
from baseload.catalog.models import OpenModel, open_models


class Level(NamedTuple):
    """One way to group setups: by the attributes `by`; how far groups differ, in log TPOT."""

    name: str
    by: tuple[str, ...]
    shift: float
    slope: float


PARALLEL = ("tensor", "data", "expert")

LEVELS = (
    Level("all", (), 0.020, 0.039),
    Level("model", ("model",), 0.120, 0.100),
    Level("gpu", ("gpu",), 0.023, 0.031),
    Level("engine", ("engine",), 0.014, 0.033),
    Level("precision", ("precision",), 0.021, 0.034),
    Level("model+engine", ("model", "engine"), 0.080, 0.100),
    Level("model+gpu", ("model", "gpu"), 0.060, 0.100),
    Level("model+precision", ("model", "precision"), 0.119, 0.078),
    Level("gpu+precision", ("gpu", "precision"), 0.030, 0.050),
    Level("gpu+engine", ("gpu", "engine"), 0.030, 0.050),
    Level("engine+precision", ("engine", "precision"), 0.007, 0.062),
    Level("model+gpu+engine", ("model", "gpu", "engine"), 0.027, 0.244),
    Level("stack", ("model", "gpu", "engine", "precision"), 0.050, 0.100),
    Level("engine+parallel", ("engine", *PARALLEL), 0.023, 0.080),
    Level("model+engine+parallel", ("model", "engine", *PARALLEL), 0.049, 0.048),
    Level("model+engine+precision+parallel", ("model", "engine", "precision", *PARALLEL), 0.035, 0.191),
    Level("configuration", ("model", "gpu", "engine", "precision", *PARALLEL), 0.080, 0.200),
)
"""From what all share to what one configuration has alone."""

NOISE = {"inferencex": 0.060, "nvidia": 0.095}
"""Standard deviation of log TPOT among repeats of one key, by measuring campaign."""

SPECULATIVE_SHIFT, SPECULATIVE_LOG = 0.15, -0.30
"""Speculative decoding where the sample has it: its first guess in log TPOT, and how far that may be off."""

BASIS = (
    *("one", "cache", "prefill", "experts", "dense", "sequences"),
    *("concurrency", "concurrency_squared", "input", "output"),
)
"""What a group's weights multiply, in the order `basis` gives it."""

_PARTS = (
    ("kv_cache", "linear_state"),
    ("prefill_flops", "prefill_attention", "prefill_traffic", "prefill_steps", "prefill_tokens"),
    ("expert_weights",),
    ("dense_weights",),
    ("sequences", "decode_flops", "decode_traffic", "latent_flops"),
)
_INDICES = tuple(tuple(TERMS.index(name) for name in part) for part in _PARTS)


def basis(parts: Sequence[float], load: Load) -> tuple[float, ...]:
    """The features of a load on a setup: `parts` are the terms' shares of the physical TPOT, in TERMS' order.

    Loads count in octaves around 16 requests of 1,024/1,024 tokens, scaled so that a weight's size means
    about as much for each feature.
    """
    octaves = (math.log2(load.concurrency) - 4) / 3
    return (
        1.0,
        *(sum(parts[index] for index in indices) for indices in _INDICES),
        0.3 * octaves,
        0.15 * (octaves**2 - 1),
        0.1 * math.log2(load.input_tokens / 1024),
        0.1 * math.log2(load.output_tokens / 1024),
    )


def keys(setup: Setup) -> tuple[str, ...]:
    """The group a setup belongs to at each of LEVELS, as text: `llama-3.1-70b|vllm`."""
    words = {
        "model": family(setup.model),
        "gpu": setup.gpu.name,
        "engine": setup.engine,
        "precision": setup.precision,
        "tensor": f"tp{setup.tensor}",
        "data": f"dp{setup.data}",
        "expert": f"ep{setup.expert}",
    }
    return tuple("|".join(words[name] for name in level.by) for level in LEVELS)


def family(model: OpenModel) -> str:
    """The name under which a model's speed is kept: the first of the catalog with the same figures.

    Llama 3.1 and 3.3 70B, or DeepSeek V3, R1 and V3.1, are one network to an engine.
    """
    return _families().get(_figures(model), model.name)


@cache
def _families() -> dict[tuple[int, ...], str]:
    found: dict[tuple[int, ...], str] = {}
    for model in open_models():
        found.setdefault(_figures(model), model.name)
    return found


def _figures(model: OpenModel) -> tuple[int, ...]:
    return (
        *(model.parameters, model.active_parameters, model.layers, model.hidden_size, model.heads),
        *(model.kv_heads, model.head_dim, model.kv_latent_dim, model.windowed_layers, model.window_tokens),
        *(model.experts, model.active_experts, model.dense_layers, model.linear_layers, model.sparse_tokens),
    )
