"""History that one kind of target left passes as bytes to another one only without what that one refuses."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.wire.dialects import annex
from baseload.wire.dialects.messages import UNSIGNED
from baseload.wire.dialects.nouns import (
    Call,
    Choice,
    Dialect,
    Finish,
    Foreign,
    Json,
    Media,
    Own,
    Part,
    Reply,
    Text,
    Thought,
)
from baseload.wire.dialects.nouns import Kind as MediaKind
from baseload.wire.dialects.returned import own_words, without_thoughts
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.test_next_turn import SPOKEN, next_request

ASKED: Json = {"role": "user", "content": "Hi"}
SIGNED: Json = {"type": "thinking", "thinking": "Mine.", "signature": "EqAB"}
SEALED: Json = {"type": "redacted_thinking", "data": "EroB"}
TEXT: Json = {"type": "text", "text": "Said."}


def messages(*content: Any) -> Json:
    """A request whose assistant said this."""
    turns = [{"role": "assistant", "content": list(content)}, {"role": "user", "content": "Go on."}]
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}, *turns]}


def cleaned(dialect: Dialect, body: Json, *, indent: int | None = None) -> Json:
    """What a target of the same format gets."""
    value: Json = json.loads(own_words(dialect, json.dumps(body, indent=indent).encode()))
    return value


def reply(origin: Dialect) -> Reply:
    """An answer with all that only `origin` can check or say."""
    parts: list[Part] = [
        Thought("Hm.", "c2lnbmVk", origin=origin),
        Thought("", sealed="c2VhbGVk", origin=origin),
        Text("Said."),
        Foreign("own", Own(origin, {"type": "own"})),
        Media(MediaKind.IMAGE, "image/png", data="aWlp"),
        Call("call_1", "tide", "{}", own=Own(origin, {"extra": "e"})),
    ]
    return Reply("r", "m", [Choice(parts, Finish.TOOL_CALLS)])


@pytest.mark.parametrize(
    ("block", "kept"),
    [
        (SIGNED, True),
        (SEALED, True),
        (TEXT, True),
        ({"type": "thinking", "thinking": "Hm.", "signature": ""}, False),
        ({"type": "thinking", "thinking": "Hm."}, False),
        ({"type": "thinking", "thinking": "Hm.", "signature": UNSIGNED}, False),
        ({"type": "redacted_thinking", "data": annex.pack({"parts": []})}, False),
    ],
)
def test_reasoning_that_anthropic_never_signed_is_taken_out(block: Json, kept: bool) -> None:
    """However the client spaces its JSON; what Anthropic said itself stays where it was."""
    body = messages(block, TEXT)
    expected = body if kept else messages(TEXT)
    for indent in (None, 2):
        assert cleaned(Dialect.MESSAGES, body, indent=indent) == expected


def test_a_turn_that_held_nothing_else_is_none() -> None:
    """Anthropic refuses a turn without content; one that came empty is the client's own."""
    body = messages({"type": "thinking", "thinking": "Hm.", "signature": ""})
    assert [turn["role"] for turn in cleaned(Dialect.MESSAGES, body)["messages"]] == ["user", "user"]
    body = messages()
    body["messages"].append({"role": "assistant", "content": [SIGNED]})
    assert cleaned(Dialect.MESSAGES, body) == body


@pytest.mark.parametrize("dialect", list(Dialect))
def test_bytes_without_anything_foreign_stay_as_they_are(dialect: Dialect) -> None:
    """The very same object: nothing is written anew, and what is no JSON is the target's to refuse."""
    bodies = [
        json.dumps(messages(SIGNED, SEALED, TEXT), indent=1).encode(),
        b'{"thinking": "cut',
        b'{"messages": [{"content": 5}], "thinking": 1}',
        b'{"contents": 5, "YmFzZWxvYWQ6": 1}',
        b"[]",
    ]
    for body in bodies:
        assert own_words(dialect, body) is body


@given(st.binary(max_size=60) | st.text().map(str.encode))
def test_no_body_breaks_it(data: bytes) -> None:
    """Whatever a client sends reaches the target that is to refuse it."""
    for dialect in Dialect:
        for prefix in (b"", b'{"thinking"', b'{"baseload"', b'{"YmFzZWxvYWQ6"'):
            assert own_words(dialect, prefix + data) == prefix + data


@pytest.mark.parametrize("origin", list(Dialect))
@pytest.mark.parametrize("client", [Dialect.CHAT, Dialect.MESSAGES, Dialect.GEMINI])
def test_what_another_format_answered_passes_to_ones_own_in_its_own_words(
    client: Dialect, origin: Dialect
) -> None:
    """No annex, no seal and no reasoning of another provider is left; what was said stays."""
    if origin is client:
        return
    told = msgspec.json.decode(msgspec.json.encode(SPEAKERS[client].write_reply(reply(origin))))
    body = cleaned(client, next_request(client, told))
    text = json.dumps(body)
    for foreign in (annex.MARK, '"baseload"', "c2lnbmVk", "c2VhbGVk", "baseload:"):
        assert foreign not in text
    again = SPEAKERS[client].read_request(body)
    parts = [part for turn in again.turns for part in turn.parts]
    assert [part.text for part in parts if isinstance(part, Text)].count("Said.") == 1
    assert [part.name for part in parts if isinstance(part, Call)] == ["tide"]


@pytest.mark.parametrize("client", sorted(SPEAKERS))
@pytest.mark.parametrize("origin", list(Dialect))
def test_what_only_the_target_can_check_comes_back_to_it(client: Dialect, origin: Dialect) -> None:
    """From what a client sends back of an answer: content alone where its SDK keeps nothing else."""
    if origin is client:
        return
    told = msgspec.json.decode(
        msgspec.json.encode(SPEAKERS[client].write_reply(copy.deepcopy(reply(origin))))
    )
    prompt = SPEAKERS[client].read_request(next_request(client, told))
    (turn,) = [turn for turn in prompt.turns if turn.role.value == "assistant"]
    signed = [part.signature for part in turn.parts if isinstance(part, Thought) and part.signature]
    sealed = [part.sealed for part in turn.parts if isinstance(part, Thought) and part.sealed]
    assert (signed, sealed) == (["c2lnbmVk"], ["c2VhbGVk"])
    assert [part.own for part in turn.parts if isinstance(part, Call)] == [Own(origin, {"extra": "e"})]
    assert SPOKEN[client](told)


def test_reasoning_of_another_server_is_not_told_to_those_who_refuse_it() -> None:
    """Groq and Cerebras know no such member; everything else stays, and a body without it is not touched."""
    said = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm.", "reasoning": "Hm."}
    body: Json = {"model": "m", "reasoning_effort": "low", "messages": [ASKED, said, ASKED]}
    expected = {**body, "messages": [ASKED, {"role": "assistant", "content": "Yes."}, ASKED]}
    assert json.loads(without_thoughts(json.dumps(body).encode())) == expected
    for untouched in (
        json.dumps(expected, indent=2).encode(),
        b'{"reasoning',
        b'{"messages": 5, "reasoning": 1}',
    ):
        assert without_thoughts(untouched) is untouched
    assert without_thoughts(b'{"reasoning": 1}') == b'{"reasoning": 1}'
