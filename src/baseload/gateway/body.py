"""The body of a response that is wanted whole: by its length, chunked, or up to the end of the connection."""

from __future__ import annotations

from baseload.wire.http1 import (
    CHUNKED,
    UNTIL_CLOSE,
    ChunkedReader,
    ChunkSyntax,
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
