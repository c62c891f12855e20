"""Which splits start: what no engine does is refused with what works, and nothing measured is."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from baseload.capacity.engines import ENGINES, engine_name
from baseload.capacity.measured import read_setup
from baseload.capacity.splits import check, starts
from baseload.capacity.terms import Setup
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.errors import UsageError

LLAMA, H100 = open_model("llama-3.3-70b"), gpu("h100")
QWEN = open_model("qwen3-235b-a22b")


@pytest.mark.parametrize(
    ("wrong", "words", "hint"),
    [
        (Setup(QWEN, gpu("h200"), "fp8", tensor=8), "blocks of 128", "expert-parallel 8"),
        (
            Setup(open_model("minimax-m2.5"), gpu("h200"), "fp8", tensor=8),
            "blocks of 128",
            "expert-parallel 8",
        ),
        (Setup(open_model("llama-4-scout"), H100, "bf16", tensor=5), "KV heads", "1, 2, 4 or 8"),
        (Setup(QWEN, gpu("h200"), "fp8", tensor=8, expert=3), "experts", "1 or 8"),
        (Setup(QWEN, gpu("h200"), "fp8", tensor=4, expert=8), "4 GPUs", "1 or 4"),
        (Setup(QWEN, gpu("h200"), "fp8", tensor=8, expert=2), "vLLM spreads", "1 or 8"),
        (Setup(LLAMA, H100, "fp8", tensor=8, expert=8), "no experts", "leave"),
        (Setup(LLAMA, H100, "fp8", tensor=16), "16 GPUs", "one node"),
        (Setup(LLAMA, gpu("mi300x"), "nvfp4", tensor=2), "NVFP4", "fp8"),
        (Setup(QWEN, gpu("h200"), "fp8", "trtllm", tensor=2, data=4), "TensorRT-LLM", "1 or 8"),
        (Setup(LLAMA, H100, "fp8", "trtllm", data=2), "no experts", "replicas"),
        (Setup(LLAMA, H100, "fp8", tensor=0), "from 1", ""),
    ],
)
def test_a_split_no_engine_starts_is_refused(wrong: Setup, words: str, hint: str) -> None:
    """With what is wrong, and what works."""
    with pytest.raises(UsageError, match=words) as caught:
        check(wrong)
    assert hint in caught.value.hint


def test_blocks_that_shards_keep_are_served() -> None:
    """Four GPUs, or whole experts on eight; weights scaled otherwise may be cut anywhere."""
    for fine in (
        Setup(QWEN, gpu("h200"), "fp8", tensor=4),
        Setup(QWEN, gpu("h200"), "fp8", tensor=8, expert=8),
        Setup(QWEN, gpu("h200"), "bf16", tensor=8),
        Setup(LLAMA, H100, "fp8", tensor=8),
    ):
        check(fine)


def test_no_measured_setup_breaks_a_rule(shared: Path) -> None:
    """Every aggregated row of the sample whose GPUs share its heads evenly starts."""
    file = shared / "data" / "engine_perf" / "silicon_measurements.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        setups = [
            read_setup(row) for row in csv.DictReader(lines) if row["mode"] == "agg" and row["concurrency"]
        ]
    shared_out = [each for each in setups if each.model.heads % each.tensor == 0]
    assert len(shared_out) > 3000
    assert [each for each in shared_out if not starts(each)] == []


@pytest.mark.parametrize(
    ("word", "name"),
    [("TensorRT-LLM", "trtllm"), ("trt", "trtllm"), ("vLLM", "vllm"), (" sglang ", "sglang"), ("tgi", "tgi")],
)
def test_an_engine_is_known_by_its_other_names(word: str, name: str) -> None:
    """In any case; a word that names none comes back as it is, for the error that says so."""
    assert engine_name(word) == name


def test_every_engine_has_one_entry() -> None:
    """No word leads to two engines."""
    words = [word for name, each in ENGINES.items() for word in (name, *each.words)]
    assert len(words) == len(set(words))
