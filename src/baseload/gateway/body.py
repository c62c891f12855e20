"""Bodies of messages, by length, chunked, or up to the connection's end; whole, or as they come."""

from __future__ import annotations

from baseload import errors
from baseload.errors import RequestError
from baseload.wire.http1 import (
    CHUNKED,
    UNTIL_CLOSE,
    ChunkedReader,
    ChunkSyntax,
    RequestHead,
    ResponseHead,
    UpstreamSyntax,
)


class WholeBody:
    """Collects one body. `feed` and `closed` give it once it is whole, None before. Raises UpstreamSyntax."""

    __slots__ = ("_chunks", "_left", "_length", "_parts")

    def __init__(self, head: ResponseHead, limit: int) -> None:
        self._length = head.length
        self._chunks = ChunkedReader(limit) if head.length == CHUNKED else None
        self._left = limit if head.length < 0 else head.length
        self._parts: list[bytes] = []
        if head.length > limit:
            raise UpstreamSyntax(f"the answer is larger than {limit >> 20} MiB")

    def feed(self, data: bytes) -> bytes | None:
        """The next piece."""
        if self._chunks is not None:
            try:
                used = self._chunks.feed(data)
            except (ChunkSyntax, OverflowError) as error:
                raise UpstreamSyntax(str(error)) from None
            if not self._chunks.done:
                return None
            if used != len(data):
                raise UpstreamSyntax("bytes after the end of the answer")
            return bytes(self._chunks.body)
        self._left -= len(data)
        if self._left < 0:
            raise UpstreamSyntax("the answer is longer than it may be")
        self._parts.append(data)
        return b"".join(self._parts) if self._left == 0 and self._length >= 0 else None

    def closed(self) -> bytes | None:
        """The connection ended."""
        return b"".join(self._parts) if self._length == UNTIL_CLOSE else None


class BodyStream:
    """Takes a request's body apart as it comes: `feed` its bytes, `take` what they carry. `done` at its end.

    `feed` returns how many bytes belong to the body. Raises RequestError: bad_http, body_too_large.
    """

    __slots__ = ("_chunks", "_left", "_part", "done")

    def __init__(self, head: RequestHead, limit: int) -> None:
        self._chunks = ChunkedReader(limit) if head.length == CHUNKED else None
        self._left = limit if head.length == CHUNKED else head.length
        self._part = b""
        self.done = head.length == 0

    def feed(self, data: bytes) -> int:
        if self._chunks is not None:
            return self._unchunk(self._chunks, data)
        used = min(len(data), self._left)
        self._left -= used
        self._part = data if used == len(data) else data[:used]
        self.done = not self._left
        return used

    def take(self) -> bytes:
        """What came since the last time."""
        part, self._part = self._part, b""
        return part

    def _unchunk(self, chunks: ChunkedReader, data: bytes) -> int:
        try:
            used = chunks.feed(data)
        except ChunkSyntax as error:
            message = f"{error} (RFC 9112 section 7.1)"
            raise RequestError(errors.BAD_REQUEST_SYNTAX, message) from None
        except OverflowError as error:
            raise RequestError(errors.BODY_TOO_LARGE, str(error)) from None
        self._part = bytes(chunks.body)
        chunks.body.clear()
        self._left -= len(self._part)
        if self._left < 0:
            raise RequestError(errors.BODY_TOO_LARGE, "the body is larger than its limit")
        self.done = chunks.done
        return used


class AnswerStream:
    """A response's body as it comes: `feed` gives what its bytes carry; `done` once it is whole.

    Raises UpstreamSyntax, also for bytes behind its end.
    """

    __slots__ = ("_chunks", "_left", "_until_close", "done")

    def __init__(self, head: ResponseHead) -> None:
        self._chunks = ChunkedReader(_MOST) if head.length == CHUNKED else None
        self._left = head.length
        self._until_close = head.length == UNTIL_CLOSE
        self.done = head.length == 0

    def feed(self, data: bytes) -> bytes:
        if self._chunks is not None:
            try:
                used = self._chunks.feed(data)
            except (ChunkSyntax, OverflowError) as error:
                raise UpstreamSyntax(str(error)) from None
            part = bytes(self._chunks.body)
            self._chunks.body.clear()
            self.done = self._chunks.done
            if used != len(data):
                raise UpstreamSyntax("bytes after the end of the answer")
            return part
        if not self._until_close:
            self._left -= len(data)
            if self._left < 0:
                raise UpstreamSyntax("the answer is longer than it may be")
            self.done = self._left == 0
        return data

    def closed(self) -> bool:
        """The connection ended: whether the answer is whole."""
        self.done = self.done or self._until_close
        return self.done


_MOST = 1 << 50
"""Bytes of a chunked answer that passes through: it is not kept."""
