"""The traffic the demo plays: real arrivals and lengths, made to fit a small engine and a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from baseload.errors import UsageError
from baseload.traffic.draw import Arrivals, draw
from baseload.traffic.load import Ints
from baseload.traffic.read import read_traffic
from baseload.traffic.shapes import azure_conversation_2023
from baseload.traffic.table import Traffic

MEAN_TOKENS = 170
"""Mean input and output tokens of a request after scaling: what a 135M model on two cores serves often
enough a second for a minute to show something."""
MOST_INPUT_TOKENS, MOST_OUTPUT_TOKENS = 256, 64
LEAST_INPUT_TOKENS, LEAST_OUTPUT_TOKENS = 40, 4
"""A chat template alone is about 32 tokens."""

MEAN_SATURATION = 1.1
"""Mean load over what a full engine serves; the Azure hour's busiest minutes are 1.45 times its mean."""

_SAMPLE = 2000
"""Requests whose lengths tell how many fit."""

Rate = Callable[[Traffic], float]
"""Requests per second that a full engine serves of traffic like this."""


def shipped_traffic(play_s: float, seed: int, full_rate: Rate) -> Traffic:
    """The Azure conversation hour of 2023, drawn from its shipped figures and compressed into `play_s`.

    As many requests as load the engine to `MEAN_SATURATION` on average: the hour's own rise and fall then
    passes its limit and comes back.
    """
    shape = azure_conversation_2023()
    compressed = shape.compressed(shape.duration_s / play_s)
    mean_rate = float(compressed.load.requests_per_s.mean())
    sample = small(draw(shape.between(0, 600), seed=seed, arrivals=Arrivals.COUNTS))
    wanted_rate = MEAN_SATURATION * full_rate(sample)
    volume = compressed.tokens_per_day().total * wanted_rate / mean_rate
    return small(draw(compressed.scaled(tokens_per_day=volume), seed=seed, arrivals=Arrivals.COUNTS))


def trace_traffic(path: Path, play_s: float, full_rate: Rate) -> Traffic:
    """The beginning of a real trace, as many requests as fit, its time compressed or stretched to `play_s`.

    Arrivals are the trace's own, so whether the engine saturates is the trace's own too.
    """
    trace = read_traffic(path)
    sample = small(trace.between(0, float(trace.arrival_s[min(len(trace), _SAMPLE) - 1]) + 1e-6))
    count = int(MEAN_SATURATION * full_rate(sample) * play_s)
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
