"""Answers as bytes: heads, errors, in-band errors. One place decides which header a client sees."""

from __future__ import annotations

from http import HTTPStatus

from baseload.core import Format
from baseload.errors import RequestError
from baseload.wire.forms import FORMS, Form
from baseload.wire.sse import chunk

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
_JSON = b"content-type: application/json\r\n"
LAST_CHUNK = b"0\r\n\r\n"
OPENAI = FORMS[Format.OPENAI]
"""The form of errors on paths that have none of their own."""


def status_line(status: int) -> bytes:
    """The status line with its CRLF, for any three-digit status."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def answer(
    status: int, body: bytes, date: bytes, *, keep_alive: bool, headers: bytes = b"", content: bytes = _JSON
) -> bytes:
    """A whole answer. `headers` and `content` (the content-type) are header lines, each with its CRLF."""
    return b"%bdate: %b\r\n%bcontent-length: %d\r\n%b%b\r\n%b" % (
        status_line(status),
        date,
        content,
        len(body),
        b"" if keep_alive else b"connection: close\r\n",
        headers,
        body,
    )


def error_answer(
    error: RequestError,
    request_id: str,
    date: bytes,
    form: Form = OPENAI,
    *,
    keep_alive: bool,
    headers: bytes = b"",
) -> bytes:
    """An error as a whole answer: in the path's form, `x-request-id`, `retry-after` where it is known."""
    headers += b"x-request-id: %b\r\n" % request_id.encode()
    if error.retry_after_s is not None:
        headers += b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (
            -int(-error.retry_after_s // 1),
            -int(-error.retry_after_s * 1000 // 1),
        )
    if not error.fault.retryable:
        headers += b"x-should-retry: false\r\n"
    body = form.error_body(error, request_id)
    return answer(error.fault.status, body, date, keep_alive=keep_alive, headers=headers)


def stream_head(date: bytes, form: Form = OPENAI, *, chunked: bool, headers: bytes) -> bytes:
    """The head of a streamed answer; `chunked` False ends the answer with the connection (HTTP/1.0)."""
    return b"HTTP/1.1 200 OK\r\ndate: %b\r\ncontent-type: %b\r\n%b%b\r\n" % (
        date,
        form.content,
        b"cache-control: no-cache\r\nx-accel-buffering: no\r\n",
        (b"transfer-encoding: chunked\r\n" if chunked else b"connection: close\r\n") + headers,
    )


def error_event(error: RequestError, request_id: str, form: Form, number: int, *, chunked: bool) -> bytes:
    """An error within a stream, its event `number`; no last event follows, so it never looks complete."""
    event = form.error_event(error, request_id, number)
    return chunk(event) + LAST_CHUNK if chunked else event


def comment(form: Form = OPENAI, *, chunked: bool) -> bytes:
    """What keeps the line open before a stream begins; clients ignore it."""
    return chunk(form.idle) if chunked else form.idle
