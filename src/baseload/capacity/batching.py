"""One replica's continuous batching over a whole queue, skipping what does not change.

The schedule is that of `replica.py`, step by step: preempt, admit in order, decode everything, prefill with
what is left of the chunk. Here nothing is done per step that does not have to be:

- Runs of steps with the same sequences are one leap in closed form: the i-th ends at i·first +
  growth·i(i−1)/2.
- When a sequence ends is known as a *step* once it decodes: `step now + tokens left`, in a heap.
- Requests are admitted in the order they came and the youngest are preempted, so whoever runs came before
  whoever waits. Two indices into the queue (`prefilling`, `waiting`) therefore replace every list of
  sequences.

`advance` stops anywhere and goes on later, so it is both the replay of a month (one call) and a replica in a
fleet that gets its requests one by one. It is written for two executors: with lists it is plain Python, with
arrays numba compiles the very same code (`batching_numba.py`), and both give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from baseload.capacity.predict import CHUNK_TOKENS
from baseload.core import StepTime

INDEX_BITS = 32
"""Heap entries are `step << INDEX_BITS | request`: one integer compares faster than a pair."""

INDEX_MASK = (1 << INDEX_BITS) - 1

NOT_YET = -1.0
"""First token or end of a request that has not come to it."""

PLACES = 12
STEPS, DECODING, KV, HELD, RUNNING, PREFILLING, WAITING, LEFT, SEEN, ENDED, PREEMPTIONS, CACHED = range(
    PLACES
)
"""Places in `Batch.counts`: steps begun so far; sequences decoding, and the KV they hold; KV held and
sequences running in all, prefilling ones included; the first request not prefilled, and the first not
admitted; prompt tokens left of the former; the first that was never admitted; requests that ended;
preemptions; blocks in the cache.
"""

NOW, NEXT = range(2)
"""Places in `Batch.clock`: the end of the last step; when something will have happened next, if nobody
comes."""


class Pace(NamedTuple):
    """A step's coefficients and the limits of a batch, as plain numbers."""

    base_s: float
    per_sequence_s: float
    per_kv_token_s: float
    per_prefill_token_s: float
    kv_tokens: int
    max_sequences: int
    chunk_tokens: int

    @classmethod
    def of(cls, step: StepTime, chunk_tokens: int = CHUNK_TOKENS) -> Pace:
        """The pace of a replica with this step time."""
        return cls(
            step.base_s,
            step.per_sequence_s,
            step.per_kv_token_s,
            step.per_prefill_token_s,
            step.kv_tokens,
            step.max_sequences,
            chunk_tokens,
        )


class Queue(NamedTuple):
    """Requests in order of arrival, one entry each in every column.

    `arrival_s`, `prompt`, `output` (both at least 1, together at most the KV room) and `cached` (prompt
    tokens that need no prefill, at most prompt − 1; with a prefix cache, filled in at admission) say what is
    asked. `produced` counts tokens of preempted ones; `first_s` and `end_s` are filled in as they happen,
    `NOT_YET` before, and `ended` with the requests in the order they end.
    """

    arrival_s: Sequence[float]
    prompt: Sequence[int]
    output: Sequence[int]
    cached: MutableSequence[int]
    produced: MutableSequence[int]
    first_s: MutableSequence[float]
    end_s: MutableSequence[float]
    ended: MutableSequence[int]


class Blocks(NamedTuple):
    """A prefix cache: blocks of `tokens` tokens, the least recently used leaves first.

    Request `i` has the blocks `ids[offsets[i]:offsets[i + 1]]`, small numbers that stand for a block and all
    before it. `newer` and `older` link the blocks in the cache in order of use, around the entry after the
    last id; `older` is −1 outside. `limit` is how many fit. Without offsets there is no cache, and
    `Queue.cached` holds as it stands.
    """

    offsets: Sequence[int]
    ids: Sequence[int]
    newer: MutableSequence[int]
    older: MutableSequence[int]
    tokens: int
    limit: int


class Batch(NamedTuple):
    """Where a replica is: the heap of ends, counts (`STEPS` …), and its clock (`NOW`, `NEXT`)."""

    ends: list[int]
    counts: MutableSequence[int]
    clock: MutableSequence[float]


def fresh_batch() -> Batch:
    """An idle replica at time 0."""
    return Batch([], [0] * PLACES, [0.0, math.inf])


def look_up(request: int, queue: Queue, blocks: Blocks, counts: MutableSequence[int]) -> int:
    """Prompt tokens of this request that the cache holds; its blocks are the most recently used then.

    The last prompt token is always computed. Later blocks are touched first, so that of one prompt the end
    leaves before the beginning: a chain without its beginning is of no use.
    """
    offsets, ids, newer, older, tokens, limit = blocks
    begin, end = offsets[request], offsets[request + 1]
    hits = 0
    while begin + hits < end and older[ids[begin + hits]] >= 0:
        hits += 1
    ring = len(newer) - 1
    place = end
    while place > begin:
        place -= 1
        block = ids[place]
        if older[block] >= 0:
            newer[older[block]], older[newer[block]] = newer[block], older[block]
        else:
            counts[CACHED] += 1
        newest = older[ring]
        newer[newest], older[block] = block, newest
        newer[block], older[ring] = ring, block
    while counts[CACHED] > limit:
        oldest = newer[ring]
        newer[ring] = newer[oldest]
        older[newer[oldest]] = ring
        older[oldest] = -1
        counts[CACHED] -= 1
    return min(hits * tokens, queue.prompt[request] - 1)


def preempt(queue: Queue, batch: Batch, room: int) -> None:
    """Send the youngest back to wait until every running sequence has room for one more token.

    What it has produced stays produced; its KV is computed again when it comes back.
    """
    ends, counts, _ = batch
    while counts[HELD] + counts[RUNNING] > room:
        youngest = counts[WAITING] - 1
        while queue.end_s[youngest] >= 0.0:
            youngest -= 1
        if youngest < counts[PREFILLING]:
            place = 0
            while ends[place] & INDEX_MASK != youngest:
                place += 1
            left = (ends[place] >> INDEX_BITS) - counts[STEPS]
            ends[place] = ends[len(ends) - 1]
            ends.pop()
            heapify(ends)
            queue.produced[youngest] = queue.output[youngest] - left
            counts[DECODING] -= 1
            counts[KV] -= queue.prompt[youngest] + queue.produced[youngest]
            counts[PREFILLING] = youngest
        elif youngest == counts[PREFILLING]:
            counts[LEFT] = 0
        counts[WAITING] = youngest
        counts[HELD] -= queue.prompt[youngest] + queue.produced[youngest]
        counts[RUNNING] -= 1
        counts[PREEMPTIONS] += 1


def steps_within(time_s: float, step_s: float, growth_s: float, most: int) -> int:
    """Steps that end within this time, the first lasting `step_s` and each `growth_s` more; 0 to `most`."""
    linear_s = step_s - 0.5 * growth_s
    root_s = math.sqrt(linear_s * linear_s + 2.0 * growth_s * time_s)
    return max(0, min(most, math.floor(2.0 * time_s / (linear_s + root_s))))


def advance(pace: Pace, queue: Queue, blocks: Blocks, batch: Batch, until_s: float) -> None:
    """Do every step that ends by `until_s`; arrivals in the queue are seen at the next start of a step.

    One long function, since this is where the time goes: in plain Python a call per step would double it.
    """
    base_s, per_sequence_s, per_kv_token_s, per_prefill_token_s, room, limit, chunk = pace
    arrival_s, prompt, output, cached, produced, first_s, end_s, ended = queue
    ends, counts, clock = batch
    requests, prefixed = len(arrival_s), len(blocks.offsets) > 0
    steps, decoding, kv, held = counts[STEPS], counts[DECODING], counts[KV], counts[HELD]
    running, prefilling, waiting = counts[RUNNING], counts[PREFILLING], counts[WAITING]
    left, seen, over, now_s = counts[LEFT], counts[SEEN], counts[ENDED], clock[NOW]
    while True:
        if held + running > room:
            counts[STEPS], counts[DECODING], counts[KV], counts[HELD] = steps, decoding, kv, held
            counts[RUNNING], counts[PREFILLING], counts[WAITING] = running, prefilling, waiting
            counts[LEFT] = left
            preempt(queue, batch, room)
            decoding, kv, held = counts[DECODING], counts[KV], counts[HELD]
            running, prefilling, waiting = counts[RUNNING], counts[PREFILLING], counts[WAITING]
            left = counts[LEFT]

        # Admit, oldest first; one that does not fit holds up those behind it until a sequence ends.
        next_s = math.inf
        while waiting < requests:
            if waiting < seen and end_s[waiting] >= 0.0:  # ended while a younger one was sent back
                if prefilling == waiting:
                    prefilling += 1
                waiting += 1
                continue
            if arrival_s[waiting] > now_s:
                next_s = arrival_s[waiting]
                if running == 0 and next_s <= until_s:
                    now_s = next_s
                    continue
                break
            holds = prompt[waiting] + produced[waiting]
            if running >= limit or held + holds + running >= room:
                next_s = math.inf
                break
            if prefixed:
                cached[waiting] = look_up(waiting, queue, blocks, counts)
            running += 1
            held += holds
            waiting += 1
            if waiting > seen:
                seen = waiting
        if running == 0:
            clock[NEXT] = next_s
            break

        if prefilling < waiting:  # one step: all decode, and prompts get what is left of the chunk
            budget = chunk - decoding if chunk > decoding else 1
            part, prefilled, at, rest = 0, 0, prefilling, left
            while at < waiting and part < budget:
                if at < seen and end_s[at] >= 0.0:
                    at += 1
                    continue
                if rest == 0:
                    rest = prompt[at] + produced[at] - cached[at]
                prefilled += 1
                part += rest
                if part > budget:
                    rest, part = part - budget, budget
                else:
                    rest = 0
                    at += 1
            step_s = base_s + (decoding + prefilled) * per_sequence_s + kv * per_kv_token_s
            step_end_s = now_s + (step_s + part * per_prefill_token_s)
            if step_end_s > until_s:
                clock[NEXT] = step_end_s
                break
            now_s = step_end_s
            steps += 1
            kv += decoding
            held += decoding
            left = rest
            while prefilling < at:
                request = prefilling
                prefilling += 1
                if end_s[request] >= 0.0:
                    continue
                done = produced[request] + 1
                if done == 1:
                    first_s[request] = now_s
                decoding += 1
                kv += prompt[request] + done
                held += 1
                heappush(ends, (steps + output[request] - done) << INDEX_BITS | request)
        else:  # nothing but decoding: in one leap to the first end, arrival, or lack of room
            many = (ends[0] >> INDEX_BITS) - steps
            if held + decoding * many > room:
                many = (room - held) // decoding
            step_s = base_s + decoding * per_sequence_s + kv * per_kv_token_s
            growth_s = decoding * per_kv_token_s
            step_end_s = now_s + (many * step_s + growth_s * (many * (many - 1)) * 0.5)
            if next_s < step_end_s:
                linear_s, wait_s = step_s - 0.5 * growth_s, next_s - now_s
                root_s = math.sqrt(linear_s * linear_s + 2.0 * growth_s * wait_s)
                many = min(many, math.ceil(2.0 * wait_s / (linear_s + root_s)))
                step_end_s = now_s + (many * step_s + growth_s * (many * (many - 1)) * 0.5)
            if step_end_s > until_s:
                clock[NEXT] = step_end_s
                while many > 0 and step_end_s > until_s:
                    many = steps_within(until_s - now_s, step_s, growth_s, many - 1)
                    step_end_s = now_s + (many * step_s + growth_s * (many * (many - 1)) * 0.5)
                steps += many
                kv += decoding * many
                held += decoding * many
                now_s = step_end_s
                break
            now_s = step_end_s
            steps += many
            kv += decoding * many
            held += decoding * many

        while decoding and ends[0] >> INDEX_BITS <= steps:
            request = heappop(ends) & INDEX_MASK
            end_s[request] = now_s
            ended[over] = request
            over += 1
            total = prompt[request] + output[request]
            kv -= total
            held -= total
            decoding -= 1
            running -= 1
    counts[STEPS], counts[DECODING], counts[KV], counts[HELD] = steps, decoding, kv, held
    counts[RUNNING], counts[PREFILLING], counts[WAITING] = running, prefilling, waiting
    counts[LEFT], counts[SEEN], counts[ENDED], clock[NOW] = left, seen, over, now_s
