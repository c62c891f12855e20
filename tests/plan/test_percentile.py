"""One way to take a percentile: a value that was seen, at or below which at least that share lies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.plan.percentile import at_share
from baseload.player.result import percentile

VALUES = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=50)
SHARES = st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999])


@given(VALUES, SHARES)
def test_that_share_keeps_it_and_no_smaller_one_does(values: list[float], share: float) -> None:
    """At least the share is at or below it, less than the share strictly below."""
    found = at_share(np.array(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) * (1 - 1e-9)
    assert sum(value < found for value in values) < share * len(values)


@given(VALUES, SHARES)
def test_numpy_and_the_player_say_the_same(values: list[float], share: float) -> None:
    """It is numpy's inverted distribution, and the nearest rank that a played load is reported with."""
    found = at_share(np.array(values), share)
    assert found == np.quantile(values, share, method="inverted_cdf")
    assert found == percentile(sorted(values), share * 100)


@given(st.lists(st.tuples(st.floats(0.0, 10.0), st.integers(1, 5)), min_size=1, max_size=20), SHARES)
def test_a_weight_is_so_many_of_a_value(pairs: list[tuple[float, int]], share: float) -> None:
    """Weights are repeats."""
    values, weights = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    repeated = np.repeat(values, weights.astype(np.int64))
    assert at_share(values, share, weights) == at_share(repeated, share)


def test_what_is_not_known_is_left_out() -> None:
    """NaN counts for nothing; of nothing there is no percentile."""
    assert at_share(np.array([math.nan, 3.0, 1.0]), 0.5) == 1.0
    assert math.isnan(at_share(np.array([math.nan]), 0.5))
    assert at_share(np.array([math.nan, 3.0, 1.0]), 0.5, np.array([9.0, 3.0, 1.0])) == pytest.approx(3.0)
