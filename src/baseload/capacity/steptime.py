"""How long a step takes for a model on GPUs: measured where a table row exists, physical elsewhere.

The physical form, per decode step with n sequences holding k KV tokens on G GPUs (tensor parallel):

    touched weight bytes / (G·bandwidth·0.88)     MoE: experts touched at this batch, at 0.68
    + k·KV bytes / (shards·bandwidth·0.62)        shards: min(G, KV heads); 1 for a latent cache (MLA)
    + n·2·active parameters / (G·peak FLOPs)
    + 2·layers·6 µs·log2(G)                       all-reduce latency
    + layers·32 µs (+ 25 µs each in a MoE) + 0.57 ms + n·14 µs

and per prefilled token: 2·active parameters / (G·peak·0.6) + the all-reduce traffic of its activations.
Efficiencies were fitted on published measurements (docs/capacity.md); layer, step and all-reduce terms are
poorly separated there, so read the sum and not the parts.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib import resources

from msgspec import Struct

from baseload.catalog.gpus import Gpu
from baseload.catalog.models import BITS_PER_WEIGHT, OpenModel
from baseload.core import StepTime
from baseload.errors import DataError, UnknownName, UsageError

GIB = 2**30
TABLE = "step_times.csv"

DENSE_EFFICIENCY = 0.88
EXPERT_EFFICIENCY = 0.68
KV_EFFICIENCY = 0.62
PREFILL_EFFICIENCY = 0.60
ALL_REDUCE_S = 6e-6
LAYER_S = 32e-6
MOE_LAYER_S = 25e-6
STEP_S = 0.57e-3
SEQUENCE_S = 14e-6
NVLINK_BYTES_PER_S = 450e9
PCIE_BYTES_PER_S = 25e9

PHYSICAL_ERROR = 0.50
"""Half-width of the 80% interval without a measured row (q90/q10 = 2.2 on models or GPUs not seen)."""

ONE_REQUEST_TOKENS = 8192
"""KV tokens that must fit beside the weights for a combination to be offered (or the context window)."""

WINDOW_SAMPLE_TOKENS = 2048
"""Sequence length at which sliding-window layers are averaged into one KV size per token."""

GPUS_MOST = 8
"""GPUs of one replica: more than a node are not modelled."""


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

FLOPS_OF = {
    "bf16": ("bf16",),
    "fp16": ("bf16",),
    "fp8": ("fp8", "bf16"),
    "int8": ("int8", "bf16"),
    "nvfp4": ("fp4", "bf16"),
    "mxfp4": ("fp4", "bf16"),
    "int4": ("bf16",),
}
"""Arithmetic a precision computes in, best first: what a GPU lacks is unpacked to bf16."""


class Measured(Struct, frozen=True):
    """Coefficients fitted on published measurements of one combination.

    `error` is the half-width of the 80% interval on rows left out; `shape_error` the mean error on an
    input/output shape left out, which is what to expect far from the measured shapes.
    """

    base_s: float
    per_sequence_s: float
    per_kv_token_s: float
    per_prefill_token_s: float
    rows: int
    error: float
    shape_error: float
    source: str


KEY_COLUMNS = ("model", "gpu", "gpus", "precision", "engine")
MEASURED_COLUMNS = (*KEY_COLUMNS, *Measured.__struct_fields__)
"""Columns of the shipped table."""


def step_time(model: OpenModel, gpu: Gpu, gpus: int, precision: str, engine: str = "vllm") -> StepTime:
    """Step time and room of one replica of `model` on `gpus` x `gpu`, weights at `precision`.

    Memory is checked first: weights and one request of 8,192 tokens (or the whole context window, if
    shorter) must fit, else UsageError says how many GiB are missing and what would fit. What is left over is
    `kv_tokens`, which caps concurrency. Raises UnknownName for an engine or precision not known.
    """
    physical = physical_step_time(model, gpu, gpus, precision, engine)
    measured = measured_table().get((model.name, gpu.name, gpus, precision, engine))
    if measured is None:
        return physical
    return StepTime(
        base_s=measured.base_s,
        per_sequence_s=measured.per_sequence_s,
        per_kv_token_s=measured.per_kv_token_s,
        per_prefill_token_s=measured.per_prefill_token_s,
        kv_tokens=physical.kv_tokens,
        max_sequences=physical.max_sequences,
        error=measured.error,
        source=f"fitted on {measured.rows} measured rows: {measured.source}",
    )


def physical_step_time(
    model: OpenModel, gpu: Gpu, gpus: int, precision: str, engine: str = "vllm"
) -> StepTime:
    """As `step_time`, from the physical form alone."""
    _check(model, gpus, precision, engine)
    kv_tokens = kv_room_tokens(model, gpu, gpus, precision, engine)
    needed = min(ONE_REQUEST_TOKENS, model.context_tokens)
    if kv_tokens < needed:
        raise _does_not_fit(model, gpu, gpus, precision, engine, needed - kv_tokens)
    return _physical(model, gpu, gpus, precision, kv_tokens, ENGINES[engine].max_sequences)


def kv_room_tokens(model: OpenModel, gpu: Gpu, gpus: int, precision: str, engine: str = "vllm") -> int:
    """KV tokens that fit beside the weights; negative by what is missing where the weights do not fit.

    room = (memory·share − reserved − weights/G) / (KV bytes of a token on one GPU), a bf16 cache.
    """
    made = ENGINES[engine]
    per_gpu = gpu.memory_gib * made.memory_share - made.reserved_gib_per_gpu
    free_bytes = per_gpu * GIB - model.weight_bytes(precision) / gpus
    return math.floor(free_bytes / (_kv_bytes(model) / _kv_shards(model, gpus)))


def _check(model: OpenModel, gpus: int, precision: str, engine: str) -> None:
    if precision not in BITS_PER_WEIGHT:
        raise UnknownName("precision", precision, BITS_PER_WEIGHT)
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    if not 1 <= gpus <= GPUS_MOST:
        raise UsageError(
            f"a replica of {gpus} GPUs is not modelled", hint=f"use 1 to {GPUS_MOST} GPUs, one node"
        )
    if model.heads % gpus:
        raise UsageError(
            f"{model.name} has {model.heads} attention heads, which {gpus} GPUs cannot share evenly",
            hint="use a number of GPUs that divides them: 1, 2, 4 or 8",
        )


def _does_not_fit(
    model: OpenModel, gpu: Gpu, gpus: int, precision: str, engine: str, short_tokens: int
) -> UsageError:
    short_bytes = short_tokens * _kv_bytes(model) / _kv_shards(model, gpus) * gpus
    needed = min(ONE_REQUEST_TOKENS, model.context_tokens)
    fits = [
        f"{other} on {count}"
        for count in (1, 2, 4, 8)
        for other in dict.fromkeys((precision, *model.precisions))
        if model.heads % count == 0 and kv_room_tokens(model, gpu, count, other, engine) >= needed
    ]
    what = ", ".join(fits[:4]) or "nothing on one node of these GPUs: take a larger GPU or a smaller model"
    return UsageError(
        f"{model.name} at {precision} does not fit {gpus} x {gpu.name}: "
        f"{short_bytes / GIB:.1f} GiB are missing for the weights and one request of {needed} tokens",
        hint=f"what fits {gpu.name}: {what}",
    )


def _kv_bytes(model: OpenModel) -> float:
    """KV bytes a token takes, sliding windows averaged over a sequence of WINDOW_SAMPLE_TOKENS."""
    return model.kv_bytes(WINDOW_SAMPLE_TOKENS) / WINDOW_SAMPLE_TOKENS


def _kv_shards(model: OpenModel, gpus: int) -> int:
    """GPUs the cache is split over: tensor parallelism splits KV heads; a latent cache is held by each."""
    return 1 if model.kv_latent_dim else min(gpus, model.kv_heads)


def _physical(
    model: OpenModel, gpu: Gpu, gpus: int, precision: str, kv_tokens: int, max_sequences: int
) -> StepTime:
    peak = next((gpu.flops[kind] for kind in FLOPS_OF[precision] if kind in gpu.flops), None)
    if peak is None:
        raise UsageError(f"{gpu.name} has no figure for {precision} arithmetic", hint="add it to the catalog")
    bandwidth = gpus * gpu.bandwidth_bytes_per_s
    flops = gpus * peak
    fixed_s = STEP_S + model.layers * (LAYER_S + 2 * ALL_REDUCE_S * math.log2(gpus))
    if model.experts:
        fixed_s += model.layers * MOE_LAYER_S
    weights_s, per_sequence_weights_s = _weights_s(model, precision, bandwidth, max_sequences)
    traffic_bytes = 2 * model.layers * model.hidden_size * 2 * 2 * (gpus - 1) / gpus
    return StepTime(
        base_s=fixed_s + weights_s,
        per_sequence_s=SEQUENCE_S + per_sequence_weights_s + 2 * model.active_parameters / flops,
        per_kv_token_s=_kv_bytes(model)
        / (_kv_shards(model, gpus) * gpu.bandwidth_bytes_per_s * KV_EFFICIENCY),
        per_prefill_token_s=2 * model.active_parameters / (flops * PREFILL_EFFICIENCY)
        + traffic_bytes / _link_bytes_per_s(gpu),
        kv_tokens=kv_tokens,
        max_sequences=max_sequences,
        error=PHYSICAL_ERROR,
        source=f"physical, from {gpu.name} and {model.name} figures",
    )


def _weights_s(model: OpenModel, precision: str, bandwidth: float, max_sequences: int) -> tuple[float, float]:
    """Seconds to read the weights a step touches, as (base, per sequence).

    A dense model reads all of them whatever the batch. Of E experts with a active per token, a batch of n
    touches 1 − (1 − a/E)^n on average: concave in n, here drawn as the straight line with the least
    relative error over batches 1, 2, 4 … `max_sequences`, never sloping down.
    """
    weight_bytes = model.weight_bytes(precision)
    if not model.experts:
        return weight_bytes / (bandwidth * DENSE_EFFICIENCY), 0.0
    active_share = model.active_experts / model.experts
    expert_share = (1 - model.active_parameters / model.parameters) / (1 - active_share)
    dense_s = (1 - expert_share) * weight_bytes / (bandwidth * DENSE_EFFICIENCY)
    experts_s = expert_share * weight_bytes / (bandwidth * EXPERT_EFFICIENCY)
    batches = [2**power for power in range(max_sequences.bit_length())]
    times = [dense_s + experts_s * (1 - (1 - active_share) ** n) for n in batches]
    return _line(batches, times)


def _line(xs: list[int], ys: list[float]) -> tuple[float, float]:
    """Intercept and slope (≥ 0) of the line through (xs, ys) with the least squared relative error."""
    weights = [1 / y**2 for y in ys]
    total = sum(weights)
    mean_x = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
    mean_y = sum(w * y for w, y in zip(weights, ys, strict=True)) / total
    spread = sum(w * (x - mean_x) ** 2 for w, x in zip(weights, xs, strict=True))
    together = sum(w * (x - mean_x) * (y - mean_y) for w, x, y in zip(weights, xs, ys, strict=True))
    slope = max(together / spread, 0.0)
    return mean_y - slope * mean_x, slope


def _link_bytes_per_s(gpu: Gpu) -> float:
    """GPU-to-GPU bandwidth one way: boards of at least 1.5 TB/s memory carry NVLink or its like."""
    linked = gpu.bandwidth_bytes_per_s >= 1.5e12 and "pcie" not in gpu.name.lower()
    return NVLINK_BYTES_PER_S if linked else PCIE_BYTES_PER_S


@cache
def measured_table() -> dict[tuple[str, str, int, str, str], Measured]:
    """The shipped fits by (model, GPU, GPUs, precision, engine); made by scripts/make_capacity_table.py."""
    file = resources.files("baseload.capacity") / "data" / TABLE
    lines = (line for line in file.read_text("utf-8").splitlines() if not line.startswith("#"))
    table = {}
    for row in csv.DictReader(lines):
        try:
            key = (row["model"], row["gpu"], int(row["gpus"]), row["precision"], row["engine"])
            table[key] = Measured(
                base_s=float(row["base_s"]),
                per_sequence_s=float(row["per_sequence_s"]),
                per_kv_token_s=float(row["per_kv_token_s"]),
                per_prefill_token_s=float(row["per_prefill_token_s"]),
                rows=int(row["rows"]),
                error=float(row["error"]),
                shape_error=float(row["shape_error"]),
                source=row["source"],
            )
        except (KeyError, ValueError) as error:
            raise DataError(f"{TABLE}: a broken row: {row}", hint="run the script that makes it") from error
    return table
