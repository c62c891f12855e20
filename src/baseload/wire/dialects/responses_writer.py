"""OpenAI responses: writing streamed answers, with every event's place and the whole answer at the end."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from baseload.wire.dialects.fold import complete, note
from baseload.wire.dialects.nouns import (
    Added,
    Broken,
    Call,
    Choice,
    Closed,
    Declined,
    Dialect,
    Ended,
    Event,
    Finish,
    Finished,
    Json,
    Metered,
    Noted,
    Opened,
    Own,
    Part,
    Reply,
    Report,
    Signed,
    Started,
    Text,
    Thought,
)
from baseload.wire.dialects.responses_items import (
    BETWEEN,
    new_message,
    write_item,
    write_part,
)
from baseload.wire.dialects.responses_reply import (
    asks_client,
    blank,
    ending_read,
    told_ending,
    write_report,
)
from baseload.wire.dialects.rest import put_back, spelt

_RESPONSES = Dialect.RESPONSES


class _Said:
    """A part that is being written: where it stands and what is said of it."""

    __slots__ = ("closed", "content", "item", "output", "part", "piece", "pieces")

    def __init__(self, part: Part, item: Json, output: int, content: int) -> None:
        self.part, self.item, self.output, self.content = part, item, output, content
        self.pieces: list[tuple[str, list[str]]] = []  # of reasoning: kind and texts
        self.piece = ""
        self.closed = False


class StreamWriter:
    """A stream as server-sent events. `model`: as the client calls it; usage is always told."""

    def __init__(self, *, model: str, usage: bool = True) -> None:
        self._model = model
        self.sequence = 0  # the next event's number
        self._response: Json = blank("", model, 0)
        self._output: list[Json] = []
        self._message: int | None = None  # the output index of the message being said
        self._said: dict[int, _Said] = {}
        self._report: Report | None = None
        self._finish: Finished | None = None
        self._reply: Reply = Reply("", "", [])
        self._writes: dict[type, Callable[..., bytes]] = {
            Added: self._added,
            Started: self._started,
            Opened: self._opened,
            Signed: self._signed,
            Closed: self._closed,
            Noted: self._noted,
            Finished: self._finished,
            Metered: self._metered,
            Broken: self._broken,
            Ended: self._ended,
        }

    def write(self, event: Event) -> bytes:
        """The event as bytes; empty where it has to wait or this dialect has nothing to say."""
        return self._writes[type(event)](event)

    def _event(self, kind: str, body: Json) -> bytes:
        value = {"type": kind, **body, "sequence_number": self.sequence}
        self.sequence += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(value))

    def _at(self, said: _Said, *, content: bool = True) -> Json:
        place: Json = {"item_id": said.item.get("id", ""), "output_index": said.output}
        return place | {"content_index": said.content} if content else place

    def _started(self, event: Started) -> bytes:
        self.sequence, self._message, self._finish = 0, None, None
        self._output, self._said = [], {}
        self._report = event.report
        own, model = event.own, self._model or event.model
        if own is not None and own.dialect is _RESPONSES:
            created = own.spelling.get("created_at", event.created_s)
            body: Json = {"id": event.id, "object": "response", "created_at": created, "model": model}
            body |= ending_read(own)
            self._response = put_back(body | {"output": []}, own, _RESPONSES)
        else:
            self._response = blank(event.id, model, event.created_s)
        self._reply = Reply(event.id, model, [], own=own)
        begun = {"response": self._response}
        return self._event("response.created", begun) + self._event("response.in_progress", begun)

    # -- parts ----------------------------------------------------------------------------------------------

    def _opened(self, event: Opened) -> bytes:
        part = event.part
        if isinstance(part, Text | Declined):
            return self._open_part(event, part)
        out = self._close_message()
        ids = self._response["id"]
        begun = msgspec.structs.replace(part)  # what is known now is said as deltas
        if isinstance(begun, Call):
            begun.arguments = ""
        elif isinstance(begun, Thought):
            begun.text, begun.signature = "", None
            if begun.own is not None and begun.own.dialect is _RESPONSES:
                begun.own = Own(_RESPONSES, begun.own.members, {"summary": []})
        item = write_item(begun, ids, len(self._output))
        if isinstance(part, Call | Thought) and "status" in item:
            item["status"] = "in_progress"
        said = self._said[event.index] = _Said(part, item, len(self._output), 0)
        self._output.append(item)
        out += self._event("response.output_item.added", {"output_index": said.output, "item": item})
        if isinstance(part, Call) and part.arguments:
            text, part.arguments = part.arguments, ""
            out += self._added(Added(event.index, text))
        elif isinstance(part, Thought) and part.text:
            out += self._whole_thought(event.index, part)
        return out

    def _whole_thought(self, index: int, part: Thought) -> bytes:
        text, part.text = part.text, ""
        item = write_item(Thought(text, origin=_RESPONSES, own=part.own), self._response["id"], 0)
        out = b""
        pieces = [("summary", one["text"]) for one in item.get("summary") or ()]
        pieces += [("content", one["text"]) for one in item.get("content") or ()]
        for at, (name, one) in enumerate(pieces):
            out += self._noted(Noted(index, Own(_RESPONSES, {"piece": name})))
            if at:
                out += self._added(Added(index, BETWEEN))
            out += self._added(Added(index, one)) if one else b""
        return out

    def _open_part(self, event: Opened, part: Text | Declined) -> bytes:
        held = spelt(part.own, _RESPONSES, "message")
        out = b""
        if self._message is None or held is not None:
            out += self._close_message()
            at = len(self._output)
            item = new_message(held, self._response["id"], at) | {"content": []}
            self._output.append(item)
            self._message = at
            added = {**item, "status": "in_progress"} if "status" in item else item
            out += self._event("response.output_item.added", {"output_index": at, "item": added})
        output = self._message
        assert output is not None
        item = self._output[output]
        said = self._said[event.index] = _Said(part, item, output, len(item["content"]))
        if held is not None and held.get("empty"):
            said.closed = True
            return out
        text, part.text = part.text, ""
        item["content"].append(write_part(part, said=True, answer=True))
        out += self._event("response.content_part.added", self._at(said) | {"part": item["content"][-1]})
        return out + (self._added(Added(event.index, text)) if text else b"")

    def _added(self, event: Added) -> bytes:
        said = self._said.get(event.index)
        if said is None:
            return b""
        part, text = said.part, event.text
        if isinstance(part, Text):
            part.text += text
            body = self._at(said) | {"delta": text, "logprobs": event.logprobs or []}
            if event.logprobs:
                held = said.item["content"][said.content]
                held["logprobs"] = (held.get("logprobs") or []) + event.logprobs
            return self._event("response.output_text.delta", body)
        if isinstance(part, Call):
            part.arguments += text
            body = self._at(said, content=False) | {"delta": text}
            return self._event("response.function_call_arguments.delta", body)
        if isinstance(part, Declined):
            part.text += text
            return self._event("response.refusal.delta", self._at(said) | {"delta": text})
        return self._thought(event.index, said, part, text) if isinstance(part, Thought) else b""

    def _thought(self, index: int, said: _Said, part: Thought, text: str) -> bytes:
        part.text += text
        if text == BETWEEN and len(said.pieces) > 1 and not said.pieces[-1][1]:
            return b""  # stands between two parts of the summary
        out = b"" if said.pieces else self._noted(Noted(index, Own(_RESPONSES, {"piece": "summary"})))
        name, texts = said.pieces[-1]
        texts.append(text)
        place = self._at(said, content=False) | {f"{name}_index": self._piece_at(said)}
        kind = "reasoning_summary_text" if name == "summary" else "reasoning_text"
        return out + self._event(f"response.{kind}.delta", place | {"delta": text})

    def _piece_at(self, said: _Said) -> int:
        name = said.pieces[-1][0]
        return sum(one == name for one, _ in said.pieces) - 1

    def _piece_part(self, said: _Said) -> Json:
        name, texts = said.pieces[-1]
        kind = "summary_text" if name == "summary" else "reasoning_text"
        return {"type": kind, "text": "".join(texts)}

    def _piece_event(self, said: _Said, step: str) -> bytes:
        """The beginning (`added`) or the end (`done`) of the last piece of reasoning."""
        name = said.pieces[-1][0]
        place = self._at(said, content=False) | {f"{name}_index": self._piece_at(said)}
        part, out = self._piece_part(said), b""
        if step == "done":
            kind = "reasoning_summary_text" if name == "summary" else "reasoning_text"
            out = self._event(f"response.{kind}.done", place | {"text": part["text"]})
        kind = "reasoning_summary_part" if name == "summary" else "content_part"
        return out + self._event(f"response.{kind}.{step}", place | {"part": part})

    def _noted(self, event: Noted) -> bytes:
        said = self._said.get(event.index)
        if said is None:
            return b""
        if event.own.dialect is not _RESPONSES:
            note(said.part, event)
            return b""
        noted = event.own.members
        if (piece := noted.get("piece")) is not None:
            out = self._piece_event(said, "done") if said.pieces else b""
            said.pieces.append((piece, []))
            return out + self._piece_event(said, "added")
        if (message := noted.get("message")) is not None:
            said.item.update(message)
            return b""
        if (one := noted.get("event")) is not None:
            body = {name: value for name, value in one.items() if name != "type"}
            if "content_index" in body:
                body["content_index"] = said.content
            return self._event(one["type"], body | self._at(said, content=False))
        return b""

    def _signed(self, event: Signed) -> bytes:
        said = self._said.get(event.index)
        if said is not None and isinstance(said.part, Thought):
            said.part.signature = (said.part.signature or "") + event.signature
        return b""

    def _closed(self, event: Closed) -> bytes:
        said = self._said.get(event.index)
        if said is None or said.closed:
            return b""
        said.closed = True
        part = said.part
        complete(part, event.own)
        if isinstance(part, Text | Declined):
            return self._close_part(said, part)
        out = self._piece_event(said, "done") if said.pieces else b""
        item = write_item(part, self._response["id"], said.output)
        item.setdefault("id", said.item.get("id", ""))
        if isinstance(part, Thought) and part.signature is None and part.sealed is None and said.pieces:
            for name in ("summary", "content"):
                self._hold_pieces(item, said, name)
        self._output[said.output] = said.item = item
        if isinstance(part, Call):
            body = self._at(said, content=False) | {"name": part.name, "arguments": part.arguments}
            out += self._event("response.function_call_arguments.done", body)
        return out + self._event("response.output_item.done", {"output_index": said.output, "item": item})

    def _hold_pieces(self, item: Json, said: _Said, name: str) -> None:
        kind = "summary_text" if name == "summary" else "reasoning_text"
        held = [{"type": kind, "text": "".join(texts)} for one, texts in said.pieces if one == name]
        if held:
            item[name] = held

    def _close_part(self, said: _Said, part: Text | Declined) -> bytes:
        value = write_part(part, said=True, answer=True)
        before = said.item["content"][said.content].get("logprobs")
        if before and not value.get("logprobs"):
            value["logprobs"] = before
        said.item["content"][said.content] = value
        if isinstance(part, Text):
            body = {"text": part.text, "logprobs": value.get("logprobs") or []}
            out = self._event("response.output_text.done", self._at(said) | body)
        else:
            out = self._event("response.refusal.done", self._at(said) | {"refusal": part.text})
        return out + self._event("response.content_part.done", self._at(said) | {"part": value})

    def _close_message(self) -> bytes:
        """The end of the message being said, and of its parts."""
        at, out = self._message, b""
        if at is None:
            return out
        for index, said in self._said.items():
            if said.output == at:
                out += self._closed(Closed(index))
        self._message = None
        body = {"output_index": at, "item": self._output[at]}
        return out + self._event("response.output_item.done", body)

    # -- the end --------------------------------------------------------------------------------------------

    def _finished(self, event: Finished) -> bytes:
        self._finish = event
        return self._close_all()

    def _close_all(self) -> bytes:
        out = b"".join([self._closed(Closed(index)) for index in list(self._said)])
        return out + self._close_message()

    def _metered(self, event: Metered) -> bytes:
        self._report = event.report
        return b""

    def _last(self) -> Json:
        """The whole answer so far."""
        last = self._response | {"output": self._output}
        if self._report is not None:
            last["usage"] = write_report(self._report)
        return last

    def _ended(self, event: Ended) -> bytes:
        out = self._close_all()
        finish = self._finish or Finished(Finish.OTHER)
        last = self._last()
        held = spelt(finish.own, _RESPONSES, "last")
        if held is not None:
            last |= held
        else:
            asks = any(asks_client(said.part) for said in self._said.values())
            last |= told_ending(Choice([], finish.finish, stop=finish.stop), asks=asks)
        kind = "incomplete" if last.get("status") == "incomplete" else "completed"
        return out + self._event(f"response.{kind}", {"response": last})

    def _broken(self, event: Broken) -> bytes:
        failure = event.failure
        error = spelt(failure.own, _RESPONSES, "error")
        if error is not None:
            last = self._last() | {"status": "failed", "error": error}
            return self._event("response.failed", {"response": last})
        body = {"code": failure.code, "message": failure.message, "param": failure.param}
        return self._event("error", body)
