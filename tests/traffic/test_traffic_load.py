"""`Load`, `Lengths` and `LoadShape`: rates in windows and the lengths that go with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import UsageError
from baseload.traffic.load import Lengths, Load, LoadShape, length_edges


def load(requests_per_s: list[float], window_s: float = 10.0) -> Load:
    """100 input (20 cached) and 10 output tokens a request."""
    rate = np.array(requests_per_s)
    return Load(window_s, rate, rate * 100, rate * 20, rate * 10)


def shape(requests_per_s: list[float]) -> LoadShape:
    """A shape with one length."""
    lengths = Lengths(np.array([100, 101]), np.array([10, 11]), np.array([[1.0]]))
    return LoadShape(load(requests_per_s), lengths, source="made", start_ns=1_000_000_000)


def test_peak_and_mean() -> None:
    """The busiest window over the mean of all; no load at all is flat."""
    assert load([1.0, 3.0]).peak_over_mean == 1.5
    assert load([0.0, 0.0]).peak_over_mean == 1.0


def test_tokens_per_day() -> None:
    """One request a second is 8.64M input and 0.864M output tokens a day."""
    day = load([0.5, 1.5]).tokens_per_day()
    assert (day.input, day.cached, day.output) == (8_640_000.0, 1_728_000.0, 864_000.0)


@pytest.mark.parametrize(
    ("rates", "window_s", "reason"),
    [
        ([], 10.0, "at least one window"),
        ([1.0], 0.0, "at least one window"),
        ([-1.0], 10.0, "negative"),
        ([np.inf], 10.0, "infinite"),
    ],
)
def test_a_load_that_cannot_be_is_refused(rates: list[float], window_s: float, reason: str) -> None:
    """No windows, no time, negative or infinite rates are refused with the reason."""
    with pytest.raises(UsageError, match=reason):
        load(rates, window_s)


def test_columns_of_a_load_must_agree() -> None:
    """Columns of other lengths and more cached than input tokens are refused."""
    one, two = np.ones(1), np.ones(2)
    with pytest.raises(UsageError, match="differ in length"):
        Load(1.0, two, one, one, one)
    with pytest.raises(UsageError, match="more cached"):
        Load(1.0, one, one, one * 2, one)


def test_between_takes_whole_windows() -> None:
    """A stretch of a shape is the windows that begin in it, with its wall clock."""
    part = shape([1.0, 2.0, 3.0, 4.0]).between(5.0, 30.0)
    assert part.load.requests_per_s.tolist() == [2.0, 3.0]
    assert part.start_ns == 11_000_000_000
    with pytest.raises(UsageError, match="no window"):
        shape([1.0]).between(20, 30)


def test_scaled_meets_the_volume_and_keeps_the_shape() -> None:
    """A shape scaled to a volume has it, with the same peak over mean and the same lengths."""
    scaled = shape([1.0, 3.0]).scaled(tokens_per_day=1e9)
    assert scaled.tokens_per_day().total == pytest.approx(1e9)
    assert scaled.load.peak_over_mean == 1.5
    assert pytest.approx(scaled.mean_input_tokens.tolist()) == [100.0, 100.0]
    with pytest.raises(UsageError, match="positive factor"):
        shape([1.0]).scaled(tokens_per_day=0)


def test_compressed_keeps_the_requests() -> None:
    """Ten times as fast is a tenth of the time with the same number of requests."""
    fast = shape([1.0, 3.0]).compressed(10)
    assert (fast.window_s, fast.load.requests_per_s.tolist(), fast.start_ns) == (1.0, [10.0, 30.0], None)


def test_windows_without_requests_have_mean_zero() -> None:
    """Mean lengths are 0 where nothing came, not a division by zero."""
    assert shape([1.0, 0.0]).mean_input_tokens.tolist() == [100.0, 0.0]
    assert shape([1.0, 0.0]).mean_output_tokens.tolist() == [10.0, 0.0]


@settings(deadline=None)
@given(st.integers(0, 10_000_000))
def test_edges_hold_the_longest(longest: int) -> None:
    """Edges start at 0, rise, hold the longest length, and no bin is wider than a fifth of its start + 1."""
    edges = length_edges(longest)
    assert edges[0] == 0
    assert edges[-1] > longest
    assert (np.diff(edges) > 0).all()
    assert (np.diff(edges) <= 0.2 * edges[:-1] + 1).all()


lengths = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 5_000)), min_size=1, max_size=50)


@settings(deadline=None)
@given(lengths)
def test_a_histogram_counts_every_request_in_its_cell(pairs: list[tuple[int, int]]) -> None:
    """The weights are the counts, and every request lies in a cell with weight."""
    input_tokens, output_tokens = (np.array(column) for column in zip(*pairs, strict=True))
    histogram = Lengths.of(input_tokens, output_tokens)
    assert len(pairs) == histogram.weights.sum()
    for i, o in pairs:
        row = int(np.searchsorted(histogram.input_edges, i, "right")) - 1
        column = int(np.searchsorted(histogram.output_edges, o, "right")) - 1
        assert histogram.weights[row, column] > 0


@settings(deadline=None)
@given(lengths, st.integers(0, 2**32))
def test_drawn_lengths_lie_in_cells_with_weight(pairs: list[tuple[int, int]], seed: int) -> None:
    """Nothing is drawn that the histogram does not hold."""
    input_tokens, output_tokens = (np.array(column) for column in zip(*pairs, strict=True))
    histogram = Lengths.of(input_tokens, output_tokens)
    drawn = histogram.draw(200, np.random.default_rng(seed))
    cells = [
        np.searchsorted(edges, column, "right") - 1
        for edges, column in zip((histogram.input_edges, histogram.output_edges), drawn, strict=True)
    ]
    assert (histogram.weights[cells[0], cells[1]] > 0).all()


def test_mean_lengths_are_those_of_draws() -> None:
    """`means` is the expectation of `draw`: 200,000 draws agree within five standard errors."""
    histogram = Lengths.independent(np.array([0, 10, 40]), np.array([0.2, 0.8]), np.array([0.9, 0.1]))
    assert histogram.means() == pytest.approx((0.2 * 4.5 + 0.8 * 24.5, 0.9 * 4.5 + 0.1 * 24.5))
    for column, mean in zip(
        histogram.draw(200_000, np.random.default_rng(1)), histogram.means(), strict=True
    ):
        assert abs(float(column.mean()) - mean) < 5 * float(column.std()) / np.sqrt(200_000)


@pytest.mark.parametrize(
    ("edges", "weights", "reason"),
    [
        ([0, 1, 2], [[1.0]], "one weight per cell"),
        ([1, 1], [[1.0]], "must rise"),
        ([-1, 1], [[1.0]], "must rise from 0"),
        ([0, 1], [[0.0]], "positive sum"),
        ([0, 1], [[-1.0]], "0 or more"),
    ],
)
def test_a_histogram_that_cannot_be_is_refused(
    edges: list[int], weights: list[list[float]], reason: str
) -> None:
    """Edges must rise from 0 and weights must be weights."""
    with pytest.raises(UsageError, match=reason):
        Lengths(np.array(edges), np.array([0, 1]), np.array(weights))
