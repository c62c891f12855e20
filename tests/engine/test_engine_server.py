"""The real engine, asked by the official SDK as any client would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

if TYPE_CHECKING:
    from tests.engine.conftest import RunningEngine

QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "Name three colours of the rainbow."}
]


@pytest.fixture
def client(engine: RunningEngine) -> Iterator[openai.OpenAI]:
    """The SDK, without retries: the first answer is the one that is looked at."""
    with openai.OpenAI(base_url=engine.url, api_key="unused", max_retries=0) as made:
        yield made


def count(engine: RunningEngine, **what: object) -> int:
    """Tokens as the engine's own /tokenize counts them."""
    answer = httpx2.post(f"{engine.root}/tokenize", json={"model": engine.model, **what})
    return int(answer.json()["count"])


def test_it_lists_its_model(client: openai.OpenAI, engine: RunningEngine) -> None:
    """One model, under the name clients must ask for; the health check passes."""
    assert [engine.model] == [model.id for model in client.models.list()]
    assert httpx2.get(f"{engine.root}/health").status_code == 200


def test_a_greedy_chat_is_the_same_streamed_or_not(client: openai.OpenAI, engine: RunningEngine) -> None:
    """At temperature 0 the same question gives the same words, tokens and usage both ways, each time."""
    asked = {"model": engine.model, "messages": QUESTION, "temperature": 0, "max_tokens": 24}
    whole = client.chat.completions.create(**asked)  # type: ignore[call-overload]
    again = client.chat.completions.create(**asked)  # type: ignore[call-overload]
    text, finish = whole.choices[0].message.content, whole.choices[0].finish_reason
    assert (text, "length") == (again.choices[0].message.content, finish)
    assert "rainbow" in text

    stream = client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})  # type: ignore[call-overload]
    chunks = list(stream)
    assert text == "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "length"
    assert (whole.usage, []) == (chunks[-1].usage, chunks[-1].choices)


def test_usage_equals_a_recount(client: openai.OpenAI, engine: RunningEngine) -> None:
    """Input tokens are those of the chat template, output tokens those of the text."""
    answer = client.chat.completions.create(
        model=engine.model, messages=QUESTION, temperature=0, max_completion_tokens=20
    )
    assert answer.usage is not None
    assert count(engine, messages=QUESTION) == answer.usage.prompt_tokens
    text = answer.choices[0].message.content
    assert count(engine, prompt=text, add_special_tokens=False) == answer.usage.completion_tokens == 20
    assert answer.usage.prompt_tokens + 20 == answer.usage.total_tokens


def test_running_usage_counts_up_to_the_final_one(client: openai.OpenAI, engine: RunningEngine) -> None:
    """With vLLM's continuous_usage_stats every chunk says how many tokens there are so far."""
    asked = {
        "model": engine.model,
        "messages": QUESTION,
        "max_tokens": 12,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "extra_body": {"ignore_eos": True},
    }
    stream = client.chat.completions.create(**asked, stream=True)  # type: ignore[call-overload]
    counts = [chunk.usage.completion_tokens if chunk.usage else None for chunk in stream]
    assert None not in counts
    assert counts == sorted(counts, key=lambda value: value or 0)
    assert counts[-1] == 12


def test_a_completion_continues_its_prompt(client: openai.OpenAI, engine: RunningEngine) -> None:
    """No chat template is put around a plain prompt, given as text or as token ids."""
    text = client.completions.create(
        model=engine.model, prompt="The capital of France is", temperature=0, max_tokens=4
    )
    assert "Paris" in text.choices[0].text
    answer = httpx2.post(f"{engine.root}/tokenize", json={"prompt": "The capital of France is"}).json()
    ids = client.completions.create(model=engine.model, prompt=answer["tokens"], temperature=0, max_tokens=4)
    assert text.choices[0].text == ids.choices[0].text
    assert text.usage == ids.usage


def test_a_stop_string_ends_the_answer_before_it(client: openai.OpenAI, engine: RunningEngine) -> None:
    """Nothing of the stop string is sent, and the tokens until it are what is charged."""
    asked = {"model": engine.model, "prompt": "1 2 3 4 5 6 7", "temperature": 0}
    whole = client.completions.create(**asked, max_tokens=16)  # type: ignore[call-overload]
    assert " 9" in whole.choices[0].text
    stopped = client.completions.create(**asked, max_tokens=16, stop=[" 9"])  # type: ignore[call-overload]
    assert whole.choices[0].text.split(" 9")[0] == stopped.choices[0].text
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.usage.completion_tokens < whole.usage.completion_tokens


def test_text_of_several_bytes_a_character_arrives_whole(
    client: openai.OpenAI, engine: RunningEngine
) -> None:
    """Characters spread over tokens are never broken: the pieces join to the unstreamed text."""
    asked = {"model": engine.model, "prompt": "東京は日本の", "temperature": 0, "max_tokens": 24}
    whole = client.completions.create(**asked).choices[0].text  # type: ignore[call-overload]
    pieces = [chunk.choices[0].text for chunk in client.completions.create(**asked, stream=True)]  # type: ignore[call-overload]
    assert "。" in whole
    assert whole == "".join(pieces)
    assert "\ufffd" not in whole


def test_a_seed_fixes_what_is_drawn(client: openai.OpenAI, engine: RunningEngine) -> None:
    """The same seed draws the same answer; without one, answers differ."""
    asked = {"model": engine.model, "messages": QUESTION, "max_tokens": 12, "temperature": 1.5}

    def draw(**more: int) -> str:
        answer = client.chat.completions.create(**asked, **more)  # type: ignore[call-overload]
        return str(answer.choices[0].message.content)

    assert draw(seed=7) == draw(seed=7)
    assert draw() != draw()


def test_more_than_the_context_is_refused(client: openai.OpenAI, engine: RunningEngine) -> None:
    """A prompt, or a prompt and its answer, beyond the context is OpenAI's context_length_exceeded."""
    for text, max_tokens in (("word " * 9000, 1), ("word", 9000)):
        with pytest.raises(openai.BadRequestError) as caught:
            client.completions.create(model=engine.model, prompt=text, max_tokens=max_tokens)
        assert caught.value.code == "context_length_exceeded"


def test_errors_have_the_status_sdks_expect(client: openai.OpenAI, engine: RunningEngine) -> None:
    """404 for another model or route, 405 for another method, 400 with the parameter for a wrong field."""
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="other", messages=QUESTION)
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model=engine.model, input="x")
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=engine.model, messages=QUESTION, n=3)
    assert caught.value.param == "n"
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model=engine.model, prompt=[10**9])
    assert httpx2.get(f"{engine.url}/chat/completions").status_code == 405


def test_the_engine_admits_as_many_as_it_was_told(engine: RunningEngine) -> None:
    """At two at once, sixteen requests run by two, twelve wait in order, and two are told to come back."""

    async def play() -> tuple[list[int], list[float], list[float], list[int]]:
        running: list[float] = []
        waiting: list[float] = []
        done: list[int] = []
        async with httpx2.AsyncClient(timeout=60) as http:

            async def ask(number: int) -> int:
                fields = {"model": engine.model, "prompt": "x", "max_tokens": 8, "ignore_eos": True}
                answer = await http.post(f"{engine.url}/completions", json=fields)
                if answer.status_code == 200:
                    done.append(number)
                else:
                    assert answer.headers["retry-after"] == "1"
                return answer.status_code

            asked = []
            for number in range(16):
                asked.append(asyncio.create_task(ask(number)))
                await asyncio.sleep(0.005)  # in this order
            while not all(task.done() for task in asked):
                text = (await http.get(f"{engine.root}/metrics")).text
                for name, into in (("running", running), ("waiting", waiting)):
                    into.append(float(text.split(f"vllm:num_requests_{name}{{")[1].split("} ")[1].split()[0]))
            return [task.result() for task in asked], running, waiting, done

    statuses, running, waiting, done = asyncio.run(play())
    assert sorted(statuses) == [200] * (engine.max_sequences + engine.max_queue) + [503] * 2
    assert max(running) == engine.max_sequences
    assert 10 <= max(waiting) <= engine.max_queue
    assert done == sorted(done)


def test_kv_use_and_tokens_show_in_the_metrics(client: openai.OpenAI, engine: RunningEngine) -> None:
    """While an answer grows its KV use is above zero; tokens are counted as the usage says."""
    before = engine.metric("vllm:generation_tokens_total")
    stream = client.completions.create(
        model=engine.model, prompt="word " * 200, max_tokens=10, stream=True, extra_body={"ignore_eos": True}
    )
    next(stream)
    assert 0 < engine.metric("vllm:kv_cache_usage_perc") < 1
    list(stream)
    assert before + 10 == engine.metric("vllm:generation_tokens_total")
    assert engine.becomes_idle()


def test_broken_bodies_are_the_clients_error(engine: RunningEngine) -> None:
    """Whatever is posted, the answer is a 400 or 413 in OpenAI's form."""
    for body, status in ((b"{", 400), (b"[]", 400), (b"x" * (9 << 20), 413)):
        answer = httpx2.post(f"{engine.url}/chat/completions", content=body)
        assert status == answer.status_code
        assert "message" in json.loads(answer.content)["error"]
