"""The HTTP parser: at least as strict as llhttp, the same in any pieces, quick to refuse."""

from __future__ import annotations

import time
from typing import NamedTuple

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import RequestError
from baseload.wire.http1 import (
    CHUNKED,
    MAX_EXTENSIONS,
    UNTIL_CLOSE,
    ChunkedReader,
    ChunkSyntax,
    RequestHead,
    UpstreamSyntax,
    chunk_size,
    parse_request_head,
    parse_response_head,
    partial_head_fault,
)
from tests.gateway.http.cases import CASES

LIMIT = 1 << 25


class Message(NamedTuple):
    """What one of the parsers says a request is. `body` is None where httptools leaves a request with an
    Upgrade to whoever speaks the other protocol."""

    method: bytes
    path: bytes
    fields: dict[bytes, bytes]
    body: bytes | None


def ours(raw: bytes) -> Message | None:
    """As baseload reads one whole request; None where it is refused, not whole or followed by more."""
    end = raw.find(b"\r\n\r\n") + 4
    try:
        head = parse_request_head(raw[:end])
        if head.length != CHUNKED:
            body = raw[end:]
            return Message(head.method, head.path, head.fields, body) if len(body) == head.length else None
        reader = ChunkedReader(LIMIT)
        used = reader.feed(raw[end:])
    except (RequestError, ChunkSyntax, OverflowError):
        return None
    if not reader.done or used != len(raw) - end:
        return None
    return Message(head.method, head.path, head.fields, bytes(reader.body))


class _Seen:
    """Callbacks of llhttp."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: dict[bytes, bytes] = {}
        self.body = b""
        self.heads_done = False
        self.messages = 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.heads_done:
            return  # a trailer
        name, value = name.lower(), value.strip(b" \t")
        self.fields[name] = self.fields[name] + b", " + value if name in self.fields else value

    def on_headers_complete(self) -> None:
        self.heads_done = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages += 1


def llhttps(raw: bytes) -> Message | None:
    """As llhttp reads it."""
    seen = _Seen()
    parser = httptools.HttpRequestParser(seen)
    upgraded = False
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        upgraded = True
    except httptools.HttpParserError:
        return None
    if seen.messages != 1:
        return None
    url = seen.url
    if b"://" in url and not url.startswith(b"/"):
        url = httptools.parse_url(url).path or b"/"
    body = None if upgraded else seen.body
    return Message(parser.get_method(), url.partition(b"?")[0], seen.fields, body)


def _assert_ours_is_a_subset(raw: bytes) -> None:
    accepted = ours(raw)
    if accepted is not None:
        theirs = llhttps(raw)
        assert theirs is not None
        assert theirs == (accepted if theirs.body is not None else accepted._replace(body=None))


@pytest.mark.parametrize("raw", [case.raw for case in CASES], ids=[case.name for case in CASES])
def test_llhttp_agrees_on_the_table(raw: bytes) -> None:
    """Every case of the table that is accepted is the same request to llhttp."""
    _assert_ours_is_a_subset(raw.removeprefix(b"\r\n"))


PIECES = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"=",
        b'"',
        b"\\",
        b"\x00",
        b"\x0b",
        b"\x7f",
        b"\xff",
    ),
    *(b"0", b"5", b"a", b"G", b"/", b"?", b"#", b"*", b"%41", b"@", b"[", b"HTTP/1.1", b"chunked", b"close"),
    *(
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Host: b\r\n",
        b"Connection: Upgrade\r\n",
    ),
    *(b"Upgrade: h2c\r\n", b"0\r\n\r\n", b"3\r\nabc\r\n", b" HTTP/1.0", b"OPTIONS ", b"http://h"),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A request of the table with some bytes put in, taken out or replaced."""
    raw = draw(st.sampled_from([case.raw for case in CASES if len(case.raw) < 1000]))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(raw)))
        out = draw(st.integers(0, 3))
        raw = raw[:at] + draw(st.sampled_from(PIECES) | st.binary(max_size=2)) + raw[at + out :]
    return raw


@settings(max_examples=1500, deadline=None)
@given(mutated())
def test_what_is_accepted_llhttp_accepts(raw: bytes) -> None:
    """Ours is a subset: whatever is accepted is, to llhttp, one request with the same method, path, fields
    and body."""
    _assert_ours_is_a_subset(raw)


TOKEN = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8).map(str.encode)
VALUE = st.text('\t !"#,/:;=?@Az09~\xe9\xff', max_size=12).map(lambda text: text.encode("latin-1"))
SIZES = st.lists(st.binary(min_size=1, max_size=20), max_size=5)


@st.composite
def well_formed(draw: st.DrawFn) -> bytes:
    """A request in the grammar, with any fields and a body in either form."""
    method = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"HEAD"]))
    target = b"/" + draw(st.text("az09/%._~!$&'()*+,;=:@?-", max_size=20)).encode()
    lines = [b"Host: gw"]
    for name, value in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=6)):
        lines.append(b"X-%b:%b" % (name, value))
    chunks = draw(SIZES)
    if draw(st.booleans()):
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b;\\""']))
        trailer = draw(st.sampled_from([b"", b"X-T: u\r\n"]))
        body = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in chunks)
        body += b"0%b\r\n%b\r\n" % (extension, trailer)
        lines.append(b"Transfer-Encoding: chunked")
    else:
        body = b"".join(chunks)
        lines.append(b"Content-Length: %d" % len(body))
    lines = draw(st.permutations(lines))
    return b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (method, target, b"\r\n".join(lines), body)


@settings(max_examples=400, deadline=None)
@given(well_formed())
def test_well_formed_requests_are_accepted(raw: bytes) -> None:
    """The strictness is not refusal of everything: what the grammar allows is read as llhttp reads it."""
    accepted = ours(raw)
    assert accepted is not None
    assert llhttps(raw) == accepted


@settings(max_examples=300, deadline=None)
@given(well_formed() | mutated(), st.data())
def test_a_partial_head_is_refused_only_if_the_whole_is(raw: bytes, data: st.DataObject) -> None:
    """Refusing early changes no answer: a head that is refused when a part of it is there is refused whole,
    for the same reason."""
    end = raw.find(b"\r\n\r\n") + 4
    if end < 4:
        return
    cut = data.draw(st.integers(0, end - 1))
    fault = partial_head_fault(raw[:cut], data.draw(st.integers(0, cut)))
    if fault is not None:
        with pytest.raises(RequestError) as whole:
            parse_request_head(raw[:end])
        assert whole.value.fault is fault.fault


@settings(max_examples=300, deadline=None)
@given(SIZES, st.data())
def test_chunked_bodies_in_any_pieces(parts: list[bytes], data: st.DataObject) -> None:
    """A chunked body is the same in whatever pieces it comes, and what follows it is left alone."""
    framed = b"".join(b"%X;n=v\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nA: b\r\n\r\n"
    stream = framed + b"GET / HTTP/1.1"
    reader, at = ChunkedReader(LIMIT), 0
    while not reader.done:
        piece = stream[at : at + data.draw(st.integers(1, 12))]
        at += reader.feed(piece)
    assert (bytes(reader.body), at) == (b"".join(parts), len(framed))


def test_chunked_bodies_are_bounded() -> None:
    """A body stops at its limit before it is kept; extensions and trailers are bounded of themselves."""
    reader = ChunkedReader(10)
    with pytest.raises(OverflowError):
        reader.feed(b"a\r\n0123456789\r\n1\r\n")
    assert len(reader.body) == 10
    reader = ChunkedReader(LIMIT)
    with pytest.raises(ChunkSyntax, match="extensions"):
        reader.feed(b"1;ab\r\nx\r\n" * MAX_EXTENSIONS)
    assert len(reader.body) < MAX_EXTENSIONS


@pytest.mark.parametrize(
    "line", [b"", b"g", b"+1", b"-1", b"0x1", b" 1", b"1 ", b"1_0", b"1;", b"1;;a", b"1" * 16]
)
def test_chunk_sizes_are_hexadecimal_digits(line: bytes) -> None:
    """What Python's `int` would read over is refused."""
    with pytest.raises(ChunkSyntax):
        chunk_size(line)


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])


def test_a_request_head() -> None:
    """Names in lower case, values trimmed, repeated fields joined, the query apart from the path."""
    raw = head(b"POST /v1/x?y=1 HTTP/1.1", b"Host: gw", b"ACCEPT: \t a ", b"Content-Length: 3", b"accept: b")
    fields = {b"host": b"gw", b"accept": b"a, b", b"content-length": b"3"}
    expected = RequestHead(b"POST", b"/v1/x", 1, fields, 3, True, False, b"y=1")
    assert parse_request_head(raw) == expected


@pytest.mark.parametrize(
    ("lines", "length", "keep_alive"),
    [
        ([b"HTTP/1.1 200 OK", b"Content-Length: 5"], 5, True),
        ([b"HTTP/1.1 200", b"Content-Length: 5"], 5, True),
        ([b"HTTP/1.1 200 OK", b"Transfer-Encoding: Chunked"], CHUNKED, True),
        ([b"HTTP/1.1 200 OK"], UNTIL_CLOSE, False),
        ([b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Connection: x, close"], 5, False),
        ([b"HTTP/1.0 200 OK", b"Content-Length: 5"], 5, False),
        ([b"HTTP/1.0 200 OK", b"Content-Length: 5", b"Connection: Keep-Alive"], 5, True),
        ([b"HTTP/1.1 204 No Content"], 0, True),
        ([b"HTTP/1.1 100 Continue"], 0, True),
    ],
)
def test_response_heads(lines: list[bytes], length: int, keep_alive: bool) -> None:
    """Where an answer's body ends, and whether its connection can be used again."""
    parsed = parse_response_head(head(*lines))
    assert (parsed.length, parsed.keep_alive) == (length, keep_alive)


@pytest.mark.parametrize(
    "lines",
    [
        [b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Content-Length: 5"],
        [b"HTTP/1.1 200 OK", b"Content-Length: 5, 5"],
        [b"HTTP/1.1 200 OK", b"Content-Length: -5"],
        [b"HTTP/1.1 200 OK", b"Transfer-Encoding: gzip"],
        [b"HTTP/1.1 200 OK", b"X-A: b", b" c"],
        [b"HTTP/1.1 200 OK", b"X-A : b"],
        [b"HTTP/1.1 200 OK", b"X-A: b\nX-B: c"],
        [b"HTTP/1.1 200 OK", *(b"X-A: b" for _ in range(101))],
        [b"HTTP/1.1 20 OK"],
        [b"HTTP/1.1  200 OK"],
        [b"HTTP/2 200 OK"],
        [b"ICY 200 OK"],
    ],
)
def test_bad_response_heads_are_refused(lines: list[bytes]) -> None:
    """A target is held to the same grammar: an answer that could be read in two ways is no answer."""
    with pytest.raises(UpstreamSyntax):
        parse_response_head(head(*lines))


@pytest.mark.parametrize(
    "hostile",
    [
        b"GET /" + b"a" * 8000 + b" HTTP/1.1\r\nHost: gw\r\n" + b"A" * 20000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A:\t \t" * 6000 + b"\r\n\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"a.%" * 10000 + b" \x00\r\n\r\n",
        b"GET http://" + b"a:@[" * 2000 + b" HTTP/1.1\r\n\r\n",
        b"\r" * 30000 + b"\r\n\r\n",
    ],
)
def test_refusing_is_linear(hostile: bytes) -> None:
    """No head makes the grammar backtrack: refusing 100 long ones takes milliseconds, and never 2 s."""
    begun = time.process_time()
    for _ in range(100):
        with pytest.raises(RequestError):
            parse_request_head(hostile)
    assert time.process_time() - begun < 2
