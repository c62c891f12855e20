"""Counts of the data path: plain integers that the control port renders; nothing here costs a lookup twice.

`METRICS` names and explains every metric; docs/metrics.md is compared with it by a test.
"""

from __future__ import annotations

from bisect import bisect_left

from baseload.policy.fit import Fit

METRICS: dict[str, tuple[str, str]] = {
    "baseload_requests_total": ("counter", "Requests by model, endpoint and code (ok, or an error code)"),
    "baseload_attempts_total": ("counter", "Attempts by target, reason and outcome"),
    "baseload_tokens_total": ("counter", "Tokens of settled attempts by target and kind"),
    "baseload_cost_nano_dollars_total": ("counter", "Marginal cost of settled attempts by target"),
    "baseload_unknown_cost_total": ("counter", "Attempts whose price is unknown, by target: an alarm"),
    "baseload_mistranslated_total": (
        "counter",
        "Translated requests that a target refused for a field it does not take, by target: an alarm",
    ),
    "baseload_estimated_usage_total": ("counter", "Attempts whose tokens were estimated, by target"),
    "baseload_retries_refused_total": ("counter", "Retries not made because the retry budget was spent"),
    "baseload_slow_readers_total": ("counter", "Connections cut because the client did not read"),
    "baseload_unread_requests_total": ("counter", "Requests refused before they were read, by code"),
    "baseload_refusals_unrecorded_total": (
        "counter",
        "Refusals of unknown callers beyond 20 a second: counted by code above, not in the ledger",
    ),
    "baseload_requests_in_flight": ("gauge", "Requests under way"),
    "baseload_connections": ("gauge", "Open client connections"),
    "baseload_idle_connections_closed_total": (
        "counter",
        "Idle client connections closed to make room for new ones at the limit",
    ),
    "baseload_request_bodies_bytes": ("gauge", "Request bodies in memory, those up to 64 KiB left out"),
    "baseload_target_running": ("gauge", "Attempts past their first token, by target"),
    "baseload_target_waiting": ("gauge", "Attempts before their first token, by target"),
    "baseload_target_state": ("gauge", "1 for the state a target is in, by target and state"),
    "baseload_target_saturation": ("gauge", "Load over room of an owned target, 1 is full"),
    "baseload_target_saturated": (
        "gauge",
        "1 while an owned target is reported saturated (on at 1.0, off below 0.7, each for 10 s at least)",
    ),
    "baseload_journal_frames_total": ("counter", "Frames written to the journal"),
    "baseload_journal_available": ("gauge", "1 while the journal takes new requests"),
    "baseload_journal_refusals_dropped_total": (
        "counter",
        "Refusals the journal had no room for: missing in the ledger",
    ),
    "baseload_ingest_restarts_total": (
        "counter",
        "Times the ledger's ingest process ended and was restarted",
    ),
    "baseload_overhead_seconds": (
        "histogram",
        "From a request's last byte to the first attempt's first byte out",
    ),
    "baseload_time_to_first_token_seconds": ("histogram", "From attempt to first content, by target"),
    "baseload_login_renewals_total": (
        "counter",
        "Times a login was asked for a credential, by target and result (renewed, failed)",
    ),
    "baseload_login_failures_in_a_row": (
        "gauge",
        "Failed renewals since the last good one, by target: above 0 an alarm",
    ),
    "baseload_cache_requests_total": (
        "counter",
        "Requests for models whose answers are kept, by model and result (hit, miss, bypass)",
    ),
    "baseload_cache_evictions_total": ("counter", "Answers let go of, by cause (expired, room, reload)"),
    "baseload_cache_too_large_total": (
        "counter",
        "Answers not kept: too large, or too many of them on their way at once",
    ),
    "baseload_cache_entries": ("gauge", "Answers kept"),
    "baseload_cache_bytes": ("gauge", "Bytes of answers kept, those on their way to be kept included"),
    "baseload_config_reloads_total": ("counter", "Configuration reloads by result (applied, refused)"),
}

OVERHEAD_BOUNDS_S = (5e-05, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2, 0.25)
TTFT_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Histogram:
    """Counts by upper bound, in seconds."""

    __slots__ = ("bounds", "counts", "total_s")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total_s += seconds


class TargetCounts:
    """What the attempts at one target added up to."""

    __slots__ = (
        "answers",
        "attempts",
        "cached",
        "cost",
        "estimated",
        "input",
        "mistranslated",
        "output",
        "pace",
        "prompt",
        "reasoning",
        "ttft",
        "unknown",
    )

    def __init__(self) -> None:
        self.attempts: dict[tuple[str, str], int] = {}  # (reason, outcome)
        self.input = self.cached = self.output = self.reasoning = 0
        self.cost = 0
        self.unknown = 0
        self.estimated = 0
        self.mistranslated = 0
        self.ttft = Histogram(TTFT_BOUNDS_S)
        self.answers = 0  # whole ones with usage
        self.pace = Fit()  # seconds of an answer by its output tokens
        self.prompt = Fit()  # input tokens by bytes of text and messages


class Metrics:
    """All counts of one gateway process."""

    __slots__ = (
        "idle_closed",
        "ingest_restarts",
        "overhead",
        "refusals_unrecorded",
        "reloads",
        "requests",
        "retries_refused",
        "slow_readers",
        "targets",
        "unread",
    )

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, str], int] = {}  # (model, endpoint, code)
        self.targets: dict[str, TargetCounts] = {}
        self.unread: dict[str, int] = {}
        self.reloads = {"applied": 0, "refused": 0}
        self.retries_refused = 0
        self.slow_readers = 0
        self.idle_closed = 0
        self.refusals_unrecorded = 0
        self.ingest_restarts = 0
        self.overhead = Histogram(OVERHEAD_BOUNDS_S)

    def target(self, name: str) -> TargetCounts:
        counts = self.targets.get(name)
        if counts is None:
            counts = self.targets[name] = TargetCounts()
        return counts

    def request(self, model: str, endpoint: str, code: str) -> None:
        """One request ended. `model` is a configured name or empty: clients cannot make new series."""
        key = (model, endpoint, code)
        self.requests[key] = self.requests.get(key, 0) + 1
