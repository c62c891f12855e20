"""One try of a request at one target: sent, judged as it comes, settled exactly once.

States and what moves them (`TRANSITIONS`; a test walks the table, docs/gateway.md draws it):

    CONNECTING ─connected─► SENT ─head of a stream─► HELD ─first content─► COMMITTED ─last event─► ENDED
                              └─any other head─► BUFFERING ─whole body─► ENDED
    any ─failure, timeout, client gone─► ENDED
"""

from __future__ import annotations

import logging
import time
from enum import Enum
from typing import TYPE_CHECKING

from msgspec import Struct

from baseload import errors
from baseload.core import Format, Outcome
from baseload.errors import Fault, RequestError
from baseload.gateway import failure, fallback, google, settle, stored
from baseload.gateway.body import WholeBody
from baseload.gateway.failure import Blame
from baseload.gateway.site import passed_on
from baseload.gateway.upstream import is_ours, kind_of
from baseload.policy.dispatch import Choice
from baseload.wire.dialects.crossing import Crossing
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.dialects.returned import own_words, without_thoughts
from baseload.wire.forms import Answered
from baseload.wire.http1 import CHUNKED, ResponseHead, UpstreamSyntax
from baseload.wire.openai import patch_request, rename_answer
from baseload.wire.sse import EventRelay

if TYPE_CHECKING:
    from baseload.gateway.exchange import Exchange
    from baseload.gateway.site import Place
    from baseload.gateway.upstream import UpstreamConnection

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an unstreamed answer; a larger one is a broken upstream."""


STALE_S = 1.0
"""A kept connection that closes within this after sending was closed as idle; later the target broke off."""

_log = logging.getLogger("baseload.gateway")


class State(Enum):
    """Where an attempt is in its life."""

    CONNECTING = "connecting"
    SENT = "sent"
    BUFFERING = "buffering"
    HELD = "held"
    COMMITTED = "committed"
    ENDED = "ended"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.CONNECTING: frozenset({State.SENT, State.ENDED}),
    State.SENT: frozenset({State.BUFFERING, State.HELD, State.ENDED}),
    State.BUFFERING: frozenset({State.ENDED}),
    State.HELD: frozenset({State.COMMITTED, State.ENDED}),
    State.COMMITTED: frozenset({State.ENDED}),
    State.ENDED: frozenset(),
}


_STREAMS = (b"text/event-stream", b"application/vnd.amazon.eventstream")


def _is_event_stream(head: ResponseHead) -> bool:
    return head.fields.get(b"content-type", b"").startswith(_STREAMS)


class Attempt(Struct, eq=False):
    """One try. What it leads to is told to its exchange and to `failure`."""

    _exchange: Exchange
    place: Place
    choice: Choice
    reason: str
    number: int
    begun_ns: int
    _deadline_s: float
    state: State = State.CONNECTING
    first_ns: int = 0
    sent: bool = False
    loaded: bool = False  # counted in its target's live load
    settled: bool = False
    probe: bool = False
    decoding: bool = False
    cost_nano: int | None = None
    counterfactual_nano: int | None = None
    head: ResponseHead | None = None
    relay: EventRelay | None = None
    crossing: Crossing | None = None  # the target speaks another format than the client
    unmetered: bytes = b""  # a whole answer that says no usage
    _reused: bool = False
    _sent_s: float = 0.0
    _paused: bool = False
    _was_paused: bool = False  # the client was slow: how long the whole took is not the target's doing alone
    _flows: bool = False  # a part of a whole answer is here
    _connection: UpstreamConnection | None = None
    _body: WholeBody | None = None

    tokens_used = settle.tokens_used
    bill = settle.bill

    def read_answer(self, body: bytes) -> Answered | None:
        """Usage and error of a whole answer; None when it is not such a JSON object."""
        head = self.head
        if self.crossing is not None and head is not None:
            return self.crossing.read_answer(body, head.status, self.error_named)
        return self._exchange.endpoint.form.read_answer(body)

    @property
    def error_named(self) -> str:
        """What AWS calls an error, which stands in a header; empty elsewhere."""
        fields = self.head.fields if self.head is not None else {}
        return fields.get(b"x-amzn-errortype", b"").decode("latin-1")

    def told(self, body: bytes) -> bytes:
        """A whole answer of this target as the client gets it, under the client's name for the model.

        Raises ValueError where the target speaks another format and this is no answer in it.
        """
        if self.crossing is not None:
            return self.crossing.whole(body)
        if self._exchange.endpoint.by_path:
            return body
        return rename_answer(body, self.place.target.model, self._exchange.fields.model)

    def start(self, *, fresh: bool = False) -> None:
        """Ask for a connection; the journal holds the attempt's begin already."""
        self.place.pool.take(self, fresh=fresh)

    # -- what the connection tells --------------------------------------------------------------------------

    def connected(self, connection: UpstreamConnection) -> None:
        if self.state is not State.CONNECTING:  # given up meanwhile
            connection.release(reusable=True)
            return
        exchange, place = self._exchange, self.place
        self.state = State.SENT
        self.sent = True
        self._connection = connection
        self._reused = reused = connection.used > 0  # then it was at hand: the attempt has only just begun
        self._sent_s = sent_s = self.begun_ns / 1e9 if reused else time.monotonic()
        self._deadline_s = sent_s + place.target.timeouts.ttft_s
        endpoint, more = exchange.endpoint, b""
        if self.crossing is not None:
            if place.thoughtless:
                self.crossing.body = without_thoughts(self.crossing.body)  # its head tells the length
            body = self.crossing.body
        elif endpoint.by_path:
            endpoint, body = google.at_target(exchange, place.target.model)
        elif endpoint.stores:
            body = stored.body_for(exchange, place.target.model)
        else:
            fields = exchange.fields
            add_usage = exchange.stream and endpoint.format is Format.OPENAI and not fields.wants_usage
            body = patch_request(exchange.body, fields, model=place.target.model, add_usage=add_usage)
            if exchange.site.mixed and endpoint.dialect is not None:
                body = own_words(endpoint.dialect, body)
            if place.thoughtless:
                body = without_thoughts(body)
            if endpoint.passes:
                more = passed_on(endpoint, exchange.head.fields)
                if endpoint.free:  # what is counted is what would be asked
                    body = own_words(Dialect.MESSAGES, body)
        try:
            if self.crossing is not None:
                head = place.crossing_head(self.crossing, exchange.request_id, self.number)
            else:
                head = place.request_head(endpoint, exchange.request_id, self.number, body, more)
        except RequestError as error:  # no credential that holds
            self._connection = None
            self.sent = False
            connection.release(reusable=True)
            place.load.health.refuse()
            self._fail(error.fault, error.message, blame=Blame.ELSEWHERE)
            return
        connection.send(self, head, body)

    def target_slow(self, slow: bool) -> None:
        """All of the request is handed over: the connection holds what the target has not read."""

    def connect_failed(self, error: Exception) -> None:
        if self.state is State.CONNECTING:
            name = self.place.target.name
            _log.warning("no connection to target %s: %s", name, error)
            if is_ours(error):
                self._fail(errors.OVERLOADED, f"no connection to {name} is to be had", blame=Blame.ELSEWHERE)
            else:
                self._fail(errors.UPSTREAM_CONNECT, f"no connection to {name}: {kind_of(error)}")

    def response_head(self, head: ResponseHead, body: bytes) -> None:
        self.head = head
        exchange = self._exchange
        if exchange.stream and head.status == 200 and (_is_event_stream(head) or self._may_be_array(head)):
            self.state = State.HELD
            chunked_in = head.length == CHUNKED
            if self.crossing is not None:
                self.relay = self.crossing.relay(chunked_in=chunked_in, chunked_out=exchange.chunked)
            else:
                self.relay = exchange.endpoint.form.relay(
                    chunked_in=chunked_in,
                    chunked_out=exchange.chunked,
                    drop_usage=not exchange.fields.wants_usage,
                )
        else:
            self.state = State.BUFFERING
            if head.length == len(body):
                self._whole(body)
                return
            try:
                self._body = WholeBody(head, MAX_ANSWER)
            except UpstreamSyntax as error:
                self._fail(errors.UPSTREAM_BROKEN, str(error))
                return
        if body:
            self.response_body(body)

    def _may_be_array(self, head: ResponseHead) -> bool:
        """Google streams JSON as well."""
        if self.place.format is not Format.GEMINI or self.crossing is not None:
            return False
        return head.fields.get(b"content-type", b"").startswith(b"application/json")

    def response_body(self, data: bytes) -> None:
        if self.relay is not None:
            self._stream(self.relay, data)
            return
        assert self._body is not None
        try:
            whole = self._body.feed(data)
        except UpstreamSyntax as error:
            self._fail(errors.UPSTREAM_BROKEN, str(error))
            return
        if whole is not None:
            self._whole(whole)
        else:
            self._flows = True
            self._deadline_s = 0.0

    def response_closed(self, error: Exception | None) -> None:
        self._connection = None
        if self.relay is not None:
            last = self.relay.end_of_input()
            if self.relay.done or self.relay.ended:
                self._stream_ended(last)
                return
        elif self._body is not None and (whole := self._body.closed()) is not None:
            self._whole(whole)
            return
        if self.state is not State.ENDED:
            said = f": {kind_of(error)}" if error else ""
            message = f"{self.place.target.name} closed the connection early{said}"
            stale = self.state is State.SENT and self._reused and not isinstance(error, UpstreamSyntax)
            if stale and time.monotonic() - self._sent_s < STALE_S:
                self.sent = False  # in the target's eyes
                self._fail(errors.UPSTREAM_BROKEN, message, blame=Blame.STALE)
            else:
                self._fail(errors.UPSTREAM_BROKEN, message)

    def defect(self) -> None:
        failure.defect(self._exchange)

    # -- streamed -------------------------------------------------------------------------------------------

    def _stream(self, relay: EventRelay, data: bytes) -> None:
        was_done = relay.done
        try:
            out = relay.feed(data)
        except UpstreamSyntax as error:
            if was_done:  # the answer is whole; what follows it only says that the connection is out of step
                relay.excess = True
                self._stream_ended(b"")
            else:
                self._fail(errors.UPSTREAM_BROKEN, str(error))
            return
        if relay.error_event:
            self._in_band_error(relay, out)
            return
        if relay.committed:
            if self.state is State.HELD:
                if self._exchange.terms.place.fallbacks is not None and self._declined(out):
                    return
                self._commit()
            else:
                self._deadline_s = 0.0  # progress; the next check sets it anew
        if relay.done and not was_done:
            settle.end(self._exchange, self, Outcome.COMPLETED)
            self._exchange.last_of_stream(out)
        elif out and not was_done:
            self._exchange.client.write(out)
        if relay.ended or (relay.done and self.head is not None and self.head.length != CHUNKED):
            self._stream_ended(b"")

    def _declined(self, out: bytes) -> bool:
        """Whether all that the client would get is a refusal, and a fallback list serves it instead."""
        held = out.partition(b"\r\n")[2] if self._exchange.chunked else out  # it is one chunk
        return fallback.declined_stream(self._exchange, self, held)

    def _commit(self) -> None:
        self.state = State.COMMITTED
        self.first_ns = time.monotonic_ns()
        self._deadline_s = 0.0
        self._exchange.stream_started(self)

    def _stream_ended(self, last: bytes) -> None:
        relay = self.relay
        assert relay is not None
        if not relay.done:
            self._fail(
                errors.UPSTREAM_BROKEN,
                f"{self.place.target.name} ended the stream without {relay.last_event}",
            )
            return
        if last:
            self._exchange.client.write(last)
        whole = relay.ended and not relay.excess
        self._end(reusable=whole and self.head is not None and self.head.keep_alive)
        self._exchange.stream_ended()

    def _in_band_error(self, relay: EventRelay, out: bytes) -> None:
        """The target reported an error inside a 200; what came before it goes out first."""
        if self.state is not State.COMMITTED and fallback.broken(self._exchange, self, relay.error_event):
            return
        if self.state is State.COMMITTED and out:
            self._exchange.client.write(out)
        self._fail(errors.UPSTREAM_ERROR, f"{self.place.target.name} broke off with an error event")

    # -- unstreamed -----------------------------------------------------------------------------------------

    def _whole(self, body: bytes) -> None:
        """The whole answer is here."""
        head, connection = self.head, self._connection
        assert head is not None
        self.first_ns = time.monotonic_ns()
        self.state = State.ENDED
        if connection is not None:  # None: its end was the answer's
            self._connection = None
            connection.release(reusable=head.keep_alive)
        self._exchange.answered(self, head.status, body)

    # -- the end --------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether the attempt is still under way."""
        return self.state is not State.ENDED

    @property
    def committed(self) -> bool:
        """Whether the client may hold a part of this attempt's answer."""
        return self.relay is not None and self.first_ns != 0

    @property
    def upstream_request_id(self) -> str | None:
        """What the target calls the request, if it says so."""
        if self.head is None:
            return None
        name = self.head.fields.get(b"x-request-id")
        return name.decode("latin-1") if name is not None else None

    def cancel(self) -> None:
        """The client is gone: closing the connection is how an upstream learns of it."""
        self._end(reusable=False)

    def pause(self, paused: bool) -> None:
        """Back-pressure: stop or go on reading from the target while the client is slow."""
        if self._connection is not None:
            self._connection.pause(paused)
            self._paused = paused
            self._was_paused = True

    def check(self, now_s: float) -> None:
        """Called a few times a second: each timeout has its own code."""
        timeouts = self.place.target.timeouts
        if not self.decoding and not self._exchange.stream:
            predicted_s = self.choice.predicted_ttft_s
            if predicted_s is not None and now_s - self.begun_ns / 1e9 > predicted_s:
                settle.decoding(self._exchange, self)
        if self._deadline_s == 0.0 or self._paused:  # what we do not read cannot be late
            self._deadline_s = now_s + timeouts.idle_s
        if self.relay is not None and self.relay.done:
            if now_s >= self._deadline_s:  # all is said, the target only does not end its body
                self._stream_ended(b"")
        elif now_s >= self.begun_ns / 1e9 + timeouts.total_s:
            blame = Blame.ELSEWHERE if self._was_paused else Blame.TARGET
            self._fail(errors.TIMEOUT_TOTAL, f"no whole answer within {timeouts.total_s:g} s", blame=blame)
        elif now_s >= self._deadline_s:
            if self.state is State.CONNECTING:
                self._fail(errors.TIMEOUT_CONNECT, f"no connection within {timeouts.connect_s:g} s")
            elif self.state is State.COMMITTED or self._flows:
                self._fail(errors.TIMEOUT_IDLE, f"nothing more for {timeouts.idle_s:g} s")
            elif self._exchange.stream:
                self._fail(errors.TIMEOUT_FIRST_TOKEN, f"no first token within {timeouts.ttft_s:g} s")

    def _end(self, *, reusable: bool) -> None:
        if self.state is State.CONNECTING:
            self.place.pool.give_up(self)
        self.state = State.ENDED
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release(reusable=reusable)

    def _fail(self, fault: Fault, message: str, *, blame: Blame = Blame.TARGET) -> None:
        """The target is in trouble. Whether another one may answer instead is for `failure` to say."""
        self._end(reusable=False)
        retry_after_s = 1.0 if fault is errors.OVERLOADED else None
        error = RequestError(fault, message, retry_after_s=retry_after_s)
        failure.attempt_failed(self._exchange, self, error, blame)
