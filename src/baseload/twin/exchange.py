"""The honest life of one model call at a twin; where a fault may step in, its behaviour is asked.

1. *Read* the call and choose its fault. 2. The fault may answer instead (`before`). 3. Ask the *quota*.
4. A stream's *head* goes out (`after_head`). 5. *Queue* it with the pace. 6. *Deliver* tokens as they come
(`hold_back`, `strike`). 7. *Finish* (`at_stream_end`, `whole`). 8. *Count* it. A client that goes away at any
point stops the production at once, and what was produced is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from baseload.errors import BaseloadError
from baseload.twin.faults import parse_rule
from baseload.twin.http import LAST_CHUNK, Request, chunk, head
from baseload.twin.mischief import Behaviour, behaviour
from baseload.twin.openai import (
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
    from baseload.twin.connection import Connection
    from baseload.twin.server import Twin

SIMULATED = {"x-baseload-twin": "simulated"}
JSON_TYPE, SSE_TYPE = "application/json", "text/event-stream; charset=utf-8"


class Exchange:
    """One model call from its request to its end, driven by its connection and by the twin's pace."""

    def __init__(self, twin: Twin, connection: Connection, request: Request, serial: int) -> None:
        self.twin = twin
        self.request = request
        self.pace_id = str(serial)
        self.served = Served(
            serial=serial,
            id=request.headers.get("x-request-id", f"twin-{serial}"),
            path=request.path,
            model="",
            stream=False,
            began_unix_s=time.time(),
        )
        self.backlog = 0
        self.produced_all = False
        self.struck = False
        self.over = False
        self._began_s = time.monotonic()
        self._connection = connection
        self._behaviour: Behaviour = behaviour(None)
        self._chunked = False
        twin.record.begin(self.served)

    def begin(self) -> None:
        """Steps 1 to 5: read the call, meet its fault and the quota, queue it."""
        try:
            self._read()
        except ApiError as refused:
            self.send_whole(refused.status, refused.body, Outcome.REFUSED)
            return
        if self._behaviour.before(self) or not self._within_quota():
            return
        if self.call.stream:
            self._send_stream_head()
        if not self._behaviour.after_head(self):
            self.twin.drive.submit(self, self.call)

    def tokens(self, count: int, finished: bool) -> None:
        """`count` more tokens were produced; `finished` says they were the last."""
        if self.over:
            return
        if self.call.endpoint is not Endpoint.EMBEDDINGS:
            self.served.output += count
        self.backlog += count
        self.produced_all = finished
        if self._behaviour.hold_back(self):
            return
        if self.call.stream:
            self.deliver(self.backlog)
        elif finished:
            self._finish_whole()

    def gone(self) -> None:
        """The client went away: stop producing and count what was produced."""
        if self.over:
            return
        self.stop_producing()
        spoiled = self.struck and self._behaviour.spoils
        self.end(Outcome.FAULTED if spoiled else Outcome.CANCELLED)

    def deliver(self, count: int) -> None:
        """Write `count` tokens of the backlog, up to where a fault strikes; then the end, if it is due."""
        served, answer = self.served, self.answer
        strike = None if self.struck else self._behaviour.strikes_after()
        if strike is not None:
            count = min(count, max(strike - served.delivered, 0))
        data = answer.tokens(served.delivered, count)
        if not served.delivered and not self.struck:
            data = answer.opening() + data
        if data:
            self.write_body(data)
        served.delivered += count
        self.backlog -= count
        if strike is not None and served.delivered >= strike and not self._strike():
            return
        if self.backlog and strike is not None and served.delivered >= strike:
            self.deliver(self.backlog)
        elif self.produced_all and not self.backlog:
            self._finish_stream()

    def _read(self) -> None:
        twin, request, served = self.twin, self.request, self.served
        key = twin.config.api_key
        if key is not None and request.headers.get("authorization") != f"Bearer {key}":
            raise error(401, "Incorrect API key provided.", twin.limits.dialect, code="invalid_api_key")
        call: Call = read_call(request.path, request.headers, request.body, twin.limits)
        self.call = call
        self.answer = Answer(call, served.serial, int(served.began_unix_s))
        served.model, served.stream = call.model, call.stream
        served.input, served.cached = call.input_tokens, call.cached_tokens
        try:
            rule = parse_rule(call.fault) if call.fault else twin.plan.request()
        except BaseloadError as problem:
            raise error(400, str(problem), twin.limits.dialect) from None
        self._behaviour = behaviour(rule)
        served.fault = None if rule is None else rule.kind.value

    def _within_quota(self) -> bool:
        twin, call = self.twin, self.call
        refusal = twin.quota.take(twin.drive.now_s(), call.input_tokens + call.output_tokens)
        if refusal is None:
            return True
        wait_s = refusal.retry_after_s / twin.config.speed
        message = (
            f"Rate limit reached for {call.model} on {refusal.quota} per min: Limit {refusal.limit}. "
            f"Please try again in {wait_s:.3g}s."
        )
        body = error_body(429, message, twin.limits.dialect, code="rate_limit_exceeded")
        retry = {"retry-after": str(int(wait_s) + 1), "retry-after-ms": f"{wait_s * 1e3:.0f}"}
        self.send_whole(429, body, Outcome.REFUSED, retry)
        return False

    def _send_stream_head(self) -> None:
        headers = {"content-type": SSE_TYPE, "cache-control": "no-cache"}
        self._chunked = self.request.minor == 1
        if (length := self._behaviour.stream_length()) is not None:
            self._chunked = False
            headers["content-length"] = str(length)
        elif self._chunked:
            headers["transfer-encoding"] = "chunked"
        self.write(self.head(200, headers))

    def _strike(self) -> bool:
        """Let the fault strike in the stream; True if the stream goes on after it."""
        self.struck = True
        return self._behaviour.strike(self)

    def _finish_stream(self) -> None:
        if not self.struck and self._behaviour.strikes_after() is not None and not self._strike():
            return  # the stream was shorter than the fault waited for: it strikes at the end
        if self._behaviour.at_stream_end(self):
            return
        self.end_stream(self.answer.closing(usage=self._behaviour.usage) + self._behaviour.done)

    def _finish_whole(self) -> None:
        call = self.call
        if call.endpoint is Endpoint.EMBEDDINGS:
            body = embeddings_body(call)
        else:
            body = self.answer.body(usage=self._behaviour.usage)
        if not self._behaviour.whole(self, body):
            self.served.delivered = self.served.output
            self.send_whole(200, body)

    # What behaviours do with an exchange

    def head(self, status: int, headers: dict[str, str]) -> bytes:
        """Status and headers, with those every answer of a twin carries."""
        headers = {**headers, "x-request-id": self.served.id, **SIMULATED, **self.twin.quota.headers()}
        if not self.request.keep_alive:
            headers["connection"] = "close"
        self.served.status = status
        return head(status, headers)

    def send_whole(
        self,
        status: int,
        body: bytes,
        outcome: Outcome | None = None,
        more: dict[str, str] | None = None,
    ) -> None:
        """Answer with a whole JSON body and end the exchange (see `end` for `outcome`)."""
        headers = {"content-type": JSON_TYPE, "content-length": str(len(body)), **(more or {})}
        self.end(outcome, last=self.head(status, headers) + body)

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.served.sent = True
        self._connection.write(data)

    def write_body(self, data: bytes) -> None:
        """Write a part of a stream's body in its framing."""
        self.write(chunk(data) if self._chunked else data)

    def end_stream(self, data: bytes) -> None:
        """Write a stream's last data and the end of its framing, and end the exchange."""
        self.end(last=chunk(data) + LAST_CHUNK if self._chunked else data, keep_alive=self._chunked)

    def break_off(self, *, reset: bool) -> None:
        """End the exchange with its connection, by RST or by closing it in order."""
        self.stop_producing()
        if self.over:
            return
        self.end(Outcome.FAULTED)
        if reset:
            self._connection.reset()
        else:
            self._connection.close()

    def pour(self, data: bytes) -> None:
        """Send `data` for ever, as fast as the client reads; a stream's in its framing."""
        self.struck = True
        self.served.sent = True
        self._connection.pour(chunk(data) if self._chunked else data)

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back after `seconds` on the twin's clock."""
        self.twin.later(seconds / self.twin.config.speed, callback)

    def stop_producing(self) -> None:
        """Cancel the production; what was produced stays counted."""
        produced = self.twin.drive.cancel(self)
        if produced is not None and self.call.endpoint is not Endpoint.EMBEDDINGS:
            self.served.output = produced

    def end(self, outcome: Outcome | None = None, *, last: bytes = b"", keep_alive: bool = True) -> None:
        """Count the exchange, once, then write its `last` bytes: who has the answer finds it counted.

        Without `outcome` it is finished, or faulted if its fault spoils the answer.
        """
        if self.over:
            return
        self.over = True
        self.served.sent = self.served.sent or bool(last)
        if outcome is None:
            outcome = Outcome.FAULTED if self._behaviour.spoils else Outcome.FINISHED
        self.twin.record.end(self.served, outcome, time.monotonic() - self._began_s)
        if last:
            self._connection.write(last)
        self._connection.exchange_over(keep_alive and self.request.keep_alive)
