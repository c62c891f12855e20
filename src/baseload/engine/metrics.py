"""The engine's metrics in Prometheus' text format, under the names vLLM gives them.

Whatever reads vLLM (baseload's gateway, an autoscaler, a dashboard) reads this engine unchanged.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from msgspec import Struct

from baseload.engine.link import State

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKEN_SECONDS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)
FINISH_REASONS = ("stop", "length", "abort", "error")


class Histogram:
    """Cumulative buckets as Prometheus defines them."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """The samples in text format."""
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {total}'
        yield f"{name}_sum{{{labels}}} {self._sum:.6f}"
        yield f"{name}_count{{{labels}}} {total}"


class _Times(Struct):
    """When what happened to a request that is not finished, in monotonic seconds."""

    received_s: float
    input_tokens: int = 0
    first_s: float = 0.0
    output_tokens: int = 0


class Metrics:
    """Counts and times of one engine. `state` is the worker's last report."""

    def __init__(self, model_name: str) -> None:
        escaped = model_name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        self._labels = f'model_name="{escaped}",engine="0"'
        self.state = State(0, 0, 0.0)
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.finished = dict.fromkeys(FINISH_REASONS, 0)
        self._live: dict[int, _Times] = {}
        self._queue = Histogram(_SECONDS)
        self._first = Histogram(_SECONDS)
        self._per_token = Histogram(_TOKEN_SECONDS)
        self._whole = Histogram(_SECONDS)

    def received(self, request: int) -> None:
        """A request came in."""
        self._live[request] = _Times(time.monotonic())

    def accepted(self, request: int, input_tokens: int) -> None:
        """Its prompt was read and fits."""
        self._live[request].input_tokens = input_tokens

    def refused(self, request: int) -> None:
        """Its prompt cannot be served; no answer began."""
        del self._live[request]

    def started(self, request: int) -> None:
        """It left the queue: its prompt is computed now."""
        times = self._live[request]
        self.prompt_tokens += times.input_tokens
        self._queue.observe(time.monotonic() - times.received_s)

    def piece(self, request: int, output_tokens: int, finish: str | None) -> None:
        """A step added to its answer, or ended it."""
        times, now_s = self._live[request], time.monotonic()
        self.generation_tokens += output_tokens - times.output_tokens
        if not times.output_tokens:
            times.first_s = now_s
            self._first.observe(now_s - times.received_s)
        times.output_tokens = output_tokens
        if finish is None:
            return
        del self._live[request]
        self.finished[finish] += 1
        self._whole.observe(now_s - times.received_s)
        if output_tokens > 1:
            self._per_token.observe((now_s - times.first_s) / (output_tokens - 1))

    def aborted(self, request: int) -> None:
        """Its client went away."""
        self._live.pop(request, None)
        self.finished["abort"] += 1

    def text(self) -> str:
        """Everything in Prometheus' text format 0.0.4."""
        return "\n".join((*self._gauges(), *self._counters(), *self._histograms(), ""))

    def _gauges(self) -> Iterator[str]:
        for name, value, help_ in (
            ("num_requests_running", self.state.running, "Requests the model works on."),
            ("num_requests_waiting", self.state.waiting, "Requests that wait for room."),
            ("kv_cache_usage_perc", self.state.kv_use, "KV cache in use. 1 means all of it."),
        ):
            yield f"# HELP vllm:{name} {help_}"
            yield f"# TYPE vllm:{name} gauge"
            yield f"vllm:{name}{{{self._labels}}} {value:g}"

    def _counters(self) -> Iterator[str]:
        for name, value, help_ in (
            ("prompt_tokens_total", self.prompt_tokens, "Input tokens computed."),
            ("generation_tokens_total", self.generation_tokens, "Output tokens generated."),
        ):
            yield f"# HELP vllm:{name} {help_}"
            yield f"# TYPE vllm:{name} counter"
            yield f"vllm:{name}{{{self._labels}}} {value}"
        yield "# HELP vllm:request_success_total Requests finished, by reason."
        yield "# TYPE vllm:request_success_total counter"
        for reason, count in self.finished.items():
            yield f'vllm:request_success_total{{{self._labels},finished_reason="{reason}"}} {count}'

    def _histograms(self) -> Iterator[str]:
        for name, histogram, help_ in (
            ("request_queue_time_seconds", self._queue, "Time in the queue."),
            ("time_to_first_token_seconds", self._first, "Time to the first token."),
            ("request_time_per_output_token_seconds", self._per_token, "Mean time per token after it."),
            ("e2e_request_latency_seconds", self._whole, "Time to the last token."),
        ):
            yield f"# HELP vllm:{name} {help_}"
            yield f"# TYPE vllm:{name} histogram"
            yield from histogram.lines(f"vllm:{name}", self._labels)
