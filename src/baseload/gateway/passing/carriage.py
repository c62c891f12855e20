"""One try at a target of a request that passes through: hands on what comes, at the receiver's pace.

An answer in JSON is taken whole, since what it cost stands in it; any other goes to the client as it comes,
and its record comes before its last byte. Deadlines: until the request is out, the target must read on
(`idle`); from then on as of any attempt, `total` counted from the request's end.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from baseload import errors
from baseload.capacity.predict import room_ns
from baseload.core import Outcome, Tokens
from baseload.errors import RequestError
from baseload.gateway import answers, settle
from baseload.gateway.attempt import Attempt, State
from baseload.gateway.body import AnswerStream
from baseload.gateway.failure import Blame
from baseload.gateway.upstream import UpstreamConnection
from baseload.ledger.record import Bill
from baseload.wire.http1 import CHUNKED, ResponseHead, UpstreamSyntax
from baseload.wire.openai import rename_answer
from baseload.wire.passed import NOTHING_SAID, TAIL, PassedAnswer, read_answer, usage_in
from baseload.wire.sse import chunk

if TYPE_CHECKING:
    from baseload.gateway.exchange import Exchange
    from baseload.gateway.passing.passage import Passage

_PASSED_ON = (b"accept", b"openai-beta")
"""Header fields of the client that go to the target."""
_PASSED_BACK = (b"content-type", b"content-disposition")
"""Header fields of the target that go to the client."""


class Carriage(Attempt, eq=False):
    """`delivered`: the whole request is out. `said` is what the answer says that it is charged for."""

    delivered: bool = False
    said: PassedAnswer = NOTHING_SAID
    is_event_stream: bool = False
    _answer: AnswerStream | None = None
    _tail: bytes = b""
    _chunked_in: bool = False  # how the request's body goes out
    _delivered_s: float = 0.0
    _slow: tuple[float, int] | None = None  # since when the target does not read, with how much waiting

    @property
    def _passage(self) -> Passage:
        return cast("Passage", self._exchange)

    # -- the request ----------------------------------------------------------------------------------------

    def connected(self, connection: UpstreamConnection) -> None:
        if self.state is not State.CONNECTING:  # given up meanwhile
            connection.release(reusable=True)
            return
        passage, place = self._passage, self.place
        body, length = passage.outgoing(place)
        try:
            head = place.passed_head(passage.head.method, passage.path.suffix, self._lines(length), body)
        except RequestError as error:  # no credential that holds
            connection.release(reusable=True)
            place.load.health.refuse()
            self._fail(error.fault, error.message, blame=Blame.ELSEWHERE)
            return
        self.state = State.SENT
        self.sent = True
        self._connection = connection
        self._reused = connection.used > 0
        self._sent_s = time.monotonic()
        self._chunked_in = length == CHUNKED
        connection.send(self, head, chunk(body) if self._chunked_in and body else body)
        if not passage.coming:
            self._out()
        passage.handed_on()

    def _lines(self, length: int) -> bytes:
        """The header lines of the request but host and credential."""
        passage = self._passage
        fields = passage.head.fields
        content = fields[b"content-type"] if passage.form is not None else b"application/json"
        size = b"transfer-encoding: chunked\r\n" if length == CHUNKED else b"content-length: %d\r\n" % length
        more = b"".join(b"%b: %b\r\n" % (name, fields[name]) for name in _PASSED_ON if name in fields)
        request_id = b"x-request-id: %b.%d\r\n" % (passage.request_id.encode(), self.number)
        return b"content-type: %b\r\n%b%b%b" % (content, size, more, request_id)

    def send_on(self, data: bytes, *, last: bool) -> None:
        """More of the request's body."""
        connection = self._connection
        if connection is None or self.delivered:
            return
        if self._chunked_in:
            data = (chunk(data) if data else b"") + (answers.LAST_CHUNK if last else b"")
        if data:
            connection.send_on(data)
        if last:
            self._out()

    def _out(self) -> None:
        self.delivered = True
        self._delivered_s = time.monotonic()

    def target_slow(self, slow: bool) -> None:
        """The target does not read what is sent: the client's body waits."""
        connection = self._connection
        if connection is None:
            return
        self._slow = (time.monotonic(), connection.transport.get_write_buffer_size()) if slow else None
        self._passage.client.pause_upload(slow)

    # -- the answer -----------------------------------------------------------------------------------------

    def read_answer(self, body: bytes) -> PassedAnswer | None:
        answer = read_answer(body)
        self.said = answer or NOTHING_SAID
        return answer

    def told(self, body: bytes) -> bytes:
        asked = self._passage.fields.model
        return rename_answer(body, self.place.target.model, asked) if asked else body

    def response_head(self, head: ResponseHead, body: bytes) -> None:
        content = head.fields.get(b"content-type", b"").lower()
        if not 200 <= head.status < 300 or content.startswith(b"application/json"):
            Attempt.response_head(self, head, body)
            return
        self.head = head
        self.state = State.COMMITTED
        self.first_ns = time.monotonic_ns()
        self._deadline_s = 0.0
        self._answer = AnswerStream(head)
        self.is_event_stream = content.startswith(b"text/event-stream")
        self._passage.begin_answer(self, self._answer_lines(head))
        if body or self._answer.done:
            self._hand_back(self._answer, body)

    def _answer_lines(self, head: ResponseHead) -> bytes:
        """What of the target's head goes on to the client."""
        fields = head.fields
        lines = b"".join(b"%b: %b\r\n" % (name, fields[name]) for name in _PASSED_BACK if name in fields)
        if self.is_event_stream:
            lines += b"cache-control: no-cache\r\nx-accel-buffering: no\r\n"
        if head.length >= 0:
            return lines + b"content-length: %d\r\n" % head.length
        return lines + b"transfer-encoding: chunked\r\n"

    def response_body(self, data: bytes) -> None:
        if self._answer is not None:
            self._hand_back(self._answer, data)
        else:
            Attempt.response_body(self, data)

    def _hand_back(self, answer: AnswerStream, data: bytes) -> None:
        try:
            part = answer.feed(data)
        except UpstreamSyntax as error:
            self._fail(errors.UPSTREAM_BROKEN, str(error))
            return
        self._deadline_s = 0.0  # progress; the next check sets it anew
        if self.is_event_stream:
            self._tail = (self._tail + part)[-TAIL:]
        if answer.done:
            self._complete(part)
        elif part:
            self._passage.client.write(self._framed(part))

    def _framed(self, part: bytes) -> bytes:
        """A part of the answer in the client's framing."""
        head = self.head
        assert head is not None
        return part if head.length >= 0 or not self._passage.chunked or not part else chunk(part)

    def _complete(self, last: bytes) -> None:
        """The answer is whole: its record, then its last part."""
        passage, head = self._passage, self.head
        assert head is not None
        if self.is_event_stream:
            self.said = usage_in(self._tail)
        settle.end(passage, self, Outcome.COMPLETED, tokens=self.said.tokens, status=head.status)
        self._end(reusable=head.keep_alive and self.delivered)
        end = answers.LAST_CHUNK if head.length < 0 and passage.chunked else b""
        passage.deliver(self._framed(last) + end)

    def _whole(self, body: bytes) -> None:
        if not self.delivered:  # it answers before it has read all: the connection is of no further use
            self._end(reusable=False)
        Attempt._whole(self, body)

    def response_closed(self, error: Exception | None) -> None:
        answer = self._answer
        if answer is None or self.state is State.ENDED:
            Attempt.response_closed(self, error)
            return
        self._connection = None
        if error is None and answer.closed():
            self._complete(b"")
        else:
            self._fail(errors.UPSTREAM_BROKEN, f"{self.place.target.name} closed the connection early")

    @property
    def committed(self) -> bool:
        return self._answer is not None

    # -- what it took ---------------------------------------------------------------------------------------

    def tokens_used(self, exchange: Exchange) -> Tokens:
        """What the answer says; such requests are not estimated in tokens."""
        return self.said.tokens or Tokens()

    def bill(self, exchange: Exchange, tokens: Tokens) -> Bill:
        """By the target's prices; a request that was not whole, or was refused, costs nothing."""
        target = self.place.target
        if self.place.owned:
            return Bill(0, None, None, room_ns(target.step, tokens) if target.step is not None else 0)
        refused = self.head is not None and not 200 <= self.head.status < 300
        if not self.delivered or refused or exchange.endpoint.free:
            return Bill(0)
        return Bill(self._passage.fare.cost(target, self.said))

    # -- time -----------------------------------------------------------------------------------------------

    def check(self, now_s: float) -> None:
        timeouts, name = self.place.target.timeouts, self.place.target.name
        if self.state is State.CONNECTING:
            if now_s >= self._deadline_s:
                self._fail(errors.TIMEOUT_CONNECT, f"no connection within {timeouts.connect_s:g} s")
            return
        if not self.delivered:
            if self._reads_nothing(now_s, timeouts.idle_s):
                self._fail(errors.TIMEOUT_IDLE, f"{name} reads nothing for {timeouts.idle_s:g} s")
            return
        if self._deadline_s == 0.0 or self._paused:  # what we do not read cannot be late
            self._deadline_s = now_s + timeouts.idle_s
        if now_s >= self._delivered_s + timeouts.total_s:
            blame = Blame.ELSEWHERE if self._was_paused else Blame.TARGET
            self._fail(errors.TIMEOUT_TOTAL, f"no whole answer within {timeouts.total_s:g} s", blame=blame)
        elif now_s >= self._deadline_s and (self._answer is not None or self._flows):
            self._fail(errors.TIMEOUT_IDLE, f"nothing more for {timeouts.idle_s:g} s")

    def _reads_nothing(self, now_s: float, idle_s: float) -> bool:
        """Whether the target has taken nothing of what waits for it for so long."""
        connection = self._connection
        if self._slow is None or connection is None:
            return False
        since_s, waiting = self._slow
        size = connection.transport.get_write_buffer_size()
        if size != waiting:
            self._slow = now_s, size
            return False
        return now_s - since_s > idle_s
