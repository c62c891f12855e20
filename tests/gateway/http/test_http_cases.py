"""The strict-HTTP table over real sockets: in one piece, byte by byte, cut in two, behind a good request."""

from __future__ import annotations

import random

import pytest

from tests.gateway.http.cases import BODY, CASES, Case
from tests.gateway.http.port import Port

GOOD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gw\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
LAST = b"GET /v1/models HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n"
CUTS = 12
BYTE_BY_BYTE_UP_TO = 4096


def _check(port: Port, case: Case, pieces: list[bytes], *, before: int = 0) -> None:
    """Send `pieces`, then a good request: the answers and what the target saw are those of the table."""
    port.seen.clear()
    answers = port.talk([*pieces, LAST])
    expected = [200] * before + [case.status] + ([200] if case.kept else [])
    assert [answer.status for answer in answers] == expected, answers
    assert len(port.seen) == before + case.seen
    assert all(b'"hello"' in body for body in port.seen)
    assert (answers[before].fields.get(b"connection") == b"close") is not case.kept


@pytest.fixture(params=CASES, ids=[case.name for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    """Each row of the table."""
    found: Case = request.param
    return found


def test_in_one_piece(port: Port, case: Case) -> None:
    """The answer, the requests the target sees and the connection's fate are the table's; a request sent
    right behind is answered exactly when the connection is kept."""
    _check(port, case, [case.raw])
    port.seen.clear()
    assert len(port.talk([case.raw + LAST])) == (2 if case.kept else 1)


def test_byte_by_byte(port: Port, case: Case) -> None:
    """It does not matter that every byte comes alone (long cases: in pieces of 400 bytes)."""
    step = 1 if len(case.raw) <= BYTE_BY_BYTE_UP_TO else 400
    _check(port, case, [case.raw[at : at + step] for at in range(0, len(case.raw), step)])


def test_cut_in_two(port: Port, case: Case) -> None:
    """It does not matter where a request is cut: sampled places, line ends always among them."""
    places = range(1, len(case.raw))
    lines = [at for at in places if case.raw[at : at + 1] == b"\n"]
    chosen = random.Random(case.name)
    cuts = {*chosen.sample(places, min(CUTS, len(places))), *lines[:3], *lines[-3:]}
    for cut in sorted(cuts):
        _check(port, case, [case.raw[:cut], case.raw[cut:]])


def test_behind_a_good_request(port: Port, case: Case) -> None:
    """Pipelined behind a call that is being answered: that one is answered first, then this one as ever."""
    _check(port, case, [GOOD + case.raw], before=1)
    _check(port, case, [GOOD, case.raw], before=1)


def test_names_are_unique() -> None:
    """Each case is found by its name; there are at least 80."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert len(names) >= 80
