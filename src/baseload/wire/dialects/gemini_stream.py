"""Google streamGenerateContent: streamed answers, as server-sent events or as one array."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from baseload.wire.dialects import annex, fold
from baseload.wire.dialects.gemini_held import put_back_as_read
from baseload.wire.dialects.gemini_parts import (
    UNSIGNED,
    Ids,
    pack,
    read_part,
    unpack,
    unsigned,
    write_part,
)
from baseload.wire.dialects.gemini_reply import (
    blocking,
    created,
    finish_of,
    finish_word,
    keep_finish,
    read_failure,
    read_logprobs,
    read_report,
    time_word,
    write_failure,
    write_logprobs,
    write_report,
)
from baseload.wire.dialects.nouns import (
    Added,
    Broken,
    Call,
    Closed,
    Declined,
    Dialect,
    Ended,
    Event,
    Finished,
    Json,
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
from baseload.wire.dialects.rest import arguments_text, spelt
from baseload.wire.metering import Grounding

_GEMINI = Dialect.GEMINI
_TOP = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId", "createTime"})
_CANDIDATE = frozenset({"content", "finishReason", "index", "logprobsResult"})


# -- arguments in pieces ------------------------------------------------------------------------------------

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]")
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")
_MAX_ITEMS = 4096  # of a list in arguments: a path cannot make us build a longer one


class Arguments:
    """A call's arguments from the pieces (`partialArgs`) that Vertex AI streams: a path and a value each."""

    def __init__(self) -> None:
        self.value: Any = {}
        self._growing: str | None = None  # the path whose string goes on

    def add(self, piece: object) -> None:
        """One piece. Raises ValueError for a path that cannot be."""
        if not isinstance(piece, dict) or not isinstance(path := piece.get("jsonPath"), str):
            raise ValueError("partialArgs without a jsonPath")
        name = next((name for name in _VALUES if name in piece), None)
        if name is None:
            return
        value = None if name == "nullValue" else piece[name]
        grows = self._growing == path and isinstance(value, str)
        self._set([one[0] or one[2] or int(one[1]) for one in _STEP.findall(path)], value, grows=grows)
        self._growing = path if piece.get("willContinue") else None

    def _set(self, steps: list[str | int], value: Any, *, grows: bool) -> None:
        if not steps:
            raise ValueError("a jsonPath leads nowhere")
        at: Any = self.value
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            if isinstance(step, int) and isinstance(at, list) and step < _MAX_ITEMS:
                at.extend([None] * (step + 1 - len(at)))
            elif not (isinstance(step, str) and isinstance(at, dict)):
                raise ValueError("a jsonPath does not fit the arguments so far")
            known = at[step] if isinstance(step, int) else at.get(step)
            if following is None:
                at[step] = known + value if grows and isinstance(known, str) else value
                return
            if known is None:
                known = at[step] = [] if isinstance(following, int) else {}
            at = known


# -- reading ------------------------------------------------------------------------------------------------


class _Candidate:
    """What is being said in one candidate."""

    def __init__(self) -> None:
        self.open: tuple[Part, int] | None = None
        self.arguments: Arguments | None = None  # of the open part, a call in pieces
        self.members: Json = {}
        self.called = False
        self.kept: Json = {}
        self.ended = False


class StreamReader:
    """A stream's events, from the data of one server-sent event, or object of the array, after the other.

    The format has no end mark: it ends with the object in which every candidate so far has ended.
    """

    def __init__(self) -> None:
        self._begun = False
        self._ended = False
        self._ids = Ids()
        self._grounding = Grounding("")
        self._parts = 0
        self._candidates: dict[int, _Candidate] = {}

    def read(self, data: bytes) -> list[Event]:
        """The events in one payload. Raises ValueError or RequestError for what is no answer."""
        chunk = msgspec.json.decode(data)
        first = chunk[0] if isinstance(chunk, list) and chunk else chunk
        if isinstance(first, dict) and first.get("error"):
            return [Broken(read_failure(chunk))]
        if not isinstance(chunk, dict):
            raise ValueError("an event is no JSON object")
        events: list[Event] = []
        if not self._begun:
            self._start(chunk, events)
        candidates = chunk.get("candidates") or []
        if not isinstance(candidates, list):
            raise ValueError("the candidates are no list")
        for value in candidates if not self._ended else ():
            self._candidate(value, events)
        self._grounding.take(candidates)
        if (report := read_report(chunk.get("usageMetadata"), self._grounding)) is not None:
            events.append(Metered(report))
        if not self._ended and self._candidates and all(one.ended for one in self._candidates.values()):
            self._ended = True
            events.append(Ended())
        return events

    def _start(self, chunk: Json, events: list[Event]) -> None:
        self._begun = True
        identity, model = chunk.get("responseId"), chunk.get("modelVersion")
        identity, model = (
            identity if isinstance(identity, str) else "",
            model if isinstance(model, str) else "",
        )
        self._ids, self._grounding = Ids(identity), Grounding(model)
        own = {name: value for name, value in chunk.items() if name not in _TOP}
        events.append(
            Started(identity, model, created(chunk.get("createTime")), own=Own(_GEMINI, own) if own else None)
        )
        blocked = None if chunk.get("candidates") else blocking(chunk.get("promptFeedback"))
        if blocked is not None:
            self._candidates[0] = state = _Candidate()
            for part in blocked.parts:
                self._whole(part, 0, state, events)
            state.ended = True
            assert blocked.finish is not None
            events.append(Finished(blocked.finish, own=blocked.own))

    def _candidate(self, value: object, events: list[Event]) -> None:
        if not isinstance(value, dict):
            raise ValueError("a candidate is no JSON object")
        index = value.get("index") or 0
        if not isinstance(index, int):
            raise ValueError("a candidate's index is no number")
        state = self._candidates.get(index)
        if state is None:
            state = self._candidates[index] = _Candidate()
        content = value.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        logprobs = read_logprobs(value.get("logprobsResult"))
        for part in parts if isinstance(parts, list) else ():
            if not isinstance(part, dict):
                raise ValueError("a part is no JSON object")
            if self._part(part, index, state, logprobs, events):
                logprobs = None
        for name, member in value.items():
            if name not in _CANDIDATE and (member or name not in state.members):
                state.members[name] = member
        if isinstance(word := value.get("finishReason"), str | int):
            self._close(index, state, events)
            finish = finish_of(word, state.called, state.kept)
            spelling = {} if finish_word(finish) == word else {"finish": word}
            own = Own(_GEMINI, state.members, spelling) if state.members or spelling else None
            state.ended = True
            events.append(Finished(finish, index, own=own))

    def _part(
        self, value: Json, choice: int, state: _Candidate, logprobs: list[Json] | None, events: list[Event]
    ) -> bool:
        """One part of a chunk; True where the chunk's logprobs went with it."""
        text = value.get("text")
        if isinstance(text, str) and len(value) == 1:
            if text:
                self._say(Text(""), choice, state, events)
                events.append(self._more(text, choice, state, logprobs))
            return bool(text)
        if isinstance(text, str) and value.get("thought") is True and value.keys() <= _THOUGHT:
            self._think(value, text, choice, state, events)
        elif (kept := unpack(value)) is not None:
            self._close(choice, state, events)
            state.kept = kept
            events.append(Noted(0, Own(_GEMINI, {annex.MEMBER: kept}), choice))
        elif isinstance(inner := value.get("functionCall"), dict):
            self._call(value, inner, choice, state, events)
        else:
            self._whole(read_part(value, "parts", self._ids), choice, state, events)
        return False

    def _think(self, value: Json, text: str, choice: int, state: _Candidate, events: list[Event]) -> None:
        self._say(Thought("", origin=_GEMINI), choice, state, events)
        if text:
            events.append(self._more(text, choice, state, None))
        if isinstance(signature := value.get("thoughtSignature"), str):
            assert state.open is not None
            events.append(Signed(state.open[1], signature, choice))
            self._close(choice, state, events)

    def _call(self, value: Json, inner: Json, choice: int, state: _Candidate, events: list[Event]) -> None:
        pieces = inner.get("partialArgs")
        goes_on = bool(inner.get("willContinue"))
        if state.arguments is None or inner.get("name"):
            if not inner:
                return  # the end of a call whose beginning we never had
            in_pieces = goes_on or bool(pieces)
            args = {} if in_pieces else inner.get("args")
            known = {name: one for name, one in inner.items() if name not in ("partialArgs", "willContinue")}
            known |= {"args": args} if args is not None else {}
            call = read_part({**value, "functionCall": known}, "parts", self._ids)
            state.called = True
            if not in_pieces:
                self._whole(call, choice, state, events)
                return
            assert isinstance(call, Call)
            call.arguments = ""
            self._say(call, choice, state, events)
            state.arguments = Arguments()
        assert state.arguments is not None
        for piece in pieces if isinstance(pieces, list) else ():
            state.arguments.add(piece)
        if not goes_on:
            self._close(choice, state, events)

    def _say(self, part: Part, choice: int, state: _Candidate, events: list[Event]) -> None:
        """Open a part, unless one of its kind is open and goes on."""
        if state.open is not None and not isinstance(part, Call) and type(state.open[0]) is type(part):
            return
        self._close(choice, state, events)
        state.open = part, self._parts
        self._parts += 1
        events.append(Opened(state.open[1], part, choice))

    def _more(self, text: str, choice: int, state: _Candidate, logprobs: list[Json] | None) -> Added:
        assert state.open is not None
        return Added(state.open[1], text, choice, logprobs)

    def _whole(self, part: Part, choice: int, state: _Candidate, events: list[Event]) -> None:
        """A part in one piece."""
        self._close(choice, state, events)
        events += (Opened(self._parts, part, choice), Closed(self._parts, choice))
        self._parts += 1

    def _close(self, choice: int, state: _Candidate, events: list[Event]) -> None:
        if state.open is None:
            return
        index = state.open[1]
        if state.arguments is not None:
            events.append(Added(index, arguments_text(state.arguments.value), choice))
        state.open = state.arguments = None
        events.append(Closed(index, choice))


_THOUGHT = frozenset({"text", "thought", "thoughtSignature"})


# -- writing ------------------------------------------------------------------------------------------------


def _told(own: Own | None) -> bool:
    """Whether Google says something of a part besides, so that the part came in one piece."""
    return own is not None and own.dialect is _GEMINI and bool(own.members)


class StreamWriter:
    """A stream as server-sent events, or with `array` as one array; usage is always told.

    `model`: as the client calls it.
    """

    def __init__(self, *, model: str, usage: bool = True, array: bool = False) -> None:
        self._model = model
        self._array = array
        self._begun = False
        self._first: Json = {}  # what only the first chunk says
        self._base: Json = {}
        self._parts: dict[int, tuple[int, Part]] = {}  # by index: the choice and the part
        self._open: dict[int, int] = {}  # parts that are said when they are whole, and their choice
        self._finishes: list[Finished] = []
        self._report: Report | None = None
        self._called: set[int] = set()  # choices with a call
        self._blocked = False  # then the reason is said once, in the prompt's feedback

    @property
    def sequence(self) -> int:
        """How many objects of the array there are, as far as it matters to what follows: none, or some."""
        return int(self._begun)

    def write(self, event: Event) -> bytes:
        """The event as bytes; empty where it has to wait or this dialect has nothing to say."""
        if isinstance(event, Added):
            return self._added(event)
        if isinstance(event, Opened):
            return self._opened(event)
        if isinstance(event, Closed):
            fold.complete(self._parts.get(event.index, (0, None))[1], event.own)
            return self._closed(event.index)
        if isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Signed):
            part = self._parts.get(event.index, (0, None))[1]
            if isinstance(part, Thought):
                part.signature = (part.signature or "") + event.signature
        elif isinstance(event, Noted):
            fold.note(self._parts.get(event.index, (0, None))[1], event)
        elif isinstance(event, Finished):
            self._finishes.append(event)
            return b"".join(
                self._closed(index) for index, choice in list(self._open.items()) if choice == event.choice
            )
        elif isinstance(event, Metered):
            self._report = event.report
        elif isinstance(event, Broken):
            error: Any = write_failure(event.failure)
            return self._framed(error[0] if isinstance(error, list) else error) + self._end()
        elif isinstance(event, Ended):
            return self._ended()
        return b""

    def _start(self, event: Started) -> None:
        if model := self._model or event.model:
            self._base["modelVersion"] = model
        if event.id:
            self._base["responseId"] = event.id
        if (word := time_word(event.created_s)) is not None:
            self._base["createTime"] = word
        self._first = put_back_as_read({}, event.own)
        self._blocked = blocking(self._first.get("promptFeedback")) is not None
        self._report = event.report

    def _opened(self, event: Opened) -> bytes:
        part = event.part
        self._parts[event.index] = event.choice, part
        if isinstance(part, Call):
            self._open[event.index] = event.choice
            return b""
        if self._blocked and isinstance(part, Declined):
            return b""
        if isinstance(part, Thought) and not (part.text and _told(part.own)):
            self._open[event.index] = event.choice
            return self._said({"text": part.text, "thought": True}, event.choice) if part.text else b""
        if isinstance(part, Text | Declined) and not part.text and getattr(part, "own", None) is None:
            return b""
        value = write_part(part, {})
        return b"" if value is None else self._said(value, event.choice)

    def _added(self, event: Added) -> bytes:
        part = self._parts.get(event.index, (0, None))[1]
        if isinstance(part, Call):
            part.arguments += event.text
            return b""
        if isinstance(part, Thought):
            part.text += event.text
            return self._said({"text": event.text, "thought": True}, event.choice)
        if isinstance(part, Text):
            part.text += event.text
        elif not isinstance(part, Declined):
            return b""
        return self._said({"text": event.text}, event.choice, event.logprobs)

    def _closed(self, index: int) -> bytes:
        choice = self._open.pop(index, None)
        if choice is None:
            return b""
        part = self._parts[index][1]
        if isinstance(part, Thought):
            if part.origin is not _GEMINI or part.signature is None:
                return b""
            value = {"text": "", "thought": True, "thoughtSignature": part.signature}
            return self._said(put_back_as_read(value, part.own), choice)
        value = write_part(part, {}) or {}
        if choice not in self._called:
            self._called.add(choice)
            if unsigned(part):  # the client sends it back, perhaps to Google
                value["thoughtSignature"] = UNSIGNED
        return self._said(value, choice)

    def _said(self, part: Json, choice: int, logprobs: list[Json] | None = None) -> bytes:
        value: Json = {"content": {"parts": [part], "role": "model"}, "index": choice}
        if logprobs:
            value["logprobsResult"] = write_logprobs(logprobs)
        return self._chunk({"candidates": [value]})

    def _chunk(self, body: Json) -> bytes:
        first, self._first = self._first, {}
        return self._framed({**body, **self._base, **first})

    def _framed(self, value: object) -> bytes:
        data = msgspec.json.encode(value)
        if not self._array:
            return b"data: %b\r\n\r\n" % data
        opening = b",\r\n" if self._begun else b"["
        self._begun = True
        return opening + data

    def _ended(self) -> bytes:
        body: Json = {}
        candidates = [self._last(one) for one in self._finishes if not spelt(one.own, _GEMINI, "blocked")]
        if candidates:
            body["candidates"] = candidates
        if self._report is not None:
            body["usageMetadata"] = write_report(self._report)
        return (self._chunk(body) if body or self._first else b"") + self._end()

    def _last(self, event: Finished) -> Json:
        """A candidate's last chunk: why it ended, and what of it Google has no place for."""
        parts = [part for choice, part in self._parts.values() if choice == event.choice]
        kept = annex.for_parts(parts, _GEMINI)
        if spelt(event.own, _GEMINI, "finish") is None:
            kept = keep_finish(kept, parts, event.finish)
        part = {"text": ""} if kept is None else {"text": "", "thoughtSignature": pack(kept)}
        value: Json = {"content": {"parts": [part], "role": "model"}, "index": event.choice}
        value["finishReason"] = spelt(event.own, _GEMINI, "finish") or finish_word(event.finish)
        return put_back_as_read(value, event.own)

    def _end(self) -> bytes:
        return (b"]" if self._begun else b"[]") if self._array else b""
