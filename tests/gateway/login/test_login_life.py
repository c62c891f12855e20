"""The life of a renewed login, the same for every kind: fetched, renewed, failing, expired, back again."""

from __future__ import annotations

import json
import logging

import pytest

from baseload.errors import UPSTREAM_CREDENTIALS, RequestError
from baseload.gateway.login import fetch
from baseload.gateway.login.renewal import LEAD_S, MARGIN_S
from tests.gateway.login.at_work import CALL, LoginAtWork
from tests.gateway.login.clouds import (
    AWS,
    CONTAINER_TOKEN,
    KEY_PEM,
    METADATA_TOKEN,
    SECRET,
    WEB_TOKEN,
    Answer,
)

SECRETS = (
    SECRET,
    AWS.secret_key,
    CONTAINER_TOKEN,
    WEB_TOKEN,
    METADATA_TOKEN,
    KEY_PEM.splitlines()[1],
    "t0ken-",
    "s3cret-",
)

FAULTS: dict[str, object] = {
    "401": lambda asked: Answer(json.dumps({"error": "invalid_client", "error_description": SECRET}), 401),
    "403 of AWS": lambda asked: Answer("<Error><Code>AccessDenied</Code></Error>", 403),
    "500": lambda asked: Answer("boom " + SECRET, 500),
    "redirect": lambda asked: Answer("", 302, {"location": "http://127.0.0.1:1/"}),
    "empty": lambda asked: Answer(""),
    "garbage": lambda asked: Answer(b"\xff\x00{{{"),
    "cut JSON": lambda asked: Answer('{"access_token": "abc"'),
    "a list": lambda asked: Answer("[]"),
    "nothing in it": lambda asked: Answer("{}", fields={"metadata-flavor": "Google"}),
    "line break in the token": lambda asked: Answer(
        json.dumps({"access_token": "a\r\nx: y", "expires_in": 60, "AccessKeyId": "a\r\nb"})
    ),
    "too long": lambda asked: Answer(b"x" * 300_000),
    "close": "close",
    "no http": "no http",
    "hang": "hang",
    "dribble": "dribble",
}


def token_in(lines: bytes) -> str:
    """The token that header lines carry, of either sort."""
    fields = dict(line.split(": ", 1) for line in lines.decode().removesuffix("\r\n").split("\r\n"))
    return fields.get("x-amz-security-token") or fields["authorization"].removeprefix("Bearer ")


def test_nothing_is_fresh_before_the_first_fetch(tested: LoginAtWork) -> None:
    """An attempt then fails as a dead credential, in the words that clients are told."""
    assert not tested.fresh()
    with pytest.raises(RequestError) as caught:
        tested.lines()
    assert caught.value.fault is UPSTREAM_CREDENTIALS


def test_the_first_fetch_gives_what_the_service_issued(tested: LoginAtWork) -> None:
    """The service checked who asked; the lines carry its token to the last second but ten of its life."""
    wait_s = tested.renewal.turn()
    assert tested.fresh()
    assert token_in(tested.lines()) == tested.clouds.token
    assert wait_s == pytest.approx(3600 - MARGIN_S - LEAD_S, abs=1)
    tested.advance(3600 - MARGIN_S - 2)
    assert tested.fresh()
    tested.advance(3)
    assert not tested.fresh()


def test_it_is_renewed_ahead_of_its_end(tested: LoginAtWork) -> None:
    """Not before it is due; then the new one is used at once, and asked for once."""
    wait_s = tested.renewal.turn()
    first = tested.clouds.token
    tested.advance(wait_s - 1)
    assert tested.renewal.turn() > 0
    assert token_in(tested.lines()) == first == tested.clouds.token
    tested.advance(1.01)
    tested.renewal.turn()
    assert token_in(tested.lines()) == tested.clouds.token != first
    assert (tested.login.counts.renewed, tested.login.counts.failed) == (2, 0)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_renewal_keeps_the_old_to_its_end_and_recovers(
    tested: LoginAtWork, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the service does: warned of while the old one holds, an error then, well again by itself."""
    wait_s = tested.renewal.turn()
    kept = tested.clouds.token
    tested.clouds.fault = FAULTS[fault]  # type: ignore[assignment]
    if fault in ("hang", "dribble"):
        monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2)
        monkeypatch.setattr(fetch, "METADATA_TIMEOUT_S", 0.2)
    tested.advance(wait_s + 0.1)
    with caplog.at_level(logging.INFO, "baseload.gateway.login"):
        backoff_s = tested.renewal.turn()
        assert 0 < backoff_s <= 1
        assert token_in(tested.lines()) == kept
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        tested.advance(LEAD_S + MARGIN_S)
        assert not tested.fresh()
        with pytest.raises(RequestError, match="could not be renewed") as caught:
            tested.lines()
        tested.renewal.turn()
        assert caplog.records[-1].levelname == "ERROR"
        assert tested.login.counts.failures_in_a_row == 2
        tested.clouds.fault = None
        monkeypatch.undo()
        tested.advance(2)
        tested.renewal.turn()
        assert caplog.records[-1].levelname == "INFO"
    assert tested.fresh()
    assert token_in(tested.lines()) == tested.clouds.token != kept
    assert (tested.login.counts.failed, tested.login.counts.failures_in_a_row) == (2, 0)
    for secret in SECRETS:
        assert secret not in caplog.text + str(caught.value) + repr(tested.login)


def test_failures_are_tried_again_ever_later(tested: LoginAtWork) -> None:
    """Half a second at first, doubled each time, half a minute at last (a minute by the worst chance)."""
    tested.clouds.fault = lambda asked: Answer("", 500)
    waits = []
    for _ in range(8):
        waits.append(round(tested.renewal.turn(), 3))
        asked = len(tested.clouds.asked)
        assert tested.renewal.turn() > 0
        assert len(tested.clouds.asked) == asked
        tested.advance(waits[-1] + 0.001)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


@pytest.mark.parametrize("ahead_s", [-600, 600, -86_400, 86_400])
def test_another_clock_at_the_service_is_no_trouble(tested: LoginAtWork, ahead_s: float) -> None:
    """Ten minutes or a day off, either way: the first turn succeeds, with the life that was meant."""
    tested.clouds.wall_s += ahead_s
    wait_s = tested.renewal.turn()
    assert tested.login.counts.failed == 0
    assert token_in(tested.lines()) == tested.clouds.token
    assert wait_s == pytest.approx(3600 - MARGIN_S - LEAD_S, abs=2)
    assert tested.clock.ahead_s == pytest.approx(ahead_s, abs=1.5)


def test_a_clock_that_is_set_while_running_is_noticed(tested: LoginAtWork) -> None:
    """This machine's clock jumps by ten minutes: the next renewal works, and signatures follow."""
    wait_s = tested.renewal.turn()
    tested.advance(wait_s + 1)
    tested.times.wall -= 600
    tested.renewal.turn()
    assert tested.login.counts.failed == 0
    assert tested.clock.now_s() == pytest.approx(tested.clouds.wall_s, abs=1.5)


@pytest.mark.parametrize("life_s", [0, 5, MARGIN_S])
def test_what_has_expired_already_is_no_credential(tested: LoginAtWork, life_s: float) -> None:
    """A life below the margin is a failure, not a login that is fresh for a moment."""
    tested.clouds.life_s = life_s
    tested.renewal.turn()
    assert not tested.fresh()
    assert tested.login.counts.failed == 1


def test_a_short_life_is_renewed_at_three_quarters(tested: LoginAtWork) -> None:
    """Metadata services hand out what they hold until minutes before its end."""
    tested.clouds.life_s = 410.0
    assert tested.renewal.turn() == pytest.approx(300, abs=1)


def test_a_refused_credential_is_renewed_once(tested: LoginAtWork) -> None:
    """A 401 of the target asks for one new one, however many attempts it hits, and for none within 30 s."""
    tested.renewal.turn()
    tested.advance(10)
    tested.login.refused(tested.times.now)
    assert tested.renewal.turn() > 0
    issued = tested.clouds.issued
    tested.advance(60)
    for _ in range(3):
        tested.login.refused(tested.times.now)
    tested.renewal.turn()
    tested.renewal.turn()
    assert tested.clouds.issued == issued + 1


def test_refusals_do_not_outrun_the_backoff(tested: LoginAtWork) -> None:
    """While renewals fail, attempts that are refused make no more of them."""
    tested.renewal.turn()
    tested.advance(60)
    tested.clouds.fault = lambda asked: Answer("", 500)
    tested.login.refused(tested.times.now)
    tested.renewal.turn()
    asked = len(tested.clouds.asked)
    tested.login.refused(tested.times.now)
    assert tested.renewal.turn() > 0
    assert len(tested.clouds.asked) == asked


def test_a_defect_of_a_source_stops_nothing(
    tested: LoginAtWork, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread goes on after what nobody thought of, and the log says what it was without its text."""

    def defect(*_: object) -> None:
        raise RuntimeError(SECRET)

    with monkeypatch.context() as patched:
        patched.setattr(type(tested.renewal._source), "obtain", defect)
        tested.renewal.turn()
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text
    tested.advance(2)
    tested.renewal.turn()
    assert tested.fresh()


def test_header_lines_never_ask_anyone(tested: LoginAtWork) -> None:
    """A request's path holds no call to a token service, fresh or not."""
    tested.renewal.turn()
    asked = len(tested.clouds.asked)
    for seconds in (0, 3000, 700):
        tested.advance(seconds)
        if tested.fresh():
            tested.login.header_lines(CALL, tested.times.now)
    assert len(tested.clouds.asked) == asked
