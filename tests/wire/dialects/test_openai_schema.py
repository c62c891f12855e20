"""What we write in OpenAI's formats is valid by the OpenAPI schema that OpenAI publishes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from baseload import errors
from baseload.errors import Fault, RequestError
from baseload.wire.dialects.converse_frames import frames_of
from baseload.wire.dialects.crossing import Crossing
from baseload.wire.dialects.judging import Judged
from baseload.wire.dialects.nouns import Dialect, Prompt
from baseload.wire.dialects.speakers import SPEAKERS
from baseload.wire.openai import error_body
from tests.wire.dialects.examples import examples
from tests.wire.dialects.openai_schema import chunk_problems, event_problems, problems
from tests.wire.dialects.recorded import binary, exchanges, payloads, streams

Problems = Callable[[Any], Iterator[str]]

FORMATS: dict[Dialect, tuple[str, Problems]] = {
    Dialect.CHAT: ("CreateChatCompletionResponse", chunk_problems),
    Dialect.RESPONSES: ("Response", event_problems),
}
"""OpenAI's dialects: the schema of a whole answer, and the judge of a stream's events."""
PAIRS = [(source, target) for source in sorted(SPEAKERS) for target in FORMATS if source is not target]


def crossing(client: Dialect, target: Dialect) -> Crossing:
    """What tells a target's answers to a client."""
    prompt = Prompt("tides", [], stream=True, usage_in_stream=True)
    made = Crossing(client, target, b"", Judged([], [], set()), prompt, asked="tides")
    made.request_id = "1a2b"
    return made


def told(client: Dialect, target: Dialect, framed: bytes) -> Iterator[Any]:
    """The events that the client gets of a target's stream."""
    relay = crossing(client, target).relay(chunked_in=True, chunked_out=False)
    out = relay.feed(b"%x\r\n%b\r\n0\r\n\r\n" % (len(framed), framed)) if framed else b""
    for data in payloads({"response_text": out.decode()}):
        if data != b"[DONE]":
            yield msgspec.json.decode(data)


def whole_problems(client: Dialect, target: Dialect, reply: Any) -> list[str]:
    """What is wrong with a target's whole answer as the client gets it."""
    value = msgspec.json.decode(crossing(client, target).whole(msgspec.json.encode(reply)))
    return list(problems(FORMATS[client][0], value))


def stream_problems(client: Dialect, target: Dialect, framed: bytes) -> list[str]:
    """The same of a stream."""
    judge = FORMATS[client][1]
    return [problem for event in told(client, target, framed) for problem in judge(event)]


def framed_of(dialect: Dialect, stream: list[Any]) -> bytes:
    """The bytes of an example's stream on the wire."""
    lines = [one.encode() if isinstance(one, str) else msgspec.json.encode(one) for one in stream]
    if dialect is Dialect.CONVERSE:
        return b"".join(map(frames_of, lines))
    return b"".join(b"data: %b\n\n" % line for line in lines)


@pytest.mark.parametrize(("target", "client"), PAIRS)
def test_recorded_answers_are_told_validly(shared: Path, target: Dialect, client: Dialect) -> None:
    """Every recorded answer and every event of every recorded stream, as a client of OpenAI's has it."""
    judged = 0
    for exchange in exchanges(shared, target):
        if exchange["status"] != 200:
            continue
        if streams(exchange):
            framed = exchange["response_text"].encode() if binary(exchange) is None else binary(exchange)
            if exchange["provider"] == "bedrock_anthropic":
                framed = b"".join(b"data: %b\n\n" % data for data in payloads(exchange))
            wrong = stream_problems(client, target, framed or b"")
        else:
            wrong = whole_problems(client, target, exchange["response"])
        assert wrong == [], exchange["id"]
        judged += 1
    assert judged > 50


@pytest.mark.parametrize(("target", "client"), PAIRS)
def test_examples_are_told_validly(target: Dialect, client: Dialect) -> None:
    """The same of our own exchanges."""
    for example in examples("reply"):
        if example.dialect is target:
            assert whole_problems(client, target, example.held["reply"]) == [], example
    for example in examples("stream"):
        if example.dialect is target:
            assert stream_problems(client, target, framed_of(target, example.held["stream"])) == [], example


@pytest.mark.parametrize("client", FORMATS)
def test_a_targets_errors_are_told_validly(shared: Path, client: Dialect) -> None:
    """Errors of every other format, recorded and of our own, in OpenAI's; its own are passed on as such."""
    told_as = SPEAKERS[client].write_failure
    for target in SPEAKERS.keys() - FORMATS.keys():
        bodies = [
            (one["status"], one["response"]) for one in exchanges(shared, target) if one["status"] >= 400
        ]
        bodies += [
            (example.held["failure"]["status"], example.held["failure"]["body"])
            for example in examples("failure")
            if example.dialect is target
        ]
        for status, body in bodies:
            if isinstance(body, dict):
                failure = SPEAKERS[target].read_failure(copy.deepcopy(body))
                assert list(problems("ErrorResponse", told_as(failure, status))) == [], body


FAULTS = [fault for fault in vars(errors).values() if isinstance(fault, Fault)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.code)
def test_our_own_errors_are_valid(fault: Fault) -> None:
    """Every error of the gateway, with and without a parameter."""
    for param in (None, "max_tokens"):
        body = msgspec.json.decode(error_body(RequestError(fault, "it failed", param=param), "1a2b"))
        assert list(problems("ErrorResponse", body)) == []


def test_the_judge_finds_what_is_wrong() -> None:
    """A chunk with a finish reason of no schema, a whole answer without its choices, an event of no name."""
    chunk = {"id": "c", "created": 1, "model": "m", "object": "chat.completion.chunk"}
    one = {"index": 0, "delta": {}, "finish_reason": "tired"}
    assert len(list(chunk_problems(chunk | {"choices": [one]}))) == 1
    assert list(chunk_problems(chunk | {"choices": [one | {"finish_reason": None}]})) == []
    assert len(list(problems("CreateChatCompletionResponse", chunk | {"object": "chat.completion"}))) == 1
    assert list(event_problems({"type": "response.tired"})) == ["no event is called response.tired"]
