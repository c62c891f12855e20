"""Steps 7 and 10: what the ledger, the limits and the live load learn of an attempt. Each runs exactly once.

Cost is computed from the target's own usage report; where an attempt was cut before one came, `guess` says
what it took, and the row is marked estimated.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from baseload.capacity.predict import room_ns
from baseload.core import Outcome, Side, Tokens
from baseload.errors import RequestError
from baseload.gateway import guess
from baseload.ledger.record import Begin, Bill, Chosen, End, Refusal
from baseload.ledger.record import Usage as UsageRecord
from baseload.money import divide_half_even, token_cost
from baseload.wire.openai import Usage, read_answer
from baseload.wire.sse import event_data

if TYPE_CHECKING:
    from baseload.gateway.attempt import Attempt
    from baseload.gateway.exchange import Exchange

BRIEF_S = 0.25
"""Unstreamed, nobody sees the first token: after its predicted time a request counts as decoding, at once
where that is shorter than the deadlines' granularity."""
HOUR_NS = 3_600_000_000_000


def begin(exchange: Exchange, attempt: Attempt) -> None:
    """Step 7: on record before its first byte leaves. Raises RequestError (journal_unavailable)."""
    admitted = exchange.admitted
    assert admitted is not None
    choice, ask = attempt.choice, admitted.ask
    target = choice.target
    reserved: int | None = 0
    if target.side is Side.METERED:
        estimate = admitted.place.estimate
        bound = Tokens(
            input=estimate.input_bound(len(exchange.body)),
            output=estimate.output_bound(exchange.fields.output_bound),
        )
        reserved = token_cost(bound, target.price)
    ttft_s, tpot_s = choice.predicted_ttft_s, choice.predicted_tpot_s
    exchange.gateway.journal.begin(
        Begin(
            exchange.request_id,
            attempt.number,
            time.time_ns(),
            exchange.caller.record,
            admitted.call,
            Chosen(
                target.name,
                attempt.place.side,
                attempt.reason,
                choice.money or 0,
                choice.congestion,
                choice.quality,
                None if ttft_s is None else ttft_s * 1000,
                None if tpot_s is None else tpot_s * 1000,
            ),
            exchange.site.versions,
            reserved,
        )
    )
    attempt.loaded = True
    attempt.probe = attempt.place.load.begin(ask.input_tokens, ask.output_tokens, time.monotonic())
    if not exchange.stream and (ttft_s is None or ttft_s < BRIEF_S):
        decoding(exchange, attempt)
    if attempt.number == 1:
        exchange.gateway.metrics.overhead.add((time.monotonic_ns() - exchange.received_ns) / 1e9)


def decoding(exchange: Exchange, attempt: Attempt) -> None:
    """The request no longer waits at its target: seen by its first content, else by the prediction."""
    if not attempt.decoding:
        attempt.decoding = True
        ask = exchange.admitted.ask  # type: ignore[union-attr]
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
    usage: Usage | None = None,
    status: int = 200,
    error: RequestError | None = None,
) -> None:
    """Step 10: usage to cost, and the attempt's end on record; before the last byte goes to the client.

    What raises here leaves the attempt unsettled, but never in its target's live load.
    """
    if attempt.settled:
        return
    try:
        _record(exchange, attempt, outcome, usage, status, error)
    finally:
        _leave(exchange, attempt)


def _record(
    exchange: Exchange,
    attempt: Attempt,
    outcome: Outcome,
    usage: Usage | None,
    status: int,
    error: RequestError | None,
) -> None:
    tokens, estimated = _tokens(exchange, attempt, usage)
    bill = _bill(exchange, attempt, tokens)
    attempt.cost_nano, attempt.counterfactual_nano = bill.cost_nano, bill.counterfactual_nano
    now_ns = time.monotonic_ns()
    ended = outcome.value
    exchange.gateway.journal.end(
        End(
            exchange.request_id,
            attempt.number,
            time.time_ns(),
            ended,
            status,
            now_ns - attempt.begun_ns,
            UsageRecord(
                tokens.input,
                tokens.cached_input,
                tokens.cache_write,
                tokens.output,
                tokens.reasoning,
                estimated,
            ),
            bill,
            attempt.first_ns - attempt.begun_ns if attempt.first_ns else None,
            error.fault.code if error is not None else None,
            attempt.upstream_request_id,
        )
    )
    attempt.settled = True
    ask, load = exchange.admitted.ask, attempt.place.load  # type: ignore[union-attr]
    if outcome is not Outcome.FAILED:  # a target's failure is not the client's use
        exchange.used_tokens += tokens.input + tokens.output
    load.settle(ask.input_tokens + ask.output_tokens, tokens.input + tokens.output)
    if outcome is Outcome.COMPLETED:
        load.health.success(now_ns / 1e9, attempt.probe)
        _learn(exchange, attempt, tokens, estimated)
    _count(attempt, ended, tokens, estimated, bill)


def _leave(exchange: Exchange, attempt: Attempt) -> None:
    """The request is no longer at its target."""
    if attempt.loaded:
        attempt.loaded = False
        ask = exchange.admitted.ask  # type: ignore[union-attr]
        attempt.place.load.end(ask.input_tokens, ask.output_tokens, attempt.decoding)


def _learn(exchange: Exchange, attempt: Attempt, tokens: Tokens, estimated: bool) -> None:
    """A whole answer teaches the estimates; limits get back what was not used."""
    admitted = exchange.admitted
    assert admitted is not None
    if not estimated:
        admitted.place.estimate.learn(len(exchange.body), tokens.input, tokens.output)
        guess.learn(exchange, attempt, tokens)
    closed(exchange, "ok")


def closed(exchange: Exchange, code: str) -> None:
    """The request is over, with all its attempts: leave the limits, count it under `code`."""
    if exchange.closed:
        return
    exchange.closed = True
    admitted = exchange.admitted
    if admitted is None:
        exchange.gateway.metrics.request("", exchange.endpoint.name, code)
    else:
        exchange.gateway.metrics.request(admitted.call.model, exchange.endpoint.name, code)
        admitted.grant.settle(exchange.used_tokens)
        admitted.grant.release()


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


def _tokens(exchange: Exchange, attempt: Attempt, usage: Usage | None) -> tuple[Tokens, bool]:
    """What the attempt used, and whether that is an estimate."""
    relay = attempt.relay
    if usage is None and relay is not None and relay.usage_event:
        answer = read_answer(event_data(relay.usage_event))
        usage = answer.usage if answer is not None else None
    if usage is not None:
        return usage.tokens(), False
    head = attempt.head
    if not attempt.sent or (head is not None and head.status != 200):
        return Tokens(), False  # providers charge nothing for an error status, and all else that they began
    return guess.tokens(exchange, attempt), True


def _bill(exchange: Exchange, attempt: Attempt, tokens: Tokens) -> Bill:
    """Marginal cost, what the other side would have cost, and the room used."""
    target = attempt.place.target
    place = exchange.admitted.place  # type: ignore[union-attr]
    if target.side is Side.OWNED:
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


def _count(attempt: Attempt, outcome: str, tokens: Tokens, estimated: bool, bill: Bill) -> None:
    counts = attempt.place.counts
    key = (attempt.reason, outcome)
    counts.attempts[key] = counts.attempts.get(key, 0) + 1
    counts.input += tokens.input
    counts.cached += tokens.cached_input
    counts.output += tokens.output
    counts.reasoning += tokens.reasoning
    counts.estimated += estimated
    if bill.cost_nano is None:
        counts.unknown += 1
    else:
        counts.cost += bill.cost_nano


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
            limit_headers(exchange),
        )
    )


def cost_headers(attempt: Attempt) -> bytes:
    """Cost and counterfactual in dollars; left out where they are unknown."""
    headers = b""
    if attempt.cost_nano is not None:
        headers = b"x-baseload-cost-usd: %d.%09d\r\n" % divmod(attempt.cost_nano, 10**9)
    if attempt.counterfactual_nano is not None:
        headers += b"x-baseload-counterfactual-usd: %d.%09d\r\n" % divmod(attempt.counterfactual_nano, 10**9)
    return headers


def limit_headers(exchange: Exchange) -> bytes:
    """OpenAI's `x-ratelimit-*`; empty without limits."""
    if exchange.admitted is None:
        return b""
    return exchange.admitted.gate.headers(time.monotonic())


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
