"""Draw requests from a load shape: the same seed gives the same traffic."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from baseload.errors import UsageError
from baseload.traffic.load import Floats, Ints, LoadShape
from baseload.traffic.table import MAX_TOKENS, Traffic


class Arrivals(StrEnum):
    """How many requests a window gets."""

    POISSON = "poisson"  # a Poisson number with the window's rate: right for windows of a minute and more
    COUNTS = "counts"  # the window's own count, fractions carried over: right for counts per second


def draw(
    shape: LoadShape, *, seed: int, arrivals: Arrivals = Arrivals.POISSON, model: str = "", tenant: str = ""
) -> Traffic:
    """Requests of a load shape as `Traffic` of the same duration, with the window's rates as expectation.

    Arrivals are uniform within their window. Lengths come from the joint histogram and are stretched to the
    window's mean lengths, so that each window's tokens per second are met too; cached tokens are the window's
    share of each input. Raises UsageError where not one request is drawn.

    Scale, cut and compress the shape first (`LoadShape.scaled`, `between`, `compressed`), and cap the lengths
    afterwards (`Traffic.capped`).
    """
    random = np.random.default_rng(seed)
    counts = _counts(shape, arrivals, random)
    total = int(counts.sum())
    if not total:
        raise UsageError("the load shape is so thin that no request was drawn", hint="draw a longer time")
    window = np.repeat(np.arange(len(counts)), counts)
    arrival_s = (window + random.random(total)) * shape.window_s
    arrival_s.sort()  # windows are in order already, so this sorts within them only
    input_tokens, output_tokens = shape.lengths.draw(total, random)
    mean_input, mean_output = shape.lengths.means()
    input_tokens = _stretched(input_tokens, (shape.mean_input_tokens / mean_input)[window], random)
    output_tokens = _stretched(output_tokens, (shape.mean_output_tokens / mean_output)[window], random)
    share = np.divide(
        shape.load.cached_tokens_per_s,
        shape.load.input_tokens_per_s,
        out=np.zeros(len(counts)),
        where=shape.load.input_tokens_per_s > 0,
    )
    return Traffic(
        arrival_s=np.minimum(arrival_s, shape.duration_s),
        input_tokens=input_tokens,
        cached_tokens=(input_tokens * share[window]).astype(np.int64),
        output_tokens=output_tokens,
        duration_s=shape.duration_s,
        model=np.zeros(total, dtype=np.int32),
        tenant=np.zeros(total, dtype=np.int32),
        models=(model,),
        tenants=(tenant,),
        start_ns=shape.start_ns,
        source=f"drawn (seed {seed}) from {shape.source}",
    )


def _counts(shape: LoadShape, arrivals: Arrivals, random: np.random.Generator) -> Ints:
    """Requests in each window."""
    expected = shape.load.requests_per_s * shape.window_s
    if arrivals is Arrivals.POISSON:
        return random.poisson(expected)
    # Carrying the fraction over keeps every running total within one request of what is expected.
    running = np.floor(np.cumsum(expected) + 0.5 + 1e-9)
    return np.diff(running, prepend=0.0).astype(np.int64)


def _stretched(tokens: Ints, factor: Floats, random: np.random.Generator) -> Ints:
    """Lengths times their factors, rounded up or down at random to keep the mean; none becomes 0."""
    exact = tokens * factor
    whole = np.floor(exact + random.random(len(tokens))).astype(np.int64)
    return np.clip(whole, np.minimum(tokens, 1), MAX_TOKENS)
