"""What fits a replica's memory: weights first, then KV cache, which caps how many requests run at once.

    free per GPU = memory · engine's share − reserved − dense weights / tensor − experts / GPUs

A tensor-parallel group splits the dense weights and the KV heads; a latent cache is held whole by each GPU of
the group. Attention data parallelism repeats dense weights and adds its groups' caches.
"""

from __future__ import annotations

import math

from msgspec import Struct

from baseload.capacity.terms import Setup, has_arithmetic_for, is_amd
from baseload.catalog.models import BITS_PER_WEIGHT, OpenModel
from baseload.errors import UnknownName, UsageError

GIB = 2**30

ONE_REQUEST_TOKENS = 8192
"""KV tokens that must fit beside the weights for a combination to be offered (or the context window)."""

WINDOW_SAMPLE_TOKENS = 2048
"""Sequence length at which sliding-window layers are averaged into one KV size per token."""

GPUS_MOST = 8
"""GPUs of one replica that is planned for: more than a node are not modelled."""

STATE_BYTES = 4
"""Bytes of a value of linear attention's state, kept in 32 bits."""


class Engine(Struct, frozen=True):
    """What an engine's defaults do to memory and admission."""

    memory_share: float
    reserved_gib_per_gpu: float
    max_sequences: int


ENGINES = {
    "vllm": Engine(memory_share=0.90, reserved_gib_per_gpu=2.5, max_sequences=256),
    "sglang": Engine(memory_share=0.88, reserved_gib_per_gpu=2.5, max_sequences=256),
    "trtllm": Engine(memory_share=0.90, reserved_gib_per_gpu=3.0, max_sequences=256),
}
"""Share of GPU memory the engine takes, GiB a GPU loses to activations and graphs, sequences it admits."""


def check(setup: Setup) -> None:
    """Raises UnknownName or UsageError for a setup that no engine starts."""
    model = setup.model
    if setup.precision not in BITS_PER_WEIGHT:
        raise UnknownName("precision", setup.precision, BITS_PER_WEIGHT)
    if setup.engine not in ENGINES:
        raise UnknownName("engine", setup.engine, ENGINES)
    if setup.engine == "trtllm" and is_amd(setup.gpu):
        raise UsageError(f"TensorRT-LLM does not run on {setup.gpu.name}", hint="take vllm or sglang")
    if min(setup.tensor, setup.data, setup.expert) < 1:
        raise UsageError("parallel sizes count from 1")
    if model.heads % setup.tensor:
        raise UsageError(
            f"{model.name} has {model.heads} attention heads, which {setup.tensor} GPUs cannot share evenly",
            hint="use a number of GPUs that divides them: 1, 2, 4 or 8",
        )
    if setup.expert > 1 and (not model.experts or model.experts % setup.expert):
        raise UsageError(
            f"{model.name} has {model.experts} experts, which {setup.expert} GPUs cannot share evenly",
            hint="leave --expert-parallel at 1",
        )


def weight_bytes_per_gpu(setup: Setup) -> float:
    """Bytes of weights on each GPU."""
    model = setup.model
    whole = model.weight_bytes(setup.precision)
    experts = model.expert_parameters * BITS_PER_WEIGHT[setup.precision] / 8 if model.experts else 0.0
    return (whole - experts) / setup.tensor + experts / setup.gpus


def free_bytes_per_gpu(setup: Setup) -> float:
    """Bytes a GPU has left for KV cache; negative by what is missing where the weights do not fit."""
    engine = ENGINES[setup.engine]
    usable_gib = setup.gpu.memory_gib * engine.memory_share - engine.reserved_gib_per_gpu
    return usable_gib * GIB - weight_bytes_per_gpu(setup)


def kv_bytes_per_token(model: OpenModel, precision: str = "bf16") -> float:
    """KV bytes a token takes, sliding windows averaged over a sequence of WINDOW_SAMPLE_TOKENS."""
    return model.kv_bytes(WINDOW_SAMPLE_TOKENS, precision) / WINDOW_SAMPLE_TOKENS


def shards(setup: Setup) -> int:
    """GPUs of a group that one sequence's cache is split over."""
    return 1 if setup.model.kv_latent_dim else min(setup.tensor, setup.model.kv_heads)


def kv_tokens(setup: Setup, precision: str = "bf16") -> int:
    """KV tokens the whole replica holds beside its weights; negative by what is missing.

    `precision` is the cache's.
    """
    per_gpu = free_bytes_per_gpu(setup) / (kv_bytes_per_token(setup.model, precision) / shards(setup))
    return math.floor(per_gpu) * setup.data


def most_at_once(setup: Setup, tokens: float, precision: str = "bf16") -> int:
    """Requests of so many tokens, prompt and answer, whose cache and state fit together; 0 if not one."""
    state = setup.model.linear_layers * setup.model.state_values * STATE_BYTES / setup.tensor
    each = setup.model.kv_bytes(math.ceil(tokens), precision) / shards(setup) + state
    return max(math.floor(free_bytes_per_gpu(setup) / each), 0) * setup.data


def refuse_unless_fits(setup: Setup, tokens: float | None = None, precision: str = "bf16") -> None:
    """Raises UsageError, with the GiB missing and what would fit, unless weights and one request fit.

    The request has `tokens`; without them ONE_REQUEST_TOKENS, or the context window if it is shorter.
    """
    needed = tokens or min(ONE_REQUEST_TOKENS, setup.model.context_tokens)
    if kv_tokens(setup, precision) >= needed * setup.data:
        return
    each = needed * kv_bytes_per_token(setup.model, precision) / shards(setup)
    missing_gib = (each - free_bytes_per_gpu(setup)) * setup.gpus / GIB
    model, gpu = setup.model, setup.gpu
    fits = [
        f"{weights} on {count}"
        for count in (1, 2, 4, 8)
        for weights in dict.fromkeys((setup.precision, *model.precisions))
        if model.heads % count == 0
        and (weights == setup.precision or has_arithmetic_for(gpu, weights))
        and kv_tokens(Setup(model, gpu, weights, setup.engine, tensor=count), precision) >= needed
    ]
    what = ", ".join(fits[:4]) or "nothing on one node of these GPUs: take a larger GPU or a smaller model"
    raise UsageError(
        f"{model.name} at {setup.precision} does not fit {setup.gpus} x {gpu.name}: "
        f"{missing_gib:.1f} GiB are missing for the weights and one request of {needed:.0f} tokens",
        hint=f"what fits {gpu.name}: {what}",
    )
