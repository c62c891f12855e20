"""TPOT of any setup: what is measured speaks, what is not gets a wider interval, anchors shift it."""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace

from baseload.capacity.anchors import Anchor
from baseload.capacity.fitted import KNOWN_ROWS, Effect, Novelty, fitted
from baseload.capacity.steptime import measured_table
from baseload.capacity.terms import Load, Setup
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
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
    """Configuration, precision, GPU, model, several, maker: each says so, and is less sure than measured."""
    other = open_model("mixtral-8x22b")
    cases = {
        Novelty.CONFIGURATION: replace(SEEN, tensor=4),
        Novelty.PRECISION: replace(SEEN, precision="int8", tensor=4),
        Novelty.GPU: replace(SEEN, gpu=gpu("l40s"), tensor=8),
        Novelty.MODEL: replace(SEEN, model=other),
        Novelty.SEVERAL: replace(SEEN, model=other, gpu=gpu("a100")),
        Novelty.MAKER: replace(SEEN, gpu=gpu("mi300x")),
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


def test_a_precision_nobody_measured_is_less_sure_than_one_that_was() -> None:
    """Weights in int8 that no row has, in int4 that one other model has: wider than fp8 on the same GPUs."""
    known = fitted().estimate(replace(SEEN, tensor=4), LOAD)
    for precision in ("int8", "int4"):
        found = fitted().estimate(replace(SEEN, tensor=4, precision=precision), LOAD)
        assert found.novelty is Novelty.PRECISION
        assert found.error > 1.5 * known.error
    kimi = Setup(open_model("kimi-k2"), gpu("h100"), "int4", tensor=8)
    assert fitted().novelty(kimi) is not Novelty.PRECISION


def test_a_maker_nobody_measured_is_the_least_sure() -> None:
    """No row is from AMD: wider than any NVIDIA GPU without rows, whatever else is known."""
    maker = fitted().estimate(replace(SEEN, gpu=gpu("mi300x")), LOAD)
    assert maker.novelty is Novelty.MAKER
    assert all(
        maker.error > fitted().estimate(replace(SEEN, gpu=gpu(board)), LOAD).error
        for board in ("a100", "gb200", "gb300")
    )


def test_a_few_rows_make_nothing_known() -> None:
    """GB200 has two rows in the sample: it counts as not measured, and with KNOWN_ROWS it would."""
    setup = replace(SEEN, gpu=gpu("gb200"))
    assert 0 < fitted().effects["gpu", "GB200"].rows < KNOWN_ROWS
    assert fitted().novelty(setup) is Novelty.GPU
    more = {
        **fitted().effects,
        ("gpu", "GB200"): Effect(KNOWN_ROWS, fitted().effects["gpu", "GB200"].weights),
    }
    assert replace(fitted(), effects=more).novelty(setup) is Novelty.CONFIGURATION


def test_where_nobody_says_the_share_of_the_measured_runs_is_taken() -> None:
    """DeepSeek on TensorRT-LLM: some of its rows guessed ahead; a model none of whose rows did: never."""
    setup = Setup(open_model("deepseek-v3"), gpu("b200"), "fp8", "trtllm", tensor=8, expert=8)
    assert 0.2 < fitted().guessing(setup) < 0.8
    assert fitted().guessing(replace(setup, engine="vllm")) == 0
    assert fitted().guessing(SEEN) == 0
    assert fitted().guessing(replace(SEEN, speculative=1.0)) == 1
    off, unsaid, on = (fitted().estimate(replace(setup, speculative=said), LOAD) for said in (0.0, None, 1.0))
    assert on.tpot_s < unsaid.tpot_s < off.tpot_s
    assert unsaid.error > 1.5 * max(on.error, off.error)


def test_an_answer_of_one_token_has_no_tpot() -> None:
    """It is refused with what to ask, and so is an anchor of such answers."""
    with pytest.raises(UsageError, match="no time per output token"):
        fitted().estimate(SEEN, Load(16, 1024, 1))
    with pytest.raises(UsageError, match="no time per output token"):
        fitted().estimate(SEEN, LOAD, [Anchor(Load(16, 1024, 1), 0.02)])


def test_tpot_hardly_falls_as_load_grows() -> None:
    """Twice the requests at once: at most 5% less, for every shipped setup and usual shape."""
    for model, board, precision, engine, tensor, data, expert in measured_table():
        setup = Setup(open_model(model), gpu(board), precision, engine, tensor, data, expert)
        for read, made in ((1024, 1024), (8192, 1024), (128, 128)):
            times = [fitted().log_tpot(setup, Load(2**octave, read, made)) for octave in range(10)]
            assert all(later > earlier - 0.05 for earlier, later in itertools.pairwise(times))
