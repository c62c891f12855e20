"""`draw`: seeded traffic that meets the shape it was drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import UsageError
from baseload.traffic.draw import Arrivals, draw
from baseload.traffic.load import Lengths, Load, LoadShape


def shape(requests_per_s: list[float], input_mean: list[float] | None = None) -> LoadShape:
    """Windows of 10 s; lengths 1 to 199 in and 1 to 19 out, so the histogram's means are 100 and 10."""
    rate = np.array(requests_per_s)
    mean = np.full(len(rate), 100.0) if input_mean is None else np.array(input_mean)
    lengths = Lengths(np.array([1, 200]), np.array([1, 20]), np.array([[1.0]]))
    return LoadShape(
        Load(10.0, rate, rate * mean, rate * mean / 4, rate * 10), lengths, source="made", start_ns=3
    )


def test_the_same_seed_gives_the_same_traffic() -> None:
    """Every column repeats with the seed and differs with another."""
    one, same, other = (draw(shape([2.0, 5.0]), seed=seed) for seed in (1, 1, 2))
    for column in ("arrival_s", "input_tokens", "cached_tokens", "output_tokens"):
        assert getattr(one, column).tolist() == getattr(same, column).tolist()
    assert one.arrival_s.tolist() != other.arrival_s.tolist()


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 5.0), min_size=1, max_size=20), st.integers(0, 1000))
def test_counts_follow_the_windows_to_within_a_request(rates: list[float], seed: int) -> None:
    """With `COUNTS` the running total never strays from what is expected by a whole request."""
    wanted = shape(rates)
    if wanted.load.requests_per_s.sum() * 10 < 0.5:
        with pytest.raises(UsageError, match="no request was drawn"):
            draw(wanted, seed=seed, arrivals=Arrivals.COUNTS)
        return
    traffic = draw(wanted, seed=seed, arrivals=Arrivals.COUNTS)
    drawn = np.histogram(traffic.arrival_s, np.arange(len(rates) + 1) * 10.0)[0]
    assert (np.abs(np.cumsum(drawn) - np.cumsum(np.array(rates) * 10)) <= 0.51).all()


def test_poisson_counts_have_the_mean_and_variance_of_a_poisson_process() -> None:
    """Over 4,000 windows of 20 expected requests mean and variance are 20 (five standard errors)."""
    traffic = draw(shape([2.0] * 4000), seed=4)
    counts = np.histogram(traffic.arrival_s, np.arange(4001) * 10.0)[0]
    assert abs(counts.mean() - 20) < 5 * np.sqrt(20 / 4000)
    assert abs(counts.var() - 20) < 5 * np.sqrt((20 + 2 * 20**2) / 4000)


def test_lengths_are_stretched_to_each_windows_mean() -> None:
    """A window whose mean input is twice the histogram's gets twice the lengths: 1% of 40,000 requests."""
    traffic = draw(shape([2000.0, 2000.0], [100.0, 200.0]), seed=5)
    early = traffic.arrival_s < 10.0
    assert float(traffic.input_tokens[early].mean()) == pytest.approx(100, rel=0.02)
    assert float(traffic.input_tokens[~early].mean()) == pytest.approx(200, rel=0.02)
    assert float(traffic.output_tokens.mean()) == pytest.approx(10, rel=0.02)


def test_cached_tokens_are_the_windows_share() -> None:
    """A quarter of the input is cached in the shape, and in the draw but for rounding down."""
    traffic = draw(shape([2000.0]), seed=6)
    share = traffic.cached_tokens.sum() / traffic.input_tokens.sum()
    assert 0.24 < share <= 0.25


def test_no_length_is_stretched_to_nothing() -> None:
    """A request with tokens keeps at least one, however short its window's mean."""
    traffic = draw(shape([100.0], [1.0]), seed=7)
    assert traffic.input_tokens.min() == 1


def test_a_draw_says_where_it_is_from() -> None:
    """Source, seed, names, wall clock and duration go along."""
    traffic = draw(shape([2.0, 2.0]), seed=8, model="chat", tenant="shop")
    assert traffic.source == "drawn (seed 8) from made"
    assert (
        traffic.models,
        traffic.tenants,
        traffic.start_ns,
        traffic.duration_s,
    ) == (("chat",), ("shop",), 3, 20.0)


def test_nothing_drawn_is_an_error() -> None:
    """A shape so thin that no request came is refused, saying what to do."""
    with pytest.raises(UsageError, match="longer time"):
        draw(shape([1e-9]), seed=1)
