"""One replica, iteration by iteration, written to be read: what the event-skipping one is held against.

Every step is done, every sequence gets its tokens one by one, and the prefix cache is an ordered dictionary.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from baseload.capacity.timeline import Floats, Requests
from baseload.core import StepTime


@dataclass(eq=False)
class Sequence:
    """One request in the engine."""

    number: int
    prompt: int
    output: int
    cached: int
    blocks: tuple[int, ...]
    produced: int = 0
    to_prefill: int = 0


@dataclass
class PrefixCache:
    """The blocks used last, as many as fit."""

    limit: int
    tokens: int
    held: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def look_up(self, sequence: Sequence) -> int:
        """Prompt tokens it holds, the last one never; the prompt's blocks are kept from now on."""
        hits = 0
        for block in sequence.blocks:
            if block not in self.held:
                break
            hits += 1
        for block in reversed(sequence.blocks):
            self.held[block] = None
            self.held.move_to_end(block)
        while len(self.held) > self.limit:
            self.held.popitem(last=False)
        return min(hits * self.tokens, sequence.prompt - 1)


def simulate(step: StepTime, requests: Requests, chunk_tokens: int = 8192) -> tuple[Floats, Floats]:
    """First-token and end times of every request."""
    chains = requests.chains
    cache = None if chains is None else PrefixCache(step.kv_tokens // chains.tokens, chains.tokens)
    first_s, end_s = np.full(len(requests), np.nan), np.full(len(requests), np.nan)
    arrivals = [
        (
            float(requests.arrival_s[i]),
            Sequence(
                i,
                int(requests.input_tokens[i]),
                int(requests.output_tokens[i]),
                int(min(requests.cached_tokens[i], requests.input_tokens[i] - 1)),
                () if chains is None else tuple(chains.ids[chains.offsets[i] : chains.offsets[i + 1]]),
            ),
        )
        for i in range(len(requests))
    ]
    arrivals.reverse()
    waiting: list[Sequence] = []
    running: list[Sequence] = []
    now_s = 0.0

    def held(sequences: list[Sequence]) -> int:
        return sum(each.prompt + each.produced for each in sequences)

    while arrivals or waiting or running:
        if not waiting and not running:
            now_s = max(now_s, arrivals[-1][0])
        while arrivals and arrivals[-1][0] <= now_s:
            waiting.append(arrivals.pop()[1])
        in_use = held(running)
        while in_use + len(running) > step.kv_tokens:
            youngest = running.pop()
            in_use -= youngest.prompt + youngest.produced
            waiting.insert(0, youngest)
        while waiting and len(running) < step.max_sequences:
            comer = waiting[0]
            if in_use + comer.prompt + comer.produced + len(running) + 1 > step.kv_tokens:
                break
            waiting.pop(0)
            if cache is not None:
                comer.cached = cache.look_up(comer)
            comer.to_prefill = comer.prompt + comer.produced - comer.cached
            in_use += comer.prompt + comer.produced
            running.append(comer)
        decoding = [each for each in running if not each.to_prefill]
        budget = max(chunk_tokens - len(decoding), 1)
        step_s = step.base_s + held(decoding) * step.per_kv_token_s + len(decoding) * step.per_sequence_s
        complete = []
        for each in running:
            if each.to_prefill and budget:
                part = min(each.to_prefill, budget)
                budget -= part
                each.to_prefill -= part
                step_s += step.per_sequence_s + part * step.per_prefill_token_s
                if not each.to_prefill:
                    complete.append(each)
        now_s += step_s
        for each in decoding + complete:
            each.produced += 1
            if np.isnan(first_s[each.number]):
                first_s[each.number] = now_s
            if each.produced == each.output:
                end_s[each.number] = now_s
                running.remove(each)
    return first_s, end_s
