"""When an attempt fails: who hears of it, and whether another target may answer instead (DESIGN section 6).

Before the commit point at most `MOST_RETRIES` further attempts are made, within the retry budget and one
total waiting budget; after it never silently: the client gets an error event in-band.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import time
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from baseload import errors
from baseload.core import Outcome, Reason, Target, Tokens
from baseload.errors import RequestError
from baseload.gateway import answers, fallback, settle
from baseload.policy.fallback import Cause, cause_of
from baseload.policy.health import NO_ROOM_S
from baseload.policy.mistranslation import field_named
from baseload.policy.retry import (
    LONGEST_RETRY_AFTER_S,
    MOST_RETRIES,
    VERDICTS,
    WAITING_BUDGET_S,
    Kind,
    Verdict,
    backoff_s,
    classify,
    retry_after_s,
)
from baseload.wire.forms import Answered
from baseload.wire.openai import ErrorDetail, bare_error

if TYPE_CHECKING:
    from baseload.gateway.attempt import Attempt
    from baseload.gateway.exchange import Exchange

TIMER_SLACK_S = 0.005
"""Timers count whole milliseconds and may fire early: a target that asked for time is not asked before."""

P = ParamSpec("P")
X = TypeVar("X", bound="Exchange")

_log = logging.getLogger("baseload.gateway")


class Blame(Enum):
    """What an attempt that broke off or ran out of time says of its target."""

    TARGET = "target"  # it failed
    STALE = "stale"  # nothing: it dropped a kept connection before it saw the request, as with idle ones
    ELSEWHERE = "elsewhere"  # nothing: this gateway or the client was the reason


def guarded(
    step: Callable[Concatenate[X, P], None],
) -> Callable[Concatenate[X, P], None]:
    """For what the event loop calls of an exchange: what it raises is a defect of that request only."""

    @functools.wraps(step)
    def entry(exchange: X, /, *rest: P.args, **named: P.kwargs) -> None:
        try:
            step(exchange, *rest, **named)
        except Exception:  # noqa: BLE001  a request boundary
            defect(exchange)

    return entry


def attempt_failed(exchange: Exchange, attempt: Attempt, error: RequestError, blame: Blame) -> None:
    """An attempt broke off or ran out of time; a stale connection is first replaced by a fresh one."""
    now_s = time.monotonic()
    health = attempt.place.load.health
    if blame is Blame.TARGET:
        health.failure(now_s, random.random(), attempt.probe)
    else:
        health.lost(now_s, attempt.probe)
    if attempt.committed:
        settle.end(exchange, attempt, Outcome.CUT, error=error, status=error.fault.status)
        _break_off(exchange, error)
        return
    settle.end(exchange, attempt, Outcome.FAILED, error=error, status=error.fault.status)
    _move_on(exchange, attempt, error, same_target=blame is Blame.STALE)


def answered_badly(
    exchange: Exchange, attempt: Attempt, status: int, answer: Answered | None, body: bytes
) -> None:
    """The target answered with an error status, or with a 200 that is none."""
    detail = answer.error if answer is not None else None
    if isinstance(detail, str):
        detail = ErrorDetail(message=detail)
    if detail is None and answer is not None and status != 200:
        detail = bare_error(body)
    head = attempt.head
    assert head is not None
    if status == 200:
        verdict = VERDICTS[Kind.TROUBLE]
    elif detail is not None:
        crossed = attempt.crossing is not None
        verdict = classify(status, detail.code, detail.type, detail.message, detail.param, crossed=crossed)
    else:
        verdict = classify(status)
    wait_s = retry_after_s(head.fields, time.time())
    if wait_s is None and answer is not None and answer.retry_after_s:
        wait_s = min(answer.retry_after_s, LONGEST_RETRY_AFTER_S)
    name = attempt.place.target.name
    if verdict.kind is Kind.DEAD_CREDENTIAL and _may_sign_anew(attempt):
        late = RequestError(errors.UPSTREAM_CREDENTIALS, f"{name} took our clock for wrong")
        settle.end(exchange, attempt, Outcome.FAILED, status=status, error=late)
        _move_on(exchange, attempt, late, same_target=True)
        return
    _tell_health(exchange, attempt, verdict, wait_s)
    if verdict.kind is Kind.MISTRANSLATED:
        _mistranslated(exchange, attempt, status, detail, body)
        return
    if verdict.alarm:
        _log.error("target %s: %s (answered %d)", name, verdict.kind, status)
    if verdict.fault is None:  # the client's own mistake, or what another target may take
        if fallback.refused(exchange, attempt, verdict.kind, status):
            return
        settle.end(exchange, attempt, Outcome.REJECTED, status=status)
        _pass_on(exchange, attempt, status, body)
        return
    error = RequestError(verdict.fault, f"{name} answered {status}", retry_after_s=wait_s)
    tokens = answer.tokens if answer is not None and status == 200 else None
    if tokens is None:
        attempt.unmetered = body
    settle.end(exchange, attempt, Outcome.FAILED, tokens=tokens, status=status, error=error)
    _move_on(exchange, attempt, error, same_target=False)


def _mistranslated(
    exchange: Exchange, attempt: Attempt, status: int, detail: ErrorDetail | None, body: bytes
) -> None:
    """A target does not take what was made of the request: others may, its client hears of it if none does.

    No retry budget: refusing is no outage, and all requests of a kind may meet it.
    """
    target = attempt.place.target
    attempt.place.counts.mistranslated += 1
    named = field_named(detail.param, detail.message) if detail is not None else ""
    _log.error(
        "target %s does not take what request %s was translated into: it answered %d, naming %s",
        target.name,
        exchange.request_id,
        status,
        named or "no field",
    )
    error = RequestError(errors.UPSTREAM_REJECTED, f"{target.name} answered {status}")
    settle.end(exchange, attempt, Outcome.FAILED, status=status, error=error)
    alike = (one for one in exchange.terms.place.model.targets if _takes_the_same(one, target))
    exchange.tried = (*exchange.tried, *(one.name for one in alike))
    if not fallback.spent(exchange) and (exchange.detour is not None or exchange.number <= MOST_RETRIES):
        try:
            exchange.attempt_next(Reason.FALLBACK, time.monotonic_ns())
            return
        except RequestError:
            pass  # the last one's own words say more
    if not fallback.on_error(exchange):
        _pass_on(exchange, attempt, status, body)


def _takes_the_same(one: Target, other: Target) -> bool:
    """Whether the two are replicas: what one of them does not know, the other does not either."""
    return (one.format, one.model, one.engine, one.provider) == (
        other.format,
        other.model,
        other.engine,
        other.provider,
    )


def refuse(exchange: Exchange, error: RequestError) -> None:
    """The request ends with an error: recorded if no attempt was, answered in the form still possible."""
    settle.refused(exchange, error)
    settle.closed(exchange, error.fault.code)
    if exchange.head_sent:
        exchange.tell_in_band(error)
        return
    client, form = exchange.client, exchange.endpoint.form
    headers = settle.refusal_headers(exchange)
    date, keep_alive = exchange.gateway.date, client.keep_alive
    exchange.finish(
        answers.error_answer(error, exchange.request_id, date, form, keep_alive=keep_alive, headers=headers)
    )


def tell_in_band(exchange: Exchange, error: RequestError) -> None:
    """The answer has begun: it ends with an error event, without the one that would make it look whole."""
    attempt, form = exchange.attempt, exchange.endpoint.form
    sent = attempt.relay if attempt is not None and attempt.committed else None
    number = sent.sequence if sent is not None else 0
    event = answers.error_event(error, exchange.request_id, form, number, chunked=exchange.chunked)
    exchange.finish(event)


@guarded
def not_sent(exchange: Exchange, refusal: RequestError) -> None:
    """No first attempt: a fallback list serves it, or the refusal is the answer."""
    if not fallback.unsent(exchange, refusal):
        refuse(exchange, refusal)


def defect(exchange: Exchange) -> None:
    """An error that nobody foresaw: logged with the request's id, told as `internal`, settled.

    Called while that error is handled. If not even this can be done the client's connection is cut: better
    than to let it wait.
    """
    _log.exception("request %s ended by a defect of the gateway", exchange.request_id)
    try:
        _end_by_defect(exchange, RequestError(errors.INTERNAL, "the gateway failed"))
    except Exception:  # noqa: BLE001  must not keep the client waiting
        _log.exception("request %s could not be answered: its connection is cut", exchange.request_id)
        settle.closed(exchange, errors.INTERNAL.code)
        exchange.client.abort()
    exchange.attempt = None


def _end_by_defect(exchange: Exchange, error: RequestError) -> None:
    attempt = exchange.attempt
    _forget_retry(exchange)
    if attempt is not None and not attempt.settled:
        try:
            if attempt.running:
                attempt.cancel()
            attempt.place.load.health.lost(time.monotonic(), attempt.probe)
        finally:
            _settle_defect(exchange, attempt, error)
    if exchange.client.conversation is exchange:
        refuse(exchange, error)
        return
    settle.closed(exchange, error.fault.code)
    if exchange.client.conversation is None:  # it has left, or its answer is out but its end went wrong
        exchange.client.abort()


def _settle_defect(exchange: Exchange, attempt: Attempt, error: RequestError) -> None:
    """The attempt's end on record, with no usage where counting it is what fails."""
    try:
        settle.end(exchange, attempt, Outcome.FAILED, status=error.fault.status, error=error)
    except Exception:  # noqa: BLE001  must not keep the client waiting
        _log.exception("request %s: its usage is not known", exchange.request_id)
        settle.end(exchange, attempt, Outcome.FAILED, tokens=Tokens(), status=error.fault.status, error=error)


def _forget_retry(exchange: Exchange) -> bool:
    """Whether a pause before a retry was under way; it ends."""
    timer, exchange.retry_timer = exchange.retry_timer, None
    if timer is not None:
        timer.cancel()
    return timer is not None


def client_gone(exchange: Exchange) -> None:
    """Nobody waits for the answer any more: cancel upstream, charge what was produced."""
    attempt = exchange.attempt
    _forget_retry(exchange)
    if attempt is not None and attempt.running:
        attempt.cancel()
        attempt.place.load.health.lost(time.monotonic(), attempt.probe)
        settle.end(exchange, attempt, Outcome.CLIENT_GONE, status=499)
    settle.closed(exchange, "client_gone")
    exchange.attempt = None  # a cycle otherwise, and with it the body until the collector comes


def cut_off(exchange: Exchange) -> None:
    """The drain is over before the answer is: tell the client, cancel upstream, charge what was produced."""
    attempt = exchange.attempt
    error = RequestError(
        errors.DRAINING, "this gateway stopped before the answer was complete", retry_after_s=1.0
    )
    if _forget_retry(exchange):
        pass
    elif attempt is None or not attempt.running:
        return  # all is said
    else:
        attempt.cancel()
        attempt.place.load.health.lost(time.monotonic(), attempt.probe)
        outcome = Outcome.CUT if attempt.sent else Outcome.FAILED
        settle.end(exchange, attempt, outcome, status=error.fault.status, error=error)
    refuse(exchange, error)


def _may_sign_anew(attempt: Attempt) -> bool:
    """Whether a refused call was signed by a wrong clock, which is right now; else its login asks anew."""
    login, head = attempt.place.login, attempt.head
    if login is None or head is None:
        return False
    if login.saw_date(head.fields.get(b"date", b"").decode("latin-1")):
        return True
    login.refused(time.monotonic())
    return False


def _tell_health(exchange: Exchange, attempt: Attempt, verdict: Verdict, wait_s: float | None) -> None:
    health, now_s = attempt.place.load.health, time.monotonic()
    if verdict.kind is Kind.NO_ROOM:
        health.full(now_s, now_s + (wait_s if wait_s is not None else NO_ROOM_S), attempt.probe)
    elif verdict.kind is Kind.DEAD_CREDENTIAL:
        credential, login = attempt.place.target.credential, attempt.place.target.login
        for place in exchange.site.places.values():  # it is as dead at every target that uses it
            same = (credential and place.target.credential == credential) or (
                login is not None and place.target.login == login
            )
            if place is attempt.place or same:
                place.load.health.refuse()
    elif verdict.ejects:
        health.failure(now_s, random.random(), attempt.probe)
    else:
        health.success(now_s, attempt.probe)


def _move_on(exchange: Exchange, attempt: Attempt, error: RequestError, *, same_target: bool) -> None:
    """Another attempt: at once where a target is left, else after a pause; or the end."""
    if error.fault is errors.TIMEOUT_TOTAL:
        refuse(exchange, error)
        return
    now_ns = time.monotonic_ns()
    if not same_target:
        exchange.tried = (*exchange.tried, attempt.place.target.name)
    if not _may_retry(exchange, now_ns / 1e9, same_target=same_target):
        if not fallback.on_error(exchange):
            refuse(exchange, error)
        return
    try:
        exchange.attempt_next(Reason.FALLBACK, now_ns, fresh=same_target)
    except RequestError as none_left:
        if cause_of(none_left) is not Cause.ERROR or not fallback.on_error(exchange):
            _try_again_later(exchange, error, none_left)


def _may_retry(exchange: Exchange, now_s: float, *, same_target: bool) -> bool:
    """Whether the request has attempts left, where it is, and its model's retry budget one for it."""
    if fallback.spent(exchange) or (exchange.detour is None and exchange.number > MOST_RETRIES):
        return False
    if same_target or exchange.terms.place.retry_budget.take(now_s):
        return True
    exchange.gateway.metrics.retries_refused += 1
    return False


def _try_again_later(exchange: Exchange, error: RequestError, none_left: RequestError) -> None:
    """All targets were tried: after a pause they may be tried again, within the waiting budget."""
    pause_s = backoff_s(exchange.number - 1, random.random())
    asked_s = error.retry_after_s if error.retry_after_s is not None else none_left.retry_after_s
    if asked_s is not None:
        pause_s = max(pause_s, asked_s)
    if none_left.fault is not errors.NO_TARGET or exchange.waited_s + pause_s > WAITING_BUDGET_S:
        refuse(exchange, error)
        return
    exchange.waited_s += pause_s
    exchange.tried = ()

    loop = asyncio.get_running_loop()
    exchange.retry_timer = loop.call_later(pause_s + TIMER_SLACK_S, _try_again, exchange, error)


@guarded
def _try_again(exchange: Exchange, error: RequestError) -> None:
    exchange.retry_timer = None
    try:
        exchange.attempt_next(Reason.FALLBACK, time.monotonic_ns())
    except RequestError:
        refuse(exchange, error)


def _pass_on(exchange: Exchange, attempt: Attempt, status: int, body: bytes) -> None:
    """The target's own refusal is the answer: the client's request was wrong."""
    settle.closed(exchange, "rejected")
    headers = settle.answer_headers(exchange, attempt)
    if exchange.head_sent:
        refuse(
            exchange, RequestError(errors.UPSTREAM_REJECTED, f"the target answered {status}: {body[:300]!r}")
        )
        return
    head = attempt.head
    content = head.fields.get(b"content-type", b"application/json") if head is not None else b"text/plain"
    if attempt.crossing is not None:
        body, content = attempt.crossing.failure(body, status, attempt.error_named), b"application/json"
    exchange.finish(
        answers.answer(
            status,
            body,
            exchange.gateway.date,
            keep_alive=exchange.client.keep_alive,
            headers=headers,
            content=b"content-type: %b\r\n" % content,
        )
    )


def _break_off(exchange: Exchange, error: RequestError) -> None:
    """The client holds a part: say so in-band, without the `[DONE]` that would make it look whole."""
    settle.closed(exchange, error.fault.code)
    exchange.tell_in_band(error)
