"""Real traffic made to fit a small engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baseload.core import StepTime
from baseload.demo.load import (
    MOST_INPUT_TOKENS,
    MOST_OUTPUT_TOKENS,
    TRACE_SATURATION,
    shipped_traffic,
    small,
    trace_traffic,
)
from baseload.demo.measure import requests_per_s
from baseload.traffic.draw import Arrivals, draw
from baseload.traffic.shapes import azure_conversation_2023
from baseload.traffic.table import Traffic

STEP = StepTime(0.016, 0.0005, 1e-7, 0.0015, 4096, 4)


def full_rate(traffic: Traffic) -> float:
    """What an engine of two cores serves."""
    return requests_per_s(STEP, traffic)


def test_a_full_engine_serves_one_request_per_mean_room() -> None:
    """100 in, 20 out: 0.15 s of prefill and 20 steps of which a quarter each is this request's."""
    one = Traffic(
        np.zeros(1), np.full(1, 100), np.zeros(1, dtype=np.int64), np.full(1, 20), 1.0,
        np.zeros(1, dtype=np.int32), np.zeros(1, dtype=np.int32),
    )  # fmt: skip
    room_s = 100 * 0.0015 + 20 * (0.016 / 4 + 0.0005 + 110 * 1e-7)
    assert full_rate(one) == pytest.approx(1 / room_s, rel=1e-6)


@pytest.mark.parametrize("error", [0.55, 1.0, 1.8])
def test_the_shipped_hour_passes_the_engines_limit_and_comes_back(error: float) -> None:
    """Load starts and ends below what the engine serves and is above it for a good while between, even where
    the engine is almost twice as slow or as fast as it was measured to be."""
    traffic = shipped_traffic(66.0, 1, full_rate)
    assert traffic.duration_s == pytest.approx(66.0)
    rate = traffic.load(6.6).requests_per_s / (full_rate(traffic) * error)
    assert (rate[:3] < 1).all()
    assert (rate[4:6] > 1.05).all()
    assert (rate[8:] < 1).all()


def test_a_seed_fixes_the_hour() -> None:
    """The same seed draws the same requests, another one others."""
    first, again, other = (shipped_traffic(66.0, seed, full_rate) for seed in (1, 1, 2))
    assert (first.input_tokens == again.input_tokens).all()
    assert len(other) != len(first) or (other.input_tokens != first.input_tokens).any()


def test_small_requests_keep_their_mix() -> None:
    """Scaling keeps the share of output tokens (capping takes a little of the longest inputs)."""
    traffic = draw(azure_conversation_2023().between(0, 300), seed=1, arrivals=Arrivals.COUNTS)
    little = small(traffic)
    assert int(little.input_tokens.max()) <= MOST_INPUT_TOKENS
    assert int(little.output_tokens.max()) <= MOST_OUTPUT_TOKENS
    before, after = (t.tokens_per_day() for t in (traffic, little))
    assert after.output / after.total == pytest.approx(before.output / before.total, abs=0.06)


def test_a_trace_is_played_from_its_beginning(shared: Path) -> None:
    """As many requests as fit, its own arrivals in proportion, in the time there is."""
    path = shared / "data" / "traces" / "azure2023" / "AzureLLMInferenceTrace_conv.csv"
    traffic = trace_traffic(path, 66.0, full_rate)
    assert traffic.duration_s == pytest.approx(66.0)
    assert len(traffic) == pytest.approx(TRACE_SATURATION * full_rate(traffic) * 66.0, rel=0.25)
