"""What an answer holds that the client's dialect has no place for: a member that the client may send back.

Signatures of reasoning, sealed reasoning and parts of the target's own kind are put into the member
`baseload` of the message, with their place among its parts. SDKs keep and return members that they do not
know, so the next turn brings them back whole; a client that drops them loses what its own format cannot say.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

import msgspec

from baseload.wire.dialects.nouns import (
    Call,
    Choice,
    Dialect,
    Foreign,
    Json,
    Media,
    Own,
    Part,
    Reply,
    Text,
    Thought,
)

MEMBER = "baseload"
"""The member of a message that holds the annex."""


_THOUGHTS_FIRST = frozenset({Dialect.CHAT})
"""Dialects that cannot say that reasoning came after something else."""

_MEDIA_IN_ANSWERS = frozenset({Dialect.GEMINI, Dialect.CONVERSE})
"""Dialects whose answers can hold pictures that the model drew."""


def for_parts(parts: Iterable[Part], dialect: Dialect) -> Json | None:
    """The annex of a message in `dialect`; None where its own format says everything.

    `parts` lists all parts in order: `{"text": N}` is the next N characters of the message's text,
    `{"call": ID}` that call, `{"part": …}` one that only the annex holds.
    """
    order: list[Json] = []
    needed = answering = False
    for part in parts:
        thinking = isinstance(part, Thought)
        needed = needed or (thinking and answering and dialect in _THOUGHTS_FIRST)
        answering = answering or not thinking
        kept = _needs_keeping(part, dialect)
        needed = needed or kept
        if kept:
            order.append({"part": msgspec.to_builtins(part)})
        elif isinstance(part, Text):
            order.append({"text": len(part.text)})
        elif isinstance(part, Call):
            order.append({"call": part.id})
        else:
            order.append({"part": msgspec.to_builtins(part)})
    return {"parts": order} if needed else None


def _needs_keeping(part: Part, dialect: Dialect) -> bool:
    if isinstance(part, Thought):
        return part.origin is not dialect and (part.signature is not None or part.sealed is not None)
    if isinstance(part, Foreign):
        return part.own.dialect is not dialect
    if isinstance(part, Media) and dialect not in _MEDIA_IN_ANSWERS:
        return True
    if isinstance(part, Call | Text | Media):
        own = part.own
        return own is not None and own.dialect is not dialect and _meant(own)
    return False


def _meant(own: Own) -> bool:
    """Whether a foreign member says anything: empty ones are how providers write nothing."""
    return any(value not in (None, [], {}, "") for value in own.members.values())


def restore(parts: list[Part], annex: object) -> list[Part]:
    """The parts as the annex has them; as they are where there is none, or the message was changed since."""
    if not isinstance(annex, dict) or not isinstance(order := annex.get("parts"), list):
        return parts
    text = "".join(part.text for part in parts if isinstance(part, Text))
    calls = {part.id: part for part in parts if isinstance(part, Call)}
    restored: list[Part] = []
    at = 0
    try:
        for one in order:
            if "text" in one:
                restored.append(Text(text[at : at + one["text"]]))
                at += one["text"]
            elif "call" in one:
                restored.append(calls.pop(one["call"]))
            else:
                part: Part = msgspec.convert(one["part"], Part)
                restored.append(part)
                at = _passed(part, text, at, calls)
    except (KeyError, TypeError, ValueError, RecursionError):  # msgspec.ValidationError is one
        return parts
    return restored if at == len(text) and not calls else parts


def _passed(part: Part, text: str, at: int, calls: dict[str, Call]) -> int:
    """Where in the text the message goes on after a kept part, which may also be said in it."""
    if isinstance(part, Text):
        if not text.startswith(part.text, at):
            raise ValueError("the text was changed")
        return at + len(part.text)
    if isinstance(part, Call):
        del calls[part.id]
    return at


def for_reply(reply: Reply, choice: Choice, dialect: Dialect) -> Json | None:
    """The annex of a whole answer's choice: its parts, and what the target says of the answer itself."""
    return for_answer(choice.parts, dialect, reply.own, choice.own)


def for_answer(parts: Iterable[Part], dialect: Dialect, reply: Own | None, choice: Own | None) -> Json | None:
    """As `for_reply`, of an answer that is not whole: `reply` and `choice` are what is said of these."""
    annex: Json = {**(for_parts(parts, dialect) or {}), **aside(dialect, reply, choice)}
    return annex or None


def aside(dialect: Dialect, reply: Own | None, choice: Own | None) -> Json:
    """What a target says of answer and choice besides their parts: the next turn needs none of it."""
    owns = (("reply", reply), ("choice", choice))
    return {
        name: {own.dialect.value: own.members}
        for name, own in owns
        if own is not None and own.dialect is not dialect and _meant(own)
    }


MARK = "YmFzZWxvYWQ6"
"""How an annex begins that stands where a format has a signature: base64 of `baseload:`."""


def pack(kept: Json) -> str:
    """An annex as a signature: what clients of some formats must send back as it came."""
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(b"baseload:" + text.encode()).decode()


def unpack(signature: object) -> Json | None:
    """The annex that a signature is; None for any other."""
    if not isinstance(signature, str) or not signature.startswith(MARK):
        return None
    try:
        packed = signature.replace("+", "-").replace("/", "_")
        kept = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))[len("baseload:") :])
    except (ValueError, RecursionError):
        return None
    return kept if isinstance(kept, dict) else None
