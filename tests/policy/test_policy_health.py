"""Ejection, half-open probes and dead credentials: the table and the thresholds around it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from baseload.policy.health import TRANSITIONS, Event, Health, State, diagram


def state(health: Health) -> State:
    """Its state, read anew (a type checker would remember the last one)."""
    return health.state


def ejected(now_s: float = 100.0, jitter: float = 0.0) -> Health:
    """A target just ejected by five failures."""
    health = Health()
    for _ in range(5):
        health.failure(now_s, jitter)
    return health


def test_five_failures_in_a_row_eject_for_thirty_seconds() -> None:
    """The fifth failure in a row ejects, the fourth does not, and a success between starts the count anew."""
    health = Health()
    for _ in range(4):
        health.failure(100.0, 0.0)
    health.success(100.0)
    for _ in range(4):
        health.failure(100.0, 0.0)
    assert state(health) is State.CLOSED
    health.failure(100.0, 0.0)
    assert state(health) is State.EJECTED
    assert health.shut_until_s == 130.0


@pytest.mark.parametrize(("failures", "expected"), [(4, State.CLOSED), (5, State.EJECTED)])
def test_less_than_eighty_percent_of_twenty_requests_ejects(failures: int, expected: State) -> None:
    """Of 20 requests within 30 s 16 successes are enough, 15 are not, though never five failed in a row."""
    health = Health()
    for _ in range(failures):
        for _ in range(20 // failures - 1):
            health.success(100.0)
        health.failure(100.0, 0.0)
    assert state(health) is expected


def test_the_window_forgets_after_thirty_seconds() -> None:
    """Failures of half a minute ago no longer count towards the share."""
    health = Health()
    for number in range(19):
        (health.success if number % 2 else lambda now_s: health.failure(now_s, 0.0))(100.0)
    for _ in range(30):
        health.success(131.0)
    health.failure(131.0, 0.0)
    assert state(health) is State.CLOSED


def test_ejections_grow_to_five_minutes_and_are_forgiven() -> None:
    """The n-th ejection in a row lasts n · 30 s, at most 300 s; calm minutes take n back."""
    health, now_s, lengths = Health(), 0.0, []
    for _ in range(12):
        for _ in range(5):
            health.failure(now_s, 0.0)
        lengths.append(health.shut_until_s - now_s)
        now_s = health.shut_until_s
        assert health.sent(131.0)
        health.success(now_s, probe=True)
    assert lengths == [30.0 * n for n in range(1, 11)] + [300.0, 300.0]
    now_s += 3600.0
    for _ in range(5):
        health.failure(now_s, 0.0)
    assert health.shut_until_s == now_s + 30.0


def test_jitter_adds_up_to_a_tenth() -> None:
    """Many gateways do not come back in the same instant: up to 10% longer, by the number passed in."""
    assert ejected(100.0, 0.5).shut_until_s == pytest.approx(131.5)


def test_one_probe_at_a_time() -> None:
    """After the ejection one request probes; until its result is known nothing else is sent."""
    health = ejected()
    assert health.sent(131.0) is True
    assert state(health) is State.HALF_OPEN
    assert health.shut_until_s == math.inf
    assert health.sent(131.0) is False
    health.success(131.0, probe=True)
    assert state(health) is State.CLOSED
    assert health.shut_until_s < 131.0


def test_a_failed_probe_ejects_for_longer() -> None:
    """A probe that fails ejects again at once, for one step more."""
    health = ejected()
    health.sent(131.0)
    health.failure(131.0, 0.0, probe=True)
    assert state(health) is State.EJECTED
    assert health.shut_until_s == 131.0 + 60.0


def test_a_lost_probe_leaves_the_next_request_to_probe() -> None:
    """A probe whose client went away says nothing: the target waits for the next one, not forever."""
    health = ejected()
    health.sent(131.0)
    health.lost(131.0, probe=True)
    assert state(health) is State.EJECTED
    assert health.shut_until_s == 131.0
    assert health.sent(131.0) is True


def test_results_of_requests_sent_before_the_ejection_change_nothing() -> None:
    """Late failures neither lengthen an ejection nor end a probe, and late successes do not end it."""
    health = ejected()
    health.failure(101.0, 0.0)
    health.success(101.0)
    assert (health.state, health.shut_until_s) == (State.EJECTED, 130.0)
    health.sent(131.0)
    health.failure(131.0, 0.0)
    assert state(health) is State.HALF_OPEN


def test_a_full_target_is_left_alone_but_never_ejected() -> None:
    """429, 529 and full queues shut it as long as it asks, and never count as failures."""
    health = Health()
    for number in range(100):
        health.full(100.0, 105.0 - number)
    assert state(health) is State.CLOSED
    assert health.shut_until_s == 105.0


def test_a_full_probe_is_a_living_target() -> None:
    """A probe that meets a full queue ends the ejection; the target's own time is honoured."""
    health = ejected()
    health.sent(131.0)
    health.full(131.0, 140.0, probe=True)
    assert state(health) is State.CLOSED
    assert health.shut_until_s == 140.0


def refused(now_s: float = 100.0) -> Health:
    """A target that refused our credential then."""
    health = Health()
    health.refuse(now_s)
    return health


def test_late_answers_bring_no_dead_credential_back_but_an_operator_does() -> None:
    """Answers and refusals of requests sent before change nothing; reviving opens the target at once."""
    health = refused()
    health.success(101.0)
    health.failure(101.0, 0.0)
    health.refuse(101.0)
    assert (state(health), health.shut_until_s) == (State.DEAD_CREDENTIAL, 160.0)
    health.revive(102.0)
    assert state(health) is State.CLOSED
    assert health.shut_until_s < 0.0


def test_a_dead_credential_is_probed_ever_more_rarely() -> None:
    """One real request after 60 s, then 120 s, up to 15 min; while it is out nothing else is sent."""
    health, now_s, pauses = refused(0.0), 0.0, []
    for _ in range(17):
        pauses.append(health.shut_until_s - now_s)
        now_s = health.shut_until_s
        assert health.sent(now_s) is True
        assert (state(health), health.shut_until_s) == (State.CREDENTIAL_PROBE, math.inf)
        assert health.sent(now_s) is False
        health.refuse(now_s)
        assert state(health) is State.DEAD_CREDENTIAL
    assert pauses == [60.0 * n for n in range(1, 16)] + [900.0, 900.0]


@pytest.mark.parametrize("full", [False, True])
def test_a_probe_that_is_not_refused_revives_a_dead_credential(full: bool) -> None:
    """An answer, or a full queue, shows that the credential lives; the next refusal counts from one again."""
    health = refused()
    for now_s in (160.0, 280.0):
        health.sent(now_s)
        if now_s == 160.0:
            health.refuse(now_s)
    if full:
        health.full(281.0, 285.0, probe=True)
    else:
        health.success(281.0, probe=True)
    assert state(health) is State.CLOSED
    health.refuse(300.0)
    assert health.shut_until_s == 360.0


def test_a_refusal_without_a_time_is_of_the_last_request() -> None:
    """The credential's pause then begins when the last request was sent."""
    health = Health()
    health.sent(100.0)
    health.refuse()
    assert health.shut_until_s == 160.0


def test_a_credential_probe_without_a_verdict_leaves_it_dead() -> None:
    """Lost: the next request probes. Trouble: another pause, of the same length, and no ejection."""
    health = refused()
    health.sent(160.0)
    health.lost(161.0, probe=True)
    assert (state(health), health.shut_until_s) == (State.DEAD_CREDENTIAL, 161.0)
    health.sent(162.0)
    health.failure(163.0, 0.5, probe=True)
    assert (state(health), health.shut_until_s) == (State.DEAD_CREDENTIAL, 223.0)
    assert health.ejections == 0
    assert not health.only_ejected(300.0)


@given(st.lists(st.sampled_from(Event), max_size=20))
def test_the_table_always_leads_back(events: list[Event]) -> None:
    """From every state that events lead to, reviving or a good probe leads back to service: no dead end."""
    state = State.CLOSED
    for event in events:
        state = TRANSITIONS.get((state, event), state)
    back = {
        State.EJECTED: (Event.PROBE_SENT, Event.PROBE_OK),
        State.HALF_OPEN: (Event.PROBE_OK,),
        State.DEAD_CREDENTIAL: (Event.PROBE_SENT, Event.PROBE_OK),
        State.CREDENTIAL_PROBE: (Event.PROBE_OK,),
        State.CLOSED: (),
    }
    for event in back[state]:
        state = TRANSITIONS[state, event]
    assert state is State.CLOSED


class Life(RuleBasedStateMachine):
    """Any order of requests and results, as a gateway would make them."""

    @initialize()
    def start(self) -> None:
        """A healthy target at time 0."""
        self.health, self.now_s, self.out = Health(), 0.0, list[bool]()

    @rule(gap_s=st.floats(0, 60))
    def wait(self, gap_s: float) -> None:
        """Time passes."""
        self.now_s += gap_s

    @precondition(lambda self: self.health.shut_until_s <= self.now_s)
    @rule(count=st.integers(1, 6))
    def send(self, count: int) -> None:
        """Requests go out while it is open."""
        for _ in range(count):
            if self.health.shut_until_s <= self.now_s:
                self.out.append(self.health.sent(self.now_s))

    @precondition(lambda self: self.out)
    @rule(result=st.sampled_from(["success", "failure", "full", "lost", "refuse"]), data=st.data())
    def finish(self, result: str, data: st.DataObject) -> None:
        """One of them ends."""
        probe = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        if result == "success":
            self.health.success(self.now_s, probe)
        elif result == "failure":
            self.health.failure(self.now_s, 0.99, probe)
        elif result == "full":
            self.health.full(self.now_s, self.now_s + 5.0, probe)
        elif result == "refuse":
            self.health.refuse(self.now_s)
        else:
            self.health.lost(self.now_s, probe)

    @invariant()
    def at_most_one_probe_and_no_state_without_end(self) -> None:
        """Where nothing is sent without end a probe is out; every other state ends by itself in 15 min."""
        if self.health.state in (State.HALF_OPEN, State.CREDENTIAL_PROBE):
            assert any(self.out)
        else:
            assert self.health.shut_until_s <= self.now_s + 900.0


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40)


def test_the_diagram_shows_every_transition() -> None:
    """The docs' diagram is made from the table: one arrow each."""
    assert diagram().count("-->") == len(TRANSITIONS) + 1
