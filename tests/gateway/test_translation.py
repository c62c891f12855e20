"""Clients of one format reach targets of another, through the providers' own SDKs.

The Anthropic-speaking target is a gateway too, before an OpenAI-speaking twin: both directions run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import anthropic
import httpx2
import openai
import pytest

from tests.gateway.answering import answering
from tests.gateway.running import MakeGateway, RunningGateway, RunningTwin, metered, provider

MESSAGES: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hello"}]
CHAT: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


@pytest.fixture
def inner(make_gateway: MakeGateway, twins: Callable[..., RunningTwin]) -> RunningGateway:
    """A gateway whose target speaks OpenAI's format."""
    return make_gateway({"api": metered(twins(provider))})


@pytest.fixture
def outer(make_gateway: MakeGateway, inner: RunningGateway) -> RunningGateway:
    """A gateway whose target, the inner one, speaks Anthropic's format."""
    section = {"provider": "anthropic", "key": inner.key, "price": {"input": "3.00", "output": "15.00"}}
    target = {"metered": section, "url": inner.url, "model": "chat", "region": "us", "format": "anthropic"}
    return make_gateway({"claude": target})


@pytest.fixture
def claude(inner: RunningGateway) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK, before the OpenAI-speaking target."""
    base = inner.url.removesuffix("/v1")
    with anthropic.Anthropic(base_url=base, api_key=inner.key, max_retries=0) as made:
        yield made


@pytest.fixture
def client(outer: RunningGateway) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK, before the Anthropic-speaking target."""
    with openai.OpenAI(base_url=outer.url, api_key=outer.key, max_retries=0) as made:
        yield made


def test_anthropics_sdk_reaches_an_openai_target(claude: anthropic.Anthropic, inner: RunningGateway) -> None:
    """An unstreamed message: text, usage, finish, model; the ledger has the target's own count."""
    answer = claude.messages.create(model="chat", max_tokens=7, messages=MESSAGES)
    assert answer.model == "chat"
    assert answer.content[0].type == "text"
    assert answer.content[0].text
    assert answer.usage.output_tokens == 7
    assert answer.stop_reason == "max_tokens"
    (row,) = inner.settled(1)
    assert (row["endpoint"], row["output_tokens"], row["estimated"]) == ("messages", 7, 0)


def test_anthropics_sdk_streams_from_an_openai_target(
    claude: anthropic.Anthropic, inner: RunningGateway
) -> None:
    """The SDK's own accumulation of the stream is the answer, with usage at its end."""
    with claude.messages.stream(model="chat", max_tokens=9, messages=MESSAGES) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) == 9
    assert final.content[0].type == "text"
    assert final.content[0].text == "".join(pieces)
    assert (final.usage.output_tokens, final.stop_reason) == (9, "max_tokens")
    (row,) = inner.settled(1)
    assert (row["stream"], row["output_tokens"], row["estimated"]) == (1, 9, 0)


def test_openais_sdk_reaches_an_anthropic_target(
    client: openai.OpenAI, outer: RunningGateway, inner: RunningGateway
) -> None:
    """The same the other way round; both ledgers agree on the tokens."""
    answer = client.chat.completions.create(model="chat", max_tokens=7, messages=CHAT)
    assert answer.model == "chat"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 7
    (sent,), (served,) = outer.settled(1), inner.settled(1)
    assert sent["target"] == "claude"
    assert sent["cost_nano"] == sent["input_tokens"] * 3_000 + 7 * 15_000
    assert (sent["input_tokens"], sent["output_tokens"]) == (served["input_tokens"], served["output_tokens"])


def test_openais_sdk_streams_from_an_anthropic_target(client: openai.OpenAI, outer: RunningGateway) -> None:
    """Deltas as they come, and usage where it is asked for."""
    stream = client.chat.completions.create(
        model="chat",
        max_tokens=9,
        messages=CHAT,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) == 9
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 9
    (row,) = outer.settled(1)
    assert (row["output_tokens"], row["estimated"]) == (9, 0)


def test_anthropics_format_passes_through_untouched(outer: RunningGateway) -> None:
    """A client and a target of one format: bytes in, bytes out, usage read on the way."""
    base = outer.url.removesuffix("/v1")
    with anthropic.Anthropic(base_url=base, api_key=outer.key, max_retries=0) as same:
        whole = same.messages.create(model="chat", max_tokens=5, messages=MESSAGES)
        with same.messages.stream(model="chat", max_tokens=6, messages=MESSAGES) as stream:
            final = stream.get_final_message()
    assert (whole.usage.output_tokens, final.usage.output_tokens) == (5, 6)
    rows = outer.settled(2)
    assert sorted(row["output_tokens"] for row in rows) == [5, 6]
    assert all(row["estimated"] == 0 for row in rows)


def test_what_the_target_cannot_carry_is_refused_by_name(
    client: openai.OpenAI, outer: RunningGateway
) -> None:
    """Before anything is sent: 400 with the parameter, and no attempt in the ledger."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="chat", messages=CHAT, seed=7)
    assert refused.value.param == "seed"
    assert "target claude: " in refused.value.message
    assert "drop_unsupported: true" in refused.value.message
    assert refused.value.code == "unsupported_parameter"
    assert outer.stop() == 0
    assert outer.rows() == []


def test_errors_are_anthropics_own(claude: anthropic.Anthropic, inner: RunningGateway) -> None:
    """An unknown model and a wrong key raise what Anthropic's SDK raises for them."""
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(model="nothing", max_tokens=5, messages=MESSAGES)
    base = inner.url.removesuffix("/v1")
    with (
        anthropic.Anthropic(base_url=base, api_key="bl_wrong", max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.messages.create(model="chat", max_tokens=5, messages=MESSAGES)


def test_anthropics_count_of_tokens_is_its_targets_own_and_free(make_gateway: MakeGateway) -> None:
    """Passed through as bytes; on record without tokens or cost, and no lesson for the estimates."""
    told = b'{"input_tokens": 14}'
    with answering(lambda _: (200, "application/json", told)) as claude:
        section = {"provider": "anthropic", "key": "k", "price": {"input": "3.00", "output": "15.00"}}
        target = {"metered": section, "url": claude.url, "model": "claude-x", "region": "us"}
        gateway = make_gateway({"claude": target})
        base = gateway.url.removesuffix("/v1")
        with anthropic.Anthropic(base_url=base, api_key=gateway.key, max_retries=0) as sdk:
            assert sdk.messages.count_tokens(model="chat", messages=MESSAGES).input_tokens == 14
        assert gateway.stop() == 0
        (row,) = gateway.rows()
    (call,) = claude.calls
    assert (call.path, call.headers["x-api-key"]) == ("/messages/count_tokens", "k")
    assert (row["endpoint"], row["outcome"]) == ("messages.count_tokens", "completed")
    assert (row["input_tokens"], row["output_tokens"], row["cost_nano"], row["estimated"]) == (0, 0, 0, 0)


def test_tokens_that_no_target_counts_are_estimated(
    claude: anthropic.Anthropic, inner: RunningGateway
) -> None:
    """Another format has no such call: an estimate that says so, of tools and their results too."""
    plain = claude.messages.with_raw_response.count_tokens(model="chat", messages=MESSAGES)
    assert plain.headers["x-baseload-estimated"] == "input_tokens"
    few = plain.parse().input_tokens
    assert 1 <= few < 10
    told: list[anthropic.types.MessageParam] = [
        *MESSAGES,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "tide " * 400}]},
    ]
    assert claude.messages.count_tokens(model="chat", messages=told).input_tokens > few + 400
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.count_tokens(model="no such model", messages=MESSAGES)


def test_googles_header_may_bring_the_key(inner: RunningGateway) -> None:
    """To a path of Anthropic's, too."""
    body = {"model": "chat", "messages": MESSAGES, "max_tokens": 3}
    url = inner.url + "/messages"
    answer = httpx2.post(url, json=body, headers={"x-goog-api-key": inner.key}, timeout=30, trust_env=False)
    assert answer.status_code == 200
