"""The life of one request at a twin: read, refused or faulted, paced, answered, counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from baseload.errors import BaseloadError
from baseload.twin import faults as f
from baseload.twin.faults import FaultKind, Rule, Stage
from baseload.twin.http import LAST_CHUNK, Request, chunk, head
from baseload.twin.openai import (
    DONE,
    Answer,
    ApiError,
    Call,
    Endpoint,
    embeddings_body,
    error,
    error_body,
    read_call,
)
from baseload.twin.served import Outcome, Served

if TYPE_CHECKING:
    from baseload.twin.server import Connection, Twin

SIMULATED = {"x-baseload-twin": "simulated"}
JSON_TYPE, SSE_TYPE = "application/json", "text/event-stream; charset=utf-8"
FILLER = b": endless\n\n" * 400
BODY_PARTS = 10

AT_TOKENS = frozenset({FaultKind.CUT, FaultKind.ERROR_EVENT, FaultKind.BAD_JSON})
"""Kinds that strike once `after_tokens` tokens were sent, whatever their stage."""

SPOILS = AT_TOKENS | {
    FaultKind.RESET,
    FaultKind.HANG,
    FaultKind.STATUS,
    FaultKind.ERROR_200,
    FaultKind.ENDLESS_BODY,
    FaultKind.ENDLESS_HEADERS,
    FaultKind.WRONG_LENGTH,
    FaultKind.REFUSE,
}
"""Kinds after which the answer is no whole answer: such a request counts as faulted, never as finished."""


class Exchange:
    """One model call from its request to its end, driven by the connection and by the twin's pace."""

    def __init__(self, twin: Twin, connection: Connection, request: Request, serial: int) -> None:
        self.twin = twin
        self.connection = connection
        self.request = request
        self.serial = serial
        self.pace_id = str(serial)
        self.began_s = time.monotonic()
        self.served = Served(
            serial=serial,
            id=request.headers.get("x-request-id", f"twin-{serial}"),
            path=request.path,
            model="",
            stream=False,
            began_unix_s=time.time(),
        )
        self.rule: Rule | None = None
        self.over = False
        self._backlog = 0
        self._releasing = False
        self._produced_all = False
        self._struck = False
        self._chunked = True
        self._call: Call | None = None
        self._answer: Answer | None = None
        twin.record.begin(self.served)

    @property
    def kind(self) -> FaultKind | None:
        """The kind of fault this request was given."""
        return None if self.rule is None else self.rule.kind

    def begin(self) -> None:
        """Read the call, meet the fault that acts before it, ask the quota, queue it."""
        try:
            self._read()
        except ApiError as refused:
            self._send_whole(refused.status, refused.body)
            self._end(Outcome.REFUSED)
            return
        call = self._call
        assert call is not None
        if self.rule is not None and self._strike_before(self.rule):
            return
        if not self._within_quota(call):
            return
        if call.stream:
            self._send_head()
        if self.rule is not None and self._strikes_at(Stage.HEADERS):
            if not call.stream:
                self._write(head(200, self._headers({"content-type": JSON_TYPE, "content-length": "1000"})))
            self._break()
            return
        self.twin.drive.submit(self, call)

    def tokens(self, count: int, finished: bool) -> None:
        """`count` more tokens were produced; `finished` says they were the last."""
        call = self._call
        if self.over or call is None:
            return
        self.served.output += 0 if call.endpoint is Endpoint.EMBEDDINGS else count
        self._backlog += count
        self._produced_all = finished
        if self.kind is FaultKind.SLOW:
            if not self._releasing:
                self._releasing = True
                self._later(self._slowness_s(), self._release_one)
            return
        if call.stream:
            self._deliver(self._backlog)
        elif finished:
            self._finish()

    def gone(self) -> None:
        """The client went away: stop producing and count what was produced."""
        if self.over:
            return
        self._stop_producing()
        spoiled = self._struck and self.kind in SPOILS
        self._end(Outcome.FAULTED if spoiled else Outcome.CANCELLED)

    def _read(self) -> None:
        twin, request = self.twin, self.request
        call = self._call = read_call(request.path, request.headers, request.body, twin.limits)
        served = self.served
        served.model, served.stream = call.model, call.stream
        served.input, served.cached = call.input_tokens, call.cached_tokens
        self._answer = Answer(call, self.serial, int(served.began_unix_s))
        key = twin.config.api_key
        if key is not None and request.headers.get("authorization") != f"Bearer {key}":
            raise error(401, "Incorrect API key provided.", twin.limits.dialect, code="invalid_api_key")
        if call.fault:
            try:
                self.rule = f.parse_rule(call.fault)
            except BaseloadError as problem:
                raise error(400, str(problem), twin.limits.dialect, param=f"{call.fault}") from None
        else:
            self.rule = twin.plan.request()
        served.fault = None if self.rule is None else self.rule.kind.value

    def _within_quota(self, call: Call) -> bool:
        twin = self.twin
        refusal = twin.quota.take(twin.drive.now_s(), call.input_tokens + call.output_tokens)
        if refusal is None:
            return True
        message = (
            f"Rate limit reached for {call.model} on {refusal.quota} per min: Limit {refusal.limit}. "
            f"Please try again in {refusal.retry_after_s:.3g}s."
        )
        body = error_body(429, message, twin.limits.dialect, code="rate_limit_exceeded")
        wait_s = refusal.retry_after_s / twin.config.speed
        self._send_whole(
            429, body, {"retry-after": str(int(wait_s) + 1), "retry-after-ms": f"{wait_s * 1e3:.0f}"}
        )
        self._end(Outcome.REFUSED)
        return False

    # What goes wrong

    def _strikes_at(self, stage: Stage) -> bool:
        return (
            self.kind in (FaultKind.HANG, FaultKind.RESET) and self.rule is not None and self.rule.at is stage
        )

    def _strike_before(self, rule: Rule) -> bool:
        """Faults that leave no answer to give; True if one did."""
        dialect = self.twin.limits.dialect
        if rule.kind is FaultKind.STATUS:
            message = f"simulated fault: status {rule.status}"
            retry = {} if rule.retry_after_s is None else {"retry-after": f"{rule.retry_after_s:g}"}
            self._send_whole(
                rule.status, error_body(rule.status, message, dialect, code=rule.code or None), retry
            )
            self._end(Outcome.FAULTED)
        elif rule.kind is FaultKind.ERROR_200:
            self._send_whole(200, error_body(500, "simulated fault: an error with status 200", dialect))
            self._end(Outcome.FAULTED)
        elif rule.kind is FaultKind.REFUSE:
            self.twin.refuse(rule.seconds or 5.0)
            self._break()
        elif rule.kind is FaultKind.ENDLESS_HEADERS:
            self._struck = True
            self._write(b"HTTP/1.1 200 OK\r\n")
            self.connection.pour(b"".join(b"x-endless-%d: %b\r\n" % (i, b"x" * 100) for i in range(40)))
        elif self._strikes_at(Stage.REQUEST):
            self._break()
        else:
            return False
        return True

    def _break(self) -> None:
        """Reset or close the connection, or leave it hanging, as the fault's kind says."""
        rule = self.rule
        assert rule is not None
        self._struck = True
        self._stop_producing()
        if rule.kind is FaultKind.HANG:
            if rule.seconds is not None:
                self._later(rule.seconds, self._end_broken)
            return
        self._end_broken()

    def _end_broken(self) -> None:
        if self.over:
            return
        self._end(Outcome.FAULTED, keep_alive=False)
        if self.kind in (FaultKind.RESET, FaultKind.REFUSE):
            self.connection.reset()
        else:
            self.connection.close()

    def _strikes_after(self) -> int | None:
        """The number of tokens after which the fault strikes, None if it does not strike there."""
        rule = self.rule
        if rule is None or self._struck:
            return None
        if rule.kind in AT_TOKENS or self._strikes_at(Stage.TOKENS):
            return rule.after_tokens
        return None

    def _strike_stream(self) -> None:
        """The fault in the middle of a stream, `after_tokens` tokens in (or at its end, if that is first)."""
        assert self._answer is not None
        event = self._answer.tokens(self.served.delivered, 1)
        self._struck = True
        if self.kind is FaultKind.BAD_JSON:
            self._write_body(event[: len(event) // 2] + b"\n\n")
            return
        if self.kind is FaultKind.ERROR_EVENT:
            body = error_body(500, "simulated fault: an error in the stream", self.twin.limits.dialect)
            self._write_body(b"data: %b\n\n" % body)
            self._stop_producing()
            self._write(LAST_CHUNK if self._chunked else b"")
            self._end(Outcome.FAULTED)
            return
        if self.kind is FaultKind.CUT:
            self._write_body(event[: len(event) // 2])
        self._break()

    # The answer

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        headers = {**more, "x-request-id": self.served.id, **SIMULATED, **self.twin.quota.headers()}
        if not self.request.keep_alive:
            headers["connection"] = "close"
        return headers

    def _send_head(self) -> None:
        headers = {"content-type": SSE_TYPE, "cache-control": "no-cache"}
        self._chunked = self.request.version != "HTTP/1.0" and self.kind is not FaultKind.WRONG_LENGTH
        if self.kind is FaultKind.WRONG_LENGTH:
            assert self.rule is not None
            self._struck = True
            headers["content-length"] = str(100_000_000 if self.rule.by > 0 else 64)
        elif self._chunked:
            headers["transfer-encoding"] = "chunked"
        self._write(head(200, self._headers(headers)))

    def _deliver(self, count: int) -> None:
        """Write `count` tokens of the backlog, stopping where a fault strikes; then the end, if it is due."""
        answer = self._answer
        assert answer is not None
        strike = self._strikes_after()
        if strike is not None and self.served.delivered + count >= strike:
            count = max(strike - self.served.delivered, 0)
        else:
            strike = None
        data = answer.opening() if not self.served.delivered else b""
        data += answer.tokens(self.served.delivered, count)
        if data:
            self._write_body(data)
        self.served.delivered += count
        self._backlog -= count
        if strike is not None:
            self._strike_stream()
            if not self.over and self.kind is FaultKind.BAD_JSON:
                self._deliver(self._backlog)
        elif self._produced_all and not self._backlog:
            self._finish()

    def _finish(self) -> None:
        call, answer = self._call, self._answer
        assert call is not None
        assert answer is not None
        if call.stream:
            self._finish_stream(answer)
            return
        usage = self.kind is not FaultKind.NO_USAGE
        body = embeddings_body(call) if call.endpoint is Endpoint.EMBEDDINGS else answer.body(usage=usage)
        self._finish_whole(body)

    def _finish_stream(self, answer: Answer) -> None:
        if self._strikes_after() is not None:
            self._strike_stream()
            if self.over or self.kind is not FaultKind.BAD_JSON:
                return
        if self.kind is FaultKind.ENDLESS_BODY:
            self._struck = True
            self.connection.pour(chunk(FILLER) if self._chunked else FILLER)
            return
        done = DONE * 2 if self.kind is FaultKind.DOUBLE_DONE else DONE
        self._write_body(answer.closing(usage=self.kind is not FaultKind.NO_USAGE) + done)
        if self._chunked:
            self._write(LAST_CHUNK)
        self._end(self._ending(), keep_alive=self._chunked)

    def _finish_whole(self, body: bytes) -> None:
        """An unstreamed answer, bent as the fault says."""
        rule, kind = self.rule, self.kind
        delivered = self.served.output
        if kind is FaultKind.ERROR_EVENT:
            message = "simulated fault: an error instead of the answer"
            self._send_whole(500, error_body(500, message, self.twin.limits.dialect))
            self._end(Outcome.FAULTED)
            return
        if kind is FaultKind.BAD_JSON:
            body = body[: len(body) // 2]
        length = len(body)
        if rule is not None and kind is FaultKind.WRONG_LENGTH:
            length = max(length + rule.by, 0)
        headers = {"content-type": JSON_TYPE, "content-length": str(length)}
        if kind is FaultKind.ENDLESS_BODY:
            del headers["content-length"]
            headers["transfer-encoding"] = "chunked"
        self._struck = kind in SPOILS
        self._write(head(200, self._headers(headers)))
        if kind is FaultKind.ENDLESS_BODY:
            self._write(chunk(body))
            self.connection.pour(chunk(b" " * 4096))
        elif kind is FaultKind.CUT or self._strikes_at(Stage.TOKENS):
            self._write(body[: len(body) // 2])
            self._break()
        else:
            self._write(body)
            self.served.delivered = delivered
            short = rule is not None and kind is FaultKind.WRONG_LENGTH and rule.by > 0
            self._end(self._ending(), keep_alive=not short)

    def _ending(self) -> Outcome:
        return Outcome.FAULTED if self.kind in SPOILS else Outcome.FINISHED

    def _slowness_s(self) -> float:
        assert self.rule is not None
        return 1.0 if self.rule.seconds is None else self.rule.seconds

    def _release_one(self) -> None:
        """A slow answer's next token; unstreamed, a tenth of the body."""
        call, answer = self._call, self._answer
        if self.over or call is None or answer is None:
            return
        self._releasing = False
        if not call.stream:
            if self._produced_all:
                self._drip(answer.body(), 0)
            return
        if self._backlog:
            self._deliver(1)
        if self._backlog and not self.over:
            self._releasing = True
            self._later(self._slowness_s(), self._release_one)

    def _drip(self, body: bytes, part: int) -> None:
        if self.over:
            return
        if part == 0:
            headers = {"content-type": JSON_TYPE, "content-length": str(len(body))}
            self._write(head(200, self._headers(headers)))
        size = -(-len(body) // BODY_PARTS)
        self._write(body[part * size : (part + 1) * size])
        if (part + 1) * size >= len(body):
            self.served.delivered = self.served.output
            self._end(Outcome.FINISHED)
        else:
            self._later(self._slowness_s(), lambda: self._drip(body, part + 1))

    # The wire and the count

    def _send_whole(self, status: int, body: bytes, more: dict[str, str] | None = None) -> None:
        headers = {"content-type": JSON_TYPE, "content-length": str(len(body)), **(more or {})}
        self._write(head(status, self._headers(headers)) + body)
        self.served.status = status

    def _write_body(self, data: bytes) -> None:
        self._write(chunk(data) if self._chunked else data)

    def _write(self, data: bytes) -> None:
        if not self.served.sent:
            self.served.sent = True
            self.served.status = 200
        self.connection.write(data)

    def _later(self, seconds: float, callback: Callable[[], object]) -> None:
        self.twin.later(seconds / self.twin.config.speed, callback)

    def _stop_producing(self) -> None:
        produced = self.twin.drive.cancel(self)
        if produced is not None and self._call is not None and self._call.endpoint is not Endpoint.EMBEDDINGS:
            self.served.output = produced

    def _end(self, outcome: Outcome, *, keep_alive: bool = True) -> None:
        if self.over:
            return
        self.over = True
        self.twin.record.end(self.served, outcome, time.monotonic() - self.began_s)
        self.connection.exchange_over(keep_alive and self.request.keep_alive)
