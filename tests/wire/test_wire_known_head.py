"""A head that its sender repeats is known by its words: never with another meaning than parsing gives it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.wire.http1 import KnownHead, parse_request_head, parse_response_head
from tests.gateway.http.cases import CASES

RAW = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer k\r\n"
    b"Content-Length: 12\r\nX-Tag: a\r\n\r\n"
)
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\ncontent-type: application/json\r\n\r\n"


def known(raw: bytes = RAW) -> KnownHead:  # type: ignore[type-arg]
    found = KnownHead.of(parse_request_head(raw), raw)
    assert found is not None
    return found


@given(st.integers(0, 10**15 - 1), st.binary(max_size=20))
def test_another_length_is_the_same_head(length: int, rest: bytes) -> None:
    """With other digits the head is known, ends where it ends, and is what parsing would have made of it."""
    raw = RAW.replace(b"12", b"%d" % length)
    head = known()
    assert head.end_in(raw + rest) == len(raw)
    assert head.head == parse_request_head(raw)


@settings(max_examples=600)
@given(st.data())
def test_what_is_known_is_what_parsing_gives(data: st.DataObject) -> None:
    """Any bytes changed, dropped or put in: either it is not known, or parsing gives the very same head."""
    raw = bytearray(RAW)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        put = data.draw(st.sampled_from([b"", b"0", b"9", b"\r\n", b"\n", b" ", b"-", b"a", b"\xd9\xa1"]))
        raw[at : at + data.draw(st.integers(0, 3))] = put
    changed = bytes(raw)
    head = known()
    end = head.end_in(changed)
    if end:
        assert end == changed.find(b"\r\n\r\n") + 4
        assert head.head == parse_request_head(changed[:end])


def test_no_case_of_the_table_is_known_by_mistake() -> None:
    """None of the strict-HTTP cases passes as a repetition of a good head."""
    head = known()
    for case in CASES:
        end = head.end_in(case.raw)
        assert end == 0 or parse_request_head(case.raw[:end]) == head.head


def test_digits_that_are_none_are_not_known() -> None:
    """No sign, no space, no empty value, no more than 15 digits: those are for the parser to refuse."""
    for digits in (b"", b"+1", b"-1", b" 1", b"1 ", b"1,1", b"1_0", b"0x1", b"\xb2", b"1" * 16):
        assert known().end_in(RAW.replace(b"12", digits)) == 0


def test_a_part_of_a_head_is_not_known() -> None:
    """Whatever its length, a beginning is left to the parser's limits and deadlines."""
    head = known()
    assert [head.end_in(RAW[:size]) for size in range(len(RAW))] == [0] * len(RAW)


def test_heads_without_a_length_of_their_own_are_not_remembered() -> None:
    """Chunked bodies, no body, and answers whose length does not count have nothing to differ in."""
    for raw in (
        b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        assert KnownHead.of(parse_request_head(raw), raw) is None
    for raw in (
        b"HTTP/1.1 204 No Content\r\ncontent-length: 12\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ):
        assert KnownHead.of(parse_response_head(raw), raw) is None


def test_a_head_near_the_limit_is_not_remembered() -> None:
    """More digits could lead it past the limit of 32 KiB."""
    padding = b"X: " + b"a" * (32 * 1024 - len(RAW) - 5) + b"\r\n"
    raw = RAW.replace(b"X-Tag: a\r\n", b"X-Tag: a\r\n" + padding)
    assert KnownHead.of(parse_request_head(raw), raw) is None


@given(st.integers(200, 599), st.integers(0, 30), st.integers(0, 10**9))
def test_answers_are_known_likewise(status: int, length: int, other: int) -> None:
    """A target repeats its head too: with any status and length, what is known is what parsing gives."""
    first, then = (
        RESPONSE.replace(b"200", b"%d" % status).replace(b": 12", b": %d" % value)
        for value in (length, other)
    )
    head = KnownHead.of(parse_response_head(first), first)
    if head is not None:
        assert head.end_in(then + b"{}") == len(then)
        assert head.head == parse_response_head(then)
    else:
        assert length == 0 or status in (204, 304)
