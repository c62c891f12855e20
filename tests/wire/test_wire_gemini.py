"""Google's streams as bytes: however they are framed and cut, the same is passed on and counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.core import Tokens
from baseload.wire.gemini import ArrayRelay, GeminiRelay, body_for, read_answer, read_request
from baseload.wire.http1 import UpstreamSyntax

USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 3}


def chunk(text: str, **more: Any) -> dict[str, Any]:
    """One object of a stream; `more` are members of its candidate."""
    return {"candidates": [{"content": {"parts": [{"text": text}]}, **more}]}


CHUNKS = [chunk(""), chunk('A ]}\n" b'), chunk("c", finishReason="STOP") | {"usageMetadata": USAGE}]
OBJECTS = [json.dumps(one).encode() for one in CHUNKS]
EVENTS = b"".join(b"data: %b\r\n\r\n" % one for one in OBJECTS)
ARRAY = b"[" + b"\n,\r\n".join(OBJECTS) + b"\n]\n"
TOLD = b"[" + b",\r\n".join(OBJECTS) + b"]"


@given(st.sampled_from([EVENTS, ARRAY]), st.sampled_from([GeminiRelay, ArrayRelay]), st.data())
def test_any_cut_of_any_framing_is_told_alike(
    body: bytes, made: type[GeminiRelay], data: st.DataObject
) -> None:
    """Events or an array, in pieces of any size, chunked: the client's framing is whole, the usage known."""
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=6).map(sorted))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    relay = made(chunked_in=True, chunked_out=False)
    out = b"".join(relay.feed(b"%x\r\n%b\r\n" % (len(one), one)) for one in pieces if one)
    out += relay.feed(b"0\r\n\r\n")
    assert out == (TOLD if made is ArrayRelay else EVENTS)
    assert (relay.done, relay.ended, relay.committed) == (True, True, True)
    assert relay.tokens() == Tokens(9, 0, 0, 5, 3)


def test_the_last_events_end_may_be_cut() -> None:
    """Its last byte comes alone, when all is said: the client gets it all the same."""
    relay = GeminiRelay(chunked_in=True, chunked_out=False)
    out = b"".join(relay.feed(b"1\r\n%c\r\n" % byte) for byte in EVENTS)
    assert (out, relay.done) == (EVENTS, True)


def test_nothing_goes_out_before_the_first_word() -> None:
    """Empty text is held; the first word brings it along."""
    relay = ArrayRelay(chunked_in=False, chunked_out=False)
    assert relay.feed(b"[" + OBJECTS[0]) == b""
    assert not relay.committed
    assert relay.feed(b",\r\n" + OBJECTS[1]) == b"[" + OBJECTS[0] + b",\r\n" + OBJECTS[1]
    assert relay.sequence == 2


def test_output_under_way_that_nobody_counted_is_not_known() -> None:
    """Usage of the input alone is no count of a stream that breaks off."""
    relay = GeminiRelay(chunked_in=False, chunked_out=False)
    relay.feed(
        b"data: %b\r\n\r\n" % json.dumps(chunk("A") | {"usageMetadata": {"promptTokenCount": 9}}).encode()
    )
    assert relay.tokens() is None
    assert relay.events == 1


def test_every_candidate_must_end() -> None:
    """One of two is not the end."""
    relay = GeminiRelay(chunked_in=False, chunked_out=False)
    both = {"candidates": [{"index": 0, "finishReason": "STOP"}, {"index": 1}]}
    relay.feed(b"data: %b\n\n" % json.dumps(both).encode())
    assert not relay.done
    relay.feed(b'data: {"candidates":[{"index":1,"finishReason":1}]}\n\n')
    assert relay.done


@pytest.mark.parametrize("relay", [GeminiRelay, ArrayRelay])
def test_an_error_in_a_stream_is_found(relay: type[GeminiRelay]) -> None:
    """In either framing; nothing of it is passed on."""
    error = b'{"error":{"code":503,"message":"sorry","status":"UNAVAILABLE"}}'
    for body in (b"data: %b\r\n\r\n" % error, b"[%b]" % error):
        one = relay(chunked_in=False, chunked_out=False)
        assert one.feed(body) == b""
        assert one.error_event == error
        answer = read_answer(one.error_event)
        assert answer is not None
        assert getattr(answer.error, "message", "") == "sorry"


def test_what_is_no_stream_of_googles_is_a_broken_target() -> None:
    """An event that is no JSON, and an array of something else."""
    for body in (b"data: nonsense\n\n", b"[1]]"):
        with pytest.raises(UpstreamSyntax):
            GeminiRelay(chunked_in=False, chunked_out=False).feed(body)


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        ({"maxOutputTokens": 9}, 9),
        ({"max_output_tokens": 9, "candidateCount": 2}, 18),
        ({"maxOutputTokens": "9"}, 9),
        ({"maxOutputTokens": None}, None),
        ({}, None),
    ],
)
def test_the_bound_on_the_output_is_read(settings: dict[str, Any], bound: int | None) -> None:
    """In both spellings, for all candidates, and as text, as protocol buffers allow."""
    body = json.dumps({"contents": [], "generationConfig": settings}).encode()
    assert read_request(body, "m", stream=False).output_bound == bound


def test_names_of_the_model_in_a_body_are_the_targets() -> None:
    """At the top, in each of several requests and in a whole one inside; all else stays as it came."""
    body = (
        b'{"requests":[{"model":"models/a","content":{"parts":[{"text":"models/a"}]},"x": 1.0}],"model":"a"}'
    )
    fields = read_request(body, "a", stream=False)
    assert body_for(body, fields, "b") == (
        b'{"requests":[{"model":"models/b","content":{"parts":[{"text":"models/a"}]},"x":1.0}],"model":"b"}'
    )
    assert body_for(body, fields, "a") is body
