"""The formats that pass through as bytes: what is read of an answer, and how errors are told in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from baseload.core import Format, Tokens
from baseload.errors import RequestError
from baseload.wire import anthropic, gemini, openai, responses
from baseload.wire.anthropic import MessagesRelay
from baseload.wire.gemini import ArrayRelay, GeminiRelay
from baseload.wire.openai import ErrorDetail
from baseload.wire.responses import ResponsesRelay
from baseload.wire.sse import EventRelay


class Answered(Protocol):
    """What is read of a whole answer."""

    @property
    def tokens(self) -> Tokens | None:
        """Its usage; None where it reports none that can be used."""

    @property
    def error(self) -> ErrorDetail | str | None:
        """The error it is; None where it is none."""

    @property
    def retry_after_s(self) -> float | None:
        """When the error itself says to come again; None where it does not."""


class Form(NamedTuple):
    """One format. `read_answer` gives None for what is no JSON object.

    `error_event` takes the number of the event, for formats that number them. `content` is the media type of
    a stream, `idle` what keeps its line open before it begins, which clients ignore.
    """

    read_answer: Callable[[bytes], Answered | None]
    relay: type[EventRelay]
    error_body: Callable[[RequestError, str], bytes]
    error_event: Callable[[RequestError, str, int], bytes]
    content: bytes = b"text/event-stream; charset=utf-8"
    idle: bytes = b": waiting for the first token\n\n"  # a comment (WHATWG HTML section 9.2.7)


def _openai_event(error: RequestError, request_id: str, _number: int) -> bytes:
    return b"data: %b\n\n" % openai.error_body(error, request_id)


def _anthropic_event(error: RequestError, request_id: str, _number: int) -> bytes:
    return b"event: error\ndata: %b\n\n" % anthropic.error_body(error, request_id)


FORMS: dict[Format, Form] = {
    Format.OPENAI: Form(openai.read_answer, EventRelay, openai.error_body, _openai_event),
    Format.RESPONSES: Form(responses.read_answer, ResponsesRelay, openai.error_body, responses.error_event),
    Format.ANTHROPIC: Form(anthropic.read_answer, MessagesRelay, anthropic.error_body, _anthropic_event),
    Format.GEMINI: Form(gemini.read_answer, GeminiRelay, gemini.error_body, gemini.error_event),
}
ARRAY = Form(
    gemini.read_answer,
    ArrayRelay,
    gemini.error_body,
    gemini.error_item,
    content=b"application/json; charset=utf-8",
    idle=b"\n",  # JSON has no comments, but space before the array is none of its (RFC 8259 section 2)
)
"""Google's format where a stream is one array, as without `alt=sse`."""
