"""Which ways to split a model an engine starts: heads, experts and quantised blocks that divide evenly.

Each rule is one function that says what is wrong, or nothing. No measured configuration breaks any of them.
"""

from __future__ import annotations

from msgspec.structs import replace

from baseload.capacity.engines import ENGINES
from baseload.capacity.terms import Setup, is_amd
from baseload.catalog.models import BITS_PER_WEIGHT, OpenModel
from baseload.errors import UnknownName, UsageError

GPUS_MOST = 8
"""GPUs of one replica that is planned for: more than a node are not modelled."""

SIZES = (1, 2, 4, 8)
"""Parallel sizes that are tried for what would work."""


def check(setup: Setup) -> None:
    """Raises UnknownName or UsageError, with what would work, for a setup that no engine starts."""
    if setup.precision not in BITS_PER_WEIGHT:
        raise UnknownName("precision", setup.precision, BITS_PER_WEIGHT)
    if setup.engine not in ENGINES:
        raise UnknownName("engine", setup.engine, ENGINES)
    if min(setup.tensor, setup.data, setup.expert) < 1:
        raise UsageError("parallel sizes count from 1")
    for rule in (_hardware, _reach, _heads, _copies, _experts, _blocks):
        wrong = rule(setup)
        if wrong is not None:
            raise UsageError(wrong[0], hint=wrong[1])


def starts(setup: Setup) -> bool:
    """Whether `check` has nothing against it."""
    try:
        check(setup)
    except UsageError:
        return False
    return True


Wrong = tuple[str, str] | None
"""What is wrong and what to do, or nothing."""


def _hardware(setup: Setup) -> Wrong:
    if not is_amd(setup.gpu):
        return None
    if setup.engine == "trtllm":
        return f"TensorRT-LLM does not run on {setup.gpu.name}", "take vllm or sglang"
    if setup.precision == "nvfp4":
        return f"NVFP4 is NVIDIA's: {setup.gpu.name} does not compute in it", "take fp8, mxfp4 or int4"
    return None


def _reach(setup: Setup) -> Wrong:
    most = setup.gpu.linked_gpus
    if setup.gpus <= most:
        return None
    what = (
        f"{setup.gpus} GPUs are more than the links of {setup.gpu.name} join ({most}): replicas over several"
    )
    return (
        f"{what} nodes are not modelled",
        f"use {'1' if most == 1 else f'1 to {min(most, GPUS_MOST)}'} GPUs, one node",
    )


def _heads(setup: Setup) -> Wrong:
    model = setup.model
    if model.heads % setup.tensor:
        what = f"{model.heads} attention heads"
    elif not _kv_heads_fit(model, setup.tensor):
        what = f"{model.kv_heads} KV heads"
    else:
        return None
    return (
        f"{model.name} has {what}, which {setup.tensor} GPUs cannot share evenly",
        f"use a number of GPUs that divides them: {_which_start(setup, 'tensor')}",
    )


def _copies(setup: Setup) -> Wrong:
    if setup.data == 1 or setup.engine != "trtllm":
        return None
    if not setup.model.experts:
        return (
            f"{setup.model.name} has no experts to share: TensorRT-LLM copies no attention for it",
            "run replicas of their own, with fewer GPUs each",
        )
    if setup.tensor > 1:
        return (
            f"TensorRT-LLM copies attention to all {setup.gpus} GPUs or none, not {setup.data} times",
            f"make --attention-data-parallel 1 or {setup.gpus}",
        )
    return None


def _experts(setup: Setup) -> Wrong:
    model, expert = setup.model, setup.expert
    if expert == 1:
        return None
    if not model.experts:
        return f"{model.name} has no experts to spread over {expert} GPUs", "leave --expert-parallel at 1"
    hint = f"make --expert-parallel {_which_start(setup, 'expert')}"
    if model.experts % expert:
        return f"{model.name} has {model.experts} experts, which {expert} GPUs cannot share evenly", hint
    if setup.gpus % expert:
        return f"experts spread over {expert} GPUs, on a replica of {setup.gpus} GPUs", hint
    if setup.engine == "vllm" and expert != setup.gpus:
        return f"vLLM spreads whole experts over all {setup.gpus} GPUs or none, not over {expert}", hint
    return None


def _blocks(setup: Setup) -> Wrong:
    """FP8 with one scale for a square of weights: each shard holds whole squares, or the engine stops.

    vLLM: "output_size of gate's and up's weight is not divisible by weight quantization block_n" (its issue
    17569); SGLang likewise (its issue 3345).
    """
    model, block = setup.model, setup.model.fp8_block
    if setup.precision != "fp8" or not block:
        return None
    parts = (("its layers", model.intermediate_size, setup.tensor),) if model.intermediate_size else ()
    if model.expert_size:
        parts = (*parts, ("its experts", model.expert_size, setup.gpus // setup.expert))
    for name, width, shards in parts:
        if width % (shards * block):
            what = (
                f"{model.name}'s FP8 checkpoint has blocks of {block} x {block}: {name}, {width} wide, cannot"
            )
            return f"{what} be cut in {shards}", _whole_blocks(setup)
    return None


def _whole_blocks(setup: Setup) -> str:
    """What to do about blocks that shards would cut."""
    works = [
        f"--expert-parallel {setup.gpus}" if setup.model.experts else "",
        *(f"--gpus {count}" for count in reversed(SIZES) if count < setup.gpus),
    ]
    tried = [
        replace(setup, expert=setup.gpus) if setup.model.experts else setup,
        *(replace(setup, tensor=count, data=1, expert=1) for count in reversed(SIZES) if count < setup.gpus),
    ]
    fine = [name for name, each in zip(works, tried, strict=True) if name and starts(each)]
    return f"use {' or '.join(fine[:2])}" if fine else "use another precision"


def _which_start(setup: Setup, size: str) -> str:
    """The sizes of one kind of parallelism that work, as words: 1, 2, 4 or 8."""
    model = setup.model
    if size == "tensor":
        fine = [n for n in SIZES if model.heads % n == 0 and _kv_heads_fit(model, n)]
    else:
        every = setup.engine != "vllm"
        fine = [
            n for n in SIZES if not (model.experts % n or setup.gpus % n) and (every or n in (1, setup.gpus))
        ]
    words = [str(each) for each in fine]
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _kv_heads_fit(model: OpenModel, count: int) -> bool:
    """Whether so many GPUs share the KV heads evenly, or each head has equally many copies."""
    if model.kv_latent_dim:
        return True
    return model.kv_heads % count == 0 or count % model.kv_heads == 0
