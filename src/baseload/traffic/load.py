"""Load over time: requests and tokens per second in equal windows, and the shape of a load.

A `Load` is what the planner's arithmetic needs. A `LoadShape` adds the lengths of requests, so that traffic
can be drawn from it; it is all that is published of some traces, and any `Traffic` gives one too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from baseload.errors import UsageError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DAY_S = 86_400.0


def freeze(instance: object, **columns: npt.DTypeLike) -> None:
    """Give a frozen dataclass's arrays their dtype, as views that nobody can write through."""
    for name, dtype in columns.items():
        view: npt.NDArray[Any] = np.asarray(getattr(instance, name), dtype=dtype).view()
        view.setflags(write=False)
        object.__setattr__(instance, name, view)


@dataclass(frozen=True, slots=True)
class TokensPerDay:
    """Tokens in a day of mean load; `cached` is the part of `input` that a prefix cache holds."""

    input: float
    cached: float
    output: float

    @property
    def total(self) -> float:
        """Input and output tokens together."""
        return self.input + self.output


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """Requests and tokens per second in equal windows of `window_s` seconds, in order of time.

    `cached_tokens_per_s` is the part of `input_tokens_per_s` that a prefix cache holds. All four arrays have
    the same length, at least one, nothing in them is negative, and they cannot be written to.
    """

    window_s: float
    requests_per_s: Floats
    input_tokens_per_s: Floats
    cached_tokens_per_s: Floats
    output_tokens_per_s: Floats

    def __post_init__(self) -> None:
        freeze(
            self,
            requests_per_s=np.float64,
            input_tokens_per_s=np.float64,
            cached_tokens_per_s=np.float64,
            output_tokens_per_s=np.float64,
        )
        if not self.window_s > 0 or not len(self.requests_per_s):
            raise UsageError("a load needs at least one window of more than 0 s")
        for column in self._columns():
            if column.shape != self.requests_per_s.shape:
                raise UsageError("the columns of a load differ in length")
            if not np.isfinite(column).all() or (column < 0).any():
                raise UsageError("a load holds a negative or infinite rate")
        if (self.cached_tokens_per_s > self.input_tokens_per_s).any():
            raise UsageError("a load has more cached than input tokens")

    def __len__(self) -> int:
        return len(self.requests_per_s)

    @property
    def duration_s(self) -> float:
        """How long the load lasts."""
        return self.window_s * len(self)

    @property
    def tokens_per_s(self) -> Floats:
        """Input and output tokens per second in each window: what a fleet's throughput is compared with."""
        return self.input_tokens_per_s + self.output_tokens_per_s

    @property
    def peak_over_mean(self) -> float:
        """The busiest window's tokens per second over the mean of all; 1.0 is flat, and so is no load."""
        tokens = self.tokens_per_s
        mean = float(tokens.mean())
        return float(tokens.max()) / mean if mean else 1.0

    def tokens_per_day(self) -> TokensPerDay:
        """Tokens in a day of this load's mean."""
        return TokensPerDay(
            input=float(self.input_tokens_per_s.mean()) * DAY_S,
            cached=float(self.cached_tokens_per_s.mean()) * DAY_S,
            output=float(self.output_tokens_per_s.mean()) * DAY_S,
        )

    def between(self, start_s: float, end_s: float) -> Load:
        """The windows that begin in [start_s, end_s)."""
        starts = np.arange(len(self)) * self.window_s
        keep = (starts >= start_s) & (starts < end_s)
        if not keep.any():
            raise UsageError(f"no window of the load begins in {start_s:g}–{end_s:g} s")
        return Load(self.window_s, *(column[keep] for column in self._columns()))

    def scaled(self, factor: float) -> Load:
        """The same load with `factor` times the requests and tokens."""
        if not (np.isfinite(factor) and factor > 0):
            raise UsageError(f"a load is scaled by a positive factor, not {factor}")
        return Load(self.window_s, *(column * factor for column in self._columns()))

    def compressed(self, times: float) -> Load:
        """The same requests in `1 / times` of the time: windows shrink and rates grow."""
        return replace(self.scaled(times), window_s=self.window_s / times)

    def _columns(self) -> tuple[Floats, Floats, Floats, Floats]:
        return (
            self.requests_per_s,
            self.input_tokens_per_s,
            self.cached_tokens_per_s,
            self.output_tokens_per_s,
        )


def length_edges(longest: int) -> Ints:
    """Integer bin edges from 0 that hold `longest`: every length to 8 alone, then four bins an octave."""
    octaves = max(0.0, np.log2(max(longest, 8) / 8))
    grown = np.round(8 * 2 ** (np.arange(int(octaves * 4) + 2) / 4)).astype(np.int64)
    edges = np.unique(np.concatenate([np.arange(9), grown]))
    return edges if edges[-1] > longest else np.append(edges, longest + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Lengths:
    """Joint histogram of input and output tokens per request.

    Row i, column j of `weights` is the share (or count) of requests with `input_edges[i] <= input <
    input_edges[i+1]` and the same for output; the edges are integers and rise. Within a cell every length is
    equally likely.
    """

    input_edges: Ints
    output_edges: Ints
    weights: Floats

    def __post_init__(self) -> None:
        freeze(self, input_edges=np.int64, output_edges=np.int64, weights=np.float64)
        if self.weights.shape != (len(self.input_edges) - 1, len(self.output_edges) - 1):
            raise UsageError("a length histogram needs one weight per cell between its edges")
        for edges in (self.input_edges, self.output_edges):
            if (np.diff(edges) <= 0).any() or edges[0] < 0:
                raise UsageError("the edges of a length histogram must rise from 0 or more")
        if (self.weights < 0).any() or not 0 < float(self.weights.sum()) < np.inf:
            raise UsageError("a length histogram needs weights of 0 or more with a positive sum")

    @classmethod
    def of(cls, input_tokens: Ints, output_tokens: Ints) -> Lengths:
        """The histogram of these requests, in bins of `length_edges`."""
        edges = [length_edges(int(column.max())) for column in (input_tokens, output_tokens)]
        cells = [
            np.searchsorted(edge, column, "right") - 1
            for edge, column in zip(edges, (input_tokens, output_tokens), strict=True)
        ]
        shape = (len(edges[0]) - 1, len(edges[1]) - 1)
        flat = np.bincount(np.ravel_multi_index((cells[0], cells[1]), shape), minlength=shape[0] * shape[1])
        return cls(edges[0], edges[1], flat.reshape(shape).astype(np.float64))

    @classmethod
    def independent(cls, edges: Ints, input_share: Floats, output_share: Floats) -> Lengths:
        """The joint histogram of two marginal ones over the same edges, taken as independent."""
        return cls(edges, edges.copy(), np.outer(input_share, output_share))

    def means(self) -> tuple[float, float]:
        """Mean input and mean output tokens of what `draw` gives."""
        middle_in = (self.input_edges[:-1] + self.input_edges[1:] - 1) / 2
        middle_out = (self.output_edges[:-1] + self.output_edges[1:] - 1) / 2
        total = float(self.weights.sum())
        return (
            float(self.weights.sum(axis=1) @ middle_in) / total,
            float(self.weights.sum(axis=0) @ middle_out) / total,
        )

    def draw(self, count: int, random: np.random.Generator) -> tuple[Ints, Ints]:
        """Input and output tokens of `count` requests."""
        flat = np.cumsum(self.weights.ravel())
        cells = np.searchsorted(flat, random.random(count) * flat[-1], "right")
        # Rounding may carry a draw past the last edge, or into a cell of weight 0 at the end.
        cells = np.minimum(cells, int(np.flatnonzero(self.weights.ravel())[-1]))
        i, j = np.unravel_index(cells, self.weights.shape)
        input_tokens = random.integers(self.input_edges[i], self.input_edges[i + 1])
        output_tokens = random.integers(self.output_edges[j], self.output_edges[j + 1])
        return input_tokens, output_tokens


@dataclass(frozen=True, slots=True, eq=False)
class LoadShape:
    """A load and the lengths of its requests: what traffic can be drawn from.

    `start_ns` is the wall clock of the first window's start (Unix time), None where it is not known;
    `source` says in words where the figures come from, licence and citation included.
    """

    load: Load
    lengths: Lengths
    source: str = ""
    start_ns: int | None = None

    @property
    def window_s(self) -> float:
        """Length of a window in seconds."""
        return self.load.window_s

    @property
    def duration_s(self) -> float:
        """How long the shape lasts."""
        return self.load.duration_s

    @property
    def mean_input_tokens(self) -> Floats:
        """Mean input tokens per request in each window, 0 where no request came."""
        return _ratio(self.load.input_tokens_per_s, self.load.requests_per_s)

    @property
    def mean_output_tokens(self) -> Floats:
        """Mean output tokens per request in each window, 0 where no request came."""
        return _ratio(self.load.output_tokens_per_s, self.load.requests_per_s)

    def tokens_per_day(self) -> TokensPerDay:
        """Tokens in a day of the mean load."""
        return self.load.tokens_per_day()

    def between(self, start_s: float, end_s: float) -> LoadShape:
        """The windows that begin in [start_s, end_s)."""
        first = int(np.ceil(max(start_s, 0.0) / self.window_s))
        start_ns = None if self.start_ns is None else self.start_ns + round(first * self.window_s * 1e9)
        return replace(self, load=self.load.between(start_s, end_s), start_ns=start_ns)

    def scaled(self, *, tokens_per_day: float) -> LoadShape:
        """The same shape with as many requests as give this volume, input and output tokens together."""
        return replace(self, load=self.load.scaled(tokens_per_day / self.tokens_per_day().total))

    def compressed(self, times: float) -> LoadShape:
        """The same requests in `1 / times` of the time; the wall clock is lost."""
        return replace(self, load=self.load.compressed(times), start_ns=None)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
