"""A credential that is renewed before it expires: when to ask, what to keep, and the thread that asks.

    lead  = min(10 min, life / 4)              asked for anew this long before its end,
    renew = end - lead · (1 + 1/4 · chance)    earlier by chance, so that gateways do not ask together
    after the n-th failure in a row: min(60 s, 2^(n-1) s) · (1/2 + 1/2 · chance)

A source that gives the same credential again (metadata services keep theirs until minutes before the end) is
asked at ever shorter intervals by the same rule.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from baseload.errors import UPSTREAM_CREDENTIALS, RequestError
from baseload.gateway.login.nouns import Counts, LoginFailed, Source

LEAD_S = 600.0
LONGEST_BACKOFF_S = 60.0
MARGIN_S = 10.0
"""A credential counts as expired this long before its end: what is sent is judged later."""
REFUSED_AGE_S = 30.0
"""A credential that was obtained less than this ago is not renewed for being refused."""

T = TypeVar("T")

_log = logging.getLogger("baseload.gateway.login")


class Held(NamedTuple, Generic[T]):
    """A credential with when it was asked for and when it stops to hold, on the monotonic clock."""

    value: T
    since_s: float
    until_s: float


class Renewal(Generic[T]):
    """Holds what its source gave. `value`, `fresh` and `refused` may be called while the thread is at work.

    `now_s` is a monotonic clock and `chance` a number in [0, 1); both are given by tests.
    """

    def __init__(
        self,
        source: Source[T],
        now_s: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.counts = Counts()
        self._source, self._now_s, self._chance = source, now_s, chance
        self._held: Held[T] | None = None
        self._due_s = float("-inf")
        self._wake = threading.Event()
        self._first = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def value(self, now_s: float) -> T:
        """The credential in force. Raises RequestError `upstream_credentials` where none holds."""
        held = self._held
        if held is None or now_s >= held.until_s:
            raise RequestError(UPSTREAM_CREDENTIALS, "the target's credential could not be renewed")
        return held.value

    def fresh(self, now_s: float) -> bool:
        """Whether a credential holds."""
        held = self._held
        return held is not None and now_s < held.until_s

    def refused(self, now_s: float) -> None:
        """Have the credential renewed now, unless it is new or that has been asked for already."""
        held = self._held
        tried = self.counts.failures_in_a_row > 0 or self._due_s <= now_s
        if held is not None and not tried and now_s - held.since_s >= REFUSED_AGE_S:
            self._due_s = now_s
            self._wake.set()

    def turn(self) -> float:
        """Ask the source if it is time to; the seconds until it is next. Called by one thread."""
        started_s = self._now_s()
        if started_s >= self._due_s:
            try:
                self._obtain(started_s)
            except LoginFailed as error:
                self._failed(str(error))
            except Exception as defect:  # noqa: BLE001  the supervisor's edge: the thread must go on
                self._failed(f"a defect of the gateway: {type(defect).__name__}")
            self._first.set()
        return self._due_s - self._now_s()

    def start(self) -> None:
        """Fetch now and renew from now on, in a thread of its own; a second start does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="baseload-login", daemon=True)
            self._thread.start()

    def wait_first(self, timeout_s: float) -> bool:
        """Block until the source has answered or failed once; False after `timeout_s`."""
        return self._first.wait(timeout_s)

    def stop(self) -> None:
        """End the thread; a fetch under way is left to its own deadline."""
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.clear()
            wait_s = self.turn()
            if not self._stopped and wait_s > 0:
                self._wake.wait(min(wait_s, threading.TIMEOUT_MAX))

    def _obtain(self, started_s: float) -> None:
        value, lifetime_s = self._source.obtain()
        until_s = renew_s = float("inf")
        if lifetime_s is not None:
            if lifetime_s <= MARGIN_S:
                raise LoginFailed(f"what was given holds for {lifetime_s:.0f} s only")
            until_s = started_s + lifetime_s - MARGIN_S
            lead_s = min(LEAD_S, (lifetime_s - MARGIN_S) / 4)
            renew_s = until_s - lead_s * (1 + 0.25 * self._chance())
        self._held = Held(value, started_s, until_s)
        self._due_s = renew_s
        if self.counts.failures_in_a_row:
            _log.info("login %s: works again", self._source.name)
        self.counts.renewed += 1
        self.counts.failures_in_a_row = 0

    def _failed(self, reason: str) -> None:
        now_s = self._now_s()
        self.counts.failed += 1
        self.counts.failures_in_a_row += 1
        longest_s = min(LONGEST_BACKOFF_S, 2.0 ** (self.counts.failures_in_a_row - 1))
        self._due_s = now_s + longest_s * (0.5 + 0.5 * self._chance())
        if self.fresh(now_s):
            assert self._held is not None
            left_s = self._held.until_s - now_s
            _log.warning(
                "login %s: %s; the credential in use holds for another %.0f s",
                self._source.name,
                reason,
                left_s,
            )
        else:
            _log.error("login %s: %s; its targets are out until it works", self._source.name, reason)
