"""Requests signed by AWS keys that are renewed."""

from __future__ import annotations

from baseload.gateway.login.clock import Clock
from baseload.gateway.login.nouns import Call, Counts
from baseload.gateway.login.renewal import Renewal
from baseload.wire.aws_sigv4 import Signer, Unsigned


class SigningLogin:
    """Signs each call with the keys in force, at the corrected clock."""

    __slots__ = ("_clock", "_renewal", "counts")

    def __init__(self, renewal: Renewal[Signer], clock: Clock) -> None:
        self._renewal, self._clock = renewal, clock
        self.counts: Counts = renewal.counts

    def header_lines(self, call: Call, now_s: float) -> bytes:
        signer = self._renewal.value(now_s)
        path, _, query = call.path.partition("?")
        request = Unsigned(call.method, path, query, (("host", call.host),), call.body)
        return signer.lines(request, self._clock.now_s())

    def fresh(self, now_s: float) -> bool:
        return self._renewal.fresh(now_s)

    def refused(self, now_s: float) -> None:
        self._renewal.refused(now_s)

    def saw_date(self, date: str) -> bool:
        return self._clock.learn(date, self._clock.wall_s())

    def start(self) -> None:
        self._renewal.start()

    def wait_first(self, timeout_s: float) -> bool:
        return self._renewal.wait_first(timeout_s)

    def stop(self) -> None:
        self._renewal.stop()
