"""AWS's token service: keys for a role, by other keys or by a web identity.

Source: AWS Security Token Service API Reference 2011-06-15 (read November 2026).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from baseload.gateway.login.clock import Clock
from baseload.gateway.login.fetch import Ask, Reply, expect_ok, fetch, host_of
from baseload.gateway.login.nouns import LoginFailed, Obtained, visible
from baseload.wire.aws_sigv4 import AwsKeys, Scope, Unsigned, sign

ROLE_S = 3600
DEFAULT_SESSION = "baseload"

_VERSION = "2011-06-15"
_FORM = "application/x-www-form-urlencoded"
_ELEMENT = re.compile(r"<(AccessKeyId|SecretAccessKey|SessionToken|Expiration)>([^<>]*)</\1>")


class Sts(NamedTuple):
    """The token service of a region: its address, and the clock that signs and is corrected."""

    url: str
    region: str
    clock: Clock

    def assume_role(self, keys: AwsKeys, role: str, session: str, external_id: str) -> Obtained[AwsKeys]:
        """The role's keys, for the hour that every role allows. Raises LoginFailed."""
        form = {
            "Action": "AssumeRole",
            "RoleArn": role,
            "RoleSessionName": session,
            "DurationSeconds": str(ROLE_S),
        }
        if external_id:
            form["ExternalId"] = external_id
        reply = self._signed(form, keys)
        if reply.clock_moved and 400 <= reply.status < 500:  # it was signed at another time
            reply = self._signed(form, keys)
        return self._keys(reply)

    def assume_role_with_web_identity(self, token: str, role: str, session: str) -> Obtained[AwsKeys]:
        """The role's keys for a token of another identity provider. Raises LoginFailed."""
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "RoleArn": role,
            "RoleSessionName": session,
            "WebIdentityToken": token,
            "DurationSeconds": str(ROLE_S),
        }
        return self._keys(self._ask(_encoded(form), {}))

    def _signed(self, form: dict[str, str], keys: AwsKeys) -> Reply:
        fields = (("host", host_of(self.url)), ("content-type", _FORM))
        body, path = _encoded(form), urlsplit(self.url).path or "/"
        request = Unsigned("POST", path, "", fields, body)
        lines = sign(request, keys, Scope(self.region, "sts"), self.clock.now_s()).decode()
        return self._ask(body, dict(line.split(": ", 1) for line in lines.split("\r\n") if line))

    def _ask(self, body: bytes, fields: dict[str, str]) -> Reply:
        said = {"host": host_of(self.url), "content-type": _FORM, **fields}
        return fetch(Ask("POST", self.url, said, body), self.clock)

    def _keys(self, reply: Reply) -> Obtained[AwsKeys]:
        where = host_of(self.url)
        expect_ok(reply, where)
        found = dict(_ELEMENT.findall(reply.body.decode("utf-8", "replace")))
        return keys_of(found, "SessionToken", where, self.clock)


def sts_url(region: str, written: str) -> str:
    """The address of the token service: as written, else the region's own."""
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return written or f"https://sts.{region}.{domain}"


def keys_of(reply: dict[str, object], token: str, where: str, clock: Clock) -> Obtained[AwsKeys]:
    """Temporary keys as AWS's services write them, `token` being the session token's name.

    Their life is from the reply's own date to their `Expiration`. Raises LoginFailed.
    """
    keys = AwsKeys(
        visible(reply, "AccessKeyId", where),
        visible(reply, "SecretAccessKey", where),
        visible(reply, token, where),
    )
    try:
        end = datetime.fromisoformat(str(reply.get("Expiration")))
        if end.tzinfo is None:
            raise ValueError
    except ValueError:
        raise LoginFailed(f"{where} answered without a usable Expiration") from None
    return Obtained(keys, end.timestamp() - clock.now_s())


def _encoded(form: dict[str, str]) -> bytes:
    return urlencode({"Version": _VERSION, **form}).encode()
