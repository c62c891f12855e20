"""One replica's continuous batching: hand-computed schedules, and what holds for any."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.capacity.replica import Event, EventKind, Replica
from baseload.core import StepTime
from baseload.errors import UsageError

# A step takes 1 s, plus 0.1 s a sequence, plus 0.01 s a prompt token; KV costs no time.
STEP = StepTime(1.0, 0.1, 0.0, 0.01, kv_tokens=100, max_sequences=2)
FIRST, MORE, END = EventKind.FIRST_TOKEN, EventKind.TOKENS, EventKind.FINISHED


def rounded(events: list[Event]) -> list[tuple[float, str, EventKind, int]]:
    """Events with times to the microsecond."""
    return [(round(event.time_s, 6), *event[1:]) for event in events]


def test_one_request_alone() -> None:
    """Ten prompt tokens take a step of 1.2 s, each further token one of 1.1 s; the end follows the last."""
    replica = Replica(STEP)
    replica.submit(5.0, "a", 10, 3)
    assert replica.next_event_s() == pytest.approx(6.2)
    assert rounded(replica.advance(100)) == [
        (6.2, "a", FIRST, 1),
        (7.3, "a", MORE, 1),
        (8.4, "a", MORE, 1),
        (8.4, "a", END, 0),
    ]
    assert (replica.running, replica.waiting, replica.kv_use) == (0, 0, 0.0)
    assert replica.next_event_s() is None


def test_a_second_joins_at_the_next_step_and_slows_the_first() -> None:
    """A request that comes mid-step is prefilled in the step after it; that step carries both."""
    replica = Replica(STEP)
    replica.submit(0.0, "a", 10, 3)
    replica.submit(0.5, "b", 20, 2)
    assert rounded(replica.advance(100)) == [
        (1.2, "a", FIRST, 1),
        (2.6, "a", MORE, 1),  # 1 + 2 · 0.1 + 20 · 0.01
        (2.6, "b", FIRST, 1),
        (3.8, "a", MORE, 1),
        (3.8, "a", END, 0),
        (3.8, "b", MORE, 1),
        (3.8, "b", END, 0),
    ]


def test_the_third_waits_for_a_slot() -> None:
    """With two sequence slots the third request is admitted once one of the two has finished."""
    replica = Replica(STEP)
    for name in "abc":
        replica.submit(0.0, name, 10, 2)
    replica.advance(0.1)
    assert (replica.running, replica.waiting, replica.waiting_tokens) == (1, 2, 20)
    first = {event.id: event.time_s for event in replica.advance(100) if event.kind is FIRST}
    assert first["a"] < first["b"] < first["c"]


def test_a_prompt_that_does_not_fit_holds_up_those_behind_it() -> None:
    """Admission is in order: a small request does not pass a large one that waits for KV room."""
    replica = Replica(STEP)
    replica.submit(0.0, "large", 60, 5)
    replica.submit(0.0, "larger", 70, 1)
    replica.submit(0.0, "small", 1, 1)
    ends = [event.id for event in replica.advance(1000) if event.kind is END]
    assert ends == ["large", "larger", "small"]


def test_long_prompts_are_prefilled_in_chunks() -> None:
    """A prompt of 25 in chunks of 10 takes three steps; its cached tokens take none."""
    replica = Replica(STEP, chunk_tokens=10)
    replica.submit(0.0, "a", 25, 1)
    assert rounded(replica.advance(100))[0] == (3.55, "a", FIRST, 1)
    replica.submit(100.0, "b", 25, 1, cached_tokens=20)
    assert rounded(replica.advance(200))[0] == (101.15, "b", FIRST, 1)


def test_the_youngest_is_preempted_when_kv_runs_out() -> None:
    """Two that outgrow the room together: the younger goes back, is computed again, and still ends whole."""
    replica = Replica(STEP)
    replica.submit(0.0, "a", 40, 30)
    replica.submit(0.0, "b", 40, 30)
    tokens: dict[str, int] = defaultdict(int)
    for event in replica.advance(1000):
        tokens[event.id] += event.tokens
    assert replica.preemptions == 1
    assert dict(tokens) == {"a": 30, "b": 30}


def test_cancel_frees_at_once_and_says_what_was_produced() -> None:
    """A cancelled request leaves no events; its slot goes to the next one in line."""
    replica = Replica(STEP)
    replica.submit(0.0, "a", 10, 50)
    replica.submit(0.0, "b", 10, 50)
    replica.submit(0.0, "c", 10, 1)
    events = replica.advance(5.0)
    made = sum(event.tokens for event in events if event.id == "a")
    assert replica.cancel(5.0, "a") == made
    assert replica.cancel(5.0, "a") is None
    later = replica.advance(100.0)
    assert {event.id for event in later} == {"b", "c"}


def test_cancel_of_a_waiting_request_takes_its_tokens_off_the_queue() -> None:
    """A request cancelled before admission was never produced and waits no longer."""
    replica = Replica(STEP)
    for name in "abc":
        replica.submit(0.0, name, 10, 5)
    assert replica.cancel(0.1, "c") == 0
    assert (replica.waiting, replica.waiting_tokens) == (1, 10)


def test_what_can_never_run_is_refused() -> None:
    """A request above the KV room, without tokens, or with an id in use is refused at once."""
    replica = Replica(STEP)
    with pytest.raises(UsageError, match="exceed the KV room of 100"):
        replica.submit(0.0, "a", 90, 11)
    with pytest.raises(UsageError, match="at least one"):
        replica.submit(0.0, "a", 0, 5)
    replica.submit(0.0, "a", 10, 5)
    with pytest.raises(UsageError, match="already here"):
        replica.submit(0.0, "a", 10, 5)


REQUESTS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 60), st.integers(1, 40), st.integers(0, 60)),
    min_size=1,
    max_size=15,
)


@settings(max_examples=150)
@given(requests=REQUESTS, slots=st.integers(1, 5), chunk=st.integers(1, 64))
def test_every_request_gets_exactly_its_tokens(
    requests: list[tuple[int, int, int, int]], slots: int, chunk: int
) -> None:
    """Whatever comes: each request ends once with its own number of tokens, in order of time; KV never
    exceeds the room; first tokens come in the order of arrival as long as nothing is preempted."""
    replica = Replica(StepTime(1.0, 0.1, 0.001, 0.01, 100, slots), chunk_tokens=chunk)
    events: list[Event] = []
    now_s = 0.0
    for number, (gap, prompt, output, cached) in enumerate(requests):
        now_s += gap
        events += replica.advance(now_s)
        replica.submit(now_s, str(number), prompt, output, cached)
        assert replica.held_tokens <= 100
        assert replica.running <= slots
    while (next_s := replica.next_event_s()) is not None:
        events += replica.advance(next_s)
        assert 0 <= replica.held_tokens <= 100
    made: dict[str, int] = defaultdict(int)
    for event in events:
        made[event.id] += event.tokens
    assert dict(made) == {str(number): request[2] for number, request in enumerate(requests)}
    ends = [event.id for event in events if event.kind is END]
    assert sorted(ends, key=int) == [str(number) for number in range(len(requests))]
    assert [event.time_s for event in events] == sorted(event.time_s for event in events)
    if not replica.preemptions:
        assert [event.id for event in events if event.kind is FIRST] == [
            str(number) for number in range(len(requests))
        ]
    assert (replica.held_tokens, replica.running, replica.waiting, replica.waiting_tokens) == (0, 0, 0, 0)
