"""Fits one engine's own measurements: four step-time coefficients, their error, and where they hold.

Least squares on relative error of the steady-state form in `steptime.py`, no coefficient negative. Three
input/output shapes at least, since fewer cannot tell prompt from cache from batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from baseload.capacity.anchors import Anchor
from baseload.capacity.imports import Point
from baseload.capacity.steptime import columns, non_negative
from baseload.capacity.terms import Load
from baseload.capacity.throughput import steady_state
from baseload.core import StepTime
from baseload.errors import UsageError

SHAPES_LEAST = 3
POINTS_LEAST = 4
SAME_SHAPE = 0.10
"""Relative difference of both lengths below which two runs have one shape: drawn lengths scatter."""

ERROR_LEAST = 0.05
"""Repeats of one measurement differ by about as much, so no fit is surer than that."""


class Calibration(Struct, frozen=True):
    """What an engine's measurements say.

    `step` has the coefficients (its room is not known from them); `error` is the relative error that 80% of
    the points keep when left out. `ttft_factor` is how many times the steady state's TTFT was measured.
    `lowest` and `highest` bound the measured loads.
    """

    step: StepTime
    error: float
    shapes: int
    points: tuple[Point, ...]
    ttft_factor: float | None
    lowest: Load
    highest: Load

    def tpot_s(self, load: Load) -> float:
        """TPOT in seconds under this load."""
        return tpot_s(self.step, load)

    def ttft_s(self, load: Load) -> float | None:
        """TTFT in seconds under this load, None where the file had none."""
        if self.ttft_factor is None:
            return None
        at = steady_state(self.step, load.input_tokens, load.output_tokens, round(load.concurrency))
        return at.ttft_s * self.ttft_factor

    def extrapolates(self, load: Load) -> list[str]:
        """What of this load lies outside the measured ones, in words; empty where nothing does."""
        said = []
        for name, value, low, high in zip(Load._fields, load, self.lowest, self.highest, strict=True):
            if value < low * (1 - SAME_SHAPE) or value > high * (1 + SAME_SHAPE):
                said.append(f"{name} {value:g} is outside the measured {low:g} to {high:g}")
        return said

    def anchors(self) -> list[Anchor]:
        """The points as anchors of a fitted setup."""
        return [Anchor(point.load, point.tpot_s, point.ttft_s) for point in self.points]


def calibrate(points: Sequence[Point], source: str) -> Calibration:
    """Fit these points. Raises UsageError for fewer than three shapes, or four points."""
    shapes = _shapes(points)
    if shapes < SHAPES_LEAST or len(points) < POINTS_LEAST:
        raise UsageError(
            f"{len(points)} points of {shapes} input/output shapes: too few to fit",
            hint=f"measure at least {SHAPES_LEAST} shapes, such as 1024/1024, 1024/4096 and 8192/1024, each "
            "at several concurrencies: `baseload bench` does",
        )
    if len({round(point.load.concurrency) for point in points}) < 2:
        raise UsageError(
            f"all {len(points)} points have {points[0].load.concurrency:g} requests at a time: what a step "
            "costs and what a request adds cannot be told apart",
            hint="measure at two concurrencies at least, such as 4 and 32",
        )
    base_s, per_sequence_s, per_kv_token_s, per_prefill_token_s = _fit(points)
    off = []
    for index, point in enumerate(points):
        without = _fit([*points[:index], *points[index + 1 :]])
        off.append(abs(_tpot_s(without, point.load) / point.tpot_s - 1))
    error = max(sorted(off)[min(int(0.8 * len(off)), len(off) - 1)], ERROR_LEAST)
    step = StepTime(
        base_s=base_s,
        per_sequence_s=per_sequence_s,
        per_kv_token_s=per_kv_token_s,
        per_prefill_token_s=per_prefill_token_s,
        kv_tokens=0,
        max_sequences=0,
        error=error,
        source=f"calibrated on {source}",
    )
    loads = [point.load for point in points]
    ratios = [
        point.ttft_s
        / steady_state(
            step, point.load.input_tokens, point.load.output_tokens, round(point.load.concurrency)
        ).ttft_s
        for point in points
        if point.ttft_s is not None
    ]
    return Calibration(
        step=step,
        error=error,
        shapes=shapes,
        points=tuple(points),
        ttft_factor=median(ratios) if ratios else None,
        lowest=Load(*map(min, zip(*loads, strict=True))),
        highest=Load(*map(max, zip(*loads, strict=True))),
    )


def tpot_s(step: StepTime, load: Load) -> float:
    """TPOT in seconds of a step time under a steady load."""
    coefficients = (step.base_s, step.per_sequence_s, step.per_kv_token_s, step.per_prefill_token_s)
    return _tpot_s(coefficients, load)


def _tpot_s(coefficients: Sequence[float], load: Load) -> float:
    return sum(c * x for c, x in zip(coefficients, columns(load), strict=True))


def _fit(points: Sequence[Point]) -> list[float]:
    matrix = [[value / point.tpot_s for value in columns(point.load)] for point in points]
    return non_negative(matrix, [1.0] * len(points))


def _shapes(points: Sequence[Point]) -> int:
    """How many different shapes there are: runs whose lengths differ by a tenth or more from those before."""
    seen: list[Load] = []
    for load in (point.load for point in points):
        if not any(_near(load, other) for other in seen):
            seen.append(load)
    return len(seen)


def _near(load: Load, other: Load) -> bool:
    return all(abs(one / two - 1) < SAME_SHAPE for one, two in zip(load[1:], other[1:], strict=True))
