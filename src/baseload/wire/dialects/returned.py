"""What earlier answers left in a conversation, taken out before it passes as bytes to who never said it.

A client sends the model's turns back as it got them. Those told from another format hold what its own
providers cannot check and refuse: an annex, or reasoning that none of their models signed.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from baseload.wire.dialects import annex
from baseload.wire.dialects.chat import THOUGHTS
from baseload.wire.dialects.crossing import without_annex
from baseload.wire.dialects.gemini_parts import unpack
from baseload.wire.dialects.messages import UNSIGNED
from baseload.wire.dialects.nouns import Dialect, Json

_ANNEX = b'"%b"' % annex.MEMBER.encode()
_MARK = annex.MARK.encode()


def own_words(dialect: Dialect, body: bytes) -> bytes:
    """A request for a target of the client's own format, without what only other formats' answers left in it.

    A body that holds none of it is handed back as it is; for most that is one look for a few bytes.
    """
    known = _CLEANED.get(dialect)
    if known is None or known[0] not in body:
        return body
    return _tried(known[1], body)


def without_thoughts(body: bytes) -> bytes:
    """A request of chat for a target that refuses what others tell of their reasoning (`THOUGHTLESS`)."""
    return _tried(_for_thoughtless, body) if b'"reasoning' in body else body


THOUGHTLESS = frozenset({"cerebras", "groq"})
"""Providers of chat whose 400 is `property 'reasoning_content' is unsupported`: jan#8136, kilocode#10375,
cherry-studio#16790. Others take the member, and DeepSeek and Moonshot want it back."""


def _tried(clean: Callable[[bytes], bytes], body: bytes) -> bytes:
    """The body cleaned; as it is where it is not as its format has it, for the target to refuse."""
    try:
        return clean(body)
    except (ValueError, KeyError, TypeError, AttributeError):
        return body


# -- chat ---------------------------------------------------------------------------------------------------


def _for_thoughtless(body: bytes) -> bytes:
    value: Json = msgspec.json.decode(body)
    found = [message.pop(name, None) for message in value["messages"] for name in THOUGHTS]
    return body if found.count(None) == len(found) else msgspec.json.encode(value)


# -- messages -----------------------------------------------------------------------------------------------


class _Block(Struct):
    type: str = ""
    signature: str | None = None
    data: str | None = None


class _Message(Struct):
    content: str | list[_Block] = ""


class _Messages(Struct):
    messages: list[_Message] = []


_THINKING = msgspec.json.Decoder(_Messages)


def _unproven(kind: object, signature: object, data: object) -> bool:
    """Whether a block is reasoning that Anthropic refuses: signed by nobody, or an annex."""
    if kind == "thinking":
        return signature in (None, "", UNSIGNED)
    return kind == "redacted_thinking" and isinstance(data, str) and data.startswith(annex.MARK)


def _for_anthropic(body: bytes) -> bytes:
    told = _THINKING.decode(body).messages
    blocks = [block for message in told if not isinstance(message.content, str) for block in message.content]
    if not any(_unproven(block.type, block.signature, block.data) for block in blocks):
        return body
    value: Json = msgspec.json.decode(body)
    kept = []
    for message in value["messages"]:
        content = message["content"]
        if isinstance(content, list):
            message["content"] = [
                block
                for block in content
                if not _unproven(block.get("type"), block.get("signature"), block.get("data"))
            ]
        if message["content"] or not content:  # a turn that held nothing else is none
            kept.append(message)
    value["messages"] = kept
    return msgspec.json.encode(value)


# -- gemini -------------------------------------------------------------------------------------------------


def _for_google(body: bytes) -> bytes:
    value: Json = msgspec.json.decode(body)
    kept = []
    for content in value["contents"]:
        parts = content["parts"]
        content["parts"] = [part for part in parts if unpack(part) is None]
        if content["parts"] or not parts:
            kept.append(content)
    value["contents"] = kept
    return msgspec.json.encode(value)


_CLEANED: dict[Dialect, tuple[bytes, Callable[[bytes], bytes]]] = {
    Dialect.CHAT: (_ANNEX, without_annex),
    Dialect.MESSAGES: (b"thinking", _for_anthropic),
    Dialect.GEMINI: (_MARK, _for_google),
}
"""By dialect: bytes without which a body holds nothing foreign, and what takes it out."""
