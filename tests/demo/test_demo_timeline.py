"""Spill as phases and as bars."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from baseload.demo.timeline import BARS, DIGITS, SpillPhase, clock, main_phase, rows, spill_phases
from baseload.player.result import Reply


def reply(sent_s: float, reason: str = "owned") -> Reply:
    """A good reply to a request sent at this moment."""
    return Reply(request=0, due_s=sent_s, sent_s=sent_s, end_s=sent_s + 1, status=200, reason=reason)


def test_phases_end_where_nothing_spills_for_a_while() -> None:
    """Two bursts are two phases; owned requests in between are counted where they were sent."""
    replies = [reply(float(at)) for at in range(40)]
    replies += [reply(at, "spill") for at in (10.5, 12.5, 15.5, 30.5)]
    phases = spill_phases(replies, gap_s=6)
    assert phases == [SpillPhase(10.5, 15.5, 3, 3 + 5), SpillPhase(30.5, 30.5, 1, 1)]
    assert main_phase(phases) == phases[0]


def test_without_spill_there_is_no_phase() -> None:
    """An engine that is never full has nothing to tell."""
    assert main_phase(spill_phases([reply(1.0)])) is None


@given(st.lists(st.tuples(st.floats(0, 66), st.booleans()), max_size=60), st.sampled_from([BARS, DIGITS]))
def test_bars_show_exactly_the_moments_with_requests(sent: list[tuple[float, bool]], ramp: str) -> None:
    """A column is blank where no such request was sent, and only there; rows are aligned."""
    replies = [reply(at, "spill" if spilled else "owned") for at, spilled in sent]
    spilled_row, owned_row, _ = rows(replies, 66.0, columns=66, ramp=ramp)
    for row, wanted in ((spilled_row, True), (owned_row, False)):
        columns = {min(int(at), 65) for at, spilled in sent if spilled is wanted}
        assert {index for index, bar in enumerate(row[8:]) if bar != " "} == columns
        assert len(row) == 8 + 66


def test_the_axis_names_every_tenth_second() -> None:
    """Labels stand where their moment is."""
    axis = rows([reply(0.0)], 60.0, columns=60)[2]
    assert [axis.index(clock(at)) - 8 for at in (0, 10, 60)] == [0, 10, 60]


def test_a_clock_counts_minutes() -> None:
    """As closing lines say it."""
    assert [clock(0), clock(21.9), clock(64)] == ["0:00", "0:21", "1:04"]
