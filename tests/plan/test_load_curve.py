"""The load-duration curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import DataError
from baseload.plan.load import LoadCurve

loads = st.lists(st.floats(0, 1e6), min_size=1, max_size=60).filter(lambda values: sum(values) > 1e-3)


@settings(deadline=None)
@given(loads, st.floats(0, 20))
def test_the_served_share_is_the_mean_of_what_fits_under_the_room(values: list[float], room: float) -> None:
    """Prefix sums give what adding up every window does."""
    curve = LoadCurve.of(np.array(values), 600.0)
    expected = float(np.minimum(curve.relative, room).mean())
    assert curve.served_share(room) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(loads)
def test_a_curve_falls_and_has_mean_one(values: list[float]) -> None:
    """Highest first, whatever the order and unit it was given in."""
    curve = LoadCurve.of(np.array(values), 600.0)
    assert (np.diff(curve.relative) <= 0).all()
    assert float(curve.relative.mean()) == pytest.approx(1.0)
    assert curve.peak == float(curve.relative.max())


@pytest.mark.parametrize("bad", [[], [0.0, 0.0], [1.0, -1.0], [float("nan")], [float("inf")]])
def test_what_is_no_load_is_refused(bad: list[float]) -> None:
    """No windows, no tokens, negative or endless loads."""
    with pytest.raises(DataError):
        LoadCurve.of(np.array(bad), 600.0)


def test_a_flat_curve_peaks_at_its_mean() -> None:
    """Flat load is the described shape without `--shape`."""
    assert LoadCurve.flat().peak == 1.0
    assert [LoadCurve.flat().served_share(room) for room in (0.25, 2.0)] == [0.25, 1.0]
