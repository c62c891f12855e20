"""The twin's own reading of HTTP requests."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.twin.http import BODY_MOST_BYTES, BadRequest, Request, RequestParser

PLAIN = b"POST /v1/x?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /v1/y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: t\r\n\r\n"
)
GET = b"GET /health HTTP/1.0\r\n\r\n"


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
    assert [(each.method, each.path, each.query, each.body) for each in found] == [
        ("POST", "/v1/x", "a=1", b"hello"),
        ("POST", "/v1/y", "", b"hello"),
        ("GET", "/health", "", b""),
    ]
    assert [each.keep_alive for each in found] == [True, True, False]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (BODY_MOST_BYTES + 1), 413),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"x" * 70_000, 431),
    ],
)
def test_what_is_no_request_has_a_status(data: bytes, status: int) -> None:
    """Each kind of nonsense is refused with its own status."""
    parser = RequestParser()
    parser.feed(data)
    with pytest.raises(BadRequest) as caught:
        read_all(parser)
    assert caught.value.status == status
