"""The path of one request, from its last byte read to its last byte written (DESIGN section 3).

`run` goes from step 2 to step 8 without waiting; what the target sends back moves the rest. Each step is one
named call; where it is decided is in the module it comes from.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct, field

from baseload import errors
from baseload.core import Outcome, Reason
from baseload.errors import RequestError
from baseload.gateway import (
    admission,
    answers,
    counting,
    crossings,
    failure,
    fallback,
    settle,
    stored,
)
from baseload.gateway.attempt import Attempt
from baseload.gateway.caching import hits
from baseload.policy.dispatch import Ask
from baseload.policy.fallback import FallbackList
from baseload.policy.limits import Grant
from baseload.wire.dialects.crossing import Crossing
from baseload.wire.http1 import RequestHead
from baseload.wire.openai import RequestFields

if TYPE_CHECKING:
    from baseload.gateway.client import ClientConnection
    from baseload.gateway.server import Gateway
    from baseload.gateway.site import Caller, Endpoint, Site


class Exchange(Struct, eq=False):
    """One request and its attempts. `site`, the configuration it lives under, is fixed when it is made.

    `grant` None says that it is not admitted; `terms` and `ask` are there once it is.
    """

    gateway: Gateway
    client: ClientConnection
    head: RequestHead
    body: bytes
    endpoint: Endpoint
    site: Site
    request_id: str
    received_ns: int
    chunked: bool  # whether the client understands chunked coding
    caller: Caller = admission.NOBODY
    fields: RequestFields = field(default_factory=lambda: admission.NO_FIELDS)
    terms: admission.Terms = None  # type: ignore[assignment]  # until admitted
    ask: Ask = None  # type: ignore[assignment]  # likewise
    grant: Grant | None = None
    attempt: Attempt | None = None
    tried: tuple[str, ...] = ()
    detour: FallbackList | None = None
    own_attempts: int = 0  # those before the detour
    number: int = 0
    retry_timer: asyncio.TimerHandle | None = None
    waited_s: float = 0.0
    used_tokens: int = 0
    closed: bool = False
    stream: bool = False
    head_sent: bool = False
    last_events: bytes = b""
    comment_due_s: float = 0.0

    def run(self) -> None:
        """Steps 2 to 8. A refusal at any of them is recorded and answered."""
        self.client.conversation = self
        try:
            known = admission.standing(self)
            self.caller = known.caller
            self.fields = fields = self.endpoint.read(self.body)
            if fields.stream:
                self.stream = True
                self.comment_due_s = self.received_ns / 1e9 + self.gateway.limits.comment_s
            admission.admit(self, known, self.received_ns / 1e9)
            if self.endpoint.stores:
                stored.go_on_from(self)
            if self.terms.caching is not None:
                hits.look(self, self.terms.caching)
            else:
                self.attempt_next(None, self.received_ns)
        except RequestError as error:
            self._not_sent(error)
        except Exception:  # noqa: BLE001  the request boundary: as are all that call `failure.defect`
            failure.defect(self)

    def _not_sent(self, error: RequestError) -> None:
        """What `failure` makes of it, but for counts of tokens that no target makes: those are estimated."""
        if error.fault is errors.UNSUPPORTED_PARAMETER and counting.counts(self):
            try:
                counting.tell(self)
                return
            except RequestError as unread:
                error = unread
        failure.not_sent(self, error)

    def attempt_next(self, because: Reason | None, now_ns: int, *, fresh: bool = False) -> None:
        """Steps 6 to 8: choose among the admissible targets, journal, send. Raises RequestError."""
        now_s = now_ns / 1e9
        choice = (self.detour or self.terms.place.route).choose(self.ask, now_s, self.tried)
        number = self.number + 1
        place = self.site.places[choice.target.name]
        crossing: Crossing | None = None
        if place.format is not self.endpoint.format:
            choice, place, crossing = crossings.choose(self, choice, now_s)
        connect_until_s = now_s + place.target.timeouts.connect_s
        reason = (because or choice.reason)._value_  # `.value` is a call in Python
        attempt = Attempt(self, place, choice, reason, number, now_ns, connect_until_s)
        attempt.crossing = crossing
        settle.begin(self, attempt)
        attempt.start(fresh=fresh)

    def stream_started(self, attempt: Attempt) -> None:
        """Step 9, the commit point: from here on this target's answer is the answer."""
        settle.first_token(self, attempt)
        if self.endpoint.stores:
            stored.answered(self, attempt, attempt.relay)
        self.send_stream_head(settle.answer_headers(self, attempt))

    def send_stream_head(self, headers: bytes) -> None:
        """Begin a streamed answer, once."""
        if not self.head_sent:
            self.head_sent = True
            if not self.chunked:
                self.client.close_after_answer()
            form, date = self.endpoint.form, self.gateway.date
            self.client.write(answers.stream_head(date, form, chunked=self.chunked, headers=headers))

    def last_of_stream(self, events: bytes) -> None:
        """`[DONE]` is settled (step 10) and goes out; a strict journal holds it until it is on the disk."""
        if self.endpoint.stores and self.attempt is not None:
            stored.answered(self, self.attempt, self.attempt.relay)
        if self.gateway.strict:
            self.last_events = events
        else:
            self.client.write(events)

    def stream_ended(self) -> None:
        """The target ended its body: what was held goes out, and our body ends."""
        self.deliver(self.last_events + answers.LAST_CHUNK if self.chunked else self.last_events)

    def deliver(self, last: bytes) -> None:
        """Step 11: the end of the answer goes out; with a strict journal once its record is on the disk."""
        if self.gateway.strict:
            self.gateway.when_recorded(self, last)
        else:
            self.finish(last)

    def answered(self, attempt: Attempt, status: int, body: bytes) -> None:
        """Step 9, unstreamed: the whole answer is here. Step 10 comes before its first byte goes out."""
        answer = attempt.read_answer(body)
        bad = status != 200 or answer is None or (answer.error is not None and answer.tokens is None)
        if bad or answer is None or self.head_sent:  # a stream was begun: a whole answer comes too late
            failure.answered_badly(self, attempt, status, answer, body)
            return
        try:
            told = attempt.told(body)
        except ValueError:  # in another format, and not readable as that
            failure.answered_badly(self, attempt, status, answer, body)
            return
        tokens = answer.tokens
        if self.terms.place.fallbacks is not None and fallback.declined(self, attempt, body, tokens):
            return
        if tokens is None and not self.endpoint.free:
            attempt.unmetered = body
        settle.end(self, attempt, Outcome.COMPLETED, tokens=tokens)
        if self.endpoint.stores:
            stored.answered(self, attempt, answer)
        headers = settle.answer_headers(self, attempt) + settle.cost_headers(
            attempt.cost_nano, attempt.counterfactual_nano
        )
        whole = answers.answer(
            200, told, self.gateway.date, keep_alive=self.client.keep_alive, headers=headers
        )
        self.deliver(whole)

    def finish(self, last: bytes) -> None:
        """The last of the answer. Letting go of the attempt breaks a cycle: no waiting for the collector."""
        self.client.write(last)
        self.attempt = None
        self.client.finished()

    reserve = settle.reserve
    finish_recorded = failure.guarded(finish)
    refuse = failure.refuse
    tell_in_band = failure.tell_in_band
    client_gone = failure.guarded(failure.client_gone)
    cut_off = failure.guarded(failure.cut_off)

    @failure.guarded
    def client_slow(self, slow: bool) -> None:
        """Back-pressure, both ways."""
        if self.attempt is not None:
            self.attempt.pause(slow)

    @failure.guarded
    def check(self, now_s: float) -> None:
        """A few times a second: deadlines, and comments that keep idle proxies from cutting the line."""
        if self.attempt is not None and self.attempt.running:
            self.attempt.check(now_s)
        if self.stream and now_s >= self.comment_due_s and not (self.attempt and self.attempt.committed):
            self.comment_due_s = now_s + self.gateway.limits.comment_s
            self.send_stream_head(settle.waiting_headers(self))
            self.client.write(answers.comment(self.endpoint.form, chunked=self.chunked))
