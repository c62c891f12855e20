"""Which published checkpoint holds a model's weights in a precision, or what to look for if none is known."""

from __future__ import annotations

from baseload.capacity.terms import Setup

WORDS = {
    "bf16": ("bf16",),
    "fp16": ("fp16",),
    "fp8": ("fp8",),
    "int8": ("int8", "w8a8", "w8a16"),
    "int4": ("int4", "awq", "gptq", "w4a16"),
    "nvfp4": ("nvfp4", "-fp4"),
    "mxfp4": ("mxfp4",),
}
"""What a checkpoint's name says of its precision."""

MADE_WHILE_LOADING = {"vllm": ("fp8",), "sglang": ("fp8",)}
"""Precisions an engine makes itself of 16-bit weights; TensorRT-LLM serves what a checkpoint holds."""

PUBLISHER_OF_MODELOPT = "nvidia/"
"""Who publishes checkpoints made with Model Optimizer, which SGLang wants to be told of."""


def checkpoint_of(setup: Setup) -> str:
    """A checkpoint the catalog knows for this setup, else what to look for, in brackets."""
    named = [alias for alias in setup.model.aliases if "/" in alias]
    own = setup.model.precisions[0]
    fitting = [alias for alias in named if precision_in(alias) == setup.precision]
    if setup.precision == own:
        fitting += [alias for alias in named if precision_in(alias) is None]
    if setup.engine == "trtllm":
        fitting = [alias for alias in fitting if _trtllm_reads(setup, alias)]
        fitting.sort(key=lambda alias: not modelopt(alias) and setup.precision != own)
    if fitting:
        return fitting[0]
    if own == "bf16" and setup.precision in MADE_WHILE_LOADING.get(setup.engine, ()):
        plain = [alias for alias in named if precision_in(alias) is None]
        if plain:
            return plain[0]
    return f"<{setup.precision} checkpoint of {setup.model.name}>"


def made_while_loading(setup: Setup, name: str) -> bool:
    """Whether the engine is to make this precision itself of the checkpoint's 16-bit weights."""
    if setup.precision not in MADE_WHILE_LOADING.get(setup.engine, ()) or name.startswith("<"):
        return False
    return setup.precision != setup.model.precisions[0] and precision_in(name) is None


def precision_in(name: str) -> str | None:
    """The precision a checkpoint's name states, None where it states none."""
    lower = name.rpartition("/")[2].lower()
    for precision, words in WORDS.items():
        if any(word in lower for word in words) and not (precision == "nvfp4" and "mxfp4" in lower):
            return precision
    return None


def modelopt(name: str) -> bool:
    """Whether the checkpoint was made with NVIDIA's Model Optimizer, by its publisher."""
    return name.startswith(PUBLISHER_OF_MODELOPT)


def draft_of(setup: Setup) -> str:
    """What to look for where tokens are to be guessed by a model of their own."""
    return f"<EAGLE-3 draft of {setup.model.name}>"


def _trtllm_reads(setup: Setup, name: str) -> bool:
    """TensorRT-LLM reads what Model Optimizer made, FP8 in blocks, and what makers publish unquantised."""
    blocks = setup.precision == "fp8" and setup.model.fp8_block > 0
    return modelopt(name) or blocks or setup.precision == setup.model.precisions[0]
