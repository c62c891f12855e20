"""Anthropic messages: answers, whole and streamed."""

from __future__ import annotations

import msgspec

from baseload.core import Apart, Tokens
from baseload.wire import metering
from baseload.wire.anthropic import error_type
from baseload.wire.dialects import annex, chunks
from baseload.wire.dialects.fold import complete, note
from baseload.wire.dialects.messages import UNSIGNED, read_block, read_blocks, write_block
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
    Reply,
    Report,
    Signed,
    Started,
    Text,
    Thought,
)
from baseload.wire.dialects.rest import Rest, arguments_object, arguments_text, put_back, spelt

_MESSAGES = Dialect.MESSAGES
_FINISH = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP_SEQUENCE,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.CONTEXT,
    "tool_use": Finish.TOOL_CALLS,
    "refusal": Finish.REFUSAL,
    "pause_turn": Finish.PAUSE,
}
_FINISH_WORDS = {finish: word for word, finish in _FINISH.items()} | {
    Finish.FILTER: "refusal",
    Finish.OTHER: "end_turn",
}
_ERRORS = {
    "invalid_request_error": "invalid_request_error",
    "authentication_error": "invalid_api_key",
    "permission_error": "permission_denied",
    "not_found_error": "model_not_found",
    "request_too_large": "request_too_large",
    "rate_limit_error": "rate_limit_exceeded",
    "api_error": "server_error",
    "overloaded_error": "overloaded",
}


# -- usage and errors ---------------------------------------------------------------------------------------


def read_report(usage: object, before: Report | None = None) -> Report | None:
    """`usage`; a stream's last report (`message_delta`) replaces only what it says of the first."""
    if not isinstance(usage, dict):
        return before
    if before is not None and before.own is not None:
        known = {name: value for name, value in usage.items() if value is not None}
        usage = {**before.own.spelling, **known}
    return Report(metering.messages(usage), Own(_MESSAGES, {}, usage))


def write_report(report: Report) -> Json:
    """`usage`: here cached and written tokens stand beside the input, not in it."""
    if report.own is not None and report.own.dialect is _MESSAGES:
        return report.own.spelling
    tokens = report.tokens
    usage: Json = {
        "input_tokens": tokens.input - tokens.cached_input - tokens.cache_write,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cached_input,
        "output_tokens": tokens.output,
    }
    apart = tokens.apart or Apart()
    if hour := apart.cache_write_1h:
        ttls = {"ephemeral_5m_input_tokens": tokens.cache_write - hour, "ephemeral_1h_input_tokens": hour}
        usage["cache_creation"] = ttls
    if apart.searches:
        usage["server_tool_use"] = {"web_search_requests": apart.searches, "web_fetch_requests": 0}
    if tokens.reasoning:
        usage["output_tokens_details"] = {"thinking_tokens": tokens.reasoning}
    return usage


def read_failure(body: Json) -> Failure:
    """An error body."""
    detail = body.get("error")
    if not isinstance(detail, dict):
        return Failure(str(body.get("message") or body), own=Own(_MESSAGES, {}, body))
    kind = str(detail.get("type") or "api_error")
    return Failure(str(detail.get("message") or ""), kind, _ERRORS.get(kind), own=Own(_MESSAGES, {}, body))


def write_failure(failure: Failure, status: int = 500) -> Json:
    """An error body; its type follows the status where the error came from another dialect."""
    if failure.own is not None and failure.own.dialect is _MESSAGES:
        return failure.own.spelling
    return {"type": "error", "error": {"type": error_type(status), "message": failure.message}}


# -- whole --------------------------------------------------------------------------------------------------


def read_reply(body: Json) -> Reply:
    """A whole answer."""
    rest = Rest(body, _MESSAGES, "")
    blocks = rest.need("content", list)
    parts = read_blocks(blocks, "content")
    report = read_report(rest.take("usage", dict))
    word = rest.take("stop_reason", str)
    called = any(isinstance(part, Call) for part in parts)
    finish = None if word is None else _FINISH.get(word, Finish.OTHER).with_calls(called)
    if word is not None and _FINISH_WORDS.get(finish or Finish.OTHER) != word:
        rest.spelling["stop_reason"] = word
    rest.members.pop(annex.MEMBER, None)
    choice = Choice(parts, finish, stop=rest.take("stop_sequence", str))
    reply = Reply(rest.take("id", str) or "", rest.take("model", str) or "", [choice], report)
    for name in ("type", "role"):
        rest.members.pop(name, None)
    rest.spelling["read"] = True
    reply.own = rest.own()
    return reply


def write_reply(reply: Reply) -> Json:
    """A whole answer as a body; this dialect knows one choice."""
    choice = reply.choices[0] if reply.choices else Choice([], None)
    own = reply.own
    body: Json = {"id": reply.id, "type": "message", "role": "assistant", "model": reply.model}
    body["content"] = [write_block(part) for part in choice.parts if _sayable(part)]
    if (kept := annex.for_parts(choice.parts, _MESSAGES)) is not None:
        body["content"].append(_sealed(kept))
    body["stop_reason"] = spelt(own, _MESSAGES, "stop_reason") or finish_word(choice)
    if spelt(own, _MESSAGES, "read") is None or choice.stop is not None:
        body["stop_sequence"] = choice.stop
    ours = own is not None and own.dialect is _MESSAGES
    if reply.report is not None or not ours:
        body["usage"] = write_report(reply.report or Report(Tokens()))
    if beside := annex.aside(_MESSAGES, reply.own, choice.own):
        body[annex.MEMBER] = beside
    return put_back(body, own, _MESSAGES)


def finish_word(choice: Choice) -> str | None:
    """`stop_reason`."""
    if choice.finish is None:
        return None
    return _FINISH_WORDS[choice.finish]


def _sealed(kept: Json) -> Json:
    """The annex as a block that clients send back unread: members of a message get lost on the way.

    It stands last, since a stream knows it only at its end.
    """
    return {"type": "redacted_thinking", "data": annex.pack(kept)}


def _sayable(part: Part) -> bool:
    """Whether an answer may hold it: pictures, seals and parts of others' own kind are in the annex."""
    if isinstance(part, Media):
        return False
    if isinstance(part, Thought) and part.sealed is not None:
        return part.origin is _MESSAGES
    return not isinstance(part, Foreign) or part.own.dialect is _MESSAGES


# -- streamed -----------------------------------------------------------------------------------------------


class StreamReader:
    """A stream's events, from the data of one server-sent event after the other."""

    def __init__(self) -> None:
        self._report: Report | None = None
        self._open: dict[int, Part] = {}
        self._pieces: dict[int, list[str]] = {}  # of the input of a tool that the provider runs itself
        self._called = False

    def read(self, data: bytes) -> list[Event]:
        """The events in one payload. Raises ValueError for what is none of this format."""
        chunks.MESSAGES.decode(data)
        event = msgspec.json.decode(data)
        if not isinstance(event, dict):
            raise ValueError("an event is no JSON object")
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._delta(event.get("index", 0), event.get("delta") or {})
        if kind == "content_block_start":
            return self._start(event.get("index", 0), event.get("content_block") or {})
        if kind == "content_block_stop":
            return self._stop(event.get("index", 0))
        if kind == "message_start":
            return [self._started(event.get("message") or {})]
        if kind == "message_delta":
            return self._message_delta(event)
        if kind == "message_stop":
            return [Ended()]
        if kind == "error":
            return [Broken(read_failure(event))]
        return []  # ping, and whatever Anthropic adds: clients are told to ignore events they do not know

    def _started(self, message: Json) -> Started:
        self._report = read_report(message.get("usage"))
        known = ("id", "type", "role", "model", "content", "usage", "stop_reason", "stop_sequence")
        own = {name: value for name, value in message.items() if name not in known}
        return Started(
            message.get("id") or "",
            message.get("model") or "",
            report=self._report,
            own=Own(_MESSAGES, own) if own else None,
        )

    def _start(self, index: int, block: Json) -> list[Event]:
        if block.get("type") == "tool_use":
            part: Part = read_block({**block, "input": {}}, "content_block")
            assert isinstance(part, Call)
            part.arguments = "" if not block.get("input") else arguments_text(block["input"])
            self._called = True
        elif (kept := annex.unpack(block.get("data"))) is not None:
            return [Noted(0, Own(_MESSAGES, {annex.MEMBER: kept}))]
        else:
            part = read_block(block, "content_block")
        self._open[index] = part
        return [Opened(index, part)]

    def _stop(self, index: int) -> list[Event]:
        part, pieces = self._open.pop(index, None), self._pieces.pop(index, None)
        if part is None:
            return []
        if not pieces or not isinstance(part, Foreign):
            return [Closed(index)]
        members = {**part.own.members, "input": arguments_object("".join(pieces))}
        return [Closed(index, own=Own(_MESSAGES, members))]

    def _delta(self, index: int, delta: Json) -> list[Event]:
        kind, part = delta.get("type"), self._open.get(index)
        if kind == "text_delta":
            return [Added(index, delta.get("text") or "")]
        if kind == "input_json_delta":
            piece = delta.get("partial_json") or ""
            if isinstance(part, Foreign):
                self._pieces.setdefault(index, []).append(piece)
            return [Added(index, piece)]
        if kind == "thinking_delta":
            return [Added(index, delta.get("thinking") or "")]
        if kind == "signature_delta" and delta.get("signature") == UNSIGNED and isinstance(part, Thought):
            part.origin = None
            return []
        if kind == "signature_delta":
            return [Signed(index, delta.get("signature") or "")]
        return [Noted(index, Own(_MESSAGES, delta))]

    def _message_delta(self, event: Json) -> list[Event]:
        events: list[Event] = []
        self._report = read_report(event.get("usage"), self._report)
        if self._report is not None:
            events.append(Metered(self._report))
        delta: Json = event.get("delta") or {}
        delta.pop(annex.MEMBER, None)
        word = delta.get("stop_reason")
        if word is not None:
            finish = _FINISH.get(word, Finish.OTHER).with_calls(self._called)
            known = ("stop_reason", "stop_sequence")
            members = {k: v for k, v in delta.items() if k not in known}
            spelling = {} if _FINISH_WORDS[finish] == word else {"stop_reason": word}
            outer = {k: v for k, v in event.items() if k not in ("type", "delta", "usage")}
            if outer:
                spelling["outer"] = outer
            own = Own(_MESSAGES, members, spelling) if members or spelling else None
            events.append(Finished(finish, stop=delta.get("stop_sequence"), own=own))
        return events


class StreamWriter:
    """A stream as server-sent events. `model`: the name the client asked for; usage is always told."""

    def __init__(self, *, model: str, usage: bool = True) -> None:
        self._model = model
        self._parts: dict[int, Part] = {}
        self._places: dict[int, int] = {}
        self._own: Own | None = None  # what the target says of the whole answer
        self._report: Report | None = None
        self._finish: Finished | None = None

    def write(self, event: Event) -> bytes:
        """The event as bytes; empty where it has to wait or this dialect has nothing to say."""
        if isinstance(event, Added):
            return self._added(event)
        if isinstance(event, Started):
            return self._started(event)
        if isinstance(event, Opened):
            return self._opened(event)
        if isinstance(event, Signed):
            return self._signed(event)
        if isinstance(event, Closed):
            complete(self._parts.get(event.index), event.own)
            return self._closed(event.index)
        if isinstance(event, Noted):
            place = self._places.get(event.index)
            note(self._parts.get(event.index), event)
            if place is None or event.own.dialect is not _MESSAGES or annex.MEMBER in event.own.members:
                return b""
            return _event("content_block_delta", {"index": place, "delta": event.own.members})
        if isinstance(event, Finished):
            self._finish = event
            return b""
        if isinstance(event, Metered):
            self._report = event.report
            return b""
        if isinstance(event, Broken):
            return b"event: error\ndata: %b\n\n" % msgspec.json.encode(write_failure(event.failure))
        return self._ended()

    def _started(self, event: Started) -> bytes:
        self._own, self._report = event.own, event.report
        report = write_report(event.report or Report(Tokens()))
        message: Json = {
            "id": event.id,
            "type": "message",
            "role": "assistant",
            "model": self._model or event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": report,
        }
        return _event("message_start", {"message": put_back(message, event.own, _MESSAGES)})

    def _opened(self, event: Opened) -> bytes:
        part = self._parts[event.index] = event.part
        if not _sayable(part):
            return b""
        place = self._places[event.index] = len(self._places)
        if isinstance(part, Call):
            block = write_block(part) | {"input": {}}
        elif isinstance(part, Thought) and part.sealed is None:
            block = {"type": "thinking", "thinking": "", "signature": ""}
        elif isinstance(part, Text):
            block = put_back({"type": "text", "text": ""}, part.own, _MESSAGES)
        elif isinstance(part, Declined):
            block = {"type": "text", "text": ""}
        else:
            block = write_block(part)
        out = _event("content_block_start", {"index": place, "content_block": block})
        begun = part.arguments if isinstance(part, Call) else getattr(part, "text", "")
        if begun:
            if isinstance(part, Call):
                part.arguments = ""
            elif isinstance(part, Text | Thought | Declined):
                part.text = ""
            out += self._added(Added(event.index, begun))
        if isinstance(part, Thought) and part.signature and part.origin is _MESSAGES:
            delta = {"type": "signature_delta", "signature": part.signature}
            out += _event("content_block_delta", {"index": place, "delta": delta})
        return out

    def _added(self, event: Added) -> bytes:
        place, part = self._places.get(event.index), self._parts.get(event.index)
        if place is None:
            return b""
        if isinstance(part, Call):
            part.arguments += event.text
            delta: Json = {"type": "input_json_delta", "partial_json": event.text}
        elif isinstance(part, Thought):
            part.text += event.text
            delta = {"type": "thinking_delta", "thinking": event.text}
        elif isinstance(part, Foreign):
            delta = {"type": "input_json_delta", "partial_json": event.text}
        else:
            if isinstance(part, Text):
                part.text += event.text
            delta = {"type": "text_delta", "text": event.text}
        return _event("content_block_delta", {"index": place, "delta": delta})

    def _signed(self, event: Signed) -> bytes:
        place, part = self._places.get(event.index), self._parts.get(event.index)
        if place is None or not isinstance(part, Thought):
            return b""
        part.signature = (part.signature or "") + event.signature
        if part.origin is not _MESSAGES:
            return b""  # another provider's: told in the annex
        delta = {"type": "signature_delta", "signature": event.signature}
        return _event("content_block_delta", {"index": place, "delta": delta})

    def _closed(self, index: int) -> bytes:
        place, part = self._places.get(index), self._parts.get(index)
        if place is None:
            return b""
        out = b""
        if isinstance(part, Thought) and part.origin is not _MESSAGES:
            delta = {"type": "signature_delta", "signature": UNSIGNED}
            out = _event("content_block_delta", {"index": place, "delta": delta})
        return out + _event("content_block_stop", {"index": place})

    def _ended(self) -> bytes:
        finish = self._finish or Finished(Finish.OTHER)
        word = spelt(finish.own, _MESSAGES, "stop_reason") or _FINISH_WORDS[finish.finish]
        delta: Json = put_back({"stop_reason": word, "stop_sequence": finish.stop}, finish.own, _MESSAGES)
        body: Json = {"delta": delta, "usage": write_report(self._report or Report(Tokens()))}
        out = b""
        if (kept := annex.for_parts(self._parts.values(), _MESSAGES)) is not None:
            place = {"index": len(self._places)}
            out = _event("content_block_start", place | {"content_block": _sealed(kept)})
            out += _event("content_block_stop", place)
        if beside := annex.aside(_MESSAGES, self._own, finish.own):
            body["delta"][annex.MEMBER] = beside
        body |= spelt(finish.own, _MESSAGES, "outer") or {}
        return out + _event("message_delta", body) + _event("message_stop", {})


def _event(name: str, body: Json) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode({"type": name, **body}))
