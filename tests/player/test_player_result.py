"""Sums, percentiles and windows over replies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from baseload.player.result import Played, Reply, percentile, total


def reply(request: int = 0, *, sent_s: float = 0.0, reason: str = "owned", **more: object) -> Reply:
    """A good reply of ten tokens, its first one after 0.1 s."""
    fields: dict[str, object] = {
        "due_s": sent_s, "sent_s": sent_s, "end_s": sent_s + 1, "status": 200, "first_s": sent_s + 0.1,
        "last_s": sent_s + 1, "output_tokens": 10, "reason": reason,
    }  # fmt: skip
    return Reply(request=request, **(fields | more))  # type: ignore[arg-type]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.integers(1, 100))
def test_a_percentile_is_the_nearest_rank(values: list[float], percent: int) -> None:
    """At least that share of the values is no larger, and no smaller value will do."""
    ordered = sorted(values)
    found = percentile(ordered, percent)
    assert found is not None
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_requests_are_counted_by_what_became_of_them() -> None:
    """Owned, spilled, other and failed add up to all; errors are counted by code."""
    replies = [
        reply(),
        reply(reason="spill", cost_nano=5),
        reply(reason="fallback", cost_nano=7),
        reply(status=503, error="overloaded", first_s=None),
        reply(error="broken_answer"),
    ]
    sums = total(replies)
    assert (sums.requests, sums.owned, sums.spilled, sums.other, sums.failed) == (5, 1, 1, 1, 2)
    assert sums.cost_nano == 12
    assert sums.errors == {"overloaded": 1, "broken_answer": 1}


def test_tpot_is_the_mean_after_the_first_token() -> None:
    """Nine further tokens in 0.9 s; one token has none."""
    sums = total([reply()])
    assert (sums.ttft_p50_s, sums.tpot_p50_s) == (0.1, 0.1)
    assert reply(output_tokens=1).tpot_s is None


def test_windows_hold_every_request_once_and_show_gaps() -> None:
    """A window without requests is there too, with nothing in it."""
    played = Played((reply(sent_s=0.2), reply(sent_s=0.9), reply(sent_s=2.5)), 3.0)
    windows = played.windows(1.0)
    assert [(start, sums.requests) for start, sums in windows] == [(0.0, 2), (1.0, 0), (2.0, 1)]


def test_the_spill_lasts_from_its_first_to_its_last_request() -> None:
    """What closing lines say; None where nothing spilled."""
    replies = (reply(sent_s=1), reply(sent_s=2, reason="spill"), reply(sent_s=7, reason="spill"))
    assert Played(replies, 9).spill_span_s() == (2, 7)
    assert Played(replies[:1], 9).spill_span_s() is None
