"""The load-duration curve: for what share of the time the load is at least so high."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baseload.errors import DataError
from baseload.plan.costs import Floats


@dataclass(frozen=True, eq=False)
class LoadCurve:
    """Loads of equally long windows relative to their mean, highest first; the mean is 1.

    The shape without the volume: the load at a volume is `relative` times the mean tokens/s of that volume.
    """

    relative: Floats
    window_s: float

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
        return cls(np.sort(loads)[::-1] / mean, window_s)

    @classmethod
    def flat(cls) -> LoadCurve:
        """The same load at every moment of a day."""
        return cls(np.ones(1), 86_400.0)

    @property
    def peak(self) -> float:
        """Highest window over the mean."""
        return float(self.relative[0])

    @property
    def duration_s(self) -> float:
        """Time the curve was taken from."""
        return len(self.relative) * self.window_s

    def percentile(self, share: float) -> float:
        """Load over the mean that this share of the windows stays at or below."""
        return float(np.quantile(self.relative, share))

    def served(self, rooms: Floats) -> Floats:
        """Share of the tokens that fit under each room: mean(min(load, room)), rooms over the mean load.

        One sorted search and prefix sums: O((windows + rooms) · log windows).
        """
        ascending = self.relative[::-1]
        below = np.concatenate(([0.0], np.cumsum(ascending)))
        fully = np.searchsorted(ascending, rooms, side="right")
        windows = len(ascending)
        return np.asarray((below[fully] + (windows - fully) * rooms) / windows, dtype=np.float64)
