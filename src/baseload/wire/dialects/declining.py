"""Answers that are nothing but a refusal on grounds of content, in any dialect: a finish reason, and no word
but the provider's own about it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from baseload.errors import RequestError
from baseload.wire.dialects.gemini_array import ArraySplitter
from baseload.wire.dialects.nouns import (
    Added,
    Broken,
    Declined,
    Dialect,
    Event,
    Finish,
    Finished,
    Json,
    Opened,
    Part,
    Text,
    Thought,
)
from baseload.wire.dialects.speakers import SPEAKERS
from baseload.wire.sse import event_data

_GROUNDS = frozenset({Finish.FILTER, Finish.REFUSAL})
_HINTS = (
    b"content_filter",
    b"refusal",
    b"block",
    b"SAFETY",
    b"PROHIBITED",
    b"guardrail",
    b"SPII",
    b"RECITATION",
)
"""What such an answer has somewhere: all others are not looked into."""
_EVENT_END = re.compile(rb"\r?\n\r?\n")


def declines(dialect: Dialect, body: bytes) -> bool:
    """Whether a whole answer of this dialect says nothing but that its grounds are those."""
    if not any(hint in body for hint in _HINTS):
        return False
    try:
        reply = SPEAKERS[dialect].read_reply(_object(body))
    except (RequestError, ValueError, KeyError, TypeError, AttributeError):
        return False
    choices = reply.choices
    return bool(choices) and all(
        choice.finish in _GROUNDS and not any(map(_says, choice.parts)) for choice in choices
    )


def declines_stream(dialect: Dialect, begin: bytes) -> bool:
    """Whether the whole events that a stream of this dialect begins with end it on those grounds."""
    if not any(hint in begin for hint in _HINTS):
        return False
    reader = SPEAKERS[dialect].reader()
    finishes: list[Finish] = []
    reasons: set[tuple[int, int]] = set()  # the parts that say why it declines
    for data in _payloads(begin):
        try:
            events: Iterable[Event] = reader.read(data) if data else ()
        except (RequestError, ValueError, KeyError, TypeError, AttributeError):
            return False
        for event in events:
            if isinstance(event, Finished):
                finishes.append(event.finish)
            elif isinstance(event, Opened) and isinstance(event.part, Declined):
                reasons.add((event.choice, event.index))
            elif isinstance(event, Broken) or _begins(event, reasons):
                return False
    return bool(finishes) and all(finish in _GROUNDS for finish in finishes)


def _payloads(begin: bytes) -> list[bytes]:
    """What the events carry, or the objects of Google's array."""
    if begin.lstrip().startswith(b"["):
        try:
            return ArraySplitter().feed(begin)
        except ValueError:
            return []
    return [event_data(text + b"\n") for text in _EVENT_END.split(begin)]


def _begins(event: Event, reasons: set[tuple[int, int]]) -> bool:
    """Whether the client would read something of the model."""
    if isinstance(event, Added):
        return bool(event.text) and (event.choice, event.index) not in reasons
    return isinstance(event, Opened) and _says(event.part)


def _says(part: Part) -> bool:
    return bool(part.text) if isinstance(part, Text | Thought) else not isinstance(part, Declined)


def _object(body: bytes) -> Json:
    value = msgspec.json.decode(body)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value
