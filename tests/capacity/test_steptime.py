"""Step times of models on GPUs: memory first, measured where a row exists, physical elsewhere."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from baseload.capacity.memory import ENGINES
from baseload.capacity.steptime import draw, kv_room_tokens, measured_table, step_time, step_time_of
from baseload.capacity.terms import FLOPS_OF, Setup
from baseload.catalog.gpus import gpu, gpus
from baseload.catalog.models import BITS_PER_WEIGHT, open_model, open_models
from baseload.errors import UnknownName, UsageError

LLAMA = open_model("llama-3.3-70b")
H100 = gpu("h100")


def test_a_measured_combination_uses_its_fit() -> None:
    """Llama 3.3 70B at FP8 on two H100s comes from measured rows and says so, with its hold-out error."""
    step = step_time(LLAMA, H100, 2, "fp8")
    assert "measured" in step.source
    assert 0.05 <= step.error < 0.2
    assert step.base_s == pytest.approx(0.0166, rel=0.05)


def test_a_combination_nobody_measured_says_so_with_a_wider_error() -> None:
    """The same model on a GPU and then a model without rows: what is missing is named."""
    measured = step_time(LLAMA, H100, 2, "fp8")
    board = step_time(LLAMA, gpu("l40s"), 8, "fp8")
    model = step_time(open_model("qwen3-8b"), H100, 1, "bf16")
    assert "GPU not measured" in board.source
    assert "model not measured" in model.source
    assert min(board.error, model.error) > 2 * measured.error


def test_the_coefficients_draw_the_fitted_curve() -> None:
    """A dense model's TPOT is drawn within 10% on four fifths of the loads; the error is in `error`."""
    coefficients, drawn_error = draw(Setup(LLAMA, H100, "fp8", tensor=2))
    assert drawn_error < 0.10
    assert min(coefficients) > 0
    assert step_time(LLAMA, H100, 2, "fp8").error >= drawn_error


def test_experts_and_attention_can_be_spread() -> None:
    """Eight copies of the attention hold eight times one copy's sequences and no less KV than one group."""
    deepseek, h200 = open_model("deepseek-v3"), gpu("h200")
    spread = step_time_of(Setup(deepseek, h200, "fp8", "sglang", tensor=1, data=8, expert=8))
    group = step_time_of(Setup(deepseek, h200, "fp8", "sglang", tensor=8))
    assert spread.max_sequences == 8 * group.max_sequences
    assert spread.kv_tokens > group.kv_tokens  # a latent cache is held whole by each GPU of a group


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    """70B at bf16 on one H100: the error says how many GiB are missing and which precision and count fit."""
    with pytest.raises(
        UsageError, match=r"llama-3.3-70b at bf16 does not fit 1 x H100-SXM: \d+\.\d GiB"
    ) as caught:
        step_time(LLAMA, H100, 1, "bf16")
    assert "bf16 on 2" in caught.value.hint
    assert "fp8 on 2" in caught.value.hint


def test_missing_memory_is_what_it_says() -> None:
    """GPUs with the missing GiB (and a rounding) more hold the model."""
    with pytest.raises(UsageError) as caught:
        step_time(LLAMA, H100, 1, "fp8")
    missing_gib = float(caught.value.message.split(": ")[1].split(" GiB")[0])
    bigger = replace(H100, memory_gib=H100.memory_gib + (missing_gib + 0.1) / 0.9)
    assert step_time(LLAMA, bigger, 1, "fp8").kv_tokens >= 8192


def test_memory_caps_concurrency() -> None:
    """bf16 weights leave two H100s room for some 20,000 KV tokens; fp8 ones for ten times as many."""
    assert 8192 <= kv_room_tokens(LLAMA, H100, 2, "bf16") <= 45_000
    assert kv_room_tokens(LLAMA, H100, 2, "fp8") > 5 * kv_room_tokens(LLAMA, H100, 2, "bf16")


def test_wrong_arguments_are_named() -> None:
    """Unknown precision or engine, and a number of GPUs that heads or a node do not allow, are refused."""
    with pytest.raises(UnknownName, match="precision 'fp9'"):
        step_time(LLAMA, H100, 2, "fp9")
    with pytest.raises(UnknownName, match="engine 'vlm'"):
        step_time(LLAMA, H100, 2, "fp8", "vlm")
    with pytest.raises(UsageError, match="3 GPUs cannot share"):
        step_time(LLAMA, H100, 3, "fp8")
    with pytest.raises(UsageError, match="16 GPUs is not modelled"):
        step_time(LLAMA, H100, 16, "fp8")


def test_every_model_and_gpu_of_the_catalog_has_an_answer() -> None:
    """Each combination gives positive terms or a refusal; more GPUs never mean less KV room."""
    for model in open_models():
        for one in gpus():
            room = -(10**12)
            for count in (1, 2, 4, 8):
                if model.heads % count:
                    continue
                try:
                    step = step_time(model, one, count, model.precisions[0])
                except UsageError:
                    continue
                assert min(step.base_s, step.per_prefill_token_s, step.per_sequence_s) > 0
                assert step.per_kv_token_s >= 0
                assert step.kv_tokens > room
                room = step.kv_tokens


def test_a_sparse_model_reads_more_experts_with_the_batch() -> None:
    """A mixture of experts has a weight term per sequence, well above a dense model's of its active size."""
    sparse = step_time(open_model("deepseek-v3"), gpu("h200"), 8, "fp8")
    dense = step_time(LLAMA, gpu("h200"), 8, "fp8")
    assert sparse.per_sequence_s > 2 * dense.per_sequence_s


def test_tables_know_every_precision() -> None:
    """Every precision the catalog weighs has arithmetic to compute in."""
    assert set(FLOPS_OF) == set(BITS_PER_WEIGHT)


def test_shipped_rows_name_what_the_catalog_holds() -> None:
    """Each measured row's model, GPU, precision and engine is known under exactly that name."""
    for model, gpu_name, precision, engine, tensor, data, expert in measured_table():
        assert open_model(model).name == model
        assert gpu(gpu_name).name == gpu_name
        assert min(tensor, data, expert) >= 1
        assert precision in BITS_PER_WEIGHT
        assert engine in ENGINES
