"""The closed loop: C clients at once, each beginning again when its answer ended."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.capacity.closed_loop import closed_loop
from baseload.capacity.terms import Load
from baseload.capacity.timeline import Requests
from baseload.core import StepTime
from tests.capacity.reference import simulate

STEP = StepTime(0.010, 0.0002, 1e-7, 2e-5, kv_tokens=1_000_000, max_sequences=64)


def test_one_client_waits_for_its_own_prefill_alone() -> None:
    """TTFT is a step with the prompt in it, TPOT a step with one sequence and its mean cache."""
    found = closed_loop(STEP, Load(1, 1000, 100))
    assert found.ttft_s == pytest.approx(0.010 + 0.0002 + 1000 * 2e-5, rel=0.05)
    assert found.tpot_s == pytest.approx(0.010 + 0.0002 + 1050 * 1e-7, rel=0.01)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4000), st.integers(2, 20), st.integers(1, 3))
def test_every_request_begins_when_one_before_it_ended(
    clients: int, prompt: int, answer: int, generations: int
) -> None:
    """Step by step, with arrivals moved until they are the ends of others: the same TTFT, whatever the
    load."""
    found = closed_loop(STEP, Load(clients, prompt, answer), generations=generations)
    many = clients * generations
    requests = Requests(np.zeros(many), np.full(many, prompt), np.full(many, answer), np.zeros(many, int))
    while True:
        first_s, end_s = simulate(STEP, requests)
        moved_s = np.concatenate([np.zeros(clients), np.sort(end_s)[: many - clients]])
        if np.allclose(moved_s, requests.arrival_s, rtol=0, atol=1e-12):
            break
        requests = replace(requests, arrival_s=moved_s)
    assert found.ttft_s == pytest.approx(float((first_s - moved_s).mean()), rel=1e-6)


def test_rows_never_queue_for_room() -> None:
    """Fewer slots or less KV room change nothing: measured rows that queued are not compared with."""
    tight = StepTime(0.010, 0.0002, 1e-7, 2e-5, kv_tokens=1, max_sequences=1)
    assert closed_loop(tight, Load(8, 500, 50)) == closed_loop(STEP, Load(8, 500, 50))
