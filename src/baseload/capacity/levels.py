"""What a configuration shares with others: the groups whose measured rows speak for it, partly.

The logarithm of TPOT is that of the physical terms plus, for every group a setup belongs to, a correction

    w_g · b(load),  b = (1, shares of some terms, curve of the load)

with w_g drawn around zero: `shift` is the standard deviation of its first weight, `slope` of the others. A
group with many rows finds its own weights, one with few stays near zero, one without is zero: so the
configuration nobody measured gets what its model, GPU, engine and precision have shown elsewhere. A share is
a term's part of the physical TPOT, so a weight on it corrects that term's efficiency in this group.
How wide levels are depends only on whether their groups hold one network, several of a kind, or all: six
figures, chosen by leaving rows out (bench/capacity_levels.py). A pair for each level serves the rows left out
in the choice better, and those left out of it worse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
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


class Reach(StrEnum):
    """What the groups of a level hold together: several networks, several of one kind, or a single one."""

    ALL = "all networks"
    KIND = "networks of a kind"
    MODEL = "one network"


DIFFER = {Reach.ALL: (0.024, 0.037), Reach.KIND: (0.060, 0.065), Reach.MODEL: (0.065, 0.127)}
"""Shift and slope of a level by its reach: six figures, chosen by bench/capacity_levels.py."""

PARALLEL = ("tensor", "data", "expert")

GROUPED = {
    "all": (),
    "model": ("model",),
    "gpu": ("gpu",),
    "engine": ("engine",),
    "precision": ("precision",),
    "model+engine": ("model", "engine"),
    "model+gpu": ("model", "gpu"),
    "model+precision": ("model", "precision"),
    "gpu+precision": ("gpu", "precision"),
    "gpu+engine": ("gpu", "engine"),
    "engine+precision": ("engine", "precision"),
    "model+gpu+engine": ("model", "gpu", "engine"),
    "kind+engine+gpu": ("kind", "engine", "gpu"),
    "kind+engine+precision": ("kind", "engine", "precision"),
    "model+engine+precision": ("model", "engine", "precision"),
    "stack": ("model", "gpu", "engine", "precision"),
    "engine+parallel": ("engine", *PARALLEL),
    "model+engine+parallel": ("model", "engine", *PARALLEL),
    "model+engine+precision+parallel": ("model", "engine", "precision", *PARALLEL),
    "configuration": ("model", "gpu", "engine", "precision", *PARALLEL),
}
"""The levels' attributes, from what all share to what one configuration has alone."""


def reach(by: Sequence[str]) -> Reach:
    """What groups by these attributes hold together."""
    if "model" in by:
        return Reach.MODEL
    return Reach.KIND if "kind" in by else Reach.ALL


def levels(differ: Mapping[Reach, tuple[float, float]]) -> tuple[Level, ...]:
    """All levels, each as wide as its reach says."""
    return tuple(Level(name, by, *differ[reach(by)]) for name, by in GROUPED.items())


LEVELS = levels(DIFFER)
"""The levels as they are shipped."""

NOISE = {"inferencex": 0.060, "nvidia": 0.095}
"""Standard deviation of log TPOT among repeats of one key, by measuring campaign."""

SPECULATIVE_SHIFT, SPECULATIVE_LOG = 0.15, -0.30
"""Speculative decoding where the sample has it: its first guess in log TPOT, and how far that may be off."""

BASIS = (
    *("one", "cache", "prefill", "experts", "dense", "sequences"),
    *("concurrency", "concurrency_squared", "input", "output"),
    *("gpus", "copies", "spread"),
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


def octaves(concurrency: float) -> float:
    """Concurrency in steps of eight around 16, for a feature whose weight means as much as the others'."""
    return (math.log2(concurrency) - 4) / 3


def guessing_slope(concurrency: float) -> float:
    """What multiplies the second weight of speculation: it helps less the more run at once."""
    return 0.5 * octaves(concurrency)


def basis(parts: Sequence[float], setup: Setup, load: Load) -> tuple[float, ...]:
    """The features of a load on a setup: `parts` are the terms' shares of the physical TPOT, in TERMS' order.

    Groups that hold several splits also have weights on the number of GPUs, on attention that is copied, and
    on experts that are spread.

    Loads count in octaves around 16 requests of 1,024/1,024 tokens, scaled so that a weight's size means
    about as much for each feature.
    """
    crowd = octaves(load.concurrency)
    return (
        1.0,
        *(sum(parts[index] for index in indices) for indices in _INDICES),
        0.3 * crowd,
        0.15 * (crowd**2 - 1),
        0.1 * math.log2(load.input_tokens / 1024),
        0.1 * math.log2(load.output_tokens / 1024),
        0.15 * (math.log2(setup.gpus) - 2),
        0.15 if setup.data > 1 else 0.0,
        0.15 if setup.expert > 1 else 0.0,
    )


def keys(setup: Setup) -> tuple[str, ...]:
    """The group a setup belongs to at each of LEVELS, as text: `llama-3.1-70b|vllm`."""
    words = {
        "model": family(setup.model),
        "kind": kind(setup.model),
        "gpu": setup.gpu.name,
        "engine": setup.engine,
        "precision": setup.precision,
        "tensor": f"tp{setup.tensor}",
        "data": f"dp{setup.data}",
        "expert": f"ep{setup.expert}",
    }
    return tuple("|".join(words[name] for name in level.by) for level in LEVELS)


def kind(model: OpenModel) -> str:
    """The class of networks that an engine runs with the same kernels: what its attention and experts are."""
    if model.kv_latent_dim:
        return "latent"
    if model.linear_layers:
        return "linear"
    return "experts" if model.experts else "dense"


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
