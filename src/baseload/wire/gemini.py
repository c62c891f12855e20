"""Google's generateContent as the gateway needs it where it only passes it on: bounds, usage, events.

Shapes: the references of the Gemini API and of Vertex AI. The counterpart of `wire.openai` and `wire.sse`;
what translation needs is in `wire.dialects`. Model and streaming stand in a call's path (`gateway.google`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from baseload import errors
from baseload.core import Tokens
from baseload.errors import RequestError
from baseload.wire.anthropic import Answer
from baseload.wire.dialects.gemini_array import ArraySplitter
from baseload.wire.dialects.gemini_reply import read_failure, write_failure
from baseload.wire.dialects.nouns import Failure
from baseload.wire.http1 import UpstreamSyntax
from baseload.wire.metering import Grounding
from baseload.wire.openai import (
    Bound,
    ErrorDetail,
    RequestFields,
    bare_error,
    invalid_field,
    member_spans,
    read_members,
)
from baseload.wire.sse import MAX_LARGE_EVENT, EventRelay, event_data

# -- requests -----------------------------------------------------------------------------------------------

_SETTINGS = ("generationConfig", "generation_config")
_INNER = ("generateContentRequest", "generate_content_request")
_PREFIX = "models/"


class _Settings(Struct, rename="camel"):
    max_output_tokens: Bound | str | None = None
    candidate_count: Bound | str | None = None


_decode_settings = msgspec.json.Decoder(_Settings).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_SNAKE = {"max_output_tokens": "maxOutputTokens", "candidate_count": "candidateCount"}


def read_request(body: bytes, model: str, *, stream: bool) -> RequestFields:
    """The fields of a request body whose path names `model`; both spellings of Google's are read.

    Raises RequestError: invalid_json, invalid_field (with `param`), duplicate_key: a member that is sent
    twice, in whichever spelling, could be read differently by us and by the target.
    """
    members = read_members(body)
    member_spans(body, members, ())
    said = _one_of(members, _SETTINGS, "")
    bound = count = None
    if said is not None and bytes(said) != b"null":
        bound, count = _bounds(said)
    return RequestFields(model, stream, max_tokens=bound, n=count, members=members)


def _one_of(members: Mapping[str, Raw], names: tuple[str, str], inside: str) -> Raw | None:
    """The member under one of its two spellings."""
    found = [members[name] for name in names if name in members]
    if len(found) > 1:
        message = f"{names[0]!r} and {names[1]!r} are one key to Google"
        raise RequestError(errors.DUPLICATE_KEY, message, param=inside + names[0])
    return found[0] if found else None


def _bounds(said: Raw) -> tuple[int | None, int | None]:
    """`maxOutputTokens` and `candidateCount`."""
    try:
        members = _decode_members(said)
        member_spans(bytes(said), members, ())
        for snake, camel in _SNAKE.items():
            value = _one_of(members, (camel, snake), f"{_SETTINGS[0]}.")
            if value is not None:
                members[camel] = value
        read = _decode_settings(msgspec.json.encode({name: members.get(name) for name in _SNAKE.values()}))
    except msgspec.ValidationError as error:
        refused = invalid_field(str(error))
        refused.param = f"{_SETTINGS[0]}.{refused.param}" if refused.param else _SETTINGS[0]
        raise refused from None
    return _number(read.max_output_tokens), _number(read.candidate_count)


def _number(value: int | str | None) -> int | None:
    """A number, which JSON of protocol buffers may write as text; None for any other text."""
    return int(value) if isinstance(value, int) or (value and re.fullmatch(r"[1-9]\d{0,8}", value)) else None


def body_for(body: bytes, fields: RequestFields, model: str) -> bytes:
    """The body for a target that calls the model `model`: the client's bytes, but where they name the model.

    Calls that count or embed may name it in the body too, where Google wants the name of the path.
    """
    members = fields.members
    if "model" not in members and "requests" not in members and not any(name in members for name in _INNER):
        return body
    try:
        named = _renamed(members, model)
    except msgspec.DecodeError:
        return body  # not as its format has it, for the target to refuse
    return body if named == members else msgspec.json.encode(named)


def _renamed(members: Mapping[str, Raw], model: str) -> dict[str, Any]:
    named: dict[str, Any] = dict(members)
    if "model" in members:
        asked = msgspec.json.decode(members["model"])
        name = _PREFIX + model if isinstance(asked, str) and asked.startswith(_PREFIX) else model
        if asked != name:
            named["model"] = name
    for inner in _INNER:
        if inner in members:
            named[inner] = _again(members[inner], model)
    if "requests" in members:
        given = _decode_list(members["requests"])
        again = [_again(one, model) for one in given]
        named["requests"] = members["requests"] if again == given else again
    return named


def _again(value: Raw, model: str) -> Any:
    members = _decode_members(value)
    named = _renamed(members, model)
    return value if named == members else named


def asked_in_full(body: bytes) -> bytes:
    """The request whose tokens a call of `countTokens` asks for, which may stand in it as a whole."""
    members = read_members(body)
    return bytes(_one_of(members, _INNER, "") or body)


# -- answers ------------------------------------------------------------------------------------------------


def read_answer(body: bytes) -> Answer | None:
    """Usage and error of a whole answer, or of the data of one event; None when it is no such JSON."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(value, list):  # how a stream without alt=sse ends that never began
        value = value[0] if value else None
    if not isinstance(value, dict):
        return None
    if value.get("error"):
        failure = read_failure(value)
        detail = ErrorDetail(failure.message, failure.kind, failure.code, failure.param)
        return Answer(None, detail, failure.retry_after_s)
    usage, model = value.get("usageMetadata"), value.get("modelVersion")
    if not isinstance(usage, dict):
        return Answer(None, bare_error(body) if "candidates" not in value else None)
    grounding = Grounding(model if isinstance(model, str) else "")
    grounding.take(value.get("candidates"))
    return Answer(grounding.tokens(usage), None)


_DOMAIN = "baseload"
_INFO, _VIOLATIONS = (f"type.googleapis.com/google.rpc.{name}" for name in ("ErrorInfo", "BadRequest"))


def error_body(error: RequestError, request_id: str) -> bytes:
    """An error as Google's clients read it (google.rpc.Status), with our stable code as its reason."""
    fault = error.fault
    message = f"{error.message} - {fault.next}" if fault.next else error.message
    said = write_failure(Failure(message, fault.type, retry_after_s=error.retry_after_s), fault.status)
    metadata = {
        "code": fault.code,
        "source": fault.source.value,
        "retryable": str(fault.retryable).lower(),
        "request_id": request_id,
    }
    info = {"@type": _INFO, "reason": fault.code.upper(), "domain": _DOMAIN, "metadata": metadata}
    details = said["error"].setdefault("details", [])
    details.insert(0, info)
    if error.param is not None:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": _VIOLATIONS, "fieldViolations": [violation]})
    return msgspec.json.encode(said)


def error_event(error: RequestError, request_id: str, _number: int) -> bytes:
    """An error within a stream of server-sent events."""
    return b"data: %b\r\n\r\n" % error_body(error, request_id)


def error_item(error: RequestError, request_id: str, number: int) -> bytes:
    """An error as the last object of the array that a stream is; `number` objects came before."""
    return (b",\r\n%b]" if number else b"[%b]") % error_body(error, request_id)


# -- streams ------------------------------------------------------------------------------------------------

_COMMITS = re.compile(
    rb'"(?:text|data|name|fileUri|code|output)"[ \t\r\n]*:[ \t\r\n]*"[^"]'
    rb'|"functionCall"[ \t\r\n]*:[ \t\r\n]*\{[ \t\r\n]*"'
)


class _Candidate(Struct, rename="camel"):
    index: int | None = None  # 0 may be left out
    finish_reason: str | int | None = None
    grounding_metadata: dict[str, Any] | None = None


class _Feedback(Struct, rename="camel"):
    block_reason: str | int | None = None


class _Chunk(Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    usage_metadata: dict[str, Any] | None = None
    prompt_feedback: _Feedback | None = None
    model_version: str | None = None
    error: Raw = Raw(b"null")


_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class GeminiRelay(EventRelay):
    """One streamed answer; see `EventRelay`. Server-sent events and Google's array are both taken.

    The format has no end mark: an answer is whole with the event in which every candidate so far has ended,
    or a later one that reports the usage where that one does not.
    """

    __slots__ = ("_array", "_finished", "_grounded", "_metered", "_model", "_open", "_said")

    last_event = "a finishReason"
    _most = MAX_LARGE_EVENT

    def __init__(self, *, chunked_in: bool, chunked_out: bool, drop_usage: bool = False) -> None:
        super().__init__(chunked_in=chunked_in, chunked_out=chunked_out, drop_usage=False)
        self._array: ArraySplitter | None = None  # what takes the upstream's array apart, if it is one
        self._open: dict[int, bool] = {}  # by candidate: whether it goes on
        self._finished = False
        self._grounded: list[dict[str, Any]] = []
        self._metered: dict[str, Any] | None = None
        self._model = ""
        self._said = 0

    def feed(self, data: bytes) -> bytes:
        out = super().feed(data)
        if self.ended and self._finished and not self.done and not self.error_event:
            out += self._complete()
        return out

    def tokens(self) -> Tokens | None:
        """The usage reported so far; None where output is under way that no report counts yet."""
        usage = self._metered
        if usage is None or not (self._finished or usage.get("candidatesTokenCount")):
            return None
        grounding = Grounding(self._model)
        grounding.take(self._grounded)
        return grounding.tokens(usage)

    def _all_plain(self, data: bytes) -> bool:
        return False

    def _events(self, payload: bytes) -> bytes:
        begins = self._array is None and not self._said and not self._partial
        if begins and payload.lstrip().startswith((b"[", b"{")):
            self._array = ArraySplitter(MAX_LARGE_EVENT)
        if self._array is None:
            return super()._events(payload)
        if self.done or self.error_event:
            return b""
        try:
            items = self._array.feed(payload)
        except ValueError as error:
            raise UpstreamSyntax(str(error)) from None
        out = b""
        for item in items:
            out += self._told(item, b"")
            if self.done or self.error_event:
                break
        return self._released(out)

    def _pass(self, event: bytes) -> bytes:
        data = event_data(event)
        return self._told(data, event) if data else self._aside(event)

    def _told(self, data: bytes, event: bytes) -> bytes:
        """What the client gets of one payload, which came in `event`; empty for an object of an array."""
        try:
            chunk = _decode_chunk(data)
        except msgspec.ValidationError:
            chunk = _Chunk()  # more than we know of: it passes
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamSyntax("an event is no JSON") from None
        if bytes(chunk.error) != b"null":
            self.error_event = data
            return b""
        self._note(chunk)
        if not self.committed and (self._finished or _COMMITS.search(data) is not None):
            self.committed = True
        if self.committed:
            self.events += 1
        out = self._framed(data, event)
        self._said += 1
        if self._finished and (chunk.usage_metadata is not None or not self._chunked_in):
            self.done = True
            out += self._end_mark(out)
        return out

    def _note(self, chunk: _Chunk) -> None:
        """Usage, sources, and which candidates go on."""
        self._metered = chunk.usage_metadata or self._metered
        self._model = chunk.model_version or self._model
        for one in chunk.candidates or ():
            at = one.index or 0
            self._open[at] = self._open.get(at, True) and one.finish_reason is None
            if one.grounding_metadata is not None:
                self._grounded.append({"groundingMetadata": one.grounding_metadata})
        blocked = chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None
        ended = bool(self._open) and not any(self._open.values())
        self._finished = ended or (blocked and not self._open) or (self._finished and not self._open)

    def _complete(self) -> bytes:
        """The end of an answer whose last event reported no usage."""
        self.done = True
        return self._released(self._end_mark())

    def _aside(self, event: bytes) -> bytes:
        """A comment of the upstream's."""
        return event

    def _framed(self, data: bytes, event: bytes) -> bytes:
        return event or b"data: %b\r\n\r\n" % data.replace(b"\r", b"").replace(b"\n", b"")

    def _end_mark(self, out: bytes = b"") -> bytes:
        return b"\n" if out.endswith(b"\r\n\r") else b""  # the upstream's, which is on its way


class ArrayRelay(GeminiRelay):
    """As `GeminiRelay`, told as Google's array, an object at a time."""

    __slots__ = ()

    @property
    def sequence(self) -> int:  # type: ignore[override]  # the array's length so far
        """How many objects were passed on."""
        return self._said

    def _aside(self, event: bytes) -> bytes:
        return b""

    def _framed(self, data: bytes, event: bytes) -> bytes:
        return (b",\r\n" if self._said else b"[") + data

    def _end_mark(self, out: bytes = b"") -> bytes:
        return b"]"
