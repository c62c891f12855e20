"""One request on its way between two dialects: written for the target, its answer told to the client.

crossing = cross(body, Dialect.CHAT, Dialect.MESSAGES, model="claude-sonnet-4-5")
target gets crossing.body; its stream goes through crossing.relay(...), its whole answer through
crossing.whole(...), its error through crossing.failure(...)
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from baseload import errors
from baseload.core import Tokens
from baseload.errors import RequestError
from baseload.wire.anthropic import Answer
from baseload.wire.aws_events import EventReader
from baseload.wire.dialects import annex, converse_reply, gemini_stream
from baseload.wire.dialects.chat import THOUGHTS
from baseload.wire.dialects.converse_frames import line_of_frame
from baseload.wire.dialects.judging import Judged, judge
from baseload.wire.dialects.nouns import (
    Added,
    Broken,
    Call,
    Dialect,
    Ended,
    Event,
    Failure,
    Finished,
    Json,
    Metered,
    Opened,
    Prompt,
    Report,
    Started,
    Text,
    Thought,
)
from baseload.wire.dialects.one_call import OneCall, one_call_alone
from baseload.wire.dialects.paths import suffix
from baseload.wire.dialects.responses_items import SEAL
from baseload.wire.dialects.speakers import SPEAKERS, Writes
from baseload.wire.http1 import UpstreamSyntax
from baseload.wire.openai import ErrorDetail
from baseload.wire.sse import MAX_LARGE_EVENT, EventRelay, event_data

_IDS = {Dialect.CHAT: "chatcmpl-", Dialect.MESSAGES: "msg_", Dialect.RESPONSES: "resp_"}
"""How answers' ids begin."""


class Crossing:
    """A request and how to tell its answer. `body` is what the target is sent; `judged` what became of it.

    `array`: its stream is told as one array, which only Google's clients ask for.
    """

    __slots__ = (
        "_model",
        "_sent_model",
        "_stream",
        "_usage",
        "array",
        "body",
        "judged",
        "request_id",
        "source",
        "target",
    )

    def __init__(
        self, source: Dialect, target: Dialect, body: bytes, judged: Judged, prompt: Prompt, *, asked: str
    ) -> None:
        self.source = source
        self.target = target
        self.body = body
        self.judged = judged
        self.request_id = ""
        self.array = False
        self._model = asked
        self._usage = bool(prompt.usage_in_stream) or source is not Dialect.CHAT
        self._sent_model = prompt.model
        self._stream = bool(prompt.stream)

    def relay(self, *, chunked_in: bool, chunked_out: bool) -> EventRelay:
        """What takes the target's stream and gives the client's."""
        made = FramesRelay if self.target is Dialect.CONVERSE else CrossingRelay
        return made(self, chunked_in=chunked_in, chunked_out=chunked_out)

    def reply_id(self) -> str:
        """What the answer is called where the target gives it no id: after the request's, if that is set."""
        return _IDS.get(self.source, "") + self.request_id if self.request_id else ""

    def writer(self) -> Writes:
        """What writes the client's stream."""
        if self.array:
            return gemini_stream.StreamWriter(model=self._model, array=True)
        return SPEAKERS[self.source].writer(model=self._model, usage=self._usage)

    def suffix(self) -> bytes:
        """The path and query of the call, after the target's base URL."""
        return suffix(self.target, self._sent_model, stream=self._stream)

    def passed(self) -> bytes:
        """Header lines of the client's that go on to the target."""
        return b""

    def enveloped(self, value: Json) -> Json:
        """The request as the target's calls carry it."""
        return value

    def headers(self) -> bytes:
        """Header lines that tell the client what was approximated and what was left out of its request."""
        lines = b""
        if self.judged.approximated:
            lines += b"x-baseload-approximated: %b\r\n" % _named(self.judged.approximated)
        if self.judged.dropped:
            lines += b"x-baseload-dropped: %b\r\n" % _named(self.judged.dropped)
        return lines

    def read_answer(self, body: bytes, status: int, named: str = "") -> Answer | None:
        """Usage and error of a whole answer; None for what is no JSON object.

        `named` is what a header calls the error, where the target's format does so (`x-amzn-errortype`).
        """
        try:
            value = _object(body)
        except ValueError:
            return None
        if status == 200:
            try:
                reply = SPEAKERS[self.target].read_reply(value)
                return Answer(None if reply.report is None else reply.report.tokens, None)
            except (RequestError, ValueError, KeyError, TypeError, AttributeError):
                pass
        failure = self._failure(value, named)
        detail = ErrorDetail(failure.message, failure.kind, failure.code, failure.param)
        return Answer(None, detail, failure.retry_after_s)

    def _failure(self, value: Json, named: str) -> Failure:
        if self.target is Dialect.CONVERSE:
            return converse_reply.read_failure(value, named)
        return SPEAKERS[self.target].read_failure(value)

    def whole(self, body: bytes) -> bytes:
        """A whole answer in the client's dialect, under the client's name for the model.

        Raises ValueError for what is no answer of the target's dialect.
        """
        try:
            reply = SPEAKERS[self.target].read_reply(_object(body))
        except (RequestError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the answer cannot be read: {error}") from None
        reply.model, reply.id = self._model, reply.id or self.reply_id()
        if self.judged.one_call:
            one_call_alone(reply)
        return msgspec.json.encode(SPEAKERS[self.source].write_reply(reply))

    def failure(self, body: bytes, status: int, named: str = "") -> bytes:
        """The target's error in the client's dialect; what is no JSON object becomes its message."""
        try:
            failure = self._failure(_object(body), named)
        except ValueError:
            failure = Failure(body[:300].decode(errors="replace"), "api_error")
        return msgspec.json.encode(SPEAKERS[self.source].write_failure(failure, status))


def cross(
    body: bytes,
    source: Dialect,
    target: Dialect,
    *,
    asked: str,
    model: str | None,
    drop: bool = False,
    made: type[Crossing] = Crossing,
    stream: bool | None = None,
) -> Crossing:
    """The request in `body`, which names the model `asked`, for a target that calls it `model`.

    `made` is the kind of crossing; `stream` says whether it streams where its body does not.
    Raises RequestError: invalid_json, invalid_field, unsupported_parameter.
    """
    try:
        value = _object(body)
    except ValueError as error:
        raise RequestError(errors.INVALID_JSON, str(error)) from None
    prompt = SPEAKERS[source].read_request(value)
    prompt.model = model if model is not None else asked
    if stream is not None:
        prompt.stream = stream
    judged = judge(prompt, source, target, drop=drop)
    crossing = made(source, target, b"", judged, prompt, asked=asked)
    prompt.usage_in_stream = True if target is Dialect.CHAT and prompt.stream else None
    written = SPEAKERS[target].write_request(prompt)
    if target is Dialect.RESPONSES and source is not target:
        written["store"] = False  # kept by default there, and nobody would ask for it
    crossing.body = msgspec.json.encode(crossing.enveloped(written))
    return crossing


MAX_NAMED = 512
"""Bytes of a header that names fields."""
_UNNAMED = re.compile(r"[^\w.\[\] -]", re.ASCII)


def _named(fields: Iterable[str]) -> bytes:
    """Fields by their names alone; a name may be the client's own words, so only plain letters are kept."""
    names = dict.fromkeys(_UNNAMED.sub("", field.partition(":")[0]) for field in sorted(fields))
    return ", ".join(names).encode()[:MAX_NAMED]


def without_annex(body: bytes) -> bytes:
    """A chat request without what earlier answers of other dialects put beside their messages.

    Those who answer in this dialect do not know the member, and some refuse what they do not know; the
    reasoning told with it is theirs as little.
    """
    value = _object(body)
    messages = value.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.pop(annex.MEMBER, None) is not None:
            for name in THOUGHTS:
                message.pop(name, None)
    return msgspec.json.encode(value)


def without_seals(body: bytes) -> bytes:
    """A request for a response without what earlier answers of other dialects put into its items.

    `_SEALED` says of nearly all bodies that there is nothing to take out: those stay as they are.
    """
    if _SEALED.search(body) is None:
        return body
    value = _object(body)
    items = value.get("input")
    if not isinstance(items, list):
        return body
    kept = value["input"] = [item for item in items if not _is_sealed(item)]
    found = len(kept) < len(items)
    for item in kept:
        content = item.get("content") if isinstance(item, dict) else None
        for one in (item, *(content if isinstance(content, list) else ())):
            if isinstance(one, dict) and one.pop(annex.MEMBER, None) is not None:
                found = True
    return msgspec.json.encode(value) if found else body


_SEALED = re.compile(rb'"%b"|"%b' % (annex.MEMBER.encode(), SEAL.encode()))


def _is_sealed(item: object) -> bool:
    sealed = item.get("encrypted_content") if isinstance(item, dict) else None
    return isinstance(sealed, str) and sealed.startswith(SEAL)


def _object(body: bytes) -> Json:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("the body is no JSON object")
    return value


class CrossingRelay(EventRelay):
    """A target's stream told in the client's dialect; what it says of itself is as with `EventRelay`."""

    __slots__ = ("_begun", "_one_call", "_reader", "_reply_id", "_report", "_writer")

    last_event = "its last event"
    _most = MAX_LARGE_EVENT

    def __init__(self, crossing: Crossing, *, chunked_in: bool, chunked_out: bool) -> None:
        super().__init__(chunked_in=chunked_in, chunked_out=chunked_out, drop_usage=False)
        self._reader = SPEAKERS[crossing.target].reader()
        self._writer = crossing.writer()
        self._report: Report | None = None
        self._one_call = OneCall() if crossing.judged.one_call else None
        self._reply_id = crossing.reply_id()
        self._begun = False

    @property
    def sequence(self) -> int:  # type: ignore[override]  # its writer counts
        """The number of an event that follows those written, where the dialect numbers them."""
        return getattr(self._writer, "sequence", 0)

    def tokens(self) -> Tokens | None:
        """The usage reported so far."""
        return None if self._report is None else self._report.tokens

    def _all_plain(self, data: bytes) -> bool:
        return False

    def _pass(self, event: bytes) -> bytes:
        data = event_data(event)
        return self._told(data) if data else b""

    def _told(self, data: bytes) -> bytes:
        """What the client gets of one event's payload."""
        try:
            events = self._read(data)
        except (ValueError, KeyError, TypeError, AttributeError, RequestError) as error:
            raise UpstreamSyntax(f"an event cannot be read: {type(error).__name__}") from None
        out = b""
        for one in events:
            self._note(one, data)
            if self.error_event:
                break
            if self._one_call is None or self._one_call.keeps(one):
                out += self._writer.write(one)
        return out

    def _read(self, data: bytes) -> list[Event]:
        """The events in one event's payload; the first of all names the answer, if the target did not."""
        events = self._reader.read(data)
        if not self._begun and events:
            self._begun = True
            first = events[0]
            if not isinstance(first, Started):
                events.insert(0, Started(self._reply_id, ""))
            elif not first.id:
                first.id = self._reply_id
        return events

    def _note(self, event: Event, data: bytes) -> None:
        """Usage, commit point, end and error, whatever the dialect."""
        if isinstance(event, Added):
            self.committed = self.committed or bool(event.text)
            self.events += 1
        elif isinstance(event, Opened):
            part = event.part
            said = isinstance(part, Call) or (isinstance(part, Text | Thought) and bool(part.text))
            self.committed = self.committed or said
        elif isinstance(event, Finished):
            self.committed = True
        elif isinstance(event, Metered | Started):
            self._report = event.report or self._report
        elif isinstance(event, Ended):
            self.committed = True
            self.done = True
        elif isinstance(event, Broken):
            self.error_event = data


class FramesRelay(CrossingRelay):
    """As `CrossingRelay`, of a stream in AWS's binary frames.

    The last frame is `metadata`, after `messageStop`; where they come the other way round the answer ends
    with the later one, and where only one of them came it ends with the body, if that ends well.
    """

    __slots__ = ("_finished", "_frames", "_metered")

    def __init__(self, crossing: Crossing, *, chunked_in: bool, chunked_out: bool) -> None:
        super().__init__(crossing, chunked_in=chunked_in, chunked_out=chunked_out)
        self._frames = EventReader()
        self._finished = False
        self._metered = False

    def _events(self, payload: bytes) -> bytes:
        out = b""
        for frame in self._frames.feed(payload):
            if self.done or self.error_event:
                break
            out += self._told(line_of_frame(frame))
        if self.ended and (self._finished or self._metered) and not (self.done or self.error_event):
            self.done = True
            out += self._writer.write(Ended())
        return self._released(out)

    def _read(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in super()._read(data):
            if isinstance(event, Ended):
                self._metered = True
                if not self._finished:
                    continue
            events.append(event)
            if isinstance(event, Finished):
                self._finished = True
                if self._metered:
                    events.append(Ended())
        return events
