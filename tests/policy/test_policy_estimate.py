"""Token estimates: what is expected, and what must never be exceeded."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.policy.estimate import (
    DEFAULT_OUTPUT_BOUND,
    DEFAULT_OUTPUT_TOKENS,
    Quantile,
    TokenEstimate,
)


def test_a_new_model_starts_with_the_stated_priors() -> None:
    """Four bytes to a token, 256 tokens of output, and a bound of 4096 where the request names none."""
    estimate = TokenEstimate()
    assert estimate.input_tokens(4000) == 1000
    assert estimate.input_tokens(0) == 1
    assert estimate.output_tokens(None) == DEFAULT_OUTPUT_TOKENS
    assert estimate.output_bound(None) == DEFAULT_OUTPUT_BOUND
    assert estimate.output_bound(100) == 100


def test_the_ratio_is_learned_weighted_by_size() -> None:
    """After enough usage the expected input follows the model's own tokenizer on this traffic."""
    estimate = TokenEstimate()
    for _ in range(3000):
        estimate.learn(body_bytes=2500, input_tokens=1000, output_tokens=10)
    assert estimate.input_tokens(5000) == pytest.approx(2000, rel=0.01)


def test_a_change_of_traffic_is_followed() -> None:
    """Old usage fades: when prompts change their language the ratio follows."""
    estimate = TokenEstimate()
    for ratio in (4, 2):
        for _ in range(5000):
            estimate.learn(body_bytes=1000 * ratio, input_tokens=1000, output_tokens=100 * ratio)
    assert estimate.input_tokens(2_000_000) == pytest.approx(1_000_000, rel=0.05)
    assert estimate.output_tokens(None) == pytest.approx(200, abs=2)


def test_expected_output_is_the_mean_and_never_above_max_tokens() -> None:
    """The prior counts as eight answers: one short answer does not make a burst of long ones look small."""
    estimate = TokenEstimate()
    for output_tokens in (100, 200, 300):
        estimate.learn(400, 100, output_tokens)
    assert estimate.output_tokens(None) == (8 * DEFAULT_OUTPUT_TOKENS + 600) // 11
    assert estimate.output_tokens(64) == 64


def test_the_bound_covers_all_but_one_in_a_hundred() -> None:
    """min(max_tokens, p99 · 1.2), with p99 overestimated by at most 9.1%, never underestimated."""
    estimate = TokenEstimate()
    for output_tokens in range(1, 1001):
        estimate.learn(400, 100, output_tokens)
    assert 990 * 1.2 <= estimate.output_bound(None) <= 990 * 1.092 * 1.2 + 2
    assert estimate.output_bound(500) == 500


@given(st.lists(st.integers(0, 2_000_000), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_never_below_and_at_most_a_tenth_above(values: list[int], share: float) -> None:
    """The histogram's answer is the true quantile or the next bucket's edge, never less."""
    quantile = Quantile(share)
    for value in values:
        quantile.add(value)
    ordered = sorted(max(1, value) for value in values)
    rank = next(i for i in range(len(ordered)) if i + 1 >= share * len(ordered))
    assert ordered[rank] <= quantile.value() <= ordered[rank] * 2 ** (1 / 8) + 1


def test_a_quantile_forgets() -> None:
    """After a change of traffic the old tail is gone, and memory stays one small histogram."""
    quantile = Quantile(0.99)
    for value in [5000] * 8000 + [100] * 40_000:
        quantile.add(value)
    assert quantile.value() <= 110
    assert quantile.total <= Quantile.REMEMBERED


def test_the_input_bound_is_one_token_a_byte() -> None:
    """Reservations assume the worst tokenizer, whatever ratio was learned."""
    estimate = TokenEstimate()
    estimate.learn(4000, 1000, 10)
    assert estimate.input_bound(4096) == 4096


def test_the_bound_is_learned_from_real_lengths() -> None:
    """Of lengths from a long-tailed distribution, at least 98.5% stay within the bound learned before."""
    draw = random.Random(7)
    lengths = [int(draw.lognormvariate(5.0, 1.0)) for _ in range(8000)]
    estimate = TokenEstimate()
    for length in lengths[:4000]:
        estimate.learn(1000, 250, length)
    bound = estimate.output_bound(None)
    assert sum(length <= bound for length in lengths[4000:]) / 4000 >= 0.985
