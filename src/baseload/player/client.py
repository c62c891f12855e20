"""One streamed chat request at a time over plain asyncio streams, with the time of its first token.

An ordinary HTTP client costs about 120 microseconds for every event of a stream; a player that shares two
cores with what it measures cannot afford that, and this one needs a fifth of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import deque
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from baseload.core import Tokens
from baseload.errors import UsageError
from baseload.money import nano
from baseload.wire.http1 import (
    CHUNKED,
    UNTIL_CLOSE,
    ChunkedReader,
    ChunkSyntax,
    ResponseHead,
    UpstreamSyntax,
    parse_response_head,
)
from baseload.wire.openai import Answer, ErrorDetail, read_answer
from baseload.wire.sse import EventRelay, event_data

_READ_BYTES = 1 << 16
_MOST_HEAD = 1 << 16
_MOST_BODY = 1 << 20

NO_CONNECTION, BROKEN, TIMED_OUT = "no_connection", "broken_answer", "timed_out"
"""Codes of what the client itself saw; all others are the endpoint's own."""


class Endpoint(Struct, frozen=True):
    """Where to send: an OpenAI-format base URL (ending in /v1) and a key. The key is not shown."""

    host: str
    port: int
    path: str
    tls: bool
    key: str = ""

    def __repr__(self) -> str:
        return f"Endpoint({self.host!r}, {self.port}, {self.path!r})"

    @classmethod
    def parse(cls, url: str, key: str = "") -> Endpoint:
        """An http or https URL; UsageError for anything else."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(f"not an endpoint: {url!r}", hint="write http://HOST:PORT/v1")
        tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if tls else 80), parts.path.rstrip("/"), tls, key)


class Heard(Struct):
    """What one request heard; times are monotonic seconds. The fields are those of `Reply`."""

    status: int = 0
    first_s: float | None = None
    last_s: float | None = None
    error: str | None = None
    tokens: Tokens | None = None
    target: str = ""
    reason: str = ""
    cost_nano: int | None = None


class Client:
    """Sends chat requests to one endpoint over kept connections, as many at once as there are callers."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._tls = ssl.create_default_context() if endpoint.tls else None
        authority = endpoint.host if endpoint.port in (80, 443) else f"{endpoint.host}:{endpoint.port}"
        lines = [f"POST {endpoint.path}/chat/completions HTTP/1.1", f"host: {authority}"]
        lines += ["content-type: application/json", "accept: text/event-stream"]
        if endpoint.key:
            lines.append(f"authorization: Bearer {endpoint.key}")
        self._head = "\r\n".join(lines).encode() + b"\r\ncontent-length: "

    async def chat(self, body: bytes, timeout_s: float) -> Heard:
        """Send a request with `"stream": true` and hear the answer out; never raises for what goes wrong."""
        heard = Heard()
        try:
            async with asyncio.timeout(timeout_s):
                await self._exchange(body, heard)
        except TimeoutError:
            heard.error = TIMED_OUT
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            heard.error = BROKEN if heard.status or isinstance(error, EOFError) else NO_CONNECTION
        except (UpstreamSyntax, ChunkSyntax, OverflowError):
            heard.error = BROKEN
        return heard

    async def close(self) -> None:
        """Close the kept connections."""
        while self._idle:
            _, writer = self._idle.popleft()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, body: bytes, heard: Heard) -> None:
        """Send and hear on a kept or a new connection; keep it unless something went wrong or it ends."""
        reader, writer = await self._connect()
        keep = False
        try:
            writer.write(self._head + b"%d\r\n\r\n%b" % (len(body), body))
            keep = await self._hear(reader, heard)
        finally:
            if keep:
                self._idle.append((reader, writer))
            else:
                writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        at = self._endpoint
        return await asyncio.open_connection(at.host, at.port, ssl=self._tls, limit=_MOST_HEAD)

    async def _hear(self, reader: asyncio.StreamReader, heard: Heard) -> bool:
        """Hear one answer; whether another may follow on this connection."""
        head = parse_response_head(await reader.readuntil(b"\r\n\r\n"))
        heard.status = head.status
        heard.target = _text(head, b"x-baseload-target")
        heard.reason = _text(head, b"x-baseload-reason")
        if cost := _text(head, b"x-baseload-cost-usd"):
            heard.cost_nano = nano(cost)
        if head.fields.get(b"content-type", b"").startswith(b"text/event-stream"):
            await self._hear_stream(reader, head, heard)
        else:
            body = await _whole_body(reader, head)
            heard.first_s = heard.last_s = time.monotonic()
            _note(heard, body)
        return head.keep_alive and heard.error != BROKEN

    async def _hear_stream(self, reader: asyncio.StreamReader, head: ResponseHead, heard: Heard) -> None:
        relay = EventRelay(chunked_in=head.length == CHUNKED, chunked_out=False, drop_usage=False)
        left = head.length if head.length >= 0 else None
        while not relay.ended and left != 0:
            data = await reader.read(_READ_BYTES if left is None else min(left, _READ_BYTES))
            if not data:
                relay.end_of_input()
                break
            left = None if left is None else left - len(data)
            events = relay.events
            relay.feed(data)
            if relay.events > events:
                heard.last_s = time.monotonic()
                heard.first_s = heard.first_s or heard.last_s
        if relay.error_event:
            _note(heard, relay.error_event)
        elif not relay.done:
            heard.error = BROKEN
        if relay.usage_event:
            _note(heard, event_data(relay.usage_event))


async def _whole_body(reader: asyncio.StreamReader, head: ResponseHead) -> bytes:
    if head.length == UNTIL_CLOSE:
        return await reader.read(_MOST_BODY)
    if head.length != CHUNKED:
        if head.length > _MOST_BODY:
            raise OverflowError("the body is larger than its limit")
        return await reader.readexactly(head.length)
    chunks = ChunkedReader(_MOST_BODY)
    while not chunks.done:
        data = await reader.read(_READ_BYTES)
        if not data:
            raise asyncio.IncompleteReadError(b"", None)
        chunks.feed(data)
    return bytes(chunks.body)


def _note(heard: Heard, body: bytes) -> None:
    """Usage or error of an answer."""
    answer = read_answer(body) or Answer()
    if (tokens := answer.tokens) is not None:
        heard.tokens = tokens
    if answer.error is not None or heard.status != 200:
        detail = answer.error
        code = detail.code or detail.type if isinstance(detail, ErrorDetail) else None
        heard.error = str(code or f"http_{heard.status}")


def _text(head: ResponseHead, name: bytes) -> str:
    return head.fields.get(name, b"").decode("latin-1")


def chat_body(model: str, prompt: str, max_tokens: int, extra: dict[str, object]) -> bytes:
    """A streamed chat request of one message that asks for usage at its end."""
    fields: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return msgspec.json.encode(fields | extra)
