"""Where a dialect's calls go, after a target's base URL: some name model and streaming in the path."""

from __future__ import annotations

from urllib.parse import quote

from baseload.core import Format
from baseload.wire.aws_sigv4 import encode_segment
from baseload.wire.dialects.nouns import Dialect

SPOKEN: dict[Format, Dialect] = {
    Format.OPENAI: Dialect.CHAT,
    Format.RESPONSES: Dialect.RESPONSES,
    Format.ANTHROPIC: Dialect.MESSAGES,
    Format.GEMINI: Dialect.GEMINI,
    Format.BEDROCK: Dialect.CONVERSE,
    Format.ANTHROPIC_VERTEX: Dialect.MESSAGES,
}
"""What requests of another format become at a target of this one."""


def suffix(dialect: Dialect, model: str, *, stream: bool) -> bytes:
    """The path and query of a call, percent-encoded."""
    match dialect:
        case Dialect.CHAT:
            return b"/chat/completions"
        case Dialect.MESSAGES:
            return b"/messages"
        case Dialect.RESPONSES:
            return b"/responses"
        case Dialect.GEMINI:
            call = "streamGenerateContent?alt=sse" if stream else "generateContent"
            return f"/models/{quote(model, safe='')}:{call}".encode()
        case Dialect.CONVERSE:
            call = "converse-stream" if stream else "converse"
            return f"/model/{encode_segment(model)}/{call}".encode()
