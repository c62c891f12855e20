"""Microsoft Entra, client credentials: a secret or a certificate becomes an access token.

Source: Microsoft identity platform, "OAuth 2.0 client credentials flow" and "Application certificate
credentials" (read November 2026): statements are signed PS256, name the certificate by `x5t#S256`, and hold
for ten minutes at most.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlencode
from uuid import uuid4

from baseload.core import EntraLogin
from baseload.gateway.login.assertion import ps256, thumbprint
from baseload.gateway.login.bearer import bearer
from baseload.gateway.login.clock import Clock
from baseload.gateway.login.fetch import Ask, Reply, expect_ok, fetch, host_of
from baseload.gateway.login.nouns import LoginFailed, Obtained

STATEMENT_S = 600
STATEMENT_BEFORE_S = 10
"""A statement begins to hold this long before it is made, for what the clock's correction leaves."""

_CERTIFICATE_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class EntraSource:
    """Access tokens of one application. The certificate's file is read each time: a new one counts."""

    def __init__(self, login: EntraLogin, clock: Clock) -> None:
        self._login, self._clock = login, clock
        self._url = f"{login.authority}/{quote(login.tenant, safe='')}/oauth2/v2.0/token"
        self._where = host_of(self._url)
        self.name = f"of Entra application {login.client}"

    def obtain(self) -> Obtained[bytes]:
        reply = self._ask()
        if reply.clock_moved and 400 <= reply.status < 500:  # the statement was from another time
            reply = self._ask()
        expect_ok(reply, self._where)
        return bearer(reply.json(self._where), self._where)

    def _ask(self) -> Reply:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._login.client,
            "scope": self._login.scope,
            **self._proof(),
        }
        fields = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        return fetch(Ask("POST", self._url, fields, urlencode(form).encode()), self._clock)

    def _proof(self) -> dict[str, str]:
        login = self._login
        if login.secret:
            return {"client_secret": login.secret}
        try:
            pem = Path(login.certificate).read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            raise LoginFailed(f"cannot read {login.certificate}: {reason}") from None
        now_s = int(self._clock.now_s())
        claims: dict[str, object] = {
            "aud": self._url,
            "iss": login.client,
            "sub": login.client,
            "jti": str(uuid4()),
            "iat": now_s - STATEMENT_BEFORE_S,
            "nbf": now_s - STATEMENT_BEFORE_S,
            "exp": now_s - STATEMENT_BEFORE_S + STATEMENT_S,
        }
        signed = ps256(pem, {"x5t#S256": thumbprint(pem)}, claims)
        return {"client_assertion_type": _CERTIFICATE_TYPE, "client_assertion": signed}
