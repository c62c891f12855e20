"""When a credential is asked for, and the thread that does it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.gateway.login.nouns import LoginFailed, Obtained
from baseload.gateway.login.renewal import LEAD_S, LONGEST_BACKOFF_S, MARGIN_S, REFUSED_AGE_S, Renewal
from tests.gateway.login.at_work import Times
from tests.gateway.login.clouds import until


class Script:
    """A source that gives what it is told to: seconds of life, None for endless, or a failure."""

    name = "of a script"

    def __init__(self, *lives: float | str | None) -> None:
        self._lives: Iterator[float | str | None] = iter(lives)
        self.asked = 0

    def obtain(self) -> Obtained[int]:
        self.asked += 1
        life = next(self._lives, None)
        if isinstance(life, str):
            raise LoginFailed(life)
        return Obtained(self.asked, life)


@given(st.floats(MARGIN_S + 0.01, 1e7), st.floats(0, 1, exclude_max=True))
def test_the_next_fetch_lies_between_the_first_and_the_end(life_s: float, chance: float) -> None:
    """Whatever life and chance: within its life, and ahead of its end by a lead and a quarter at most."""
    times = Times()
    renewal = Renewal(Script(life_s), times.now_s, lambda: chance)
    wait_s = renewal.turn()
    lead_s = (life_s - MARGIN_S) - wait_s
    longest_s = min(LEAD_S, (life_s - MARGIN_S) / 4)
    assert wait_s > 0
    assert 0.99 * longest_s - 1e-6 <= lead_s <= 1.25 * longest_s + 1e-6


@given(st.lists(st.sampled_from(["no", 3600.0, 60.0, None]), max_size=12), st.floats(0, 1, exclude_max=True))
def test_what_is_held_is_the_last_that_came_and_still_holds(
    lives: list[str | float | None], chance: float
) -> None:
    """Fresh exactly while the last credential that was given has more than the margin left."""
    times = Times()
    renewal = Renewal(Script(*lives), times.now_s, lambda: chance)
    end_s = float("-inf")
    for life in lives:
        wait_s = renewal.turn()
        if life != "no":
            end_s = float("inf") if life is None else times.now + float(life) - MARGIN_S
        assert renewal.fresh(times.now) is (times.now < end_s)
        if wait_s == float("inf"):
            break
        assert wait_s > 0
        times.now += wait_s


def test_chance_spreads_gateways_apart() -> None:
    """A quarter of the lead lies between the earliest and the latest of them."""
    times = Times()
    earliest_s = Renewal(Script(3600), times.now_s, lambda: 0.999).turn()
    latest_s = Renewal(Script(3600), times.now_s, lambda: 0.0).turn()
    assert latest_s - earliest_s == pytest.approx(LEAD_S / 4, rel=0.01)


def test_a_lasting_credential_is_asked_for_again_only_when_refused() -> None:
    """Keys of the environment have no end; a refused one may have been replaced."""
    times, script = Times(), Script(None, None)
    renewal = Renewal(script, times.now_s, lambda: 0.0)
    assert renewal.turn() == float("inf")
    times.now += 1e9
    assert renewal.turn() == float("inf")
    renewal.refused(times.now)
    renewal.turn()
    assert script.asked == 2
    assert renewal.value(times.now) == 2


def test_the_backoff_has_a_bound() -> None:
    """Never longer than a minute, with the worst chance too."""
    times = Times()
    renewal = Renewal(Script(*["no"] * 12), times.now_s, lambda: 0.999)
    waits = []
    for _ in range(12):
        waits.append(renewal.turn())
        times.now += waits[-1]
    assert max(waits) <= LONGEST_BACKOFF_S
    assert waits[-1] > LONGEST_BACKOFF_S * 0.9


def test_the_thread_fetches_first_renews_and_ends() -> None:
    """Started it fetches at once; woken by a refusal it fetches again; stopped it is gone."""
    times, script = Times(), Script(3600, 3600)
    renewal = Renewal(script, times.now_s, lambda: 0.0)
    renewal.start()
    renewal.start()
    assert renewal.wait_first(10)
    assert renewal.fresh(times.now)
    [thread] = [one for one in threading.enumerate() if one is renewal._thread]
    times.now += REFUSED_AGE_S
    renewal.refused(times.now)
    until(lambda: script.asked == 2)
    renewal.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert script.asked == 2


def test_waiting_for_a_first_fetch_has_an_end() -> None:
    """A service that hangs does not keep a gateway from starting."""
    hanging = threading.Event()

    class Hanging(Script):
        def obtain(self) -> Obtained[int]:
            hanging.wait(30)
            return super().obtain()

    renewal = Renewal(Hanging(3600))
    renewal.start()
    assert not renewal.wait_first(0.01)
    renewal.stop()
    hanging.set()
    assert renewal.wait_first(10)


def test_a_failed_first_fetch_ends_the_wait_too() -> None:
    """There is nothing to wait for: the next try comes in the background."""
    renewal = Renewal(Script("no"))
    renewal.start()
    assert renewal.wait_first(10)
    renewal.stop()
