"""The HTTP/1.1 a twin speaks: requests read whole and strictly, responses as bytes that faults can bend.

A twin stands where a real upstream would, so it is as strict as one may be (`wire.http1`): a client that
frames a request badly learns it here.
"""

from __future__ import annotations

from http import HTTPStatus

from msgspec import Struct

from baseload import errors
from baseload.errors import RequestError
from baseload.wire.http1 import (
    CHUNKED,
    MAX_HEAD,
    ChunkedReader,
    ChunkSyntax,
    RequestHead,
    parse_request_head,
    partial_head_fault,
)

BODY_MOST_BYTES = 64 * 1024 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class Request(Struct):
    """One request, body and all; header names in lower case. `minor` is that of HTTP/1."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    minor: int


class RequestParser:
    """Bytes in, requests out; what follows a request stays in the buffer until it is asked for."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._checked = 0  # bytes of the buffer known to be the beginning of a good head
        self._head: RequestHead | None = None  # of the request whose body is on its way
        self._chunks: ChunkedReader | None = None
        self._go_ahead = False

    def feed(self, data: bytes) -> None:
        """Add what arrived. Raises RequestError once more is held than any request may have."""
        self._buffer += data
        if len(self._buffer) > MAX_HEAD + 2 * BODY_MOST_BYTES:
            raise RequestError(errors.BODY_TOO_LARGE, "too much at once")

    def next(self) -> Request | None:
        """The next whole request, None while it is incomplete. Raises RequestError."""
        if self._head is None and self._buffer:
            self._head = self._read_head()
        head = self._head
        if head is None:
            return None
        body = self._plain_body(head.length) if self._chunks is None else self._chunked_body(self._chunks)
        if body is None:
            return None
        self._head = self._chunks = None
        self._go_ahead = False
        headers = {name.decode(): value.decode("latin-1") for name, value in head.fields.items()}
        return Request(head.method.decode(), head.path.decode(), headers, body, head.keep_alive, head.minor)

    def awaits_go_ahead(self) -> bool:
        """Whether the client holds the body back until it reads CONTINUE (RFC 9110 section 10.1.1).

        True once per request: who asks sends it.
        """
        told, self._go_ahead = self._go_ahead, False
        return told

    def _read_head(self) -> RequestHead | None:
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            del buffer[:2]  # RFC 9112 section 2.2: an empty line before a request is ignored
            self._checked = 0
        end = buffer.find(b"\r\n\r\n", max(self._checked - 3, 0)) + 4
        if not 4 <= end <= MAX_HEAD:
            fault = partial_head_fault(bytes(buffer[: MAX_HEAD + 1]), self._checked)
            if fault is not None:
                raise fault
            self._checked = len(buffer)
            return None
        head = parse_request_head(bytes(buffer[:end]))
        if head.length > BODY_MOST_BYTES:
            raise RequestError(errors.BODY_TOO_LARGE, f"the body is larger than {BODY_MOST_BYTES} bytes")
        del buffer[:end]
        self._checked = 0
        self._chunks = ChunkedReader(BODY_MOST_BYTES) if head.length == CHUNKED else None
        self._go_ahead = head.expects_continue and not buffer
        return head

    def _plain_body(self, length: int) -> bytes | None:
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _chunked_body(self, chunks: ChunkedReader) -> bytes | None:
        try:
            used = chunks.feed(bytes(self._buffer))
        except ChunkSyntax as problem:
            raise RequestError(errors.BAD_REQUEST_SYNTAX, str(problem)) from None
        except OverflowError as problem:
            raise RequestError(errors.BODY_TOO_LARGE, str(problem)) from None
        del self._buffer[:used]
        return bytes(chunks.body) if chunks.done else None


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
