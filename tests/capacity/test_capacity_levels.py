"""The search for how far groups differ: leaving out by one inverse is leaving out."""

from __future__ import annotations

import numpy as np
import pytest

from baseload.capacity.levels import Reach
from bench.capacity_levels import START, choose, covariance, errors, question
from tests.capacity.test_fitting import made_rows


def test_one_inverse_leaves_out_as_fitting_anew_does() -> None:
    """Each split's errors are those of solving the system of the other rows and predicting the rest."""
    random = np.random.default_rng(1)
    rows = [
        row._replace(tpot_s=row.tpot_s * float(np.exp(0.1 * random.standard_normal()))) for row in made_rows()
    ]
    asked = question(rows)
    logs = np.log([START[each] for each in Reach])
    whole = covariance(asked, logs).astype(np.float64)
    for split, found in zip(asked.splits, errors(asked, logs), strict=True):
        for block in split:
            rest = np.setdiff1d(np.arange(len(rows)), block)
            if not len(rest):
                continue
            across = whole[np.ix_(block, rest)]
            expected = asked.off[block] - across @ np.linalg.solve(whole[np.ix_(rest, rest)], asked.off[rest])
            assert found[block] == pytest.approx(expected, abs=2e-3)


def test_the_choice_is_the_same_every_time() -> None:
    """A fixed seed; all six figures are widths."""
    rows = made_rows()
    first = choose(rows)
    assert first == choose(rows)
    assert set(first) == set(Reach)
    assert all(0 < width < 1 for pair in first.values() for width in pair)
