"""The metrics are vLLM's by name and Prometheus' by form."""

from __future__ import annotations

import re

from baseload.engine.link import State
from baseload.engine.metrics import Histogram, Metrics


def sample(text: str, start: str) -> float:
    """The value of the one sample whose line begins so."""
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return float(line.rsplit(" ", 1)[1])


def test_a_histogram_counts_cumulatively() -> None:
    """Each bucket holds everything up to its bound, the last one everything."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    lines = list(histogram.lines("x", 'a="b"'))
    assert lines == [
        'x_bucket{a="b",le="1.0"} 2',
        'x_bucket{a="b",le="2.0"} 3',
        'x_bucket{a="b",le="+Inf"} 4',
        'x_sum{a="b"} 12.000000',
        'x_count{a="b"} 4',
    ]


def test_one_request_is_counted_once_from_start_to_end() -> None:
    """Tokens are booked as they come and the finish under its reason."""
    metrics = Metrics("m")
    metrics.received(1)
    metrics.accepted(1, 7)
    metrics.started(1)
    metrics.piece(1, 2, None)
    metrics.piece(1, 5, "length")
    text = metrics.text()
    assert sample(text, "vllm:prompt_tokens_total") == 7
    assert sample(text, "vllm:generation_tokens_total") == 5
    assert sample(text, 'vllm:request_success_total{model_name="m",engine="0",finished_reason="length"}') == 1
    assert sample(text, "vllm:time_to_first_token_seconds_count") == 1
    assert sample(text, "vllm:request_time_per_output_token_seconds_count") == 1


def test_the_state_is_the_workers_last_word() -> None:
    """Running, waiting and KV use are gauges; KV use is a fraction, as vLLM's is."""
    metrics = Metrics("m")
    metrics.state = State(2, 10, 0.004)
    text = metrics.text()
    assert sample(text, "vllm:num_requests_running") == 2
    assert sample(text, "vllm:num_requests_waiting") == 10
    assert sample(text, "vllm:kv_cache_usage_perc") == 0.004


def test_every_line_is_in_prometheus_text_format() -> None:
    """A model's name with quotes or a line break cannot break the format."""
    form = re.compile(r'# (HELP|TYPE) vllm:\w+ .+|vllm:\w+\{(\w+="([^"\\\n]|\\.)*",?)+\} [\d.e+-]+')
    for line in Metrics('a "b"\n\\c').text().splitlines():
        assert form.fullmatch(line), line
