"""What fits a replica's memory: weights first, then KV cache, which caps how many requests run at once.

    weights per GPU = dense weights / tensor + experts / GPUs
    a request per GPU = its KV cache / shards + its state / tensor

A tensor-parallel group splits the dense weights and the KV heads (a head is copied where there are more GPUs
than heads); a latent cache is held whole by each GPU of the group. Attention data parallelism repeats dense
weights and adds its groups' caches. What an engine's share of memory is a share of differs: `engines.py`.
"""

from __future__ import annotations

import math

from baseload.capacity.engines import ENGINES as ENGINES
from baseload.capacity.engines import Share
from baseload.capacity.splits import GPUS_MOST as GPUS_MOST
from baseload.capacity.splits import check as check
from baseload.capacity.splits import starts
from baseload.capacity.terms import Setup, has_arithmetic_for
from baseload.errors import UsageError

GIB = 2**30

ONE_REQUEST_TOKENS = 8192
"""KV tokens that must fit beside the weights for a combination to be offered (or the context window)."""

WINDOW_SAMPLE_TOKENS = 2048
"""Sequence length at which sliding-window layers are averaged into one KV size per token."""

STATE_BYTES = 4
"""Bytes of a value of linear attention's state, kept in 32 bits."""


def weight_bytes_per_gpu(setup: Setup) -> float:
    """Bytes of weights on each GPU."""
    model = setup.model
    experts = model.expert_parameters * model.expert_bits(setup.precision) / 8 if model.experts else 0.0
    return (model.weight_bytes(setup.precision) - experts) / setup.tensor + experts / setup.gpus


def free_bytes_per_gpu(setup: Setup) -> float:
    """Bytes a GPU has left for KV cache; negative by what is missing where the weights do not fit."""
    engine = ENGINES[setup.engine]
    whole, reserved = setup.gpu.memory_gib * GIB, engine.reserved_gib_per_gpu * GIB
    weights = weight_bytes_per_gpu(setup)
    match engine.share_of:
        case Share.TOTAL:
            return whole * engine.memory_share - reserved - weights
        case Share.STATIC:
            return (whole - reserved) * engine.memory_share - weights
        case Share.FREE:
            free = whole - reserved - weights
            return free * engine.memory_share if free > 0 else free


def shards(setup: Setup) -> int:
    """GPUs of a group that one sequence's cache is split over."""
    return 1 if setup.model.kv_latent_dim else min(setup.tensor, setup.model.kv_heads)


def request_bytes(setup: Setup, tokens: float, precision: str = "bf16") -> float:
    """Bytes that one request of so many tokens, prompt and answer, takes on each GPU of its group.

    `precision` is the cache's. Windows and linear attention's state are counted; every question of what fits
    goes by this.
    """
    state = setup.model.linear_layers * setup.model.state_values * STATE_BYTES / setup.tensor
    return setup.model.kv_bytes(math.ceil(tokens), precision) / shards(setup) + state


def kv_tokens(setup: Setup, precision: str = "bf16") -> int:
    """KV tokens the whole replica holds beside its weights; negative by what is missing.

    Counted in requests of WINDOW_SAMPLE_TOKENS, without their state, which does not grow with tokens.
    """
    each = setup.model.kv_bytes(WINDOW_SAMPLE_TOKENS, precision) / shards(setup)
    return math.floor(free_bytes_per_gpu(setup) / each * WINDOW_SAMPLE_TOKENS) * setup.data


def most_at_once(setup: Setup, tokens: float, precision: str = "bf16") -> int:
    """Requests of so many tokens, prompt and answer, whose cache and state fit together; 0 if not one."""
    each = request_bytes(setup, tokens, precision)
    return max(math.floor(free_bytes_per_gpu(setup) / each), 0) * setup.data


def longest_request(setup: Setup, precision: str = "bf16") -> int:
    """Tokens of the longest request that fits alone, at most the context window; 0 if none does."""
    low, high = 0, setup.model.context_tokens
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if most_at_once(setup, middle, precision) else (low, middle - 1)
    return low


def refuse_unless_fits(setup: Setup, tokens: float | None = None, precision: str = "bf16") -> None:
    """Raises UsageError, with the GiB missing and what would fit, unless weights and one request fit.

    The request has `tokens`; without them ONE_REQUEST_TOKENS, or the context window if it is shorter.
    """
    needed = tokens or min(ONE_REQUEST_TOKENS, setup.model.context_tokens)
    if most_at_once(setup, needed, precision):
        return
    missing_gib = (request_bytes(setup, needed, precision) - free_bytes_per_gpu(setup)) * setup.gpus / GIB
    fits = [f"{weights} on {count}" for count, weights in _what_fits(setup, needed, precision)]
    what = ", ".join(fits[:4]) or "nothing on one node of these GPUs: take a larger GPU or a smaller model"
    raise UsageError(
        f"{setup.model.name} at {setup.precision} does not fit {setup.gpus} x {setup.gpu.name}: "
        f"{missing_gib:.1f} GiB are missing for the weights and one request of {needed:.0f} tokens",
        hint=f"what fits {setup.gpu.name}: {what}",
    )


def _what_fits(setup: Setup, tokens: float, precision: str) -> list[tuple[int, str]]:
    """GPUs and weights' precisions that hold a request, the fewest GPUs first, tensor parallel."""
    model, gpu = setup.model, setup.gpu
    found = []
    for count in (1, 2, 4, 8):
        for weights in dict.fromkeys((setup.precision, *model.precisions)):
            if weights != setup.precision and not has_arithmetic_for(gpu, weights):
                continue
            one = Setup(model, gpu, weights, setup.engine, tensor=count)
            if starts(one) and most_at_once(one, tokens, precision):
                found.append((count, weights))
    return found
