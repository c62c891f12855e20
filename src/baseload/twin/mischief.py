"""What each fault does to an exchange: one small class a kind, asked at the points of an honest life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baseload.twin.faults import FaultKind, Rule, Stage
from baseload.twin.openai import DONE, error_body

if TYPE_CHECKING:
    from baseload.twin.exchange import Exchange

FILLER = b": endless\n\n" * 400
BODY_PARTS = 10
JSON_HEADERS = {"content-type": "application/json"}


class Behaviour:
    """The honest behaviour; kinds override what they bend. One instance an exchange.

    Hooks that return True have taken over: the exchange does nothing more there by itself. `spoils` says that
    the client has no whole answer, so the request counts as faulted.
    """

    spoils = True
    usage = True
    done = DONE

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def before(self, exchange: Exchange) -> bool:
        """The call was read; nothing was sent."""
        return False

    def stream_length(self) -> int | None:
        """A Content-Length for a stream instead of its right framing."""
        return None

    def after_head(self, exchange: Exchange) -> bool:
        """A stream's headers were sent; an unstreamed call is about to be queued."""
        return False

    def hold_back(self, exchange: Exchange) -> bool:
        """Tokens came; True keeps them in the backlog for now."""
        return False

    def strikes_after(self) -> int | None:
        """Tokens of a stream after which `strike` is called (at its end if it is shorter), None for never."""
        return None

    def strike(self, exchange: Exchange) -> bool:
        """Do the damage; here, and only here, True means that the stream goes on."""
        return True

    def at_stream_end(self, exchange: Exchange) -> bool:
        """All tokens of a stream were sent; the closing events were not."""
        return False

    def whole(self, exchange: Exchange, body: bytes) -> bool:
        """An unstreamed answer is complete; nothing was sent."""
        return False

    def half_an_event(self, exchange: Exchange) -> bytes:
        """The first half of the next token's event."""
        event = exchange.answer.tokens(exchange.served.delivered, 1)
        return event[: len(event) // 2]


class Honest(Behaviour):
    """No fault."""

    spoils = False


class _Break(Behaviour):
    """Breaks off at a stage, in `stop`'s manner."""

    def stop(self, exchange: Exchange) -> None:
        """End the connection, or leave it."""
        raise NotImplementedError

    def before(self, exchange: Exchange) -> bool:
        return self._stop_at(Stage.REQUEST, exchange)

    def after_head(self, exchange: Exchange) -> bool:
        if self.rule.at is Stage.HEADERS and not exchange.call.stream:
            exchange.write(exchange.head(200, {**JSON_HEADERS, "content-length": "1000"}))
        return self._stop_at(Stage.HEADERS, exchange)

    def strikes_after(self) -> int | None:
        return self.rule.after_tokens if self.rule.at is Stage.TOKENS else None

    def strike(self, exchange: Exchange) -> bool:
        self.stop(exchange)
        return False

    def whole(self, exchange: Exchange, body: bytes) -> bool:
        if self.rule.at is Stage.TOKENS:
            exchange.write(exchange.head(200, {**JSON_HEADERS, "content-length": str(len(body))}))
            exchange.write(body[: len(body) // 2])
        return self._stop_at(Stage.TOKENS, exchange)

    def _stop_at(self, stage: Stage, exchange: Exchange) -> bool:
        if self.rule.at is stage:
            exchange.struck = True
            self.stop(exchange)
        return self.rule.at is stage


class Reset(_Break):
    """The connection is reset at a stage."""

    def stop(self, exchange: Exchange) -> None:
        exchange.break_off(reset=True)


class Hang(_Break):
    """Nothing more is sent from a stage on."""

    def stop(self, exchange: Exchange) -> None:
        exchange.stop_producing()
        if self.rule.seconds is not None:
            exchange.later(self.rule.seconds, lambda: exchange.break_off(reset=False))


class Cut(_Break):
    """The connection is closed in the middle of an event or body."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule.at_tokens())

    def strike(self, exchange: Exchange) -> bool:
        exchange.write_body(self.half_an_event(exchange))
        return super().strike(exchange)

    def stop(self, exchange: Exchange) -> None:
        exchange.break_off(reset=False)


class Refuse(Behaviour):
    """The request is reset and the port refuses connections for a while."""

    def before(self, exchange: Exchange) -> bool:
        exchange.twin.refuse(self.rule.seconds or 5.0)
        exchange.break_off(reset=True)
        return True


class Status(Behaviour):
    """An error answer."""

    def before(self, exchange: Exchange) -> bool:
        rule, dialect = self.rule, exchange.twin.limits.dialect
        body = error_body(
            rule.status, f"simulated fault: status {rule.status}", dialect, code=rule.code or None
        )
        retry = {} if rule.retry_after_s is None else {"retry-after": f"{rule.retry_after_s:g}"}
        exchange.send_whole(rule.status, body, more=retry)
        return True


class Error200(Behaviour):
    """Status 200 with an error as the whole body."""

    def before(self, exchange: Exchange) -> bool:
        message = "simulated fault: an error with status 200"
        exchange.send_whole(200, error_body(500, message, exchange.twin.limits.dialect))
        return True


class Slow(Behaviour):
    """Every token waits; the body of an unstreamed answer comes in tenths."""

    spoils = False
    _waiting = False

    @property
    def _wait_s(self) -> float:
        return 1.0 if self.rule.seconds is None else self.rule.seconds

    def hold_back(self, exchange: Exchange) -> bool:
        if not exchange.call.stream:
            return False
        if not self._waiting:
            self._waiting = True
            exchange.later(self._wait_s, lambda: self._release(exchange))
        return True

    def _release(self, exchange: Exchange) -> None:
        self._waiting = False
        if exchange.over:
            return
        exchange.deliver(1)
        if exchange.backlog:
            self.hold_back(exchange)

    def whole(self, exchange: Exchange, body: bytes) -> bool:
        exchange.later(self._wait_s, lambda: self._drip(exchange, body, 0))
        return True

    def _drip(self, exchange: Exchange, body: bytes, part: int) -> None:
        if exchange.over:
            return
        if part == 0:
            exchange.write(exchange.head(200, {**JSON_HEADERS, "content-length": str(len(body))}))
        size = -(-len(body) // BODY_PARTS)
        piece, more = body[part * size : (part + 1) * size], (part + 1) * size < len(body)
        if more:
            exchange.write(piece)
            exchange.later(self._wait_s, lambda: self._drip(exchange, body, part + 1))
        else:
            exchange.served.delivered = exchange.served.output
            exchange.end(last=piece)


class ErrorEvent(Behaviour):
    """A stream ends with an in-band error; an unstreamed answer is a 500 after all the work."""

    def strikes_after(self) -> int | None:
        return self.rule.after_tokens

    def strike(self, exchange: Exchange) -> bool:
        exchange.stop_producing()
        exchange.end_stream(b"data: %b\n\n" % self._body(exchange))
        return False

    def whole(self, exchange: Exchange, body: bytes) -> bool:
        exchange.send_whole(500, self._body(exchange))
        return True

    def _body(self, exchange: Exchange) -> bytes:
        message = "simulated fault: an error in the middle of the answer"
        return error_body(500, message, exchange.twin.limits.dialect)


class NoUsage(Behaviour):
    """The answer lacks its usage."""

    spoils = False
    usage = False


class BadJson(Behaviour):
    """One event, or the body, is broken JSON; a stream goes on after it."""

    def strikes_after(self) -> int | None:
        return self.rule.after_tokens

    def strike(self, exchange: Exchange) -> bool:
        exchange.write_body(self.half_an_event(exchange) + b"\n\n")
        return True

    def whole(self, exchange: Exchange, body: bytes) -> bool:
        exchange.served.delivered = exchange.served.output
        exchange.send_whole(200, body[: len(body) // 2])
        return True


class EndlessBody(Behaviour):
    """The body never ends."""

    def at_stream_end(self, exchange: Exchange) -> bool:
        exchange.pour(FILLER)
        return True

    def whole(self, exchange: Exchange, body: bytes) -> bool:
        exchange.write(exchange.head(200, {**JSON_HEADERS, "content-length": str(1 << 40)}))
        exchange.write(body)
        exchange.pour(b" " * len(FILLER))
        return True


class EndlessHeaders(Behaviour):
    """Header lines never end."""

    def before(self, exchange: Exchange) -> bool:
        exchange.write(b"HTTP/1.1 200 OK\r\n")
        exchange.pour(b"".join(b"x-endless-%d: %b\r\n" % (line, b"x" * 100) for line in range(40)))
        return True


class DoubleDone(Behaviour):
    """A stream says [DONE] twice."""

    spoils = False
    done = DONE * 2


class WrongLength(Behaviour):
    """Content-Length is `by` bytes off: above the body and closed, or below it."""

    def stream_length(self) -> int | None:
        return 1 << 40 if self.rule.by > 0 else 64

    def whole(self, exchange: Exchange, body: bytes) -> bool:
        length = max(len(body) + self.rule.by, 0)
        head = exchange.head(200, {**JSON_HEADERS, "content-length": str(length)})
        exchange.served.delivered = exchange.served.output
        exchange.end(last=head + body, keep_alive=self.rule.by <= 0)
        return True


BEHAVIOURS: dict[FaultKind, type[Behaviour]] = {
    FaultKind.REFUSE: Refuse,
    FaultKind.RESET: Reset,
    FaultKind.HANG: Hang,
    FaultKind.STATUS: Status,
    FaultKind.SLOW: Slow,
    FaultKind.CUT: Cut,
    FaultKind.ERROR_EVENT: ErrorEvent,
    FaultKind.ERROR_200: Error200,
    FaultKind.NO_USAGE: NoUsage,
    FaultKind.BAD_JSON: BadJson,
    FaultKind.ENDLESS_BODY: EndlessBody,
    FaultKind.ENDLESS_HEADERS: EndlessHeaders,
    FaultKind.DOUBLE_DONE: DoubleDone,
    FaultKind.WRONG_LENGTH: WrongLength,
}

_HONEST = Honest(Rule(FaultKind.STATUS))


def behaviour(rule: Rule | None) -> Behaviour:
    """The behaviour of a rule; the honest one without."""
    return _HONEST if rule is None else BEHAVIOURS[rule.kind](rule)
