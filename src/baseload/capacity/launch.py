"""The command that starts an engine as a setup says; flags as the engines' own documentation has them.

Versions read: vLLM 0.32, SGLang 0.5.23, TensorRT-LLM 1.2 (`FLAGS` in tests/capacity/test_launch.py has every
flag with its source). What a flag counts differs: vLLM's and TensorRT-LLM's limit of sequences is each copy
of the attention's, SGLang's is the whole server's; SGLang's prefill chunk is divided among the copies.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from baseload.capacity.answer import PLAIN, Factors
from baseload.capacity.checkpoints import checkpoint_of, draft_of, made_while_loading, modelopt
from baseload.capacity.engines import ENGINES
from baseload.capacity.memory import longest_request
from baseload.capacity.terms import Setup
from baseload.errors import UnknownName, UsageError

PORT = "8000"
YAML_FILE = "trtllm.yaml"
"""Where the settings go that `trtllm-serve` has no flag for; the command writes it."""

ADAPTER = "<name>=<adapter folder>"
NO_BF16 = ("T4",)
"""GPUs without 16-bit brain floats: weights run as fp16."""


class _Asked(NamedTuple):
    setup: Setup
    name: str
    sequences: int
    """Of each copy of the attention."""
    context: int | None
    """Longest request, where the cache holds less than the model's whole context."""
    factors: Factors

    @property
    def drafts(self) -> int:
        """Tokens guessed ahead a step, 0 without: the fewest that could yield what was asked for."""
        return math.floor(self.factors.accepted_tokens) if self.factors.accepted_tokens > 1 else 0

    @property
    def fp8_cache(self) -> bool:
        return self.factors.kv_precision == "fp8"

    @property
    def adapters(self) -> bool:
        return self.factors.lora_slowdown > 1


def launch_command(
    setup: Setup,
    *,
    checkpoint: str | None = None,
    max_sequences: int | None = None,
    factors: Factors = PLAIN,
) -> str:
    """What to paste into a shell so that this setup serves on port 8000.

    `checkpoint` is the weights' name or folder; without it the catalog's published name, or a placeholder in
    angle brackets that asks for what the catalog does not know. `max_sequences` is the whole replica's
    limit; without it each copy of the attention has the engine's. Raises UnknownName for an engine without
    a launch command, UsageError for limits that the engine refuses together.
    """
    made = {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm}.get(setup.engine)
    if made is None:
        raise UnknownName("engine", setup.engine, ENGINES)
    sequences = ENGINES[setup.engine].max_sequences
    if max_sequences is not None:
        sequences = math.ceil(max_sequences / setup.data)
    if factors.chunk_tokens < sequences:
        raise UsageError(
            f"a chunk of {factors.chunk_tokens} tokens is less than one for each of {sequences} sequences: "
            "engines refuse to start so",
            hint=f"make --chunk at least {sequences}, or --max-sequences {factors.chunk_tokens * setup.data}",
        )
    longest = longest_request(setup, factors.kv_precision)
    context = longest if 0 < longest < setup.model.context_tokens else None
    return made(_Asked(setup, checkpoint or checkpoint_of(setup), sequences, context, factors))


def _vllm(asked: _Asked) -> str:
    setup, factors = asked.setup, asked.factors
    words = ["vllm", "serve", asked.name, "--port", PORT, "--tensor-parallel-size", str(setup.tensor)]
    if setup.data > 1:
        words += ["--data-parallel-size", str(setup.data)]
    if setup.expert > 1:
        words.append("--enable-expert-parallel")
    if made_while_loading(setup, asked.name):
        words += ["--quantization", setup.precision]
    words += _trust(setup, "--trust-remote-code") + _half(setup)
    words += ["--max-num-seqs", str(asked.sequences), "--max-num-batched-tokens", str(factors.chunk_tokens)]
    words += ["--gpu-memory-utilization", f"{ENGINES['vllm'].memory_share:.2f}"]
    words += _context("--max-model-len", asked)
    if asked.fp8_cache:
        words += ["--kv-cache-dtype", "fp8"]
    if factors.cached_share:
        words.append("--enable-prefix-caching")
    if asked.drafts:
        words += ["--speculative-config", json.dumps(_vllm_drafts(asked))]
    if asked.adapters:
        words += ["--enable-lora", "--lora-modules", ADAPTER]
    return shlex.join(words)


def _vllm_drafts(asked: _Asked) -> dict[str, object]:
    if asked.setup.model.mtp_layers:
        return {"method": "mtp", "num_speculative_tokens": asked.drafts}
    return {"method": "eagle3", "model": draft_of(asked.setup), "num_speculative_tokens": asked.drafts}


def _sglang(asked: _Asked) -> str:
    setup, factors, together = asked.setup, asked.factors, bool(asked.setup.model.experts)
    words = ["python", "-m", "sglang.launch_server", "--model-path", asked.name, "--port", PORT]
    # With a shared attention the copies are parts of one group; a dense model's are servers side by side.
    words += ["--tp-size", str(setup.gpus if together else setup.tensor)]
    if setup.data > 1:
        words += ["--dp-size", str(setup.data)] + (["--enable-dp-attention"] if together else [])
    if setup.expert > 1:
        words += ["--ep-size", str(setup.expert)]
    if made_while_loading(setup, asked.name):
        words += ["--quantization", setup.precision]
    elif modelopt(asked.name) and setup.precision in ("fp8", "nvfp4"):
        words += ["--quantization", {"fp8": "modelopt_fp8", "nvfp4": "modelopt_fp4"}[setup.precision]]
    words += _trust(setup, "--trust-remote-code") + _half(setup)
    copies = setup.data if together else 1
    words += ["--max-running-requests", str(asked.sequences * copies)]
    words += ["--chunked-prefill-size", str(factors.chunk_tokens * copies)]
    words += ["--mem-fraction-static", f"{ENGINES['sglang'].memory_share:.2f}"]
    words += _context("--context-length", asked)
    if asked.fp8_cache:
        words += ["--kv-cache-dtype", "fp8_e4m3"]
    if asked.drafts:
        mtp = setup.model.mtp_layers
        words += ["--speculative-algorithm", "EAGLE" if mtp else "EAGLE3"]
        words += [] if mtp else ["--speculative-draft-model-path", draft_of(setup)]
        words += ["--speculative-num-steps", str(asked.drafts), "--speculative-eagle-topk", "1"]
        words += ["--speculative-num-draft-tokens", str(asked.drafts + 1)]
    if asked.adapters:
        words += ["--enable-lora", "--lora-paths", ADAPTER]
    return shlex.join(words)


def _trtllm(asked: _Asked) -> str:
    setup = asked.setup
    words = ["trtllm-serve", asked.name, "--backend", "pytorch", "--port", PORT]
    words += ["--tp_size", str(setup.gpus)]
    if setup.expert > 1:
        words += ["--ep_size", str(setup.expert)]
    words += _trust(setup, "--trust_remote_code")
    words += ["--max_batch_size", str(asked.sequences), "--max_num_tokens", str(asked.factors.chunk_tokens)]
    words += ["--enable_chunked_prefill"]
    words += ["--kv_cache_free_gpu_memory_fraction", f"{ENGINES['trtllm'].memory_share:.2f}"]
    words += _context("--max_seq_len", asked)
    settings = list(_trtllm_settings(asked))
    if not settings:
        return shlex.join(words)
    command = shlex.join([*words, "--extra_llm_api_options", YAML_FILE])
    return "\n".join((f"cat > {YAML_FILE} <<'YAML'", *settings, "YAML", command))


def _trtllm_settings(asked: _Asked) -> Iterable[str]:
    """Lines of the YAML file; a section in it replaces the flags' whole section, so it repeats them."""
    if asked.setup.data > 1:
        yield "enable_attention_dp: true"
    if asked.fp8_cache:
        share = ENGINES["trtllm"].memory_share
        yield from ("kv_cache_config:", "  dtype: fp8", f"  free_gpu_memory_fraction: {share:.2f}")
    if asked.drafts:
        yield "speculative_config:"
        if asked.setup.model.mtp_layers:
            yield from ("  decoding_type: MTP", f"  num_nextn_predict_layers: {asked.drafts}")
        else:
            yield from ("  decoding_type: Eagle", f"  max_draft_len: {asked.drafts}")
            yield f"  speculative_model_dir: {json.dumps(draft_of(asked.setup))}"
    if asked.adapters:
        yield from ("lora_config:", f"  lora_dir: [{json.dumps('<adapter folder>')}]")


def _trust(setup: Setup, flag: str) -> list[str]:
    return [flag] if setup.model.remote_code else []


def _half(setup: Setup) -> list[str]:
    return ["--dtype", "float16"] if setup.gpu.name in NO_BF16 else []


def _context(flag: str, asked: _Asked) -> Sequence[str]:
    return [] if asked.context is None else [flag, str(asked.context)]
