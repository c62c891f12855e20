"""Providers that speak five formats and answer alike: what is asked decides, not the format it is put in.

With tools and no result yet they call `tide_table`; asked for JSON they answer with it; shown a picture they
say so; else they say when high water is. Streams come in chunks, an event each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from baseload.wire.dialects.converse_frames import frames_of
from tests.gateway.answering import Provider, Sent, answering

SAID = "High water is at six."
CALL = ("tide_table", {"harbour": "Roscoff"})
FORM = {"hour": 6, "harbour": "Roscoff"}
SEEN = "A picture."
INPUT, CACHED, OUTPUT = 20, 5, 7
"""Tokens of every answer."""
Json = dict[str, Any]
Body = bytes | list[bytes]


def pieces(text: str) -> list[str]:
    """The text in the deltas of a stream."""
    return [text[:6], text[6:]]


def _says(body: bytes) -> str | None:
    """What the request is answered with; None for a call of the tool."""
    text = body.decode()
    if "tide_table" in text and "18:00" not in text:
        return None
    if any(word in text for word in ('"json_schema"', "responseMimeType", "output_config", "outputConfig")):
        return json.dumps(FORM)
    if any(word in text for word in ("input_image", "image_url", '"image"', "inlineData")):
        return SEEN
    return SAID


def _events(events: list[Json]) -> list[bytes]:
    return [b"data: %b\n\n" % json.dumps(one).encode() for one in events]


def _named(events: list[Json]) -> list[bytes]:
    return [
        f"event: {one['type']}\n".encode() + line for one, line in zip(events, _events(events), strict=True)
    ]


# -- OpenAI's responses -------------------------------------------------------------------------------------


def response(status: str, output: list[Json], usage: Json | None, **more: Any) -> Json:
    """A response as it stands."""
    return {
        "id": "resp_68a1",
        "object": "response",
        "created_at": 1760000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": "tides-2",
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": True,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
        **more,
    }


RESPONSES_USAGE = {
    "input_tokens": INPUT,
    "input_tokens_details": {"cached_tokens": CACHED},
    "output_tokens": OUTPUT,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": INPUT + OUTPUT,
}


def _item(said: str | None, status: str = "completed") -> Json:
    if said is None:
        arguments = json.dumps(CALL[1])
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": CALL[0]}
        return item | {"arguments": arguments, "status": status}
    part = {"type": "output_text", "text": said, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": [part]}


def _responses_stream(said: str | None) -> list[Json]:
    item = _item(said)
    begun = response("in_progress", [], None)
    place = {"item_id": item["id"], "output_index": 0}
    events: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    if said is None:
        blank = item | {"arguments": "", "status": "in_progress"}
        events.append({"type": "response.output_item.added", "output_index": 0, "item": blank})
        kind = "response.function_call_arguments"
        events += [{"type": f"{kind}.delta", **place, "delta": one} for one in pieces(item["arguments"])]
        done = {"name": CALL[0], "arguments": item["arguments"]}
        events.append({"type": f"{kind}.done", **place, **done})
    else:
        [part] = item["content"]
        blank = item | {"content": [], "status": "in_progress"}
        place["content_index"] = 0
        events += [
            {"type": "response.output_item.added", "output_index": 0, "item": blank},
            {"type": "response.content_part.added", **place, "part": part | {"text": ""}},
            *(
                {"type": "response.output_text.delta", **place, "delta": one, "logprobs": []}
                for one in pieces(said)
            ),
            {"type": "response.output_text.done", **place, "text": said, "logprobs": []},
            {"type": "response.content_part.done", **place, "part": part},
        ]
    events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    whole = response("completed", [item], RESPONSES_USAGE)
    events.append({"type": "response.completed", "response": whole})
    return [{**one, "sequence_number": at} for at, one in enumerate(events)]


def speak_responses(sent: Sent) -> tuple[int, str, Body]:
    """OpenAI's responses."""
    said = _says(sent.body)
    if json.loads(sent.body).get("stream"):
        return 200, "text/event-stream", _named(_responses_stream(said))
    whole = response("completed", [_item(said)], RESPONSES_USAGE)
    return 200, "application/json", json.dumps(whole).encode()


# -- OpenAI's chat completions ------------------------------------------------------------------------------


def speak_chat(sent: Sent) -> tuple[int, str, Body]:
    """OpenAI's chat completions."""
    said, stream = _says(sent.body), json.loads(sent.body).get("stream")
    function = {"name": CALL[0], "arguments": json.dumps(CALL[1])}
    call = {"id": "call_1", "type": "function", "function": function}
    usage = {
        "prompt_tokens": INPUT,
        "prompt_tokens_details": {"cached_tokens": CACHED},
        "completion_tokens": OUTPUT,
        "completion_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": INPUT + OUTPUT,
    }
    head = {"id": "chatcmpl-1", "created": 1760000000, "model": "tides-2"}
    finish = "tool_calls" if said is None else "stop"
    if not stream:
        message: Json = {"role": "assistant", "content": said, "refusal": None}
        if said is None:
            message["tool_calls"] = [call]
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        return 200, "application/json", json.dumps(whole).encode()
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    if said is None:
        first = {"index": 0, **call, "function": {"name": CALL[0], "arguments": ""}}
        deltas.append({"tool_calls": [first]})
        for one in pieces(json.dumps(CALL[1])):
            deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": one}}]})
    else:
        deltas += [{"content": one} for one in pieces(said)]
    head["object"] = "chat.completion.chunk"
    events: list[Json] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    events.append({**head, "choices": [], "usage": usage})
    return 200, "text/event-stream", [*_events(events), b"data: [DONE]\n\n"]


# -- Anthropic's messages -----------------------------------------------------------------------------------


def speak_messages(sent: Sent) -> tuple[int, str, Body]:
    """Anthropic's messages."""
    said, stream = _says(sent.body), json.loads(sent.body).get("stream")
    block: Json = {"type": "text", "text": said}
    if said is None:
        block = {"type": "tool_use", "id": "toolu_1", "name": CALL[0], "input": CALL[1]}
    usage = {
        "input_tokens": INPUT - CACHED,
        "cache_read_input_tokens": CACHED,
        "cache_creation_input_tokens": 0,
        "output_tokens": OUTPUT,
    }
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "tides-2",
        "content": [block],
        "stop_reason": "tool_use" if said is None else "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    if not stream:
        return 200, "application/json", json.dumps(message).encode()
    begun = message | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    blank: Json = {**block, "text": ""} if said is not None else {**block, "input": {}}
    if said is None:
        deltas = [{"type": "input_json_delta", "partial_json": one} for one in pieces(json.dumps(CALL[1]))]
    else:
        deltas = [{"type": "text_delta", "text": one} for one in pieces(said)]
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events: list[Json] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": blank},
        *({"type": "content_block_delta", "index": 0, "delta": one} for one in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": {"output_tokens": OUTPUT}},
        {"type": "message_stop"},
    ]
    return 200, "text/event-stream", _named(events)


# -- Google's generateContent -------------------------------------------------------------------------------


def speak_gemini(sent: Sent) -> tuple[int, str, Body]:
    """Google's generateContent."""
    said = _says(sent.body)
    usage = {
        "promptTokenCount": INPUT,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": OUTPUT,
        "totalTokenCount": INPUT + OUTPUT,
    }
    head = {"modelVersion": "tides-2", "responseId": "r-1"}

    def chunk(part: Json, **more: Any) -> Json:
        return {**head, "candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0, **more}]}

    if said is None:
        part: Json = {"functionCall": {"name": CALL[0], "args": CALL[1]}}
        whole = chunk(part, finishReason="STOP") | {"usageMetadata": usage}
        parts = [whole]
    else:
        whole = chunk({"text": said}, finishReason="STOP") | {"usageMetadata": usage}
        first, last = pieces(said)
        parts = [
            chunk({"text": first}),
            chunk({"text": last}, finishReason="STOP") | {"usageMetadata": usage},
        ]
    if "stream" in sent.path:
        return 200, "text/event-stream", [b"data: %b\r\n\r\n" % json.dumps(one).encode() for one in parts]
    return 200, "application/json", json.dumps(whole).encode()


# -- Bedrock's Converse -------------------------------------------------------------------------------------


def speak_converse(sent: Sent) -> tuple[int, str, Body]:
    """Amazon Bedrock's Converse."""
    said = _says(sent.body)
    usage = {
        "inputTokens": INPUT - CACHED,
        "cacheReadInputTokens": CACHED,
        "cacheWriteInputTokens": 0,
        "outputTokens": OUTPUT,
        "totalTokens": INPUT + OUTPUT,
    }
    stop = "tool_use" if said is None else "end_turn"
    tool = {"toolUseId": "tooluse_1", "name": CALL[0]}
    end = {"usage": usage, "metrics": {"latencyMs": 5}}
    if not sent.path.endswith("converse-stream"):
        block: Json = {"text": said} if said is not None else {"toolUse": {**tool, "input": CALL[1]}}
        message = {"role": "assistant", "content": [block]}
        whole = {"output": {"message": message}, "stopReason": stop, **end}
        return 200, "application/json", json.dumps(whole).encode()
    frames: list[Json] = [{"messageStart": {"role": "assistant"}}]
    if said is None:
        frames.append({"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolUse": tool}}})
        deltas: list[Json] = [{"toolUse": {"input": one}} for one in pieces(json.dumps(CALL[1]))]
    else:
        deltas = [{"text": one} for one in pieces(said)]
    frames += [{"contentBlockDelta": {"contentBlockIndex": 0, "delta": one}} for one in deltas]
    frames += [
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": stop}},
        {"metadata": end},
    ]
    lines = [json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in frames]
    return 200, "application/vnd.amazon.eventstream", [frames_of(line) for line in lines]


SPEAK: dict[str, Callable[[Sent], tuple[int, str, Body]]] = {
    "responses": speak_responses,
    "chat": speak_chat,
    "messages": speak_messages,
    "gemini": speak_gemini,
    "converse": speak_converse,
}
_WRITTEN: dict[str, Json] = {
    "responses": {"responses": True},
    "chat": {},
    "messages": {"format": "anthropic"},
    "gemini": {"format": "gemini"},
    "converse": {"format": "bedrock"},
}
PRICE = {"input": "1.00", "cached_input": "0.10", "output": "5.00"}
COST_NANO = (INPUT - CACHED) * 1_000 + CACHED * 100 + OUTPUT * 5_000
"""What each answer costs at `PRICE`."""


def target(provider: Provider, dialect: str, **changes: Any) -> Json:
    """The configuration of such a provider as a metered target."""
    metered = {"provider": "somebody", "key": "upstream-key", "price": PRICE}
    return {
        "metered": metered,
        "url": provider.url + "/v1",
        "model": "tides-2",
        "region": "us",
        **_WRITTEN[dialect],
        **changes,
    }


@contextmanager
def speaking(dialect: str) -> Iterator[Provider]:
    """A provider of this dialect on a free port."""
    with answering(SPEAK[dialect]) as provider:
        yield provider
