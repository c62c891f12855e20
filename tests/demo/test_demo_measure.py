"""Step times out of a few timed answers."""

from __future__ import annotations

import asyncio

import pytest

from baseload.demo import measure
from baseload.demo.measure import measure_engine
from baseload.errors import EnvironmentProblem
from baseload.player.client import Endpoint


def test_a_known_engine_is_measured_as_what_it_is() -> None:
    """Times made from a step time give that step time back."""

    def timed(input_tokens: int, sequences: int) -> measure._Timed:
        step_s = 0.016 + 0.0005 * sequences + 2e-6 * input_tokens
        return measure._Timed(0.02 + 0.0015 * input_tokens, step_s, input_tokens)

    step = measure._step_time([timed(80, 1)] * 2, [timed(80, 4)] * 4, [timed(480, 1)] * 2, 4, 4096)
    assert step.per_prefill_token_s == pytest.approx(0.0015)
    assert step.per_sequence_s == pytest.approx(0.0005)
    assert step.per_kv_token_s == pytest.approx(2e-6)
    assert step.base_s == pytest.approx(0.016 + 2e-6 * 80)
    assert (step.kv_tokens, step.max_sequences) == (4096, 4)


def test_a_noisy_machine_gives_no_negative_times() -> None:
    """Where four requests together happened to be faster than one, times stay above zero."""
    fast, slow = measure._Timed(0.1, 0.010, 80), measure._Timed(0.05, 0.020, 80)
    step = measure._step_time([slow] * 2, [fast] * 4, [measure._Timed(0.04, 0.01, 480)] * 2, 4, 4096)
    assert min(step.base_s, step.per_sequence_s, step.per_kv_token_s, step.per_prefill_token_s) > 0


def test_an_engine_that_is_not_there_is_an_environment_problem() -> None:
    """The demo says so instead of planning with nothing."""
    nobody = Endpoint.parse("http://127.0.0.1:1/v1")
    with pytest.raises(EnvironmentProblem, match="did not answer"):
        asyncio.run(measure_engine(nobody, "m", max_sequences=4, kv_tokens=4096))
