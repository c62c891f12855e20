"""One HTTP exchange with a token endpoint, for a thread: bounded in time and size, no redirects, no proxies.

Secrets cross TLS only: plain HTTP is for this machine itself, and for metadata services on the link.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from baseload.gateway.login.clock import Clock
from baseload.gateway.login.nouns import LoginFailed

TIMEOUT_S = 10.0
METADATA_TIMEOUT_S = 3.0
"""Connecting, and then the whole exchange: of a token endpoint, of a metadata service on the link."""
MAX_REPLY = 256 * 1024

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_XML_CODE = re.compile(r"<Code>([A-Za-z0-9_.]{1,64})</Code>")


class Ask(NamedTuple):
    """What to ask. `link_local`: a metadata service, where plain HTTP is as its provider documents it."""

    method: str
    url: str
    fields: Mapping[str, str] = MappingProxyType({})
    body: bytes | None = None
    link_local: bool = False

    @property
    def timeout_s(self) -> float:
        return METADATA_TIMEOUT_S if self.link_local else TIMEOUT_S

    @property
    def host(self) -> str:
        """Whom it goes to: what a log may say of it."""
        return host_of(self.url)


class Reply(NamedTuple):
    """Status, the fields by lower-case name, the whole body, and whether our clock was found far off."""

    status: int
    fields: dict[str, str]
    body: bytes
    clock_moved: bool

    def json(self, where: str) -> dict[str, object]:
        """The body as an object. Raises LoginFailed."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise LoginFailed(f"{where} answered {self.status} with what is no JSON object") from None

    def code(self) -> str:
        """The reply's own code for what went wrong, as OAuth and AWS write it; "" where it has none."""
        try:
            said = msgspec.json.decode(self.body, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = _XML_CODE.search(self.body.decode("utf-8", "replace"))
            return found[1] if found else ""
        code = said.get("error", said.get("Code", said.get("code")))
        return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def fetch(ask: Ask, clock: Clock) -> Reply:
    """The reply, whatever its status; its date corrects the clock. Raises LoginFailed."""
    connection, target = _connection(ask)
    before_s = clock.wall_s()
    try:
        status, fields, body = _exchange(connection, ask, target)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ssl.SSLError is an OSError
        raise LoginFailed(f"{ask.host}: {_kind_of(error)}") from None
    finally:
        connection.close()
    moved = clock.learn(fields.get("date", ""), (before_s + clock.wall_s()) / 2)
    return Reply(status, fields, body, moved)


def host_of(url: str) -> str:
    """Host and port of an address, which may be anything. Raises LoginFailed for what is no address."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (raises for a bad port)
    except ValueError:
        raise LoginFailed("an address of a token service is no URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LoginFailed("an address of a token service does not begin with https://")
    return parts.netloc.rpartition("@")[2]


def _connection(ask: Ask) -> tuple[http.client.HTTPConnection, str]:
    """A connection that is not yet made, and the request's target on it."""
    host_of(ask.url)
    parts = urlsplit(ask.url)
    host, target = parts.hostname or "", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    if parts.scheme == "https":
        port = parts.port or 443  # without one, http.client would look for it in an IPv6 address
        return http.client.HTTPSConnection(host, port, timeout=ask.timeout_s, context=_tls()), target
    if not (ask.link_local or _is_this_machine(host)):
        raise LoginFailed(f"{ask.host}: secrets are sent by https only")
    return http.client.HTTPConnection(host, parts.port or 80, timeout=ask.timeout_s), target


def expect_ok(reply: Reply, where: str) -> None:
    """Raises LoginFailed for every status but 200, with the reply's own code."""
    if reply.status != 200:
        raise LoginFailed(f"{where} answered {reply.status} {reply.code()}".rstrip())


def _exchange(
    connection: http.client.HTTPConnection, ask: Ask, target: str
) -> tuple[int, dict[str, str], bytes]:
    connection.connect()
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):  # it has ended at this very moment
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(ask.timeout_s, cut)  # a socket's own timeout starts anew with every byte
    timer.daemon = True
    timer.start()
    try:
        connection.request(ask.method, target, ask.body, {"user-agent": "baseload", **ask.fields})
        response = connection.getresponse()
        body = response.read(MAX_REPLY + 1)
    finally:
        timer.cancel()
        if late.is_set():
            raise TimeoutError
    if len(body) > MAX_REPLY:
        raise ValueError("its reply is too long")
    return response.status, {name.lower(): value for name, value in response.getheaders()}, body


def _kind_of(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no reply in time"
        case ConnectionRefusedError():
            return "refused the connection"
        case ssl.SSLError():
            return "TLS failed"
        case socket.gaierror():
            return "its name is not known"
        case ValueError():
            return "a reply that is too long or no HTTP"
        case http.client.HTTPException():
            return "a reply that is no HTTP"
    return "the connection broke"


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
