"""An access token that is renewed: what Entra and Google give."""

from __future__ import annotations

from collections.abc import Mapping

from baseload.gateway.login.nouns import Call, Counts, LoginFailed, Obtained, visible
from baseload.gateway.login.renewal import Renewal

LONGEST_LIFE_S = 7 * 86_400.0
"""A token that claims to hold for longer is renewed weekly."""


class BearerLogin:
    """The header line is made when a token comes, not when it is asked for."""

    __slots__ = ("_renewal", "counts")

    def __init__(self, renewal: Renewal[bytes]) -> None:
        self._renewal = renewal
        self.counts: Counts = renewal.counts

    def header_lines(self, call: Call, now_s: float) -> bytes:
        return self._renewal.value(now_s)

    def fresh(self, now_s: float) -> bool:
        return self._renewal.fresh(now_s)

    def refused(self, now_s: float) -> None:
        self._renewal.refused(now_s)

    def saw_date(self, date: str) -> bool:
        return False  # a token's life is a duration: no date moves it

    def start(self) -> None:
        self._renewal.start()

    def wait_first(self, timeout_s: float) -> bool:
        return self._renewal.wait_first(timeout_s)

    def stop(self) -> None:
        self._renewal.stop()


def bearer(reply: Mapping[str, object], where: str) -> Obtained[bytes]:
    """The header line of an OAuth reply (RFC 6749 section 5.1) and its life. Raises LoginFailed."""
    token = visible(reply, "access_token", where)
    kind, life = reply.get("token_type", "Bearer"), reply.get("expires_in")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise LoginFailed(f"{where} answered with a token that is no bearer token")
    try:
        if isinstance(life, bool) or not isinstance(life, int | float | str):
            raise ValueError
        life_s = float(life)  # Entra's older endpoints write the number as text
    except ValueError:
        raise LoginFailed(f"{where} answered without a usable expires_in") from None
    if not 0 < life_s < float("inf"):
        raise LoginFailed(f"{where} answered without a usable expires_in")
    return Obtained(b"authorization: Bearer %b\r\n" % token.encode(), min(life_s, LONGEST_LIFE_S))
