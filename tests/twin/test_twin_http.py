"""The twin's own reading of HTTP requests."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.errors import RequestError
from baseload.twin.http import BODY_MOST_BYTES, Request, RequestParser
from baseload.wire.http1 import MAX_HEAD

PLAIN = b"POST /v1/x?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /v1/y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: t\r\n\r\n"
)
GET = b"\r\nGET /health HTTP/1.0\r\n\r\n"


def read_all(parser: RequestParser) -> list[Request]:
    """Every whole request in the buffer."""
    found = []
    while (request := parser.next()) is not None:
        found.append(request)
    return found


@given(cuts=st.lists(st.integers(0, len(PLAIN + CHUNKED + GET)), max_size=20))
def test_requests_read_the_same_however_they_arrive(cuts: list[int]) -> None:
    """Three pipelined requests cut anywhere are the same three requests."""
    data = PLAIN + CHUNKED + GET
    edges = [0, *sorted(cuts), len(data)]
    parser, found = RequestParser(), []
    for start, end in pairwise(edges):
        parser.feed(data[start:end])
        found += read_all(parser)
    assert [(each.method, each.path, each.body) for each in found] == [
        ("POST", "/v1/x", b"hello"),
        ("POST", "/v1/y", b"hello"),
        ("GET", "/health", b""),
    ]
    assert [each.keep_alive for each in found] == [True, True, False]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: h\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % (BODY_MOST_BYTES + 1), 413),
        (b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % (BODY_MOST_BYTES + 1),
            413,
        ),
        (b"GET / HTTP/1.1\r\nhost: h\r\n" + b"a: b\r\n" * 10_000, 431),
        (b"GET / HTTP/1.1\r\nhost: h\r\n" + b"a: b\r\n" * 10_000 + b"\r\n", 431),
        (b"x" * 70_000, 414),
    ],
)
def test_what_is_no_request_has_a_status(data: bytes, status: int) -> None:
    """Each kind of nonsense is refused with its own status."""
    parser = RequestParser()
    parser.feed(data)
    with pytest.raises(RequestError) as caught:
        read_all(parser)
    assert caught.value.fault.status == status


def test_more_than_any_request_may_have_is_not_held() -> None:
    """A client that sends on while its request is answered is cut off, not collected."""
    parser = RequestParser()
    parser.feed(bytes(BODY_MOST_BYTES))
    parser.feed(bytes(BODY_MOST_BYTES))
    with pytest.raises(RequestError) as caught:
        parser.feed(bytes(MAX_HEAD + 1))
    assert caught.value.fault.status == 413


def test_a_client_that_waits_for_the_go_ahead_is_told_once() -> None:
    """Expect: 100-continue is news until it was told, and none where the body is here already."""
    head = b"POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
    parser = RequestParser()
    parser.feed(head)
    assert (parser.next(), parser.awaits_go_ahead(), parser.awaits_go_ahead()) == (None, True, False)
    parser.feed(b"hi" + head + b"h")
    assert [request.body for request in read_all(parser)] == [b"hi"]
    assert not parser.awaits_go_ahead()
