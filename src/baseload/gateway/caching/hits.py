"""A request at the cache: answered from it, or sent on with its answer kept once it is whole."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

from baseload.core import Outcome, Reason, Tokens
from baseload.errors import RequestError
from baseload.gateway import answers, failure, settle
from baseload.gateway.caching import rules
from baseload.gateway.caching.recording import Recording
from baseload.gateway.caching.store import Kept
from baseload.ledger.record import Begin, Bill, Call, Chosen, End
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.forms import ARRAY
from baseload.wire.responses import ResponsesFields

if TYPE_CHECKING:
    from baseload.gateway.attempt import Attempt
    from baseload.gateway.exchange import Exchange

SIDE = "cache"
"""What a hit's row in the ledger names in the place of a side: no serving was used."""
NEVER_S = float("inf")


def look(exchange: Exchange, caching: rules.Caching) -> None:
    """Answer an admitted request from the cache, or make its first attempt. Raises RequestError."""
    if exchange.endpoint.free:
        exchange.attempt_next(None, exchange.received_ns)
        return
    cache = exchange.gateway.cache
    key = cache.key(exchange) if caching.keeps and _repeats(exchange) else None
    if key is None or not caching.reads:
        _ask(exchange, caching, key, "bypass")
        return
    cache.store.find(key, cache.now_s(), functools.partial(_found, exchange, caching, key))


def _repeats(exchange: Exchange) -> bool:
    """Whether an earlier answer can stand for this request's, in form and in what it leaves behind.

    Not where the provider is to keep the answer, or to go on from one that it kept; nor for a client that is
    sent streams without chunks, or as Google's array.
    """
    fields, endpoint = exchange.fields, exchange.endpoint
    if exchange.stream and (not exchange.chunked or endpoint.form is ARRAY):
        return False
    if isinstance(fields, ResponsesFields):
        kept_nowhere = fields.store is False or (
            fields.store is None and exchange.terms.data_class.zero_retention
        )
        alone = not (fields.background or fields.continues or fields.recalls)
        return endpoint.dialect is Dialect.RESPONSES and kept_nowhere and alone
    store = fields.members.get("store")
    return store is None or bytes(store) != b"true"


@failure.guarded
def _found(exchange: Exchange, caching: rules.Caching, key: bytes, kept: Kept | None) -> None:
    if exchange.closed:  # its client left while the store was asked
        return
    try:
        age_s = 0.0 if kept is None else exchange.gateway.cache.now_s() - kept.made_s
        if kept is not None and age_s < caching.most_age_s and _may_have(exchange, kept):
            _repeat(exchange, kept, age_s)
        else:
            _ask(exchange, caching, key, "miss")
    except RequestError as error:
        failure.not_sent(exchange, error)


def _may_have(exchange: Exchange, kept: Kept) -> bool:
    """Whether the target that made the answer is what it was, and may serve this request now."""
    terms, target = exchange.terms, exchange.site.snapshot.targets.get(kept.target)
    return (
        target is not None
        and exchange.gateway.cache.maker(target) == kept.maker
        and rules.may_answer(terms.place.model, terms.data_class, terms.only, target)
    )


def _ask(exchange: Exchange, caching: rules.Caching, key: bytes | None, result: str) -> None:
    """Send the request on, its answer to be kept under `key`; None keeps it nowhere."""
    cache = exchange.gateway.cache
    cache.count(exchange.terms.place.model.name, result)
    keep = None if key is None else functools.partial(_keep, exchange, caching, key)
    Recording(exchange, cache, b"x-baseload-cache: %b\r\n" % result.encode(), keep)
    exchange.attempt_next(None, exchange.received_ns)


def _keep(
    exchange: Exchange, caching: rules.Caching, key: bytes, recording: Recording, attempt: Attempt
) -> None:
    """Keep a whole answer. One that a fallback list led to stands for itself alone: the model is not it."""
    cache, terms, target = exchange.gateway.cache, exchange.terms, attempt.place.target
    if exchange.detour is not None or exchange.site is not exchange.gateway.site:
        return
    kept = Kept(
        exchange.caller.tenant.name,
        terms.data_class.name,
        terms.place.model.name,
        target.name,
        cache.maker(target),
        recording.stream,
        attempt.crossing.headers() if attempt.crossing is not None else b"",
        b"".join(recording.body),
        attempt.cost_nano,
        cache.now_s(),
        caching.ttl_s,
    )
    cache.store.keep(key, kept)


def _repeat(exchange: Exchange, kept: Kept, age_s: float) -> None:
    """Give an answer again: on record as a request without an attempt, with headers of its own."""
    gateway, terms, client = exchange.gateway, exchange.terms, exchange.client
    _record(exchange, kept)
    gateway.cache.count(terms.place.model.name, "hit")
    headers = b"%b%bage: %d\r\nx-baseload-cache: hit\r\n%b" % (
        b"x-request-id: %b\r\nx-baseload-target: %b\r\n"
        % (exchange.request_id.encode(), kept.target.encode()),
        b"x-baseload-reason: %b\r\nx-baseload-attempts: 0\r\n" % Reason.CACHED.value.encode(),
        age_s,
        kept.lines,
    )
    headers += terms.gate.headers(time.monotonic())
    exchange.comment_due_s = NEVER_S
    if kept.stream:
        client.write(answers.stream_head(gateway.date, chunked=True, headers=headers))
        exchange.head_sent = True
        exchange.deliver(kept.body)
        return
    headers += settle.cost_headers(0, kept.cost_nano)
    whole = answers.answer(200, kept.body, gateway.date, keep_alive=client.keep_alive, headers=headers)
    exchange.deliver(whole)


def _record(exchange: Exchange, kept: Kept) -> None:
    """The hit's row: attempt 0, which cost nothing; its counterfactual is what the answer cost when made.

    Raises RequestError (journal_unavailable).
    """
    gateway, ask, request_id = exchange.gateway, exchange.ask, exchange.request_id
    begun_ns = exchange.received_ns + gateway.epoch_ns
    gateway.journal.begin(
        Begin(
            request_id,
            0,
            begun_ns,
            exchange.caller.record,
            Call(
                exchange.fields.model,
                exchange.endpoint.name,
                exchange.stream,
                ask.input_tokens,
                ask.output_tokens,
                exchange.terms.tags,
            ),
            Chosen(kept.target, SIDE, Reason.CACHED.value),
            exchange.site.versions,
            0,
        )
    )
    now_ns = time.monotonic_ns() + gateway.epoch_ns
    other = kept.target if kept.cost_nano is not None else None
    gateway.journal.end(
        End(
            request_id,
            0,
            now_ns,
            Outcome.COMPLETED.value,
            200,
            now_ns - begun_ns,
            Tokens(),
            Bill(0, kept.cost_nano, other),
        )
    )
    settle.closed(exchange, "ok")
