"""Amazon Bedrock ConverseStream: streamed answers, an event a line of JSON (`converse_frames`)."""

from __future__ import annotations

import base64
import binascii

import msgspec

from baseload.core import Tokens
from baseload.wire.dialects import annex, fold
from baseload.wire.dialects.converse_blocks import Names, read_blocks, write_block
from baseload.wire.dialects.converse_reply import (
    FINISH,
    FINISH_WORDS,
    identity,
    openai_terms,
    read_report,
    with_identity,
    write_report,
)
from baseload.wire.dialects.fitting import id_of
from baseload.wire.dialects.nouns import (
    Added,
    Broken,
    Call,
    Closed,
    Declined,
    Dialect,
    Ended,
    Event,
    Failure,
    Finish,
    Finished,
    Foreign,
    Json,
    Media,
    Metered,
    Noted,
    Opened,
    Own,
    Part,
    Report,
    Signed,
    Started,
    Text,
    Thought,
)
from baseload.wire.dialects.rest import arguments_object, put_back, spelt

_CONVERSE = Dialect.CONVERSE


# -- reading a stream ---------------------------------------------------------------------------------------


class StreamReader:
    """A stream's events, from the lines of one frame after the other.

    A block whose meaning shows only when it is whole (sealed reasoning, calls that the provider makes itself,
    pictures) is told when it ends.
    """

    def __init__(self) -> None:
        self._open: dict[int, Part] = {}
        self._held: dict[int, Json] = {}
        self._called = False

    def read(self, data: bytes) -> list[Event]:
        """The events in one line. Raises ValueError for what is no JSON object of events."""
        frame = msgspec.json.decode(data)
        if not isinstance(frame, dict):
            raise ValueError("an event is no JSON object")
        events: list[Event] = []
        for name, payload in frame.items():
            if not isinstance(payload, dict):
                raise ValueError(f"the event {name} holds no JSON object")
            payload.pop("p", None)  # padding of random length against eavesdroppers
            self._event(name, payload, events)
        return events

    def _event(self, name: str, payload: Json, events: list[Event]) -> None:
        if name == "contentBlockDelta":
            self._delta(_index(payload), _object(payload, "delta"), events)
        elif name == "contentBlockStart":
            self._start(_index(payload), _object(payload, "start"), events)
        elif name == "contentBlockStop":
            self._stop(_index(payload), events)
        elif name == "messageStart":
            kept = payload.pop(annex.MEMBER, None)
            payload.pop("role", None)
            own = Own(_CONVERSE, payload) if payload else None
            events.append(Started(*identity(kept), own=own))
        elif name == "messageStop":
            self._message_stop(payload, events)
        elif name == "metadata":
            self._metadata(payload, events)
        elif name.endswith("Exception"):
            events.append(Broken(_read_broken(name, payload)))

    def _start(self, index: int, start: Json, events: list[Event]) -> None:
        use = start.get("toolUse")
        if isinstance(use, dict) and use.get("type") in (None, "tool_use"):
            part = read_blocks([{"toolUse": {**use, "input": {}}}], "start")[0]
            assert isinstance(part, Call)
            part.arguments = ""
            self._opened(index, part, events)
        else:
            self._held[index] = {name: value for name, value in start.items() if isinstance(value, dict)}

    def _opened(self, index: int, part: Part, events: list[Event]) -> None:
        self._open[index] = part
        self._called = self._called or isinstance(part, Call)
        events.append(Opened(index, part))

    def _delta(self, index: int, delta: Json, events: list[Event]) -> None:
        part = self._open.get(index)
        if index in self._held:
            _hold(self._held[index], delta)
        elif isinstance(text := delta.get("text"), str):
            if part is None:
                self._opened(index, Text(""), events)
            events.append(Added(index, text))
        elif isinstance(use := delta.get("toolUse"), dict):
            events.append(Added(index, str(use.get("input") or "")))
        elif isinstance(thought := delta.get("reasoningContent"), dict):
            self._reasoning(index, thought, delta, events)
        elif "citation" in delta:
            if part is None:
                self._opened(index, Text(""), events)
            events.append(Noted(index, Own(_CONVERSE, delta)))
        elif part is None:
            _hold(self._held.setdefault(index, {}), delta)

    def _reasoning(self, index: int, thought: Json, delta: Json, events: list[Event]) -> None:
        if "redactedContent" in thought and index not in self._open:
            _hold(self._held.setdefault(index, {}), delta)
            return
        if index not in self._open:
            self._opened(index, Thought("", origin=_CONVERSE), events)
        if isinstance(text := thought.get("text"), str):
            events.append(Added(index, text))
        if isinstance(signature := thought.get("signature"), str):
            events.append(Signed(index, signature))

    def _stop(self, index: int, events: list[Event]) -> None:
        held = self._held.pop(index, None)
        if held is not None and held:
            self._opened(index, read_blocks([_whole(held)], "block", answer=True)[0], events)
        if self._open.pop(index, None) is not None:
            events.append(Closed(index))

    def _message_stop(self, payload: Json, events: list[Event]) -> None:
        for index in [*self._open, *self._held]:
            self._stop(index, events)
        word = payload.pop("stopReason", None)
        if (kept := payload.pop(annex.MEMBER, None)) is not None:
            events.append(Noted(0, Own(_CONVERSE, {annex.MEMBER: kept})))
        finish = FINISH.get(str(word), Finish.OTHER).with_calls(self._called)
        spelling = {} if FINISH_WORDS[finish] == word else {"stopReason": word}
        own = Own(_CONVERSE, payload, spelling) if payload or spelling else None
        events.append(Finished(finish, own=own))

    def _metadata(self, payload: Json, events: list[Event]) -> None:
        usage = payload.pop("usage", None)
        report = read_report(usage, payload)
        if report is not None:
            assert report.own is not None
            report.own.members = payload
            events.append(Metered(report))
        events.append(Ended())


def _index(payload: Json) -> int:
    index = payload.get("contentBlockIndex", 0)
    if not isinstance(index, int):
        raise ValueError("contentBlockIndex is no number")
    return index


def _object(payload: Json, name: str) -> Json:
    value = payload.get(name)
    return value if isinstance(value, dict) else {}


def _read_broken(name: str, payload: Json) -> Failure:
    message = str(payload.get("message") or payload.get("originalMessage") or name)
    kind, code = openai_terms(name[:1].upper() + name[1:], message)
    own = Own(_CONVERSE, {}, {"event": name, "body": payload})
    return Failure(message, kind or "api_error", code or "server_error", own=own)


def _hold(held: Json, delta: Json) -> None:
    """Add a delta to a block that is told when it is whole."""
    for name, value in delta.items():
        before = held.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            held[name] = _longer(name, before, value)
        elif name == "toolResult" and isinstance(before, dict):
            known = before.get("content")
            more = value if isinstance(value, list) else []
            held[name] = {**before, "content": [*(known if isinstance(known, list) else ()), *more]}
        else:
            held[name] = value


def _longer(name: str, before: Json, value: Json) -> Json:
    """Two pieces of one block as one."""
    if name == "reasoningContent":
        pieces = [_blob(piece.get("redactedContent")) for piece in (before, value)]
        return {"redactedContent": base64.b64encode(b"".join(pieces)).decode()}
    if name == "toolUse":
        return {**before, "input": f"{before.get('input') or ''}{value.get('input') or ''}"}
    return {**before, **value}


def _blob(value: object) -> bytes:
    try:
        return base64.b64decode(value) if isinstance(value, str) else b""
    except binascii.Error:
        return b""


def _whole(held: Json) -> Json:
    """The block as a whole answer holds it."""
    use = held.get("toolUse")
    if isinstance(use, dict):
        held["toolUse"] = {**use, "input": arguments_object(str(use.get("input") or ""))}
    result = held.get("toolResult")
    if isinstance(result, dict):
        result.setdefault("content", [])
    return held


# -- writing a stream ---------------------------------------------------------------------------------------


class StreamWriter:
    """A stream as lines for `events_of`. `model`: the name the client asked for; usage is always told."""

    def __init__(self, *, model: str, usage: bool = True) -> None:
        self._model = model
        self._parts: dict[int, Part] = {}
        self._places: dict[int, int] = {}
        self._own: Own | None = None  # what the target says of the whole answer
        self._report: Report | None = None
        self._stopped = False

    def write(self, event: Event) -> bytes:
        """The event as lines; empty where it has to wait or this dialect has nothing to say."""
        if isinstance(event, Added):
            return self._added(event) if event.choice == 0 else b""
        if isinstance(event, Started):
            self._own, self._report = event.own, event.report
            start: Json = put_back({"role": "assistant"}, event.own, _CONVERSE)
            if kept := with_identity(None, event.id, self._model or event.model):
                start[annex.MEMBER] = kept
            return _line("messageStart", start)
        if isinstance(event, Opened):
            return self._opened(event) if event.choice == 0 else b""
        if isinstance(event, Signed):
            return self._signed(event)
        if isinstance(event, Closed):
            fold.complete(self._parts.get(event.index), event.own)
            place = self._places.get(event.index)
            return b"" if place is None else _line("contentBlockStop", {"contentBlockIndex": place})
        if isinstance(event, Noted):
            place = self._places.get(event.index)
            fold.note(self._parts.get(event.index), event)
            if place is None or event.own.dialect is not _CONVERSE or annex.MEMBER in event.own.members:
                return b""
            return self._delta(place, event.own.members)
        if isinstance(event, Finished):
            return self._finished(event) if event.choice == 0 else b""
        if isinstance(event, Metered):
            self._report = event.report
            return b""
        if isinstance(event, Broken):
            return _write_broken(event.failure)
        return self._ended()

    def _opened(self, event: Opened) -> bytes:
        part = self._parts[event.index] = event.part
        if isinstance(part, Call):
            start: Json = {"toolUseId": id_of(part.id, Dialect.CONVERSE), "name": part.name}
            if (kind := spelt(part.own, _CONVERSE, "type")) is not None:
                start["type"] = kind
            put_back(start, part.own, _CONVERSE)
            payload = {"contentBlockIndex": self._place(event.index), "start": {"toolUse": start}}
            begun, part.arguments = part.arguments, ""
            out = _line("contentBlockStart", payload)
            return out + self._added(Added(event.index, begun)) if begun else out
        if isinstance(part, Foreign) and part.own.dialect is _CONVERSE:
            return self._whole(event.index, part.own.members)
        if isinstance(part, Media) and (block := write_block(part, Names(answer=True))) is not None:
            return self._whole(event.index, block)
        if isinstance(part, Thought) and part.sealed is not None:
            if part.origin is not _CONVERSE:
                return b""
            delta = {"reasoningContent": {"redactedContent": part.sealed}}
            return self._delta(self._place(event.index), delta)
        if isinstance(part, Text | Declined | Thought):
            return self._begun(event.index, part)
        return b""

    def _begun(self, index: int, part: Text | Declined | Thought) -> bytes:
        """A part that begins with something: with its text, or whole where it comes of a whole answer."""
        out = b""
        if part.text:
            begun, part.text = part.text, ""
            out = self._added(Added(index, begun))
        if isinstance(part, Thought):
            if part.signature:
                begun, part.signature = part.signature, None
                out += self._signed(Signed(index, begun))
        elif isinstance(part, Text) and part.own is not None and part.own.dialect is _CONVERSE:
            citations = part.own.members.get("citations")
            for citation in citations if isinstance(citations, list) else ():
                out += self._delta(self._place(index), {"citation": citation})
        return out

    def _place(self, index: int) -> int:
        place = self._places.get(index)
        if place is None:
            place = self._places[index] = len(self._places)
        return place

    def _delta(self, place: int, delta: Json) -> bytes:
        return _line("contentBlockDelta", {"contentBlockIndex": place, "delta": delta})

    def _whole(self, index: int, block: Json) -> bytes:
        """A block that is known whole, as the start and the deltas that make it."""
        place = self._place(index)
        name, value = next(iter(block.items()))
        if name == "toolUse" and isinstance(value, dict):
            start = {key: one for key, one in value.items() if key != "input"}
            text = msgspec.json.encode(value.get("input") or {}).decode()
            delta: Json = {"toolUse": {"input": text}}
        elif name == "toolResult" and isinstance(value, dict):
            start = {key: one for key, one in value.items() if key != "content"}
            delta = {"toolResult": value.get("content") or []}
        elif name == "image" and isinstance(value, dict):
            start = {key: one for key, one in value.items() if key == "format"}
            delta = {"image": {key: one for key, one in value.items() if key != "format"}}
        else:
            return self._delta(place, block)
        payload = {"contentBlockIndex": place, "start": {name: start}}
        return _line("contentBlockStart", payload) + self._delta(place, delta)

    def _added(self, event: Added) -> bytes:
        part = self._parts.get(event.index)
        if isinstance(part, Call):
            part.arguments += event.text
            delta: Json = {"toolUse": {"input": event.text}}
        elif isinstance(part, Thought):
            part.text += event.text
            delta = {"reasoningContent": {"text": event.text}}
        elif isinstance(part, Text | Declined):
            part.text += event.text
            delta = {"text": event.text}
        else:
            return b""
        return self._delta(self._place(event.index), delta)

    def _signed(self, event: Signed) -> bytes:
        part = self._parts.get(event.index)
        if not isinstance(part, Thought):
            return b""
        part.signature = (part.signature or "") + event.signature
        if part.origin is not _CONVERSE:
            return b""  # another provider's: told in the annex
        return self._delta(self._place(event.index), {"reasoningContent": {"signature": event.signature}})

    def _finished(self, event: Finished) -> bytes:
        self._stopped = True
        word = spelt(event.own, _CONVERSE, "stopReason") or FINISH_WORDS[event.finish]
        payload = put_back({"stopReason": word}, event.own, _CONVERSE)
        kept = annex.for_answer(self._parts.values(), _CONVERSE, self._own, event.own)
        if kept is not None:
            payload[annex.MEMBER] = kept
        return _line("messageStop", payload)

    def _ended(self) -> bytes:
        out = b"" if self._stopped else self._finished(Finished(Finish.OTHER))
        report = self._report or Report(Tokens())
        own = report.own
        ours = own is not None and own.dialect is _CONVERSE
        payload: Json = (
            {"usage": write_report(report)}
            if ours
            else {
                "usage": write_report(report),
                "metrics": {"latencyMs": 0},
            }
        )
        return out + _line("metadata", put_back(payload, own, _CONVERSE))


_STREAM_EXCEPTIONS = {
    "rate_limit_error": "throttlingException",
    "invalid_request_error": "validationException",
    "overloaded": "serviceUnavailableException",
    "overloaded_error": "serviceUnavailableException",
}


def _write_broken(failure: Failure) -> bytes:
    name = spelt(failure.own, _CONVERSE, "event")
    if name is not None:
        return _line(name, spelt(failure.own, _CONVERSE, "body"))
    words = (_STREAM_EXCEPTIONS.get(word or "") for word in (failure.code, failure.kind))
    return _line(next(filter(None, words), "internalServerException"), {"message": failure.message})


def _line(name: str, payload: object) -> bytes:
    return b'{"%b":%b}\n' % (name.encode(), msgspec.json.encode(payload))
