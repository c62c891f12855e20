"""Steps 7 and 10: what the ledger, the limits and the live load learn of an attempt. Each runs exactly once.

Cost is computed from the target's own usage report; where an attempt was cut before one came, `guess` says
what it took, and the row is marked estimated.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from baseload.capacity.predict import room_ns
from baseload.core import Apart, Outcome, Target, Tokens
from baseload.errors import RequestError
from baseload.gateway import guess
from baseload.gateway.metrics import TargetCounts
from baseload.ledger.record import Begin, Bill, Call, Chosen, End, Refusal
from baseload.money import NANO, divide_half_even, token_cost

if TYPE_CHECKING:
    from baseload.gateway.attempt import Attempt
    from baseload.gateway.exchange import Exchange

BRIEF_S = 0.25
"""Unstreamed, nobody sees the first token: after its predicted time a request counts as decoding, at once
where that is shorter than the deadlines' granularity."""
HOUR_NS = 3_600_000_000_000

_log = logging.getLogger("baseload.gateway")


def begin(exchange: Exchange, attempt: Attempt) -> None:
    """Step 7: on record before its first byte leaves; from then on it is the exchange's attempt and must end.

    Raises RequestError (journal_unavailable).
    """
    terms, ask, choice, place = exchange.terms, exchange.ask, attempt.choice, attempt.place
    gateway, number, begun_ns = exchange.gateway, attempt.number, attempt.begun_ns
    input_tokens, output_tokens = ask.input_tokens, ask.output_tokens
    ttft_s, tpot_s = choice.predicted_ttft_s, choice.predicted_tpot_s
    gateway.journal.begin(
        Begin(
            exchange.request_id,
            number,
            begun_ns + gateway.epoch_ns,
            exchange.caller.record,
            Call(
                exchange.fields.model,
                exchange.endpoint.name,
                exchange.stream,
                input_tokens,
                output_tokens,
                terms.tags,
            ),
            Chosen(
                place.target.name,
                place.side,
                attempt.reason,
                choice.money or 0,
                choice.congestion,
                choice.quality,
                None if ttft_s is None else ttft_s * 1000,
                None if tpot_s is None else tpot_s * 1000,
            ),
            exchange.site.versions,
            0 if place.owned or exchange.endpoint.free else exchange.reserve(place.target),
        )
    )
    exchange.attempt, exchange.number = attempt, number
    attempt.loaded = True
    attempt.decoding = brief = not exchange.stream and (ttft_s is None or ttft_s < BRIEF_S)
    attempt.probe = place.load.begin(input_tokens, output_tokens, begun_ns / 1e9, decoding=brief)
    if number == 1:
        gateway.metrics.overhead.add((time.monotonic_ns() - exchange.received_ns) / 1e9)


def reserve(exchange: Exchange, target: Target) -> int | None:
    """The most a metered attempt may cost; None where its price is unknown."""
    estimate = exchange.terms.place.estimate
    output = estimate.output_bound(exchange.fields.output_bound)
    return token_cost(Tokens(estimate.input_bound(len(exchange.body)), output=output), target.price)


def decoding(exchange: Exchange, attempt: Attempt) -> None:
    """The request no longer waits at its target: seen by its first content, else by the prediction."""
    if not attempt.decoding:
        attempt.decoding = True
        ask = exchange.ask
        attempt.place.load.first_token(ask.input_tokens, ask.output_tokens)


def first_token(exchange: Exchange, attempt: Attempt) -> None:
    """The first content came."""
    decoding(exchange, attempt)
    attempt.place.counts.ttft.add((attempt.first_ns - attempt.begun_ns) / 1e9)


def end(
    exchange: Exchange,
    attempt: Attempt,
    outcome: Outcome,
    *,
    tokens: Tokens | None = None,
    status: int = 200,
    error: RequestError | None = None,
) -> None:
    """Step 10: usage to cost, and the attempt's end on record; before the last byte goes to the client.

    What raises here leaves the attempt unsettled, but never in its target's live load.
    """
    if attempt.settled:
        return
    try:
        _record(exchange, attempt, outcome, tokens, status, error)
    finally:
        if attempt.loaded:
            attempt.loaded = False
            ask = exchange.ask
            attempt.place.load.end(ask.input_tokens, ask.output_tokens, attempt.decoding)


def _record(
    exchange: Exchange,
    attempt: Attempt,
    outcome: Outcome,
    told: Tokens | None,
    status: int,
    error: RequestError | None,
) -> None:
    tokens = told if told is not None else attempt.tokens_used(exchange)
    bill = attempt.bill(exchange, tokens)
    gateway, begun_ns, first_ns = exchange.gateway, attempt.begun_ns, attempt.first_ns
    ended, now_ns = outcome._value_, time.monotonic_ns()  # `.value` is a call in Python
    input_tokens, output_tokens = tokens.input, tokens.output
    gateway.journal.end(
        End(
            exchange.request_id,
            attempt.number,
            now_ns + gateway.epoch_ns,
            ended,
            status,
            now_ns - begun_ns,
            tokens,
            bill,
            first_ns - begun_ns if first_ns else None,
            error.fault.code if error is not None else None,
            attempt.upstream_request_id,
        )
    )
    attempt.settled = True
    attempt.cost_nano, attempt.counterfactual_nano = bill.cost_nano, bill.counterfactual_nano
    used = input_tokens + output_tokens
    place, ask = attempt.place, exchange.ask
    load = place.load
    if outcome is not Outcome.FAILED:  # a target's failure is not the client's use
        exchange.used_tokens += used
    if load.quota is not None:
        load.settle(ask.input_tokens + ask.output_tokens, used)
    _count(place.counts, (attempt.reason, ended), tokens, bill.cost_nano)
    if bill.cost_nano is None:
        _tell_unknown(exchange, attempt, tokens)
    if outcome is Outcome.COMPLETED:
        load.health.success(now_ns / 1e9, attempt.probe)
        if not tokens.estimated and exchange.endpoint.teaches:  # a whole answer teaches the estimates
            exchange.terms.place.estimate.learn(len(exchange.body), input_tokens, output_tokens)
            guess.learn(exchange, attempt, tokens)
        closed(exchange, "ok")


def closed(exchange: Exchange, code: str) -> None:
    """The request is over, with all its attempts: leave the limits, count it under `code`.

    Limits get back what was not used.
    """
    if exchange.closed:
        return
    exchange.closed = True
    grant = exchange.grant
    if grant is None:
        exchange.gateway.metrics.request("", exchange.endpoint.name, code)
    else:
        exchange.gateway.metrics.request(exchange.terms.place.model.name, exchange.endpoint.name, code)
        grant.settle(exchange.used_tokens)
        grant.release()


def refused(exchange: Exchange, error: RequestError) -> None:
    """A request without any attempt is a record of its own."""
    if exchange.number or not exchange.gateway.may_record_refusal(exchange.caller):
        return
    caller = exchange.caller.record
    exchange.gateway.journal.refuse(
        Refusal(
            exchange.request_id,
            time.time_ns(),
            caller.tenant,
            caller.key_id,
            exchange.fields.model if exchange.fields.model in exchange.site.models else "",
            error.fault.code,
            error.fault.status,
            error.fault.source.value,
        )
    )


def tokens_used(attempt: Attempt, exchange: Exchange) -> Tokens:
    """What the attempt used where its answer is no whole body with usage."""
    if exchange.endpoint.free:
        return Tokens()
    relay = attempt.relay
    if relay is not None and (told := relay.tokens()) is not None:
        return told
    head = attempt.head
    if not attempt.sent or (head is not None and head.status != 200):
        return Tokens()  # providers charge nothing for an error status, and all else that they began
    return guess.tokens(exchange, attempt)


def bill(attempt: Attempt, exchange: Exchange, tokens: Tokens) -> Bill:
    """Marginal cost, what the other side would have cost, and the room used."""
    target, place = attempt.place.target, exchange.terms.place
    if attempt.place.owned:
        other = place.metered_reference
        room = room_ns(target.step, tokens) if target.step is not None else 0
        if other is None:
            return Bill(0, None, None, room)
        return Bill(0, token_cost(tokens, other.price), other.name, room)
    cost = token_cost(tokens, target.price)
    other = place.owned_reference
    if other is None or other.step is None or other.usd_nano_per_hour is None:
        return Bill(cost, None, None, 0)
    owned = divide_half_even(other.usd_nano_per_hour * room_ns(other.step, tokens), HOUR_NS)
    return Bill(cost, owned, other.name, 0)


def _count(counts: TargetCounts, ended: tuple[str, str], tokens: Tokens, cost_nano: int | None) -> None:
    counts.attempts[ended] = counts.attempts.get(ended, 0) + 1
    counts.input += tokens.input
    counts.output += tokens.output
    if tokens.cached_input:
        counts.cached += tokens.cached_input
    if tokens.reasoning:
        counts.reasoning += tokens.reasoning
    if tokens.estimated:
        counts.estimated += 1
    if cost_nano is None:
        counts.unknown += 1
    elif cost_nano:
        counts.cost += cost_nano


def _tell_unknown(exchange: Exchange, attempt: Attempt, tokens: Tokens) -> None:
    """A line for the first attempt of unknown cost, the second, the fourth: seen, and no flood."""
    count = attempt.place.counts.unknown
    if count & (count - 1):
        return
    target = attempt.place.target
    apart = tokens.apart or Apart()
    if apart.unpriced:
        why = "its usage counts something that may cost money and has no known price"
    elif target.price is None:
        why = "its model has no known price: write `price` at the target"
    else:
        why = f"no price of its kind of tokens, searches or service tier {apart.tier!r} is known"
    _log.warning(
        "request %s: cost unknown at %s (%d so far): %s", exchange.request_id, target.name, count, why
    )


# -- headers that tell the client ---------------------------------------------------------------------------


def answer_headers(exchange: Exchange, attempt: Attempt) -> bytes:
    """Which target answers, why, and what is left of the limits."""
    return (
        b"x-request-id: %b\r\nx-baseload-target: %b\r\nx-baseload-reason: %b\r\nx-baseload-attempts: %d\r\n%b"
        % (
            exchange.request_id.encode(),
            attempt.place.name,
            attempt.reason.encode(),
            attempt.number,
            exchange.terms.gate.headers(attempt.first_ns / 1e9),
        )
    ) + (attempt.crossing.headers() if attempt.crossing is not None else b"")


def cost_headers(cost: int | None, other: int | None) -> bytes:
    """Cost and counterfactual, given in nano-dollars, in dollars; left out where they are unknown."""
    headers = b""
    if cost is not None:
        headers = b"x-baseload-cost-usd: %d.%09d\r\n" % (cost // NANO, cost % NANO)
    if other is not None:
        headers += b"x-baseload-counterfactual-usd: %d.%09d\r\n" % (other // NANO, other % NANO)
    return headers


def limit_headers(exchange: Exchange) -> bytes:
    """OpenAI's `x-ratelimit-*`; empty without limits."""
    return exchange.terms.gate.headers(time.monotonic()) if exchange.grant is not None else b""


def refusal_headers(exchange: Exchange) -> bytes:
    """What an error can say besides its `x-request-id`: where and why there the last attempt was."""
    attempt = exchange.attempt
    if attempt is None:
        return limit_headers(exchange)
    return b"x-baseload-target: %b\r\nx-baseload-reason: %b\r\nx-baseload-attempts: %d\r\n%b" % (
        attempt.place.name,
        attempt.reason.encode(),
        attempt.number,
        limit_headers(exchange),
    )


def waiting_headers(exchange: Exchange) -> bytes:
    """What a stream that is begun before a target answers can say: not which one will."""
    return b"x-request-id: %b\r\nx-baseload-attempts: %d\r\n%b" % (
        exchange.request_id.encode(),
        exchange.number,
        limit_headers(exchange),
    )
