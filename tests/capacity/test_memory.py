"""What fits: one size of a request for every question, shares as the engines mean them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from baseload.capacity.memory import (
    ENGINES,
    GIB,
    check,
    free_bytes_per_gpu,
    kv_tokens,
    longest_request,
    most_at_once,
    refuse_unless_fits,
    request_bytes,
    weight_bytes_per_gpu,
)
from baseload.capacity.terms import Setup
from baseload.catalog.gpus import gpu, gpus
from baseload.catalog.models import open_model, open_models
from baseload.errors import UsageError

LLAMA, H100 = open_model("llama-3.3-70b"), gpu("h100")


@given(
    st.sampled_from(open_models()),
    st.sampled_from(gpus()),
    st.sampled_from(sorted(ENGINES)),
    st.sampled_from((1, 2, 4, 8)),
    st.integers(2, 200_000),
    st.sampled_from(("bf16", "fp8")),
)
def test_what_is_refused_and_what_fits_at_once_agree(model, board, engine, tensor, tokens, cache) -> None:  # type: ignore[no-untyped-def]
    """A request is refused exactly where not one of it fits: windows and states are counted alike in both."""
    assume(tokens <= model.context_tokens)
    setup = Setup(model, board, model.precisions[0], engine, tensor=tensor)
    try:
        check(setup)
    except UsageError:
        assume(False)
    try:
        refuse_unless_fits(setup, tokens, cache)
        fits = True
    except UsageError:
        fits = False
    assert fits == (most_at_once(setup, tokens, cache) >= 1)
    assert fits == (longest_request(setup, cache) >= tokens)


def test_a_requests_bytes_are_its_cache_and_its_state() -> None:
    """Cache split over the KV heads' GPUs, copied beyond them; linear attention's state beside it."""
    sparse = open_model("qwen3.5-397b-a17b")  # two KV heads
    b200 = gpu("b200")
    pair, eight = (Setup(sparse, b200, "fp8", tensor=count) for count in (2, 8))
    state = sparse.linear_layers * sparse.state_values * 4
    assert request_bytes(pair, 4096) == sparse.kv_bytes(4096) / 2 + state / 2
    assert request_bytes(eight, 4096) == sparse.kv_bytes(4096) / 2 + state / 8


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_shares_are_of_what_the_engine_means(engine: str) -> None:
    """vLLM: of the whole memory, all inside; SGLang: weights and cache; TensorRT-LLM: of what is free."""
    setup = Setup(LLAMA, H100, "fp8", engine, tensor=2)
    each, weights = ENGINES[engine], weight_bytes_per_gpu(setup)
    total, reserved = H100.memory_gib * GIB, ENGINES[engine].reserved_gib_per_gpu * GIB
    expected = {
        "vllm": total * each.memory_share - reserved - weights,
        "sglang": (total - reserved) * each.memory_share - weights,
        "trtllm": (total - reserved - weights) * each.memory_share,
    }
    assert free_bytes_per_gpu(setup) == pytest.approx(expected[engine])


def test_weights_that_do_not_fit_leave_less_than_nothing() -> None:
    """By what is missing, whatever the share is of."""
    for engine in ENGINES:
        assert free_bytes_per_gpu(Setup(LLAMA, H100, "bf16", engine)) < -50 * GIB
        assert kv_tokens(Setup(LLAMA, H100, "bf16", engine)) < 0


def test_quantised_experts_weigh_what_the_catalog_says() -> None:
    """All of a checkpoint's bytes, its experts spread over the GPUs and the rest over the tensor group."""
    kimi = open_model("kimi-k2.5")
    one = Setup(kimi, gpu("b200"), "int4", "sglang")
    assert weight_bytes_per_gpu(one) == pytest.approx(kimi.weight_bytes("int4"))
    spread = replace(one, data=8, expert=8)
    experts = kimi.expert_parameters * 4.5 / 8
    assert weight_bytes_per_gpu(spread) == pytest.approx(kimi.weight_bytes("int4") - experts * 7 / 8)
