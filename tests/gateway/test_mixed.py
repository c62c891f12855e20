"""One model behind targets of several formats: conversations move between them, and no client hears of it.

The targets are as strict as the providers: each refuses what it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
import pytest

from tests.gateway.answering import Answer, Provider, Sent, answering
from tests.gateway.running import MakeGateway, RunningGateway

PRICE = {"input": "3.00", "output": "15.00"}
JSON = "application/json"
ASKED: Any = {"role": "user", "content": "hello"}
TOOL: Any = {"name": "tide", "input_schema": {"type": "object", "properties": {}}}
USAGE = {"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9}
HOUR: dict[str, Any] = {"owned": {"engine": "vllm", "usd_per_hour": 1, "max_sequences": 8}, "region": "us"}


def sse(*events: Any) -> tuple[int, str, bytes]:
    """A streamed answer."""
    data = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return 200, "text/event-stream", "".join(f"data: {one}\n\n" for one in data).encode()


def thinking(sent: Sent) -> tuple[int, str, bytes]:
    """An engine that thinks and calls a tool, as vLLM tells it."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
    said = {"role": "assistant", "reasoning_content": "Hm.", "content": None, "tool_calls": [call]}
    if b'"stream":true' in sent.body:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "qwen"}
        one = {**chunk, "choices": [{"index": 0, "delta": said, "finish_reason": None}]}
        last = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
        return sse(one, last, {**chunk, "choices": [], "usage": USAGE}, "[DONE]")
    choice = {"index": 0, "message": said, "finish_reason": "tool_calls"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "qwen", "usage": USAGE}
    return 200, JSON, json.dumps({**body, "choices": [choice]}).encode()


def claude(sent: Sent) -> tuple[int, str, bytes]:
    """Anthropic: reasoning that it did not sign, sealed blocks of others and unknown members are a 400."""
    body = json.loads(sent.body)
    for turn in body["messages"]:
        unknown = set(turn) - {"role", "content"}
        blocks = turn["content"] if isinstance(turn["content"], list) else []
        if unknown or not turn["content"] or any("think" in block["type"] for block in blocks):
            said = "messages.1.content.0: Invalid `signature` in `thinking` block"
            error = {"type": "error", "error": {"type": "invalid_request_error", "message": said}}
            return 400, JSON, json.dumps(error).encode()
    message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude"}
    message |= {"content": [{"type": "text", "text": "High at six."}], "stop_reason": "end_turn"}
    usage = {"input_tokens": 3, "output_tokens": 4}
    return 200, JSON, json.dumps({**message, "stop_sequence": None, "usage": usage}).encode()


def refusing(message: str, **error: Any) -> Answer:
    """A target that does not take what it was sent."""
    told = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **error}
    return lambda _: (400, JSON, json.dumps({"error": told}).encode())


def target(provider: Provider, kind: str, **more: Any) -> dict[str, Any]:
    """The configuration of a provider as a target of this format."""
    if kind == "owned":
        return {**HOUR, "url": provider.url, "model": "qwen", **more}
    section = {"provider": kind, "key": "k", "price": PRICE}
    return {"metered": section, "url": provider.url, "model": f"{kind}-model", "region": "us", **more}


@contextmanager
def pair(make: MakeGateway, one: Answer) -> Iterator[tuple[RunningGateway, Provider, Provider]]:
    """A gateway whose model has an owned target that answers with `one`, and Anthropic's behind it."""
    with answering(one) as owned, answering(claude) as metered:
        yield make({"own": target(owned, "owned"), "api": target(metered, "anthropic")}), owned, metered


def narrowed(name: str) -> dict[str, str]:
    """The header that names the one target a request may go to."""
    return {"x-baseload-targets": name}


def sdk(gateway: RunningGateway) -> anthropic.Anthropic:
    """Anthropic's own."""
    return anthropic.Anthropic(base_url=gateway.url.removesuffix("/v1"), api_key=gateway.key, max_retries=0)


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_that_an_owned_model_began_goes_on_at_anthropic(
    make_gateway: MakeGateway, stream: bool
) -> None:
    """The SDK sends back what it keeps of the answer, the thinking too, and Anthropic takes it."""
    with pair(make_gateway, thinking) as (gateway, owned, metered), sdk(gateway) as client:
        first: dict[str, Any] = {"model": "chat", "max_tokens": 9, "messages": [ASKED], "tools": [TOOL]}
        if stream:
            with client.messages.stream(**first, extra_headers=narrowed("own")) as streaming:
                message = streaming.get_final_message()
        else:
            message = client.messages.create(**first, extra_headers=narrowed("own"))
        assert [block.type for block in message.content] == ["thinking", "tool_use"]
        assert message.stop_reason == "tool_use"
        result = {"type": "tool_result", "tool_use_id": message.content[1].id, "content": "6 m"}  # type: ignore[union-attr]
        turns = [
            ASKED,
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ]
        again = client.messages.create(**{**first, "messages": turns}, extra_headers=narrowed("api"))
        assert again.content[0].type == "text"
        assert [len(owned.calls), len(metered.calls)] == [1, 1]
        sent = json.loads(metered.calls[0].body)["messages"][1]
        assert sent == {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "call_1", "name": "tide", "input": {}}],
        }


def strict(sent: Sent) -> tuple[int, str, bytes]:
    """A compatible server that knows no reasoning in messages, as Groq's."""
    if any(set(turn) - {"role", "content"} for turn in json.loads(sent.body)["messages"]):
        told = {"message": "'messages.1' : property 'reasoning_content' is unsupported", "type": "x"}
        return 400, JSON, json.dumps({"error": told}).encode()
    choice = {"index": 0, "message": {"role": "assistant", "content": "Six."}, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "g", "usage": USAGE}
    return 200, JSON, json.dumps({**body, "choices": [choice]}).encode()


@pytest.mark.parametrize("api", ["chat", "messages"])
def test_a_server_that_refuses_others_reasoning_is_told_none(make_gateway: MakeGateway, api: str) -> None:
    """Of a chat that passes as bytes and of one that is translated."""
    with answering(strict) as groq:
        gateway = make_gateway({"api": target(groq, "groq")})
        if api == "chat":
            said: Any = {"role": "assistant", "content": "Hm", "reasoning_content": "Hm."}
            with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
                client.chat.completions.create(model="chat", messages=[ASKED, said, ASKED])
        else:
            thought = {"type": "thinking", "thinking": "Hm.", "signature": "EqAB"}
            said = {"role": "assistant", "content": [thought, {"type": "text", "text": "Hm"}]}
            with sdk(gateway) as other:
                other.messages.create(model="chat", max_tokens=9, messages=[ASKED, said, ASKED])
        turn = json.loads(groq.calls[0].body)["messages"][1]
        words = "Hm" if api == "chat" else [{"type": "text", "text": "Hm"}]
        assert turn == {"role": "assistant", "content": words}


def test_what_a_target_does_not_take_of_a_translated_request_is_tried_elsewhere(
    make_gateway: MakeGateway,
) -> None:
    """Our writing is not the client's mistake: another target answers, and an alarm says so."""
    refuse = refusing(
        "Unknown parameter: 'tools[0].strict'.", code="unknown_parameter", param="tools[0].strict"
    )
    with pair(make_gateway, refuse) as (gateway, owned, metered), sdk(gateway) as client:
        answer = client.messages.with_raw_response.create(model="chat", max_tokens=9, messages=[ASKED])
        assert answer.headers["x-baseload-target"] == "api"
        assert (len(owned.calls), len(metered.calls)) == (1, 1)
        assert gateway.metric("baseload_mistranslated_total", target="own") == 1
        assert gateway.metric("baseload_target_state", target="own", state="closed") == 1
        request_id = answer.headers["x-request-id"]
        (line,) = [one for one in gateway.log().splitlines() if "translated into" in one]
        assert "target own" in line
        assert request_id in line
        assert "tools[0].strict" in line
        first, second = gateway.settled(2)
        assert (first["target"], first["outcome"], first["error_code"]) == (
            "own",
            "failed",
            "upstream_rejected",
        )
        assert (second["target"], second["outcome"]) == ("api", "completed")


def test_however_many_are_refused_their_clients_are_served(make_gateway: MakeGateway) -> None:
    """Not one of them is left to the retry budget, which is for outages, and the target is not ejected."""
    with (
        pair(make_gateway, refusing("Extra inputs are not permitted")) as (gateway, owned, _),
        sdk(gateway) as c,
    ):
        for _ in range(20):
            c.messages.create(model="chat", max_tokens=9, messages=[ASKED])
        assert len(owned.calls) == 20
        assert gateway.metric("baseload_mistranslated_total", target="own") == 20


def test_replicas_are_not_asked_one_after_the_other(make_gateway: MakeGateway) -> None:
    """What one replica does not know, its likes do not either: the next try is at another kind of target."""
    with answering(refusing("Extra inputs are not permitted")) as owned, answering(claude) as metered:
        replicas = {f"own-{at}": target(owned, "owned") for at in range(4)}
        gateway = make_gateway({**replicas, "api": target(metered, "anthropic")})
        with sdk(gateway) as client:
            client.messages.create(model="chat", max_tokens=9, messages=[ASKED])
        assert (len(owned.calls), len(metered.calls)) == (1, 1)


def test_a_fallback_list_for_errors_is_followed(make_gateway: MakeGateway) -> None:
    """Where none of the model's own targets takes it."""
    with answering(refusing("Extra inputs are not permitted")) as owned, answering(claude) as metered:
        targets = {"own": target(owned, "owned"), "api": target(metered, "anthropic")}
        models = {"chat": {"owned": ["own"], "fallback": {"error": ["api"]}}}
        gateway = make_gateway(targets, models)
        with sdk(gateway) as client:
            answer = client.messages.with_raw_response.create(model="chat", max_tokens=9, messages=[ASKED])
        assert answer.headers["x-baseload-target"] == "api"
        assert (len(owned.calls), len(metered.calls)) == (1, 1)


def test_where_no_target_takes_it_the_client_sees_the_refusal(make_gateway: MakeGateway) -> None:
    """In the client's own format, with the target's words."""
    with answering(refusing("Extra inputs are not permitted", param="tools[0].x")) as owned:
        gateway = make_gateway({"own": target(owned, "owned")})
        with sdk(gateway) as client, pytest.raises(anthropic.BadRequestError) as refused:
            client.messages.create(model="chat", max_tokens=9, messages=[ASKED])
        assert "Extra inputs are not permitted" in refused.value.message
        assert len(owned.calls) == 1


def test_a_client_of_the_targets_own_format_hears_of_its_own_mistake(make_gateway: MakeGateway) -> None:
    """Nothing was translated: its words went as they came, and no other target is asked."""
    with pair(make_gateway, refusing("Unknown parameter: 'x'.", code="unknown_parameter")) as (
        gateway,
        owned,
        api,
    ):
        with (
            openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client,
            pytest.raises(openai.BadRequestError, match="Unknown parameter"),
        ):
            client.chat.completions.create(model="chat", messages=[ASKED], extra_body={"x": 1})
        assert (len(owned.calls), len(api.calls)) == (1, 0)
        assert gateway.metric("baseload_mistranslated_total", target="own") == 0


def test_a_value_out_of_range_is_the_clients_mistake_in_any_format(make_gateway: MakeGateway) -> None:
    """Another target would refuse it too."""
    refuse = refusing("Invalid 'temperature': decimal below minimum value.", code="decimal_below_min_value")
    with pair(make_gateway, refuse) as (gateway, owned, api), sdk(gateway) as client:
        with pytest.raises(anthropic.BadRequestError, match="below minimum"):
            client.messages.create(model="chat", max_tokens=9, messages=[ASKED])
        assert (len(owned.calls), len(api.calls)) == (1, 0)
