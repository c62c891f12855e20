"""How much one replica serves within an SLO, in the steady state, from mean lengths alone.

An upper bound for bursty traffic: arrivals come one by one as others finish, so nothing ever queues. A
plan's c(n) is found by simulation (`replica.py`); this is its first guess and the what-if answer.
"""

from __future__ import annotations

from msgspec import Struct

from baseload.capacity.predict import CHUNK_TOKENS, decode_step_s
from baseload.core import Slo, StepTime
from baseload.errors import UsageError


class Operating(Struct, frozen=True):
    """One replica at a steady concurrency: what its requests see and what it serves."""

    concurrency: int
    ttft_s: float
    tpot_s: float
    tokens_per_s: float
    """Input and output tokens together."""


def steady_state(step: StepTime, input_tokens: float, output_tokens: float, concurrency: int) -> Operating:
    """A replica on which `concurrency` requests of these mean lengths always run.

    TPOT = base + C·per_sequence + C·(isl + osl/2)·per_kv_token + C·isl/osl·per_prefill_token, the form the
    measured rows were fitted with; TTFT = half a step, until the running one ends, plus its own prefill with
    the decodes that share those steps; tokens/s = C·(isl + osl) / (TTFT + (osl − 1)·TPOT).
    """
    output = max(output_tokens, 1.0)
    decode_s = decode_step_s(step, concurrency, concurrency * (input_tokens + output / 2))
    tpot_s = decode_s + concurrency * input_tokens / output * step.per_prefill_token_s
    chunks = max(1.0, input_tokens / CHUNK_TOKENS)
    ttft_s = (tpot_s / 2 if concurrency > 1 else 0.0) + chunks * decode_s
    ttft_s += input_tokens * step.per_prefill_token_s
    tokens_per_s = concurrency * (input_tokens + output) / (ttft_s + (output - 1) * tpot_s)
    return Operating(concurrency, ttft_s, tpot_s, tokens_per_s)


def within_slo(step: StepTime, input_tokens: float, output_tokens: float, slo: Slo) -> Operating | None:
    """The largest concurrency whose steady state keeps the SLO and fits the KV room; None if not even one.

    Raises UsageError for lengths that are no request.
    """
    if input_tokens < 1 or output_tokens < 1:
        raise UsageError("a request has at least one input and one output token")
    held = input_tokens + output_tokens / 2
    most = min(step.max_sequences, int(step.kv_tokens / held))
    if input_tokens + output_tokens > step.kv_tokens:
        return None
    low, high = 0, max(most, 1)
    while (
        low < high
    ):  # TTFT and TPOT rise with concurrency, so the last that keeps the SLO is found by halving
        middle = (low + high + 1) // 2
        at = steady_state(step, input_tokens, output_tokens, middle)
        if at.ttft_s <= slo.ttft_s and at.tpot_s <= slo.tpot_s:
            low = middle
        else:
            high = middle - 1
    return steady_state(step, input_tokens, output_tokens, low) if low else None


def throughput(step: StepTime, input_tokens: float, output_tokens: float, slo: Slo) -> float:
    """Input and output tokens/s one replica serves within the SLO for these mean lengths; 0.0 if none."""
    best = within_slo(step, input_tokens, output_tokens, slo)
    return 0.0 if best is None else best.tokens_per_s
