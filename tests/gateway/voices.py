"""Answers of providers in their own formats, written by hand, and what was asked of them.

For tests with official SDKs: nothing here uses the translators that stand between client and target.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from baseload.core import Format
from baseload.wire.dialects.converse_frames import frames_of
from tests.gateway.replaying import Said

INPUT, OUTPUT = 20, 9
"""Tokens that every answer reports."""


class Called(NamedTuple):
    """A tool call."""

    id: str
    name: str
    arguments: dict[str, Any]

    @property
    def pieces(self) -> list[str]:
        """The arguments as they stream."""
        text = json.dumps(self.arguments)
        return [text[at : at + 7] for at in range(0, len(text), 7)]


class Thinks(NamedTuple):
    """Reasoning, signed."""

    text: str
    signature: str


Part = str | Called | Thinks


def say(format_: Format, *parts: Part, stream: bool) -> Said:
    """These parts as a provider of this format says them; it stops for calls, else at its end."""
    calls = any(isinstance(part, Called) for part in parts)
    if stream:
        return _STREAMS[format_](parts, calls)
    return Said(200, "application/json", (json.dumps(_WHOLE[format_](parts, calls)).encode(),))


def refuse(format_: Format, status: int, message: str, *headers: tuple[str, str]) -> Said:
    """An error of this format."""
    kind = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error"}.get(status)
    kind = kind or {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
    body: Any = {"message": message}
    if format_ is Format.OPENAI:
        body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    elif format_ in _ANTHROPICS:
        body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    elif format_ is Format.GEMINI:
        words = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
        word = words.get(status, "UNAVAILABLE" if status == 503 else "INTERNAL")
        body = {"error": {"code": status, "message": message, "status": word}}
    return Said(status, "application/json", (json.dumps(body).encode(),), headers)


def break_off(format_: Format, text: str) -> Said:
    """A stream that says this and then an error, so late that what it said is with the client by then."""
    whole = say(format_, f"{text} unsaid", stream=True).pieces
    said = whole[: next(at for at, piece in enumerate(whole) if b"unsaid" in piece)]
    message = "the model fell over"
    if format_ is Format.BEDROCK:
        last = frames_of(
            json.dumps({"modelStreamErrorException": {"message": message}}).replace(": ", ":").encode()
        )
    elif format_ in _ANTHROPICS:
        error = {"type": "error", "error": {"type": "overloaded_error", "message": message}}
        last = b"event: error\ndata: %b\n\n" % json.dumps(error).encode()
    else:
        last = b"data: %b\n\n" % json.dumps({"error": {"message": message, "code": 500}}).encode()
    return Said(200, _CONTENT[format_], (*said, last), pause_s=0.1)


_ANTHROPICS = (Format.ANTHROPIC, Format.ANTHROPIC_VERTEX)
_SSE = "text/event-stream"
_CONTENT = dict.fromkeys(Format, _SSE) | {Format.BEDROCK: "application/vnd.amazon.eventstream"}


def _words(text: str) -> list[str]:
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]


# -- OpenAI -------------------------------------------------------------------------------------------------

_CHUNK = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1700000000, "model": "some-model"}
_OPENAI_USAGE = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}


def _openai_call(part: Called, arguments: str) -> Any:
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": arguments}}


def _openai(parts: Iterable[Part], calls: bool) -> Any:
    text = "".join(part for part in parts if isinstance(part, str)) or None
    message: Any = {"role": "assistant", "content": text, "refusal": None}
    if calls:
        called = [part for part in parts if isinstance(part, Called)]
        message["tool_calls"] = [_openai_call(part, json.dumps(part.arguments)) for part in called]
    finish = "tool_calls" if calls else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    said: Any = {**_CHUNK, "object": "chat.completion"}
    return said | {"choices": [choice], "usage": _OPENAI_USAGE}


def _openai_stream(parts: Iterable[Part], calls: bool) -> Said:
    deltas: list[Any] = [{"role": "assistant", "content": ""}]
    number = 0
    for part in parts:
        if isinstance(part, str):
            deltas += [{"content": word} for word in _words(part)]
        elif isinstance(part, Called):
            deltas.append({"tool_calls": [{"index": number, **_openai_call(part, "")}]})
            deltas += [
                {"tool_calls": [{"index": number, "function": {"arguments": piece}}]} for piece in part.pieces
            ]
            number += 1
    chunks: list[Any] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append(
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}]}
    )
    chunks.append({"choices": [], "usage": _OPENAI_USAGE})
    events = [b"data: %b\n\n" % json.dumps({**_CHUNK, **chunk}).encode() for chunk in chunks]
    return Said(200, _SSE, (*events, b"data: [DONE]\n\n"))


# -- Anthropic ----------------------------------------------------------------------------------------------

_MESSAGE = {"id": "msg_7", "type": "message", "role": "assistant", "model": "some-model"}


def _block(part: Part) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, Called):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _anthropic(parts: Iterable[Part], calls: bool) -> Any:
    ending = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
    usage = {"input_tokens": INPUT, "output_tokens": OUTPUT}
    return {**_MESSAGE, "content": [_block(part) for part in parts], **ending, "usage": usage}


def _anthropic_stream(parts: Iterable[Part], calls: bool) -> Said:
    usage = {"input_tokens": INPUT, "output_tokens": 1}
    message: Any = {**_MESSAGE, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    events: list[Any] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for index, part in enumerate(parts):
        empty: Any = {"type": "text", "text": ""}
        deltas: list[Any] = []
        if isinstance(part, str):
            deltas = [{"type": "text_delta", "text": word} for word in _words(part)]
        elif isinstance(part, Called):
            empty = _block(part) | {"input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in part.pieces]
        else:
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": word} for word in _words(part.text)]
            deltas.append({"type": "signature_delta", "signature": part.signature})
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": OUTPUT}})
    events.append({"type": "message_stop"})
    framed = (b"event: %b\ndata: %b\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in events)
    return Said(200, _SSE, tuple(framed))


# -- Google -------------------------------------------------------------------------------------------------


def _google_parts(parts: Iterable[Part], *, stream: bool) -> list[Any]:
    """What was thought is signed in the part that follows."""
    made: list[Any] = []
    signature: Any = {}
    for part in parts:
        if isinstance(part, Thinks):
            made.append({"text": part.text, "thought": True})
            signature = {"thoughtSignature": part.signature}
            continue
        if isinstance(part, str):
            said: Any = [{"text": word} for word in (_words(part) if stream else [part])]
        else:
            said = [{"functionCall": {"id": part.id, "name": part.name, "args": part.arguments}}]
        made += [said[0] | signature, *said[1:]]
        signature = {}
    return made


def _google_chunk(parts: list[Any], *, last: bool) -> Any:
    candidate: Any = {"content": {"role": "model", "parts": parts}, "index": 0}
    said: Any = {"candidates": [candidate], "modelVersion": "some-model", "responseId": "g7"}
    if last:
        candidate["finishReason"] = "STOP"
        counts = {"promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT}
        said["usageMetadata"] = counts | {"totalTokenCount": INPUT + OUTPUT}
    return said


def _google(parts: Iterable[Part], calls: bool) -> Any:
    return _google_chunk(_google_parts(parts, stream=False), last=True)


def _google_stream(parts: Iterable[Part], calls: bool) -> Said:
    pieces = _google_parts(parts, stream=True)
    chunks = [_google_chunk([piece], last=piece is pieces[-1]) for piece in pieces]
    return Said(200, _SSE, tuple(b"data: %b\r\n\r\n" % json.dumps(chunk).encode() for chunk in chunks))


# -- Amazon -------------------------------------------------------------------------------------------------

_AMAZON_USAGE = {"inputTokens": INPUT, "outputTokens": OUTPUT, "totalTokens": INPUT + OUTPUT}


def _amazon_block(part: Part) -> Any:
    if isinstance(part, str):
        return {"text": part}
    if isinstance(part, Called):
        return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": part.arguments}}
    return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}


def _amazon(parts: Iterable[Part], calls: bool) -> Any:
    message = {"role": "assistant", "content": [_amazon_block(part) for part in parts]}
    ending = {"stopReason": "tool_use" if calls else "end_turn", "metrics": {"latencyMs": 5}}
    return {"output": {"message": message}, **ending, "usage": _AMAZON_USAGE}


def _amazon_stream(parts: Iterable[Part], calls: bool) -> Said:
    events: list[Any] = [{"messageStart": {"role": "assistant"}}]
    for index, part in enumerate(parts):
        at = {"contentBlockIndex": index}
        if isinstance(part, str):
            deltas: list[Any] = [{"text": word} for word in _words(part)]
        elif isinstance(part, Called):
            start = {"toolUse": {"toolUseId": part.id, "name": part.name}}
            events.append({"contentBlockStart": {**at, "start": start}})
            deltas = [{"toolUse": {"input": piece}} for piece in part.pieces]
        else:
            deltas = [{"reasoningContent": {"text": word}} for word in _words(part.text)]
            deltas.append({"reasoningContent": {"signature": part.signature}})
        events += [{"contentBlockDelta": {**at, "delta": delta}} for delta in deltas]
        events.append({"contentBlockStop": at})
    events.append({"messageStop": {"stopReason": "tool_use" if calls else "end_turn"}})
    events.append({"metadata": {"usage": _AMAZON_USAGE, "metrics": {"latencyMs": 5}}})
    lines = (json.dumps(one, separators=(",", ":")).encode() for one in events)
    return Said(200, _CONTENT[Format.BEDROCK], tuple(map(frames_of, lines)))


_WHOLE = {
    Format.OPENAI: _openai,
    Format.ANTHROPIC: _anthropic,
    Format.ANTHROPIC_VERTEX: _anthropic,
    Format.GEMINI: _google,
    Format.BEDROCK: _amazon,
}
_STREAMS = {
    Format.OPENAI: _openai_stream,
    Format.ANTHROPIC: _anthropic_stream,
    Format.ANTHROPIC_VERTEX: _anthropic_stream,
    Format.GEMINI: _google_stream,
    Format.BEDROCK: _amazon_stream,
}

FORMATS = tuple(_WHOLE)
"""The formats that answers are written in here."""


# -- what was asked -----------------------------------------------------------------------------------------


@dataclass
class Asked:
    """A request as a provider reads it: names of tools, bytes of pictures, what tools gave, a schema."""

    tools: list[str] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    schema: Any = None


def asked(format_: Format, body: bytes) -> Asked:
    """What a request of this format asks."""
    value = json.loads(body)
    return {
        Format.OPENAI: _asked_openai,
        Format.ANTHROPIC: _asked_anthropic,
        Format.ANTHROPIC_VERTEX: _asked_anthropic,
        Format.GEMINI: _asked_google,
        Format.BEDROCK: _asked_amazon,
    }[format_](value)


def _asked_openai(value: Any) -> Asked:
    found = Asked([tool["function"]["name"] for tool in value.get("tools") or ()])
    for message in value["messages"]:
        if message["role"] == "tool":
            found.results.append(_plain(message["content"]))
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            if part["type"] == "image_url":
                found.pictures.append(base64.b64decode(part["image_url"]["url"].partition("base64,")[2]))
    form = value.get("response_format") or {}
    found.schema = form.get("json_schema", {}).get("schema")
    return found


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


def _asked_anthropic(value: Any) -> Asked:
    found = Asked([tool["name"] for tool in value.get("tools") or ()])
    for message in value["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "tool_result":
                found.results.append(_plain(block["content"]))
            elif block["type"] == "image":
                found.pictures.append(base64.b64decode(block["source"]["data"]))
            elif block["type"] == "thinking":
                found.signatures.append(block["signature"])
    found.schema = ((value.get("output_config") or {}).get("format") or {}).get("schema")
    return found


def _asked_google(value: Any) -> Asked:
    declared = [one for tool in value.get("tools") or () for one in tool.get("functionDeclarations", ())]
    found = Asked([one["name"] for one in declared])
    for content in value["contents"]:
        for part in content["parts"]:
            if "thoughtSignature" in part:
                found.signatures.append(part["thoughtSignature"])
            if "functionResponse" in part:
                found.results.append(part["functionResponse"]["response"]["output"])
            elif "inlineData" in part:
                found.pictures.append(base64.b64decode(part["inlineData"]["data"]))
    found.schema = (value.get("generationConfig") or {}).get("responseJsonSchema")
    return found


def _asked_amazon(value: Any) -> Asked:
    tools = (value.get("toolConfig") or {}).get("tools") or ()
    found = Asked([tool["toolSpec"]["name"] for tool in tools])
    for message in value["messages"]:
        for block in message["content"]:
            if "toolResult" in block:
                found.results.append(_plain(block["toolResult"]["content"]))
            elif "image" in block:
                found.pictures.append(base64.b64decode(block["image"]["source"]["bytes"]))
            elif "reasoningContent" in block:
                found.signatures.append(block["reasoningContent"]["reasoningText"]["signature"])
    form = ((value.get("outputConfig") or {}).get("textFormat") or {}).get("structure") or {}
    text = form.get("jsonSchema", {}).get("schema")
    found.schema = json.loads(text) if text else None
    return found
