"""What a replica would give a new request now."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.capacity.predict import decode_step_s, predict, room_ns
from baseload.core import StepTime, Tokens

STEP = StepTime(
    base_s=0.010,
    per_sequence_s=0.0001,
    per_kv_token_s=1e-7,
    per_prefill_token_s=5e-5,
    kv_tokens=100_000,
    max_sequences=64,
)
LOADS = {
    "running": st.integers(0, 64),
    "kv_tokens": st.integers(0, 100_000),
    "waiting_tokens": st.integers(0, 200_000),
    "waiting": st.integers(0, 300),
    "input_tokens": st.integers(1, 50_000),
}


def test_a_decode_step_is_the_sum_of_its_terms() -> None:
    """A step of 10 sequences with 20,000 KV tokens takes base + 10 sequences + 20,000 tokens."""
    assert decode_step_s(STEP, 10, 20_000) == pytest.approx(0.010 + 0.001 + 0.002)


def test_an_idle_replica_gives_prefill_and_one_step() -> None:
    """With nothing else there, TTFT is the own prefill and a step, TPOT the step of one sequence."""
    ttft_s, tpot_s = predict(
        STEP, running=0, kv_tokens=0, waiting_tokens=0, waiting=0, input_tokens=1000, output_tokens=100
    )
    assert ttft_s == pytest.approx(1000 * 5e-5 + 0.010)
    assert tpot_s == pytest.approx(0.010 + 0.0001 + (1000 + 50) * 1e-7)


def test_a_full_replica_makes_wait_for_its_batch_to_turn_over() -> None:
    """With every slot taken and nothing ahead, admission waits for one in 64 of the batch to finish."""
    full = predict(
        STEP, running=64, kv_tokens=32_000, waiting_tokens=0, waiting=0, input_tokens=400, output_tokens=640
    )
    free = predict(
        STEP, running=63, kv_tokens=32_000, waiting_tokens=0, waiting=0, input_tokens=400, output_tokens=640
    )
    step_s = decode_step_s(STEP, 64, 32_000)
    assert full[0] == pytest.approx(400 * 5e-5 + 1.5 * step_s + 640 * step_s / 64)
    assert full[0] - free[0] > 9 * step_s


def test_kv_room_blocks_as_slots_do() -> None:
    """A prompt that exceeds the free KV room by a tenth waits for a tenth of the batch's life."""
    ttft_s, _ = predict(
        STEP,
        running=10,
        kv_tokens=100_000,
        waiting_tokens=0,
        waiting=0,
        input_tokens=10_000,
        output_tokens=500,
    )
    step_s = decode_step_s(STEP, 10, 100_000)
    chunks = 10_000 / 8192
    assert ttft_s == pytest.approx(0.1 * 500 * step_s + 10_000 * 5e-5 + (chunks + 0.5) * step_s)


@given(
    **LOADS, output_tokens=st.integers(0, 5000), more=st.sampled_from(sorted(LOADS)), by=st.integers(1, 999)
)
def test_neither_prediction_falls_as_load_grows(
    running: int,
    kv_tokens: int,
    waiting_tokens: int,
    waiting: int,
    input_tokens: int,
    output_tokens: int,
    more: str,
    by: int,
) -> None:
    """More running, held, waiting or own tokens never make TTFT or TPOT shorter."""
    load = {
        "running": running,
        "kv_tokens": kv_tokens,
        "waiting_tokens": waiting_tokens,
        "waiting": waiting,
        "input_tokens": input_tokens,
    }
    less_ttft_s, less_tpot_s = predict(STEP, **load, output_tokens=output_tokens)
    load[more] += by
    more_ttft_s, more_tpot_s = predict(STEP, **load, output_tokens=output_tokens)
    assert more_ttft_s >= less_ttft_s * (1 - 1e-12)
    assert more_tpot_s >= less_tpot_s * (1 - 1e-12)


@pytest.mark.parametrize(("read", "made", "bound"), [(3000, 1000, "kv"), (40, 20, "sequences")])
def test_an_hour_at_full_throughput_is_about_an_hour_of_room(read: int, made: int, bound: str) -> None:
    """The room of everything a full replica serves in an hour adds up to that hour, whichever room binds."""
    held = read + made / 2
    sequences = min(STEP.max_sequences, STEP.kv_tokens / held)
    assert (sequences < STEP.max_sequences) == (bound == "kv")
    step_s = decode_step_s(STEP, sequences, sequences * held) + sequences * read / made * 5e-5
    served = 3600 / step_s * sequences / made
    assert served * room_ns(STEP, Tokens(input=read, output=made)) == pytest.approx(3600e9, rel=1e-6)


def test_cached_input_takes_no_prefill_but_its_kv() -> None:
    """Tokens read from the prefix cache save their prefill and nothing else."""
    plain = room_ns(STEP, Tokens(input=1000, output=10))
    cached = room_ns(STEP, Tokens(input=1000, cached_input=600, output=10))
    assert plain - cached == pytest.approx(600 * 5e-5 * 1e9, abs=1)


def test_a_request_without_output_takes_one_step() -> None:
    """An embedding's room is its prefill and its share of a single step, never zero."""
    assert room_ns(STEP, Tokens(input=1000)) == round((1000 * 5e-5 + 0.010 / 64 + 0.0001 + 1000 * 1e-7) * 1e9)


def test_the_gateway_can_import_it_without_numpy() -> None:
    """predict and steptime bring no numpy into the process that serves requests."""
    code = (
        "import sys, baseload.capacity.predict, baseload.capacity.steptime; sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
