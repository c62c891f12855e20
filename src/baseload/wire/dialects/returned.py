"""What earlier answers left in a conversation, taken out before it passes as bytes to who never said it.

A client sends the model's turns back as it got them. Those told from another format hold what its own
providers cannot check and refuse: an annex, or reasoning that none of their models signed.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from baseload.wire.dialects import annex
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
    try:
        return known[1](body)
    except (ValueError, TypeError, AttributeError):  # not as that format has it: for the target to refuse
        return body


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
