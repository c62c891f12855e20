"""The gateway's counts as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator

from baseload.core import Side
from baseload.gateway.metrics import METRICS, Histogram
from baseload.gateway.server import Gateway
from baseload.policy.health import State

Sample = tuple[str, dict[str, str], float]


def render(gateway: Gateway) -> str:
    """Every metric of `METRICS` with the samples it has now."""
    samples: dict[str, list[Sample]] = {name: [] for name in METRICS}
    for name, labels, value in _samples(gateway):
        base = name
        for ending in ("_bucket", "_sum", "_count"):
            if name not in METRICS:
                base = name.removesuffix(ending)
                if base in METRICS:
                    break
        samples[base].append((name, labels, value))
    lines: list[str] = []
    for name, (kind, about) in METRICS.items():
        lines.append(f"# HELP {name} {about}")
        lines.append(f"# TYPE {name} {kind}")
        lines.extend(_line(sample) for sample in samples[name])
    return "\n".join(lines) + "\n"


def _line(sample: Sample) -> str:
    name, labels, value = sample
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    number = str(int(value)) if value == int(value) else repr(value)
    return f"{name}{{{shown}}} {number}" if shown else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _logins(gateway: Gateway) -> Iterator[Sample]:
    """What renewals came to, of each target that is signed in to; targets of one login say the same."""
    for name, place in gateway.site.places.items():
        if place.login is None:
            continue
        counts = place.login.counts
        for result, count in (("renewed", counts.renewed), ("failed", counts.failed)):
            yield "baseload_login_renewals_total", {"target": name, "result": result}, count
        yield "baseload_login_failures_in_a_row", {"target": name}, counts.failures_in_a_row


def _cache(gateway: Gateway) -> Iterator[Sample]:
    cache = gateway.cache
    for (model, result), count in cache.requests.items():
        yield "baseload_cache_requests_total", {"model": model, "result": result}, count
    for cause, count in cache.store.evictions.items():
        yield "baseload_cache_evictions_total", {"cause": cause}, count
    yield "baseload_cache_too_large_total", {}, cache.store.too_large
    yield "baseload_cache_entries", {}, len(cache.store)
    yield "baseload_cache_bytes", {}, cache.store.held_bytes + cache.recording


def _samples(gateway: Gateway) -> Iterator[Sample]:
    metrics = gateway.metrics
    for (model, endpoint, code), count in metrics.requests.items():
        yield "baseload_requests_total", {"model": model, "endpoint": endpoint, "code": code}, count
    for code, count in metrics.unread.items():
        yield "baseload_unread_requests_total", {"code": code}, count
    for result, count in metrics.reloads.items():
        yield "baseload_config_reloads_total", {"result": result}, count
    yield from _logins(gateway)
    yield from _cache(gateway)
    yield "baseload_retries_refused_total", {}, metrics.retries_refused
    yield "baseload_slow_readers_total", {}, metrics.slow_readers
    yield "baseload_connections", {}, len(gateway.connections)
    yield "baseload_idle_connections_closed_total", {}, metrics.idle_closed
    yield "baseload_request_bodies_bytes", {}, gateway.held_bytes
    in_flight = sum(client.conversation is not None for client in gateway.connections)
    yield "baseload_requests_in_flight", {}, in_flight
    yield "baseload_refusals_unrecorded_total", {}, metrics.refusals_unrecorded
    journal = gateway.journal.stats
    yield "baseload_journal_frames_total", {}, journal.frames
    yield "baseload_journal_refusals_dropped_total", {}, journal.refusals_dropped
    yield "baseload_ingest_restarts_total", {}, metrics.ingest_restarts
    yield "baseload_journal_available", {}, int(gateway.journal.available)
    yield from _histogram("baseload_overhead_seconds", {}, metrics.overhead)
    yield from _target_counts(gateway)
    yield from _target_states(gateway)


def _target_counts(gateway: Gateway) -> Iterator[Sample]:
    for name, counts in gateway.metrics.targets.items():
        target = {"target": name}
        for (reason, outcome), count in counts.attempts.items():
            yield "baseload_attempts_total", {**target, "reason": reason, "outcome": outcome}, count
        kinds = (
            ("input", counts.input),
            ("cached_input", counts.cached),
            ("output", counts.output),
            ("reasoning", counts.reasoning),
        )
        for kind, tokens in kinds:
            yield "baseload_tokens_total", {**target, "kind": kind}, tokens
        yield "baseload_cost_nano_dollars_total", target, counts.cost
        yield "baseload_unknown_cost_total", target, counts.unknown
        yield "baseload_mistranslated_total", target, counts.mistranslated
        yield "baseload_estimated_usage_total", target, counts.estimated
        yield from _histogram("baseload_time_to_first_token_seconds", target, counts.ttft)


def _target_states(gateway: Gateway) -> Iterator[Sample]:
    now_s = gateway.now_s()
    for name, place in gateway.site.places.items():
        target = {"target": name}
        load = place.load
        yield "baseload_target_running", target, load.running
        yield "baseload_target_waiting", target, load.waiting
        for state in State:
            yield (
                "baseload_target_state",
                {**target, "state": state.value},
                int(load.health.state is state),
            )
        if place.target.side is Side.OWNED:
            yield "baseload_target_saturation", target, load.saturation(now_s, place.slo)
            yield "baseload_target_saturated", target, int(load.reported.saturated)


def _histogram(name: str, labels: dict[str, str], histogram: Histogram) -> Iterator[Sample]:
    below = 0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=False):
        below += count
        yield f"{name}_bucket", {**labels, "le": repr(bound)}, below
    total = below + histogram.counts[-1]
    yield f"{name}_bucket", {**labels, "le": "+Inf"}, total
    yield f"{name}_sum", labels, histogram.total_s
    yield f"{name}_count", labels, total
