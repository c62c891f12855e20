"""Targets inside the fleet simulation: a replica that is told its requests one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from baseload.capacity.batching import (
    ENDED,
    INDEX_BITS,
    INDEX_MASK,
    NEXT,
    NOT_YET,
    NOW,
    STEPS,
    Blocks,
    Pace,
    Queue,
    advance,
    fresh_batch,
)
from baseload.core import StepTime
from baseload.policy.load import TargetLoad

NO_BLOCKS = Blocks([], [], [], [], 1, 0)


class Replica:
    """An owned replica at work. Requests are numbers of the caller's; times never go back.

    `wake_s` is when something will have happened next; call `run` by then or later, and then `firsts` and
    `ends` for what did. `blocks` distinct prefix blocks of `block_tokens` tokens make a prefix cache, 0 none.
    """

    __slots__ = ("_batch", "_blocks", "_ended", "_firsts", "_pace", "_queue", "load", "requests", "wake_s")

    def __init__(self, step: StepTime, load: TargetLoad, blocks: int = 0, block_tokens: int = 1) -> None:
        self.load = load
        self._pace = Pace.of(step)
        self._blocks = NO_BLOCKS
        if blocks:
            newer, older = [blocks] * (blocks + 1), [-1] * blocks + [blocks]
            limit = step.kv_tokens // block_tokens
            self._blocks = Blocks([0], [], newer, older, block_tokens, limit)
        self._clear(0.0)

    def _clear(self, now_s: float) -> None:
        self._queue = Queue([], [], [], [], [], [], [], [])
        self._batch = fresh_batch()
        self._batch.clock[NOW] = now_s
        self.requests: list[int] = []
        self._firsts = self._ended = 0
        self.wake_s = math.inf

    def fits(self, prompt: int, output: int) -> bool:
        """Whether prompt and answer fit its KV room together."""
        return prompt + output <= self._pace.kv_tokens

    def held_tokens(self, chain: Sequence[int], prompt: int) -> int:
        """Tokens of this prompt that its prefix cache holds now."""
        older = self._blocks.older
        hits = 0
        for block in chain:
            if older[block] < 0:
                break
            hits += 1
        return min(hits * self._blocks.tokens, prompt - 1)

    def submit(
        self, now_s: float, request: int, prompt: int, output: int, cached: int, chain: Sequence[int] = ()
    ) -> None:
        """A request comes; `cached` of its prompt need no prefill, unless the replica's own cache decides."""
        queue = self._queue
        queue.arrival_s.append(now_s)  # type: ignore[attr-defined]
        queue.prompt.append(prompt)  # type: ignore[attr-defined]
        queue.output.append(output)  # type: ignore[attr-defined]
        queue.cached.append(cached)
        queue.produced.append(0)
        queue.first_s.append(NOT_YET)
        queue.end_s.append(NOT_YET)
        queue.ended.append(0)
        self.requests.append(request)
        if self._blocks.newer:
            self._blocks.ids.extend(chain)  # type: ignore[attr-defined]
            self._blocks.offsets.append(len(self._blocks.ids))  # type: ignore[attr-defined]
        self.run(now_s)

    def run(self, now_s: float) -> None:
        """Do everything that ends by `now_s`."""
        batch = self._batch
        advance(self._pace, self._queue, self._blocks, batch, now_s)
        self.wake_s = batch.clock[NEXT]

    def firsts(self) -> list[tuple[int, float]]:
        """Requests whose first token came since the last call, and when."""
        first_s, begin = self._queue.first_s, self._firsts
        end, count = begin, len(first_s)
        while end < count and first_s[end] >= 0.0:
            end += 1
        if end == begin:
            return []
        self._firsts = end
        return list(zip(self.requests[begin:end], first_s[begin:end], strict=True))

    def ends(self) -> list[tuple[int, float]]:
        """Requests that ended since the last call, and when."""
        begin, end = self._ended, self._batch.counts[ENDED]
        if end == begin:
            return []
        self._ended = end
        end_s = self._queue.end_s
        return [(self.requests[each], end_s[each]) for each in self._queue.ended[begin:end]]

    def fail(self, now_s: float) -> dict[int, int]:
        """It breaks down, empty from now on: what it was serving, and the tokens each had produced.

        Call `run`, `firsts` and `ends` for this moment first.
        """
        queue, produced = self._queue, {}
        left = {entry & INDEX_MASK: entry >> INDEX_BITS for entry in self._batch.ends}
        for place, request in enumerate(self.requests):
            if queue.end_s[place] < 0.0:
                made = queue.produced[place]
                if place in left:
                    made = queue.output[place] - (left[place] - self._batch.counts[STEPS])
                produced[request] = made
        if self._blocks.newer:
            blocks = len(self._blocks.newer) - 1
            newer, older = [blocks] * (blocks + 1), [-1] * blocks + [blocks]
            self._blocks = Blocks([0], [], newer, older, self._blocks.tokens, self._blocks.limit)
        self._clear(now_s)
        return produced
