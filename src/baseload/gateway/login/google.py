"""Google: a service account's key, or the metadata server of the machine, becomes an access token.

Sources: Google Cloud, "Using OAuth 2.0 for server to server applications", "View and query VM metadata" and
"How Application Default Credentials works" (read November 2026). Of the latter's places those of a server are
looked at: the file that GOOGLE_APPLICATION_CREDENTIALS names, then the metadata server at GCE_METADATA_HOST.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import msgspec

from baseload.core import GoogleLogin
from baseload.gateway.login.assertion import rs256
from baseload.gateway.login.bearer import bearer
from baseload.gateway.login.clock import Clock
from baseload.gateway.login.fetch import Ask, Reply, expect_ok, fetch, host_of
from baseload.gateway.login.nouns import LoginFailed, Obtained

KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
METADATA_HOST = "GCE_METADATA_HOST"
DEFAULT_METADATA_HOST = "metadata.google.internal"
TOKEN_URL = "https://oauth2.googleapis.com/token"
STATEMENT_S = 3600
STATEMENT_BEFORE_S = 10

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"


class ServiceAccount(msgspec.Struct):
    """The parts of a key file that a login needs."""

    type: str
    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = TOKEN_URL

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_email!r})"


def service_account(text: str) -> ServiceAccount:
    """What a key file says. Raises LoginFailed, whose message quotes nothing of it."""
    try:
        found = msgspec.json.decode(text, type=ServiceAccount)
    except (msgspec.DecodeError, UnicodeError):
        found = None
    if found is None or found.type != "service_account":
        raise LoginFailed("not the JSON key file of a Google service account")
    return found


class GoogleSource:
    """Access tokens of the account that the settings or the environment name."""

    def __init__(self, login: GoogleLogin, clock: Clock, env: Mapping[str, str]) -> None:
        self._login, self._clock, self._env = login, clock, env
        self.name = "of a Google service account" if login.service_account else "of Google's environment"

    def obtain(self) -> Obtained[bytes]:
        text = self._login.service_account
        if not text and (file := self._env.get(KEY_FILE)):
            try:
                text = Path(file).read_text()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "not text"
                raise LoginFailed(f"cannot read {KEY_FILE}'s {file}: {reason}") from None
        return self._by_key(service_account(text)) if text else self._by_metadata()

    def _by_key(self, account: ServiceAccount) -> Obtained[bytes]:
        url = self._login.token_url or account.token_uri
        reply = self._ask(account, url)
        if reply.clock_moved and 400 <= reply.status < 500:  # the statement was from another time
            reply = self._ask(account, url)
        where = host_of(url)
        expect_ok(reply, where)
        return bearer(reply.json(where), where)

    def _ask(self, account: ServiceAccount, url: str) -> Reply:
        made_s = int(self._clock.now_s()) - STATEMENT_BEFORE_S
        claims: dict[str, object] = {
            "iss": account.client_email,
            "scope": self._login.scope,
            "aud": url,
            "iat": made_s,
            "exp": made_s + STATEMENT_S,
        }
        header = {"kid": account.private_key_id} if account.private_key_id else {}
        form = {"grant_type": _GRANT, "assertion": rs256(account.private_key, header, claims)}
        fields = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        return fetch(Ask("POST", url, fields, urlencode(form).encode()), self._clock)

    def _by_metadata(self) -> Obtained[bytes]:
        host = self._env.get(METADATA_HOST) or DEFAULT_METADATA_HOST
        url = f"http://{host}{_TOKEN_PATH}?scopes={quote(self._login.scope, safe='')}"
        ask = Ask("GET", url, {"metadata-flavor": "Google"}, link_local=True)
        reply = fetch(ask, self._clock)
        expect_ok(reply, host)
        if reply.fields.get("metadata-flavor") != "Google":  # another server answers at that address
            raise LoginFailed(f"{host} is not Google's metadata server")
        return bearer(reply.json(host), host)
