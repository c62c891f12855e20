"""What a replica would give a new request right now: plain floats, microseconds, no imports beyond core.

The gateway asks this per request and target; the planner and the twin use the same functions, so that the
three agree on what a step takes. All of it rests on one step of continuous batching:

    step(n, k, m) = base + n·per_sequence + k·per_kv_token + m·per_prefill_token

with n running sequences that hold k KV tokens together, and m prompt tokens prefilled within the step.
"""

from __future__ import annotations

from baseload.core import StepTime, Tokens

CHUNK_TOKENS = 8192
"""Prompt tokens one step may prefill beside the running decodes (vLLM's `max_num_batched_tokens` on a server
GPU); longer prompts take several steps."""


def decode_step_s(step: StepTime, sequences: float, kv_tokens: float) -> float:
    """Seconds of a step in which `sequences` decode, holding `kv_tokens` together, without any prefill."""
    return step.base_s + sequences * step.per_sequence_s + kv_tokens * step.per_kv_token_s


def predict(
    step: StepTime,
    running: float,
    kv_tokens: float,
    waiting_tokens: float,
    waiting: float,
    input_tokens: float,
    output_tokens: float,
) -> tuple[float, float]:
    """(TTFT, TPOT) in seconds that a request sent now would see on this replica; neither falls as load grows.

    `running` sequences hold `kv_tokens`; `waiting` ones ahead bring `waiting_tokens` uncached prompt tokens;
    the new request has `input_tokens` uncached and about `output_tokens`, as the others are taken to have.

    TTFT = admission + half a step (the running one must end) + prefill of all ahead and its own + one decode
           step per chunk of it
    admission = blocked · output_tokens · decode step: the part of the batch that must leave first, by
           sequences or KV room, whichever is more; a batch turns over once in `output_tokens` steps.
    TPOT = decode step with this request + prefill of (n−1)·input/output tokens, at most a chunk
    """
    base_s, per_sequence_s = step.base_s, step.per_sequence_s
    per_kv_token_s, per_prefill_token_s = step.per_kv_token_s, step.per_prefill_token_s
    room, limit = step.kv_tokens, step.max_sequences
    output = output_tokens if output_tokens > 1.0 else 1.0
    ahead = waiting_tokens + input_tokens
    present = running + waiting
    sequences = present + 1.0  # with this request
    after = kv_tokens + ahead

    # Comparisons written out, since this runs per request and target and min() and max() would double it.
    steps = 1.5 if running else 1.0
    if ahead > CHUNK_TOKENS:
        steps += ahead / CHUNK_TOKENS - 1.0
    decoding, held = present, after - input_tokens
    if sequences > limit or after > room:
        steps += output * max((sequences - limit) / limit, (after - room) / room)
        decoding = present if present < limit else limit
        held = held if held < room else room
        sequences = sequences if sequences < limit else limit
    ttft_s = ahead * per_prefill_token_s + steps * (
        base_s + decoding * per_sequence_s + held * per_kv_token_s
    )
    held = after + output * 0.5
    if held > room:
        held = room
    replaced = (sequences - 1.0) * input_tokens / output
    if replaced > CHUNK_TOKENS:
        replaced = CHUNK_TOKENS
    tpot_s = base_s + sequences * per_sequence_s + held * per_kv_token_s + replaced * per_prefill_token_s
    return ttft_s, tpot_s


def room_ns(step: StepTime, tokens: Tokens) -> int:
    """Replica-nanoseconds these tokens take of a full replica: what amortised cost is shared out by.

    room = uncached·per_prefill_token + steps·(share·base + per_sequence + held·per_kv_token)

    steps = output tokens (at least one); held = input + output/2, the KV it holds on average; share =
    max(1/max_sequences, held/kv_tokens), its part of whichever room runs out first. On a replica that is
    full of such requests the shares of the running ones add up to 1 and the sum over them is the step time
    itself, so an hour at full throughput adds up to an hour. What a partly filled replica leaves over is the
    idle line.
    """
    steps = max(tokens.output, 1)
    held = tokens.input + tokens.output / 2.0
    share = min(max(1.0 / step.max_sequences, held / step.kv_tokens), 1.0)
    per_step_s = share * step.base_s + step.per_sequence_s + held * step.per_kv_token_s
    uncached = tokens.input - tokens.cached_input
    return round((uncached * step.per_prefill_token_s + steps * per_step_s) * 1e9)
