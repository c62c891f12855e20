"""What the demo shows: plain lines anywhere, a live view in a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from msgspec import Struct
from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from baseload.core import Reason
from baseload.demo.timeline import BARS, DIGITS, clock, rows
from baseload.money import show
from baseload.player.result import OWNED_REASONS, Reply, Snapshot

PLAIN_EVERY_S = 2.0


class EngineLoad(Struct, frozen=True):
    """What the engine says it is doing; it runs at most `limit` requests at once."""

    running: int
    limit: int
    waiting: int


class Moment(Struct, frozen=True):
    """The play at one moment: the player's numbers, the engine's own, and what came of each request."""

    snapshot: Snapshot
    engine: EngineLoad
    replies: tuple[Reply, ...]
    duration_s: float


class View(Protocol):
    """Takes the moments of a play."""

    def show(self, moment: Moment) -> None:
        """Show this moment."""


class Screen:
    """Where everything is printed; `plain` or a stream that is no terminal gives lines only."""

    def __init__(self, *, plain: bool) -> None:
        self.console = Console(highlight=False)
        self._live = self.console.is_terminal and not plain
        encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
        self.ramp = BARS if encoding.startswith("utf") else DIGITS

    def step(self, number: int, title: str) -> None:
        """Begin a step of the story."""
        self.console.print(Text(f"\n[{number}/5] {title}", style="bold"))

    def say(self, line: str = "") -> None:
        """One line, indented under its step."""
        if self.console.is_terminal:
            self.console.print(Padding(Text(line), (0, 0, 0, 2)))
        else:  # a log or a pipe: one line stays one line
            self.console.print(Text(f"  {line}".rstrip()), soft_wrap=True)

    def heading(self, title: str) -> None:
        """Begin a part of a step."""
        self.console.print(Text(f"\n  {title}", style="bold"))

    def table(self, rows_: Sequence[tuple[str, ...]]) -> None:
        """Rows in columns, the first to the left, the others to the right; the first row is the heading."""
        widths = [max(map(len, column)) for column in zip(*rows_, strict=True)]
        for row in rows_:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            self.say("  ".join(cells))

    @contextmanager
    def play(self) -> Iterator[View]:
        """A view for as long as the play lasts."""
        if not self._live:
            yield _PlainView(self)
            return
        with Live(console=self.console, refresh_per_second=4, transient=True) as live:
            yield _LiveView(live, self.ramp)


class _PlainView:
    """One line every two seconds."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._next_s = 0.0

    def show(self, moment: Moment) -> None:
        snapshot = moment.snapshot
        if snapshot.at_s < self._next_s:
            return
        self._next_s = snapshot.at_s - snapshot.at_s % PLAIN_EVERY_S + PLAIN_EVERY_S
        so_far = snapshot.so_far
        spilling = "  spilling" if _spilling(moment) else ""
        self._screen.say(
            f"{clock(snapshot.at_s)}  {snapshot.requests_per_s:4.1f} requests/s  owned {so_far.owned:3d}  "
            f"spilled {so_far.spilled:3d}  failed {so_far.failed}  TTFT p50 "
            f"{_seconds(snapshot.recent.ttft_p50_s)} p99 {_seconds(snapshot.recent.ttft_p99_s)}  "
            f"{show(so_far.cost_nano)}  engine {moment.engine.running}/{moment.engine.limit} + "
            f"{moment.engine.waiting} waiting{spilling}"
        )


class _LiveView:
    """A progress bar, the numbers, and the timeline as it grows."""

    def __init__(self, live: Live, ramp: str) -> None:
        self._live = live
        self._ramp = ramp

    def show(self, moment: Moment) -> None:
        snapshot = moment.snapshot
        bar = ProgressBar(total=moment.duration_s, completed=min(snapshot.at_s, moment.duration_s), width=74)
        spilled, owned, axis = rows(moment.replies, moment.duration_s, ramp=self._ramp)
        timeline = Text("\n").join(
            [Text(spilled, style="magenta"), Text(owned, style="green"), Text(axis, style="dim")]
        )
        self._live.update(Group(Padding(bar, (1, 0, 0, 0)), _numbers(moment), timeline))


def _numbers(moment: Moment) -> Table:
    snapshot, so_far, recent = moment.snapshot, moment.snapshot.so_far, moment.snapshot.recent
    table = Table.grid(padding=(0, 2))
    engine = f"{moment.engine.running} of {moment.engine.limit} run, {moment.engine.waiting} wait"
    table.add_row(clock(snapshot.at_s), f"{snapshot.requests_per_s:.1f} requests/s", f"engine: {engine}")
    table.add_row(
        "",
        f"owned {so_far.owned}",
        Text(f"spilled {so_far.spilled}", style="bold magenta" if _spilling(moment) else ""),
        f"failed {so_far.failed}",
    )
    ttft = f"TTFT p50 {_seconds(recent.ttft_p50_s)}, p99 {_seconds(recent.ttft_p99_s)}"
    table.add_row("", ttft, f"bought for {show(so_far.cost_nano)}")
    return table


def _spilling(moment: Moment) -> bool:
    """Whether a request spilled lately."""
    return moment.snapshot.recent.spilled > 0


def _seconds(value: float | None) -> str:
    return "  –  " if value is None else f"{value:4.2f}s"


def summary(replies: tuple[Reply, ...]) -> str:
    """How many requests went where, in words."""
    good = [reply for reply in replies if reply.ok]
    owned = sum(reply.reason in OWNED_REASONS for reply in good)
    spilled = sum(reply.reason == Reason.SPILL for reply in good)
    other = len(good) - owned - spilled
    words = [f"{len(replies)} requests", f"{owned} owned", f"{spilled} spilled"]
    words += [f"{other} otherwise"] if other else []
    codes = Counter(reply.error or str(reply.status) for reply in replies if not reply.ok)
    why = f" ({', '.join(codes)})" if codes else ""
    return ", ".join([*words, f"{len(replies) - len(good)} failed{why}"])
