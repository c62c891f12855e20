"""The engines planned for: what their memory flag is a share of, and how many requests they admit."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Share(StrEnum):
    """What the engine's memory flag is a share of, and so what is left for the cache of a GPU."""

    TOTAL = "total"
    """vLLM's --gpu-memory-utilization: memory · share − reserved − weights."""
    STATIC = "static"
    """SGLang's --mem-fraction-static, weights and cache alone: (memory − reserved) · share − weights."""
    FREE = "free"
    """TensorRT-LLM's free_gpu_memory_fraction, after loading: (memory − reserved − weights) · share."""


class Engine(Struct, frozen=True):
    """What an engine's settings do to memory and admission; `words` are other names it is known by."""

    memory_share: float
    share_of: Share
    reserved_gib_per_gpu: float
    max_sequences: int
    words: tuple[str, ...] = ()


ENGINES = {
    "vllm": Engine(0.90, Share.TOTAL, reserved_gib_per_gpu=2.5, max_sequences=256),
    "sglang": Engine(0.88, Share.STATIC, reserved_gib_per_gpu=1.0, max_sequences=256),
    "trtllm": Engine(
        *(0.90, Share.FREE),
        reserved_gib_per_gpu=3.0,
        max_sequences=256,
        words=("tensorrt-llm", "tensorrtllm", "trt"),
    ),
}
"""Share of GPU memory by the launch command, GiB a GPU loses to context, activations and graphs (round
guesses: what SGLang's share leaves out holds its activations), sequences a copy of the attention admits."""


def engine_name(word: str) -> str:
    """The engine that is known by this word in any case: TensorRT-LLM is trtllm. What none is comes back."""
    lower = word.strip().lower()
    return next((name for name, each in ENGINES.items() if lower in each.words), lower)
