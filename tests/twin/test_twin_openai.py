"""The OpenAI format as a twin reads and writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from baseload.twin.openai import (
    Answer,
    ApiError,
    Call,
    Dialect,
    Limits,
    embeddings_body,
    read_call,
)

ENGINE = Limits(("m",), 1000, 100, Dialect.ENGINE)
PROVIDER = Limits(("m",), 1000, 100, Dialect.PROVIDER)
CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"


def call(
    path: str = CHAT, limits: Limits = ENGINE, headers: dict[str, str] | None = None, **body: Any
) -> Call:
    """The call of a body, with a short prompt unless one is given."""
    given: dict[str, Any] = {"model": "m", **body}
    if path == CHAT:
        given.setdefault("messages", [{"role": "user", "content": "hello"}])
    return read_call(path, headers or {}, json.dumps(given).encode(), limits)


def refused(path: str = CHAT, limits: Limits = ENGINE, **body: Any) -> tuple[int, dict[str, Any]]:
    """Status and error of a call that is refused."""
    with pytest.raises(ApiError) as caught:
        call(path, limits, **body)
    return caught.value.status, json.loads(caught.value.body)["error"]


def test_input_tokens_are_a_quarter_of_the_bytes_of_the_text() -> None:
    """Text of strings and of text parts counts, in UTF-8; pictures and empty content do not; at least 1."""
    parts = [{"type": "text", "text": "é" * 20}, {"type": "image_url", "image_url": {"url": "x" * 99}}]
    messages = [
        {"role": "system", "content": "a" * 40},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None},
    ]
    assert call(messages=messages).input_tokens == (40 + 40) // 4
    assert call(messages=[{"role": "user", "content": ""}]).input_tokens == 1
    assert call(COMPLETIONS, prompt="a" * 41).input_tokens == 10
    assert call(COMPLETIONS, prompt=[1, 2, 3]).input_tokens == 3
    assert call(EMBEDDINGS, input=["a" * 8, "b" * 8]).input_tokens == 4
    assert call(EMBEDDINGS, input=[[1, 2], [3]]).input_tokens == 3


def test_output_length_is_known_beforehand() -> None:
    """Header, marker, ignore_eos and hash say the length, max_tokens caps it and changes the reason."""
    marked = [{"role": "user", "content": "say [twin output=37] please"}]
    assert call(messages=marked).output_tokens == 37
    assert call(messages=marked).finish_reason == "stop"
    assert call(messages=marked, headers={"x-twin-output-tokens": "5"}).output_tokens == 5
    capped = call(messages=marked, max_tokens=20)
    assert (capped.output_tokens, capped.finish_reason) == (20, "length")
    assert call(messages=marked, max_tokens=99, max_completion_tokens=30).output_tokens == 30
    assert call(max_tokens=64, ignore_eos=True).output_tokens == 64
    assert call().output_tokens == call().output_tokens
    drawn = [call(messages=[{"role": "user", "content": f"p{i}"}]).output_tokens for i in range(400)]
    assert min(drawn) >= 1
    assert max(drawn) <= 199
    assert sum(drawn) / 400 == pytest.approx(100, rel=0.1)


def test_the_marker_carries_faults_and_cached_tokens() -> None:
    """A prompt can ask for a fault and say what of it is cached, so that it passes through any proxy."""
    made = call(
        messages=[{"role": "user", "content": "x" * 100 + "[twin cached=20 fault=cut,after_tokens=3]"}]
    )
    assert (made.cached_tokens, made.fault) == (20, "cut,after_tokens=3")
    assert call(headers={"x-twin-fault": "no_usage"}).fault == "no_usage"


@pytest.mark.parametrize("limits", [ENGINE, PROVIDER])
def test_wrong_calls_are_refused_as_the_real_servers_do(limits: Limits) -> None:
    """Bad JSON shapes and values are 400, an unknown model 404, with an error object of the dialect."""
    assert refused(limits=limits, model="other")[0] == 404
    assert refused(limits=limits, messages=[])[0] == 400
    assert refused(limits=limits, messages="hi")[0] == 400
    assert refused(limits=limits, max_tokens=0)[0] == 400
    assert refused(limits=limits, n=2)[0] == 400
    assert refused(COMPLETIONS, limits)[0] == 400
    assert refused(COMPLETIONS, limits, prompt=["a", "b"])[0] == 400
    assert refused(EMBEDDINGS, limits, input=["a", 1])[0] == 400
    status, problem = refused(limits=limits, messages=[{"role": "user", "content": "x" * 8000}])
    assert status == 400
    assert "maximum context length is 1000" in problem["message"]
    assert refused(EMBEDDINGS, limits, input="x" * 4000)[0] == 400
    with pytest.raises(ApiError):
        read_call(CHAT, {}, b"{", limits)


def test_dialects_differ_where_the_servers_do() -> None:
    """vLLM names an exception and its status; OpenAI gives a code, and rejects vLLM's stream option."""
    assert refused(model="x")[1] == {
        "message": "The model `x` does not exist.",
        "type": "NotFoundError",
        "param": "model",
        "code": 404,
    }
    assert refused(limits=PROVIDER, model="x")[1]["code"] == "model_not_found"
    options: dict[str, Any] = {"stream": True, "stream_options": {"continuous_usage_stats": True}}
    assert call(**options).continuous_usage
    assert refused(limits=PROVIDER, **options)[1]["code"] == "unknown_parameter"


def events(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each event."""
    return [json.loads(event.removeprefix("data: ")) for event in data.decode().split("\n\n") if event]


def test_a_chat_stream_reads_role_tokens_reason_usage() -> None:
    """The role first, one delta a token, the reason, then the usage in an event without choices."""
    made = call(stream=True, stream_options={"include_usage": True}, max_tokens=3, ignore_eos=True)
    answer = Answer(made, 7, 1_700_000_000)
    read = events(answer.opening() + answer.tokens(0, 2) + answer.tokens(2, 1) + answer.closing())
    assert [event["object"] for event in read] == ["chat.completion.chunk"] * 6
    deltas = [event["choices"][0]["delta"] for event in read[:-1]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [delta["content"] for delta in deltas[1:4]] == ["the ", "sun ", "and "]
    assert read[4]["choices"][0]["finish_reason"] == "length"
    assert read[5]["choices"] == []
    assert read[5]["usage"]["completion_tokens"] == 3
    assert all("usage" not in event for event in read[:5])
    assert len({event["id"] for event in read}) == 1


def test_continuous_usage_counts_along() -> None:
    """With vLLM's continuous_usage_stats every event says what was produced up to it."""
    made = call(
        stream=True,
        stream_options={"include_usage": True, "continuous_usage_stats": True},
        max_tokens=2,
        ignore_eos=True,
    )
    answer = Answer(made, 1, 0)
    read = events(answer.opening() + answer.tokens(0, 2) + answer.closing())
    assert [event["usage"]["completion_tokens"] for event in read] == [0, 1, 2, 2, 2]
    assert read[-1]["usage"]["total_tokens"] == made.input_tokens + 2


def test_a_whole_answer_is_the_same_text() -> None:
    """Unstreamed answers carry all tokens' words, the reason and the usage, unless it is withheld."""
    made = call(max_tokens=4, ignore_eos=True)
    body = json.loads(Answer(made, 1, 0).body())
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == "the sun and sea "
    assert body["usage"]["completion_tokens"] == 4
    assert "usage" not in json.loads(Answer(made, 1, 0).body(usage=False))


def test_completions_have_text_and_no_role() -> None:
    """The older format carries `text`, streamed and whole."""
    made = call(COMPLETIONS, prompt="hi", stream=True, max_tokens=2, ignore_eos=True)
    answer = Answer(made, 1, 0)
    read = events(answer.opening() + answer.tokens(0, 2) + answer.closing())
    assert [event["choices"][0]["text"] for event in read] == ["the ", "sun ", ""]
    assert {event["object"] for event in read} == {"text_completion"}


def test_embeddings_have_one_vector_an_input() -> None:
    """Vectors have the dimensions asked for and unit length."""
    made = call(EMBEDDINGS, input=["a", "b", "c"], dimensions=4)
    body = json.loads(embeddings_body(made))
    assert [item["index"] for item in body["data"]] == [0, 1, 2]
    assert all(sum(x * x for x in item["embedding"]) == pytest.approx(1) for item in body["data"])
    assert made.output_tokens == 0
