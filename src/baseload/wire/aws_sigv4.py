"""AWS Signature Version 4, pure: a request, keys and a moment in; the header lines that sign it out.

    canonical request = METHOD \n path \n query \n name:value lines \n \n names \n hex(SHA-256(body))
    string to sign    = AWS4-HMAC-SHA256 \n date-time \n scope \n hex(SHA-256(canonical request))
    signing key       = HMAC(HMAC(HMAC(HMAC("AWS4" + secret, day), region), service), "aws4_request")

Source: AWS General Reference, "Create a signed AWS API request" (read November 2026). A test holds every
signature against botocore's. Paths and queries are taken as they stand on the wire, so percent-encoded once;
all services but S3 sign the path encoded a second time: `/model/a%3A0/converse` signs as `/model/a%253A0/…`.
"""

from __future__ import annotations

import hmac
import time
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = frozenset(
    {
        "authorization",
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    }
)
"""Fields that proxies on the way add or change, so that no signature covers them."""

_EMPTY = sha256(b"").hexdigest()
_OURS = ("date", "x-amz-date", "x-amz-security-token")
_KEPT_PATHS = 512


class AwsKeys(NamedTuple):
    """What signs: `token` is the session token of temporary keys, "" for lasting ones."""

    access_key: str
    secret_key: str
    token: str = ""

    def __repr__(self) -> str:
        return f"AwsKeys({self.access_key!r})"


class Scope(NamedTuple):
    """Which service, where, a signature is good for, as in `us-east-1`, `bedrock`."""

    region: str
    service: str


class Unsigned(NamedTuple):
    """A request to sign. `path` and `query` as on the wire; `fields`: `host` and what else is signed."""

    method: str
    path: str
    query: str
    fields: tuple[tuple[str, str], ...]
    body: bytes


class Signer:
    """Signs requests with one set of keys. A day's signing key is made once; not for several threads at once.

    Within a second the date line is made once too.
    """

    __slots__ = ("_day", "_day_key", "_keys", "_now_s", "_scope", "_stamp", "_token_line")

    def __init__(self, keys: AwsKeys, scope: Scope) -> None:
        self._keys, self._scope = keys, scope
        self._day, self._day_key = "", b""
        self._now_s, self._stamp = -1, ""
        self._token_line = f"x-amz-security-token: {keys.token}\r\n" if keys.token else ""

    def __repr__(self) -> str:
        return f"Signer({self._keys!r}, {self._scope!r})"

    def lines(self, request: Unsigned, now_s: float) -> bytes:
        """The header lines to add, each with its CRLF: date, session token, authorization.

        `now_s` is Unix time; AWS takes it when it is at most five minutes off.
        """
        stamp = self._stamp_of(int(now_s))
        day = stamp[:8]
        if day != self._day:
            self._day_key = _signing_key(self._keys.secret_key, day, self._scope)
            self._day = day
        names, canonical = canonical_request(request, stamp, self._keys.token)
        scope = f"{day}/{self._scope.region}/{self._scope.service}/aws4_request"
        to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._day_key, to_sign.encode(), "sha256").hex()
        return (
            f"x-amz-date: {stamp}\r\n{self._token_line}authorization: {ALGORITHM} "
            f"Credential={self._keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}\r\n"
        ).encode()

    def _stamp_of(self, now_s: int) -> str:
        if now_s != self._now_s:
            self._stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
            self._now_s = now_s
        return self._stamp


def sign(request: Unsigned, keys: AwsKeys, scope: Scope, now_s: float) -> bytes:
    """The header lines that sign one request; whoever signs many keeps a `Signer`."""
    return Signer(keys, scope).lines(request, now_s)


def canonical_request(request: Unsigned, stamp: str, token: str) -> tuple[str, str]:
    """The names that are signed and the canonical request; date and token replace the caller's own."""
    fields: dict[str, str] = {}
    for name, value in request.fields:
        lower = name.lower()
        if lower not in UNSIGNED and lower not in _OURS:
            trimmed = " ".join(value.split())
            fields[lower] = f"{fields[lower]},{trimmed}" if lower in fields else trimmed
    fields["x-amz-date"] = stamp
    if token:
        fields["x-amz-security-token"] = token
    order = sorted(fields)
    names = ";".join(order)
    lines = "".join([f"{name}:{fields[name]}\n" for name in order])
    digest = sha256(request.body).hexdigest() if request.body else _EMPTY
    query = canonical_query(request.query) if request.query else ""
    return names, f"{request.method}\n{canonical_path(request.path)}\n{query}\n{lines}\n{names}\n{digest}"


@lru_cache(maxsize=_KEPT_PATHS)
def canonical_path(path: str) -> str:
    """The wire's path without empty and dot segments (RFC 3986 section 5.2.4), percent-encoded once more."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment and segment != ".":
            kept.append(segment)
    last = "/" if kept and path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{last}", safe="/~")


def canonical_query(query: str) -> str:
    """The wire's query, its encoded pairs sorted by name and value; a name alone gets its `=`."""
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]
    return "&".join([f"{name}={value}" for name, value in sorted(pairs)])


def encode_segment(text: str) -> str:
    """One path segment for the wire: a model's id with its `:` and `/` percent-encoded."""
    return quote(text, safe="-_.~")


def _signing_key(secret_key: str, day: str, scope: Scope) -> bytes:
    key = b"AWS4" + secret_key.encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
