"""HTTP/1.1 message framing, strict and pure: bytes in, heads and body lengths out. No I/O.

One regular expression is the grammar of a request head (RFC 9112 sections 2 to 6); its quantifiers are
possessive, so matching is linear in the input. What does not match is refused with the clause that it
broke. docs/http.md lists the cases with their clauses; a differential test holds the parser to be at least
as strict as llhttp.

Why not a ready parser: llhttp accepts heads without a valid Host and of any size, and hides where a message
ends, so every limit here would need a second scan of the same bytes (docs/adr/0002).
"""

from __future__ import annotations

import re
from typing import Generic, Self, TypeVar

from msgspec import Struct

from baseload import errors
from baseload.errors import Fault, RequestError

MAX_HEAD = 32 * 1024
MAX_FIELDS = 100
MAX_TARGET = 8 * 1024
MAX_REQUEST_LINE = MAX_TARGET + 64
MAX_LENGTH_DIGITS = 15
MAX_CHUNK_LINE = 1024
MAX_EXTENSIONS = 16 * 1024
"""Bytes of chunk extensions in one body: they cost reading and are dropped."""
CHUNKED = -1
"""`length` of a message whose body is chunked."""
UNTIL_CLOSE = -2
"""`length` of a response whose body ends with the connection."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
_FIELD_LINES = rb"((?:" + _TOKEN + rb":" + _VALUE + rb"\r\n)*+)\r\n"
_REQUEST_LINE = rb" ([\x21-\x7e]++) HTTP/1\.([01])\r\n"
_REQUEST_HEAD = re.compile(rb"(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE)" + _REQUEST_LINE + _FIELD_LINES)
_ANY_METHOD = re.compile(rb"(" + _TOKEN + rb")" + _REQUEST_LINE)
_RESPONSE_HEAD = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: " + _VALUE + rb")?\r\n" + _FIELD_LINES)
_FIELDS = re.compile(_FIELD_LINES)
_LENGTH_LINE = re.compile(rb"(?i)\r\ncontent-length:[ \t]*+([0-9]++)(?=[ \t]*+\r\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")
# Names as DNS and its users write them; a reg-name may hold more (RFC 3986 section 3.2.2), also lists.
_PORT = rb":(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})"
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]++|\[[0-9A-Fa-f:.]++\])(?:" + _PORT + rb")?")
_ABSOLUTE = re.compile(rb"(?i)https?://([^/?#@]++)([/?][^#]*+)?")
_QUOTED = rb'"(?:[\t\x20!\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?+)*+"
)

# A repetition of one of these would let two readers see two different requests.
_SINGLE = frozenset(
    (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"authorization",
        b"content-type",
        b"expect",
        b"x-api-key",
    )
)


class RequestHead(Struct):
    """A request line and its fields. Field names are lower-case; repeated fields are joined with commas.

    `path` is the target's path without scheme, authority and query. `query` is what follows its question
    mark: only Google's calls have one that says anything, and it may hold a key, so it goes nowhere.
    `length` is the body's length in bytes, or CHUNKED.
    """

    method: bytes
    path: bytes
    minor: int
    fields: dict[bytes, bytes]
    length: int
    keep_alive: bool
    expects_continue: bool
    query: bytes = b""


class ResponseHead(Struct):
    """A status line and its fields, as `RequestHead`; `length` may also be UNTIL_CLOSE."""

    status: int
    minor: int
    fields: dict[bytes, bytes]
    length: int
    keep_alive: bool


Head = TypeVar("Head", RequestHead, ResponseHead)


class KnownHead(Generic[Head]):
    """A head in the words of one sender, to know the next one by where it differs in its Content-Length only.

    `before` + digits + `after` is a whole head that was parsed and found good. Any 1 to 15 other digits there
    are as good, and change nothing but the length: so it is compared, not parsed. Senders repeat their heads
    on a connection, which makes this the usual case.
    """

    __slots__ = ("_after", "_after_size", "_before", "_before_size", "head")

    def __init__(self, head: Head, before: bytes, after: bytes) -> None:
        self.head: Head = head
        self._before, self._before_size = before, len(before)
        self._after, self._after_size = after, len(after)

    @classmethod
    def of(cls, head: Head, raw: bytes) -> Self | None:
        """The head that `raw` was parsed to, for the next time; None where it has no length to differ in.

        No body at all is none: with some statuses a length says nothing (RFC 9110 section 8.6).
        """
        found = _LENGTH_LINE.search(raw)
        if found is None or not 0 < head.length == int(found[1]) or len(raw) > MAX_HEAD - MAX_LENGTH_DIGITS:
            return None
        return cls(head, raw[: found.start(1)], raw[found.end(1) :])

    def end_in(self, data: bytes) -> int:
        """Where this head ends at the start of `data`, its length set anew; 0 where it is another."""
        if not data.startswith(self._before):
            return 0
        end = data.find(b"\r\n", self._before_size)
        if not data.startswith(self._after, end):
            return 0
        digits = data[self._before_size : end]
        if not digits.isdigit() or len(digits) > MAX_LENGTH_DIGITS:
            return 0
        head = self.head
        head.length = int(digits)
        head.fields[b"content-length"] = digits
        return end + self._after_size


class UpstreamSyntax(Exception):
    """A response that is not HTTP/1.1 as its RFC says; the message names what is wrong."""


def parse_request_head(head: bytes) -> RequestHead:
    """The head that ends with an empty line at the end of `head`.

    Raises RequestError: bad_http (400), uri_too_long (414), headers_too_large (431), http_version (505),
    not_implemented (501), expectation_failed (417), body_too_large (413, absurd lengths only).
    """
    match = _REQUEST_HEAD.fullmatch(head)
    if match is None:
        raise _why_not_a_request(head)
    method, target, minor_digit, block = match.groups()
    if len(target) > MAX_TARGET:
        raise _refused(errors.TARGET_TOO_LONG, "the request target is longer than 8 KiB")
    fields = _fields(block)
    minor = 1 if minor_digit == b"1" else 0
    path = target if target[0] == 0x2F and b"#" not in target else _path(method, target)
    query = b""
    if b"?" in path:
        path, _, query = path.partition(b"?")
    host = fields.get(b"host")
    if host is None:
        if minor == 1:
            raise _bad("Host is missing", "RFC 9112 section 3.2")
    elif _HOST.fullmatch(host) is None:
        raise _bad("Host is not a host and optional port", "RFC 9112 section 3.2")
    connection = fields.get(b"connection")
    # A proxy keeps no HTTP/1.0 connection (RFC 9112 appendix C.2.2).
    keep_alive = minor == 1 and (connection is None or b"close" not in _options(connection))
    length = _request_length(fields, minor)
    expect = fields.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise _refused(errors.EXPECTATION_FAILED, "Expect is not understood")
    expects = expect is not None and minor == 1
    return RequestHead(method, path, minor, fields, length, keep_alive, expects, query)


def partial_head_fault(data: bytes, checked: int = 0) -> RequestError | None:
    """What is wrong already with a request head whose end has not come; None while it may become a good one.

    The first `checked` bytes have passed before. The answers are those the whole head would get, so that it
    does not matter in which pieces a request arrives.
    """
    bare = None
    if data.count(b"\n", checked, MAX_HEAD) != data.count(b"\r\n", max(checked - 1, 0), MAX_HEAD):
        bare = _BARE_LF.search(data, checked, MAX_HEAD)
    line_is_long = len(data) > MAX_REQUEST_LINE and data.find(b"\r\n", 2, MAX_REQUEST_LINE + 2) < 0
    if line_is_long and (bare is None or bare.start() > MAX_REQUEST_LINE):
        return _refused(errors.TARGET_TOO_LONG, "the request line is longer than 8 KiB")
    if bare is not None:
        return _bad("a line ends with a bare LF", "RFC 9112 section 2.2")
    if len(data) > MAX_HEAD:
        return _refused(errors.HEADERS_TOO_LARGE, "the header fields exceed 32 KiB")
    return None


def parse_response_head(head: bytes, *, to_head_request: bool = False) -> ResponseHead:
    """A response head that ends with an empty line. Raises UpstreamSyntax."""
    match = _RESPONSE_HEAD.fullmatch(head)
    if match is None:
        raise UpstreamSyntax("bad status line or header field")
    minor_digit, status_digits, block = match.groups()
    try:
        fields = _fields(block)
    except RequestError as error:
        raise UpstreamSyntax(error.message) from None
    status = int(status_digits)
    minor = 1 if minor_digit == b"1" else 0
    connection = fields.get(b"connection")
    if connection is None:
        keep_alive = minor == 1
    else:
        options = _options(connection)
        keep_alive = b"close" not in options and (minor == 1 or b"keep-alive" in options)
    length = 0 if to_head_request or status < 200 or status in (204, 304) else _response_length(fields)
    return ResponseHead(status, minor, fields, length, keep_alive and length != UNTIL_CLOSE)


def _fields(block: bytes) -> dict[bytes, bytes]:
    """The fields of a block that is in the grammar: names in lower case, values trimmed."""
    if not block:
        return {}
    lines = block[:-2].split(b"\r\n")
    if len(lines) > MAX_FIELDS:
        raise _refused(errors.HEADERS_TOO_LARGE, "more than 100 header fields")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    return fields if len(fields) == len(lines) else _joined(lines)


def _joined(lines: list[bytes]) -> dict[bytes, bytes]:
    """As `_fields`, where some are repeated: joined with commas (RFC 9110 section 5.3) or refused."""
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        value = value.strip()
        if name in fields:
            if name in _SINGLE:
                raise _bad(f"{name.decode()} is sent twice", "RFC 9110 section 5.3")
            value = fields[name] + b", " + value
        fields[name] = value
    return fields


def _options(connection: bytes) -> list[bytes]:
    """The options of a Connection field (RFC 9110 section 7.6.1)."""
    return [option.strip() for option in connection.lower().split(b",")]


def _path(method: bytes, target: bytes) -> bytes:
    """The path of an absolute-form or asterisk-form target (RFC 9112 section 3.2)."""
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        authority, path = absolute.groups()
        if _HOST.fullmatch(authority) is None:
            raise _bad("the target's authority is not a host and optional port", "RFC 9112 section 3.2.2")
        if path is None:
            return b"/"
        return path if path[:1] == b"/" else b"/" + path
    if target == b"*" and method == b"OPTIONS":
        return target
    raise _bad("the request target is neither a path nor an absolute http URL", "RFC 9112 section 3.2")


def _request_length(fields: dict[bytes, bytes], minor: int) -> int:
    """RFC 9112 section 6.3, without the choices it leaves: one length, or chunked, never both."""
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is None:
        if length is None:
            return 0
        if not length.isdigit():
            raise _bad("Content-Length is not one decimal number", "RFC 9112 section 6.3")
        if len(length) > MAX_LENGTH_DIGITS:
            raise _refused(errors.BODY_TOO_LARGE, "Content-Length is absurd")
        return int(length)
    if length is not None:
        raise _bad("both Content-Length and Transfer-Encoding", "RFC 9112 section 6.1")
    if minor == 0:
        raise _bad("Transfer-Encoding in HTTP/1.0", "RFC 9112 section 6.1")
    if coding.lower() == b"chunked":
        return CHUNKED
    codings = [part.strip(b" \t").lower() for part in coding.split(b",")]
    if codings[-1] != b"chunked" or b"chunked" in codings[:-1] or b"" in codings:
        raise _bad("Transfer-Encoding does not end with one chunked", "RFC 9112 section 6.3")
    raise _refused(errors.NOT_IMPLEMENTED, "a transfer coding other than chunked")


def _response_length(fields: dict[bytes, bytes]) -> int:
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise UpstreamSyntax("both Content-Length and Transfer-Encoding")
        if coding.lower() != b"chunked":
            raise UpstreamSyntax("a transfer coding other than chunked")
        return CHUNKED
    if length is None:
        return UNTIL_CLOSE
    if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS:
        raise UpstreamSyntax("Content-Length is not one decimal number")
    return int(length)


def _why_not_a_request(head: bytes) -> RequestError:
    """What is wrong with a head that is not in the grammar; only reached when it is refused anyway."""
    line = head.split(b"\r\n", 1)[0]
    if len(line) > MAX_REQUEST_LINE and b"\n" not in line[:MAX_REQUEST_LINE]:
        return _refused(errors.TARGET_TOO_LONG, "the request line is longer than 8 KiB")
    if b"\n" in line:
        return _bad("a line ends with a bare LF", "RFC 9112 section 2.2")
    parts = line.split(b" ")
    if len(parts) != 3 or not parts[0] or not parts[1]:
        return _bad("the request line is not METHOD TARGET VERSION", "RFC 9112 section 3")
    version = re.fullmatch(rb"HTTP/([0-9])\.([0-9])", parts[2])
    if version is not None and version.group(0) not in (b"HTTP/1.0", b"HTTP/1.1"):
        return _refused(errors.HTTP_VERSION, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    request_line = _ANY_METHOD.fullmatch(line + b"\r\n")
    if request_line is None:
        return _bad("the request line is not METHOD TARGET VERSION", "RFC 9112 section 3")
    if _REQUEST_HEAD.match(line + b"\r\n\r\n") is None:
        return _refused(errors.NOT_IMPLEMENTED, "the method is not known here (RFC 9110 section 9.1)")
    rest = head[len(line) + 2 :]
    if re.search(rb"\r\n[ \t]", b"\r\n" + rest):
        return _bad("a header field is folded", "RFC 9112 section 5.2")
    if re.search(rb"(?:^|\n)[^:\r\n]*[ \t]:", rest):
        return _bad("white space before a colon", "RFC 9112 section 5.1")
    if re.search(rb"(?<!\r)\n", rest):
        return _bad("a line ends with a bare LF", "RFC 9112 section 2.2")
    if re.search(rb"\r(?!\n)", rest):
        return _bad("a bare CR", "RFC 9112 section 2.2")
    return _bad("a header field is not NAME: VALUE", "RFC 9112 section 5")


def _bad(message: str, clause: str) -> RequestError:
    return RequestError(errors.BAD_REQUEST_SYNTAX, f"{message} ({clause})")


def _refused(fault: Fault, message: str) -> RequestError:
    return RequestError(fault, message)


class ChunkSyntax(Exception):
    """A chunked body that breaks RFC 9112 section 7.1; the message names how."""


def chunk_size(line: bytes) -> int:
    """The size that a chunk's first line states, its CRLF left off; extensions are read over.

    Raises ChunkSyntax for anything but 1 to 15 hexadecimal digits and well-formed extensions, without the
    white space that senders must not use (RFC 9112 section 7.1.1).
    """
    match = _CHUNK_LINE.fullmatch(line)
    if match is None:
        raise ChunkSyntax("a chunk's size line is not hexadecimal digits and extensions")
    return int(match.group(1), 16)


class ChunkedReader:
    """Collects a chunked body fed in any pieces (RFC 9112 section 7.1).

    `feed` returns how many bytes belonged to this body; `done` says when the last one was among them.
    Trailer fields must be well-formed, must not be ones that frame or route a message, and are dropped.
    Raises ChunkSyntax, or OverflowError past `limit`.
    """

    __slots__ = ("_extensions", "_left", "_limit", "_line", "_trailers", "body", "done")

    def __init__(self, limit: int) -> None:
        self.body = bytearray()
        self.done = False
        self._limit = limit
        self._left = -1  # of this chunk with its CRLF; -1: in a size line; -2: in the trailers
        self._line = b""
        self._trailers = 0
        self._extensions = 0

    def feed(self, data: bytes) -> int:
        pos, size = 0, len(data)
        while pos < size and not self.done:
            if self._left >= 0:
                pos = self._take(data, pos)
                continue
            end = data.find(b"\n", pos)
            piece = data[pos : end + 1] if end >= 0 else data[pos:]
            line = self._line + piece if self._line else piece
            if len(line) > (MAX_CHUNK_LINE if self._left == -1 else MAX_HEAD):
                raise ChunkSyntax("a chunk's line is too long")
            if end < 0:
                self._line = line
                return size
            self._line = b""
            pos = end + 1
            if line[-2:] != b"\r\n":
                raise ChunkSyntax("a line ends with a bare LF")
            if self._left == -1:
                self._start(line)
            else:
                self._trailer(line)
        return pos

    def _start(self, line: bytes) -> None:
        size = chunk_size(line[:-2])
        if b";" in line:
            self._extensions += len(line)
            if self._extensions > MAX_EXTENSIONS:
                raise ChunkSyntax("the chunk extensions exceed 16 KiB")
        if size == 0:
            self._left = -2
        elif len(self.body) + size > self._limit:
            raise OverflowError("the body is larger than its limit")
        else:
            self._left = size + 2

    def _take(self, data: bytes, pos: int) -> int:
        """Body bytes, then the CRLF that must follow them."""
        if self._left > 2:
            piece = data[pos : pos + self._left - 2]
            self.body += piece
            self._left -= len(piece)
            pos += len(piece)
        while pos < len(data) and 0 < self._left <= 2:
            if data[pos] != (0x0D if self._left == 2 else 0x0A):
                raise ChunkSyntax("a chunk is not followed by CRLF")
            self._left -= 1
            pos += 1
        if self._left == 0:
            self._left = -1
        return pos

    def _trailer(self, line: bytes) -> None:
        if line == b"\r\n":
            self.done = True
            return
        self._trailers += len(line)
        if self._trailers > MAX_HEAD:
            raise ChunkSyntax("the trailers are too long")
        if _FIELDS.fullmatch(line + b"\r\n") is None:
            raise ChunkSyntax("a trailer field is not NAME: VALUE")
        if line.partition(b":")[0].lower() in _SINGLE:
            raise ChunkSyntax("a trailer field must not frame or route the message")
