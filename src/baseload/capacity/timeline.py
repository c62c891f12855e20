"""A whole trace on one replica: arrays of requests in, arrays of times out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from baseload.capacity.batching import (
    NOT_YET,
    PREEMPTIONS,
    STEPS,
    Blocks,
    Pace,
    Queue,
    advance,
    fresh_batch,
)
from baseload.core import StepTime
from baseload.errors import UsageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COMPILED_FROM = 200_000
"""Requests from which compiled code is worth loading (half a second; four at its very first use). Below,
plain Python is done sooner; the answer is the same to the bit."""

COMPILED = "baseload.capacity.batching_numba"


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """Prompts as blocks of `tokens` tokens: request `i` has `ids[offsets[i]:offsets[i + 1]]`.

    An id stands for a block and all before it in its prompt; ids count from 0 to `blocks` − 1.
    """

    offsets: Ints
    ids: Ints
    blocks: int
    tokens: int

    def take(self, requests: Ints) -> Chains:
        """The chains of these requests, in this order."""
        counts = np.diff(self.offsets)[requests]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[requests] - offsets[:-1], counts)
        return Chains(offsets, self.ids[places], self.blocks, self.tokens)


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """What comes to a replica, in order of arrival; arrays of one entry each.

    With `chains` the replica keeps its own prefix cache and `cached_tokens` is not looked at.
    """

    arrival_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    cached_tokens: Ints
    chains: Chains | None = None

    def __len__(self) -> int:
        return len(self.arrival_s)

    def take(self, requests: Ints) -> Requests:
        """These requests, in this order."""
        chains = None if self.chains is None else self.chains.take(requests)
        return Requests(
            self.arrival_s[requests],
            self.input_tokens[requests],
            self.output_tokens[requests],
            self.cached_tokens[requests],
            chains,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """When each request had its first token and its end, in seconds on the clock of its arrival.

    NaN where it never ran: prompt and answer exceed the replica's KV room together. `cached_tokens` needed no
    prefill.
    """

    first_s: Floats
    end_s: Floats
    cached_tokens: Ints
    preemptions: int
    steps: int


def timeline(
    step: StepTime, requests: Requests, *, chunk_tokens: int = 0, compiled: bool | None = None
) -> Timeline:
    """Every request's times on one replica with this step time.

    `chunk_tokens` is what a step may prefill, 0 for the engine's default. `compiled` None takes numba
    where it is installed and pays; True insists on it (UsageError without); False is plain Python. All agree
    to the bit.
    """
    pace = Pace.of(step, chunk_tokens) if chunk_tokens else Pace.of(step)
    fits = np.flatnonzero(requests.input_tokens + requests.output_tokens <= step.kv_tokens)
    if len(fits) == len(requests):
        return _run(pace, requests, compiled)
    found = _run(pace, requests.take(fits), compiled)
    first_s, end_s = np.full(len(requests), np.nan), np.full(len(requests), np.nan)
    cached = np.zeros(len(requests), np.int64)
    first_s[fits], end_s[fits], cached[fits] = found.first_s, found.end_s, found.cached_tokens
    return Timeline(first_s, end_s, cached, found.preemptions, found.steps)


def tpot_s(first_s: Floats, end_s: Floats, output_tokens: Ints) -> Floats:
    """Mean time per output token after the first; NaN for an answer of one token."""
    after = np.where(output_tokens > 1, output_tokens - 1, 1)
    return np.where(output_tokens > 1, (end_s - first_s) / after, np.nan)


def _run(pace: Pace, requests: Requests, compiled: bool | None) -> Timeline:
    prompt, output = np.maximum(requests.input_tokens, 1), np.maximum(requests.output_tokens, 1)
    cached = np.minimum(requests.cached_tokens, prompt - 1)
    none = np.full(len(requests), NOT_YET)
    columns: tuple[Any, ...] = (
        *(requests.arrival_s, prompt, output, cached),
        *(np.zeros_like(prompt), none, none.copy(), np.zeros_like(prompt)),
    )
    chained: tuple[Any, ...] = _blocks(requests.chains)
    size = requests.chains.tokens if requests.chains else 1
    sizes: tuple[Any, ...] = (size, pace.kv_tokens // size)
    if _takes_numba(len(requests), compiled):
        from baseload.capacity.batching_numba import advance_all

        queue, done = Queue(*columns), fresh_batch()
        counts: Any = np.array(done.counts)
        advance_all(pace, queue, Blocks(*chained, *sizes), counts, np.array(done.clock), inf)
        done = done._replace(counts=counts)
    else:
        queue, done = Queue(*(column.tolist() for column in columns)), fresh_batch()
        blocks = Blocks(*(column.tolist() for column in chained), *sizes)
        advance(pace, queue, blocks, done, inf)
    return Timeline(
        np.asarray(queue.first_s),
        np.asarray(queue.end_s),
        np.asarray(queue.cached),
        int(done.counts[PREEMPTIONS]),
        int(done.counts[STEPS]),
    )


def _blocks(chains: Chains | None) -> tuple[Ints, Ints, Ints, Ints]:
    """Offsets, ids, newer and older of an empty prefix cache; all empty where there is none."""
    if chains is None:
        none = np.zeros(0, np.int64)
        return none, none, none, none
    ring = chains.blocks  # the ring holds itself alone
    newer, older = np.full(ring + 1, ring), np.full(ring + 1, -1)
    older[ring] = ring
    return chains.offsets, chains.ids, newer, older


def _takes_numba(requests: int, compiled: bool | None) -> bool:
    if compiled and not _has_numba():
        raise UsageError("numba is not installed", hint="pip install 'baseload[fast]'")
    if compiled is None:
        return _has_numba() and (requests >= COMPILED_FROM or COMPILED in sys.modules)
    return compiled


@cache
def _has_numba() -> bool:
    return find_spec("numba") is not None
