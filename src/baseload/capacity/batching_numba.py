"""`batching.advance` compiled by numba: the same source, so the same bits, some thirty times as fast.

Importing this needs the extra `fast` and compiles on the first call of a machine; the result is kept beside
the source where that can be written to.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numba

from baseload.capacity import batching


def _compiled(function: Any, **called: Any) -> Any:
    """`function` in machine code; what it calls are these instead of its module's own."""
    own = FunctionType(function.__code__, {**function.__globals__, **called}, function.__name__)
    own.__module__ = __name__
    return numba.njit(own, cache=True)


look_up = _compiled(batching.look_up)
preempt = _compiled(batching.preempt)
steps_within = _compiled(batching.steps_within)
advance = _compiled(batching.advance, look_up=look_up, preempt=preempt, steps_within=steps_within)


@numba.njit(cache=True)
def advance_all(pace: Any, queue: Any, blocks: Any, counts: Any, clock: Any, until_s: float) -> None:
    """`batching.advance` from an idle replica on."""
    ends = [0]
    ends.pop()
    advance(pace, queue, blocks, batching.Batch(ends, counts, clock), until_s)
