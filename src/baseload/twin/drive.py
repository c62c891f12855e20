"""Turns a pace into calls on the event loop: one timer for all tokens of a twin."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from baseload.capacity.replica import EventKind
from baseload.twin.openai import Call
from baseload.twin.pace import Pace


class Taker(Protocol):
    """What is told when tokens of its call were produced."""

    pace_id: str

    def tokens(self, count: int, finished: bool) -> None:
        """`count` more tokens, the last if `finished`."""


class Drive:
    """Runs a pace's clock `speed` times as fast as the wall's and hands out tokens as they fall due."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pace: Pace, speed: float) -> None:
        self._loop = loop
        self._pace = pace
        self._speed = speed
        self._origin_s = time.monotonic()
        self._takers: dict[str, Taker] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = 0.0
        self._awake = False

    def now_s(self) -> float:
        """Simulated seconds since the twin began."""
        return (time.monotonic() - self._origin_s) * self._speed

    def submit(self, taker: Taker, call: Call) -> None:
        """Queue a call; an embedding is one step's work."""
        self._takers[taker.pace_id] = taker
        self._pace.submit(
            self.now_s(), taker.pace_id, call.input_tokens, max(call.output_tokens, 1), call.cached_tokens
        )
        self._schedule()

    def cancel(self, taker: Taker) -> int | None:
        """Stop a call; the tokens produced for it, None if it was not (or no longer) running."""
        if self._takers.pop(taker.pace_id, None) is None:
            return None
        produced = self._pace.cancel(self.now_s(), taker.pace_id)
        self._schedule()
        return produced

    def close(self) -> None:
        """Hand out nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._takers.clear()
        self._awake = True

    def _schedule(self) -> None:
        next_s = self._pace.next_event_s()
        if next_s is None or self._awake:
            return
        if self._timer is not None:
            if self._timer_at_s <= next_s:
                return
            self._timer.cancel()
        self._timer_at_s = next_s
        delay_s = max((next_s - self.now_s()) / self._speed, 0.0)
        self._timer = self._loop.call_later(delay_s, self._wake)

    def _wake(self) -> None:
        """Hand out what fell due; what several steps gave one call since the last time goes out together."""
        self._timer = None
        made: dict[str, int] = {}
        finished: set[str] = set()
        for event in self._pace.advance(self.now_s()):
            made[event.id] = made.get(event.id, 0) + event.tokens
            if event.kind is EventKind.FINISHED:
                finished.add(event.id)
        self._awake = True  # a call that ends here may cancel or submit others: scheduled once, below
        try:
            for id, tokens in made.items():
                taker = self._takers.pop(id, None) if id in finished else self._takers.get(id)
                if taker is not None:
                    taker.tokens(tokens, id in finished)
        finally:
            self._awake = False
            self._schedule()
