"""Google's own SDK as the judge: what we write of other dialects' exchanges, its types and client take."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import msgspec
import pytest
from google import genai
from google.genai import types

from baseload.errors import RequestError
from baseload.wire.dialects import judging
from baseload.wire.dialects.fold import unfold
from baseload.wire.dialects.gemini_stream import StreamWriter
from baseload.wire.dialects.nouns import Broken, Dialect, Event, Json, Reply, Started
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.recorded import exchanges, payloads

GEMINI = SPEAKERS[Dialect.GEMINI]
OTHERS = [dialect for dialect in sorted(SPEAKERS) if dialect is not Dialect.GEMINI]
TOOL: Json = {
    "type": "function",
    "function": {
        "name": "tide",
        "description": "The tide.",
        "parameters": {
            "type": "object",
            "properties": {"at": {"anyOf": [{"$ref": "#/$defs/day"}, {"type": "null"}]}},
            "additionalProperties": False,
            "$defs": {"day": {"type": "string", "format": "date"}},
        },
    },
}
CHAT: Json = {
    "model": "some-model",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look."}, {"type": "image_url", "image_url": {}}],
        },
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": '{"at":"today"}'}},
                {"id": "c2", "type": "function", "function": {"name": "tide", "arguments": "not JSON"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "6 m"},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {"role": "user", "content": "So?"},
    ],
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "tide"}},
    "max_completion_tokens": 100,
    "temperature": 0.5,
    "top_p": 0.9,
    "seed": 3,
    "stop": ["END"],
    "n": 1,
    "logprobs": True,
    "top_logprobs": 2,
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "answer",
            "schema": {"type": "object", "properties": {"a": {"type": "string"}}},
        },
    },
    "reasoning_effort": "xhigh",
}
CHAT["messages"][1]["content"][1]["image_url"]["url"] = "data:image/png;base64,iVBORw0KGgo="
MESSAGES: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "some-model",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"},
        {"type": "redacted_thinking", "data": "c2VhbGVk"},
        {"type": "text", "text": "Looking."},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "tide"}},
        {"type": "tool_use", "id": "c1", "name": "tide", "input": {"at": "today"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 90, "output_tokens": 7},
}


def check_request(body: Json) -> None:
    """Every part of a request by the SDK's own type, which forbids members that it does not know."""
    for content in body["contents"]:
        types.Content.model_validate(content)
    for name, kind in (
        ("systemInstruction", types.Content),
        ("toolConfig", types.ToolConfig),
        ("generationConfig", types.GenerationConfig),
    ):
        if name in body:
            kind.model_validate(body[name])
    for tool in body.get("tools", ()):
        types.Tool.model_validate(tool)
    known = {"contents", "systemInstruction", "toolConfig", "generationConfig", "tools"}
    assert set(body) <= known


class Server:
    """The SDK's client, whose next request is answered with `answer`."""

    def __init__(self) -> None:
        self.answer = b""
        transport = httpx.Client(
            transport=httpx.MockTransport(lambda _: httpx.Response(200, content=self.answer))
        )
        options = types.HttpOptions(httpx_client=transport)
        self.models = genai.Client(api_key="none", vertexai=False, http_options=options).models


SERVER = Server()


def answered(reply: Reply) -> types.GenerateContentResponse:
    """What the SDK makes of our body."""
    SERVER.answer = msgspec.json.encode(GEMINI.write_reply(copy.deepcopy(reply)))
    return SERVER.models.generate_content(model="m", contents="hello")


def streamed(events: Iterable[Event]) -> list[types.GenerateContentResponse]:
    """What the SDK makes of our stream."""
    writer = StreamWriter(model="", usage=True)
    SERVER.answer = b"".join(writer.write(event) for event in events)
    return list(SERVER.models.generate_content_stream(model="m", contents="hello"))


def said(responses: Iterable[types.GenerateContentResponse]) -> tuple[str, list[tuple[str, Any]]]:
    """The text and the calls of the first candidate, as the SDK has them."""
    text, calls = "", []
    for response in responses:
        for candidate in response.candidates or []:
            first = candidate.content if not candidate.index else None
            for part in (first.parts or []) if first else ():
                if part.text and not part.thought:
                    text += part.text
                if part.function_call:
                    calls.append((part.function_call.name or "", part.function_call.args))
    return text, calls


def meant(reply: Reply) -> tuple[str, list[tuple[str, Any]]]:
    """The same of a reply in our nouns, as our own reader has it."""
    body = GEMINI.write_reply(copy.deepcopy(reply))
    parts = body["candidates"][0]["content"]["parts"] if body.get("candidates") else []
    text = "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
    calls = [(one["name"], one["args"]) for part in parts if (one := part.get("functionCall"))]
    return text, calls


def test_a_request_of_chat_is_taken_by_the_types_of_google() -> None:
    """Tools with references, results, pictures, schemas and reasoning as Google's types have them."""
    prompt = SPEAKERS[Dialect.CHAT].read_request(copy.deepcopy(CHAT))
    prompt.model = "gemini-3-pro-preview"
    judging.judge(prompt, Dialect.CHAT, Dialect.GEMINI)
    body = GEMINI.write_request(prompt)
    check_request(body)
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user", "user"]
    responses = [part["functionResponse"] for part in body["contents"][2]["parts"]]
    assert [(one["name"], one["id"]) for one in responses] == [("tide", "c1"), ("tide", "c2")]
    assert responses[0]["response"] == {"output": "6 m"}
    assert (
        body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == TOOL["function"]["parameters"]
    )
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "HIGH"}


def test_an_answer_of_messages_is_taken_by_the_client_of_google() -> None:
    """Text, call and usage are where the SDK's users look; signed reasoning comes back with their turn."""
    reply = SPEAKERS[Dialect.MESSAGES].read_reply(copy.deepcopy(MESSAGES))
    taken = answered(reply)
    assert taken.text == "Looking."
    assert [call.args for call in taken.function_calls or ()] == [{"at": "today"}]
    usage = taken.usage_metadata
    assert usage is not None
    counts = (usage.prompt_token_count, usage.cached_content_token_count, usage.candidates_token_count)
    assert counts == (95, 90, 7)
    assert taken.candidates is not None
    content = taken.candidates[0].content
    assert content is not None
    turn = content.model_dump(mode="json", by_alias=True, exclude_none=True)
    back = GEMINI.read_request({"contents": [{"role": "user", "parts": [{"text": "Go"}]}, turn]})
    assert SPEAKERS[Dialect.MESSAGES].write_request(back)["messages"][1]["content"] == MESSAGES["content"]


def test_a_stream_of_messages_is_taken_by_the_client_of_google() -> None:
    """As for whole answers; the signed reasoning comes in the last chunk."""
    reply = SPEAKERS[Dialect.MESSAGES].read_reply(copy.deepcopy(MESSAGES))
    taken = streamed(unfold(copy.deepcopy(reply)))
    assert said(taken) == ("Looking.", [("tide", {"at": "today"})])
    assert taken[-1].candidates is not None
    assert taken[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert taken[-1].usage_metadata is not None
    assert taken[-1].usage_metadata.total_token_count == 102


@pytest.mark.parametrize("source", OTHERS)
def test_recorded_requests_are_taken_by_the_types_of_google(shared: Path, source: Dialect) -> None:
    """Every recorded request that the matrix lets through."""
    taken = 0
    for exchange in exchanges(shared, source):
        if not exchange["request"] or exchange["status"] >= 400:
            continue
        prompt = SPEAKERS[source].read_request(copy.deepcopy(exchange["request"]))
        try:
            judging.judge(prompt, source, Dialect.GEMINI)
        except RequestError:
            continue
        check_request(GEMINI.write_request(prompt))
        taken += 1
    assert taken > 20


@pytest.mark.parametrize("source", OTHERS)
def test_recorded_answers_are_taken_by_the_client_of_google(shared: Path, source: Dialect) -> None:
    """Every recorded answer, whole: the SDK has the text and the calls that we meant."""
    for exchange in exchanges(shared, source):
        if exchange["status"] == 200 and "response" in exchange:
            reply = SPEAKERS[source].read_reply(copy.deepcopy(exchange["response"]))
            assert said([answered(reply)]) == meant(reply), exchange["id"]


@pytest.mark.parametrize("source", OTHERS)
def test_recorded_streams_are_taken_by_the_client_of_google(shared: Path, source: Dialect) -> None:
    """Every recorded stream."""
    taken = 0
    for exchange in exchanges(shared, source):
        reader = SPEAKERS[source].reader()
        events = [event for payload in payloads(exchange) for event in reader.read(payload)]
        if exchange["status"] != 200 or sum(isinstance(event, Started) for event in events) != 1:
            continue
        if any(isinstance(event, Broken) for event in events):
            continue
        text, calls = said(streamed(copy.deepcopy(events)))
        writer = StreamWriter(model="", usage=True)
        written = b"".join(writer.write(event) for event in copy.deepcopy(events)).decode()
        parts = [
            part
            for payload in payloads({"response_text": written})
            for candidate in msgspec.json.decode(payload).get("candidates", ())
            if candidate["index"] == 0
            for part in candidate["content"]["parts"]
        ]
        assert text == "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        assert len(calls) == sum("functionCall" in part for part in parts)
        taken += 1
    assert taken > 10
