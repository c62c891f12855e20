"""Admission limits: requests and tokens per minute (GCRA) and concurrency, checked all or none.

GCRA (generic cell rate algorithm, ITU-T I.371) keeps one number, the *theoretical arrival time* `tat`: the
moment when all that was taken has flowed off at the rate. `tat - now` is the backlog in seconds; taking n
adds n/rate and is admitted iff the backlog stays within burst/rate. So in every window of w seconds, however
placed, at most rate·w + burst is admitted, and a saturated limit admits the rate.

The number lives on the monotonic clock: steps of the wall clock change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple
from weakref import WeakSet

from msgspec import Struct

from baseload.core import Limits
from baseload.errors import CONCURRENCY_LIMITED, RATE_LIMITED, TOO_LARGE_FOR_LIMIT, RequestError

CONCURRENCY_RETRY_S = 1.0
"""Retry-After of a concurrency refusal: when an answer ends is not known, so a short fixed time."""

SLACK_S = 1e-6
"""What a burst is longer than written, so that rounding refuses nobody who comes exactly in time."""


def request_burst(per_minute: float) -> float:
    """Ten seconds' worth, at least 1: a page that fires a dozen calls passes, and a client that was idle
    cannot spend a whole minute's requests in one instant."""
    return max(1.0, per_minute / 6)


def whole_minute(per_minute: float) -> float:
    """The whole minute at once: one request may be as large as the limit itself, as providers count."""
    return float(per_minute)


class Gcra:
    """One exact rate limit with a burst; all times are monotonic seconds passed in.

    In any window of w seconds it admits at most `per_minute`/60·w + `burst`, counting what is given back
    within the window as never taken, and up to what flows off in `SLACK_S`.
    """

    __slots__ = ("burst", "capacity_s", "interval_s", "per_minute", "tat_s")

    def __init__(self, per_minute: float, burst: float) -> None:
        if not (per_minute > 0 and burst >= 1):
            raise ValueError(
                f"a limit needs a positive rate and a burst of at least 1: {per_minute}, {burst}"
            )
        self.per_minute = per_minute
        self.burst = burst
        self.interval_s = 60.0 / per_minute
        self.capacity_s = burst * self.interval_s + SLACK_S
        self.tat_s = -math.inf

    def use(self, now_s: float, n: float = 0) -> float:
        """The share of the burst in use once n more are taken; above 1 they would be refused."""
        backlog_s = self.tat_s - now_s
        if backlog_s < 0.0:
            backlog_s = 0.0
        return (backlog_s + n * self.interval_s) / self.capacity_s

    def wait_s(self, now_s: float, n: float = 1) -> float:
        """Seconds until n may be taken: 0 for now, infinite for more than the burst."""
        need_s = n * self.interval_s
        if need_s > self.capacity_s:
            return math.inf
        over_s = self.tat_s - now_s + need_s - self.capacity_s
        return over_s + SLACK_S / 2 if over_s > 0.0 else 0.0

    def take(self, now_s: float, n: float = 1) -> None:
        """Take n, admitted or not: ask `wait_s` first where it matters."""
        tat_s = self.tat_s
        self.tat_s = (tat_s if tat_s > now_s else now_s) + n * self.interval_s

    def give_back(self, n: float) -> None:
        """Give back n that were taken and not used; a negative n takes more, as a debt if need be."""
        self.tat_s -= n * self.interval_s

    def remaining(self, now_s: float) -> int:
        """How many may be taken at once now."""
        backlog_s = self.tat_s - now_s
        if backlog_s <= 0.0:
            return int(self.burst)
        return max(0, int((self.capacity_s - backlog_s) / self.interval_s))

    def reset_s(self, now_s: float) -> float:
        """Seconds until the whole burst is there again."""
        return max(0.0, self.tat_s - now_s)

    def rescale(self, now_s: float, per_minute: float, burst: float) -> None:
        """Change the limit and keep what is in use: the units taken stay taken."""
        backlog_s = self.tat_s - now_s
        fresh = Gcra(per_minute, burst)
        if backlog_s > 0.0:
            self.tat_s = now_s + backlog_s * fresh.interval_s / self.interval_s
        self.per_minute, self.burst = per_minute, burst
        self.interval_s, self.capacity_s = fresh.interval_s, fresh.capacity_s


def adjusted(
    gcra: Gcra | None, per_minute: int | None, burst: Callable[[float], float], now_s: float
) -> Gcra | None:
    """The limit for a new configuration: none, a fresh one, or the present one rescaled."""
    if per_minute is None:
        return None
    if gcra is None:
        return Gcra(per_minute, burst(per_minute))
    if gcra.per_minute != per_minute:
        gcra.rescale(now_s, per_minute, burst(per_minute))
    return gcra


class Party(NamedTuple):
    """Whose limits: `kind` is key, tenant or model."""

    kind: str
    name: str
    limits: Limits

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


class Meter:
    """The live state of one party's limits; it outlives configurations."""

    __slots__ = ("concurrent", "party", "requests", "running", "tokens")

    def __init__(self, party: Party, now_s: float) -> None:
        self.requests: Gcra | None = None
        self.tokens: Gcra | None = None
        self.running = 0
        self.apply(party, now_s)

    def apply(self, party: Party, now_s: float) -> None:
        """Take over new limits; what is in use stays in use."""
        limits = party.limits
        self.party = party
        self.concurrent = limits.concurrent
        self.requests = adjusted(self.requests, limits.requests_per_minute, request_burst, now_s)
        self.tokens = adjusted(self.tokens, limits.tokens_per_minute, whole_minute, now_s)

    def idle(self, now_s: float) -> bool:
        """Whether a fresh meter would be in the same state."""
        rates = (self.requests, self.tokens)
        return self.running == 0 and all(gcra is None or gcra.tat_s <= now_s for gcra in rates)


class Gate:
    """The limits of the parties to one kind of request, prepared: made by `Limiter.gate`, kept as long as the
    configuration it was made for."""

    __slots__ = ("__weakref__", "_concurrent", "_idle", "_rates", "_requests", "_shown", "_tokens", "meters")

    def __init__(self, meters: tuple[Meter, ...]) -> None:
        self.meters = meters
        self._requests = tuple(m.requests for m in meters if m.requests is not None)
        self._tokens = tuple(m.tokens for m in meters if m.tokens is not None)
        self._concurrent = tuple(m for m in meters if m.concurrent is not None)
        kinds = ((b"requests", self._requests), (b"tokens", self._tokens))
        self._rates = self._requests + self._tokens
        self._shown = tuple((rates, _header_lines(kind)) for kind, rates in kinds if rates)
        self._idle = b"".join([_lines(template, rates, math.inf) for rates, template in self._shown])
        """The headers while nothing is in use: the same each time."""

    def admit(self, tokens: int, now_s: float) -> Grant:
        """Admit one request of so many expected tokens under every limit, or take nothing at all.

        Raises RequestError (RATE_LIMITED, CONCURRENCY_LIMITED, TOO_LARGE_FOR_LIMIT) naming the limit and
        whose it is, with the time after which the same request passes.
        """
        over = False  # all is taken in one pass; the rare refusal gives it back
        for gcra in self._requests:
            tat_s = gcra.tat_s
            gcra.tat_s = tat_s = (tat_s if tat_s > now_s else now_s) + gcra.interval_s
            if tat_s - now_s > gcra.capacity_s:
                over = True
        for gcra in self._tokens:
            tat_s = gcra.tat_s
            gcra.tat_s = tat_s = (tat_s if tat_s > now_s else now_s) + tokens * gcra.interval_s
            if tat_s - now_s > gcra.capacity_s:
                over = True
        for meter in self._concurrent:
            meter.running = running = meter.running + 1
            if running > meter.concurrent:  # type: ignore[operator]  # only meters with a limit
                over = True
        if over:
            self._give_back(tokens)
            raise self._refusal(tokens, now_s)
        return Grant(self._tokens, self._concurrent, tokens)

    def _give_back(self, tokens: int) -> None:
        for gcra in self._requests:
            gcra.give_back(1)
        for gcra in self._tokens:
            gcra.give_back(tokens)
        for meter in self._concurrent:
            meter.running -= 1

    def _refusal(self, tokens: int, now_s: float) -> RequestError:
        """The refusal of the limit that keeps this request out longest."""
        longest_s, fault, message = -1.0, RATE_LIMITED, ""
        for meter in self.meters:
            for rate, n, unit in ((meter.requests, 1, "requests"), (meter.tokens, tokens, "tokens")):
                if rate is None:
                    continue
                wait_s = rate.wait_s(now_s, n)
                if wait_s > max(longest_s, 0.0):
                    longest_s, fault = wait_s, RATE_LIMITED
                    message = f"{meter.party}: {rate.per_minute:g} {unit} per minute are used up"
                if wait_s == math.inf:
                    limit = f"{rate.per_minute:g} {unit} per minute"
                    message = f"{meter.party}: this request needs {n} {unit}, the limit is {limit}"
                    return RequestError(TOO_LARGE_FOR_LIMIT, message)
            if meter.concurrent is not None and meter.running >= meter.concurrent and longest_s < 0.0:
                longest_s, fault = CONCURRENCY_RETRY_S, CONCURRENCY_LIMITED
                message = f"{meter.party}: {meter.concurrent} requests at a time are running"
        return RequestError(fault, message, retry_after_s=longest_s)

    def headers(self, now_s: float) -> bytes:
        """OpenAI's `x-ratelimit-*` as header lines, each kind for the party with the least left."""
        for gcra in self._rates:
            if gcra.tat_s > now_s:
                return b"".join([_lines(template, rates, now_s) for rates, template in self._shown])
        return self._idle


class Grant(Struct, eq=False, gc=False):
    """One admitted request: settle its tokens when they are known, release it exactly once when it ends."""

    _rates: tuple[Gcra, ...]
    _concurrent: tuple[Meter, ...]
    _tokens: int

    def settle(self, actual_tokens: int) -> None:
        """Give back what was estimated and not used (or take what was used beyond); again: corrects again."""
        surplus = self._tokens - actual_tokens
        if surplus:
            self._tokens = actual_tokens
            for gcra in self._rates:
                gcra.tat_s -= surplus * gcra.interval_s

    def release(self) -> None:
        """Leave the concurrency limits; later calls do nothing."""
        for meter in self._concurrent:
            meter.running -= 1
        self._concurrent = ()


class Limiter:
    """All parties' meters of one gateway. Limits change with the configuration, what is in use stays."""

    __slots__ = ("_gates", "_meters")

    def __init__(self) -> None:
        self._meters: dict[tuple[str, str], Meter] = {}
        self._gates: WeakSet[Gate] = WeakSet()

    def gate(self, parties: Iterable[Party], now_s: float) -> Gate:
        """The gate for requests of these parties; their meters are made or take over these limits."""
        gate = Gate(tuple(self._meter(party, now_s) for party in parties))
        self._gates.add(gate)
        return gate

    def _meter(self, party: Party, now_s: float) -> Meter:
        meter = self._meters.get((party.kind, party.name))
        if meter is None:
            meter = self._meters[party.kind, party.name] = Meter(party, now_s)
        elif meter.party.limits != party.limits:
            meter.apply(party, now_s)
        return meter

    def prune(self, now_s: float) -> int:
        """Forget idle meters that no gate uses and say how many: call it some time after a reload.

        A fresh meter would be in the same state, so nothing is lost but memory.
        """
        used = {id(meter) for gate in self._gates for meter in gate.meters}
        idle = [who for who, meter in self._meters.items() if id(meter) not in used and meter.idle(now_s)]
        for who in idle:
            del self._meters[who]
        return len(idle)


def _lines(template: bytes, rates: tuple[Gcra, ...], now_s: float) -> bytes:
    """One kind's lines, for the party with the least left."""
    shown, least = rates[0], math.inf
    for gcra in rates:
        backlog_s = gcra.tat_s - now_s
        left = gcra.burst if backlog_s <= 0.0 else (gcra.capacity_s - backlog_s) / gcra.interval_s
        if left < least:
            shown, least = gcra, left
    reset_s = shown.tat_s - now_s
    reset = duration(reset_s).encode() if reset_s > 0.0 else b"0s"
    return template % (shown.per_minute, int(least + 1e-9) if least > 0.0 else 0, reset)


def _header_lines(kind: bytes) -> bytes:
    lines = ((b"limit", b"%d"), (b"remaining", b"%d"), (b"reset", b"%b"))
    return b"".join(b"x-ratelimit-%b-%b: %b\r\n" % (what, kind, form) for what, form in lines)


def duration(seconds: float) -> str:
    """Seconds as OpenAI's reset headers write them: `20ms`, `1s`, `8.64s`, `6m0s`, `1h0m0s`; rounded up."""
    milliseconds = math.ceil(seconds * 1000 - 1e-6)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds > 0 else "0s"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, rest_s = divmod(math.ceil(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest_s}s" if hours else f"{minutes}m{rest_s}s"
