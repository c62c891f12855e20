"""The dialects by name: what reads and writes each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from baseload.wire.dialects import (
    chat,
    chat_reply,
    converse,
    converse_reply,
    converse_stream,
    gemini,
    gemini_reply,
    gemini_stream,
    messages,
    messages_reply,
    responses,
    responses_reply,
    responses_stream,
    responses_writer,
)
from baseload.wire.dialects.nouns import Dialect, Event, Failure, Json, Prompt, Reply


class Reads(Protocol):
    """Reads one streamed answer."""

    def read(self, data: bytes) -> list[Event]:
        """The events in the payload of one server-sent event, or the line of one frame. Raises ValueError."""


class Writes(Protocol):
    """Writes one streamed answer."""

    def write(self, event: Event) -> bytes:
        """The event as the bytes a client gets; empty where there is nothing to say yet."""


class NewWriter(Protocol):
    """Makes the writer of one streamed answer."""

    def __call__(self, *, model: str, usage: bool) -> Writes:
        """`model`: the name the client asked for; `usage`: whether it asked for usage."""


class Speaker(NamedTuple):
    """All that is known of a dialect. Requests that cannot be read raise RequestError (invalid_field)."""

    read_request: Callable[[Json], Prompt]
    write_request: Callable[[Prompt], Json]
    read_reply: Callable[[Json], Reply]
    write_reply: Callable[[Reply], Json]
    read_failure: Callable[[Json], Failure]
    write_failure: Callable[[Failure, int], Json]
    reader: Callable[[], Reads]
    writer: NewWriter


SPEAKERS: dict[Dialect, Speaker] = {
    Dialect.CHAT: Speaker(
        chat.read_request,
        chat.write_request,
        chat_reply.read_reply,
        chat_reply.write_reply,
        chat_reply.read_failure,
        chat_reply.write_failure,
        chat_reply.StreamReader,
        chat_reply.StreamWriter,
    ),
    Dialect.MESSAGES: Speaker(
        messages.read_request,
        messages.write_request,
        messages_reply.read_reply,
        messages_reply.write_reply,
        messages_reply.read_failure,
        messages_reply.write_failure,
        messages_reply.StreamReader,
        messages_reply.StreamWriter,
    ),
    Dialect.CONVERSE: Speaker(
        converse.read_request,
        converse.write_request,
        converse_reply.read_reply,
        converse_reply.write_reply,
        converse_reply.read_failure,
        converse_reply.write_failure,
        converse_stream.StreamReader,
        converse_stream.StreamWriter,
    ),
    Dialect.GEMINI: Speaker(
        gemini.read_request,
        gemini.write_request,
        gemini_reply.read_reply,
        gemini_reply.write_reply,
        gemini_reply.read_failure,
        gemini_reply.write_failure,
        gemini_stream.StreamReader,
        gemini_stream.StreamWriter,
    ),
    Dialect.RESPONSES: Speaker(
        responses.read_request,
        responses.write_request,
        responses_reply.read_reply,
        responses_reply.write_reply,
        responses_reply.read_failure,
        responses_reply.write_failure,
        responses_stream.StreamReader,
        responses_writer.StreamWriter,
    ),
}
