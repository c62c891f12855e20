"""`Traffic`: requests as columns of numpy arrays, sorted by arrival.

What came, and nothing about where it was served: the readers fill it, the planner and the player take it,
and the ledger gives it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from baseload.errors import UsageError
from baseload.traffic.load import DAY_S, Floats, Ints, Lengths, Load, LoadShape, TokensPerDay, freeze

Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

MAX_TOKENS = 1_000_000_000
"""More tokens than this in one request are a mistake; it keeps every sum of a table within int64."""


class BadRow(NamedTuple):
    """A row that could not be read: its line (or row) counted from 1, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class PrefixBlocks:
    """The prompt of each request as hashes of its blocks of `block_tokens` tokens, ragged.

    Request `i` has `hashes[offsets[i]:offsets[i + 1]]`, first block first; equal hashes mean equal blocks.
    """

    offsets: Ints
    hashes: Ints
    block_tokens: int

    def __post_init__(self) -> None:
        freeze(self, offsets=np.int64, hashes=np.int64)
        if self.block_tokens < 1:
            raise UsageError("a prefix block holds at least one token")
        if not len(self.offsets) or self.offsets[0] != 0 or self.offsets[-1] != len(self.hashes):
            raise UsageError("prefix block offsets must run from 0 to the number of hashes")
        if (np.diff(self.offsets) < 0).any():
            raise UsageError("prefix block offsets must not fall")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, request: int) -> Ints:
        """The block hashes of one request."""
        return self.hashes[self.offsets[request] : self.offsets[request + 1]]

    def take(self, requests: Ints) -> PrefixBlocks:
        """The blocks of these requests, in this order."""
        counts = np.diff(self.offsets)[requests]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        positions = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
        return PrefixBlocks(
            offsets, self.hashes[np.repeat(self.offsets[requests], counts) + positions], self.block_tokens
        )

    def hit_tokens(self, input_tokens: Ints) -> Ints:
        """Input tokens of each request that an unlimited prefix cache holds when it arrives.

        A block hits when an earlier request had the same blocks up to and including it; requests that hit
        whole count at most their input. Blocks are compared with all that precede them through a 64-bit
        hash of the chain, so that hashes of single blocks (Bailian) and of whole prefixes (Mooncake) both
        count right.
        """
        counts = np.diff(self.offsets)
        owner = np.repeat(np.arange(len(self)), counts)
        chain = self._chained(counts)
        _, first, inverse = np.unique(chain, return_index=True, return_inverse=True)
        seen = owner[first[inverse]] < owner
        blocks = np.bincount(owner[seen], minlength=len(self))
        return np.minimum(blocks * self.block_tokens, input_tokens)

    def _chained(self, counts: Ints) -> npt.NDArray[np.uint64]:
        """A hash of each block and all before it in its request: a running sum of mixed (hash, place)."""
        place = (np.arange(len(self.hashes)) - np.repeat(self.offsets[:-1], counts)).astype(np.uint64)
        mixed = _mix(self.hashes.astype(np.uint64) ^ _mix(place + np.uint64(1)))
        running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
        chain: npt.NDArray[np.uint64] = running[1:] - np.repeat(running[self.offsets[:-1]], counts)
        return chain


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)."""
    mixed: npt.NDArray[np.uint64] = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """Requests in order of arrival; every column has one entry a request and cannot be written to.

    `arrival_s` counts from the start of the observation, which lasts `duration_s`; `start_ns` is the wall
    clock of that start (Unix time), None where the source has none. `cached_tokens` is the part of
    `input_tokens` that a prefix cache holds (0 where the source does not say). `model` and `tenant` are codes
    into `models` and `tenants`. `bad_rows` of the source could not be read (`first_bad` are the first five);
    `notes` say in words what else was left out.
    """

    arrival_s: Floats
    input_tokens: Ints
    cached_tokens: Ints
    output_tokens: Ints
    duration_s: float
    model: Codes
    tenant: Codes
    models: tuple[str, ...] = ("",)
    tenants: tuple[str, ...] = ("",)
    prefix: PrefixBlocks | None = None
    start_ns: int | None = None
    source: str = ""
    bad_rows: int = 0
    first_bad: tuple[BadRow, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not len(self.arrival_s):
            raise UsageError("traffic needs at least one request")
        freeze(self, **dict(_COLUMNS))
        for name, _ in _COLUMNS:
            shape = getattr(self, name).shape
            if shape != (len(self),):
                raise UsageError(f"traffic column {name} has shape {shape}, not one entry per request")
        self._check()

    def _check(self) -> None:
        """Refuse what the docstring rules out."""
        first, last = float(self.arrival_s[0]), float(self.arrival_s[-1])
        if not (self.arrival_s[1:] >= self.arrival_s[:-1]).all() or not 0 <= first <= last:
            raise UsageError("arrival_s must be sorted and start at 0 or later")
        if not last <= self.duration_s < np.inf or not self.duration_s > 0:
            raise UsageError(f"traffic of {self.duration_s} s holds an arrival at {last} s")
        for name in ("input_tokens", "cached_tokens", "output_tokens"):
            column = getattr(self, name)
            if int(column.min()) < 0 or int(column.max()) > MAX_TOKENS:
                raise UsageError(f"{name} must be within 0 and {MAX_TOKENS:,}")
        if (self.cached_tokens > self.input_tokens).any():
            raise UsageError("a request has more cached than input tokens")
        for codes, names in ((self.model, self.models), (self.tenant, self.tenants)):
            if int(codes.min()) < 0 or int(codes.max()) >= len(names):
                raise UsageError("a model or tenant code has no name")
        if self.prefix is not None and len(self.prefix) != len(self):
            raise UsageError("prefix blocks and requests differ in number")

    def __len__(self) -> int:
        return len(self.arrival_s)

    def __repr__(self) -> str:
        return f"Traffic({len(self):,} requests, {self.duration_s:g} s, source={self.source!r})"

    def where(self, keep: Mask) -> Traffic:
        """The requests of a boolean mask, over the same time; at least one must remain."""
        if not keep.any():
            raise UsageError("no request remains of the traffic")
        columns = {name: getattr(self, name)[keep] for name, _ in _COLUMNS}
        prefix = None if self.prefix is None else self.prefix.take(np.flatnonzero(keep))
        return replace(self, **columns, prefix=prefix)

    def between(self, start_s: float, end_s: float) -> Traffic:
        """Arrivals in [start_s, end_s) as traffic of its own, whose time starts at `start_s`."""
        start_s, end_s = max(start_s, 0.0), min(end_s, self.duration_s)
        keep = (self.arrival_s >= start_s) & (self.arrival_s < end_s)
        if end_s == self.duration_s:
            keep |= self.arrival_s == end_s
        if not keep.any():
            raise UsageError(f"no request arrives in {start_s:g}–{end_s:g} s")
        part = self.where(keep)
        start_ns = None if self.start_ns is None else self.start_ns + round(start_s * 1e9)
        return replace(
            part, arrival_s=part.arrival_s - start_s, duration_s=end_s - start_s, start_ns=start_ns
        )

    def only(self, *, model: str | None = None, tenant: str | None = None) -> Traffic:
        """The requests for one model, of one tenant, or both, over the same time."""
        keep = np.ones(len(self), dtype=np.bool_)
        for wanted, codes, names in ((model, self.model, self.models), (tenant, self.tenant, self.tenants)):
            if wanted is None:
                continue
            if wanted not in names:
                raise UsageError(f"the traffic has no {wanted!r}, only {', '.join(map(repr, names))}")
            keep &= codes == names.index(wanted)
        return self.where(keep)

    def compressed(self, times: float) -> Traffic:
        """The same requests in `1 / times` of the time; the wall clock is lost."""
        if not (np.isfinite(times) and times > 0):
            raise UsageError(f"time is compressed by a positive factor, not {times}")
        return replace(
            self, arrival_s=self.arrival_s / times, duration_s=self.duration_s / times, start_ns=None
        )

    def capped(self, *, input_tokens: int = MAX_TOKENS, output_tokens: int = MAX_TOKENS) -> Traffic:
        """Longer requests cut to these lengths (so that a small engine can serve them)."""
        shorter = np.minimum(self.input_tokens, input_tokens)
        return replace(
            self,
            input_tokens=shorter,
            cached_tokens=np.minimum(self.cached_tokens, shorter),
            output_tokens=np.minimum(self.output_tokens, output_tokens),
        )

    def tokens_per_day(self) -> TokensPerDay:
        """Tokens in a day of the mean load: the table's tokens over `duration_s`, times 86,400 s."""
        per_token = DAY_S / self.duration_s
        return TokensPerDay(
            input=int(self.input_tokens.sum()) * per_token,
            cached=int(self.cached_tokens.sum()) * per_token,
            output=int(self.output_tokens.sum()) * per_token,
        )

    def load(self, window_s: float) -> Load:
        """Requests and tokens per second in equal windows as near to `window_s` as divides the duration.

        Equal windows that end with the traffic keep every total and mean: a last, shorter window would not.
        """
        if not window_s > 0:
            raise UsageError(f"a window lasts more than 0 s, not {window_s}")
        count = max(1, round(self.duration_s / window_s))
        width_s = self.duration_s / count
        window = np.minimum((self.arrival_s / width_s).astype(np.int64), count - 1)
        return Load(
            width_s,
            np.bincount(window, minlength=count) / width_s,
            *(
                np.bincount(window, weights=column, minlength=count) / width_s
                for column in (self.input_tokens, self.cached_tokens, self.output_tokens)
            ),
        )

    def shape(self, window_s: float) -> LoadShape:
        """The load in windows together with the lengths of the requests."""
        lengths = Lengths.of(self.input_tokens, self.output_tokens)
        return LoadShape(self.load(window_s), lengths, self.source, self.start_ns)


_COLUMNS: tuple[tuple[str, type], ...] = (
    ("arrival_s", np.float64),
    ("input_tokens", np.int64),
    ("cached_tokens", np.int64),
    ("output_tokens", np.int64),
    ("model", np.int32),
    ("tenant", np.int32),
)


def concat(parts: Sequence[Traffic]) -> Traffic:
    """Traffic one after the other in time, each part starting where the one before it ends.

    Wall clocks of later parts are dropped. Prefix blocks stay only where all parts have them in the same
    size and from the same source, since elsewhere equal hashes do not mean equal blocks.
    """
    starts_s = np.concatenate([[0.0], np.cumsum([part.duration_s for part in parts])])
    return _join(parts, starts_s, parts[0].start_ns if parts else None)


def merge(parts: Sequence[Traffic]) -> Traffic:
    """Traffic that ran side by side, laid over each other by wall clock; every part needs one."""
    starts_ns = [part.start_ns for part in parts if part.start_ns is not None]
    if len(starts_ns) < len(parts):
        raise UsageError("only traffic with a wall clock can be merged; `concat` puts parts in a row")
    if not parts:
        raise UsageError("no traffic to join")
    origin_ns = min(starts_ns)
    starts_s = np.array([(start - origin_ns) / 1e9 for start in starts_ns])
    ends_s = starts_s + [part.duration_s for part in parts]
    return _join(parts, np.append(starts_s, ends_s.max()), origin_ns)


def _join(parts: Sequence[Traffic], starts_s: Floats, start_ns: int | None) -> Traffic:
    """Parts shifted to their starts and sorted; the last entry of `starts_s` is the end of all."""
    if not parts:
        raise UsageError("no traffic to join")
    arrival_s = np.concatenate(
        [part.arrival_s + start for part, start in zip(parts, starts_s[:-1], strict=True)]
    )
    order = np.argsort(arrival_s, kind="stable")
    models, model = _recode([(part.models, part.model) for part in parts])
    tenants, tenant = _recode([(part.tenants, part.tenant) for part in parts])
    return Traffic(
        arrival_s=np.minimum(arrival_s[order], starts_s[-1]),
        input_tokens=np.concatenate([part.input_tokens for part in parts])[order],
        cached_tokens=np.concatenate([part.cached_tokens for part in parts])[order],
        output_tokens=np.concatenate([part.output_tokens for part in parts])[order],
        duration_s=float(starts_s[-1]),
        model=model[order],
        tenant=tenant[order],
        models=models,
        tenants=tenants,
        prefix=_join_prefix(parts, order),
        start_ns=start_ns,
        source=" + ".join(dict.fromkeys(part.source for part in parts)),
        bad_rows=sum(part.bad_rows for part in parts),
        first_bad=tuple(bad for part in parts for bad in part.first_bad)[:5],
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _recode(columns: Sequence[tuple[tuple[str, ...], Codes]]) -> tuple[tuple[str, ...], Codes]:
    """The union of the parts' names, and their codes in it."""
    names = {name: code for code, name in enumerate(dict.fromkeys(n for known, _ in columns for n in known))}
    recoded = [np.array([names[n] for n in known], dtype=np.int32)[codes] for known, codes in columns]
    return tuple(names), np.concatenate(recoded)


def _join_prefix(parts: Sequence[Traffic], order: Ints) -> PrefixBlocks | None:
    blocks = [part.prefix for part in parts if part.prefix is not None]
    same = all(a.source == b.source for a, b in pairwise(parts))
    if len(blocks) < len(parts) or not same or len({b.block_tokens for b in blocks}) > 1:
        return None
    counts = np.concatenate([np.diff(b.offsets) for b in blocks])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    hashes = np.concatenate([b.hashes for b in blocks])
    return PrefixBlocks(offsets, hashes, blocks[0].block_tokens).take(order)
