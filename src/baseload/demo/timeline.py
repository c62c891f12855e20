"""When requests spilled, as text: phases with their begin and end, and two rows of bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from baseload.core import Reason
from baseload.player.result import OWNED_REASONS, Reply

PHASE_GAP_S = 4.0
"""Spilled requests further apart than this belong to different phases."""

BARS = " ▁▂▃▄▅▆▇█"
DIGITS = " 123456789"
_TICK_S = 10


class SpillPhase(Struct, frozen=True):
    """A stretch of time in which requests spilled: how many, and of how many sent meanwhile."""

    begin_s: float
    end_s: float
    spilled: int
    sent: int


def spill_phases(replies: Iterable[Reply], gap_s: float = PHASE_GAP_S) -> list[SpillPhase]:
    """The phases in order of time; times are when requests were sent."""
    replies = list(replies)
    spans: list[list[float]] = []
    for sent_s in sorted(reply.sent_s for reply in replies if reply.reason == Reason.SPILL):
        if spans and sent_s - spans[-1][-1] <= gap_s:
            spans[-1].append(sent_s)
        else:
            spans.append([sent_s])
    return [
        SpillPhase(
            begin_s=span[0],
            end_s=span[-1],
            spilled=len(span),
            sent=sum(span[0] <= reply.sent_s <= span[-1] for reply in replies),
        )
        for span in spans
    ]


def main_phase(phases: Sequence[SpillPhase]) -> SpillPhase | None:
    """The phase with most spilled requests."""
    return max(phases, key=lambda phase: phase.spilled, default=None)


def clock(at_s: float) -> str:
    """Minutes and seconds: 1:04."""
    return f"{int(at_s) // 60}:{int(at_s) % 60:02d}"


def rows(replies: Iterable[Reply], duration_s: float, *, columns: int = 66, ramp: str = BARS) -> list[str]:
    """Requests by the moment they were sent, owned and spilled, as bars over a time axis.

    Each column is an equal part of the duration; the tallest bar of both rows is the ramp's last character.
    """
    owned, spilled = [0] * columns, [0] * columns
    for reply in replies:
        column = min(int(reply.sent_s / duration_s * columns), columns - 1)
        if reply.reason == Reason.SPILL:
            spilled[column] += 1
        elif reply.reason in OWNED_REASONS:
            owned[column] += 1
    tallest = max(max(owned), max(spilled), 1)
    axis = [" "] * (columns + 6)
    for tick_s in range(0, int(duration_s) + 1, _TICK_S):
        label = clock(tick_s)
        at = int(tick_s / duration_s * columns)
        axis[at : at + len(label)] = label
    return [
        f"spilled {_bars(spilled, tallest, ramp)}",
        f"owned   {_bars(owned, tallest, ramp)}",
        f"        {''.join(axis)}".rstrip(),
    ]


def _bars(counts: Sequence[int], tallest: int, ramp: str) -> str:
    steps = len(ramp) - 1
    return "".join(ramp[-(-count * steps // tallest)] for count in counts)
