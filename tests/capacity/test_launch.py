"""Printed commands: every word is the engine's, the shell takes them, and they say what was asked."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from baseload.capacity.answer import PLAIN, Factors
from baseload.capacity.checkpoints import precision_in
from baseload.capacity.engines import ENGINES
from baseload.capacity.launch import launch_command
from baseload.capacity.splits import starts
from baseload.capacity.terms import Setup
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model, open_models
from baseload.errors import UnknownName, UsageError

READ_ON = "2026-11-24"
FLAGS = {
    # docs.vllm.ai, engine arguments and speculative decoding (0.32)
    "vllm": {
        **dict.fromkeys(
            ("--port", "--tensor-parallel-size", "--data-parallel-size", "--max-num-seqs"), r"\d+"
        ),
        **dict.fromkeys(("--max-num-batched-tokens", "--max-model-len"), r"\d+"),
        **dict.fromkeys(("--enable-expert-parallel", "--trust-remote-code", "--enable-prefix-caching"), None),
        "--enable-lora": None,
        "--quantization": "fp8",
        "--dtype": "float16",
        "--gpu-memory-utilization": r"0\.\d\d",
        "--kv-cache-dtype": "fp8",
        "--speculative-config": r"\{.*\}",
        "--lora-modules": r".+=.+",
    },
    # docs.sglang.io, server arguments and speculative decoding (0.5.23)
    "sglang": {
        **dict.fromkeys(("--port", "--tp-size", "--dp-size", "--ep-size", "--max-running-requests"), r"\d+"),
        **dict.fromkeys(("--chunked-prefill-size", "--context-length"), r"\d+"),
        **dict.fromkeys(("--speculative-num-steps", "--speculative-eagle-topk"), r"\d+"),
        "--speculative-num-draft-tokens": r"\d+",
        **dict.fromkeys(("--enable-dp-attention", "--trust-remote-code", "--enable-lora"), None),
        "--model-path": r".+",
        "--quantization": "fp8|modelopt_fp8|modelopt_fp4",
        "--dtype": "float16",
        "--mem-fraction-static": r"0\.\d\d",
        "--kv-cache-dtype": "fp8_e4m3",
        "--speculative-algorithm": "EAGLE|EAGLE3",
        "--speculative-draft-model-path": r".+",
        "--lora-paths": r".+=.+",
    },
    # NVIDIA/TensorRT-LLM 00209af1, tensorrt_llm/commands/serve.py
    "trtllm": {
        **dict.fromkeys(("--port", "--tp_size", "--ep_size", "--max_batch_size", "--max_num_tokens"), r"\d+"),
        "--max_seq_len": r"\d+",
        **dict.fromkeys(("--trust_remote_code", "--enable_chunked_prefill"), None),
        "--backend": "pytorch",
        "--kv_cache_free_gpu_memory_fraction": r"0\.\d\d",
        "--extra_llm_api_options": r"trtllm\.yaml",
    },
}
"""What each flag takes, None for a switch; read on READ_ON."""

SETTINGS = {"enable_attention_dp", "kv_cache_config", "speculative_config", "lora_config"}
"""Keys of TensorRT-LLM's LlmArgs that the YAML file may hold."""

EVERYTHING = Factors(
    cached_share=0.5, chunk_tokens=2048, accepted_tokens=2.4, lora_slowdown=1.1, kv_precision="fp8"
)


def every_setup() -> Iterator[Setup]:
    """The whole catalog on eight B200 in every precision, engine and way to split that starts."""
    b200 = gpu("b200")
    for model in open_models():
        for precision in model.precisions:
            for engine in ENGINES:
                for tensor, data, expert in ((1, 1, 1), (8, 1, 1), (8, 1, 8), (1, 8, 8), (1, 2, 1)):
                    setup = Setup(model, b200, precision, engine, tensor, data, expert)
                    if starts(setup):
                        yield setup


def words_of(command: str) -> tuple[list[str], dict[str, object]]:
    """The engine's own words, and what the YAML file holds."""
    settings: dict[str, object] = {}
    if command.startswith("cat > trtllm.yaml <<'YAML'\n"):
        text, command = command.split("\n", 1)[1].split("\nYAML\n")
        settings = yaml.safe_load(text)
    return shlex.split(command), settings


@pytest.mark.parametrize("factors", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_every_word_of_every_command_is_the_engines(factors: Factors) -> None:
    """Whole catalog, every precision and engine: known flags with values of their kind, none twice."""
    seen = set()
    for setup in every_setup():
        words, settings = words_of(launch_command(setup, factors=factors))
        known = FLAGS[setup.engine]
        start = next(index for index, word in enumerate(words) if word.startswith("--"))
        rest, used = words[start:], []
        while rest:
            flag = rest.pop(0)
            assert flag in known, (flag, words)
            used.append(flag)
            kind = known[flag]
            if kind is not None:
                assert re.fullmatch(kind, rest.pop(0)), words
        assert len(used) == len(set(used))
        assert set(settings) <= SETTINGS
        assert bool(settings) == ("--extra_llm_api_options" in used)
        seen.add(setup.engine)
    assert seen == set(ENGINES)


def test_the_shell_takes_every_command() -> None:
    """`bash -n` reads them all, placeholders and files included."""
    commands = [launch_command(setup, factors=EVERYTHING) for setup in every_setup()]
    assert len(commands) > 500
    result = subprocess.run(
        ["bash", "-n"], input="\n".join(commands), text=True, capture_output=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_file_of_trtllm_is_written_by_the_command() -> None:
    """Attention data parallelism has no flag: pasting the command writes the file that it names."""
    setup = Setup(open_model("deepseek-v3"), gpu("h200"), "fp8", "trtllm", data=8, expert=8)
    _, settings = words_of(launch_command(setup))
    assert settings == {"enable_attention_dp": True}
    _, settings = words_of(launch_command(setup, factors=EVERYTHING))
    assert settings["kv_cache_config"] == {"dtype": "fp8", "free_gpu_memory_fraction": 0.9}
    assert settings["speculative_config"] == {"decoding_type": "MTP", "num_nextn_predict_layers": 2}


def test_what_the_user_set_is_in_the_command() -> None:
    """Cache precision, chunk, guessing ahead, adapters, cached prompts."""
    pair = Setup(open_model("llama-3.3-70b"), gpu("h100"), "fp8", tensor=2)
    words, _ = words_of(launch_command(pair, factors=EVERYTHING))
    assert words[words.index("--kv-cache-dtype") + 1] == "fp8"
    assert words[words.index("--max-num-batched-tokens") + 1] == "2048"
    guessed = json.loads(words[words.index("--speculative-config") + 1])
    assert (guessed["method"], guessed["num_speculative_tokens"]) == ("eagle3", 2)
    assert {"--enable-lora", "--enable-prefix-caching"} <= set(words)


@pytest.mark.parametrize(
    ("engine", "flag", "value"),
    [
        ("vllm", "--max-num-seqs", "16"),
        ("sglang", "--max-running-requests", "128"),
        ("trtllm", "--max_batch_size", "16"),
    ],
)
def test_the_limit_of_sequences_is_the_replicas(engine: str, flag: str, value: str) -> None:
    """128 in all over 8 copies: 16 each where the flag is a copy's, 128 where it is the server's."""
    setup = Setup(open_model("deepseek-v3"), gpu("h200"), "fp8", engine, data=8, expert=8)
    words, _ = words_of(launch_command(setup, max_sequences=128))
    assert words[words.index(flag) + 1] == value


@pytest.mark.parametrize(
    ("name", "precision", "engine", "expected"),
    [
        ("llama-3.3-70b", "fp8", "vllm", "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic"),
        ("llama-3.3-70b", "fp8", "trtllm", "nvidia/Llama-3.3-70B-Instruct-FP8"),
        ("llama-3.3-70b", "nvfp4", "vllm", "<nvfp4 checkpoint of llama-3.3-70b>"),
        ("qwen2.5-72b", "fp8", "vllm", "Qwen/Qwen2.5-72B-Instruct"),
        ("qwen2.5-72b", "fp8", "trtllm", "<fp8 checkpoint of qwen2.5-72b>"),
        ("qwen3-32b", "nvfp4", "trtllm", "nvidia/Qwen3-32B-NVFP4"),
        ("qwen3-235b-a22b", "bf16", "sglang", "Qwen/Qwen3-235B-A22B"),
        ("deepseek-v3", "bf16", "vllm", "<bf16 checkpoint of deepseek-v3>"),
        ("gpt-oss-120b", "mxfp4", "vllm", "openai/gpt-oss-120b"),
    ],
)
def test_the_checkpoint_holds_the_precision(name: str, precision: str, engine: str, expected: str) -> None:
    """Published in it, made of 16 bits where the engine does so, else what to find."""
    command = launch_command(
        Setup(open_model(name), gpu("b200"), precision, engine, tensor=8 if "gpt" not in name else 1)
    )
    assert expected in shlex.split(command.split("YAML\n")[-1])
    assert ("--quantization fp8" in command) == (precision == "fp8" and precision_in(expected) is None)


def test_code_of_a_checkpoint_is_trusted_only_where_it_needs_it() -> None:
    """Kimi and MiniMax bring their own; Llama does not and no command says so."""
    for engine, flag in (
        ("vllm", "--trust-remote-code"),
        ("sglang", "--trust-remote-code"),
        ("trtllm", "--trust_remote_code"),
    ):
        for name, precision, needed in (("kimi-k2.5", "nvfp4", True), ("llama-3.3-70b", "fp8", False)):
            setup = Setup(open_model(name), gpu("b200"), precision, engine, tensor=8)
            assert (flag in launch_command(setup)) is needed


def test_sglang_is_told_of_model_optimizers_checkpoints() -> None:
    """NVIDIA's NVFP4 and FP8."""
    qwen = Setup(open_model("qwen3-235b-a22b"), gpu("b200"), "nvfp4", "sglang", tensor=8)
    assert "--quantization modelopt_fp4" in launch_command(qwen)
    llama = Setup(open_model("llama-3.1-8b"), gpu("h100"), "fp8", "sglang")
    assert "--quantization modelopt_fp8" in launch_command(llama)


def test_what_no_engine_starts_with_is_refused() -> None:
    """A chunk smaller than a token for each sequence; an engine without a command."""
    pair = Setup(open_model("llama-3.3-70b"), gpu("h100"), "fp8", tensor=2)
    with pytest.raises(UsageError, match="chunk of 100"):
        launch_command(pair, factors=Factors(chunk_tokens=100))
    assert "--max-num-seqs 64" in launch_command(pair, factors=Factors(chunk_tokens=100), max_sequences=64)
    with pytest.raises(UnknownName):
        launch_command(Setup(open_model("llama-3.3-70b"), gpu("h100"), "fp8", "abacus"))
