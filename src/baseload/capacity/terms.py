"""What a step of continuous batching has to move and compute: the physical terms of TPOT, in seconds.

Each term is what its part would take on the data sheet's figures (or on a round guess where no sheet says);
`fitted.py` holds how many times longer it really takes. Everything is per output token of one request, in the
steady state of C requests of isl/osl tokens on G = tensor·data GPUs: C/osl requests end per step, each
replaced by a prompt, so that C·isl/osl prompt tokens are prefilled per step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from msgspec import Struct

from baseload.catalog.gpus import Gpu
from baseload.catalog.models import BITS_PER_WEIGHT, OpenModel
from baseload.errors import UnknownName, UsageError

FLOPS_OF = {
    "bf16": ("bf16",),
    "fp16": ("bf16",),
    "fp8": ("fp8", "bf16"),
    "int8": ("int8", "bf16"),
    "nvfp4": ("fp4", "fp8", "bf16"),
    "mxfp4": ("fp4", "bf16"),
    "int4": ("bf16",),
}
"""Arithmetic a precision computes in, best first: what a GPU lacks is unpacked to the next."""

TERMS = (
    "dense_weights",  # weights every token meets, over bandwidth; replicated by attention data parallelism
    "expert_weights",  # experts a batch touches, 1 − (1 − a/E)^C of them, over bandwidth
    "kv_cache",  # cached keys and values of the running sequences, over bandwidth
    "linear_state",  # state of linear-attention layers, read and written
    "decode_flops",
    "latent_flops",  # absorbed latent attention multiplies its whole latent per head
    "prefill_flops",
    "prefill_attention",
    "all_reduce",  # latency: two per layer, growing with the logarithm of the GPUs
    "decode_traffic",  # activations between GPUs
    "prefill_traffic",
    "layers",  # kernel launches and the like, per layer
    "expert_layers",
    "step",  # scheduling, sampling
    "sequences",  # the same per running sequence
    "prefill_steps",  # steps that prompts take for themselves
    "prefill_tokens",
)
"""Names of the terms, in the order `terms` gives them."""

ALL_REDUCE_S = 6e-6
LAYER_S = 30e-6
EXPERT_LAYER_S = 25e-6
STEP_S = 0.6e-3
SEQUENCE_S = 14e-6
PREFILL_TOKEN_LAYER_S = 1e-8
"""Guesses that the fit corrects, of the size published measurements show (docs/capacity.md)."""

LATENT_HEAD_DIM = 192
"""Width of an expanded query or key of latent attention (128 + 64 rotary), for the cost of prefill."""

UNKNOWN_LINK_BYTES_PER_S = 32e9
"""GPU-to-GPU bandwidth one way that is counted with where nobody states any: PCIe 4 x16, on the safe side."""


class Setup(Struct, frozen=True):
    """One way to serve a model: what runs it, on how many GPUs, split how.

    `tensor` GPUs share each layer; `data` copies of the attention run beside each other (attention data
    parallelism: each holds its own sequences and all dense weights); experts are spread over all of
    them, whole ones over `expert` GPUs. `speculative` is how likely it is that tokens are guessed ahead: 1
    yes, 0 no, None where nobody says.
    """

    model: OpenModel
    gpu: Gpu
    precision: str
    engine: str = "vllm"
    tensor: int = 1
    data: int = 1
    expert: int = 1
    speculative: float | None = None

    @property
    def gpus(self) -> int:
        """GPUs of the replica."""
        return self.tensor * self.data


class Load(NamedTuple):
    """A steady load on one replica: requests that always run, and their mean lengths."""

    concurrency: float
    input_tokens: float
    output_tokens: float


def peak_flops(gpu: Gpu, precision: str) -> float:
    """Dense operations/s of a GPU at a precision. Raises UnknownName, UsageError where nobody states any."""
    if precision not in FLOPS_OF:
        raise UnknownName("precision", precision, BITS_PER_WEIGHT)
    for kind in FLOPS_OF[precision]:
        if kind in gpu.flops:
            return gpu.flops[kind]
    raise UsageError(f"{gpu.name} has no figure for {precision} arithmetic", hint="add it to the catalog")


def is_amd(gpu: Gpu) -> bool:
    """Whether it is one of AMD's: an Instinct."""
    return gpu.name.startswith("MI")


def has_arithmetic_for(gpu: Gpu, precision: str) -> bool:
    """Whether engines run weights of this precision on this GPU as a matter of course.

    NVFP4 and FP8 are formats of the GPU's own arithmetic: without it some engines fall back to weight-only
    kernels and others refuse, so neither is proposed. NVFP4 is NVIDIA's alone. INT4 and MXFP4 are
    weight-only everywhere.
    """
    if precision == "nvfp4" and is_amd(gpu):
        return False
    needed = {"nvfp4": "fp4", "fp8": "fp8"}.get(precision)
    return needed is None or needed in gpu.flops


def link_bytes_per_s(gpu: Gpu) -> float:
    """GPU-to-GPU bandwidth one way: the catalog's, or PCIe 4 where it has none."""
    return gpu.link_bytes_per_s or UNKNOWN_LINK_BYTES_PER_S


def dense_parameters(model: OpenModel) -> int:
    """Weights that every token meets, the output head apart: no embeddings, no routed experts."""
    embeddings = 2 * model.vocabulary * model.hidden_size
    return max(model.parameters - model.expert_parameters - embeddings, 0)


def terms(setup: Setup, load: Load) -> tuple[float, ...]:
    """Seconds each part of TPOT would take on the data sheet's figures, in the order of TERMS."""
    model, bandwidth = setup.model, setup.gpu.bandwidth_bytes_per_s
    held = load.input_tokens + load.output_tokens / 2
    sequences = load.concurrency / setup.data  # per copy of the attention
    prefill = load.concurrency * load.input_tokens / load.output_tokens
    read_s, expert_s = _weights_s(setup, load.concurrency)
    cache_s, latent_s = _attention_s(setup, sequences, held)
    flops = setup.gpus * peak_flops(setup.gpu, setup.precision)
    traffic_s = (setup.gpus - 1) / setup.gpus * model.hidden_size * 8 * model.layers
    traffic_s /= link_bytes_per_s(setup.gpu) * setup.data
    return (
        read_s,
        expert_s,
        cache_s,
        sequences * 8 * model.linear_layers * model.state_values / (setup.tensor * bandwidth),
        load.concurrency * 2 * model.active_parameters / flops,
        latent_s,
        prefill * 2 * model.active_parameters / flops,
        prefill * _prefill_attention_s(setup, load.input_tokens),
        2 * model.layers * math.log2(setup.gpus) * ALL_REDUCE_S,
        load.concurrency * traffic_s,
        prefill * traffic_s,
        model.layers * LAYER_S,
        (model.layers - model.dense_layers) * EXPERT_LAYER_S if model.experts else 0.0,
        STEP_S,
        sequences * SEQUENCE_S,
        load.concurrency / load.output_tokens * model.layers * LAYER_S,
        prefill * model.layers * PREFILL_TOKEN_LAYER_S,
    )


def _weights_s(setup: Setup, concurrency: float) -> tuple[float, float]:
    """Seconds to read dense weights, and the experts that a batch touches."""
    model, bandwidth = setup.model, setup.gpu.bandwidth_bytes_per_s
    bytes_each = BITS_PER_WEIGHT[setup.precision] / 8
    experts_only = model.experts and setup.precision in ("mxfp4", "int4")  # the rest stays at 16 bits
    dense_bytes = dense_parameters(model) * (2.0 if experts_only else bytes_each)
    dense_bytes += 2.0 * model.vocabulary * model.hidden_size
    dense_s = dense_bytes / (setup.tensor * bandwidth)
    if not model.experts:
        return dense_s, 0.0
    touched = 1 - (1 - model.active_experts / model.experts) ** concurrency
    return dense_s, model.expert_parameters * bytes_each * touched / (setup.gpus * bandwidth)


def _attention_s(setup: Setup, sequences: float, held: float) -> tuple[float, float]:
    """Seconds to read the cache of sequences that hold so many tokens each, and to multiply latents."""
    model, bandwidth = setup.model, setup.gpu.bandwidth_bytes_per_s
    read = min(held, model.sparse_tokens) if model.sparse_tokens else held
    full_layers = model.layers - model.windowed_layers - model.linear_layers
    tokens = full_layers * read + model.windowed_layers * min(held, model.window_tokens)
    if not model.kv_latent_dim:
        shards = min(setup.tensor, model.kv_heads)
        return sequences * tokens * 4 * model.kv_heads * model.head_dim / (shards * bandwidth), 0.0
    index_bytes = held * model.layers * model.index_dim if model.sparse_tokens else 0.0
    cache_s = sequences * (tokens * 2 * model.kv_latent_dim + index_bytes) / bandwidth
    width = model.kv_latent_dim + model.kv_latent_dim - 64  # scores over latent and rotary part, then values
    flops = sequences * read * model.layers * 2 * model.heads * width
    return cache_s, flops / (setup.tensor * setup.gpu.flops["bf16"])


def _prefill_attention_s(setup: Setup, input_tokens: float) -> float:
    """Seconds of attention per prompt token, which sees half its prompt on average."""
    model = setup.model
    seen = input_tokens / 2
    read = min(seen, model.sparse_tokens) if model.sparse_tokens else seen
    full_layers = model.layers - model.windowed_layers - model.linear_layers
    tokens = full_layers * read + model.windowed_layers * min(seen, model.window_tokens)
    width = LATENT_HEAD_DIM if model.kv_latent_dim else model.head_dim
    return tokens * 4 * model.heads * width / (setup.gpus * setup.gpu.flops["bf16"])
