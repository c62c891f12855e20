"""Whether a target is fit to be used: ejection, half-open probes and dead credentials, as one table.

A target is ejected after 5 consecutive failures, or when less than 80% of at least 20 requests within 30 s
succeeded; for 30 s times the number of ejections in a row, at most 300 s, plus up to 10% jitter. Afterwards
one real request at a time probes it. A full target (429, 529, queue full) is healthy: it is left alone as
long as it asks and never ejected for that. A refused credential stays out until an operator revives it, or
until a probe is not refused: one real request a minute after the last, then after two, up to every 15.

The thresholds are those of Envoy's and Finagle's outlier detection, per target instead of per provider.
"""

from __future__ import annotations

import math
from enum import StrEnum

CONSECUTIVE_FAILURES = 5
WINDOW_S = 30.0
WINDOW_REQUESTS = 20
SUCCESS_SHARE = 0.8
EJECTION_S = 30.0
LONGEST_EJECTION_S = 300.0
JITTER = 0.1
FORGIVE_S = 60.0
"""A minute without an ejection takes one off the count that lengthens the next."""

CREDENTIAL_PROBE_S = 60.0
LONGEST_CREDENTIAL_PROBE_S = 900.0
"""A refused credential is probed after this times the number of refusals in a row, at the longest."""

NO_ROOM_S = 1.0
"""How long a full target that does not say `Retry-After` is left alone."""

_BUCKETS = 10
_BUCKET_S = WINDOW_S / _BUCKETS


class State(StrEnum):
    """What a target is to the gateway."""

    CLOSED = "closed"  # in use (the circuit is closed: current flows)
    EJECTED = "ejected"  # out until its time has passed, then the next request is a probe
    HALF_OPEN = "half_open"  # one probe is on its way, nothing else is sent
    DEAD_CREDENTIAL = "dead_credential"  # out until revived, or until it is time for a probe
    CREDENTIAL_PROBE = "credential_probe"  # one such probe is on its way, nothing else is sent


class Event(StrEnum):
    """What happens to a target."""

    TRIPPED = "tripped"  # a failure reached a threshold
    PROBE_SENT = "probe_sent"  # a request was sent after its time out
    PROBE_OK = "probe_ok"  # the probe succeeded, or met a full but living target
    PROBE_FAILED = "probe_failed"
    PROBE_LOST = "probe_lost"  # the probe ended without a verdict, e.g. its client went away
    REFUSED = "refused"  # 401, 402, insufficient_quota and the like: our credential is dead
    REVIVED = "revived"  # an operator or a credential check brought it back


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.CLOSED, Event.TRIPPED): State.EJECTED,
    (State.EJECTED, Event.PROBE_SENT): State.HALF_OPEN,
    (State.HALF_OPEN, Event.PROBE_OK): State.CLOSED,
    (State.HALF_OPEN, Event.PROBE_FAILED): State.EJECTED,
    (State.HALF_OPEN, Event.PROBE_LOST): State.EJECTED,
    (State.CLOSED, Event.REFUSED): State.DEAD_CREDENTIAL,
    (State.EJECTED, Event.REFUSED): State.DEAD_CREDENTIAL,
    (State.HALF_OPEN, Event.REFUSED): State.DEAD_CREDENTIAL,
    (State.DEAD_CREDENTIAL, Event.PROBE_SENT): State.CREDENTIAL_PROBE,
    (State.CREDENTIAL_PROBE, Event.PROBE_OK): State.CLOSED,
    (State.CREDENTIAL_PROBE, Event.PROBE_FAILED): State.DEAD_CREDENTIAL,
    (State.CREDENTIAL_PROBE, Event.PROBE_LOST): State.DEAD_CREDENTIAL,
    (State.CREDENTIAL_PROBE, Event.REFUSED): State.DEAD_CREDENTIAL,
    (State.DEAD_CREDENTIAL, Event.REVIVED): State.CLOSED,
    (State.CREDENTIAL_PROBE, Event.REVIVED): State.CLOSED,
    (State.EJECTED, Event.REVIVED): State.CLOSED,
    (State.HALF_OPEN, Event.REVIVED): State.CLOSED,
}
"""Every change of state; an event that is not listed for a state changes nothing."""


def diagram() -> str:
    """The table as a Mermaid state diagram; docs/dispatch.md holds it."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.CLOSED}"]
    lines += [f"    {state} --> {new}: {event}" for (state, event), new in TRANSITIONS.items()]
    return "\n".join(lines)


class Health:
    """The state of one target. `shut_until_s` is all that dispatch reads: until then nothing is sent.

    Every request that was sent ends in exactly one of `success`, `failure`, `full`, `refuse` or `lost`, with
    the `probe` that `sent` returned for it.
    """

    __slots__ = (
        "_bucket",
        "_failed",
        "_failures",
        "_full_until_s",
        "_in_row",
        "_ok",
        "_oks",
        "_refusals",
        "_returned_s",
        "_sent_s",
        "_shut_until_s",
        "_until_s",
        "ejections",
        "shut_until_s",
        "state",
    )

    def __init__(self) -> None:
        self.state = State.CLOSED
        self.shut_until_s = -math.inf
        self.ejections = 0
        self._shut_until_s = -math.inf  # by state
        self._full_until_s = -math.inf  # by the target's own word
        self._returned_s = -math.inf
        self._in_row = 0
        self._sent_s = -math.inf
        self._refusals = 0
        self._clear()

    @property
    def credential_dead(self) -> bool:
        """Whether its credential was refused, and no probe has found it alive yet."""
        return self.state in (State.DEAD_CREDENTIAL, State.CREDENTIAL_PROBE)

    @property
    def returns_s(self) -> float:
        """When an ejected target returns; at once while its probe is on its way."""
        return -math.inf if self.state is State.HALF_OPEN else self._shut_until_s

    def only_ejected(self, now_s: float) -> bool:
        """Whether an ejection is all that keeps it out: its credential lives and it did not ask for time."""
        return self.state in (State.EJECTED, State.HALF_OPEN) and self._full_until_s <= now_s

    def sent(self, now_s: float) -> bool:
        """A request is on its way; True makes it the probe (pass that back with its result)."""
        self._sent_s = now_s
        if self.state is not State.EJECTED and self.state is not State.DEAD_CREDENTIAL:
            return False
        self._move(Event.PROBE_SENT, math.inf)
        return True

    def success(self, now_s: float, probe: bool = False) -> None:
        """An answer came through."""
        self._in_row = 0
        if probe:
            self._reopen(Event.PROBE_OK, now_s)
        else:
            if now_s >= self._until_s:
                self._turn(int(now_s / _BUCKET_S))
            self._oks += 1
            self._ok[self._bucket % _BUCKETS] += 1

    def failure(self, now_s: float, jitter: float, probe: bool = False) -> None:
        """The target failed. `jitter` is uniform in [0, 1): it spreads the returns of many gateways."""
        if probe:
            if self.state is State.CREDENTIAL_PROBE:
                self._move(Event.PROBE_FAILED, now_s + self._credential_pause_s())
            else:
                self._eject(Event.PROBE_FAILED, now_s, jitter)
            return
        if self.state is not State.CLOSED:
            return  # sent before the ejection: it says nothing new
        self._in_row += 1
        if now_s >= self._until_s:
            self._turn(int(now_s / _BUCKET_S))
        self._failures += 1
        self._failed[self._bucket % _BUCKETS] += 1
        requests = self._oks + self._failures
        if self._in_row >= CONSECUTIVE_FAILURES or (
            requests >= WINDOW_REQUESTS and self._oks < SUCCESS_SHARE * requests
        ):
            self._eject(Event.TRIPPED, now_s, jitter)

    def full(self, now_s: float, until_s: float, probe: bool = False) -> None:
        """The target has no room until then (429, 529, queue full): no failure, and a probe that lives."""
        if probe:
            self._reopen(Event.PROBE_OK, now_s)
        if until_s > self._full_until_s:
            self._full_until_s = until_s
            self._settle()

    def refuse(self, now_s: float | None = None) -> None:
        """The target refused our credential: out until `revive`, or until a probe is not refused.

        Where no time is given the pause counts from the last request sent here.
        """
        if (self.state, Event.REFUSED) in TRANSITIONS:
            self._refusals += 1
            since_s = self._sent_s if now_s is None else now_s
            self._move(Event.REFUSED, since_s + self._credential_pause_s())

    def _credential_pause_s(self) -> float:
        return min(CREDENTIAL_PROBE_S * self._refusals, LONGEST_CREDENTIAL_PROBE_S)

    def lost(self, now_s: float, probe: bool) -> None:
        """The request ended without saying anything of the target; after a lost probe the next one probes."""
        if probe:
            self._move(Event.PROBE_LOST, now_s)

    def revive(self, now_s: float) -> None:
        """Back in use, by an operator or a check that passed."""
        self._in_row = 0
        self._reopen(Event.REVIVED, now_s)

    def _reopen(self, event: Event, now_s: float) -> None:
        if self._move(event, -math.inf):
            self._returned_s = now_s
            self._in_row = self._refusals = 0
            self._clear()

    def _eject(self, event: Event, now_s: float, jitter: float) -> None:
        calm_s = now_s - self._returned_s
        if event is Event.TRIPPED and self.ejections:
            self.ejections = max(0, self.ejections - int(calm_s / FORGIVE_S))
        ejected_s = min(EJECTION_S * (self.ejections + 1), LONGEST_EJECTION_S) * (1.0 + JITTER * jitter)
        if self._move(event, now_s + ejected_s):
            self.ejections += 1

    def _move(self, event: Event, shut_until_s: float) -> bool:
        new = TRANSITIONS.get((self.state, event))
        if new is None:
            return False
        self.state = new
        self._shut_until_s = shut_until_s
        self._settle()
        return True

    def _settle(self) -> None:
        self.shut_until_s = max(self._shut_until_s, self._full_until_s)

    def _clear(self) -> None:
        self._bucket = -1
        self._until_s = -math.inf  # where the newest bucket ends
        self._oks = self._failures = 0
        self._ok = [0] * _BUCKETS
        self._failed = [0] * _BUCKETS

    def _turn(self, bucket: int) -> None:
        """Drop the buckets that the window has left behind."""
        if bucket - self._bucket >= _BUCKETS:
            self._clear()
        else:
            for passed in range(self._bucket + 1, bucket + 1):
                slot = passed % _BUCKETS
                self._oks -= self._ok[slot]
                self._failures -= self._failed[slot]
                self._ok[slot] = self._failed[slot] = 0
        self._bucket = bucket
        self._until_s = (bucket + 1) * _BUCKET_S
