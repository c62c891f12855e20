"""OpenAI chat completions: answers, whole and streamed."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from baseload.wire import metering
from baseload.wire.dialects import annex, chunks
from baseload.wire.dialects.chat import THOUGHTS, said, write_said
from baseload.wire.dialects.chat_calls import Calls
from baseload.wire.dialects.citing import told_pages
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
    Failure,
    Finish,
    Finished,
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
from baseload.wire.dialects.rest import Rest, objects, put_back, spelt

_CHAT = Dialect.CHAT
_FINISH = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.FILTER,
}
_FINISH_WORDS = {
    Finish.LENGTH: "length",
    Finish.CONTEXT: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.FILTER: "content_filter",
    Finish.REFUSAL: "content_filter",
}
NOISE = frozenset({"obfuscation", "p"})
"""Padding of random length against eavesdroppers: says nothing."""


# -- usage and errors ---------------------------------------------------------------------------------------


def read_report(usage: object, service_tier: object = None) -> Report | None:
    """`usage`, with the answer's service tier; None where there is none."""
    if not isinstance(usage, dict):
        return None
    return Report(metering.chat(usage, service_tier), Own(_CHAT, {}, usage))


def write_report(report: Report) -> Json:
    """`usage`."""
    if report.own is not None and report.own.dialect is _CHAT:
        return report.own.spelling
    tokens = report.tokens
    into = {"cached_tokens": tokens.cached_input, "cache_write_tokens": tokens.cache_write}
    out = {"reasoning_tokens": tokens.reasoning}
    if tokens.apart is not None and tokens.apart.input_audio:
        into["audio_tokens"] = tokens.apart.input_audio
    if tokens.apart is not None and tokens.apart.output_audio:
        out["audio_tokens"] = tokens.apart.output_audio
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": into,
        "completion_tokens_details": out,
    }


def read_failure(body: Json) -> Failure:
    """An error body."""
    detail = body.get("error")
    if not isinstance(detail, dict):
        return Failure(str(detail or body.get("message") or body), own=Own(_CHAT, {}, body))
    code = detail.get("code")
    return Failure(
        str(detail.get("message") or ""),
        detail.get("type"),
        None if code is None else str(code),
        detail.get("param"),
        Own(_CHAT, {}, body),
    )


_STATUS_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def write_failure(failure: Failure, status: int = 500) -> Json:
    """An error body; its type follows the status where the error that came does not say what it is."""
    if failure.own is not None and failure.own.dialect is _CHAT:
        return failure.own.spelling
    return {
        "error": {
            "message": failure.message,
            "type": failure.kind or _kind_of(status),
            "param": failure.param,
            "code": failure.code,
        }
    }


def _kind_of(status: int) -> str:
    return _STATUS_KINDS.get(status) or ("invalid_request_error" if status < 500 else "api_error")


# -- whole --------------------------------------------------------------------------------------------------


def read_reply(body: Json) -> Reply:
    """A whole answer."""
    rest = Rest(body, _CHAT, "")
    choices = [_choice(one, f"choices[{at}]") for at, one in enumerate(rest.need("choices", list))]
    report = read_report(rest.members.get("usage"), rest.members.get("service_tier"))
    if report is not None:
        del rest.members["usage"]
    reply = Reply(rest.take("id", str) or "", rest.take("model", str) or "", choices, report)
    reply.created_s = rest.take("created", int)
    rest.members.pop("object", None)
    reply.own = rest.own()
    return reply


def _choice(value: object, where: str) -> Choice:
    rest = Rest(value, _CHAT, where)
    message = Rest(rest.need("message", dict), _CHAT, f"{where}.message")
    parts, plain = said(message)
    if not plain:
        message.spelling["plain"] = False
    word = rest.take("finish_reason", str)
    choice = Choice(annex.restore(parts, message.members.pop(annex.MEMBER, None)), None)
    if word is not None:
        called = any(isinstance(part, Call) for part in choice.parts)
        choice.finish = _FINISH.get(word, Finish.OTHER).with_calls(called)
        if _word(choice.finish) != word:
            rest.spelling["finish"] = word
    choice.index = rest.take("index", int) or 0
    choice.logprobs = _logprobs(rest)
    message.members.pop("role", None)
    message.spelling["choice"] = rest.own()
    choice.own = message.own()
    return choice


def _logprobs(rest: Rest) -> list[Json] | None:
    held = rest.members.get("logprobs")
    content = objects(held.get("content")) if isinstance(held, dict) else None
    if content is not None:
        rest.spelling["logprobs"] = rest.members.pop("logprobs")
    return content


def _word(finish: Finish | None) -> str | None:
    return None if finish is None else _FINISH_WORDS.get(finish, "stop")


def write_reply(reply: Reply) -> Json:
    """A whole answer as a body."""
    body: Json = {
        "id": reply.id,
        "object": "chat.completion",
        "created": reply.created_s if reply.created_s is not None else int(time.time()),
        "model": reply.model,
        "choices": [_write_choice(reply, choice) for choice in reply.choices],
    }
    if reply.report is not None:
        body["usage"] = write_report(reply.report)
    return put_back(body, reply.own, _CHAT)


def _write_choice(reply: Reply, choice: Choice) -> Json:
    own = choice.own
    ours = own is not None and own.dialect is _CHAT
    message: Json = {"role": "assistant"}
    if not ours:
        message |= {"content": None, "refusal": None}
    # pictures that the model drew are in the annex
    spoken: list[Part] = [part for part in choice.parts if not isinstance(part, Media)]
    write_said(message, spoken, spelt(own, _CHAT, "plain") is not False, own)
    if (kept := annex.for_reply(reply, choice, _CHAT)) is not None:
        message[annex.MEMBER] = kept
    if pages := told_pages(choice.parts, own):
        message["annotations"] = pages
    held = spelt(own, _CHAT, "choice")
    value: Json = {"index": choice.index, "message": put_back(message, own, _CHAT)}
    value["finish_reason"] = spelt(held, _CHAT, "finish") or _word(choice.finish)
    if (logprobs := spelt(held, _CHAT, "logprobs")) is not None:
        value["logprobs"] = logprobs
    elif choice.logprobs is not None:
        value["logprobs"] = {"content": choice.logprobs, "refusal": None}
    elif not ours:
        value["logprobs"] = None
    return put_back(value, held, _CHAT)


# -- streamed -----------------------------------------------------------------------------------------------


class StreamReader:
    """A stream's events, from the data of one server-sent event after the other."""

    def __init__(self) -> None:
        self._begun = False
        self._parts = 0
        self._spoken: dict[int, tuple[str, int]] = {}  # choice → kind and index of the part being said
        self._calls = Calls()

    def read(self, data: bytes) -> list[Event]:
        """The events in one payload. Raises ValueError for what is none of this format."""
        if data.strip() == b"[DONE]":
            return [Ended()]
        chunks.CHAT.decode(data)
        chunk = msgspec.json.decode(data)
        if not isinstance(chunk, dict):
            raise ValueError("an event is no JSON object")
        events: list[Event] = []
        report = read_report(chunk.get("usage"), chunk.get("service_tier"))
        if chunk.get("error"):
            return [*([] if report is None else [Metered(report)]), Broken(read_failure(chunk))]
        if not self._begun:
            self._begun = True
            known = ("id", "model", "created", "object", "choices", "usage", *NOISE)
            own = {name: value for name, value in chunk.items() if name not in known}
            events.append(
                Started(
                    chunk.get("id") or "",
                    chunk.get("model") or "",
                    chunk.get("created"),
                    own=Own(_CHAT, own) if own else None,
                )
            )
        for choice in chunk.get("choices") or ():
            self._choice(choice, events)
        if report is not None:
            events.append(Metered(report))
        return events

    def _choice(self, value: Json, events: list[Event]) -> None:
        choice = value.get("index") or 0
        delta: Json = value.get("delta") or {}
        if text := next(filter(None, map(delta.get, THOUGHTS)), None):  # vLLM says the same under both names
            self._say("thought", Thought(""), choice, text, None, events)
        logprobs = objects((value.get("logprobs") or {}).get("content"))
        if text := delta.get("content"):
            self._say("text", Text(""), choice, text, logprobs, events)
        if text := delta.get("refusal"):
            self._say("refusal", Declined(""), choice, text, logprobs, events)
        for call in delta.get("tool_calls") or ():
            self._call(choice, call, events)
        if annexed := delta.get(annex.MEMBER):
            events.append(Noted(0, Own(_CHAT, {annex.MEMBER: annexed}), choice))
        word = value.get("finish_reason")
        if word is not None:
            self._close(choice, events)
            finish = _FINISH.get(word, Finish.OTHER).with_calls(self._calls.made(choice))
            spelling = {} if _word(finish) == word else {"finish": word}
            events.append(Finished(finish, choice, own=Own(_CHAT, {}, spelling) if spelling else None))

    def _say(
        self, kind: str, part: Part, choice: int, text: str, logprobs: list[Json] | None, events: list[Event]
    ) -> None:
        said_now = self._spoken.get(choice)
        if said_now is None or said_now[0] != kind:
            self._close(choice, events)
            said_now = self._spoken[choice] = (kind, self._parts)
            self._parts += 1
            events.append(Opened(said_now[1], part, choice))
        events.append(Added(said_now[1], text, choice, logprobs))

    def _call(self, choice: int, value: Json, events: list[Event]) -> None:
        if choice in self._spoken:
            self._close(choice, events)
        self._parts += self._calls.take(choice, value, self._parts, events)

    def _close(self, choice: int, events: list[Event]) -> None:
        if (said_now := self._spoken.pop(choice, None)) is not None:
            events.append(Closed(said_now[1], choice))
        self._calls.close(choice, events)


class StreamWriter:
    """A stream as server-sent events. `model`: as the client calls it; `usage`: whether it asked for it."""

    def __init__(self, *, model: str, usage: bool) -> None:
        self._model = model
        self._usage = usage
        self._base: Json = {}
        self._parts: dict[int, Part] = {}
        self._calls: dict[int, int] = {}
        self._in_choice: dict[int, list[Part]] = {}  # the parts a choice has so far
        self._own: Own | None = None  # what the target says of the whole answer
        self._report: Report | None = None

    def write(self, event: Event) -> bytes:
        """The event as bytes; empty where this dialect has nothing to say."""
        if isinstance(event, Added):
            return self._added(event)
        if isinstance(event, Started):
            self._base = {
                "id": event.id,
                "object": "chat.completion.chunk",
                "created": event.created_s if event.created_s is not None else int(time.time()),
                "model": self._model or event.model,
            }
            self._own = event.own
            if event.own is not None and event.own.dialect is _CHAT:
                self._base |= event.own.members
            self._report = event.report
            return self._delta(0, {"role": "assistant", "content": ""})
        if isinstance(event, Opened):
            return self._opened(event)
        if isinstance(event, Signed):
            part = self._parts.get(event.index)
            if isinstance(part, Thought):
                part.signature = (part.signature or "") + event.signature
            return b""
        if isinstance(event, Closed):
            complete(self._parts.get(event.index), event.own)
            return b""
        if isinstance(event, Noted):
            note(self._parts.get(event.index), event)
            return b""
        if isinstance(event, Finished):
            return self._finished(event)
        if isinstance(event, Metered):
            self._report = event.report
            return b""
        if isinstance(event, Broken):
            return sse(write_failure(event.failure))
        if isinstance(event, Ended):
            return self._ended()
        return b""

    def _added(self, event: Added) -> bytes:
        part = self._parts.get(event.index)
        if isinstance(part, Call):
            part.arguments += event.text
            function = {"arguments": event.text}
            return self._delta(
                event.choice, {"tool_calls": [{"index": self._calls[event.index], "function": function}]}
            )
        if isinstance(part, Thought):
            part.text += event.text
            return self._delta(event.choice, {THOUGHTS[0]: event.text})
        if isinstance(part, Declined):
            part.text += event.text
            return self._delta(event.choice, {"refusal": event.text})
        if isinstance(part, Text):
            part.text += event.text
            return self._delta(event.choice, {"content": event.text}, logprobs=event.logprobs)
        return b""

    def _opened(self, event: Opened) -> bytes:
        part = self._parts[event.index] = event.part
        before = self._in_choice.setdefault(event.choice, [])
        before.append(part)
        if isinstance(part, Call):
            at = self._calls[event.index] = sum(isinstance(one, Call) for one in before) - 1
            function = {"name": part.name, "arguments": part.arguments}
            call = {"index": at, "id": part.id, "type": "function", "function": function}
            return self._delta(event.choice, {"tool_calls": [call]})
        if isinstance(part, Text | Declined | Thought) and part.text:
            text, part.text = part.text, ""
            return self._added(Added(event.index, text, event.choice))
        return b""

    def _finished(self, event: Finished) -> bytes:
        parts = self._in_choice.get(event.choice, [])
        kept = annex.for_answer(parts, _CHAT, self._own, event.own)
        word = spelt(event.own, _CHAT, "finish") or _word(event.finish)
        last: Json = {annex.MEMBER: kept} if kept else {}
        if pages := told_pages(parts, event.own):
            last["annotations"] = pages
        return self._delta(event.choice, last, finish=word)

    def _ended(self) -> bytes:
        end = b"data: [DONE]\n\n"
        if not self._usage or self._report is None:
            return end
        return sse(self._base | {"choices": [], "usage": write_report(self._report)}) + end

    def _delta(
        self, choice: int, delta: Json, *, finish: str | None = None, logprobs: list[Json] | None = None
    ) -> bytes:
        held: Any = None if logprobs is None else {"content": logprobs, "refusal": None}
        one = {"index": choice, "delta": delta, "logprobs": held, "finish_reason": finish}
        return sse(self._base | {"choices": [one]})


def sse(value: Json) -> bytes:
    """One server-sent event."""
    return b"data: %b\n\n" % msgspec.json.encode(value)
