"""The command that starts an engine as a setup says; flags as the engines' own documentation has them."""

from __future__ import annotations

import shlex

from baseload.capacity.memory import ENGINES, kv_tokens
from baseload.capacity.terms import Setup
from baseload.errors import UnknownName

VLLM_QUANTIZATION = {"fp8": "fp8"}
"""Precisions vLLM makes itself while loading 16-bit weights; the others need a checkpoint in that form."""

SGLANG_QUANTIZATION = {"fp8": "fp8"}

CONTEXT_FLAG = {"vllm": "--max-model-len", "sglang": "--context-length", "trtllm": "--max_seq_len"}


def launch_command(setup: Setup, *, checkpoint: str | None = None, max_sequences: int | None = None) -> str:
    """A shell command that serves this setup on port 8000.

    `checkpoint` is the weights' name or folder; without it the catalog's published name, or a placeholder
    that asks for a checkpoint in this precision where the catalog knows none. Raises
    UnknownName for an engine without a launch command.
    """
    made = {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm}.get(setup.engine)
    if made is None:
        raise UnknownName("engine", setup.engine, ENGINES)
    name = checkpoint or published_name(setup)
    words = made(setup, name, max_sequences or ENGINES[setup.engine].max_sequences)
    room = kv_tokens(setup) // setup.data
    if 0 < room < setup.model.context_tokens:  # engines refuse to start with a context longer than their room
        words += [CONTEXT_FLAG[setup.engine], str(room)]
    return shlex.join(words)


def published_name(setup: Setup) -> str:
    """A checkpoint the catalog knows for this model and precision, else what to look for, in brackets.

    Engines make fp8 themselves from 16-bit weights, so those will do for it.
    """
    named = [alias for alias in setup.model.aliases if "/" in alias]
    for alias in named:
        if setup.precision.removeprefix("nv").removeprefix("mx") in alias.lower():
            return alias
    own = setup.model.precisions[0]
    if named and (setup.precision == own or (setup.precision, own) == ("fp8", "bf16")):
        return named[0]
    return f"<{setup.precision} checkpoint of {setup.model.name}>"


def _is_made(setup: Setup, name: str) -> bool:
    """Whether the checkpoint's own form is another than the precision asked for."""
    return setup.precision != setup.model.precisions[0] and setup.precision not in name.lower()


def _vllm(setup: Setup, name: str, max_sequences: int) -> list[str]:
    words = ["vllm", "serve", name, "--port", "8000", "--tensor-parallel-size", str(setup.tensor)]
    if setup.data > 1:
        words += ["--data-parallel-size", str(setup.data)]
    if setup.expert > 1:
        words.append("--enable-expert-parallel")
    if _is_made(setup, name) and setup.precision in VLLM_QUANTIZATION:
        words += ["--quantization", VLLM_QUANTIZATION[setup.precision]]
    share = ENGINES["vllm"].memory_share
    return [*words, "--max-num-seqs", str(max_sequences), "--gpu-memory-utilization", f"{share:.2f}"]


def _sglang(setup: Setup, name: str, max_sequences: int) -> list[str]:
    words = ["python", "-m", "sglang.launch_server", "--model-path", name, "--port", "8000"]
    words += ["--tp-size", str(setup.gpus)]
    if setup.data > 1:
        words += ["--dp-size", str(setup.data), "--enable-dp-attention"]
    if setup.expert > 1:
        words += ["--ep-size", str(setup.expert)]
    if _is_made(setup, name) and setup.precision in SGLANG_QUANTIZATION:
        words += ["--quantization", SGLANG_QUANTIZATION[setup.precision]]
    share = ENGINES["sglang"].memory_share
    most = max_sequences * setup.data
    return [*words, "--max-running-requests", str(most), "--mem-fraction-static", f"{share:.2f}"]


def _trtllm(setup: Setup, name: str, max_sequences: int) -> list[str]:
    words = ["trtllm-serve", name, "--backend", "pytorch", "--port", "8000", "--tp_size", str(setup.gpus)]
    if setup.expert > 1:
        words += ["--ep_size", str(setup.expert)]
    share = ENGINES["trtllm"].memory_share
    words += ["--max_batch_size", str(max_sequences), "--kv_cache_free_gpu_memory_fraction", f"{share:.2f}"]
    if setup.data > 1:
        words += ["--extra_llm_api_options", "attention-dp.yaml"]  # holds `enable_attention_dp: true`
    return words
