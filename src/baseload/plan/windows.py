"""Traffic too long to be simulated whole: where it comes from, and the windows of it that are simulated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from baseload.plan.costs import Floats, Ints
from baseload.plan.outcome import NOWHERE, Simulated
from baseload.plan.response import Response, response
from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.traffic.draw import draw
from baseload.traffic.load import Load, LoadShape
from baseload.traffic.table import Traffic

WINDOW_S = 600.0
WARM_UP_S = 60.0
"""Simulated before a window's first counted arrival, so that it does not find an empty fleet."""

SAMPLED = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
SAMPLE_REQUESTS = 12_000
"""Windows whose requests the response is measured with, by their place in the order of loads, and how
many."""

BLOCKS = 6
"""Parts a simulated piece of a window is cut in, to see how alike they are."""


class Source(Protocol):
    """Traffic too long to be simulated whole, or even to be held: its load, and any piece of it on demand."""

    @property
    def duration_s(self) -> float:
        """How long it lasts."""

    def load(self, window_s: float) -> Load:
        """Tokens per second in windows of about this length."""

    def between(self, start_s: float, end_s: float) -> Traffic:
        """The requests that arrive in this time, counted from its start."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A load shape as requests that are drawn when they are asked for; the same piece is the same
    requests."""

    shape: LoadShape
    seed: int = 0

    @property
    def duration_s(self) -> float:
        """How long the shape lasts."""
        return self.shape.duration_s

    def load(self, window_s: float) -> Load:
        """The shape's own load, in its own windows."""
        return self.shape.load

    def between(self, start_s: float, end_s: float) -> Traffic:
        """Requests of every window this touches, those outside left out."""
        width_s = self.shape.window_s
        first = int(start_s / width_s)
        whole = draw(self.shape.between(first * width_s, end_s), seed=self.seed * 1_000_003 + first)
        return whole.between(start_s - first * width_s, end_s - first * width_s)


class Sampling(NamedTuple):
    """How much is simulated: windows, and at the most so many requests of each, from its beginning."""

    worst: int = 4
    random: int = 12
    most_requests: int = 15_000
    seed: int = 0


DEFAULT_SAMPLING = Sampling()


class Window(NamedTuple):
    """A simulated piece of a window: what became of its requests, and how many the whole window has."""

    place: int
    found: Simulated
    requests: int

    @property
    def blocks(self) -> list[Simulated]:
        """The piece cut in `BLOCKS`, one after the other."""
        cuts = np.array_split(np.arange(len(self.found.target)), min(BLOCKS, len(self.found.target)))
        return [only(self.found, cut) for cut in cuts]


def simulated_window(
    source: Source, place: int, width_s: float, scenario: Scenario, sampling: Sampling
) -> Window:
    """A window's requests, at most `most_requests` that follow each other from a random one on, behind those
    of a minute before that warm the fleet up and are not in it."""
    start_s = place * width_s
    warm_s = min(WARM_UP_S, start_s)
    piece = source.between(start_s - warm_s, start_s + width_s)
    before = int(np.searchsorted(piece.arrival_s, warm_s))
    whole = len(piece) - before
    if whole > sampling.most_requests:
        random = np.random.default_rng((sampling.seed, place))
        first = before + int(random.integers(whole - sampling.most_requests + 1))
        from_s = max(float(piece.arrival_s[first]) - WARM_UP_S, 0.0)
        last = min(first + sampling.most_requests, len(piece) - 1)
        began = int(np.searchsorted(piece.arrival_s, from_s))
        piece = piece.between(from_s, max(float(piece.arrival_s[last]), from_s + 1e-6))
        before = first - began
    found = simulate(piece, scenario)
    return Window(place, only(found, np.arange(before, len(piece))), whole)


def only(found: Simulated, places: Ints) -> Simulated:
    """These of a simulation's requests; what was refused is counted by their share of all that was."""
    gone = found.target == NOWHERE
    share = float(gone[places].sum()) / max(float(gone.sum()), 1.0)
    columns = {name: getattr(found, name)[places] for name in _COLUMNS}
    keep = np.zeros(len(gone), dtype=np.bool_)
    keep[places] = True
    refused = {code: round(many * share) for code, many in found.refused.items()}
    return replace(found, traffic=found.traffic.where(keep), refused=refused, **columns)


_COLUMNS = ("target", "spilled", "attempts", "first_s", "end_s", "served_output")


def fluid_of(source: Source, scenario: Scenario, load: Load, seed: int) -> Response:
    """What the owned replicas serve of a load, measured with requests of windows from busy to quiet."""
    return response(_sample(source, load.tokens_per_s, load.window_s), scenario, seed=seed)


def _sample(source: Source, loads: Floats, width_s: float) -> list[Traffic]:
    """The first requests of windows from the busiest to a quiet one: requests of every load there is."""
    held = np.argsort(loads)[np.count_nonzero(loads <= 0) :]
    places = held[(np.array(SAMPLED) * (len(held) - 1)).astype(np.int64)]
    pieces = []
    for place in np.unique(places).tolist():
        piece = source.between(place * width_s, (place + 1) * width_s)
        if len(piece) > SAMPLE_REQUESTS:
            piece = piece.between(0.0, float(piece.arrival_s[SAMPLE_REQUESTS]))
        if len(piece) > 1:
            pieces.append(piece)
    return pieces
