"""How many tokens a prompt has, where no target of the model counts: an estimate, and told as one.

Anthropic's and Google's clients ask before a long conversation. A target of another format has no such call,
so the prompt is sized as it would be sent to a chat target, at the tokens per byte and per message that the
model's targets were seen to count (`guess.learn`), else at four bytes a token. Pictures and sounds do not
count.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from baseload.core import Format
from baseload.gateway import answers, settle
from baseload.policy.estimate import PRIOR_BYTES_PER_TOKEN
from baseload.wire.dialects.crossing import cross
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.gemini import asked_in_full
from baseload.wire.prompt import prompt_size

if TYPE_CHECKING:
    from baseload.gateway.exchange import Exchange

MARK = b"x-baseload-estimated: input_tokens\r\n"
"""The header line that says that the answer is an estimate."""


_COUNTED = {Format.ANTHROPIC: Dialect.MESSAGES, Format.GEMINI: Dialect.GEMINI}


def counts(exchange: Exchange) -> bool:
    """Whether the request asks for a count that can be estimated: one of Anthropic's or Google's format."""
    return exchange.endpoint.free and exchange.endpoint.format in _COUNTED


def tell(exchange: Exchange) -> None:
    """Answer a count of tokens with an estimate. Raises RequestError for a prompt that cannot be read."""
    count = estimated(exchange)
    google = exchange.endpoint.format is Format.GEMINI
    body = msgspec.json.encode({"totalTokens": count} if google else {"input_tokens": count})
    settle.closed(exchange, "ok")
    headers = MARK + b"x-request-id: %b\r\n" % exchange.request_id.encode()
    headers += exchange.terms.gate.headers(time.monotonic())
    whole = answers.answer(
        200, body, exchange.gateway.date, keep_alive=exchange.client.keep_alive, headers=headers
    )
    exchange.finish(whole)


def estimated(exchange: Exchange) -> int:
    """Input tokens of the prompt, 1 at least: text bytes x tokens a byte + messages x tokens a message."""
    model, source = exchange.fields.model, _COUNTED[exchange.endpoint.format]
    body = asked_in_full(exchange.body) if source is Dialect.GEMINI else exchange.body
    crossing = cross(body, source, Dialect.CHAT, asked=model, model=model, drop=True)
    size = prompt_size(crossing.body)
    if size is None:
        return 1
    learned = (
        exchange.site.places[target.name].counts.prompt.coefficients()
        for target in exchange.terms.place.model.targets
    )
    known = next((one for one in learned if one is not None), (1.0 / PRIOR_BYTES_PER_TOKEN, 0.0))
    return max(1, round(size.text_bytes * known[0] + size.parts * known[1]))
