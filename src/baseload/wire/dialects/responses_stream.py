"""OpenAI responses: reading streamed answers."""

from __future__ import annotations

import msgspec

from baseload.wire.dialects.nouns import (
    Added,
    Broken,
    Closed,
    Declined,
    Dialect,
    Ended,
    Event,
    Failure,
    Finish,
    Finished,
    Json,
    Metered,
    Noted,
    Opened,
    Own,
    Part,
    Signed,
    Started,
    Text,
    Thought,
)
from baseload.wire.dialects.responses_items import (
    BETWEEN,
    read_item,
    read_part,
)
from baseload.wire.dialects.responses_reply import (
    read_failure,
    read_reply,
)
from baseload.wire.dialects.rest import objects

_RESPONSES = Dialect.RESPONSES
_ADDING = frozenset(
    {"output_text.delta", "refusal.delta", "function_call_arguments.delta"}
    | {"reasoning_summary_text.delta", "reasoning_text.delta"}
)
_SILENT = frozenset(
    {"in_progress", "queued", "output_text.done", "refusal.done", "function_call_arguments.done"}
    | {"reasoning_summary_text.done", "reasoning_summary_part.done", "reasoning_text.done"}
)
_ENDS = frozenset({"completed", "incomplete"})
_PLACES = frozenset({"sequence_number", "output_index", "item_id", "obfuscation"})
_LATE = frozenset({"id", "model", "created_at", "object", "output", "usage"})


class StreamReader:
    """A stream's events, from the data of one server-sent event after the other."""

    def __init__(self) -> None:
        self._parts = 0
        self._at: dict[tuple[int, int], int] = {}  # output and content index → the part's
        self._open: dict[int, Part] = {}
        self._heads: dict[int, Json] = {}  # messages that have no part yet
        self._pieces: dict[int, list[tuple[str, int]]] = {}  # reasoning: which part of it each piece is

    def read(self, data: bytes) -> list[Event]:
        """The events in one payload. Raises ValueError for what is no JSON object."""
        if data.strip() == b"[DONE]":
            return []
        event = msgspec.json.decode(data)
        if not isinstance(event, dict) or not isinstance(kind := event.get("type"), str):
            raise ValueError("an event is no JSON object with a type")
        kind = kind.removeprefix("response.")
        try:
            return self._read(kind, event)
        except (KeyError, TypeError, AttributeError, AssertionError):
            raise ValueError(f"an event {kind} lacks what it must have") from None

    def _read(self, kind: str, event: Json) -> list[Event]:
        if kind in _ADDING:
            return self._added(kind, event)
        if kind in _SILENT:
            return []
        if kind == "created":
            self._at, self._heads, self._pieces = {}, {}, {}
            return [_started(event["response"])]
        if kind == "output_item.added":
            return self._item(event["output_index"], event["item"])
        if kind == "output_item.done":
            return self._item_done(event["output_index"], event["item"])
        if kind == "content_part.added":
            return self._part(event)
        if kind == "content_part.done":
            return self._part_done(event)
        if kind in _ENDS:
            return _ended(event["response"])
        if kind == "failed":
            return [Broken(_failed(event["response"]))]
        if kind == "error":
            return [Broken(_error(event))]
        if kind == "reasoning_summary_part.added":
            return self._piece(event["output_index"], "summary", event["summary_index"])
        return self._noted(event)

    def _item(self, output: int, item: Json) -> list[Event]:
        if item["type"] == "message":
            self._heads[output] = {**item, "content": []}
            return []
        part = read_item(item, "item")[0]
        if isinstance(part, Thought):
            part.text, part.signature = "", None
            if part.own is not None:
                part.own.spelling = {}
            self._pieces[output] = []
        return [self._opened(output, -1, part)]

    def _opened(self, output: int, content: int, part: Part) -> Opened:
        at = self._at[output, content] = self._parts
        self._parts += 1
        self._open[at] = part
        return Opened(at, part)

    def _part(self, event: Json) -> list[Event]:
        output, content = event["output_index"], event["content_index"]
        if output in self._pieces:
            return self._piece(output, "content", content)
        head = self._heads.get(output)
        if head is None:
            part = read_part(event["part"], "part")
        else:
            del self._heads[output]
            part = read_item({**head, "content": [event["part"]]}, "item")[0]
        self._at[output, -1] = self._parts
        return [self._opened(output, content, _bare(part))]

    def _piece(self, output: int, name: str, at: int) -> list[Event]:
        """A new part of a reasoning item's summary or content."""
        pieces = self._pieces[output]
        if (name, at) in pieces:
            return []
        pieces.append((name, at))
        index = self._at[output, -1]
        events: list[Event] = [Noted(index, Own(_RESPONSES, {"piece": name}))]
        return events if len(pieces) == 1 else [*events, Added(index, BETWEEN)]

    def _added(self, kind: str, event: Json) -> list[Event]:
        output = event["output_index"]
        if kind == "output_text.delta" or kind == "refusal.delta":
            before = self._unopened(kind, event)
            index = self._at[output, event["content_index"]]
            return [
                *before,
                Added(index, _string(event["delta"]), logprobs=objects(event.get("logprobs")) or None),
            ]
        before = []
        if kind == "reasoning_summary_text.delta":
            before = self._piece(output, "summary", event["summary_index"])
        elif kind == "reasoning_text.delta":
            before = self._piece(output, "content", event["content_index"])
        return [*before, Added(self._at[output, -1], _string(event["delta"]))]

    def _unopened(self, kind: str, event: Json) -> list[Event]:
        """The beginning of a text that nobody announced: some servers leave that out."""
        if (event["output_index"], event["content_index"]) in self._at:
            return []
        text = kind == "output_text.delta"
        part: Json = {"type": "output_text", "text": ""} if text else {"type": "refusal", "refusal": ""}
        return self._part({**event, "part": part})

    def _part_done(self, event: Json) -> list[Event]:
        output = event["output_index"]
        if output in self._pieces:
            return []
        index = self._at[output, event["content_index"]]
        part = read_part(event["part"], "part")
        own, before = getattr(part, "own", None), getattr(self._open.pop(index, None), "own", None)
        if own is not None and before is not None and "message" in before.spelling:
            own.spelling["message"] = before.spelling["message"]
        return [Closed(index, own=own or before)]

    def _item_done(self, output: int, item: Json) -> list[Event]:
        events: list[Event] = []
        if output in self._heads:  # a message without content
            events.append(self._part_of_nothing(output, item))
        index = self._at[output, -1]
        parts = read_item(item, "item")
        first = parts[0]
        if item["type"] != "message":
            if isinstance(first, Thought) and first.signature:
                events.append(Signed(index, first.signature))
                opened = self._open.get(index)
                if isinstance(opened, Thought):
                    opened.origin = first.origin
            self._open.pop(index, None)
            return [*events, Closed(index, own=getattr(first, "own", None))]
        return [*events, Noted(index, Own(_RESPONSES, {"message": _head(item)}))]

    def _part_of_nothing(self, output: int, item: Json) -> Event:
        del self._heads[output]
        return self._opened(output, -1, read_item({**item, "content": []}, "item")[0])

    def _noted(self, event: Json) -> list[Event]:
        """What belongs to an item of its own kind; clients are told to ignore what they do not know."""
        output = event.get("output_index")
        place = event.get("content_index", -1)
        index = self._at.get((output, place)) if isinstance(output, int) and isinstance(place, int) else None
        if index is None:
            return []
        said = {name: value for name, value in event.items() if name not in _PLACES}
        return [Noted(index, Own(_RESPONSES, {"event": said}))]


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a delta is no string")
    return value


def _head(item: Json) -> Json:
    return {name: value for name, value in item.items() if name not in ("content", "role", "type")}


def _bare(part: Part) -> Part:
    if isinstance(part, Text | Declined):
        part.text = ""
    return part


def _started(response: Json) -> Started:
    reply = read_reply({**response, "output": []})
    return Started(reply.id, reply.model, reply.created_s, own=reply.own)


def _ended(response: Json) -> list[Event]:
    """The end; what the answer says of itself only now is the choice's."""
    reply = read_reply(response)
    choice = reply.choices[0]
    last = {name: value for name, value in response.items() if name not in _LATE}
    events: list[Event] = [
        Finished(choice.finish or Finish.OTHER, stop=choice.stop, own=Own(_RESPONSES, {}, {"last": last}))
    ]
    if reply.report is not None:
        events.append(Metered(reply.report))
    return [*events, Ended()]


def _failed(response: Json) -> Failure:
    error = response.get("error") or {}
    return Failure(
        str(error.get("message") or "the response failed"),
        error.get("type"),
        error.get("code"),
        own=Own(_RESPONSES, {}, {"error": error}),
    )


def _error(event: Json) -> Failure:
    if isinstance(event.get("error"), dict):
        failure = read_failure(event)
        failure.own = None
        return failure
    return Failure(str(event.get("message") or ""), None, event.get("code"), event.get("param"))
