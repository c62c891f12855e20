"""One exchange with a token endpoint, and the clock that it corrects."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from email.utils import formatdate
from pathlib import Path

import pytest
import trustme

from baseload.gateway.login import fetch as fetching
from baseload.gateway.login.clock import MOVED_S, NOTICED_S, Clock
from baseload.gateway.login.fetch import MAX_REPLY, Ask, fetch
from baseload.gateway.login.nouns import LoginFailed
from tests.gateway.login.clouds import WALL_S, Answer, Clouds

SECRET = "s3cret"


def still() -> Clock:
    """A clock that stands at the services' time."""
    return Clock(lambda: WALL_S)


def ask(clouds: Clouds) -> Ask:
    return Ask("POST", f"{clouds.url}/x?y=1", {"x-api-key": SECRET}, SECRET.encode())


def test_a_redirect_is_not_followed(clouds: Clouds) -> None:
    """A secret goes where it was meant to go and nowhere else."""
    clouds.fault = lambda asked: Answer("", 307, {"location": f"{clouds.url}/elsewhere"})
    assert fetch(ask(clouds), still()).status == 307
    assert [asked.path for asked in clouds.asked] == ["/x"]


def test_proxies_of_the_environment_are_not_used(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere in the gateway: destinations come from the configuration."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    clouds.fault = lambda asked: Answer("{}")
    assert fetch(ask(clouds), still()).status == 200


@pytest.mark.parametrize("url", ["http://login.example.com/t", "http://10.0.0.1/t", "http://[::2]/t"])
def test_secrets_do_not_cross_a_network_unencrypted(url: str) -> None:
    """Plain HTTP is refused before anything is sent."""
    with pytest.raises(LoginFailed, match="https only"):
        fetch(Ask("POST", url, {}, SECRET.encode()), still())


class Secure:
    """A TLS server of this machine: it answers, or drips bytes without end."""

    def __init__(self, authority: trustme.CA, *, drips: bool = False) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._drips = drips
        self.heard = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.getsockname()[1]}/"

    def __enter__(self) -> Secure:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
        self._server.close()

    def _serve(self) -> None:
        raw, _ = self._server.accept()
        try:
            with self._context.wrap_socket(raw, server_side=True) as connection:
                self.heard = connection.recv(4096)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n{}" % (9999 if self._drips else 2)
                )
                while self._drips and not self._over.wait(0.02):
                    connection.sendall(b"x")
        except OSError:
            raw.close()


def test_a_certificate_of_nobody_is_refused() -> None:
    """TLS is verified: a listener that cannot prove its name gets no request."""
    with Secure(trustme.CA()) as server:
        with pytest.raises(LoginFailed, match="TLS failed"):
            fetch(Ask("GET", server.url), still())
        assert server.heard == b""


@pytest.mark.parametrize("drips", [False, True])
def test_authorities_of_ones_own_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, drips: bool
) -> None:
    """By SSL_CERT_FILE, as everywhere; and the deadline holds under TLS too."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with Secure(authority, drips=drips) as server:
        if drips:
            monkeypatch.setattr(fetching, "TIMEOUT_S", 0.2)
            with pytest.raises(LoginFailed, match="no reply in time"):
                fetch(Ask("GET", server.url), still())
        else:
            assert fetch(Ask("GET", server.url), still()).json("here") == {}


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://[fd00:ec2::254]/x", ("fd00:ec2::254", 80)),
        ("http://169.254.169.254/x", ("169.254.169.254", 80)),
        ("http://127.0.0.1:8080/x", ("127.0.0.1", 8080)),
    ],
)
def test_addresses_are_taken_apart_whole(
    monkeypatch: pytest.MonkeyPatch, url: str, where: tuple[str, int]
) -> None:
    """The metadata services of some machines have IPv6 addresses only, whose colons are no port."""
    connected: list[tuple[str, int]] = []

    class Recorded(http.client.HTTPConnection):
        def connect(self) -> None:
            connected.append((self.host, self.port))
            raise ConnectionRefusedError

    monkeypatch.setattr(http.client, "HTTPConnection", Recorded)
    with pytest.raises(LoginFailed, match="refused"):
        fetch(Ask("GET", url, link_local=True), still())
    assert connected == [where]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999/", "https://[::1/", "ftp://127.0.0.1/", "nonsense", ""]
)
def test_an_address_that_is_none_is_a_failure_like_any_other(url: str) -> None:
    """It may come from the environment or a key file, which nobody checked."""
    with pytest.raises(LoginFailed):
        fetch(Ask("GET", url), still())


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_what_went_wrong_is_said_by_host_and_kind(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to act on; no path, no query, nothing that was sent."""
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.2)
    cases = [("hang", "no reply in time"), ("dribble", "no reply in time"), ("no http", "no HTTP")]
    for fault, words in cases:
        clouds.fault = fault
        with pytest.raises(LoginFailed) as caught:
            fetch(ask(clouds), still())
        assert str(caught.value).startswith(f"{clouds.host}: ")
        assert words in str(caught.value)
    with pytest.raises(LoginFailed, match="refused the connection"):
        fetch(Ask("GET", f"http://127.0.0.1:{closed_port()}/"), still())
    with pytest.raises(LoginFailed, match="its name is not known"):
        fetch(Ask("GET", "https://no-such-host.invalid/"), still())


def test_a_reply_has_a_longest_length(clouds: Clouds) -> None:
    """A quarter of a mebibyte; tokens have kilobytes."""
    clouds.fault = lambda asked: Answer(b"x" * MAX_REPLY)
    assert len(fetch(ask(clouds), still()).body) == MAX_REPLY
    clouds.fault = lambda asked: Answer(b"x" * (MAX_REPLY + 1))
    with pytest.raises(LoginFailed, match="too long"):
        fetch(ask(clouds), still())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"error": "invalid_client", "error_description": "s3cret"}', "invalid_client"),
        ('{"Code": "AccessDenied", "Message": "s3cret"}', "AccessDenied"),
        ("<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>", "ExpiredToken"),
        ('{"error": {"message": "s3cret"}}', ""),
        ('{"error": "s3cret with spaces"}', ""),
        ("s3cret", ""),
    ],
)
def test_only_a_code_is_taken_from_a_refusal(clouds: Clouds, body: str, code: str) -> None:
    """Descriptions quote what was sent; codes are words of the protocol."""
    clouds.fault = lambda asked: Answer(body, 400)
    reply = fetch(ask(clouds), still())
    assert reply.code() == code
    with pytest.raises(LoginFailed) as caught:
        fetching.expect_ok(reply, "here")
    assert str(caught.value) == f"here answered 400 {code}".rstrip()


@pytest.mark.parametrize(
    ("ahead_s", "kept", "moved"),
    [
        (0, False, False),
        (3, False, False),
        (-4, False, False),
        (20, True, False),
        (600, True, True),
        (-600, True, True),
    ],
)
def test_a_date_corrects_the_clock(ahead_s: float, kept: bool, moved: bool) -> None:
    """Seconds are the reply's way and are left alone; more is added to every moment that is signed."""
    clock = still()
    assert clock.learn(formatdate(WALL_S + ahead_s, usegmt=True), WALL_S) is moved
    assert (abs(clock.ahead_s) >= NOTICED_S) is kept
    assert clock.now_s() == pytest.approx(WALL_S + (ahead_s if kept else 0), abs=1)


def test_a_clock_that_was_set_right_is_not_corrected_any_more() -> None:
    """The next date says so; that is a move as well."""
    clock = still()
    clock.learn(formatdate(WALL_S + 600, usegmt=True), WALL_S)
    assert clock.learn(formatdate(WALL_S, usegmt=True), WALL_S)
    assert clock.ahead_s == 0
    assert MOVED_S < 600


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Nov 2026 00:00:00 GMT", "\x00"])
def test_a_date_that_cannot_be_read_changes_nothing(date: str) -> None:
    """A service without a date is believed to have ours."""
    clock = still()
    clock.learn(formatdate(WALL_S + 600, usegmt=True), WALL_S)
    assert not clock.learn(date, WALL_S)
    assert clock.ahead_s == pytest.approx(600, abs=1)
