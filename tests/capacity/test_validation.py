"""Scores of what was left out: how far off per configuration, and how often inside the interval."""

from __future__ import annotations

import math

import pytest

from baseload.capacity.folds import model_of
from baseload.capacity.measured import Row
from baseload.capacity.terms import Load, Setup
from baseload.capacity.validation import Held, coverage, covered, octave, quantile, score, worst
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model

SETUPS = [Setup(open_model("llama-3.1-8b"), gpu("h100"), "fp8", tensor=tensor) for tensor in (1, 2, 4)]


def held(setup: Setup, off: float, spread: float = 0.1, fold: str = "0") -> Held:
    """A row of this setup, computed so far off."""
    return Held(Row(setup, Load(1, 1024, 1024), 0.1, 0.02, "inferencex", "", ""), fold, off, spread)


def test_every_configuration_counts_once() -> None:
    """Mean error per configuration, then their median and mean; fewer than five rows have no error."""
    many = [held(SETUPS[0], math.log(1.1))] * 50
    few = [held(SETUPS[1], math.log(0.7))] * 5
    none = [held(SETUPS[2], math.log(9))] * 4
    found = score([*many, *few, *none])
    assert found == pytest.approx((0.2, 0.2, 2))


def test_the_quantile_covers_eighty_of_a_hundred() -> None:
    """Errors of 0.01 to 1.00 at a spread of 0.1: the factor is 8, and four in five are inside."""
    rows = [held(SETUPS[0], place / 100) for place in range(1, 101)]
    assert quantile(rows) == pytest.approx(8.0, abs=0.1)
    assert covered(rows, quantile(rows)) == pytest.approx(0.8)


def test_coverage_takes_its_quantile_from_the_other_folds() -> None:
    """A fold twice as far off as the others is covered less than its own quantile would have it."""
    near = [held(SETUPS[0], place / 100, fold="near") for place in range(1, 101)]
    far = [held(SETUPS[0], place / 50, fold="far") for place in range(1, 101)]
    assert coverage([*near, *far]) == pytest.approx((1.0 + 0.4) / 2, abs=0.02)


def test_the_worst_group_is_named() -> None:
    """With its error and coverage."""
    other = Setup(open_model("llama-3.3-70b"), gpu("h100"), "fp8", tensor=2)
    rows = [held(SETUPS[0], 0.01, fold="0")] * 10 + [held(other, math.log(1.5), fold="1")] * 10
    assert worst(rows, model_of) == pytest.approx(("llama-3.1-70b", 0.5, 0.0))


def test_an_octave_adds_what_far_rows_need() -> None:
    """Rows one octave out, 0.3 off where 0.1 is allowed for: √(0.3² − 0.1²); rows inside need none."""
    rows = [held(SETUPS[0], 0.3)] * 10
    assert octave(rows, [1.0] * 10, 1.0) == pytest.approx(math.sqrt(0.08))
    assert octave([held(SETUPS[0], 0.05)] * 10, [1.0] * 10, 1.0) == 0
