"""Going on by a fallback list: what the data path asks, and what the ledger is told (policy/fallback.py).

Each question ends in an attempt that is under way and True, or in False: what the target or dispatch said is
the answer then.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from baseload import errors
from baseload.core import Outcome, Reason, Tokens
from baseload.errors import RequestError
from baseload.gateway import settle
from baseload.policy.fallback import (
    MOST_FALLBACKS,
    REFUSALS,
    Cause,
    FallbackList,
    cause_of,
    longer_than,
)
from baseload.policy.retry import Kind, classify
from baseload.wire.dialects.declining import declines, declines_stream
from baseload.wire.openai import ErrorDetail

if TYPE_CHECKING:
    from baseload.gateway.attempt import Attempt
    from baseload.gateway.exchange import Exchange

_FAULTS = {
    Cause.CONTEXT_LENGTH: errors.CONTEXT_TOO_LONG,
    Cause.CONTENT_POLICY: errors.CONTENT_REFUSED,
}


def spent(exchange: Exchange) -> bool:
    """Whether the request has had its attempts by lists."""
    return exchange.detour is not None and exchange.number - exchange.own_attempts >= MOST_FALLBACKS


def unsent(exchange: Exchange, refusal: RequestError) -> bool:
    """Dispatch found none of the model's own targets for a request that is admitted."""
    cause = cause_of(refusal) if exchange.grant is not None else None
    detour = _list(exchange, cause) if cause is not None else None
    return detour is not None and _by(exchange, detour)


def on_error(exchange: Exchange) -> bool:
    """The model's own targets have failed."""
    detour = _list(exchange, Cause.ERROR) if exchange.detour is None else None
    return detour is not None and _by(exchange, detour)


def refused(
    exchange: Exchange, attempt: Attempt, kind: Kind, status: int, tokens: Tokens | None = None
) -> bool:
    """A target refused the request for its length or for what it says; the attempt is settled as failed."""
    cause = REFUSALS.get(kind)
    detour = _list(exchange, cause) if cause is not None else None
    if cause is None or detour is None:
        return False
    target = attempt.place.target
    ask = longer_than(exchange.ask, target) if cause is Cause.CONTEXT_LENGTH else exchange.ask
    tried = (*exchange.tried, target.name)
    try:
        detour.choose(ask, time.monotonic(), tried)
    except RequestError:
        return False
    if status == 200:  # it told us so in a good answer
        attempt.place.load.health.success(time.monotonic(), attempt.probe)
    if attempt.running:
        attempt.cancel()
    error = RequestError(_FAULTS[cause], f"{target.name} refused the request: {cause.value}")
    settle.end(exchange, attempt, Outcome.FAILED, tokens=tokens, status=status, error=error)
    exchange.ask, exchange.tried = ask, tried
    return _by(exchange, detour)


def declined(exchange: Exchange, attempt: Attempt, body: bytes, tokens: Tokens | None) -> bool:
    """A whole answer that is nothing but a refusal on grounds of content."""
    dialect = attempt.crossing.target if attempt.crossing is not None else exchange.endpoint.dialect
    if dialect is None or not _wanted(exchange) or not declines(dialect, body):
        return False
    return refused(exchange, attempt, Kind.CONTENT_POLICY, 200, tokens)


def declined_stream(exchange: Exchange, attempt: Attempt, held: bytes) -> bool:
    """A stream whose first word is that it ends on grounds of content; `held` is all of it so far."""
    dialect, relay = exchange.endpoint.dialect, attempt.relay
    if dialect is None or relay is None or not _wanted(exchange) or not declines_stream(dialect, held):
        return False
    return refused(exchange, attempt, Kind.CONTENT_POLICY, 200, relay.tokens())


def broken(exchange: Exchange, attempt: Attempt, event: bytes) -> bool:
    """An error event before the commit point that refuses the request itself."""
    if exchange.terms.place.fallbacks is None:
        return False
    answer = attempt.read_answer(event)
    detail = answer.error if answer is not None else None
    if not isinstance(detail, ErrorDetail):
        return False
    return refused(exchange, attempt, classify(400, detail.code, detail.type, detail.message).kind, 200)


def _wanted(exchange: Exchange) -> bool:
    return _list(exchange, Cause.CONTENT_POLICY) is not None


def _list(exchange: Exchange, cause: Cause) -> FallbackList | None:
    """The list for this cause, where there is one and the request may go on by it."""
    lists = exchange.terms.place.fallbacks
    return None if lists is None or spent(exchange) else lists.of(cause)


def _by(exchange: Exchange, detour: FallbackList) -> bool:
    """Attempt the list's choice."""
    if exchange.detour is None:
        exchange.own_attempts = exchange.number
    exchange.detour = detour
    try:
        exchange.attempt_next(Reason.FALLBACK, time.monotonic_ns())
    except RequestError:
        return False
    return True
