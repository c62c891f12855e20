"""One request that passes through: an `Exchange` whose body is not read but for what routing needs.

A JSON body is here whole. A form with files comes in pieces: it is held until its `model` is read (SDKs and
command lines put it before or behind the file), for as long as `http.body` allows; then the request departs,
and the rest is handed on as the target takes it. What has gone out is no longer here, so such a request has
one attempt.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec import field
from msgspec.structs import replace

from baseload import errors
from baseload.core import Format, Outcome, Reason, Side, Target
from baseload.errors import RequestError
from baseload.gateway import admission, answers, failure, settle
from baseload.gateway.attempt import Attempt
from baseload.gateway.exchange import Exchange
from baseload.gateway.passing.carriage import Carriage
from baseload.gateway.passing.fare import Fare
from baseload.gateway.passing.paths import Passed, is_upload
from baseload.gateway.site import ModelPlace
from baseload.policy.dispatch import Ask, Choice
from baseload.wire import passed
from baseload.wire.http1 import CHUNKED
from baseload.wire.multipart import FormReader, boundary_of
from baseload.wire.openai import RequestFields, patch_request

if TYPE_CHECKING:
    from baseload.gateway.admission import Standing
    from baseload.gateway.site import Caller, Place

_FIELDS = ("model", "n", "stream")
"""What is read of a form."""

MOST_ASKED = 65536
"""As many pictures nobody makes of one request."""


class Passage(Exchange, eq=False):
    """`form` reads a body that is one. `held` is what is here of one that still comes (`coming`)."""

    form: FormReader | None = None
    held: bytearray = field(default_factory=bytearray)
    coming: bool = False
    gone: bool = False  # a part of the body is no longer here: no other attempt can be made
    fare: Fare = Fare()

    @property
    def path(self) -> Passed:
        """The path that was asked for."""
        assert isinstance(self.endpoint, Passed)
        return self.endpoint

    def run(self) -> None:
        """Steps 2 to 8 of a request whose body is here whole."""
        self.client.conversation = self
        try:
            known = admission.standing(self)
            self.caller = known.caller
            if is_upload(self.head):
                self._open_form()
                self._read_on(self.body)
                self._end_form()
            self._depart(known)
        except RequestError as error:
            failure.refuse(self, error)
        except Exception:  # noqa: BLE001  the request boundary
            failure.defect(self)

    # -- a body that comes in pieces ------------------------------------------------------------------------

    @failure.guarded
    def body_begins(self) -> None:
        """The head of an upload is here: refuse now what need not be read."""
        try:
            if self.gateway.draining:
                raise RequestError(errors.DRAINING, "this gateway is stopping", retry_after_s=1.0)
            self.caller = admission.standing(self).caller
            self._open_form()
            self.coming = True
        except RequestError as error:
            failure.refuse(self, error)

    @failure.guarded
    def body_part(self, data: bytes, last: bool) -> None:
        """A piece of the upload; `last` with its end."""
        try:
            self._read_on(data)
            if last:
                self._end_form()
                self.coming = False
            attempt = self.attempt
            if isinstance(attempt, Carriage) and attempt.sent:
                attempt.send_on(data, last=last)
                return
            self.held += data
            if not self.client.hold(len(self.held)):
                message = "the bodies of the requests under way fill the memory set aside for them"
                raise RequestError(errors.OVERLOADED, message, retry_after_s=1.0)
            if attempt is None and (last or self._is_read()):
                self._depart_with_held(last)
        except RequestError as error:
            self._break_off(error)

    @failure.guarded
    def body_broken(self, error: RequestError) -> None:
        """No more of the upload comes, or none that can be used."""
        self._break_off(error)

    def _depart_with_held(self, last: bool) -> None:
        self.received_ns = time.monotonic_ns()  # what came before was the client's time
        if last:
            self.body, self.held = bytes(self.held), bytearray()
        else:
            self.client.pause_upload(True)  # until it can be handed on
        self._depart(admission.standing(self))

    def _break_off(self, error: RequestError) -> None:
        attempt = self.attempt
        if attempt is not None and attempt.running:
            attempt.cancel()
            attempt.place.load.health.lost(time.monotonic(), attempt.probe)
            settle.end(self, attempt, Outcome.FAILED, status=error.fault.status, error=error)
        failure.refuse(self, error)

    def _open_form(self) -> None:
        boundary = boundary_of(self.head.fields.get(b"content-type", b""))
        assert boundary is not None  # `is_upload` looked
        self.form = FormReader(boundary, _FIELDS)

    def _read_on(self, data: bytes) -> None:
        assert self.form is not None
        self.form.feed(data)

    def _end_form(self) -> None:
        if self.form is not None and not self.form.done:
            raise RequestError(errors.INVALID_FIELD, "the form ends before its last boundary", param="body")

    def _is_read(self) -> bool:
        """Whether the request can depart: its model is read, or is looked for no longer."""
        assert self.form is not None
        return "model" in self.form.fields or len(self.held) >= self.gateway.limits.body_bytes

    # -- on its way -----------------------------------------------------------------------------------------

    def _depart(self, known: Standing) -> None:
        """Steps 3 to 8. Raises RequestError."""
        self.fields = self._form_fields() if self.form is not None else passed.read_request(self.body)
        self.stream = bool(self.fields.stream)
        place = self._place(known.caller)
        ours = self.fields.model in self.site.models
        self.fare = Fare(self.path.unit, self.fields.n or 1, passed.characters(self.fields), ours)
        self.terms = admission.terms_of(self, known.caller, place)
        place.retry_budget.request(self.received_ns / 1e9)
        self.ask = Ask(0, 0, self.terms.data_class, self.terms.only)
        self.grant = self.terms.gate.admit(0, self.received_ns / 1e9)
        self.attempt_next(None, self.received_ns)

    def _form_fields(self) -> RequestFields:
        """The fields of a form, by the same rules as those of a JSON body."""
        assert self.form is not None
        said = {name: each.value.decode("utf-8", "replace") for name, each in self.form.fields.items()}
        number = said.get("n", "1")
        if not (number.isascii() and number.isdigit() and len(number) < 6 and 0 < int(number) < MOST_ASKED):
            raise RequestError(errors.INVALID_FIELD, f"`n` is a number from 1 to {MOST_ASKED - 1}", param="n")
        return RequestFields(
            said.get("model", ""),
            stream=said.get("stream", "").lower() == "true",
            n=int(number),
        )

    def _place(self, caller: Caller) -> ModelPlace:
        """The model that is named, else the group's targets. Raises RequestError: model_not_found, …"""
        model, group = self.fields.model, self.path.group
        of_group = self.site.groups.get(group)
        if model in self.site.models or (of_group is None and model):
            return admission.place_of(self, caller)
        if of_group is None:
            message = f"name a model: no targets are configured for {group} without one"
            if self.coming:
                message = f"no `model` within the first {len(self.held)} bytes: put it before the file"
            raise RequestError(errors.MODEL_NOT_FOUND, message, param="model")
        if not admission.may_ask(caller, model):
            message = f"this key may not ask for {f'model {model!r}' if model else 'no model at all'}"
            raise RequestError(errors.MODEL_NOT_ALLOWED, message, param="model")
        return of_group

    def attempt_next(self, because: Reason | None, now_ns: int, *, fresh: bool = False) -> None:
        """Steps 6 to 8, as of any exchange, among the targets that take this."""
        if self.gone:
            raise RequestError(errors.UPSTREAM_BROKEN, "the body went to a target that failed")
        now_s = now_ns / 1e9
        unfit = tuple(target.name for target in self.terms.place.model.targets if not self._fits(target))
        if len(unfit) == len(self.terms.place.model.targets):
            message = f"no target of {self.terms.place.model.name} takes {self.path.name}"
            raise RequestError(errors.UNSUPPORTED_PARAMETER, message, param="model")
        choice = self.terms.place.route.choose(self.ask, now_s, (*self.tried, *unfit))
        if unfit and not self.tried and because is None:
            choice = _as_chosen(choice)
        place = self.site.places[choice.target.name]
        reason = (because or choice.reason).value
        until_s = now_s + place.target.timeouts.connect_s
        attempt = Carriage(self, place, choice, reason, self.number + 1, now_ns, until_s)
        settle.begin(self, attempt)
        attempt.start(fresh=fresh or self.coming)  # a stale connection would take the body with it

    def _fits(self, target: Target) -> bool:
        """Whether it takes this request: in OpenAI's format, and signed before all of it is here."""
        if target.format is not Format.OPENAI:
            return False
        return not (self.coming and self.site.places[target.name].signs_bodies)

    def outgoing(self, place: Place) -> tuple[bytes, int]:
        """The body for this target as far as it is here, and its length (or CHUNKED): under the target's name
        for the model, else as it came."""
        model = place.target.model
        body = bytes(self.held) if self.coming else self.body
        if self.form is None:
            body = patch_request(
                body, self.fields, model=model if self.fields.model else None, add_usage=False
            )
            return body, len(body)
        named = self.form.fields.get("model")
        size = len(body)
        if model is not None and named is not None and named.end <= size:
            body = b"%b%b%b" % (body[: named.start], model.encode(), body[named.end :])
        if not self.coming:
            return body, len(body)
        length = self.head.length
        return body, CHUNKED if length == CHUNKED else length + len(body) - size

    def handed_on(self) -> None:
        """What was held is with the target: the rest goes there as it comes."""
        if self.coming:
            self.gone = True
            self.held = bytearray()
            self.client.hold(0)
            self.client.pause_upload(False)

    def reserve(self, target: Target) -> int | None:
        """The most that an attempt at this target costs, where that is known before."""
        return self.fare.cost(target)

    # -- the answer -----------------------------------------------------------------------------------------

    def begin_answer(self, attempt: Attempt, lines: bytes) -> None:
        """The head of an answer that is handed on as it comes; `lines` are what of the target's goes on."""
        self.head_sent = True
        settle.first_token(self, attempt)
        if b"transfer-encoding" in lines and not self.chunked:
            lines = lines.replace(b"transfer-encoding: chunked\r\n", b"")
            self.client.close_after_answer()
        assert attempt.head is not None
        close = b"" if self.client.keep_alive else b"connection: close\r\n"
        headers = lines + close + settle.answer_headers(self, attempt)
        date = self.gateway.date
        self.client.write(b"%bdate: %b\r\n%b\r\n" % (answers.status_line(attempt.head.status), date, headers))

    def answered(self, attempt: Attempt, status: int, body: bytes) -> None:
        """Step 9 of an answer in JSON, which is here whole; step 10 comes before its first byte goes out."""
        answer = attempt.read_answer(body)
        if not 200 <= status < 300 or answer is None or (answer.error is not None and answer.tokens is None):
            failure.answered_badly(self, attempt, status, answer, body)
            return
        settle.end(self, attempt, Outcome.COMPLETED, tokens=answer.tokens, status=status)
        headers = settle.answer_headers(self, attempt) + settle.cost_headers(
            attempt.cost_nano, attempt.counterfactual_nano
        )
        keep_alive, told = self.client.keep_alive, attempt.told(body)
        self.deliver(answers.answer(status, told, self.gateway.date, keep_alive=keep_alive, headers=headers))

    def tell_in_band(self, error: RequestError) -> None:
        """A part of the answer is out: a stream of events can say that it broke, all else is cut."""
        attempt = self.attempt
        if isinstance(attempt, Carriage) and attempt.is_event_stream:
            failure.tell_in_band(self, error)
            return
        self.attempt = None
        self.client.abort()

    @failure.guarded
    def check(self, now_s: float) -> None:
        """A few times a second: deadlines."""
        if self.attempt is not None and self.attempt.running:
            self.attempt.check(now_s)


def _as_chosen(choice: Choice) -> Choice:
    """The choice under its own reason: that others do not take such requests is no failure of theirs."""
    if choice.reason is not Reason.FALLBACK:
        return choice
    return replace(choice, reason=Reason.OWNED if choice.target.side is Side.OWNED else Reason.METERED)
