"""Records: what is encoded is decoded, and older segments stay readable."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from baseload.core import Apart, Outcome, Reason, Side, Tokens
from baseload.ledger.record import Begin, Bill, End, Fleet, Refusal, decode, encode


def test_every_kind_comes_back(begin: Callable[..., Begin], end: Callable[..., End]) -> None:
    """Encoding and decoding gives an equal record of the same kind."""
    for record in (
        begin("r1", tags={"team": "blue"}),
        end("r1"),
        Refusal("r2", 1, "shop", "k1", "chat", "rate_limit_exceeded", 429, "client"),
        Fleet(1, "config-1", (("llama-a", 8_000_000_000),), True),
    ):
        assert decode(encode(record)) == record


def test_missing_trailing_fields_take_their_defaults(end: Callable[..., End]) -> None:
    """A record of an older minor version, which lacks the newest fields, is read."""
    fields = msgspec.msgpack.decode(encode(end("r1")))
    older = decode(msgspec.msgpack.encode(fields[:9]))
    assert isinstance(older, End)
    assert [older.ttft_ns, older.error_code, older.upstream_request_id] == [None] * 3


def test_enums_may_be_given_as_they_are(end: Callable[..., End]) -> None:
    """An enum member is recorded as its word."""
    record = decode(encode(end("r1", outcome=Outcome.CUT)))
    assert isinstance(record, End)
    assert record.outcome == "cut"
    assert (Side.OWNED.value, Reason.SPILL.value) == ("owned", "spill")


@pytest.mark.parametrize("payload", [b"", b"\x90", b"\x91\x09", b"\x92\x02\x01", b"\xc1"])
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    """Bytes that are no record raise, whatever they are."""
    with pytest.raises(msgspec.DecodeError):
        decode(payload)


def test_unknown_is_not_zero() -> None:
    """A bill keeps an unknown cost apart from a cost of nothing."""
    assert Bill(None) != Bill(0)
    assert Tokens() == Tokens(0, 0, 0, 0, 0, False)


def test_a_record_of_the_first_minor_version_is_still_read() -> None:
    """Usage of six values is usage whose newer counts are zero; what is written now has them all."""
    old = msgspec.msgpack.encode([2, "r1", 1, 5, "completed", 200, 9, [140, 40, 3, 200, 7, False], [1200]])
    end = decode(old)
    assert isinstance(end, End)
    assert end.usage == Tokens(140, 40, 3, 200, 7, False)
    used = Tokens(9, 1, 4, 8, 2, False, Apart(3, 2, 5, 1, 3, 6, "flex", True))
    assert decode(encode(End("r1", 1, 5, "completed", 200, 9, used, Bill(None)))).usage == used
