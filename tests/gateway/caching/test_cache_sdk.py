"""The official SDKs before kept answers, whatever the targets behind speak."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.gateway.answering import Provider, Sent, answering
from tests.gateway.running import MakeGateway, RunningGateway
from tests.gateway.speaking import SAID, SPEAK, speaking, target

MESSAGES: Any = [{"role": "user", "content": "When is high water?"}]
KEPT = {"chat": {"metered": ["tides"], "slo": {"ttft": "2s", "tpot": "100ms"}, "cache": {"ttl": "1h"}}}


class Before(tuple[RunningGateway, Provider]):
    """A gateway that keeps answers, and the provider behind it."""

    @property
    def gateway(self) -> RunningGateway:
        return self[0]

    @property
    def calls(self) -> int:
        return len(self[1].calls)


@pytest.fixture(params=sorted(SPEAK.keys() - {"responses"}))
def before(request: pytest.FixtureRequest, make_gateway: MakeGateway) -> Iterator[Before]:
    """A target of each dialect in turn: what is kept is what the client got, translated or not."""
    dialect: str = request.param
    with speaking(dialect) as one:
        gateway = make_gateway({"tides": target(one, dialect)}, KEPT, tenants={"shop": {"cache": True}})
        yield Before((gateway, one))


def test_openai_chat(before: Before) -> None:
    """Whole and streamed: the second answer is the first one again, from the cache."""
    with openai.OpenAI(base_url=before.gateway.url, api_key=before.gateway.key, max_retries=0) as client:
        raw = [
            client.chat.completions.with_raw_response.create(model="chat", messages=MESSAGES)
            for _ in range(2)
        ]
        assert [one.headers["x-baseload-cache"] for one in raw] == ["miss", "hit"]
        whole = [one.parse() for one in raw]
        assert (whole[1], whole[1].choices[0].message.content) == (whole[0], SAID)
        streams = [
            list(
                client.chat.completions.create(
                    model="chat", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
                )
            )
            for _ in range(2)
        ]
    assert streams[0] == streams[1]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streams[1] if chunk.choices) == SAID
    assert streams[1][-1].usage is not None
    assert before.calls == 2


def test_anthropic_messages(before: Before) -> None:
    """The same with Anthropic's SDK, its stream helper included; a beta header makes another request."""
    base = before.gateway.url.removesuffix("/v1")
    ask: Any = {"model": "chat", "max_tokens": 50, "messages": MESSAGES}
    with anthropic.Anthropic(base_url=base, api_key=before.gateway.key, max_retries=0) as client:
        raw = [client.messages.with_raw_response.create(**ask) for _ in range(2)]
        assert [one.headers["x-baseload-cache"] for one in raw] == ["miss", "hit"]
        assert raw[0].parse() == raw[1].parse()
        said = []
        for _ in range(2):
            with client.messages.stream(**ask) as stream:
                said.append((stream.get_final_text(), stream.get_final_message()))
        assert (said[0], said[1][0]) == (said[1], SAID)
        other = client.messages.with_raw_response.create(**ask, extra_headers={"anthropic-beta": "some-2026"})
        assert other.headers["x-baseload-cache"] == "miss"
    assert before.calls == 3


@pytest.mark.parametrize("before", ["chat", "responses"], indirect=True)
def test_openai_responses(before: Before) -> None:
    """Responses that their provider does not keep, whole and streamed."""
    with openai.OpenAI(base_url=before.gateway.url, api_key=before.gateway.key, max_retries=0) as client:
        raw = [
            client.responses.with_raw_response.create(model="chat", input="When is high water?", store=False)
            for _ in range(2)
        ]
        assert [one.headers["x-baseload-cache"] for one in raw] == ["miss", "hit"]
        assert (raw[1].parse().output_text, raw[1].parse().id) == (SAID, raw[0].parse().id)
        for _ in range(2):
            with client.responses.stream(model="chat", input="When is high water?", store=False) as stream:
                assert stream.get_final_response().output_text == SAID
    assert before.calls == 2


def test_openai_embeddings(make_gateway: MakeGateway) -> None:
    """Vectors are kept like words; the SDK's own encoding is part of the request."""

    def embed(_: Sent) -> tuple[int, str, bytes]:
        body = {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
            "model": "tides-2",
            "usage": {"prompt_tokens": 4, "total_tokens": 4},
        }
        return 200, "application/json", json.dumps(body).encode()

    with answering(embed) as one:
        gateway = make_gateway({"tides": target(one, "chat")}, KEPT, tenants={"shop": {"cache": True}})
        with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
            raw = [
                client.embeddings.with_raw_response.create(
                    model="chat", input="water", encoding_format="float"
                )
                for _ in range(2)
            ]
        assert [one_.headers["x-baseload-cache"] for one_ in raw] == ["miss", "hit"]
        assert raw[1].parse().data[0].embedding == [0.25, -0.5]
        assert len(one.calls) == 1
        made, hit = sorted(gateway.settled(2), key=lambda row: row["began_ns"])
        assert (made["attempt"], hit["attempt"], hit["cost_nano"]) == (1, 0, 0)
        assert hit["counterfactual_nano"] == made["cost_nano"] == 4_000


@pytest.mark.parametrize("before", ["chat"], indirect=True)
def test_a_request_says_what_it_will_not_have(before: Before) -> None:
    """A client that sets `cache-control` with its SDK goes by the cache."""
    with openai.OpenAI(
        base_url=before.gateway.url,
        api_key=before.gateway.key,
        max_retries=0,
        default_headers={"cache-control": "no-store"},
    ) as client:
        raw = [
            client.chat.completions.with_raw_response.create(model="chat", messages=MESSAGES)
            for _ in range(2)
        ]
    assert [one.headers["x-baseload-cache"] for one in raw] == ["bypass", "bypass"]
    assert before.calls == 2
