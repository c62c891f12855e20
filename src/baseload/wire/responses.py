"""OpenAI's responses as the gateway needs them where it only passes them on: a few fields, usage, events.

Shapes: OpenAI's API reference (responses). The counterpart of `wire.openai` and `wire.sse`; what translation
needs is in `wire.dialects`.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from baseload.core import Tokens
from baseload.errors import RequestError
from baseload.wire import metering, openai
from baseload.wire.charges import is_count
from baseload.wire.openai import (
    Bound,
    ErrorDetail,
    check_letters,
    invalid_field,
    is_error,
    member_spans,
    read_members,
)
from baseload.wire.sse import MAX_LARGE_EVENT, EventRelay, event_data

# -- requests -----------------------------------------------------------------------------------------------


class _Named(Struct):
    id: str


class _WireFields(Struct):
    """The members of a body that are decoded."""

    model: str
    stream: bool | None = None
    max_output_tokens: Bound | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: str | _Named | None = None


class ResponsesFields(openai.RequestFields):
    """What the gateway reads of a request for a response; its bound on the output is in `max_tokens`.

    `store` None: the client leaves it to the provider. `continues` names what the provider is asked to go on
    from: (the field, the id in it). `recalls`: the ids of earlier reasoning that is sent along, which
    only the account that made it can read.
    """

    store: bool | None = None
    background: bool = False
    continues: tuple[tuple[str, str], ...] = ()
    recalls: tuple[str, ...] = ()


class _Item(Struct):
    type: str | None = None
    id: str | None = None


_READ = {name: b'"%b":' % name.encode() for name in _WireFields.__struct_fields__}
_decode_request = msgspec.json.Decoder(_WireFields).decode
_decode_input = msgspec.json.Decoder(str | list[_Item] | None).decode


def read_request(body: bytes) -> ResponsesFields:
    """The fields of a request body.

    Raises RequestError: invalid_json, invalid_field (with `param`), duplicate_key.
    """
    members = read_members(body)
    check_letters(members, _READ)
    try:
        read = _decode_request(
            b"{%b}" % b",".join([key + members[name] for name, key in _READ.items() if name in members])
        )
    except msgspec.ValidationError as error:
        raise invalid_field(str(error)) from None
    spans = member_spans(body, members, _READ)
    continues = []
    if read.previous_response_id is not None:
        continues.append(("previous_response_id", read.previous_response_id))
    if read.conversation is not None:
        named = read.conversation
        continues.append(("conversation", named if isinstance(named, str) else named.id))
    items = _items(members.get("input"))
    continues += [("item_reference", item.id) for item in items if item.type == "item_reference" and item.id]
    return ResponsesFields(
        read.model,
        read.stream,
        read.max_output_tokens,
        members=members,
        spans=spans,
        store=read.store,
        background=bool(read.background),
        continues=tuple(continues),
        recalls=tuple(item.id for item in items if item.type == "reasoning" and item.id),
    )


def _items(given: Raw | None) -> list[_Item]:
    """The items of `input`; none where it is text or cannot be read, which the target says better."""
    if given is None:
        return []
    try:
        items = _decode_input(given)
    except (msgspec.DecodeError, RecursionError):
        return []
    return items if isinstance(items, list) else []


def patch_request(body: bytes, fields: ResponsesFields, *, model: str | None, keep_nothing: bool) -> bytes:
    """The body for a target that knows the model as `model` (None: as the client wrote it).

    `keep_nothing` asks the provider not to keep the answer. `fields` are those read of this body. Every other
    byte stays as the client sent it.
    """
    spans = fields.value_spans()
    start, end = spans["model"]
    name = body[start:end] if model is None or model == fields.model else msgspec.json.encode(model)
    edits = [(start, end, name)]
    if keep_nothing and fields.store is not False:
        if "store" in spans:
            edits.append((*spans["store"], b"false"))
        else:
            edits.append((end, end, b',"store":false'))
    for first, last, value in sorted(edits, reverse=True):
        body = body[:first] + value + body[last:]
    return body


# -- answers ------------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """What the gateway reads of a response: whole, or in the events that carry it.

    `tokens` and `error` are None where there is none; `items` are the ids of what it holds.
    """

    id: str = ""
    status: str | None = None
    tokens: Tokens | None = None
    error: ErrorDetail | str | None = None
    items: tuple[str, ...] = ()

    @property
    def retry_after_s(self) -> float | None:
        """OpenAI's errors say when to come again in a header alone."""
        return None

    @property
    def pending(self) -> bool:
        """Whether the provider goes on with it in the background: its usage is not known yet."""
        return self.status in ("queued", "in_progress")


def read_answer(body: bytes) -> Answer | None:
    """Id, usage and error of a whole response; None when it is not such a JSON object.

    Usage that cannot be used (a count that is no count) makes no good answer a bad one: it is left out.
    """
    value = _object(body)
    return None if value is None else _answer(value)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _answer(value: dict[str, Any]) -> Answer:
    said, status, output = value.get("id"), value.get("status"), value.get("output")
    ids = [item.get("id") for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    return Answer(
        said if isinstance(said, str) else "",
        status if isinstance(status, str) else None,
        _tokens(value),
        _error(value.get("error")),
        tuple(each for each in ids if isinstance(each, str)),
    )


def _tokens(value: dict[str, Any]) -> Tokens | None:
    usage = value.get("usage")
    if not isinstance(usage, dict) or not is_count(usage.get("input_tokens")):
        return None
    return metering.responses(usage, value) if is_count(usage.get("output_tokens", 0)) else None


def _error(said: object) -> ErrorDetail | str | None:
    """An error of any shape, as far as it can be read."""
    try:
        return msgspec.convert(said, ErrorDetail | str | None)
    except msgspec.ValidationError:
        return ErrorDetail()


def error_event(error: RequestError, request_id: str, number: int) -> bytes:
    """An error within a stream, as its event `number`.

    Flat as OpenAI's reference has it, and with the member `error` that its SDKs raise for.
    """
    detail = msgspec.json.decode(openai.error_body(error, request_id))["error"]
    event = {
        "type": "error",
        "code": detail["code"],
        "message": detail["message"],
        "param": detail["param"],
        "sequence_number": number,
        "error": detail,
    }
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode(event)


# -- streams ------------------------------------------------------------------------------------------------

_COMMITS = re.compile(
    rb'"(?:delta|text|partial_image_b64)"[ \t]*:[ \t]*"[^"]'
    rb'|"type"[ \t]*:[ \t]*"(?:\w+_call|mcp_list_tools|mcp_approval_request)"'
)
_RESPONSE = b'"response"'
"""The member of the events that carry the response as it stands: at its beginning and at its end."""
_ENDS = frozenset({"response.completed", "response.incomplete"})
_ERROR = b'"error"'
_DELTA = b'.delta"'
_NUMBER = re.compile(rb'"sequence_number"[ \t]*:[ \t]*([0-9]{1,9})\b')


class ResponsesRelay(EventRelay):
    """One streamed response; see `EventRelay`. `error_event` is the error as a whole answer has it.

    `answer_id` is what its provider calls it, `items` are the ids of what it holds, known at its end.
    """

    __slots__ = ("_last", "_tokens", "answer_id", "items")

    last_event = "response.completed"
    _end = _RESPONSE
    _usage = _RESPONSE  # stands in the same events
    _each = _DELTA
    _most = MAX_LARGE_EVENT

    def __init__(self, *, chunked_in: bool, chunked_out: bool, drop_usage: bool = False) -> None:
        super().__init__(chunked_in=chunked_in, chunked_out=chunked_out, drop_usage=False)
        self._last = b""
        self._tokens: Tokens | None = None
        self.answer_id = ""
        self.items: tuple[str, ...] = ()

    @property
    def sequence(self) -> int:  # type: ignore[override]  # reading it costs, so it is read when asked for
        """The number of an event that follows the last one passed on."""
        numbers = _NUMBER.findall(self._last)
        return int(numbers[-1]) + 1 if numbers else 0

    def tokens(self) -> Tokens | None:
        """The usage that the end of the response reported."""
        return self._tokens

    def _all_plain(self, data: bytes) -> bool:
        plain = super()._all_plain(data)
        if plain:
            self._last = data
        return plain

    def _pass(self, event: bytes) -> bytes:
        if _RESPONSE in event:
            read = _object(event_data(event))
            if read is not None and isinstance(response := read.get("response"), dict):
                return self._carries(event, read.get("type"), _answer(response))
        if _ERROR in event:
            data = event_data(event)
            if is_error(data):
                self.error_event = data
                return b""
            if (flat := _flat_error(data)) is not None:
                self.error_event = msgspec.json.encode({"error": flat})
                return b""
        self._last = event
        if not self.committed and _COMMITS.search(event) is not None:
            self.committed = True
        if self.committed:
            self.events += event.count(_DELTA)
        return event

    def _carries(self, event: bytes, kind: object, response: Answer) -> bytes:
        """An event with the response as it stands."""
        self.answer_id = self.answer_id or response.id
        self._tokens = response.tokens or self._tokens
        if kind == "response.failed":
            self.error_event = msgspec.json.encode({"error": response.error})
            return b""
        self._last = event
        if kind in _ENDS:
            self.items = response.items
            self.done = self.committed = True
        return event


def _flat_error(data: bytes) -> ErrorDetail | str | None:
    """What an event `error` reports, whose members stand in the event itself; None for any other event."""
    event = _object(data)
    return _error(event) if event is not None and event.get("type") == "error" else None
