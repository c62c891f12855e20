"""TTFT and TPOT of a closed loop, simulated: C clients, each sending its next request when the last ended.

This is how the measured rows were taken (all clients start at once, ten requests each, everything counted),
so it says how far the batching simulation and a fitted step time are from what an engine does.

A request's arrival is another's end, so arrivals are found by going over the loop again and again, each time
with the ends of the last: the earliest request that was wrong is right the next time, and with it most that
depend on it, until nothing moves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from baseload.capacity.terms import Load
from baseload.capacity.timeline import Requests, timeline, tpot_s
from baseload.core import StepTime

GENERATIONS = 10
"""Requests of each client: what InferenceX sends (its `num_prompts` is ten times the concurrency)."""

SETTLED_S = 1e-9
"""Arrivals that move by less have settled."""


class ClosedLoop(NamedTuple):
    """Means over all requests, in seconds."""

    ttft_s: float
    tpot_s: float


def closed_loop(step: StepTime, load: Load, *, generations: int = GENERATIONS) -> ClosedLoop:
    """What a load generator would measure on a replica with this step time.

    All `load.concurrency` requests run at once: rows that queued for slots or KV room are not among those it
    is compared with, so neither bound is held against it. TPOT is NaN for answers of one token.
    """
    clients = max(1, round(load.concurrency))
    prompt, answer = max(1, round(load.input_tokens)), max(1, round(load.output_tokens))
    roomy = replace(
        step,
        max_sequences=max(step.max_sequences, clients),
        kv_tokens=max(step.kv_tokens, clients * (prompt + answer)),
    )
    many = clients * generations
    inputs, outputs = np.full(many, prompt), np.full(many, answer)
    arrival_s, none = np.zeros(many), np.zeros(many, np.int64)
    known = clients
    while True:
        requests = Requests(arrival_s[:known], inputs[:known], outputs[:known], none[:known])
        found = timeline(roomy, requests, compiled=False)
        following_s = np.sort(found.end_s)[: many - clients]
        moved = np.abs(following_s - arrival_s[clients : clients + len(following_s)]) > SETTLED_S
        arrival_s[clients : clients + len(following_s)] = following_s
        if known == many and not moved.any():
            break
        known = min(known + clients, many)
    per_token_s = tpot_s(found.first_s, found.end_s, outputs)
    return ClosedLoop(float((found.first_s - arrival_s).mean()), float(per_token_s.mean()))
