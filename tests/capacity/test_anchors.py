"""What a user's own points change: they shift, they narrow, and where they contradict they widen."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from baseload.capacity.anchors import CONTRADICTS, Anchor, condition, covariance, solve
from baseload.capacity.first_token import first_token
from baseload.capacity.fitted import fitted
from baseload.capacity.levels import LEVELS
from baseload.capacity.terms import Load, Setup
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.errors import UsageError

LOAD = Load(16, 1024, 1024)
SEEN = Setup(open_model("llama-3.3-70b"), gpu("h100"), "fp8", tensor=2)
NEW = Setup(open_model("mixtral-8x22b"), gpu("h100"), "fp8", tensor=4)


def test_small_systems_are_solved() -> None:
    """Also where the first pivot is zero."""
    assert solve([[0.0, 2.0], [1.0, 1.0]], [4.0, 5.0]) == pytest.approx([3.0, 2.0])


def test_without_anchors_nothing_is_shifted() -> None:
    """The prior's own variance is left."""
    assert condition(lambda one, other: 0.25, (1.0,), [], [], 0.1) == (0.0, 0.25, 0.0)


def test_one_anchor_shifts_by_its_share_of_the_variance() -> None:
    """Prior variance 0.09 and noise 0.1²: nine tenths of the way, and a tenth of the variance is left."""
    found = condition(lambda one, other: 0.09, (1.0,), [(1.0,)], [0.5], 0.1)
    assert found.shift == pytest.approx(0.45)
    assert found.variance == pytest.approx(0.009)
    assert found.scatter == pytest.approx(0.5 / math.sqrt(0.1))


@given(st.integers(0, 100), st.floats(0.02, 0.5))
def test_rows_leave_less_to_be_unsure_of(rows: int, noise: float) -> None:
    """Covariance of a load with itself is positive and falls as a group's rows grow."""
    one = (1.0, 0.3, 0.2)
    few, more = (covariance([(LEVELS[1], n)], one, one, noise) for n in (rows, rows + 1))
    assert 0 < more < few


def test_an_anchor_that_contradicts_widens_and_says_so() -> None:
    """A measured configuration, and a user who measured three times as much: less sure than before."""
    before = fitted().estimate(SEEN, LOAD)
    agrees = fitted().estimate(SEEN, LOAD, [Anchor(LOAD, before.tpot_s)])
    against = fitted().estimate(SEEN, LOAD, [Anchor(LOAD, 3 * before.tpot_s)])
    assert agrees.scatter < 1
    assert not agrees.contradicted
    assert against.contradicted
    assert against.error > 3 * before.error
    assert before.tpot_s < against.tpot_s < 3 * before.tpot_s
    assert against.low_s < before.tpot_s < 3 * before.tpot_s < against.high_s


def test_anchors_that_contradict_each_other_widen_too() -> None:
    """Half and double at one load, on a model nobody measured: the shift is nothing, the doubt is not."""
    before = fitted().estimate(NEW, LOAD)
    pair = [Anchor(LOAD, before.tpot_s / 2), Anchor(LOAD, before.tpot_s * 2)]
    found = fitted().estimate(NEW, LOAD, pair)
    assert found.tpot_s == pytest.approx(before.tpot_s)
    assert found.scatter > CONTRADICTS
    assert found.error > fitted().estimate(NEW, LOAD, [Anchor(LOAD, before.tpot_s)] * 2).error


def test_an_anchor_settles_whether_tokens_are_guessed_ahead() -> None:
    """DeepSeek on TensorRT-LLM, not said: a point as fast as with it moves other loads to that, surer."""
    setup = Setup(open_model("deepseek-v3"), gpu("b200"), "fp8", "trtllm", tensor=8, expert=8)
    on = replace(setup, speculative=1.0)
    point = Anchor(LOAD, fitted().estimate(on, LOAD).tpot_s)
    elsewhere = Load(64, 1024, 1024)
    before, after = fitted().estimate(setup, elsewhere), fitted().estimate(setup, elsewhere, [point])
    assert after.error < 0.7 * before.error
    assert after.tpot_s == pytest.approx(fitted().estimate(on, elsewhere).tpot_s, rel=0.08)


def test_an_anchor_shifts_ttft_where_it_was_measured() -> None:
    """Twice the TTFT moves it up at its own load and others; a point without TTFT leaves it alone."""
    before = first_token().estimate(NEW, LOAD)
    tpot_s = fitted().estimate(NEW, LOAD).tpot_s
    at = first_token().estimate(NEW, LOAD, [Anchor(LOAD, tpot_s, 2 * before.ttft_s)])
    assert 1.5 * before.ttft_s < at.ttft_s < 2.1 * before.ttft_s
    assert at.high_s / at.low_s < before.high_s / before.low_s
    there = Load(64, 1024, 512)
    moved = first_token().estimate(NEW, there, [Anchor(LOAD, tpot_s, 2 * before.ttft_s)])
    assert moved.ttft_s > 1.2 * first_token().estimate(NEW, there).ttft_s
    assert first_token().estimate(NEW, LOAD, [Anchor(LOAD, tpot_s)]) == before


def test_a_ttft_that_contradicts_widens() -> None:
    """A hundred times the measured configuration's."""
    before = first_token().estimate(SEEN, LOAD)
    found = first_token().estimate(SEEN, LOAD, [Anchor(LOAD, 0.02, 100 * before.ttft_s)])
    assert found.scatter > CONTRADICTS
    assert found.high_s / found.low_s > before.high_s / before.low_s


def test_a_ttft_that_is_none_is_refused() -> None:
    """Zero, or no number."""
    for wrong in (0.0, math.nan, math.inf):
        with pytest.raises(UsageError, match="TTFT of an anchor"):
            first_token().estimate(SEEN, LOAD, [Anchor(LOAD, 0.02, wrong)])
