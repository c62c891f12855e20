"""The traffic the demo plays: real arrivals and lengths, made to fit a small engine and a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from baseload.errors import UsageError
from baseload.traffic.draw import Arrivals, draw
from baseload.traffic.load import Ints, LoadShape
from baseload.traffic.read import read_traffic
from baseload.traffic.shapes import azure_conversation_2023
from baseload.traffic.table import Traffic, merge

MEAN_TOKENS = 170
"""Mean input and output tokens of a request after scaling: what a 135M model on two cores serves often
enough a second for a minute to show something."""
MOST_INPUT_TOKENS, MOST_OUTPUT_TOKENS = 256, 64
LEAST_INPUT_TOKENS, LEAST_OUTPUT_TOKENS = 40, 4
"""A chat template alone is about 32 tokens."""

MEAN_SATURATION = 0.6
"""Mean load of the hour over what a full engine serves."""
TRACE_SATURATION = 1.0
"""The same of a trace, which is played as it is."""
SURGE_BEGIN, SURGE_END = 0.36, 0.66
"""The hour's busiest part, as shares of its time: about 1.35 times the mean."""
SURGE_SERVICES = 2
"""Services like it that arrive on top of it then. The engine's limit is so passed by far and left by far:
measured on a machine that others use too, it may be wrong by a factor of two either way."""

_SAMPLE, _SAMPLE_S = 2000, 600
"""Requests of a trace, seconds of the hour, whose lengths tell how many fit."""

Rate = Callable[[Traffic], float]
"""Requests per second that a full engine serves of traffic like this."""


def shipped_traffic(play_s: float, seed: int, full_rate: Rate) -> Traffic:
    """The Azure conversation hour of 2023, drawn from its shipped figures and compressed into `play_s`.

    One such service loads the engine to `MEAN_SATURATION` on average. In the hour's busiest part more
    services like it, drawn with other seeds, come on top: the load passes the engine's limit and comes back.
    """
    shape = azure_conversation_2023()
    sample = small(draw(shape.between(0, _SAMPLE_S), seed=seed, arrivals=Arrivals.COUNTS))
    wanted = MEAN_SATURATION * full_rate(sample) * play_s
    fitting = shape.scaled(tokens_per_day=shape.tokens_per_day().total * wanted / _requests(shape))
    begin_s, end_s = SURGE_BEGIN * shape.duration_s, SURGE_END * shape.duration_s
    base = draw(fitting, seed=seed, arrivals=Arrivals.COUNTS)
    surge = [
        draw(fitting.between(begin_s, end_s), seed=seed + number, arrivals=Arrivals.COUNTS)
        for number in range(1, SURGE_SERVICES + 1)
    ]
    parts = [replace(base, start_ns=0), *(replace(part, start_ns=round(begin_s * 1e9)) for part in surge)]
    together = replace(merge(parts), source=base.source)
    return small(together.compressed(together.duration_s / play_s))


def _requests(shape: LoadShape) -> float:
    return float(shape.load.requests_per_s.mean()) * shape.duration_s


def trace_traffic(path: Path, play_s: float, full_rate: Rate) -> Traffic:
    """The beginning of a real trace, as many requests as fit, its time compressed or stretched to `play_s`.

    Arrivals are the trace's own, so whether the engine saturates is the trace's own too.
    """
    trace = read_traffic(path)
    sample = small(trace.between(0, float(trace.arrival_s[min(len(trace), _SAMPLE) - 1]) + 1e-6))
    count = int(TRACE_SATURATION * full_rate(sample) * play_s)
    if len(trace) > count:
        trace = trace.between(0, float(trace.arrival_s[count]))
    if trace.duration_s <= 0:
        raise UsageError(f"{path} holds no stretch of time to play")
    return small(trace.compressed(trace.duration_s / play_s))


def small(traffic: Traffic) -> Traffic:
    """The same requests with lengths a small engine can serve: scaled by one factor, then capped.

    Scaling keeps the mix of input and output and the spread of lengths, which capping alone would lose.
    """
    mean = float((traffic.input_tokens + traffic.output_tokens).mean())
    factor = min(MEAN_TOKENS / mean, 1.0)
    return replace(
        traffic,
        input_tokens=_scaled(traffic.input_tokens, factor, LEAST_INPUT_TOKENS, MOST_INPUT_TOKENS),
        output_tokens=_scaled(traffic.output_tokens, factor, LEAST_OUTPUT_TOKENS, MOST_OUTPUT_TOKENS),
        cached_tokens=np.zeros(len(traffic), dtype=np.int64),
    )


def _scaled(tokens: Ints, factor: float, least: int, most: int) -> Ints:
    scaled: Ints = np.clip(np.rint(tokens * factor).astype(np.int64), least, most)
    return scaled
