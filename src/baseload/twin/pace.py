"""When tokens come: a replica's batching for an engine, drawn latencies for a provider. Clocks passed in."""

from __future__ import annotations

import heapq
import math
import random
from typing import NamedTuple, Protocol

from msgspec import Struct

from baseload.capacity.replica import Event, EventKind
from baseload.errors import UsageError


class Pace(Protocol):
    """What gives tokens their times; `capacity.replica.Replica` is one."""

    def submit(
        self, now_s: float, id: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0
    ) -> None:
        """Take a request."""

    def cancel(self, now_s: float, id: str) -> int | None:
        """Drop a request; the tokens it had produced, None if it is not here."""

    def advance(self, now_s: float) -> list[Event]:
        """What happened up to `now_s`, in order."""

    def next_event_s(self) -> float | None:
        """When something happens next."""


class Latency(Struct, frozen=True):
    """A provider's latency: medians and the spread (sigma of the logarithm) of TTFT and TPOT per request."""

    ttft_s: float = 0.4
    tpot_s: float = 0.012
    spread: float = 0.25


class _Stream:
    __slots__ = ("next_s", "output", "produced", "tpot_s")

    def __init__(self, next_s: float, tpot_s: float, output: int) -> None:
        self.next_s = next_s
        self.tpot_s = tpot_s
        self.output = output
        self.produced = 0


class DrawnPace:
    """Every request has its own TTFT and TPOT, drawn lognormal from a seed; load changes nothing."""

    def __init__(self, latency: Latency, seed: int = 0) -> None:
        self.latency = latency
        self._draw = random.Random(seed)
        self._streams: dict[str, _Stream] = {}
        self._due: list[tuple[float, str]] = []

    def submit(
        self, now_s: float, id: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0
    ) -> None:
        """Draw the request's latency and schedule its first token."""
        if id in self._streams:
            raise UsageError(f"request {id!r} is already here")
        ttft_s = self.latency.ttft_s * math.exp(self._draw.gauss(0.0, self.latency.spread))
        tpot_s = self.latency.tpot_s * math.exp(self._draw.gauss(0.0, self.latency.spread))
        stream = self._streams[id] = _Stream(now_s + ttft_s, tpot_s, output_tokens)
        heapq.heappush(self._due, (stream.next_s, id))

    def cancel(self, now_s: float, id: str) -> int | None:
        """Drop a request; the tokens whose time had come."""
        stream = self._streams.pop(id, None)
        if stream is None:
            return None
        late = now_s - stream.next_s
        more = 0 if late < 0 else 1 + (int(late / stream.tpot_s) if stream.tpot_s else stream.output)
        return min(stream.produced + more, stream.output)

    def advance(self, now_s: float) -> list[Event]:
        """Tokens due, in order of time."""
        events = []
        while self._due and self._due[0][0] <= now_s:
            time_s, id = heapq.heappop(self._due)
            stream = self._streams.get(id)
            if stream is None:
                continue
            kind = EventKind.TOKENS if stream.produced else EventKind.FIRST_TOKEN
            events.append(Event(time_s, id, kind, 1))
            stream.produced += 1
            if stream.produced == stream.output:
                events.append(Event(time_s, id, EventKind.FINISHED, 0))
                del self._streams[id]
            else:
                stream.next_s = time_s + stream.tpot_s
                heapq.heappush(self._due, (stream.next_s, id))
        return events

    def next_event_s(self) -> float | None:
        """When the next token is due (a cancelled one may be first: waking early does no harm)."""
        return self._due[0][0] if self._due else None


class Refusal(NamedTuple):
    """A request over the quota: which quota (`requests` or `tokens`), its size, when to come back."""

    quota: str
    limit: int
    retry_after_s: float


class Quota:
    """A provider's requests and tokens per minute, refilled evenly: a bucket each, both or neither.

    Deliberately not `policy.limits`: a twin that shared the gateway's limiter would agree with its mistakes.
    """

    def __init__(self, requests_per_minute: int | None = None, tokens_per_minute: int | None = None) -> None:
        self._limits = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        self._left = {name: float(limit or 0) for name, limit in self._limits.items()}
        self._at_s = 0.0

    def take(self, now_s: float, tokens: int) -> Refusal | None:
        """Take one request and its tokens, or say what is exhausted and take nothing."""
        self._refill(now_s)
        wanted = {"requests": 1, "tokens": tokens}
        for name, limit in self._limits.items():
            if limit is not None and self._left[name] < wanted[name]:
                missing = wanted[name] - self._left[name]
                return Refusal(name, limit, missing * 60 / limit)
        for name in self._limits:
            self._left[name] -= wanted[name]
        return None

    def headers(self) -> dict[str, str]:
        """`x-ratelimit-*` headers as OpenAI sends them, for the limits there are."""
        headers = {}
        for name, limit in self._limits.items():
            if limit is not None:
                headers[f"x-ratelimit-limit-{name}"] = str(limit)
                headers[f"x-ratelimit-remaining-{name}"] = str(int(self._left[name]))
                reset_s = (limit - self._left[name]) * 60 / limit
                headers[f"x-ratelimit-reset-{name}"] = duration(reset_s)
        return headers

    def _refill(self, now_s: float) -> None:
        passed_s = max(now_s - self._at_s, 0.0)
        self._at_s = max(now_s, self._at_s)
        for name, limit in self._limits.items():
            if limit is not None:
                self._left[name] = min(self._left[name] + passed_s * limit / 60, float(limit))


def duration(seconds: float) -> str:
    """A duration as OpenAI's reset headers write it: 120ms, 6.5s, 1m30s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.0f}s" if minutes else f"{rest:.3g}s"
