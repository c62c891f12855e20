"""When a simulated provider's tokens come, and its quota."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.capacity.replica import EventKind
from baseload.errors import UsageError
from baseload.twin.pace import DrawnPace, Latency, Quota, Refusal, duration


def test_without_spread_tokens_come_on_the_dot() -> None:
    """TTFT, then a token every TPOT, then the end."""
    pace = DrawnPace(Latency(0.5, 0.1, 0.0))
    pace.submit(1.0, "a", 10, 3)
    assert pace.next_event_s() == pytest.approx(1.5)
    events = [(round(event.time_s, 6), event.kind, event.tokens) for event in pace.advance(9)]
    assert events == [
        (1.5, EventKind.FIRST_TOKEN, 1),
        (1.6, EventKind.TOKENS, 1),
        (1.7, EventKind.TOKENS, 1),
        (1.7, EventKind.FINISHED, 0),
    ]
    assert pace.next_event_s() is None


def test_medians_are_what_was_asked_for() -> None:
    """Over 2,000 requests the median TTFT is within 3% of the one given; the same seed draws the same."""

    def drawn(seed: int) -> list[float]:
        pace = DrawnPace(Latency(0.4, 0.01, 0.5), seed)
        for number in range(2000):
            pace.submit(0.0, str(number), 1, 1)
        return [event.time_s for event in pace.advance(99) if event.kind is EventKind.FIRST_TOKEN]

    assert statistics.median(drawn(3)) == pytest.approx(0.4, rel=0.03)
    assert drawn(3) == drawn(3) != drawn(4)


@given(cancel_s=st.floats(0, 3), output=st.integers(1, 20), stale=st.booleans())
def test_cancel_counts_the_tokens_whose_time_had_come(cancel_s: float, output: int, stale: bool) -> None:
    """The count at a cancel is that of the tokens due by then, whether or not they were handed out."""
    pace = DrawnPace(Latency(0.5, 0.1, 0.0))
    pace.submit(0.0, "a", 1, output)
    handed_out = 0 if stale else sum(event.tokens for event in pace.advance(cancel_s))
    due = 0 if cancel_s < 0.5 else min(1 + int((cancel_s - 0.5) / 0.1 + 1e-9), output)
    made = pace.cancel(cancel_s, "a")
    if made is None:
        assert handed_out == due == output
    else:
        assert abs(made - due) <= 1  # a float's breadth around a token's moment
        assert stale or made == handed_out
    assert pace.advance(99) == []


def test_an_id_in_use_is_refused() -> None:
    """Two requests of one id would share their tokens."""
    pace = DrawnPace(Latency())
    pace.submit(0.0, "a", 1, 1)
    with pytest.raises(UsageError, match="already here"):
        pace.submit(0.0, "a", 1, 1)


def test_a_quota_says_when_to_come_back_and_means_it() -> None:
    """The 61st of 60 requests a minute is told one second; a second later it is let in."""
    quota = Quota(requests_per_minute=60)
    assert [quota.take(0.0, 1) for _ in range(60)] == [None] * 60
    assert quota.take(0.0, 1) == Refusal("requests", 60, 1.0)
    assert quota.take(0.9, 1) is not None
    assert quota.take(1.0, 1) is None


def test_a_refusal_takes_nothing_from_the_other_quota() -> None:
    """Requests over the token quota do not use up the request quota."""
    quota = Quota(requests_per_minute=10, tokens_per_minute=100)
    for _ in range(50):
        assert quota.take(0.0, 101) == Refusal("tokens", 100, 0.6)
    assert quota.headers()["x-ratelimit-remaining-requests"] == "10"


def test_headers_read_as_openais() -> None:
    """Limits, what is left, and when it is full again, only for limits there are."""
    quota = Quota(requests_per_minute=500, tokens_per_minute=30_000)
    quota.take(0.0, 3000)
    assert quota.headers() == {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "27000",
        "x-ratelimit-reset-tokens": "6s",
    }
    assert Quota().headers() == {}
    assert duration(90) == "1m30s"


@given(gaps=st.lists(st.floats(0, 5), max_size=200))
def test_no_window_lets_more_through_than_rate_and_burst(gaps: list[float]) -> None:
    """From the start to any moment, at most limit + limit·t/60 requests pass, however they come."""
    quota, now_s, passed = Quota(requests_per_minute=30), 0.0, 0
    for gap_s in gaps:
        now_s += gap_s
        passed += quota.take(now_s, 1) is None
        assert passed <= 30 + now_s / 2 + 1e-6
