"""TTFT of a closed loop: it never falls as load or prompts grow, and is less sure the farther away."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.capacity.answer import answer
from baseload.capacity.first_token import Range, first_token, own_prefill_s
from baseload.capacity.levels import keys
from baseload.capacity.search import Wanted, fullest
from baseload.capacity.steptime import measured_table
from baseload.capacity.terms import Load, Setup
from baseload.catalog.gpus import gpu, gpus
from baseload.catalog.models import open_model, open_models
from baseload.core import Slo

SHIPPED = [
    Setup(open_model(model), gpu(board), precision, engine, tensor, data, expert)
    for model, board, precision, engine, tensor, data, expert in measured_table()
]
SMALL = Setup(open_model("llama-3.1-8b"), gpu("h100"), "fp8", "trtllm")
CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)
INPUTS = (16, 128, 1024, 4096, 16_384, 65_536)
OUTPUTS = (2, 128, 1024, 8192)


def rising(values: list[float]) -> bool:
    """Whether none is below the one before it, rounding apart."""
    return all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(values))


def test_every_shipped_setup_rises_with_concurrency() -> None:
    """More requests at once never have a shorter TTFT, whatever their lengths, measured there or not."""
    for setup in SHIPPED:
        for read, made in itertools.product(INPUTS[::2], OUTPUTS):
            times = [first_token().log_ttft(setup, Load(each, read, made)) for each in CONCURRENCIES]
            assert rising(times), (keys(setup)[-1], read, made)


def test_every_shipped_setup_rises_with_the_prompt() -> None:
    """A longer prompt never has a shorter TTFT."""
    for setup in SHIPPED:
        for many, made in itertools.product(CONCURRENCIES[::3], OUTPUTS):
            times = [first_token().log_ttft(setup, Load(many, each, made)) for each in INPUTS]
            assert rising(times), (keys(setup)[-1], many, made)


@settings(max_examples=200)
@given(
    st.sampled_from(open_models()),
    st.sampled_from(gpus()),
    st.sampled_from(["vllm", "sglang", "trtllm"]),
    st.sampled_from([1, 2, 4, 8]),
    st.floats(1, 4096),
    st.floats(1, 4096),
    st.floats(1, 100_000),
    st.floats(1, 100_000),
    st.floats(2, 16_384),
)
def test_ttft_rises_for_any_setup(model, board, engine, tensor, few, more, short, long, made) -> None:  # type: ignore[no-untyped-def]
    """Measured or not: both at once, more requests and longer prompts."""
    setup = Setup(model, board, "bf16", engine, tensor=tensor)
    light = Load(min(few, more), min(short, long), made)
    heavy = Load(max(few, more), max(short, long), made)
    assert rising([first_token().log_ttft(setup, light), first_token().log_ttft(setup, heavy)])


def test_no_ttft_is_shorter_than_the_prompts_own_arithmetic() -> None:
    """Its FLOPs at the data sheet's rate are a bound."""
    for setup, read in itertools.product(SHIPPED, INPUTS):
        load = Load(1, read, 128)
        assert first_token().estimate(setup, load).ttft_s >= own_prefill_s(setup, load) * (1 - 1e-9)


def test_one_request_alone_is_quick() -> None:
    """8B on one H100 with TensorRT-LLM: a prompt of 1,024 tokens alone waits for no second."""
    alone = answer(SMALL, Load(1, 1024, 1024))
    assert alone.ttft_ms < 250
    assert alone.ttft_ms_high < 500
    found = fullest(SMALL, Wanted(1024, 1024, Slo(ttft_s=1.0, tpot_s=0.05)))
    assert found is not None
    assert found.concurrency > 32


def test_the_interval_widens_with_the_distance_from_what_was_measured() -> None:
    """Twice and sixteen times the highest measured concurrency: each less sure than the one before."""
    setup = Setup(open_model("llama-3.3-70b"), gpu("h100"), "fp8", tensor=2)
    highest = first_token().range_of(setup).highest
    spreads = []
    for times in (1, 2, 16):
        load = Load(highest.concurrency * times, 1024, 1024)
        spreads.append(first_token().spread(setup, load))
    assert spreads[0] < spreads[1] < spreads[2]


def test_a_lighter_load_is_not_thought_slower_than_the_lightest_measured() -> None:
    """Below the measured loads the upper end is at most the edge's; above them the lower end at least."""
    for setup in SHIPPED:
        held = first_token().range_of(setup)
        edge = held.nearest(Load(1, 1024, 1024))
        lighter = first_token().estimate(setup, Load(edge.concurrency / 4, *edge[1:]))
        assert lighter.low_s < lighter.ttft_s <= lighter.high_s
        assert lighter.high_s <= first_token().estimate(setup, edge).high_s * (1 + 1e-9)
        top = Load(held.highest.concurrency, *edge[1:])
        heavier = first_token().estimate(setup, Load(4 * top.concurrency, *top[1:]))
        assert heavier.low_s >= first_token().estimate(setup, top).low_s * (1 - 1e-9)


def test_a_range_knows_how_far_a_load_is() -> None:
    """Octaves of all three quantities together; 0 inside."""
    held = Range(Load(4, 1024, 1024), Load(64, 8192, 1024))
    assert held.octaves(Load(16, 2048, 1024)) == 0
    assert held.octaves(Load(1, 1024, 1024)) == 2
    assert held.octaves(Load(512, 1024, 256)) == pytest.approx(math.hypot(3, 2))
    assert held.nearest(Load(1, 9000, 1024)) == Load(4, 8192, 1024)
