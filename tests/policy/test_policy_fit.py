"""The line through samples that estimates stand on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.policy.fit import Fit


def test_without_a_sample_nothing_is_claimed() -> None:
    """Before the first sample there are no coefficients, and useless samples are none."""
    fit = Fit()
    fit.add(0.0, 5.0)
    fit.add(3.0, 0.0)
    assert fit.coefficients() is None


@given(
    a=st.floats(0.01, 100),
    b=st.floats(0.01, 100),
    samples=st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 20)), min_size=3, max_size=40),
)
def test_an_exact_line_is_found(a: float, b: float, samples: list[tuple[int, int]]) -> None:
    """Where samples lie on y = a·x + b·z, the line predicts each of them."""
    fit = Fit()
    for x, z in samples:
        fit.add(a * x + b * z, x, z)
    found = fit.coefficients()
    assert found is not None
    if len({x / z for x, z in samples}) > 1:
        for x, z in samples:
            assert found[0] * x + found[1] * z == pytest.approx(a * x + b * z, rel=0.05)


def test_samples_that_are_alike_give_a_ratio() -> None:
    """With one kind of sample only, y grows with x alone."""
    fit = Fit()
    for _ in range(10):
        fit.add(50.0, 200.0, 1.0)
    found = fit.coefficients()
    assert found is not None
    assert found[0] * 400 + found[1] == pytest.approx(100.0)


def test_it_forgets() -> None:
    """A target whose ratio changed is believed after some hundred answers."""
    fit = Fit()
    for number in range(3000):
        fit.add((100 + number % 900) / 4, 100 + number % 900)
    for number in range(3000):
        fit.add((100 + number % 900) / 3, 100 + number % 900)
    found = fit.coefficients()
    assert found is not None
    assert found[0] == pytest.approx(1 / 3, rel=0.02)
