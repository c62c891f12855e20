"""The official OpenAI SDK works against the gateway by changing its base URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import openai
import pytest

from tests.gateway.running import MakeGateway, RunningGateway, RunningTwin, engine, metered, owned, provider


@pytest.fixture
def gateway(make_gateway: MakeGateway, twins: Callable[..., RunningTwin]) -> RunningGateway:
    """One owned replica and one metered API."""
    return make_gateway({"replica": owned(twins(engine)), "api": metered(twins(provider))})


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    """The SDK as a user has it."""
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as made:
        yield made


def test_chat_unstreamed(client: openai.OpenAI) -> None:
    """An unstreamed chat completion comes back whole, under the model's name that was asked for."""
    answer = client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "hello"}], max_tokens=7
    )
    assert answer.model == "chat"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 7
    assert answer.choices[0].message.content


def test_chat_streamed_with_usage(client: openai.OpenAI) -> None:
    """A stream carries its deltas, and usage when asked for."""
    stream = client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": "hello"}],
        max_tokens=9,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 9
    assert sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) == 9


def test_usage_is_not_shown_unless_asked_for(client: openai.OpenAI, gateway: RunningGateway) -> None:
    """The usage event that the gateway asks for is for the ledger; the client sees what it asked for."""
    stream = client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "hello"}], max_tokens=5, stream=True
    )
    assert all(chunk.usage is None and chunk.choices for chunk in stream)
    (row,) = gateway.settled(1)
    assert (row["output_tokens"], row["estimated"]) == (5, 0)


def test_completions_and_embeddings(client: openai.OpenAI) -> None:
    """Legacy completions and embeddings take the same way."""
    completion = client.completions.create(model="chat", prompt="once", max_tokens=4)
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 4
    assert client.embeddings.create(model="chat", input="hello").data[0].embedding


def test_models(client: openai.OpenAI) -> None:
    """The models a key may ask for are listed, and one can be looked up."""
    assert [model.id for model in client.models.list()] == ["chat"]
    assert client.models.retrieve("chat").id == "chat"


def test_errors_are_the_sdks_own(gateway: RunningGateway, client: openai.OpenAI) -> None:
    """A wrong key, an unknown model and a bad field raise what OpenAI's SDK raises for them."""
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "x"}]
    with (
        openai.OpenAI(base_url=gateway.url, api_key="bl_wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError, match="unknown or revoked"),
    ):
        stranger.chat.completions.create(model="chat", messages=messages)
    with pytest.raises(openai.NotFoundError, match="there is no model 'other'"):
        client.chat.completions.create(model="other", messages=messages)
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="chat", messages=messages, max_tokens=0)
    assert caught.value.param == "max_tokens"
