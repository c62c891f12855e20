"""OpenAI's SDK asks for responses; every target answers, whatever it speaks, natively or translated."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest

from tests.gateway.answering import Provider, Sent, answering
from tests.gateway.running import MakeGateway, RunningGateway, RunningTwin, metered, provider
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
    speak_responses,
    speaking,
    target,
)

TOOLS: Any = [
    {
        "type": "function",
        "name": "tide_table",
        "description": "When high water is.",
        "parameters": {"type": "object", "properties": {"harbour": {"type": "string"}}},
        "strict": False,
    }
]
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n").decode()


class Tide(pydantic.BaseModel):
    """What structured output is asked for."""

    hour: int
    harbour: str


class Before(tuple[RunningGateway, Provider, openai.OpenAI]):
    """A gateway, the provider behind it, and the SDK before it."""

    @property
    def gateway(self) -> RunningGateway:
        return self[0]

    @property
    def provider(self) -> Provider:
        return self[1]

    @property
    def client(self) -> openai.OpenAI:
        return self[2]


@pytest.fixture(params=sorted(SPEAK))
def before(request: pytest.FixtureRequest, make_gateway: MakeGateway) -> Iterator[Before]:
    """The SDK before a gateway with one target, of each dialect in turn."""
    dialect: str = request.param
    with speaking(dialect) as one:
        gateway = make_gateway({"tides": target(one, dialect)})
        with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
            yield Before((gateway, one, client))


def test_a_whole_response(before: Before) -> None:
    """Text, usage, status, the model that was asked for; the ledger has the target's own count and cost."""
    answer = before.client.responses.with_raw_response.create(
        model="chat", input="When is high water?", instructions="Be brief.", max_output_tokens=50
    )
    told = answer.parse()
    assert (told.output_text, told.status, told.model) == (SAID, "completed", "chat")
    assert told.usage is not None
    assert (told.usage.input_tokens, told.usage.output_tokens) == (INPUT, OUTPUT)
    assert told.usage.input_tokens_details.cached_tokens == 5
    assert answer.headers["x-baseload-target"] == "tides"
    assert answer.headers["x-baseload-cost-usd"] == f"{COST_NANO / 1e9:.9f}"
    (row,) = before.gateway.settled(1)
    assert (row["endpoint"], row["outcome"], row["estimated"]) == ("responses", "completed", 0)
    assert (row["input_tokens"], row["cached_input_tokens"], row["output_tokens"]) == (INPUT, 5, OUTPUT)
    assert row["cost_nano"] == COST_NANO


def test_a_streamed_response(before: Before) -> None:
    """The SDK's own accumulation of the stream is the answer; events are numbered without a gap."""
    with before.client.responses.stream(model="chat", input="When is high water?") as stream:
        events = list(stream)
        final = stream.get_final_response()
    numbers = [event.sequence_number for event in events if hasattr(event, "sequence_number")]
    assert numbers == sorted(numbers)
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) == 2
    assert "".join(deltas) == final.output_text == SAID
    assert final.usage is not None
    assert (final.usage.input_tokens, final.usage.output_tokens) == (INPUT, OUTPUT)
    (row,) = before.gateway.settled(1)
    assert (row["stream"], row["output_tokens"], row["estimated"]) == (1, OUTPUT, 0)
    assert row["cost_nano"] == COST_NANO


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_read(before: Before, streamed: bool) -> None:
    """A call with its arguments; the items of the answer go back with the result, and text comes."""
    client = before.client
    history: list[Any] = [{"role": "user", "content": "When at Roscoff?"}]
    if streamed:
        with client.responses.stream(model="chat", input=history, tools=TOOLS) as stream:
            first: Any = stream.get_final_response()
    else:
        first = client.responses.create(model="chat", input=history, tools=TOOLS)
    [call] = [item for item in first.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == CALL
    history += [item.model_dump(exclude_none=True) for item in first.output]
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "18:00"})
    second = client.responses.create(model="chat", input=history, tools=TOOLS)
    assert second.output_text == SAID
    assert b"18:00" in before.provider.calls[-1].body


def test_a_picture_is_shown(before: Before) -> None:
    """An image in a data URL reaches the target as its own format has it."""
    content: Any = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
    ]
    answer = before.client.responses.create(model="chat", input=[{"role": "user", "content": content}])
    assert answer.output_text == SEEN
    assert PIXEL.partition(",")[2].encode() in before.provider.calls[-1].body


def test_structured_output_is_parsed(before: Before) -> None:
    """`parse` sends the schema; the answer is the model's object."""
    parsed = before.client.responses.parse(model="chat", input="When?", text_format=Tide)
    assert parsed.output_parsed == Tide(**FORM)  # type: ignore[arg-type]


async def ask_async(gateway: RunningGateway) -> str:
    """One streamed response by the SDK's asynchronous client."""
    async with (
        openai.AsyncOpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client,
        client.responses.stream(model="chat", input="When is high water?") as stream,
    ):
        return (await stream.get_final_response()).output_text


def test_the_asynchronous_client(before: Before) -> None:
    """The same answer by `AsyncOpenAI`."""
    assert asyncio.run(ask_async(before.gateway)) == SAID


def test_a_twin_answers_as_well(make_gateway: MakeGateway, twins: Any) -> None:
    """A simulated provider, which speaks chat completions alone: text as it comes, bounded as asked."""
    one: RunningTwin = twins(provider)
    gateway = make_gateway({"api": metered(one)})
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        *events, last = client.responses.create(model="chat", input="hello", max_output_tokens=9, stream=True)
    assert sum(event.type == "response.output_text.delta" for event in events) == 9
    assert last.type == "response.incomplete"
    final = last.response
    assert final.usage is not None
    assert (final.usage.output_tokens, final.status) == (9, "incomplete")
    assert final.incomplete_details is not None
    assert final.incomplete_details.reason == "max_output_tokens"


# -- errors and retries -------------------------------------------------------------------------------------


def test_errors_are_the_sdks_own(before: Before) -> None:
    """A wrong key, an unknown model and a bad field raise what OpenAI's SDK raises for them."""
    client = before.client
    with (
        openai.OpenAI(base_url=before.gateway.url, api_key="bl_wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError, match="unknown or revoked"),
    ):
        stranger.responses.create(model="chat", input="x")
    with pytest.raises(openai.NotFoundError, match="there is no model 'other'"):
        client.responses.create(model="other", input="x")
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="chat", input="x", max_output_tokens=0)
    assert caught.value.param == "max_output_tokens"
    assert before.provider.calls == []


def failing(dialect: str, error: bytes) -> Any:
    """A provider that refuses every first call and answers every second one."""
    calls: list[Sent] = []

    def answer(sent: Sent) -> tuple[int, str, Any]:
        calls.append(sent)
        return (429, "application/json", error) if len(calls) % 2 else SPEAK[dialect](sent)

    return answer


@pytest.mark.parametrize("dialect", ["responses", "messages"])
def test_the_sdk_tries_again_where_the_gateway_says_so(make_gateway: MakeGateway, dialect: str) -> None:
    """A full target and no other: asked again by the gateway or by the SDK, it answers."""
    error = b'{"error":{"type":"rate_limit_error","message":"slow down","code":"rate_limit_exceeded"}}'
    with answering(failing(dialect, error)) as one:
        gateway = make_gateway({"tides": target(one, dialect)})
        with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=2) as client:
            assert client.responses.create(model="chat", input="When?").output_text == SAID
    assert len(one.calls) == 2


def test_a_targets_refusal_is_passed_on(make_gateway: MakeGateway) -> None:
    """What the native target says of a bad request is the SDK's error, word for word."""
    said = {"message": "no such tool", "type": "invalid_request_error", "param": "tools[0]", "code": "odd"}
    with answering(lambda _: (400, "application/json", json.dumps({"error": said}).encode())) as one:
        gateway = make_gateway({"tides": target(one, "responses")})
        with (
            openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client,
            pytest.raises(openai.BadRequestError) as caught,
        ):
            client.responses.create(model="chat", input="x")
    assert (caught.value.code, caught.value.param) == ("odd", "tools[0]")


CUTS = {"responses": speak_responses, "chat": speak_chat}


@pytest.mark.parametrize("dialect", sorted(CUTS))
def test_a_stream_that_breaks_off_raises(make_gateway: MakeGateway, dialect: str) -> None:
    """After the first text an error comes in-band: numbered after what was sent, raised by the SDK."""

    def cut(sent: Sent) -> tuple[int, str, Any]:
        status, content, body = CUTS[dialect](sent)
        assert isinstance(body, list)
        at = next(at for at, one in enumerate(body) if b"High w" in one)
        return status, content, body[: at + 1]

    with answering(cut) as one:
        gateway = make_gateway({"tides": target(one, dialect)})
        seen: list[int] = []
        with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
            stream = client.responses.create(model="chat", input="x", stream=True)
            with pytest.raises(openai.APIError) as caught:
                seen.extend(event.sequence_number for event in stream)
        (row,) = gateway.settled(1)
    assert caught.value.code == "upstream_broken"
    assert seen == list(range(len(seen)))
    assert len(seen) == 5
    assert (row["outcome"], row["error_code"], row["estimated"]) == ("cut", "upstream_broken", 1)


def test_another_target_answers_before_the_first_text(make_gateway: MakeGateway) -> None:
    """`response.failed` before anything was said: the next target answers, in another format, unseen."""

    def fails(sent: Sent) -> tuple[int, str, Any]:
        status, content, body = speak_responses(sent)
        assert isinstance(body, list)
        error = {"code": "server_error", "message": "sorry"}
        failed = {
            "type": "response.failed",
            "response": {"id": "resp_1", "status": "failed", "error": error, "output": [], "usage": None},
            "sequence_number": 2,
        }
        return status, content, [*body[:2], b"event: x\ndata: %b\n\n" % json.dumps(failed).encode()]

    with answering(fails) as bad, speaking("messages") as good:
        cheap = {"provider": "somebody", "key": "k", "price": {"input": "0.01", "output": "0.01"}}
        targets = {"bad": target(bad, "responses", metered=cheap), "good": target(good, "messages")}
        gateway = make_gateway(targets)
        with (
            openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client,
            client.responses.stream(model="chat", input="When?") as stream,
        ):
            assert stream.get_final_response().output_text == SAID
        rows = gateway.settled(2)
    assert [(row["target"], row["outcome"]) for row in rows] == [("bad", "failed"), ("good", "completed")]
