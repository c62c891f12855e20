"""Admission limits: what GCRA admits, all or none, refusals that say whose limit it was, headers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.core import Limits
from baseload.errors import CONCURRENCY_LIMITED, RATE_LIMITED, TOO_LARGE_FOR_LIMIT, RequestError
from baseload.policy.limits import (
    Gcra,
    Limiter,
    Party,
    duration,
    request_burst,
    whole_minute,
)

gaps = st.lists(st.tuples(st.floats(0, 30), st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=60)


def admitted(gcra: Gcra, arrivals: list[tuple[float, int, int]], start_s: float) -> list[tuple[float, int]]:
    """(time, net units) of what the limit let through; each arrival gives a part of the last one back."""
    now_s, taken = start_s, []
    last = 0
    for gap_s, n, unused in arrivals:
        now_s += gap_s
        back = min(unused, last)
        gcra.give_back(back)
        taken.append((now_s, -back))
        last = 0
        if gcra.wait_s(now_s, n) == 0.0:
            gcra.take(now_s, n)
            taken.append((now_s, n))
            last = n
    return taken


@given(arrivals=gaps, per_minute=st.integers(1, 5000), burst=st.integers(1, 200), start_s=st.floats(0, 1e6))
def test_no_window_admits_more_than_rate_and_burst(
    arrivals: list[tuple[float, int, int]], per_minute: int, burst: int, start_s: float
) -> None:
    """Whatever arrives, in every window of w seconds at most rate·w + burst goes through (net of refunds)."""
    taken = admitted(Gcra(per_minute, burst), arrivals, start_s)
    for i, (first_s, _) in enumerate(taken):
        total = 0
        for now_s, n in taken[i:]:
            total += n
            assert total <= per_minute / 60 * (now_s - first_s) + burst + 1e-3


@given(per_minute=st.integers(1, 100_000), burst=st.integers(1, 1000))
def test_a_saturated_limit_admits_its_rate(per_minute: int, burst: int) -> None:
    """A client that always comes back exactly when told gets at least 99% of the rate."""
    gcra = Gcra(per_minute, burst)
    now_s, count = 1000.0, 0
    for _ in range(500):
        now_s += gcra.wait_s(now_s)
        assert gcra.wait_s(now_s) == 0.0  # Retry-After obeyed: admitted at the first try
        gcra.take(now_s)
        count += 1
    elapsed_s = now_s - 1000.0
    assert count >= 0.99 * (per_minute / 60 * elapsed_s + min(burst, 500))


@given(
    st.lists(st.tuples(st.floats(0, 10), st.integers(1, 50)), max_size=30),
    st.integers(10, 5000),
    st.integers(10, 5000),
)
def test_a_changed_limit_keeps_what_is_in_use(
    arrivals: list[tuple[float, int]], before: int, after: int
) -> None:
    """Units taken before a reload are still taken after it, and the rest of the new burst is free."""
    gcra, now_s = Gcra(before, before), 5.0
    for gap_s, n in arrivals:
        now_s += gap_s
        if gcra.wait_s(now_s, n) == 0.0:
            gcra.take(now_s, n)
    used = gcra.use(now_s) * before
    gcra.rescale(now_s, after, after)
    assert math.isclose(used, gcra.use(now_s) * after, abs_tol=1e-6)


def test_more_than_the_burst_never_passes() -> None:
    """A request larger than the burst waits forever; one as large as the burst passes when all is there."""
    gcra = Gcra(60, 10)
    assert math.inf == gcra.wait_s(0.0, 11)
    assert gcra.wait_s(0.0, 10) == 0.0


def test_remaining_and_reset_follow_what_is_taken() -> None:
    """What remains counts down with each unit and comes back with the rate."""
    gcra = Gcra(60, 10)
    assert gcra.remaining(7.0) == 10
    gcra.take(7.0, 4)
    assert gcra.remaining(7.0) == 6
    assert gcra.reset_s(7.0) == 4.0
    assert gcra.remaining(9.0) == 8
    assert gcra.remaining(100.0) == 10
    assert gcra.reset_s(100.0) == 0.0


@pytest.mark.parametrize(("per_minute", "burst"), [(0, 1), (-1, 1), (60, 0.5)])
def test_a_limit_without_rate_or_burst_is_refused(per_minute: float, burst: float) -> None:
    """A limit that could never admit anything is an error, not a silent stop."""
    with pytest.raises(ValueError, match="positive rate"):
        Gcra(per_minute, burst)


def test_default_bursts() -> None:
    """Ten seconds' worth of requests but at least one; tokens up to the whole minute."""
    assert request_burst(600) == 100
    assert request_burst(2) == 1
    assert whole_minute(400_000) == 400_000


def key(limits: Limits, name: str = "k1") -> Party:
    """A key with these limits."""
    return Party("key", name, limits)


def refused(limiter: Limiter, parties: list[Party], tokens: int, now_s: float) -> RequestError:
    """The refusal of one more request."""
    with pytest.raises(RequestError) as caught:
        limiter.gate(parties, now_s).admit(tokens, now_s)
    return caught.value


def test_a_refusal_takes_nothing_from_any_limit() -> None:
    """All or none: what one party's limit refuses leaves the other parties' limits untouched."""
    limiter = Limiter()
    tight = Party("tenant", "shop", Limits(requests_per_minute=1))
    wide = key(Limits(requests_per_minute=60, tokens_per_minute=1000, concurrent=5))
    gate = limiter.gate([wide, tight], 0.0)
    gate.admit(10, 0.0)
    before = gate.headers(0.0)
    error = refused(limiter, [wide, tight], 10, 0.0)
    assert error.fault is RATE_LIMITED
    assert "tenant 'shop': 1 requests per minute" in error.message
    assert error.retry_after_s == pytest.approx(60.0)
    assert gate.headers(0.0) == before
    assert limiter.gate([wide], 0.0).meters[0].running == 1


def test_retry_after_is_the_longest_of_all_limits() -> None:
    """The time told is the one after which the same request passes every limit."""
    limiter = Limiter()
    parties = [key(Limits(requests_per_minute=6)), Party("model", "chat", Limits(tokens_per_minute=600))]
    limiter.gate(parties, 0.0).admit(600, 0.0)
    error = refused(limiter, parties, 300, 0.0)
    assert error.retry_after_s is not None
    assert error.retry_after_s == pytest.approx(30.0, abs=1e-3)
    assert "model 'chat': 600 tokens per minute" in error.message
    limiter.gate(parties, 0.0).admit(300, error.retry_after_s)


def test_a_request_larger_than_the_limit_is_told_so() -> None:
    """Waiting cannot help a request larger than the whole limit: refused for good, without Retry-After."""
    error = refused(Limiter(), [key(Limits(tokens_per_minute=100))], 101, 0.0)
    assert error.fault is TOO_LARGE_FOR_LIMIT
    assert error.retry_after_s is None
    assert "needs 101 tokens, the limit is 100 tokens per minute" in error.message


def test_concurrency_counts_grants_until_they_are_released() -> None:
    """As many requests at a time as the limit says; a release lets the next one in, a second does nothing."""
    limiter = Limiter()
    parties = [key(Limits(concurrent=2))]
    gate = limiter.gate(parties, 0.0)
    first, _second = gate.admit(1, 0.0), gate.admit(1, 0.0)
    error = refused(limiter, parties, 1, 0.0)
    assert error.fault is CONCURRENCY_LIMITED
    assert "2 requests at a time" in error.message
    first.release()
    first.release()
    gate.admit(1, 0.0)
    assert refused(limiter, parties, 1, 0.0).fault is CONCURRENCY_LIMITED


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 500)), min_size=1, max_size=40))
def test_settled_tokens_are_what_is_in_use(grants: list[tuple[int, int]]) -> None:
    """After settlement the limit holds the actual tokens, however estimates erred; settling twice is once."""
    limiter = Limiter()
    gate = limiter.gate([key(Limits(tokens_per_minute=1_000_000))], 0.0)
    for estimate, actual in grants:
        grant = gate.admit(estimate, 0.0)
        grant.settle(actual)
        grant.settle(actual)
        grant.release()
    in_use = sum(actual for _, actual in grants)
    tokens = gate.meters[0].tokens
    assert tokens is not None
    assert tokens.use(0.0) * 1_000_000 == pytest.approx(in_use, abs=1e-3)


def test_limits_survive_a_reload() -> None:
    """New limits take over what is in use: a reload is no way to a fresh burst."""
    limiter = Limiter()
    old = limiter.gate([key(Limits(tokens_per_minute=1000, concurrent=1))], 0.0)
    grant = old.admit(900, 0.0)
    parties = [key(Limits(tokens_per_minute=2000, concurrent=1))]
    assert refused(limiter, parties, 100, 0.0).fault is CONCURRENCY_LIMITED
    grant.release()
    assert refused(limiter, parties, 1200, 0.0).fault is RATE_LIMITED
    limiter.gate(parties, 0.0).admit(1100, 0.0)


def test_idle_meters_are_forgotten_and_used_ones_kept() -> None:
    """Memory follows the keys in use: pruning drops only what a fresh meter would equal and no gate holds."""
    limiter = Limiter()
    held = limiter.gate([key(Limits(requests_per_minute=60), "held")], 0.0)
    for number in range(50):
        limiter.gate([key(Limits(requests_per_minute=60), f"k{number}")], 0.0)
    limiter.gate([key(Limits(requests_per_minute=60), "busy")], 0.0).admit(1, 0.0)
    assert limiter.prune(0.0) == 50
    assert limiter.prune(10.0) == 1  # "busy" is idle by now
    assert held.meters[0] is limiter.gate([key(Limits(requests_per_minute=60), "held")], 0.0).meters[0]


def test_headers_are_openais_and_show_the_tightest_party() -> None:
    """Names and formats as OpenAI's; of several parties the one with the least left."""
    limiter = Limiter()
    parties = [
        key(Limits(requests_per_minute=600, tokens_per_minute=60_000)),
        Party("tenant", "shop", Limits(tokens_per_minute=6_000)),
    ]
    gate = limiter.gate(parties, 0.0)
    gate.admit(600, 0.0)
    assert gate.headers(0.0).split(b"\r\n") == [
        b"x-ratelimit-limit-requests: 600",
        b"x-ratelimit-remaining-requests: 99",
        b"x-ratelimit-reset-requests: 100ms",
        b"x-ratelimit-limit-tokens: 6000",
        b"x-ratelimit-remaining-tokens: 5400",
        b"x-ratelimit-reset-tokens: 6s",
        b"",
    ]
    assert limiter.gate([key(Limits(), "free")], 0.0).headers(0.0) == b""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.0171, "18ms"),
        (1.0, "1s"),
        (8.64, "8.64s"),
        (59.9991, "1m0s"),
        (360.0, "6m0s"),
        (61.2, "1m2s"),
        (3600.0, "1h0m0s"),
    ],
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    """Milliseconds, seconds, minutes and hours as in OpenAI's reset headers, never rounded down."""
    assert duration(seconds) == text
