"""What an attempt took where its target did not say: cut and cancelled ones, and answers without usage.

Input: the bytes and messages of the prompt, at the target's own tokens per byte and per message. Output of a
stream: its content events, one token each; of a whole answer without usage: its text; of one that was cut
before anything of it was seen: what the target makes in that time; of one that the provider goes on with in
the background: what was expected. The target's figures are learned from a
sample of its whole answers; rows that stand on them are marked `estimated`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from baseload.core import Format, Tokens
from baseload.policy.estimate import PRIOR_BYTES_PER_TOKEN
from baseload.wire import responses
from baseload.wire.prompt import answer_text_bytes, prompt_size

if TYPE_CHECKING:
    from baseload.gateway.attempt import Attempt
    from baseload.gateway.exchange import Exchange

LEARN_ALL = 64
"""A target's first answers all teach."""
LEARN_EVERY = 64
"""Of later ones each so-many-th: reading a prompt costs more than the rest of a settlement."""


def learn(exchange: Exchange, attempt: Attempt, tokens: Tokens) -> None:
    """Take in a whole answer's usage, if its turn has come."""
    counts = attempt.place.counts
    counts.answers = answers = counts.answers + 1
    if answers > LEARN_ALL and answers % LEARN_EVERY:
        return
    counts.pace.add((time.monotonic_ns() - attempt.begun_ns) / 1e9, tokens.output)
    size = prompt_size(exchange.body)
    if size is not None:
        counts.prompt.add(tokens.input - size.ids, size.text_bytes, size.parts)


def tokens(exchange: Exchange, attempt: Attempt) -> Tokens:
    """The best guess at what the attempt took so far."""
    input_tokens = exchange.ask.input_tokens
    size, learned = prompt_size(exchange.body), attempt.place.counts.prompt.coefficients()
    per_byte, per_part = learned or (1.0 / PRIOR_BYTES_PER_TOKEN, 0.0)
    if size is not None:
        input_tokens = max(1, round(size.text_bytes * per_byte + size.parts * per_part) + size.ids)
    if attempt.unmetered:
        if exchange.endpoint.format is Format.RESPONSES and _goes_on(attempt.unmetered):
            return Tokens(input_tokens, output=exchange.ask.output_tokens, estimated=True)
        return Tokens(
            input_tokens, output=round(answer_text_bytes(attempt.unmetered) * per_byte), estimated=True
        )
    if attempt.relay is not None:
        return Tokens(input_tokens, output=attempt.relay.events, estimated=True)
    if exchange.stream or not exchange.endpoint.generates:
        return Tokens(input_tokens, estimated=True)  # nothing came, or nothing is ever made
    return Tokens(input_tokens, output=_made_unseen(exchange, attempt), estimated=True)


def _goes_on(body: bytes) -> bool:
    """Whether the provider is still at work on this response."""
    answer = responses.read_answer(body)
    return answer is not None and answer.pending


def _made_unseen(exchange: Exchange, attempt: Attempt) -> int:
    """Output tokens an unstreamed attempt has made by now, at its target's pace."""
    learned = attempt.place.counts.pace.coefficients()
    if learned is None:
        return 0
    per_token_s, before_s = learned
    made = int(((time.monotonic_ns() - attempt.begun_ns) / 1e9 - before_s) / per_token_s)
    bound = exchange.fields.output_bound
    return max(0, made if bound is None else min(made, bound))
