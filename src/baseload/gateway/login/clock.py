"""This machine's clock, corrected by those who judge our signatures.

AWS refuses what is signed more than five minutes off, Google and Entra refuse statements from the future.
Each reply of theirs has a `date`; the difference is kept and added to every moment that we sign. How long a
token holds is never told from a wall clock: it is a duration from when it was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

NOTICED_S = 5.0
"""Differences below it are the reply's way and the date's whole seconds, and are not corrected."""
MOVED_S = 30.0
"""A correction by more than this makes it worth asking again at once what was refused."""


class Clock:
    """Unix time as the other side has it. `wall` is this machine's own idea of it."""

    __slots__ = ("ahead_s", "wall_s")

    def __init__(self, wall_s: Callable[[], float] = time.time) -> None:
        self.wall_s = wall_s
        self.ahead_s = 0.0
        """How far the others are ahead of this machine."""

    def now_s(self) -> float:
        """Unix time, corrected."""
        return self.wall_s() + self.ahead_s

    def learn(self, date: str, wall_s: float) -> bool:
        """Take in the `date` of a reply that came at this machine's `wall_s`; True if it moved the clock far.

        A date that cannot be read changes nothing.
        """
        try:
            there_s = parsedate_to_datetime(date).timestamp() + 0.5  # dates are cut to whole seconds
        except (ValueError, TypeError, OverflowError):
            return False
        ahead_s = there_s - wall_s
        before_s = self.ahead_s
        self.ahead_s = ahead_s if abs(ahead_s) >= NOTICED_S else 0.0
        return abs(self.ahead_s - before_s) >= MOVED_S
