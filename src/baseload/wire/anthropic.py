"""Anthropic's JSON as the gateway needs it where it only passes it on: usage, errors, a stream's events.

Shapes: Anthropic's API reference (messages, version 2023-06-01). The counterpart of `wire.openai` and
`wire.sse`; what translation needs is in `wire.dialects`.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from baseload.core import Tokens
from baseload.errors import RequestError
from baseload.wire import charges, metering
from baseload.wire.openai import Count, ErrorDetail
from baseload.wire.sse import EventRelay, event_data

VERSION = b"2023-06-01"
"""`anthropic-version` where the client sends none."""

_STATUS_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class CacheCreation(Struct, forbid_unknown_fields=True):
    """`usage.cache_creation`: what was written, by how long it is kept."""

    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class OutputDetails(Struct, forbid_unknown_fields=True):
    """`usage.output_tokens_details`."""

    thinking_tokens: Count | None = None


class Usage(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """`usage` of an answer that used no tool of Anthropic's; what else it may hold `OtherUsage` reads."""

    input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    output_tokens: Count | None = None
    output_tokens_details: OutputDetails | None = None
    cache_creation: CacheCreation | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    server_tool_use: None = None

    def tokens(self) -> Tokens:
        """The same counts in our own terms: those of `metering.messages`, at once where they are plain."""
        tier, place, kept = self.service_tier, self.inference_geo, self.cache_creation
        plain = (tier is None or tier == "standard") and (place is None or place in _ANYWHERE)
        if not plain or (kept is not None and kept.ephemeral_1h_input_tokens):
            return metering.messages(self.members_told())
        read, written = self.cache_read_input_tokens or 0, self.cache_creation_input_tokens or 0
        output, details = self.output_tokens or 0, self.output_tokens_details
        thinking = (details.thinking_tokens or 0) if details is not None else 0
        return Tokens((self.input_tokens or 0) + read + written, read, written, output, min(thinking, output))

    def members_told(self) -> dict[str, Any]:
        """The members that are not null."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told

    def since(self, before: Usage | None) -> Usage:
        """This report of a stream, with what only an earlier one says."""
        if before is None:
            return self
        if isinstance(before, OtherUsage) or isinstance(self, OtherUsage):
            return OtherUsage(members={**before.members_told(), **self.members_told()})
        for name in self.__struct_fields__:
            if getattr(self, name) is None:
                setattr(self, name, getattr(before, name))
        return self


_ANYWHERE = frozenset({"global", "not_available"})


class OtherUsage(Usage):
    """`usage` with more members, kept as they came."""

    members: dict[str, Any] = {}

    def tokens(self) -> Tokens:
        """As `Usage.tokens`."""
        return metering.messages(self.members)

    def members_told(self) -> dict[str, Any]:
        """The members that are not null."""
        return {name: value for name, value in self.members.items() if value is not None}


class _Message(Struct):
    usage: Usage | None = None


class _Event(Struct):
    """What is read of an answer, or of the data of a stream's event."""

    type: str = ""
    usage: Usage | None = None
    error: ErrorDetail | str | None = None
    message: _Message | str | None = None


class _UnusualMessage(Struct):
    usage: dict[str, Any] | None = None


class _Unusual(Struct):
    """As `_Event`, whatever members usage has."""

    type: str = ""
    usage: dict[str, Any] | None = None
    error: ErrorDetail | str | None = None
    message: _UnusualMessage | str | None = None


class _Plain(Struct):
    type: str = ""
    error: ErrorDetail | str | None = None


_decode = msgspec.json.Decoder(_Event).decode
_decode_unusual = msgspec.json.Decoder(_Unusual).decode
_decode_plain = msgspec.json.Decoder(_Plain).decode


class Answer(NamedTuple):
    """What the gateway reads of an unstreamed answer; each None where there is none."""

    tokens: Tokens | None
    error: ErrorDetail | str | None
    retry_after_s: float | None = None


def _read(body: bytes) -> _Event | None:
    """The event; usage that cannot be used is left out. None for what is no such JSON object."""
    try:
        return _decode(body)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    try:
        return _read_unusual(body)
    except (ValueError, RecursionError):
        pass
    try:
        plain = _decode_plain(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _Event(plain.type, error=plain.error)


def _read_unusual(body: bytes) -> _Event:
    """An event whose usage has more members. Raises ValueError for a count that is none."""
    read = _decode_unusual(body)
    message = read.message
    if isinstance(message, _UnusualMessage):
        return _Event(read.type, _other(read.usage), read.error, _Message(_other(message.usage)))
    return _Event(read.type, _other(read.usage), read.error, message)


def _other(usage: dict[str, Any] | None) -> Usage | None:
    if not charges.usable(usage):
        raise ValueError("a count is no count")
    return None if usage is None else OtherUsage(members=usage)


def read_answer(body: bytes) -> Answer | None:
    """Tokens and error of an unstreamed answer; None when it is not such a JSON object."""
    event = _read(body)
    if event is None:
        return None
    return Answer(None if event.usage is None else event.usage.tokens(), event.error)


def error_body(error: RequestError, request_id: str) -> bytes:
    """An error as Anthropic's clients read it, with our stable code beside its type."""
    fault = error.fault
    detail = {
        "type": error_type(fault.status),
        "message": f"{error.message} - {fault.next}" if fault.next else error.message,
        "code": fault.code,
        "param": error.param,
        "source": fault.source.value,
        "retryable": fault.retryable,
    }
    return msgspec.json.encode({"type": "error", "error": detail, "request_id": request_id})


def error_type(status: int) -> str:
    """What Anthropic calls an error of this status."""
    return _STATUS_TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")


_COMMITS = re.compile(
    rb'"(?:text|partial_json|thinking|data)"[ \t]*:[ \t]*"[^"]'
    rb'|"type"[ \t]*:[ \t]*"(?:\w+_)?tool_(?:use|result)"'
    rb'|"stop_reason"[ \t]*:[ \t]*"'
)
_STOP = b"message_stop"
_USAGE = b'"usage"'
_ERROR = b'"error"'
_DATA_LINE = b"\ndata:"


class MessagesRelay(EventRelay):
    """One streamed answer in Anthropic's format; see `EventRelay`. Its usage comes in two parts."""

    __slots__ = ("_counted",)

    last_event = "message_stop"
    _end = _STOP
    _usage = _USAGE

    def __init__(self, *, chunked_in: bool, chunked_out: bool, drop_usage: bool = False) -> None:
        super().__init__(chunked_in=chunked_in, chunked_out=chunked_out, drop_usage=False)
        self._counted: Usage | None = None

    def tokens(self) -> Tokens | None:
        """The usage reported so far: the input's at the head, the output's at the end."""
        self._count()
        return None if self._counted is None else self._counted.tokens()

    def _count(self) -> None:
        """Take in the report seen last."""
        if not self.usage_event:
            return
        event = _read(event_data(self.usage_event))
        self.usage_event = b""
        if event is None:
            return
        usage = event.usage
        if isinstance(event.message, _Message):
            usage = event.message.usage
        if usage is not None:
            self._counted = usage.since(self._counted)

    def _pass(self, event: bytes) -> bytes:
        if _STOP in event:
            read = _read(event_data(event))
            if read is not None and read.type == _STOP.decode():
                self.done = True
                self.committed = True
                return event
        if _ERROR in event:
            data = event_data(event)
            read = _read(data)
            if read is not None and read.type == "error":
                self.error_event = data
                return b""
        if _USAGE in event:
            self._count()
            self.usage_event = event
        if not self.committed and _COMMITS.search(event) is not None:
            self.committed = True
        if self.committed and b"data:" in event:
            self.events += (b"\n" + event).count(_DATA_LINE) or 1
        return event

    def _note_usage(self, data: bytes) -> None:
        self._count()
        super()._note_usage(data)
