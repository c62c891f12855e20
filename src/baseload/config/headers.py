"""Header fields of an operator's own: what must stay the gateway's, and what would clash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from baseload.catalog.providers import provider as known_provider
from baseload.config.document import Document, PathIn
from baseload.config.fields import NO_KEY
from baseload.core import Format
from baseload.errors import ConfigError

OURS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-request-id",
    }
)
"""Those that the gateway writes itself, and those of one connection (RFC 9110 section 7.6.1)."""

FORMAT_HEADERS = {
    Format.OPENAI: "authorization",
    Format.RESPONSES: "authorization",
    Format.ANTHROPIC: "x-api-key",
    Format.GEMINI: "x-goog-api-key",
    Format.BEDROCK: "authorization",
    Format.ANTHROPIC_VERTEX: "authorization",
}
"""Where each format has a lasting key."""


def key_header(provider: str, format_: Format) -> str:
    """The header that a lasting key goes in by default."""
    known = known_provider(provider)
    if known is not None and known.name == "azure" and format_ in (Format.OPENAI, Format.RESPONSES):
        return "api-key"
    return FORMAT_HEADERS[format_]


def check_headers(
    document: Document, path: PathIn, target: dict[str, Any], side: Any
) -> Iterator[ConfigError]:
    """Names that cannot be a target's own."""
    headers = target.get("headers")
    taken = _taken(target, side) if isinstance(side, dict) else set()
    for name in headers if isinstance(headers, dict) else ():
        place, small = (*path, "headers", name), str(name).lower()
        if small in OURS:
            yield document.problem(place, "is the gateway's to write, or of one connection", "remove it")
        elif small in taken or ("aws" in side and small.startswith("x-amz-")):
            yield document.problem(
                place, "is the credential's or the format's", "remove it, or write `key: none`"
            )


def _taken(target: dict[str, Any], side: dict[str, Any]) -> set[str]:
    """The header fields that this target's credential and format need."""
    provider, written = str(side.get("provider", "")), target.get("format")
    format_ = Format(written) if written in set(Format) else None
    if format_ is None:
        format_ = Format.ANTHROPIC if provider == "anthropic" else Format.OPENAI
    taken = {"anthropic-version"} if format_ is Format.ANTHROPIC else set()
    if side.get("key") not in (None, NO_KEY):
        taken.add(str(side.get("key_header") or key_header(provider, format_)).lower())
    elif any(login in side for login in ("entra", "google", "aws")):
        taken.add("authorization")
    return taken
