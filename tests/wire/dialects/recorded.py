"""Recorded exchanges of the providers, as the raw data folder holds them, by the dialect they are in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from baseload.wire.aws_events import EventReader
from baseload.wire.dialects.converse_frames import events_of, line_of, line_of_frame
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.sse import event_data

Exchange = dict[str, Any]


def exchanges(shared: Path, dialect: Dialect) -> list[Exchange]:
    """All recorded exchanges of a dialect, errors too."""
    found = []
    for file in sorted((shared / "fixtures" / "exchanges").glob("*.jsonl")):
        for line in file.read_text().splitlines():
            exchange: Exchange = json.loads(line)
            if dialect_of(exchange) is dialect:
                found.append(exchange)
    return found


def dialect_of(exchange: Exchange) -> Dialect | None:
    """The dialect an exchange is in; None for what makes no answer (embeddings, counting, lists)."""
    endpoint = exchange["endpoint"].partition("?")[0]
    if endpoint.endswith("/chat/completions"):
        return Dialect.CHAT
    if endpoint.startswith("POST") and endpoint.endswith("/responses"):
        return Dialect.RESPONSES
    if endpoint.endswith(("/messages", "/invoke", "/invoke-with-response-stream")):
        return Dialect.MESSAGES if exchange["provider"] != "bedrock_converse" else None
    if endpoint.endswith(("generateContent", "streamGenerateContent")):
        return Dialect.GEMINI
    if endpoint.endswith(("/converse", "/converse-stream")):
        return Dialect.CONVERSE
    return None


def streams(exchange: Exchange) -> bool:
    """Whether it is a stream, of whichever framing."""
    return "response_text" in exchange or "response_base64" in exchange


def payloads(exchange: Exchange) -> Iterator[bytes]:
    """The data of each server-sent event of a streamed exchange, or the line of each binary frame."""
    framed = binary(exchange)
    if framed is not None:
        yield from map(line_of_frame, EventReader().feed(framed))
        return
    text = exchange.get("response_text")
    if text is None:
        return
    if text.startswith("{"):  # written by us, before it is framed
        for name, payload, _ in events_of(text.encode()):
            yield line_of(name, payload)
        return
    for event in text.replace("\r\n", "\n").encode().split(b"\n\n"):
        if data := event_data(event):
            yield data


def binary(exchange: Exchange) -> bytes | None:
    """The bytes of a binary event stream."""
    held = exchange.get("response_base64")
    return None if held is None else base64.b64decode(held)
