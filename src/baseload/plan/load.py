"""The load-duration curve: for what share of the time the load is at least so high."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from baseload.errors import DataError
from baseload.plan.costs import Floats


@dataclass(frozen=True, eq=False)
class LoadCurve:
    """Loads of equally long windows relative to their mean, highest first; the mean is 1.

    The shape without the volume: the load at a volume is `relative` times the mean tokens/s of that volume.
    `by_time` holds the same loads in the order in which they came.
    """

    relative: Floats
    window_s: float
    by_time: Floats

    @classmethod
    def of(cls, loads: Floats, window_s: float) -> LoadCurve:
        """The curve of these windows' loads, in any unit and order. Raises DataError where all are 0."""
        loads = np.asarray(loads, dtype=np.float64)
        if loads.ndim != 1 or len(loads) == 0 or not np.isfinite(loads).all() or (loads < 0).any():
            raise DataError("a load curve needs one finite load, 0 or more, for each window")
        mean = float(loads.mean())
        if mean <= 0:
            raise DataError(
                "the traffic holds no tokens", hint="choose a file or a period with requests in it"
            )
        return cls(np.sort(loads)[::-1] / mean, window_s, loads / mean)

    @classmethod
    def flat(cls) -> LoadCurve:
        """The same load at every moment of a day."""
        return cls(np.ones(1), 86_400.0, np.ones(1))

    def flattened(self, deferrable_share: float) -> LoadCurve:
        """The curve after this share of each window's tokens moved into the valleys of its own day.

        Water-filling: within each day the movable tokens raise the lowest windows to one level. A day that
        is not whole is filled by itself; a trace shorter than a day is one.
        """
        if deferrable_share <= 0:
            return self
        per_day = max(1, round(86_400.0 / self.window_s))
        fixed = self.by_time * (1.0 - deferrable_share)
        days = [fixed[at : at + per_day] for at in range(0, len(fixed), per_day)]
        moved = [
            _filled(day, float(self.by_time[at * per_day :][: len(day)].sum()) * deferrable_share)
            for at, day in enumerate(days)
        ]
        return LoadCurve.of(np.concatenate(moved), self.window_s)

    @property
    def peak(self) -> float:
        """Highest window over the mean."""
        return float(self.relative[0])

    @property
    def busy(self) -> float:
        """Share of the time with any load at all."""
        return float(np.count_nonzero(self.relative)) / len(self.relative)

    @property
    def duration_s(self) -> float:
        """Time the curve was taken from."""
        return len(self.relative) * self.window_s

    def percentile(self, share: float) -> float:
        """Load over the mean that this share of the windows stays at or below."""
        return float(np.quantile(self.relative, share))

    @cached_property
    def served_knots(self) -> tuple[Floats, Floats]:
        """Rooms over the mean load and the share of the tokens under each: linear in between, 1 beyond."""
        levels = self.relative[::-1]
        windows = len(levels)
        left = np.arange(windows - 1, -1, -1, dtype=np.float64)
        shares = np.minimum((np.cumsum(levels) + left * levels) / windows, 1.0)
        return np.concatenate(([0.0], levels)), np.concatenate(([0.0], shares))

    @cached_property
    def _ascending(self) -> list[float]:
        return [float(load) for load in self.relative[::-1]]

    @cached_property
    def _below(self) -> list[float]:
        """Sum of the lowest 0, 1, … loads."""
        return [0.0, *(float(total) for total in np.cumsum(self.relative[::-1]))]

    def served_share(self, room: float) -> float:
        """Share of the tokens that fit under a room, given over the mean load: mean(min(load, room)).

        Prefix sums and one search: O(log windows) after the first call.
        """
        fully, windows = bisect_right(self._ascending, room), len(self._ascending)
        return min((self._below[fully] + (windows - fully) * room) / windows, 1.0)


def _filled(loads: Floats, amount: float) -> Floats:
    """These loads with so much poured over the lowest of them, up to one level."""
    ascending = np.sort(loads)
    count = np.arange(1, len(loads) + 1)
    levels = (amount + np.cumsum(ascending)) / count
    beyond = np.append(ascending[1:], np.inf)
    level = float(levels[int(np.argmax(levels <= beyond))])
    return np.maximum(loads, level)
