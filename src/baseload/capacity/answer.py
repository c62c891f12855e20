"""What one replica gives under a steady load: the answer of `baseload capacity`.

Metrics as docs/capacity.md defines them: TTFT from sending a request to its first token, TPOT the mean time
per output token after the first, both means over requests of a closed loop with C requests at once, and

    output tokens/s = C·osl / (TTFT + (osl − 1)·TPOT)
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from baseload.capacity.anchors import CONTRADICTS, Anchor
from baseload.capacity.first_token import PARTS, TimeToFirst, first_token, own_prefill_s
from baseload.capacity.fitted import Estimate, check_load, fitted
from baseload.capacity.memory import ENGINES, check, kv_tokens, most_at_once, refuse_unless_fits
from baseload.capacity.predict import CHUNK_TOKENS
from baseload.capacity.terms import TERMS, Load, Setup
from baseload.catalog.models import BYTES_PER_KV_VALUE
from baseload.errors import UnknownName, UsageError

PREFILL_TERMS = ("prefill_flops", "prefill_attention", "prefill_traffic", "prefill_tokens", "prefill_steps")
PREFILL_PARTS = ("own_prefill", "all_prefills", "bunched_prefills", "per_input_token")


class Factors(Struct, frozen=True):
    """What a user may say of the engine beyond its setup; the defaults change nothing.

    `cached_share` of every prompt is found in the prefix cache. `chunk_tokens` is how many prompt tokens one
    step may prefill. `accepted_tokens` are tokens a step yields with speculative decoding, 1 without.
    `lora_slowdown` is how many times longer a step takes with the adapters in use. `kv_precision` is the
    cache's: bf16 or fp8.
    """

    cached_share: float = 0.0
    chunk_tokens: int = CHUNK_TOKENS
    accepted_tokens: float = 1.0
    lora_slowdown: float = 1.0
    kv_precision: str = "bf16"


PLAIN = Factors()
"""An engine at its defaults."""


class Answer(Struct, frozen=True):
    """What a replica gives; times in ms, `_low` and `_high` bound the 80% interval.

    `concurrency` is what runs; it is below `concurrency_asked` where memory or the engine's limit caps it,
    and then `capped_by` says which, and TTFT is that of admitted requests. `longest_gap_ms` is the time
    between two tokens while a whole chunk of someone's prompt is prefilled.
    """

    concurrency: int
    concurrency_asked: int
    capped_by: str | None
    ttft_ms: float
    ttft_ms_low: float
    ttft_ms_high: float
    tpot_ms: float
    tpot_ms_low: float
    tpot_ms_high: float
    longest_gap_ms: float
    e2e_ms: float
    output_tokens_per_s: float
    output_tokens_per_s_low: float
    output_tokens_per_s_high: float
    output_tokens_per_s_per_gpu: float
    kv_tokens: int
    basis: str
    measured_rows: int
    anchors: int


def answer(
    setup: Setup,
    load: Load,
    factors: Factors = PLAIN,
    anchors: Sequence[Anchor] = (),
    max_sequences: int | None = None,
    as_measured: bool = False,
) -> Answer:
    """What the replica gives, memory checked first.

    `max_sequences` replaces the engine's admission limit. `as_measured`: a configuration with measured rows
    is not capped, since what its rows state is what was offered, and the fit follows them. Raises
    UsageError for a setup whose weights and one such request do not fit, or that no engine starts; a
    configuration with measured rows is never refused for memory: it ran.

    Order: the fit says what a plain engine does (one that does not guess ahead, where `accepted_tokens` are
    given); anchors, measured with the factors, are put back to it and shift it; then the factors apply.
    """
    _check(setup, load, factors)
    if factors.accepted_tokens > 1:
        setup = msgspec.structs.replace(setup, speculative=0.0)
    measured = fitted().rows(setup) > 0
    tokens = load.input_tokens + load.output_tokens
    if not measured:
        refuse_unless_fits(setup, tokens, factors.kv_precision)
    limit = max_sequences or ENGINES[setup.engine].max_sequences * setup.data
    room = max(most_at_once(setup, tokens, factors.kv_precision), 1)  # measured ones ran, whatever is counted
    if measured and as_measured:
        room = limit
    running, capped_by = _running(int(load.concurrency), room, limit)
    at = load._replace(concurrency=running)
    plain = [_plain(setup, anchor, factors) for anchor in anchors]
    tpot = fitted().estimate(setup, at, plain)
    ttft = first_token().estimate(setup, at, plain)
    ttft_scale, more_s = _ttft_change(setup, at, factors, tpot.tpot_s)
    scale = _tpot_scale(setup, at, factors)
    return _answer(
        setup,
        at,
        factors,
        msgspec.structs.replace(
            tpot, tpot_s=tpot.tpot_s * scale, low_s=tpot.low_s * scale, high_s=tpot.high_s * scale
        ),
        ttft._replace(
            ttft_s=ttft.ttft_s * ttft_scale + more_s,
            low_s=ttft.low_s * ttft_scale + more_s,
            high_s=ttft.high_s * ttft_scale + more_s,
        ),
        (int(load.concurrency), capped_by),
    )


def _answer(
    setup: Setup,
    load: Load,
    factors: Factors,
    tpot: Estimate,
    ttft: TimeToFirst,
    asked: tuple[int, str | None],
) -> Answer:
    """What these times, factors in them, come to; `asked` are the wished requests and what caps them."""
    after_first = load.output_tokens - 1
    e2e_s = ttft.ttft_s + after_first * tpot.tpot_s
    made = load.concurrency * load.output_tokens
    return Answer(
        concurrency=int(load.concurrency),
        concurrency_asked=asked[0],
        capped_by=asked[1],
        ttft_ms=ttft.ttft_s * 1e3,
        ttft_ms_low=ttft.low_s * 1e3,
        ttft_ms_high=ttft.high_s * 1e3,
        tpot_ms=tpot.tpot_s * 1e3,
        tpot_ms_low=tpot.low_s * 1e3,
        tpot_ms_high=tpot.high_s * 1e3,
        longest_gap_ms=(tpot.tpot_s + _chunk_s(setup, load, factors)) * 1e3,
        e2e_ms=e2e_s * 1e3,
        output_tokens_per_s=made / e2e_s,
        output_tokens_per_s_low=made / (ttft.high_s + after_first * tpot.high_s),
        output_tokens_per_s_high=made / (ttft.low_s + after_first * tpot.low_s),
        output_tokens_per_s_per_gpu=made / e2e_s / setup.gpus,
        kv_tokens=max(kv_tokens(setup, factors.kv_precision), 0),
        basis=_basis(tpot, ttft),
        measured_rows=tpot.rows,
        anchors=tpot.anchors,
    )


def _basis(tpot: Estimate, ttft: TimeToFirst) -> str:
    """What the answer rests on, in words; anchors that contradict the fit are named."""
    said = f"{tpot.novelty}"
    if tpot.anchors:
        said += f", shifted by {tpot.anchors} anchors"
    for what, scatter in (("TPOT", tpot.scatter), ("TTFT", ttft.scatter)):
        if scatter > CONTRADICTS:
            said += f"; their {what} contradicts it: {scatter:.1f} times as far off as expected"
    return said


def _plain(setup: Setup, anchor: Anchor, factors: Factors) -> Anchor:
    """An anchor as an engine without the factors would have measured it."""
    check_load(anchor.load)
    tpot_s = anchor.tpot_s / _tpot_scale(setup, anchor.load, factors)
    if anchor.ttft_s is None:
        return Anchor(anchor.load, tpot_s)
    scale, more_s = _ttft_change(setup, anchor.load, factors, tpot_s)
    ttft_s = (anchor.ttft_s - more_s) / scale
    if anchor.ttft_s > 0:
        ttft_s = max(ttft_s, own_prefill_s(setup, anchor.load))
    return Anchor(anchor.load, tpot_s, ttft_s)


def _running(asked: int, room: int, limit: int) -> tuple[int, str | None]:
    """How many of the asked requests run, and what keeps the others out."""
    running = min(asked, room, limit)
    if running == asked:
        return running, None
    return running, "memory" if room <= limit else "the engine's limit of sequences"


def _check(setup: Setup, load: Load, factors: Factors) -> None:
    check(setup)
    if load.concurrency < 1 or load.input_tokens < 1 or load.output_tokens < 1:
        raise UsageError("a load has at least one request at once, one input and one output token")
    tokens = load.input_tokens + load.output_tokens
    if tokens > setup.model.context_tokens:
        said = format(tokens, ",.0f" if tokens < 1e12 else "g")
        raise UsageError(
            f"{said} tokens exceed the context window of {setup.model.name}, {setup.model.context_tokens:,}",
            hint="shorten the prompt or the answer",
        )
    if not 0 <= factors.cached_share < 1:
        raise UsageError("the cached share of a prompt is from 0 to below 1")
    if factors.kv_precision not in BYTES_PER_KV_VALUE:
        raise UnknownName("cache precision", factors.kv_precision, BYTES_PER_KV_VALUE)
    if factors.chunk_tokens < 1 or factors.accepted_tokens < 1 or factors.lora_slowdown < 1:
        raise UsageError("chunk, accepted tokens and LoRA slowdown are at least 1")


def _tpot_scale(setup: Setup, load: Load, factors: Factors) -> float:
    """How the factors change TPOT: cached prompts take their part of the prefill terms away."""
    seconds = dict(zip(TERMS, fitted().parts(setup, load), strict=True))
    saved = factors.cached_share * sum(seconds[name] for name in PREFILL_TERMS) / sum(seconds.values())
    return (1 - saved) * factors.lora_slowdown / factors.accepted_tokens


def _ttft_change(setup: Setup, load: Load, factors: Factors, tpot_s: float) -> tuple[float, float]:
    """Factor and seconds: cached prompts prefill less; chunks below the default wait for more steps."""
    made = first_token().made(setup, load)
    saved = sum(value for name, value in zip(PARTS, made, strict=True) if name in PREFILL_PARTS)
    scale = 1 - factors.cached_share * saved / sum(made)
    prompt = load.input_tokens * (1 - factors.cached_share)
    steps = max(prompt / factors.chunk_tokens, 1.0) - max(prompt / CHUNK_TOKENS, 1.0)
    return scale * factors.lora_slowdown, max(steps, 0.0) * tpot_s


def _chunk_s(setup: Setup, load: Load, factors: Factors) -> float:
    """Seconds a full chunk of one prompt adds to the step it is prefilled in."""
    seconds = dict(zip(TERMS, fitted().parts(setup, load), strict=True))
    prefilled = load.concurrency * load.input_tokens / load.output_tokens
    per_token = sum(seconds[name] for name in PREFILL_TERMS[:4]) / prefilled
    return per_token * min(factors.chunk_tokens, load.input_tokens * (1 - factors.cached_share))
