"""The event-skipping replica: the same schedule as step by step, in one call or in many."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.capacity.batching import NEXT, NOT_YET, Blocks, Pace, Queue, advance, fresh_batch
from baseload.capacity.replica import EventKind, Replica
from baseload.capacity.timeline import Chains, Requests, Timeline, timeline
from baseload.core import StepTime
from baseload.errors import UsageError
from tests.capacity.reference import simulate

NO_BLOCKS = Blocks([], [], [], [], 1, 0)
ROOM = 120


@st.composite
def queues(draw: st.DrawFn) -> Requests:
    """A few requests in a room so small that they wait, are preempted, and share blocks."""
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 30), st.integers(1, 70), st.integers(1, 40), st.integers(0, 60)),
            min_size=1,
            max_size=20,
        )
    )
    gap, prompt, output, cached = (np.array(column) for column in zip(*rows, strict=True))
    arrival_s = np.cumsum(gap + 0.0137)
    chains = None
    if draw(st.booleans()):
        counts = prompt // 8
        ids = [block for many in counts for block in draw(st.sampled_from([range(9), range(9, 18)]))[:many]]
        chains = Chains(np.concatenate([[0], np.cumsum(counts)]), np.array(ids, dtype=np.int64), 18, 8)
    return Requests(arrival_s, prompt, output, np.minimum(cached, prompt - 1), chains)


steps = st.builds(
    StepTime,
    base_s=st.just(1.0),
    per_sequence_s=st.just(0.1),
    per_kv_token_s=st.sampled_from([0.0, 0.001]),
    per_prefill_token_s=st.just(0.01),
    kv_tokens=st.just(ROOM),
    max_sequences=st.integers(1, 6),
)


@settings(max_examples=300)
@given(queues(), steps, st.integers(1, 64))
def test_skipping_changes_no_time(requests: Requests, step: StepTime, chunk: int) -> None:
    """Every first token and every end comes when the iteration-level reference says, preemption, chunks and
    prefix cache included."""
    found = timeline(step, requests, chunk_tokens=chunk, compiled=False)
    first_s, end_s = simulate(step, requests, chunk)
    np.testing.assert_allclose(found.first_s, first_s, rtol=1e-9)
    np.testing.assert_allclose(found.end_s, end_s, rtol=1e-9)


@settings(max_examples=100)
@given(queues(), steps, st.integers(1, 64))
def test_a_twin_and_a_replay_keep_the_same_schedule(requests: Requests, step: StepTime, chunk: int) -> None:
    """The replica that twins run, token by token, and the one of replays agree."""
    replica = Replica(step, chunk_tokens=chunk)
    for i in range(len(requests)):
        replica.submit(
            float(requests.arrival_s[i]),
            str(i),
            int(requests.input_tokens[i]),
            int(requests.output_tokens[i]),
            int(requests.cached_tokens[i]),
        )
    events = replica.advance(math.inf)
    plain = Requests(
        requests.arrival_s, requests.input_tokens, requests.output_tokens, requests.cached_tokens
    )
    found = timeline(step, plain, chunk_tokens=chunk, compiled=False)
    first = {event.id: event.time_s for event in events if event.kind is EventKind.FIRST_TOKEN}
    end = {event.id: event.time_s for event in events if event.kind is EventKind.FINISHED}
    for i in range(len(requests)):
        assert found.first_s[i] == pytest.approx(first[str(i)], rel=1e-9)
        assert found.end_s[i] == pytest.approx(end[str(i)], rel=1e-9)
    assert found.preemptions == replica.preemptions


@settings(max_examples=150)
@given(queues(), steps, st.integers(1, 64), st.lists(st.floats(0.0, 40.0), max_size=30))
def test_stopping_anywhere_changes_nothing(
    requests: Requests, step: StepTime, chunk: int, stops: list[float]
) -> None:
    """A replica told its requests one by one, and asked in between, ends like one that knew them all; it
    never runs ahead of the clock, and says when something happens next."""
    plain = Requests(
        requests.arrival_s, requests.input_tokens, requests.output_tokens, requests.cached_tokens
    )
    whole = timeline(step, plain, chunk_tokens=chunk, compiled=False)
    queue, batch, pace = Queue([], [], [], [], [], [], [], []), fresh_batch(), Pace.of(step, chunk)
    waits = iter(stops)
    prompt, output, cached = requests.input_tokens, requests.output_tokens, requests.cached_tokens
    for i in range(len(requests)):
        now_s = float(requests.arrival_s[i])
        advance(pace, queue, NO_BLOCKS, batch, now_s)
        row = (now_s, *(int(column[i]) for column in (prompt, output, cached)), 0, NOT_YET, NOT_YET, 0)
        for column, value in zip(queue, row, strict=True):
            column.append(value)  # type: ignore[attr-defined]
        advance(pace, queue, NO_BLOCKS, batch, now_s)
        later_s = now_s + next(waits, 0.0)
        if i + 1 < len(requests):
            later_s = min(later_s, float(requests.arrival_s[i + 1]))
        advance(pace, queue, NO_BLOCKS, batch, later_s)
        assert batch.clock[NEXT] > later_s
        assert max(queue.end_s) <= later_s
    advance(pace, queue, NO_BLOCKS, batch, math.inf)
    np.testing.assert_allclose(queue.first_s, whole.first_s, rtol=1e-9)
    np.testing.assert_allclose(queue.end_s, whole.end_s, rtol=1e-9)


@settings(max_examples=60)
@given(queues(), steps, st.integers(1, 64))
def test_numba_gives_the_same_bits(requests: Requests, step: StepTime, chunk: int) -> None:
    """Compiled or plain, times and cached tokens are equal, not merely close."""
    plain = timeline(step, requests, chunk_tokens=chunk, compiled=False)
    fast = timeline(step, requests, chunk_tokens=chunk, compiled=True)
    assert_same(plain, fast)


def test_numba_gives_the_same_bits_at_length() -> None:
    """Twenty thousand requests at the edge of saturation: equal to the last bit."""
    random = np.random.default_rng(7)
    count = 20_000
    requests = Requests(
        np.cumsum(random.exponential(0.12, count)),
        np.clip(random.lognormal(6.5, 0.9, count), 1, 8000).astype(np.int64),
        np.clip(random.lognormal(5.0, 0.8, count), 1, 2000).astype(np.int64),
        np.zeros(count, np.int64),
    )
    step = StepTime(0.0166, 4.08e-5, 5.81e-8, 6.87e-5, kv_tokens=60_000, max_sequences=256)
    plain = timeline(step, requests, compiled=False)
    fast = timeline(step, requests, compiled=True)
    assert plain.preemptions > 0
    assert_same(plain, fast)


def test_without_numba_only_those_who_insist_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing asked for: plain Python; compiled asked for: an error that says what to install."""
    monkeypatch.setattr("baseload.capacity.timeline._has_numba", lambda: False)
    step = StepTime(1.0, 0.1, 0.0, 0.01, kv_tokens=100, max_sequences=2)
    one = Requests(np.array([0.0]), np.array([10]), np.array([2]), np.zeros(1, np.int64))
    assert timeline(step, one).end_s[0] == pytest.approx(2.3)
    with pytest.raises(UsageError, match="numba is not installed"):
        timeline(step, one, compiled=True)


def assert_same(plain: Timeline, fast: Timeline) -> None:
    """Equal in every figure."""
    assert (plain.first_s == fast.first_s).all()
    assert (plain.end_s == fast.end_s).all()
    assert (plain.cached_tokens == fast.cached_tokens).all()
    assert (plain.preemptions, plain.steps) == (fast.preemptions, fast.steps)


def test_a_request_beyond_the_room_never_runs() -> None:
    """It has no times; those around it run as if it had not come."""
    step = StepTime(1.0, 0.1, 0.0, 0.01, kv_tokens=100, max_sequences=2)
    requests = Requests(np.array([0.0, 0.5]), np.array([90, 10]), np.array([11, 3]), np.zeros(2, np.int64))
    found = timeline(step, requests, compiled=False)
    assert np.isnan(found.first_s[0])
    assert found.first_s[1] == pytest.approx(1.7)
    assert found.end_s[1] == pytest.approx(3.9)


def test_a_shared_beginning_is_prefilled_once() -> None:
    """The second prompt of the same 40 tokens computes its last one only; a third with another ending its own
    two blocks."""
    step = StepTime(1.0, 0.0, 0.0, 0.01, kv_tokens=1000, max_sequences=2)
    chains = Chains(np.array([0, 5, 10, 15]), np.array([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 5, 6]), 7, 8)
    requests = Requests(
        np.array([0.0, 10.0, 20.0]), np.full(3, 40), np.ones(3, np.int64), np.zeros(3, np.int64), chains
    )
    found = timeline(step, requests, compiled=False)
    assert found.cached_tokens.tolist() == [0, 39, 24]
    np.testing.assert_allclose(found.first_s - requests.arrival_s, [1.40, 1.01, 1.16])
