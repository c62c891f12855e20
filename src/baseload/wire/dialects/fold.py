"""A streamed answer as the whole one it adds up to, and a whole one as the events that would make it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from baseload.wire.dialects import annex
from baseload.wire.dialects.nouns import (
    Added,
    Broken,
    Call,
    Choice,
    Closed,
    Declined,
    Ended,
    Event,
    Failure,
    Finished,
    Foreign,
    Metered,
    Noted,
    Opened,
    Own,
    Part,
    Reply,
    Signed,
    Started,
    Text,
    Thought,
)


class Fold:
    """Takes events as they come. `failure` is the error that the stream broke off with, if it did."""

    def __init__(self) -> None:
        self.reply = Reply("", "", [])
        self.failure: Failure | None = None
        self.ended = False
        self._parts: dict[int, Part] = {}
        self._choices: dict[int, Choice] = {}

    def take(self, events: Iterable[Event]) -> None:
        """Add events."""
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        reply = self.reply
        if isinstance(event, Added):
            self._add(event)
        elif isinstance(event, Opened):
            self._parts[event.index] = event.part
            self._choice(event.choice).parts.append(event.part)
        elif isinstance(event, Signed):
            part = self._parts.get(event.index)
            if isinstance(part, Thought):
                part.signature = (part.signature or "") + event.signature
        elif isinstance(event, Started):
            reply.id, reply.model, reply.created_s = event.id, event.model, event.created_s
            reply.own, reply.report = event.own, event.report
        elif isinstance(event, Finished):
            choice = self._choice(event.choice)
            choice.finish, choice.stop, choice.own = event.finish, event.stop, event.own
        elif isinstance(event, Noted) and annex.MEMBER in event.own.members:
            choice = self._choice(event.choice)
            choice.parts = annex.restore(choice.parts, event.own.members[annex.MEMBER])
        elif isinstance(event, Noted):
            note(self._parts.get(event.index), event)
        elif isinstance(event, Closed):
            part = self._parts.get(event.index)
            complete(part, event.own)
        elif isinstance(event, Metered):
            reply.report = event.report
        elif isinstance(event, Broken):
            self.failure = event.failure
        elif isinstance(event, Ended):
            self.ended = True

    def _choice(self, index: int) -> Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice([], None, index)
            self.reply.choices.append(choice)
        return choice

    def _add(self, event: Added) -> None:
        part = self._parts.get(event.index)
        if isinstance(part, Call):
            part.arguments += event.text
        elif isinstance(part, Text | Thought | Declined):
            part.text += event.text
        if event.logprobs:
            choice = self._choice(event.choice)
            choice.logprobs = (choice.logprobs or []) + event.logprobs


def note(part: Part | None, event: Noted) -> None:
    """What one dialect says of a part besides: a citation is one of those of a whole answer's text."""
    citation = event.own.members.get("citation")
    if isinstance(part, Text) and citation is not None:
        own = part.own or Own(event.own.dialect, {})
        known = own.members.get("citations")
        held = [*(known if isinstance(known, list) else ()), citation]
        part.own = Own(own.dialect, {**own.members, "citations": held}, own.spelling)


def complete(part: Part | None, own: Own | None) -> None:
    """What a part says of itself once it is complete."""
    if own is not None and isinstance(part, Text | Call | Thought | Declined | Foreign):
        part.own = own


def unfold(reply: Reply) -> Iterator[Event]:
    """The events of a whole answer, each part in one piece."""
    yield Started(reply.id, reply.model, reply.created_s, reply.report, reply.own)
    index = 0
    for choice in reply.choices:
        for part in choice.parts:
            yield Opened(index, part, choice.index)
            yield Closed(index, choice.index)
            index += 1
        if choice.finish is not None:
            yield Finished(choice.finish, choice.index, choice.stop, choice.own)
    if reply.report is not None:
        yield Metered(reply.report)
    yield Ended()
