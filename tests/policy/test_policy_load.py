"""A target's live counters, its engine's reports, its quota, and the reported saturation."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from baseload.core import Limits, Side, Slo, StepTime, Target, TokenPrice
from baseload.policy.health import State
from baseload.policy.load import (
    DEFAULT_CONCURRENCY,
    UNSEEN_INPUT_TOKENS,
    EngineReport,
    Saturation,
    TargetLoad,
)

STEP = StepTime(0.02, 5e-4, 1e-7, 1e-4, kv_tokens=100_000, max_sequences=64)
REPLICA = Target("a", Side.OWNED, "http://a", step=STEP)


def api(quota: Limits) -> Target:
    """A metered target with this quota."""
    return Target("m", Side.METERED, "http://m", price=TokenPrice(1, 1), quota=quota)


class Traffic(RuleBasedStateMachine):
    """Requests that begin, get their first token and end, in any order."""

    @initialize()
    def start(self) -> None:
        """An empty replica."""
        self.load = TargetLoad(REPLICA)
        self.waiting: list[tuple[int, int]] = []
        self.running: list[tuple[int, int]] = []

    @rule(input_tokens=st.integers(0, 10_000), output_tokens=st.integers(0, 5000))
    def begin(self, input_tokens: int, output_tokens: int) -> None:
        """A request is sent."""
        assert self.load.begin(input_tokens, output_tokens, 0.0) is False
        self.waiting.append((input_tokens, output_tokens))

    @precondition(lambda self: self.waiting)
    @rule()
    def first_token(self) -> None:
        """The oldest waiting one starts to answer."""
        request = self.waiting.pop(0)
        self.load.first_token(*request)
        self.running.append(request)

    @precondition(lambda self: self.waiting)
    @rule()
    def give_up(self) -> None:
        """The newest waiting one ends without an answer."""
        self.load.end(*self.waiting.pop(), started=False)

    @precondition(lambda self: self.running)
    @rule()
    def finish(self) -> None:
        """The oldest running one ends."""
        self.load.end(*self.running.pop(0), started=True)

    @invariant()
    def counters_are_the_sum_of_what_is_there(self) -> None:
        """Nothing leaks: every counter is exactly the sum over the requests that are there."""
        assert self.load.present(0.0) == (
            len(self.running),
            len(self.waiting),
            sum(input_tokens for input_tokens, _ in self.waiting),
            sum(input_tokens + output_tokens // 2 for input_tokens, output_tokens in self.running),
        )


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=40, stateful_step_count=40)


def loaded(running: int, waiting: int) -> TargetLoad:
    """A replica with requests of 100 and 50 tokens."""
    load = TargetLoad(REPLICA)
    for _ in range(running):
        load.begin(100, 50, 0.0)
        load.first_token(100, 50)
    for _ in range(waiting):
        load.begin(100, 50, 0.0)
    return load


def test_a_report_adds_only_what_others_put_there() -> None:
    """At the report's moment the counts are the larger of our own and the engine's; ours go on at once."""
    load = loaded(running=10, waiting=2)
    load.report(EngineReport(running=15, waiting=5, kv_use=0.5, at_s=100.0))
    assert load.present(101.0) == (15, 5, 200 + 3 * 100, 50_000)
    load.begin(100, 50, 101.0)
    assert load.present(101.0)[:2] == (15, 6)


def test_a_report_below_our_own_count_changes_nothing() -> None:
    """Our counts are ahead of a scrape: what waits here for a first token may already run there."""
    load = loaded(running=10, waiting=5)
    load.report(EngineReport(running=15, waiting=0, kv_use=0.001, at_s=100.0))
    assert load.present(101.0) == (10, 5, 500, 1250)


def test_a_stale_report_is_ignored() -> None:
    """After five seconds only our own counts hold."""
    load = loaded(running=1, waiting=0)
    load.report(EngineReport(running=50, waiting=9, kv_use=0.9, at_s=100.0))
    assert load.present(104.9) == (50, 9, 9 * UNSEEN_INPUT_TOKENS, 90_000)
    assert load.present(105.0) == (1, 0, 0, 125)


def test_quota_use_counts_estimates_and_settles_to_what_was_taken() -> None:
    """A request takes its estimate of the quota when sent, and its real tokens in the end."""
    load = TargetLoad(api(Limits(requests_per_minute=100, tokens_per_minute=10_000)))
    assert load.quota is not None
    load.begin(3000, 2000, 50.0)
    assert load.quota.use(50.0, 0, 1) == pytest.approx(0.5)
    load.settle(5000, 1000)
    assert load.quota.use(50.0, 0, 1) == pytest.approx(0.1)
    assert load.quota.use(50.0, 10_000, 1) > 1.0
    assert load.quota.wait_s(50.0, 10_000) == pytest.approx(6.0, abs=1e-3)


def test_concurrency_is_part_of_the_quota() -> None:
    """A credential that takes four requests at a time is full with four."""
    load = TargetLoad(api(Limits(concurrent=4)))
    assert load.quota is not None
    assert [load.quota.use(0.0, 1, n) for n in (0, 3, 4)] == [0.25, 1.0, 1.25]


def test_a_reload_keeps_counts_health_and_the_quotas_use() -> None:
    """New configuration, same target: what runs there still does, and the tokens taken stay taken."""
    load = TargetLoad(api(Limits(tokens_per_minute=10_000)))
    load.begin(4000, 1000, 50.0)
    load.health.refuse()
    load.apply(api(Limits(requests_per_minute=7, tokens_per_minute=20_000)), 50.0)
    assert load.in_flight == 1
    assert load.health.state is State.DEAD_CREDENTIAL
    assert load.quota is not None
    assert load.quota.use(50.0, 0, 1) == pytest.approx(0.25)
    load.apply(api(Limits()), 50.0)
    assert load.quota is None


def test_saturation_is_load_over_room() -> None:
    """Half of the sequences is 0.5; a full KV cache is 1; a metered target shows its quota's use."""
    assert loaded(32, 0).saturation(0.0) == 0.5
    load = TargetLoad(REPLICA)
    load.begin(100_000, 0, 0.0)
    assert load.saturation(0.0) == 1.0
    bare = TargetLoad(Target("b", Side.OWNED, "http://b"))
    bare.begin(1, 1, 0.0)
    assert bare.saturation(0.0) == 1 / DEFAULT_CONCURRENCY
    metered = TargetLoad(api(Limits(tokens_per_minute=1000)))
    metered.begin(200, 50, 0.0)
    assert metered.saturation(0.0) == pytest.approx(0.25)
    assert TargetLoad(api(Limits())).saturation(0.0) == 0.0


def test_saturation_against_a_promise_counts_the_slo_as_room() -> None:
    """A replica that still has sequences free but would break the SLO is full."""
    load = loaded(40, 0)
    assert load.saturation(0.0) < 1.0 < load.saturation(0.0, Slo(ttft_s=2.0, tpot_s=0.03))


def test_reported_saturation_has_hysteresis_and_dwell() -> None:
    """On at 1.0, off below 0.7, and no change within ten seconds of the last one."""
    state = Saturation()
    steps = [
        (0.0, 0.99, False),
        (1.0, 1.0, True),
        (5.0, 0.1, True),
        (10.9, 0.1, True),
        (11.0, 0.7, True),
        (12.0, 0.69, False),
        (13.0, 5.0, False),
        (22.0, 1.2, True),
    ]
    assert [state.update(saturation, now_s) for now_s, saturation, _ in steps] == [on for *_, on in steps]
