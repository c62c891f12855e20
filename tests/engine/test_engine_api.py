"""Requests in OpenAI's format are read in all their forms, or refused with the field's name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from baseload.engine.api import Writer, read_chat, read_completion, read_tokenize
from baseload.engine.link import Chat, Message, Sampling, Text, TokenIds
from baseload.errors import RequestError

MESSAGES = [{"role": "user", "content": "hi"}]


def body(**fields: Any) -> bytes:
    """A request for model `m`."""
    return json.dumps({"model": "m", **fields}).encode()


def test_a_chat_is_read_with_openais_defaults() -> None:
    """Temperature and top_p are 1, the answer may fill the context, nothing is streamed."""
    ask = read_chat(body(messages=MESSAGES, seed=5), "m")
    assert Chat((Message("user", "hi"),)) == ask.prompt
    assert Sampling(seed=5) == ask.sampling
    assert (ask.stream, ask.include_usage, ask.continuous_usage) == (False, False, False)


def test_every_option_reaches_the_engine() -> None:
    """What the engine can do is passed on, under OpenAI's and vLLM's names."""
    options = {
        "max_completion_tokens": 9, "max_tokens": 8, "temperature": 0, "top_p": 0.5, "top_k": 3, "seed": 1,
        "stop": ["a", "b"], "frequency_penalty": 1, "presence_penalty": -1, "repetition_penalty": 1.5,
        "min_tokens": 2, "ignore_eos": True, "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }  # fmt: skip
    ask = read_chat(body(messages=MESSAGES, **options), "m")
    expected = Sampling(
        max_tokens=9, min_tokens=2, ignore_eos=True, temperature=0, top_p=0.5, top_k=3, seed=1,
        stop=("a", "b"), frequency_penalty=1, presence_penalty=-1, repetition_penalty=1.5,
    )  # fmt: skip
    assert expected == ask.sampling
    assert (ask.stream, ask.include_usage, ask.continuous_usage) == (True, True, True)


def test_requests_without_a_seed_differ() -> None:
    """OpenVINO's default seed is the same for all: each request draws its own."""
    seeds = {read_chat(body(messages=MESSAGES), "m").sampling.seed for _ in range(5)}
    assert len(seeds) == 5


def test_text_parts_are_one_message() -> None:
    """A list of text parts is their text; an assistant's null content is empty."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": None}]
    assert (
        Chat((Message("user", "ab"), Message("assistant", "")))
        == read_chat(body(messages=messages), "m").prompt
    )


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("x", Text("x")),
        (["x"], Text("x")),
        ([1, 2], TokenIds((1, 2))),
        ([[1, 2]], TokenIds((1, 2))),
    ],
)
def test_a_completion_takes_each_form_of_prompt(prompt: object, expected: object) -> None:
    """OpenAI's four forms; sixteen tokens unless said otherwise."""
    ask = read_completion(body(prompt=prompt), "m")
    assert (expected, 16) == (ask.prompt, ask.sampling.max_tokens)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": MESSAGES, "n": 2}, "n"),
        ({"messages": MESSAGES, "best_of": 2}, "best_of"),
        ({"messages": MESSAGES, "logprobs": True}, "logprobs"),
        ({"messages": MESSAGES, "tools": [{}]}, "tools"),
        ({"messages": MESSAGES, "response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": MESSAGES, "logit_bias": {"1": 1}}, "logit_bias"),
        ({"messages": MESSAGES, "temperature": 3}, "temperature"),
        ({"messages": MESSAGES, "top_p": 0}, "top_p"),
        ({"messages": MESSAGES, "max_tokens": 0}, "max_tokens"),
        ({"messages": MESSAGES, "max_tokens": "many"}, "max_tokens"),
        ({"messages": MESSAGES, "stop": [""]}, "stop[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"messages": []}, "messages"),
        ({}, "messages"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    """Status 400, code invalid_field, and the parameter's name as OpenAI's clients show it."""
    with pytest.raises(RequestError) as caught:
        read_chat(body(**fields), "m")
    assert (400, "invalid_field", param) == (
        caught.value.fault.status,
        caught.value.fault.code,
        caught.value.param,
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
    ],
)
def test_a_wrong_completion_field_is_named(fields: dict[str, Any], param: str) -> None:
    """Batches of prompts, echo and suffix are refused instead of half served."""
    with pytest.raises(RequestError) as caught:
        read_completion(body(**fields), "m")
    assert (400, param) == (caught.value.fault.status, caught.value.param)


def test_another_model_does_not_exist() -> None:
    """A name the engine does not serve is 404 model_not_found, as OpenAI's and vLLM's."""
    with pytest.raises(RequestError) as caught:
        read_chat(body(messages=MESSAGES), "other")
    assert (caught.value.fault.status, caught.value.fault.code) == (404, "model_not_found")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    """A broken, foreign or bottomless body is a 400, never a crash."""
    with pytest.raises(RequestError) as caught:
        read_chat(raw, "m")
    assert caught.value.fault.status == 400


def test_tokenize_takes_a_prompt_or_messages() -> None:
    """vLLM's two forms; neither is an error."""
    assert Text("x", special_tokens=False) == read_tokenize(body(prompt="x", add_special_tokens=False), "m")
    chat = read_tokenize(body(messages=MESSAGES, add_generation_prompt=False), "m")
    assert Chat((Message("user", "hi"),), answer_follows=False) == chat
    with pytest.raises(RequestError):
        read_tokenize(body(), "m")


def test_usage_is_in_every_chunk_only_where_asked() -> None:
    """vLLM's continuous_usage_stats needs include_usage; without it chunks carry none."""
    options = {"continuous_usage_stats": True}
    for include, expected in ((False, False), (True, True)):
        asked = read_chat(
            body(messages=MESSAGES, stream=True, stream_options=options | {"include_usage": include}), "m"
        )
        chunk = json.loads(Writer(asked, "m").chunk("x", None, 3, 1, first=True).removeprefix(b"data: "))
        assert expected == ("usage" in chunk)
