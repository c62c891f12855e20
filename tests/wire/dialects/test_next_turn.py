"""What a target said comes back to it: told to a client of another dialect, sent again with the next turn."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from baseload.wire.dialects import judging
from baseload.wire.dialects.nouns import Choice, Dialect, Foreign, Own, Part, Reply, Role, Text, Thought, Turn
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.meaning import of_reply
from tests.wire.dialects.test_recorded import replies

SPOKEN: dict[Dialect, Callable[[Any], Any]] = {
    Dialect.CHAT: lambda body: body["choices"][0]["message"],
    Dialect.MESSAGES: lambda body: {"role": "assistant", "content": body["content"]},
    Dialect.CONVERSE: lambda body: body["output"]["message"],
    Dialect.GEMINI: lambda body: body["candidates"][0]["content"],
    Dialect.RESPONSES: lambda body: body["output"],
}
"""How a client of a dialect takes the message out of an answer."""
ASKED = {
    Dialect.CHAT: {"role": "user", "content": "Go on."},
    Dialect.MESSAGES: {"role": "user", "content": "Go on."},
    Dialect.CONVERSE: {"role": "user", "content": [{"text": "Go on."}]},
    Dialect.GEMINI: {"role": "user", "parts": [{"text": "Go on."}]},
    Dialect.RESPONSES: {"role": "user", "content": "Go on."},
}
PAIRS = [(client, target) for client in SPOKEN for target in SPOKEN if client is not target]


def next_request(client: Dialect, answer: Any) -> Any:
    """The next request of a client that keeps the members it does not know."""
    asked, said = ASKED[client], SPOKEN[client](answer)
    match client:
        case Dialect.GEMINI:
            return {"contents": [asked, said, asked]}
        case Dialect.RESPONSES:
            return {"model": "some-model", "input": [asked, *said, asked]}
        case Dialect.CONVERSE:
            return {"messages": [asked, said, asked]}
    return {"model": "some-model", "max_tokens": 9, "messages": [asked, said, asked]}


def answered(client: Dialect, target: Dialect, reply: Reply) -> list[Part]:
    """The parts of the earlier answer in the request that the target gets."""
    told = SPEAKERS[client].write_reply(copy.deepcopy(reply))
    body = next_request(client, told)
    prompt = SPEAKERS[client].read_request(msgspec.json.decode(msgspec.json.encode(body)))
    judging.judge(prompt, client, target)
    again = SPEAKERS[target].read_request(SPEAKERS[target].write_request(prompt))
    return [part for turn in again.turns if turn.role is Role.ASSISTANT for part in turn.parts]


def said(parts: list[Part]) -> Any:
    """What the parts mean."""
    return of_reply(Reply("", "", [Choice(parts, None)]))["choices"]


def proven(parts: list[Part]) -> list[Part]:
    """Without reasoning that nobody signed: another dialect gets its text, or leaves it out."""
    return [part for part in parts if not isinstance(part, Thought) or part.signature or part.sealed]


def signatures(parts: list[Part]) -> list[str]:
    """What the target signed: reasoning, and with Google any part."""
    found = []
    for part in parts:
        own = getattr(part, "own", None)
        signature = getattr(part, "signature", None) or (own and own.members.get("thoughtSignature"))
        if signature:
            found.append(signature)
    return found


@pytest.mark.parametrize(("client", "target"), PAIRS)
def test_recorded_answers_come_back_with_the_next_turn(
    shared: Path, client: Dialect, target: Dialect
) -> None:
    """Signatures, seals and the target's own parts included; nothing of it is refused."""
    signed = 0
    for exchange in replies(shared, target):
        reply = SPEAKERS[target].read_reply(copy.deepcopy(exchange["response"]))
        if not reply.choices:
            continue  # nothing was said
        choice = reply.choices[0]
        calls = any(type(part).__name__ == "Call" for part in choice.parts)
        if len(reply.choices) > 1 or calls or not choice.parts:
            continue  # a call needs its result first
        expected = proven(choice.parts)
        signed += bool(signatures(expected))
        again = proven(answered(client, target, reply))
        assert said(again) == said(expected), exchange["id"]
        assert signatures(again) == signatures(expected), exchange["id"]
    assert signed > 0 or target is Dialect.CHAT


@pytest.mark.parametrize("target", [Dialect.CHAT, Dialect.MESSAGES])
def test_what_a_third_dialect_alone_can_say_is_left_out(target: Dialect) -> None:
    """A conversation that moves on to another provider loses that part, and says so; it is not refused."""
    part = Foreign("toolUse of type x", Own(Dialect.CONVERSE, {"toolUse": {"toolUseId": "a", "type": "x"}}))
    client = Dialect.MESSAGES if target is Dialect.CHAT else Dialect.CHAT
    prompt = SPEAKERS[client].read_request(
        {"model": "some-model", "max_tokens": 9, "messages": [ASKED[client]]}
    )
    prompt.turns.append(Turn(Role.ASSISTANT, [Text("I looked."), part]))
    judged = judging.judge(prompt, client, target)
    assert any("only converse can say it" in how for how in judged.approximated)
    written = str(SPEAKERS[target].write_request(prompt))
    assert "I looked." in written
    assert "toolUse" not in written
