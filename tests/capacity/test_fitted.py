"""TPOT of any setup: what is measured speaks, what is not gets a wider interval, anchors shift it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from baseload.capacity.fitted import Anchor, Novelty, fitted, solve
from baseload.capacity.levels import family
from baseload.capacity.terms import TERMS, Load, Setup, terms
from baseload.catalog.gpus import gpu, gpus
from baseload.catalog.models import open_model, open_models
from baseload.errors import UsageError

LLAMA, H100 = open_model("llama-3.3-70b"), gpu("h100")
SEEN = Setup(LLAMA, H100, "fp8", tensor=2)
LOAD = Load(16, 1024, 1024)


def test_a_measured_point_is_met() -> None:
    """64 requests of 1,024/1,024 on two H100s were measured at 28.8 ms; the interval holds it."""
    found = fitted().estimate(SEEN, Load(64, 1024, 1024))
    assert found.low_s < 0.0288 < found.high_s
    assert found.novelty is Novelty.MEASURED
    assert found.rows > 0


def test_what_is_not_measured_is_named_and_less_sure() -> None:
    """Configuration, GPU, model, neither: each says so, and every interval is wider than a measured one."""
    other = open_model("mixtral-8x22b")
    cases = {
        Novelty.CONFIGURATION: replace(SEEN, tensor=4),
        Novelty.GPU: replace(SEEN, gpu=gpu("l40s"), tensor=8),
        Novelty.MODEL: replace(SEEN, model=other),
        Novelty.BOTH: replace(SEEN, model=other, gpu=gpu("a100")),
    }
    measured = fitted().estimate(SEEN, LOAD)
    for novelty, setup in cases.items():
        found = fitted().estimate(setup, LOAD)
        assert found.novelty is novelty
        assert found.error > measured.error
        assert found.low_s < found.tpot_s < found.high_s


def test_an_anchor_moves_the_answer_to_it_and_narrows_it() -> None:
    """One point twice as slow on an unmeasured model: there, most of the way; elsewhere, the same way."""
    setup = Setup(open_model("mixtral-8x22b"), H100, "fp8", tensor=4)
    before = fitted().estimate(setup, LOAD)
    anchor = Anchor(LOAD, 2 * before.tpot_s)
    at = fitted().estimate(setup, LOAD, [anchor])
    assert at.tpot_s == pytest.approx(2 * before.tpot_s, rel=0.1)
    assert at.error < before.error
    elsewhere = Load(64, 1024, 256)
    moved = fitted().estimate(setup, elsewhere, [anchor])
    assert moved.tpot_s > 1.4 * fitted().estimate(setup, elsewhere).tpot_s


def test_an_anchor_that_agrees_changes_nothing_but_the_width() -> None:
    """The same value, surer."""
    setup = Setup(open_model("mixtral-8x22b"), H100, "fp8", tensor=4)
    before = fitted().estimate(setup, LOAD)
    after = fitted().estimate(setup, LOAD, [Anchor(LOAD, before.tpot_s)])
    assert after.tpot_s == pytest.approx(before.tpot_s)
    assert after.error < before.error


def test_what_is_no_load_is_refused() -> None:
    """Zero requests, or a TPOT that is none."""
    with pytest.raises(UsageError, match="number of requests"):
        fitted().estimate(SEEN, Load(0, 1024, 1024))
    with pytest.raises(UsageError, match="no measurement"):
        fitted().estimate(SEEN, LOAD, [Anchor(LOAD, 0.0)])


def test_not_knowing_about_speculation_widens_the_interval() -> None:
    """Likely or not: between the two answers, and less sure than either."""
    setup = Setup(open_model("deepseek-v3"), gpu("b200"), "fp8", "trtllm", tensor=8, expert=8)
    off, maybe, on = (fitted().estimate(replace(setup, speculative=share), LOAD) for share in (0.0, 0.4, 1.0))
    assert on.tpot_s < maybe.tpot_s < off.tpot_s
    assert maybe.error > 1.5 * max(on.error, off.error)


def test_one_network_is_one_family() -> None:
    """Llama 3.3 70B is 3.1's network, R1 is V3's; Kimi K2.5, though of the same form, is its own."""
    assert family(LLAMA) == "llama-3.1-70b"
    assert family(open_model("deepseek-r1")) == "deepseek-v3"
    assert family(open_model("kimi-k2.5")) != "deepseek-v3"


@given(
    st.sampled_from(open_models()),
    st.sampled_from(gpus()),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 1024),
    st.integers(16, 32_768),
    st.integers(2, 8192),
)
def test_every_term_is_a_time_and_grows_with_load(model, board, tensor, concurrency, read, made) -> None:  # type: ignore[no-untyped-def]
    """No term is negative; twice the requests take no term away."""
    setup = Setup(model, board, "bf16", tensor=tensor)
    one = terms(setup, Load(concurrency, read, made))
    two = terms(setup, Load(2 * concurrency, read, made))
    assert len(one) == len(TERMS)
    assert min(one) >= 0
    assert all(more >= less for less, more in zip(one, two, strict=True))


def test_small_systems_are_solved() -> None:
    """Also where the first pivot is zero."""
    assert solve([[0.0, 2.0], [1.0, 1.0]], [4.0, 5.0]) == pytest.approx([3.0, 2.0])
