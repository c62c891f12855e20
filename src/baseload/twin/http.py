"""The little HTTP/1.1 a twin speaks: requests read whole, responses written as bytes that faults can bend.

It serves clients under test, so it is plain rather than strict: framing is by Content-Length or chunks, and
what it cannot read is a BadRequest with a status.
"""

from __future__ import annotations

from http import HTTPStatus

from msgspec import Struct

HEAD_MOST_BYTES = 64 * 1024
BODY_MOST_BYTES = 64 * 1024 * 1024
LAST_CHUNK = b"0\r\n\r\n"


class BadRequest(Exception):
    """The bytes are no request; the connection ends with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Request(Struct):
    """One request, body and all; header names in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    version: str


class RequestParser:
    """Bytes in, requests out; what follows a request stays in the buffer until it is asked for."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | None = None
        self._length: int | None = 0

    def feed(self, data: bytes) -> None:
        """Add what arrived. Raises BadRequest once more is held than any request may have."""
        self._buffer += data
        if len(self._buffer) > HEAD_MOST_BYTES + 2 * BODY_MOST_BYTES:
            raise BadRequest(413, "too much at once")

    def next(self) -> Request | None:
        """The next whole request, None while it is incomplete. Raises BadRequest."""
        if self._head is None and not self._read_head():
            return None
        head = self._head
        assert head is not None
        body = self._chunked_body() if self._length is None else self._plain_body(self._length)
        if body is None:
            return None
        head.body = body
        self._head = None
        return head

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_MOST_BYTES:
                raise BadRequest(431, "headers too large")
            return False
        text = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + 4]
        first, *lines = text.split("\r\n")
        try:
            method, target, version = first.split(" ")
            headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
            length = int(headers.get("content-length", "0"))
        except ValueError:
            raise BadRequest(400, "not an HTTP/1.1 request") from None
        if not version.startswith("HTTP/1.") or length < 0:
            raise BadRequest(400, "not an HTTP/1.1 request")
        if length > BODY_MOST_BYTES:
            raise BadRequest(413, "body too large")
        path, _, query = target.partition("?")
        connection = headers.get("connection", "").lower()
        keep_alive = connection != "close" if version != "HTTP/1.0" else connection == "keep-alive"
        self._length = None if "chunked" in headers.get("transfer-encoding", "").lower() else length
        self._head = Request(method, path, query, headers, b"", keep_alive, version)
        return True

    def _plain_body(self, length: int) -> bytes | None:
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _chunked_body(self) -> bytes | None:
        """The body if all its chunks are here: read from the start each time, which short bodies afford."""
        buffer, at, parts = self._buffer, 0, []
        while True:
            line_end = buffer.find(b"\r\n", at)
            if line_end < 0:
                return None
            try:
                size = int(bytes(buffer[at:line_end]).split(b";")[0], 16)
            except ValueError:
                raise BadRequest(400, "a bad chunk size") from None
            at = line_end + 2
            if size == 0:
                break
            if len(buffer) < at + size + 2:
                return None
            parts.append(bytes(buffer[at : at + size]))
            at += size + 2
        end = buffer.find(b"\r\n", at)  # trailers, if any, are dropped
        while end > at:
            at = end + 2
            end = buffer.find(b"\r\n", at)
        if end < 0:
            return None
        del buffer[: end + 2]
        return b"".join(parts)


def head(status: int, headers: dict[str, str]) -> bytes:
    """Status line and headers, with the empty line that ends them."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1")


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
