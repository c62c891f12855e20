"""What is read of bodies that pass through: the model, and what is charged for."""

from __future__ import annotations

import json

import pytest

from baseload.core import Tokens
from baseload.errors import RequestError
from baseload.wire.passed import PassedAnswer, characters, read_answer, read_request, usage_in


def test_a_model_may_be_absent() -> None:
    """The same fields as of a chat completion; the model is "" where none is named."""
    assert read_request(b'{"model":"m","n":3,"stream":true}').n == 3
    nameless = read_request(b' {"n": 2, "input":"x"}')
    assert (nameless.model, nameless.n) == ("", 2)
    assert read_request(b"{ }").model == ""


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"n":0}', "invalid_field"),
        (b'{"Model":"m"}', "invalid_field"),
        (b'{"model":1}', "invalid_field"),
        (b'{"input":"a","input":"b"}', "duplicate_key"),
        (b'{"mod\\u0065l":"a","model":"b"}', "duplicate_key"),
        (b"{", "invalid_json"),
    ],
)
def test_bodies_that_are_refused(body: bytes, code: str) -> None:
    """A key that is sent twice, or nearly named, is refused with or without a model."""
    with pytest.raises(RequestError) as refused:
        read_request(body)
    assert refused.value.fault.code == code


def test_characters_are_code_points() -> None:
    """As providers count what is spoken; None where there is no text."""
    assert characters(read_request('{"input":"né\\u20ac"}'.encode())) == 3
    assert characters(read_request(b'{"input":["a"]}')) is None
    assert characters(read_request(b"{}")) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"data": [{}, {}], "usage": {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}},
            PassedAnswer(Tokens(9, output=5), images=2),
        ),
        (
            {"usage": {"input_tokens": 9, "output_tokens": 5, "input_tokens_details": {"image_tokens": 4}}},
            PassedAnswer(Tokens(9, output=5), image_tokens=4),
        ),
        (
            {"text": "", "usage": {"input_tokens": 9, "input_token_details": {"audio_tokens": 9}}},
            PassedAnswer(Tokens(9), audio_tokens=9),
        ),
        ({"usage": {"type": "duration", "seconds": 7}}, PassedAnswer(milliseconds=7000)),
        ({"duration": 8.470000267028809}, PassedAnswer(milliseconds=8470)),
        ({"usage": {"total_tokens": 815}}, PassedAnswer(Tokens(815))),
        ({"usage": {"prompt_tokens": 8, "total_tokens": 8}}, PassedAnswer(Tokens(8))),
        ({"meta": {"billed_units": {"search_units": 2}}}, PassedAnswer(searches=2)),
        ({"usage": {"input_tokens": -1}}, PassedAnswer()),
        ({"usage": "none"}, PassedAnswer()),
    ],
)
def test_what_an_answer_says(said: object, expected: PassedAnswer) -> None:
    """Each provider's own words for what it charges; a count that is none is left out."""
    assert read_answer(json.dumps(said).encode()) == expected


def test_what_is_no_answer() -> None:
    """None for what is no object; an error is read as that."""
    assert read_answer(b"hello") is None
    assert read_answer(b"[]") is None
    failed = read_answer(b'{"error":{"message":"no","code":"x"},"usage":7}')
    assert failed is not None
    assert getattr(failed.error, "code", None) == "x"


def test_usage_at_the_end_of_a_stream() -> None:
    """The last `usage` counts; a text that only speaks of usage does not, nor one that is cut."""
    event = (
        b'event: x\ndata: {"text":"\\"usage\\": {}", "usage": {"input_tokens": 3, "output_tokens": 4}}\n\n'
    )
    assert usage_in(event).tokens == Tokens(3, output=4)
    assert usage_in(b'data: {"usage": {"seconds": 2}}\n\n').milliseconds == 2000
    assert usage_in(event[:-20]) == PassedAnswer()
    assert usage_in(b'data: {"text": "usage"}\n\n') == PassedAnswer()
    assert usage_in(b"") == PassedAnswer()
