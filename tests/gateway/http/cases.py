"""The strict-HTTP cases as data: what is sent, what is answered, what the target may see of it.

docs/http.md is made from this table (`python -m tests.gateway.http.page`), test_http_cases.py runs it.
"""

from __future__ import annotations

from typing import NamedTuple

BODY = b'{"model":"chat","messages":[{"role":"user","content":"hello"}]}'
SMUGGLED = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gw\r\nContent-Length: 63\r\n\r\n" + BODY
CHAT = b"/v1/chat/completions"


class Case(NamedTuple):
    """One case. `status` is the answer, `seen` how many requests reach the target, `kept` whether the
    connection goes on; `clause` is of RFC 9112 unless it names another RFC."""

    name: str
    clause: str
    raw: bytes
    status: int
    seen: int
    kept: bool


def _get(line: bytes = b"GET /v1/models HTTP/1.1", fields: bytes = b"Host: gw\r\n") -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def _post(fields: bytes, body: bytes = b"", host: bytes = b"Host: gw\r\n", line: bytes = b"") -> bytes:
    return (line or b"POST %b HTTP/1.1" % CHAT) + b"\r\n" + host + fields + b"\r\n" + body


def _length(body: bytes = BODY) -> bytes:
    return b"Content-Length: %d\r\n" % len(body)


def _chunked(chunks: bytes, coding: bytes = b"Transfer-Encoding: chunked\r\n") -> bytes:
    return _post(coding, chunks)


def _field(field: bytes) -> bytes:
    """A good call with one more field line (or what stands in its place)."""
    return _post(field + _length(), BODY)


def _served(name: str, clause: str, raw: bytes) -> Case:
    return Case(name, clause, raw, 200, 1, True)


def _refused(name: str, clause: str, raw: bytes, status: int = 400) -> Case:
    return Case(name, clause, raw, status, 0, False)


def _answered(name: str, clause: str, raw: bytes, status: int = 200) -> Case:
    """Answered by the gateway itself; the connection goes on."""
    return Case(name, clause, raw, status, 0, True)


CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
LAST = b"0\r\n\r\n"
A, B = BODY[:20], BODY[20:]
TWO_CHUNKS = b"%x\r\n%b\r\n%X\r\n%b\r\n" % (len(A), A, len(B), B)


def _head_of(size: int) -> bytes:
    """A good call whose head has exactly `size` bytes."""
    head = _post(b"X-Filler: \r\n" + _length())
    return head.replace(b"X-Filler: ", b"X-Filler: " + b"f" * (size - len(head))) + BODY


REQUEST_LINE = [
    _answered("a GET", "3", _get()),
    _served("a POST with Content-Length", "6.3", _post(_length(), BODY)),
    _answered("an empty line before the request", "2.2", b"\r\n" + _get()),
    _refused("two empty lines before the request", "2.2", b"\r\n\r\n" + _get()),
    _refused("a bare LF before the request", "2.2", b"\n" + _get()),
    _refused("white space before the method", "2.2", b" " + _get()),
    _refused("two spaces after the method", "3", _get(b"GET  /v1/models HTTP/1.1")),
    _refused("two spaces after the target", "3", _get(b"GET /v1/models  HTTP/1.1")),
    _refused("a tab after the method", "3", _get(b"GET\t/v1/models HTTP/1.1")),
    _refused("white space after the version", "3", _get(b"GET /v1/models HTTP/1.1 ")),
    _refused("no method", "3.1", _get(b" /v1/models HTTP/1.1")),
    _refused("no target", "3.2", _get(b"GET HTTP/1.1")),
    _refused("no version (HTTP/0.9)", "3", b"GET /v1/models\r\n\r\n"),
    _refused("a version in lower case", "2.3", _get(b"GET /v1/models http/1.1")),
    _refused("version HTTP/1.10", "2.3", _get(b"GET /v1/models HTTP/1.10")),
    _refused("version HTTP/01.1", "2.3", _get(b"GET /v1/models HTTP/01.1")),
    _refused("version HTTP/1,1", "2.3", _get(b"GET /v1/models HTTP/1,1")),
    _refused("version HTTP/1.2", "2.3", _get(b"GET /v1/models HTTP/1.2"), 505),
    _refused("version HTTP/2.0", "2.3", _get(b"GET /v1/models HTTP/2.0"), 505),
    _refused("HTTP/2's preface", "RFC 9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    _refused("a method that is not known", "RFC 9110 9.1", _get(b"BREW /v1/models HTTP/1.1"), 501),
    _refused("a method in lower case", "3.1", _get(b"get /v1/models HTTP/1.1"), 501),
    _refused("a method of 100 bytes", "3", _get(b"M" * 100 + b" /v1/models HTTP/1.1"), 501),
    _refused("CONNECT", "RFC 9110 9.3.6", _get(b"CONNECT gw:443 HTTP/1.1"), 501),
    _refused("a method that is no token", "3.1", _get(b"GE(T /v1/models HTTP/1.1")),
    _answered(
        "a method that the path does not take", "RFC 9110 15.5.6", _get(b"TRACE /v1/models HTTP/1.1"), 405
    ),
    _answered("a GET of a path that takes POST", "RFC 9110 15.5.6", _get(b"GET %b HTTP/1.1" % CHAT), 405),
    _served("a query", "3.2.1", _post(_length(), BODY, line=b"POST %b?api-version=1 HTTP/1.1" % CHAT)),
    _answered("OPTIONS *", "3.2.4", _get(b"OPTIONS * HTTP/1.1"), 404),
    _refused("* with another method", "3.2.4", _get(b"GET * HTTP/1.1")),
    _served("absolute-form", "3.2.2", _post(_length(), BODY, line=b"POST http://gw%b HTTP/1.1" % CHAT)),
    _served(
        "absolute-form, https", "3.2.2", _post(_length(), BODY, line=b"POST HTTPS://gw%b HTTP/1.1" % CHAT)
    ),
    _answered("absolute-form of another host", "3.2.2", _get(b"GET http://other:80/v1/models HTTP/1.1")),
    _answered("absolute-form without a path", "3.2.2", _get(b"GET http://gw HTTP/1.1"), 404),
    _answered("absolute-form with a query only", "3.2.2", _get(b"GET http://gw?q HTTP/1.1"), 404),
    _refused("absolute-form of another scheme", "3.2.2", _get(b"GET ftp://gw/v1/models HTTP/1.1")),
    _refused(
        "absolute-form with user information", "RFC 9110 4.2.4", _get(b"GET http://u@gw/v1/models HTTP/1.1")
    ),
    _refused("absolute-form without a host", "RFC 9110 4.2.1", _get(b"GET http:///v1/models HTTP/1.1")),
    _refused("authority-form", "3.2.3", _get(b"GET gw:80 HTTP/1.1")),
    _refused("a path without its slash", "3.2.1", _get(b"GET v1/models HTTP/1.1")),
    _refused("a fragment", "3.2", _get(b"GET /v1/models#top HTTP/1.1")),
    _refused("a byte above 127 in the target", "3.2", _get(b"GET /v1/mod\xe8les HTTP/1.1")),
    _refused("NUL in the target", "3.2", _get(b"GET /v1/models\x00 HTTP/1.1")),
    _refused("DEL in the target", "3.2", _get(b"GET /v1/models\x7f HTTP/1.1")),
    _refused("a space in the target", "3.2", _get(b"GET /v1/models and more HTTP/1.1")),
    _answered("an escaped path: not decoded", "RFC 3986 2.4", _get(b"GET /v1%2Fmodels HTTP/1.1"), 404),
    _answered("dot segments: not resolved", "RFC 3986 5.2.4", _get(b"GET /v1/../v1/models HTTP/1.1"), 404),
    _answered("a target of 8 KiB", "3", _get(b"GET /%b HTTP/1.1" % (b"t" * 8191)), 404),
    _refused("a target of 8 KiB and one byte", "3", _get(b"GET /%b HTTP/1.1" % (b"t" * 8192)), 414),
    _refused("a target of 40 KiB", "3", _get(b"GET /%b HTTP/1.1" % (b"t" * 40960)), 414),
    _refused("a request line that does not end", "3", b"GET /" + b"t" * 9000, 414),
]

FIELDS = [
    _refused("a bare LF after the request line", "2.2", b"GET /v1/models HTTP/1.1\nHost: gw\r\n\r\n"),
    _refused("a bare LF after a field", "2.2", _field(b"X-A: b\n")),
    _refused("a bare LF as the empty line", "2.2", b"GET /v1/models HTTP/1.1\r\nHost: gw\r\n\n"),
    _refused("bare LFs everywhere", "2.2", b"GET /v1/models HTTP/1.1\nHost: gw\n\n"),
    _refused("a bare CR in a value", "2.2", _field(b"X-A: b\rc\r\n")),
    _refused("a bare CR between fields", "2.2", _field(b"X-A: b\rX-B: c\r\n")),
    _refused("CR CR LF", "2.2", _field(b"X-A: b\r\r\n")),
    _refused("a field folded with a space", "5.2", _field(b"X-A: b\r\n c\r\n")),
    _refused("a field folded with a tab", "5.2", _field(b"X-A: b\r\n\tc\r\n")),
    _refused("a folded Transfer-Encoding", "5.2", _post(b"Transfer-Encoding:\r\n chunked\r\n", CHUNK + LAST)),
    _refused("white space before the first field", "2.2", _get(fields=b" X-A: b\r\nHost: gw\r\n")),
    _refused("a space before the colon", "5.1", _field(b"X-A : b\r\n")),
    _refused("a tab before the colon", "5.1", _field(b"X-A\t: b\r\n")),
    _refused("a space before Content-Length's colon", "5.1", _post(b"Content-Length : 63\r\n", BODY)),
    _refused("no field name", "5.1", _field(b": b\r\n")),
    _refused("no colon", "5", _field(b"X-A\r\n")),
    _refused("a space in a name", "5.1", _field(b"X A: b\r\n")),
    _refused("a name that is no token", "RFC 9110 5.1", _field(b"X(A): b\r\n")),
    _refused("a byte above 127 in a name", "RFC 9110 5.1", _field(b"X-\xc4: b\r\n")),
    _refused("NUL in a name", "RFC 9110 5.1", _field(b"X\x00A: b\r\n")),
    _refused("NUL in a value", "RFC 9110 5.5", _field(b"X-A: b\x00c\r\n")),
    _refused("a control byte in a value", "RFC 9110 5.5", _field(b"X-A: b\x01c\r\n")),
    _refused("DEL in a value", "RFC 9110 5.5", _field(b"X-A: b\x7fc\r\n")),
    _served("bytes above 127 in a value", "RFC 9110 5.5", _field(b"X-A: \xc3\xa9\r\n")),
    _served("a tab in a value", "RFC 9110 5.5", _field(b"X-A: b\tc\r\n")),
    _served("an empty value", "RFC 9110 5.5", _field(b"X-A:\r\n")),
    _served("white space around a value", "5", _field(b"X-A: \t b \t \r\n")),
    _served("no white space before a value", "5", _field(b"X-A:b\r\n")),
    _served("a list field on two lines", "RFC 9110 5.3", _field(b"Accept: a/b\r\nAccept: c/d\r\n")),
    _refused("two Authorization", "RFC 9110 5.3", _field(b"Authorization: a\r\nAuthorization: b\r\n")),
    _refused("two Content-Type", "RFC 9110 8.3", _field(b"Content-Type: a/b\r\nContent-Type: a/b\r\n")),
    _served("100 fields", "RFC 9110 5.4", _field(b"X-A: b\r\n" * 98)),
    _refused("101 fields", "RFC 6585 5", _field(b"X-A: b\r\n" * 99), 431),
    _served("a head of 32 KiB", "RFC 9110 5.4", _head_of(32768)),
    _refused("a head of 32 KiB and one byte", "RFC 6585 5", _head_of(32769), 431),
    _refused("one field of 40 KiB", "RFC 6585 5", _field(b"X-A: %b\r\n" % (b"b" * 40960)), 431),
    _refused("a head that does not end", "RFC 6585 5", _get(fields=b"X-A: b\r\n" * 5000)[:-2], 431),
    _served("an Upgrade: not taken up", "RFC 9110 7.8", _field(b"Connection: Upgrade\r\nUpgrade: h2c\r\n")),
    Case("Connection: close", "9.6", _field(b"Connection: close\r\n"), 200, 1, False),
    Case("close in a list of options", "9.6", _field(b"Connection: x, CLOSE\r\n"), 200, 1, False),
    _served("an option that contains close", "RFC 9110 7.6.1", _field(b"Connection: disclose\r\n")),
    _served("Expect: 100-continue", "RFC 9110 10.1.1", _field(b"Expect: 100-continue\r\n")),
    _refused("another expectation", "RFC 9110 10.1.1", _field(b"Expect: miracles\r\n"), 417),
    _refused("a compressed body", "RFC 9110 8.4", _field(b"Content-Encoding: gzip\r\n"), 415),
    _refused("a body compressed twice", "RFC 9110 8.4", _field(b"Content-Encoding: identity, br\r\n"), 415),
    _served("Content-Encoding: identity", "RFC 9110 8.4", _field(b"Content-Encoding: identity\r\n")),
]

_OLD = b"POST %b HTTP/1.0" % CHAT
HOST = [
    _refused("no Host", "3.2", _get(fields=b"")),
    _refused("two Host that differ", "3.2", _get(fields=b"Host: gw\r\nHost: other\r\n")),
    _refused("two Host that agree", "3.2", _get(fields=b"Host: gw\r\nhost: gw\r\n")),
    _refused("an empty Host", "3.2", _get(fields=b"Host:\r\n")),
    _refused("a Host with user information", "RFC 9110 7.2", _get(fields=b"Host: user@gw\r\n")),
    _refused("a Host with a path", "RFC 9110 7.2", _get(fields=b"Host: gw/v1\r\n")),
    _refused("a Host with a space", "RFC 9110 7.2", _get(fields=b"Host: gw other\r\n")),
    _refused("a Host that is a list", "RFC 9110 7.2", _get(fields=b"Host: gw, other\r\n")),
    _refused("a Host with a comma", "RFC 9110 7.2", _get(fields=b"Host: gw,other\r\n")),
    _refused("a Host with an escape", "RFC 9110 7.2", _get(fields=b"Host: g%77\r\n")),
    _refused("a Host whose port is no number", "RFC 9110 7.2", _get(fields=b"Host: gw:http\r\n")),
    _refused("a Host whose port is above 65535", "RFC 9110 7.2", _get(fields=b"Host: gw:65536\r\n")),
    _refused("a Host with a scheme", "RFC 9110 7.2", _get(fields=b"Host: http://gw\r\n")),
    _answered("a Host with a port", "3.2", _get(fields=b"Host: gw:8080\r\n")),
    _answered("an IPv6 Host with a port", "3.2", _get(fields=b"Host: [::1]:8080\r\n")),
    _refused("an IPv6 Host without brackets", "RFC 3986 3.2.2", _get(fields=b"Host: ::1\r\n")),
    Case("HTTP/1.0 without Host", "3.2", _post(_length(), BODY, b"", _OLD), 200, 1, False),
    _refused("HTTP/1.0 with a bad Host", "3.2", _post(_length(), BODY, b"Host: a b\r\n", _OLD)),
    Case(
        "HTTP/1.0 that asks to keep the connection",
        "C.2.2",
        _post(b"Connection: keep-alive\r\n" + _length(), BODY, line=_OLD),
        200,
        1,
        False,
    ),
]

_TE = b"Transfer-Encoding: chunked\r\n"
LENGTH = [
    _refused("Content-Length and Transfer-Encoding", "6.1", _post(_length() + _TE, CHUNK + LAST)),
    _refused("Transfer-Encoding and Content-Length", "6.1", _post(_TE + _length(), CHUNK + LAST)),
    _refused(
        "CL.TE with a second request inside", "11.2", _post(b"Content-Length: 6\r\n" + _TE, LAST + SMUGGLED)
    ),
    _refused("two Content-Length that differ", "6.3", _post(b"Content-Length: 5\r\n" + _length(), BODY)),
    _refused("two Content-Length that agree", "6.3", _post(_length() * 2, BODY)),
    _refused("a list as Content-Length", "6.3", _post(b"Content-Length: 63, 63\r\n", BODY)),
    _refused("Content-Length +63", "6.3", _post(b"Content-Length: +63\r\n", BODY)),
    _refused("Content-Length -1", "6.3", _post(b"Content-Length: -1\r\n", BODY)),
    _refused("Content-Length 0x3f", "6.3", _post(b"Content-Length: 0x3f\r\n", BODY)),
    _refused("Content-Length 63.0", "6.3", _post(b"Content-Length: 63.0\r\n", BODY)),
    _refused("Content-Length 6 3", "6.3", _post(b"Content-Length: 6 3\r\n", BODY)),
    _refused("Content-Length 6_3", "6.3", _post(b"Content-Length: 6_3\r\n", BODY)),
    _refused("an empty Content-Length", "6.3", _post(b"Content-Length:\r\n", BODY)),
    _refused(
        "Content-Length in other digits", "6.3", _post("Content-Length: \u0666\u0663\r\n".encode(), BODY)
    ),
    _served("Content-Length 0063", "6.2", _post(b"Content-Length: 0063\r\n", BODY)),
    _refused(
        "Content-Length of 20 digits", "RFC 9110 8.6", _post(b"Content-Length: 18446744073709551679\r\n"), 413
    ),
    _refused("Content-Length above 32 MiB", "RFC 9110 15.5.14", _post(b"Content-Length: 33554433\r\n"), 413),
    _refused(
        "the same with Expect",
        "RFC 9110 10.1.1",
        _post(b"Expect: 100-continue\r\nContent-Length: 33554433\r\n"),
        413,
    ),
    _answered("a POST without a length: an empty body", "6.3", _post(b""), 400),
    _answered(
        "a GET with a body", "RFC 9110 9.3.1", _get(fields=b"Host: gw\r\n" + _length(SMUGGLED)) + SMUGGLED
    ),
    _refused(
        "a body above 64 KiB where none belongs",
        "RFC 9110 15.5.14",
        _get(fields=b"Host: gw\r\nContent-Length: 65537\r\n"),
        413,
    ),
    _served("a field named like Transfer-Encoding", "5.1", _field(b"Transfer_Encoding: chunked\r\n")),
    _refused(
        "chunked twice in a list", "6.1", _chunked(CHUNK + LAST, b"Transfer-Encoding: chunked, chunked\r\n")
    ),
    _refused("chunked twice on two lines", "6.1", _chunked(CHUNK + LAST, _TE * 2)),
    _refused(
        "another coding, then chunked",
        "6.1",
        _chunked(CHUNK + LAST, b"Transfer-Encoding: gzip, chunked\r\n"),
        501,
    ),
    _refused(
        "chunked, then another coding", "6.3", _chunked(CHUNK + LAST, b"Transfer-Encoding: chunked, gzip\r\n")
    ),
    _refused("Transfer-Encoding: identity", "6.1", _chunked(BODY, b"Transfer-Encoding: identity\r\n")),
    _refused(
        "Transfer-Encoding: xchunked", "6.1", _chunked(CHUNK + LAST, b"Transfer-Encoding: xchunked\r\n")
    ),
    _refused(
        "chunked with a parameter", "7.1", _chunked(CHUNK + LAST, b"Transfer-Encoding: chunked;q=1\r\n")
    ),
    _refused("chunked in quotes", "6.1", _chunked(CHUNK + LAST, b'Transfer-Encoding: "chunked"\r\n')),
    _refused(
        "chunked after a vertical tab",
        "RFC 9110 5.5",
        _chunked(CHUNK + LAST, b"Transfer-Encoding: \x0bchunked\r\n"),
    ),
    _refused("an empty Transfer-Encoding", "6.1", _chunked(CHUNK + LAST, b"Transfer-Encoding:\r\n")),
    _refused("Transfer-Encoding in HTTP/1.0", "6.1", _post(_TE, CHUNK + LAST, line=_OLD)),
]

CHUNKS = [
    _served("one chunk", "7.1", _chunked(CHUNK + LAST)),
    _served("two chunks, sizes in both cases", "7.1", _chunked(TWO_CHUNKS + LAST)),
    _served("Chunked with a capital", "7", _chunked(CHUNK + LAST, b"Transfer-Encoding: Chunked\r\n")),
    _served("leading zeros in a size", "7.1", _chunked(b"000" + CHUNK + b"000" + LAST)),
    _served("an extension", "7.1.1", _chunked(CHUNK.replace(b"\r\n", b";a=b\r\n", 1) + LAST)),
    _served("a quoted extension", "7.1.1", _chunked(CHUNK.replace(b"\r\n", b';a="b;\\"c";d\r\n', 1) + LAST)),
    _served("trailer fields: dropped", "7.1.2", _chunked(CHUNK + b"0\r\nX-Sum: 1\r\nX-B: c\r\n\r\n")),
    _refused("no size", "7.1", _chunked(b"\r\n" + BODY + b"\r\n" + LAST)),
    _refused("a size that is not hexadecimal", "7.1", _chunked(b"g\r\n" + BODY + b"\r\n" + LAST)),
    _refused("size 0x3f", "7.1", _chunked(b"0x" + CHUNK + LAST)),
    _refused("size +3f", "7.1", _chunked(b"+" + CHUNK + LAST)),
    _refused("size -3f", "7.1", _chunked(b"-" + CHUNK + LAST)),
    _refused("size 3_f", "7.1", _chunked(b"3_f\r\n" + BODY + b"\r\n" + LAST)),
    _refused("a space before a size", "7.1", _chunked(b" " + CHUNK + LAST)),
    _refused("a space after a size", "7.1", _chunked(CHUNK.replace(b"\r\n", b" \r\n", 1) + LAST)),
    _refused("a space before an extension", "7.1.1", _chunked(CHUNK.replace(b"\r\n", b" ;a\r\n", 1) + LAST)),
    _refused("an extension without a name", "7.1.1", _chunked(CHUNK.replace(b"\r\n", b";=b\r\n", 1) + LAST)),
    _refused(
        "an extension with an open quote", "7.1.1", _chunked(CHUNK.replace(b"\r\n", b';a="b\r\n', 1) + LAST)
    ),
    _refused("a bare CR in an extension", "7.1.1", _chunked(CHUNK.replace(b"\r\n", b";a\rb\r\n", 1) + LAST)),
    _refused("a bare LF after a size", "7.1", _chunked(CHUNK.replace(b"\r\n", b"\n", 1) + LAST)),
    _refused("a bare LF after an extension", "7.1.1", _chunked(CHUNK.replace(b"\r\n", b";a\n", 1) + LAST)),
    _refused("a bare LF after a chunk's data", "7.1", _chunked(CHUNK[:-2] + b"\n" + LAST)),
    _refused("nothing after a chunk's data", "7.1", _chunked(CHUNK[:-2] + LAST)),
    _refused("more data than the size", "7.1", _chunked(b"3e\r\n" + BODY + b"\r\n" + LAST)),
    _refused("less data than the size", "7.1", _chunked(b"40\r\n" + BODY + b"\r\n" + LAST)),
    _refused("a size of 16 digits", "7.1", _chunked(b"000000000000003f\r\n" + BODY + b"\r\n" + LAST)),
    _refused("a size that overflows 64 bits", "7.1", _chunked(b"10000000000000000\r\n" + BODY)),
    _refused("a chunk above 32 MiB", "RFC 9110 15.5.14", _chunked(b"2000001\r\n"), 413),
    _refused(
        "a size line above 1 KiB", "7.1.1", _chunked(b"3f;a=" + b"b" * 1024 + b"\r\n" + BODY + b"\r\n" + LAST)
    ),
    _refused(
        "extensions above 16 KiB in all",
        "7.1.1",
        _chunked((b"1;a=" + b"b" * 1000 + b"\r\n{\r\n") * 17 + LAST),
    ),
    _refused("a trailer that is no field", "7.1.2", _chunked(CHUNK + b"0\r\nX-Sum\r\n\r\n")),
    _refused("a folded trailer", "7.1.2", _chunked(CHUNK + b"0\r\nX-Sum: 1\r\n 2\r\n\r\n")),
    _refused("a bare LF after a trailer", "2.2", _chunked(CHUNK + b"0\r\nX-Sum: 1\n\r\n")),
    _refused(
        "Content-Length in a trailer", "RFC 9110 6.5.1", _chunked(CHUNK + b"0\r\nContent-Length: 5\r\n\r\n")
    ),
    _refused("Transfer-Encoding in a trailer", "RFC 9110 6.5.1", _chunked(CHUNK + b"0\r\n" + _TE + b"\r\n")),
    _refused(
        "trailers above 32 KiB",
        "7.1.2",
        _chunked(CHUNK + b"0\r\n" + b"X-A: %b\r\n" % (b"b" * 1000) * 40 + b"\r\n"),
    ),
    _answered("a body that is a request: only a body", "11.2", _post(_length(SMUGGLED), SMUGGLED), 400),
    _answered(
        "a chunk that is a request: only data",
        "11.2",
        _chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
        400,
    ),
]

SECTIONS = {
    "The request line": REQUEST_LINE,
    "Fields": FIELDS,
    "Host": HOST,
    "The body's length": LENGTH,
    "Chunks": CHUNKS,
}
CASES = [case for cases in SECTIONS.values() for case in cases]
