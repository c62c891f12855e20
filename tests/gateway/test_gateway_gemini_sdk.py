"""Google's SDK generates content; every target answers, whatever it speaks, natively or translated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest
from google import genai
from google.genai import errors, types

from tests.gateway.answering import Provider, Sent, answering
from tests.gateway.running import MakeGateway, RunningGateway
from tests.gateway.speaking import (
    CALL,
    COST_NANO,
    FORM,
    INPUT,
    OUTPUT,
    SAID,
    SEEN,
    SPEAK,
    speak_chat,
    speak_gemini,
    speaking,
    target,
)

TIDES: Any = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="tide_table",
            description="When high water is.",
            parameters=types.Schema(
                type=types.Type.OBJECT, properties={"harbour": types.Schema(type=types.Type.STRING)}
            ),
        )
    ]
)
PIXEL = b"\x89PNG\r\n"


class Tide(pydantic.BaseModel):
    """What structured output is asked for."""

    hour: int
    harbour: str


def client_of(gateway: RunningGateway, key: str = "", **options: Any) -> genai.Client:
    """The SDK before this gateway."""
    base_url = gateway.url.removesuffix("/v1")
    return genai.Client(
        api_key=key or gateway.key, http_options=types.HttpOptions(base_url=base_url, **options)
    )


class Before(tuple[RunningGateway, Provider, genai.Client]):
    """A gateway, the provider behind it, and the SDK before it."""

    @property
    def gateway(self) -> RunningGateway:
        return self[0]

    @property
    def provider(self) -> Provider:
        return self[1]

    @property
    def client(self) -> genai.Client:
        return self[2]


@pytest.fixture(params=sorted(SPEAK))
def before(request: pytest.FixtureRequest, make_gateway: MakeGateway) -> Iterator[Before]:
    """The SDK before a gateway with one target, of each dialect in turn."""
    dialect: str = request.param
    with speaking(dialect) as one:
        written = target(one, dialect)
        if written.pop("responses", False):
            written["format"] = "responses"
        gateway = make_gateway({"tides": written})
        with client_of(gateway) as client:
            yield Before((gateway, one, client))


def test_a_whole_answer(before: Before) -> None:
    """Text, usage, the reason it ended; the ledger has the target's own count and cost."""
    told = before.client.models.generate_content(
        model="chat",
        contents="When is high water?",
        config=types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=50),
    )
    assert (told.text, told.candidates[0].finish_reason) == (SAID, types.FinishReason.STOP)  # type: ignore[index]
    usage = told.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (INPUT, 5)
    assert (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) == OUTPUT
    assert told.sdk_http_response is not None
    headers = told.sdk_http_response.headers
    assert headers is not None
    assert headers["x-baseload-target"] == "tides"
    assert headers["x-baseload-cost-usd"] == f"{COST_NANO / 1e9:.9f}"
    (row,) = before.gateway.settled(1)
    assert (row["endpoint"], row["outcome"], row["estimated"]) == ("gemini.generate", "completed", 0)
    assert (row["input_tokens"], row["cached_input_tokens"], row["output_tokens"]) == (INPUT, 5, OUTPUT)
    assert row["cost_nano"] == COST_NANO


def test_a_streamed_answer(before: Before) -> None:
    """The text comes in pieces; the last one has the reason and the usage."""
    *first, last = before.client.models.generate_content_stream(model="chat", contents="When is high water?")
    chunks = [*first, last]
    assert "".join(chunk.text or "" for chunk in chunks) == SAID
    assert sum(bool(chunk.text) for chunk in chunks) == 2
    assert last.candidates[0].finish_reason is types.FinishReason.STOP  # type: ignore[index]
    assert last.usage_metadata is not None
    assert last.usage_metadata.prompt_token_count == INPUT
    (row,) = before.gateway.settled(1)
    assert (row["stream"], row["output_tokens"], row["estimated"]) == (1, OUTPUT, 0)
    assert row["cost_nano"] == COST_NANO


@pytest.mark.parametrize("streamed", [False, True])
def test_a_chat_session(before: Before, streamed: bool) -> None:
    """The SDK keeps the history: the second turn sends what the first one was answered."""
    chat = before.client.chats.create(model="chat")
    for question in ("When is high water?", "And tomorrow?"):
        if streamed:
            text = "".join(chunk.text or "" for chunk in chat.send_message_stream(question))
        else:
            text = chat.send_message(question).text or ""
        assert text == SAID
    assert [content.role for content in chat.get_history(curated=True)][:2] == ["user", "model"]
    sent = before.provider.calls[-1].body.decode()
    assert "High w" in sent
    assert "And tomorrow?" in sent
    assert "baseload" not in sent


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_read(before: Before, streamed: bool) -> None:
    """A call with its arguments; the content of the answer goes back with the result, and text comes."""
    models = before.client.models
    config = types.GenerateContentConfig(tools=[TIDES])
    history: list[Any] = [types.Content(role="user", parts=[types.Part(text="When at Roscoff?")])]
    if streamed:
        chunks = list(models.generate_content_stream(model="chat", contents=history, config=config))
        parts = [
            part
            for chunk in chunks
            for candidate in chunk.candidates or ()
            if candidate.content is not None
            for part in candidate.content.parts or ()
        ]
    else:
        whole = models.generate_content(model="chat", contents=history, config=config)
        parts = whole.candidates[0].content.parts  # type: ignore[index,union-attr,assignment]
    [call] = [part.function_call for part in parts if part.function_call is not None]
    assert (call.name, call.args) == CALL
    history.append(types.Content(role="model", parts=parts))
    answer = types.FunctionResponse(id=call.id, name=call.name, response={"at": "18:00"})
    history.append(types.Content(role="user", parts=[types.Part(function_response=answer)]))
    second = models.generate_content(model="chat", contents=history, config=config)
    assert second.text == SAID
    assert b"18:00" in before.provider.calls[-1].body


def test_functions_are_called_by_the_sdk_itself(before: Before) -> None:
    """Automatic function calling: the SDK runs the Python function and asks again."""
    asked: list[str] = []

    def tide_table(harbour: str) -> str:
        """When high water is."""
        asked.append(harbour)
        return "18:00"

    config = types.GenerateContentConfig(tools=[tide_table])
    told = before.client.models.generate_content(model="chat", contents="When at Roscoff?", config=config)
    assert (told.text, asked) == (SAID, ["Roscoff"])
    assert len(before.provider.calls) == 2


def test_a_picture_is_shown(before: Before) -> None:
    """Inline bytes reach the target as its own format has them."""
    picture = types.Part.from_bytes(data=PIXEL, mime_type="image/png")
    contents: Any = ["What is this?", picture]
    told = before.client.models.generate_content(model="chat", contents=contents)
    assert told.text == SEEN
    assert b"iVBORw0K" in before.provider.calls[-1].body


def test_structured_output_is_parsed(before: Before) -> None:
    """`response_schema` reaches the target; the answer is the model's object."""
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Tide)
    told = before.client.models.generate_content(model="chat", contents="When?", config=config)
    assert told.parsed == Tide(**FORM)  # type: ignore[arg-type]


async def ask_async(gateway: RunningGateway) -> tuple[str | None, str]:
    """One answer whole and one streamed, by the SDK's asynchronous client."""
    async with client_of(gateway).aio as client:
        whole = await client.models.generate_content(model="chat", contents="When?")
        stream = await client.models.generate_content_stream(model="chat", contents="When?")
        return whole.text, "".join([chunk.text or "" async for chunk in stream])


def test_the_asynchronous_client(before: Before) -> None:
    """The same answers by `client.aio`."""
    assert asyncio.run(ask_async(before.gateway)) == (SAID, SAID)


def test_tokens_are_counted(make_gateway: MakeGateway) -> None:
    """By the target where it speaks Google's format, else estimated; neither costs anything."""

    def counting(sent: Sent) -> tuple[int, str, bytes]:
        assert sent.path == "/v1/models/tides-2:countTokens"
        return 200, "application/json", b'{"totalTokens":31}'

    with answering(counting) as native, speaking("chat") as chat, speaking("messages") as messages:
        told = {}
        for name, provider in (("gemini", native), ("chat", chat), ("messages", messages)):
            gateway = make_gateway({"tides": target(provider, name)})
            with client_of(gateway) as client:
                told[name] = client.models.count_tokens(model="chat", contents="x" * 400).total_tokens
        assert (told["gemini"], told["chat"], told["messages"]) == (31, 100, 100)
        assert chat.calls == messages.calls == []


EMBEDDED = {"embeddings": [{"values": [0.5, 0.25]}], "embedding": {"values": [0.5, 0.25]}}


def test_content_is_embedded_where_google_serves_it(make_gateway: MakeGateway) -> None:
    """The model's own name in path and body; refused by name where no target speaks Google's format."""
    body = json.dumps(EMBEDDED).encode()
    contents: Any = ["When?", "Where?"]
    with answering(lambda _: (200, "application/json", body)) as native, speaking("chat") as chat:
        gateway = make_gateway({"tides": target(native, "gemini")})
        with client_of(gateway) as client:
            told = client.models.embed_content(model="chat", contents=contents)
        (row,) = gateway.settled(1)
        other = make_gateway({"tides": target(chat, "chat")})
        with client_of(other) as client, pytest.raises(errors.ClientError, match="does not serve"):
            client.models.embed_content(model="chat", contents=contents)
    assert told.embeddings is not None
    assert told.embeddings[0].values == [0.5, 0.25]
    (call,) = native.calls
    assert call.path == "/v1/models/tides-2:batchEmbedContents"
    sent = json.loads(call.body)
    assert {one["model"] for one in sent["requests"]} == {"models/tides-2"}
    assert row["endpoint"] == "gemini.batch_embed"
    assert (row["output_tokens"], row["estimated"]) == (0, 1)
    assert row["input_tokens"] > 0


def test_models_are_listed(make_gateway: MakeGateway) -> None:
    """Those that the key may ask for, each by its name, with the calls it takes."""
    with speaking("gemini") as native, speaking("chat") as chat:
        targets = {"a": target(native, "gemini"), "b": target(chat, "chat")}
        models = {name: {"metered": [one], "slo": {"ttft": "2s"}} for name, one in (("x", "a"), ("y", "b"))}
        gateway = make_gateway(targets, models)
        for version in ("v1beta", "v1"):
            with client_of(gateway, api_version=version) as client:
                listed = {model.name: model for model in client.models.list()}
                one = client.models.get(model="x")
                with pytest.raises(errors.ClientError) as caught:
                    client.models.get(model="z")
            assert set(listed) == {"models/x", "models/y"}
            assert one.name == "models/x"
            assert caught.value.code == 404
            assert "generateContent" in (listed["models/y"].supported_actions or [])
            assert "embedContent" not in (listed["models/y"].supported_actions or [])
            assert "embedContent" in (one.supported_actions or [])


# -- reasoning ----------------------------------------------------------------------------------------------


def test_signed_thoughts_come_back_to_who_signed_them(make_gateway: MakeGateway) -> None:
    """Over two turns a native target gets its own signature back, byte for byte."""
    thought = {"text": "Hm.", "thought": True}
    call = {"functionCall": {"name": CALL[0], "args": CALL[1]}, "thoughtSignature": "c2lnbmVk"}

    def thinking(sent: Sent) -> tuple[int, str, Any]:
        status, content, body = speak_gemini(sent)
        assert isinstance(body, bytes)
        value = json.loads(body)
        if "18:00" not in sent.body.decode():
            value["candidates"][0]["content"]["parts"] = [thought, call]
        return status, content, json.dumps(value).encode()

    with answering(thinking) as native:
        gateway = make_gateway({"tides": target(native, "gemini")})
        config = types.GenerateContentConfig(
            tools=[TIDES], thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=100)
        )
        with client_of(gateway) as client:
            chat = client.chats.create(model="chat", config=config)
            first = chat.send_message("When at Roscoff?")
            parts = first.candidates[0].content.parts  # type: ignore[index,union-attr]
            assert parts is not None
            assert (parts[0].thought, parts[0].text) == (True, "Hm.")
            answer = types.Part.from_function_response(name=CALL[0], response={"at": "18:00"})
            assert chat.send_message(answer).text == SAID
    again = json.loads(native.calls[-1].body)["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in again] == [None, "c2lnbmVk"]
    asked = json.loads(native.calls[-1].body)["generationConfig"]["thinkingConfig"]
    assert 100 in asked.values()


@pytest.mark.parametrize("streamed", [False, True])
def test_anothers_reasoning_comes_back_to_it(make_gateway: MakeGateway, streamed: bool) -> None:
    """Anthropic's signed thinking reaches it again in the next turn, through the SDK's own history."""
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
    used = {"type": "tool_use", "id": "toolu_1", "name": CALL[0], "input": CALL[1]}
    usage = {"input_tokens": INPUT, "output_tokens": OUTPUT}
    message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    message |= {"content": [thinking, used], "stop_reason": "tool_use", "stop_sequence": None, "usage": usage}

    def named(event: dict[str, Any]) -> bytes:
        return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()

    def events() -> list[bytes]:
        deltas: list[dict[str, Any]] = [
            {"type": "message_start", "message": message | {"content": [], "stop_reason": None}}
        ]
        blank = ({**thinking, "thinking": "", "signature": ""}, {**used, "input": {}})
        said: tuple[list[dict[str, Any]], ...] = (
            [
                {"type": "thinking_delta", "thinking": "Hm."},
                {"type": "signature_delta", "signature": "c2lnbmVk"},
            ],
            [{"type": "input_json_delta", "partial_json": json.dumps(CALL[1])}],
        )
        for at, block in enumerate(blank):
            deltas.append({"type": "content_block_start", "index": at, "content_block": block})
            deltas += [{"type": "content_block_delta", "index": at, "delta": one} for one in said[at]]
            deltas.append({"type": "content_block_stop", "index": at})
        ending = {"stop_reason": "tool_use", "stop_sequence": None}
        deltas.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": OUTPUT}})
        return [named(one) for one in (*deltas, {"type": "message_stop"})]

    def answer(sent: Sent) -> tuple[int, str, Any]:
        if "18:00" in sent.body.decode():
            return SPEAK["messages"](sent)
        if json.loads(sent.body).get("stream"):
            return 200, "text/event-stream", events()
        return 200, "application/json", json.dumps(message).encode()

    config = types.GenerateContentConfig(
        tools=[TIDES],
        max_output_tokens=4000,
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024),
    )
    with answering(answer) as other:
        gateway = make_gateway({"tides": target(other, "messages", model="claude-sonnet-4-5")})
        with client_of(gateway) as client:
            chat = client.chats.create(model="chat", config=config)
            if streamed:
                list(chat.send_message_stream("When at Roscoff?"))
            else:
                chat.send_message("When at Roscoff?")
            answered = types.Part.from_function_response(name=CALL[0], response={"at": "18:00"})
            assert chat.send_message(answered).text == SAID
    (said,) = [one for one in json.loads(other.calls[-1].body)["messages"] if one["role"] == "assistant"]
    assert said["content"] == [thinking, used]


# -- errors and retries -------------------------------------------------------------------------------------


def test_errors_are_the_sdks_own(before: Before) -> None:
    """A wrong key, an unknown model and a bad field raise what Google's SDK raises for them."""
    with client_of(before.gateway, "bl_wrong") as stranger, pytest.raises(errors.ClientError) as caught:
        stranger.models.generate_content(model="chat", contents="x")
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
    with pytest.raises(errors.ClientError, match="there is no model 'other'") as caught:
        before.client.models.generate_content(model="other", contents="x")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    config = types.GenerateContentConfig(max_output_tokens=0)
    with pytest.raises(errors.ClientError) as caught:
        before.client.models.generate_content(model="chat", contents="x", config=config)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    [info, violation] = caught.value.details["error"]["details"]
    assert (info["reason"], info["metadata"]["code"]) == ("INVALID_FIELD", "invalid_field")
    assert violation["fieldViolations"][0]["field"] == "generationConfig.maxOutputTokens"
    assert before.provider.calls == []


def test_a_limit_says_when_to_come_again(make_gateway: MakeGateway) -> None:
    """429 in Google's word, with the delay where its clients look for it."""
    with speaking("gemini") as one:
        gateway = make_gateway(
            {"tides": target(one, "gemini")}, tenants={"shop": {"limits": {"requests_per_minute": 1}}}
        )
        with client_of(gateway) as client:
            assert client.models.generate_content(model="chat", contents="x").text == SAID
            with pytest.raises(errors.ClientError) as caught:
                client.models.generate_content(model="chat", contents="x")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    kinds = {one["@type"].rpartition(".")[2]: one for one in caught.value.details["error"]["details"]}
    assert float(kinds["RetryInfo"]["retryDelay"].removesuffix("s")) > 0


@pytest.mark.parametrize("dialect", ["gemini", "chat", "messages"])
def test_a_failing_target_is_a_server_error(make_gateway: MakeGateway, dialect: str) -> None:
    """5xx of the only target: the SDK's ServerError, whatever the target speaks."""
    with answering(lambda _: (500, "application/json", b'{"error":{"message":"sorry"}}')) as one:
        gateway = make_gateway({"tides": target(one, dialect)})
        with client_of(gateway) as client, pytest.raises(errors.ServerError) as caught:
            client.models.generate_content(model="chat", contents="x")
    assert (caught.value.code, caught.value.status) == (502, "INTERNAL")


def failing(dialect: str) -> Any:
    """A provider that refuses every first call and answers every second one."""
    said = {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "type": "rate_limit_error"}
    error = json.dumps({"error": said}).encode()
    calls: list[Sent] = []

    def answer(sent: Sent) -> tuple[int, str, Any]:
        calls.append(sent)
        return (429, "application/json", error) if len(calls) % 2 else SPEAK[dialect](sent)

    return answer


@pytest.mark.parametrize("dialect", ["gemini", "chat", "messages"])
def test_the_sdk_tries_again_where_the_gateway_says_so(make_gateway: MakeGateway, dialect: str) -> None:
    """A full target and no other: asked again by the gateway or by the SDK, it answers."""
    options = types.HttpRetryOptions(attempts=4, initial_delay=0.5, max_delay=2.0)
    with answering(failing(dialect)) as one:
        gateway = make_gateway({"tides": target(one, dialect)})
        with client_of(gateway, retry_options=options) as client:
            assert client.models.generate_content(model="chat", contents="When?").text == SAID
    assert len(one.calls) == 2


def test_a_targets_refusal_is_passed_on(make_gateway: MakeGateway) -> None:
    """What the native target says of a bad request is the SDK's error, word for word."""
    said = {"code": 400, "message": "no such tool", "status": "FAILED_PRECONDITION"}
    with answering(lambda _: (400, "application/json", json.dumps({"error": said}).encode())) as one:
        gateway = make_gateway({"tides": target(one, "gemini")})
        with client_of(gateway) as client, pytest.raises(errors.ClientError) as caught:
            client.models.generate_content(model="chat", contents="x")
    assert caught.value.details == {"error": said}


CUTS: dict[str, Any] = {"gemini": speak_gemini, "chat": speak_chat, "messages": SPEAK["messages"]}


@pytest.mark.parametrize("dialect", sorted(CUTS))
def test_a_stream_that_breaks_off_raises(make_gateway: MakeGateway, dialect: str) -> None:
    """After the first text an error comes in-band, and the SDK raises it."""

    def cut(sent: Sent) -> tuple[int, str, Any]:
        status, content, body = CUTS[dialect](sent)
        at = next(at for at, one in enumerate(body) if b"High w" in one)
        return status, content, body[: at + 1]

    with answering(cut) as one:
        gateway = make_gateway({"tides": target(one, dialect)})
        seen: list[types.GenerateContentResponse] = []
        with client_of(gateway) as client:
            stream = client.models.generate_content_stream(model="chat", contents="x")
            with pytest.raises(errors.ServerError) as caught:
                seen.extend(stream)
        (row,) = gateway.settled(1)
    assert (caught.value.code, "".join(one.text or "" for one in seen)) == (502, "High w")
    assert (row["outcome"], row["error_code"]) == ("cut", "upstream_broken")
    assert row["output_tokens"] > 0


def test_another_target_answers_before_the_first_text(make_gateway: MakeGateway) -> None:
    """An error in the stream before anything was said: a target of another format answers, unseen."""
    error = b'data: {"error":{"code":503,"message":"sorry","status":"UNAVAILABLE"}}\r\n\r\n'
    with answering(lambda _: (200, "text/event-stream", [error])) as bad, speaking("messages") as good:
        cheap = {"provider": "somebody", "key": "k", "price": {"input": "0.01", "output": "0.01"}}
        targets = {"bad": target(bad, "gemini", metered=cheap), "good": target(good, "messages")}
        gateway = make_gateway(targets)
        with client_of(gateway) as client:
            chunks = list(client.models.generate_content_stream(model="chat", contents="When?"))
        rows = gateway.settled(2)
    assert "".join(chunk.text or "" for chunk in chunks) == SAID
    assert [(row["target"], row["outcome"]) for row in rows] == [("bad", "failed"), ("good", "completed")]
