"""What a target carries now: counted here at once, corrected by the engine's own report, quota and health.

Counters are immediate, scrapes lag. A fresh report therefore only adds what others (further gateways, batch
jobs) have put there; a stale one is ignored, not feared.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from baseload.capacity.predict import predict
from baseload.core import Limits, Side, Slo, Target
from baseload.policy.health import Health
from baseload.policy.limits import Gcra, adjusted, whole_minute

REPORT_FRESH_S = 5.0
"""Older engine reports are ignored."""

DEFAULT_CONCURRENCY = 32
"""Room of an owned target without a capacity model and without a configured concurrency."""

UNSEEN_INPUT_TOKENS = 1024
"""Prompt tokens of a request that waits at an engine and is not ours, while none of ours waits there."""

SATURATED = 1.0
RELIEVED = 0.7
DWELL_S = 10.0


Present = tuple[int, int, int, int]
"""Running and waiting requests, prompt tokens waiting for prefill, tokens held in the KV cache."""


class EngineReport(NamedTuple):
    """What an engine's metrics said at `at_s` (monotonic): `kv_use` is the share of the KV cache, 0 to 1."""

    running: int
    waiting: int
    kv_use: float
    at_s: float


class Quota:
    """A metered target's own limits: room like any other. The burst is the whole minute, as providers count.

    Unlike a client's limit it holds nobody back who could pass: it predicts a 429.
    """

    __slots__ = ("concurrent", "requests", "tokens")

    def __init__(self, limits: Limits) -> None:
        self.requests: Gcra | None = None
        self.tokens: Gcra | None = None
        self.apply(limits, 0.0)

    def apply(self, limits: Limits, now_s: float) -> None:
        """Take over new limits; what is in use stays in use."""
        self.requests = adjusted(self.requests, limits.requests_per_minute, whole_minute, now_s)
        self.tokens = adjusted(self.tokens, limits.tokens_per_minute, whole_minute, now_s)
        self.concurrent = limits.concurrent

    def use(self, now_s: float, tokens: float, in_flight: int) -> float:
        """The share of the scarcest limit in use once this request is added; above 1 means a 429."""
        used = 0.0
        gcra = self.requests
        if gcra is not None:
            backlog_s = gcra.tat_s - now_s
            used = ((backlog_s if backlog_s > 0.0 else 0.0) + gcra.interval_s) / gcra.capacity_s
        gcra = self.tokens
        if gcra is not None:
            backlog_s = gcra.tat_s - now_s
            share = ((backlog_s if backlog_s > 0.0 else 0.0) + tokens * gcra.interval_s) / gcra.capacity_s
            if share > used:
                used = share
        if self.concurrent is not None:
            share = (in_flight + 1) / self.concurrent if self.concurrent else math.inf
            if share > used:
                used = share
        return used

    def has_room(self, now_s: float, tokens: float, in_flight: int) -> bool:
        """Whether `use` is at most 1: this request would not meet a 429."""
        gcra = self.requests
        if gcra is not None and gcra.tat_s - now_s + gcra.interval_s > gcra.capacity_s:
            return False
        gcra = self.tokens
        if gcra is not None:
            backlog_s = gcra.tat_s - now_s
            need_s = tokens * gcra.interval_s
            if (backlog_s if backlog_s > 0.0 else 0.0) + need_s > gcra.capacity_s:
                return False
        return self.concurrent is None or in_flight < self.concurrent

    def wait_s(self, now_s: float, tokens: float) -> float:
        """Seconds until the rates leave room for this request; infinite where it is larger than the quota."""
        wait_s = 0.0
        if self.requests is not None:
            wait_s = self.requests.wait_s(now_s)
        if self.tokens is not None:
            wait_s = max(wait_s, self.tokens.wait_s(now_s, tokens))
        return wait_s


class TargetLoad:
    """The live state of one target, shared by all models it serves; it outlives configurations.

    The life of a request here: `begin`, `first_token` at its first token, `end`, each once and with the same
    token estimates. Between begin and first token it waits (queue and prefill), then it runs and holds its
    input and, on average, half of its output in the KV cache.

    An unstreamed answer shows no first token: it begins as `decoding`, since it decodes for most of its life;
    left waiting, its prompt would count as not yet prefilled until the end.
    """

    __slots__ = (
        "health",
        "kv_tokens",
        "others_kv_tokens",
        "others_running",
        "others_waiting",
        "others_waiting_tokens",
        "quota",
        "report_until_s",
        "reported",
        "running",
        "target",
        "waiting",
        "waiting_tokens",
    )

    def __init__(self, target: Target) -> None:
        self.health = Health()
        self.reported = Saturation()
        self.running = 0
        self.waiting = 0
        self.waiting_tokens = 0
        self.kv_tokens = 0
        self.others_running = 0
        self.others_waiting = 0
        self.others_waiting_tokens = 0
        self.others_kv_tokens = 0
        self.report_until_s = -math.inf
        self.target = target
        self.quota = Quota(target.quota) if _has_quota(target) else None

    def apply(self, target: Target, now_s: float) -> None:
        """Take over the target's new configuration; counters, health and the quota's use stay."""
        self.target = target
        if not _has_quota(target):
            self.quota = None
        elif self.quota is None:
            self.quota = Quota(target.quota)
        else:
            self.quota.apply(target.quota, now_s)

    def present(self, now_s: float) -> Present:
        """Running, waiting, waiting tokens and KV tokens, with what others put there by a fresh report."""
        if now_s >= self.report_until_s:
            return self.running, self.waiting, self.waiting_tokens, self.kv_tokens
        return (
            self.running + self.others_running,
            self.waiting + self.others_waiting,
            self.waiting_tokens + self.others_waiting_tokens,
            self.kv_tokens + self.others_kv_tokens,
        )

    @property
    def in_flight(self) -> int:
        """Requests of this gateway that are there now."""
        return self.running + self.waiting

    def begin(self, input_tokens: int, output_tokens: int, now_s: float, *, decoding: bool = False) -> bool:
        """A request is sent; True makes it a half-open probe (pass that on with its result to `health`).

        `decoding`: as if its first token had come already.
        """
        if decoding:
            self.running += 1
            self.kv_tokens += input_tokens + (output_tokens >> 1)
        else:
            self.waiting += 1
            self.waiting_tokens += input_tokens
        quota = self.quota
        if quota is not None:
            gcra = quota.requests
            if gcra is not None:
                tat_s = gcra.tat_s
                gcra.tat_s = (tat_s if tat_s > now_s else now_s) + gcra.interval_s
            gcra = quota.tokens
            if gcra is not None:
                tat_s = gcra.tat_s
                tokens = input_tokens + output_tokens
                gcra.tat_s = (tat_s if tat_s > now_s else now_s) + tokens * gcra.interval_s
        return self.health.sent(now_s)

    def first_token(self, input_tokens: int, output_tokens: int) -> None:
        """Its first token came: prefill is over, it decodes."""
        self.waiting -= 1
        self.waiting_tokens -= input_tokens
        self.running += 1
        self.kv_tokens += input_tokens + (output_tokens >> 1)

    def end(self, input_tokens: int, output_tokens: int, started: bool) -> None:
        """It ended, however; `started` says whether `first_token` was called for it."""
        if started:
            self.running -= 1
            self.kv_tokens -= input_tokens + (output_tokens >> 1)
        else:
            self.waiting -= 1
            self.waiting_tokens -= input_tokens

    def settle(self, estimated_tokens: int, actual_tokens: int) -> None:
        """Correct the quota's use by what the request really took."""
        if self.quota is not None and self.quota.tokens is not None:
            self.quota.tokens.give_back(estimated_tokens - actual_tokens)

    def report(self, report: EngineReport) -> None:
        """Take over an engine's report: what it counts beyond our own is there by others' doing.

        Requests are compared in all, since what waits here for its first token may already run there.
        """
        total = report.running + report.waiting
        others = max(0, total - self.in_flight)
        self.others_waiting = min(others, max(0, report.waiting - self.waiting))
        self.others_running = others - self.others_waiting
        mean_input = self.waiting_tokens // self.waiting if self.waiting else UNSEEN_INPUT_TOKENS
        self.others_waiting_tokens = self.others_waiting * mean_input
        room = self.target.step.kv_tokens if self.target.step is not None else 0
        self.others_kv_tokens = max(0, int(report.kv_use * room) - self.kv_tokens)
        self.report_until_s = report.at_s + REPORT_FRESH_S

    def saturation(self, now_s: float, slo: Slo | None = None) -> float:
        """Load over room, 1.0 = full.

        Owned: the scarcest of sequences, KV cache and, given an SLO, the predicted TTFT and TPOT of a next
        small request over what was promised; without a capacity model in-flight requests over the room.
        Metered: the scarcest quota in use, 0 without one.
        """
        if self.target.side is Side.METERED:
            return 0.0 if self.quota is None else self.quota.use(now_s, 0, self.in_flight - 1)
        running, waiting, waiting_tokens, kv_tokens = self.present(now_s)
        step = self.target.step
        if step is None:
            return (running + waiting) / room_without_model(self.target)
        use = max((running + waiting) / step.max_sequences, (kv_tokens + waiting_tokens) / step.kv_tokens)
        if slo is None:
            return use
        ttft_s, tpot_s = predict(
            step,
            running=running,
            kv_tokens=kv_tokens,
            waiting_tokens=waiting_tokens,
            waiting=waiting,
            input_tokens=1,
            output_tokens=1,
        )
        return max(use, ttft_s / slo.ttft_s, tpot_s / slo.tpot_s)


def _has_quota(target: Target) -> bool:
    return target.side is Side.METERED and target.quota != Limits()


def room_without_model(target: Target) -> int:
    """Requests an owned target without a capacity model takes at once: its configured concurrency, or
    `DEFAULT_CONCURRENCY`."""
    return target.quota.concurrent or DEFAULT_CONCURRENCY


class Saturation:
    """Saturation as a reported state: on at 1.0, off below 0.7, each held for at least 10 s.

    For dashboards, alarms and autoscaling only: dispatch decides per request and has no mode to flip.
    """

    __slots__ = ("_since_s", "saturated")

    def __init__(self) -> None:
        self.saturated = False
        self._since_s = -math.inf

    def update(self, saturation: float, now_s: float) -> bool:
        """Take in a measurement and say whether the state is saturated now."""
        if now_s - self._since_s >= DWELL_S and (
            saturation < RELIEVED if self.saturated else saturation >= SATURATED
        ):
            self.saturated = not self.saturated
            self._since_s = now_s
        return self.saturated
