"""How good the fit is on rows it has not seen (`folds.py`), and the interval quantiles that follow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from baseload.capacity.anchors import ANCHORED, Anchor
from baseload.capacity.closed_loop import closed_loop
from baseload.capacity.first_token import FirstToken
from baseload.capacity.fitted import Novelty
from baseload.capacity.fitting import fit_first_token
from baseload.capacity.folds import SEED, Fold, Split, asked, configuration, grouped
from baseload.capacity.measured import Row
from baseload.capacity.steptime import draw
from baseload.core import StepTime

COVERED = 0.80
ROWS_LEAST = 5
"""A configuration with fewer rows is fitted and predicted, but has no error of its own."""

ANCHOR_DRAWS = 3
"""Random choices of anchors per configuration; the error is over all of them."""


class Held(NamedTuple):
    """A row that was left out: `off` is the log of computed over measured time, `spread` the fit's own scale.

    `fold` says which rows were left out together.
    """

    row: Row
    fold: str
    off: float
    spread: float

    @property
    def error(self) -> float:
        """Relative error, absolute."""
        return abs(math.expm1(self.off))


class Score(NamedTuple):
    """MAPE per configuration, over configurations with at least ROWS_LEAST rows; shares, not percent."""

    median: float
    mean: float
    configurations: int


def left_out(rows: Sequence[Row], made: Sequence[Fold], *, told: bool = False) -> list[Held]:
    """TPOT of every row, predicted by a fit that has not seen it nor what is left out with it."""
    held = []
    for fold in made:
        for row in (rows[index] for index in fold.out):
            setup = asked(row, told=told)
            off = fold.fit.log_tpot(setup, row.load) - math.log(row.tpot_s)
            held.append(Held(row, fold.name, off, fold.fit.spread(setup, row.load)))
    return held


def first_tokens(rows: Sequence[Row], made: Sequence[Fold], octave: float = 0.0) -> list[FirstToken]:
    """Each fold's fit of TTFT; `octave` is what distance from the measured loads adds to its spread."""
    found = (fit_first_token([rows[index] for index in fold.seen], fold.fit) for fold in made)
    return [msgspec.structs.replace(each, octave=octave) for each in found]


def left_out_ttft(rows: Sequence[Row], made: Sequence[Fold], first: Sequence[FirstToken]) -> list[Held]:
    """As `left_out`, of TTFT."""
    held = []
    for fold, found in zip(made, first, strict=True):
        for row in (rows[index] for index in fold.out):
            off = found.log_ttft(asked(row), row.load) - math.log(row.ttft_s)
            held.append(Held(row, fold.name, off, found.spread(asked(row), row.load)))
    return held


def left_out_closed_loop(rows: Sequence[Row], made: Sequence[Fold]) -> list[Held]:
    """As `left_out_ttft`, but simulated: each row's closed loop through the batching of a replica, with the
    step time drawn through the fit that has not seen the row."""
    held = []
    for fold in made:
        steps: dict[str, StepTime] = {}
        for row in (rows[index] for index in fold.out):
            name = configuration(row)
            if name not in steps:
                steps[name] = StepTime(*draw(asked(row), fold.fit)[0], 1, 1, 0.0, "left out")
            found = closed_loop(steps[name], row.load)
            held.append(Held(row, fold.name, math.log(found.ttft_s / row.ttft_s), 1.0))
    return held


def anchored(
    rows: Sequence[Row],
    made: Sequence[Fold],
    points: int,
    quantiles: Mapping[str, float],
    *,
    told: bool = False,
) -> list[Held]:
    """As `left_out`, but rows at `points` random loads of each engine are given back as anchors.

    An engine is a configuration that guesses ahead or not: its owner measures the one that is asked about.
    Those with fewer than ROWS_LEAST rows are passed over; no row at an anchor's load is judged. `quantiles`
    are those by novelty, which anchors are held against. The spread is the fit's own, scatter in it.
    """
    quantiles = {**quantiles, ANCHORED: 1.0}
    made = [fold._replace(fit=msgspec.structs.replace(fold.fit, quantiles=quantiles)) for fold in made]
    held = []
    for fold, members, chosen in _anchor_draws(rows, made, points):
        given = [Anchor(rows[index].load, rows[index].tpot_s) for index in chosen]
        loads = {anchor.load for anchor in given}
        for row in (rows[index] for index in members if rows[index].load not in loads):
            found = fold.fit.estimate(asked(row, told=told), row.load, given)
            half = math.log(found.high_s / found.low_s) / 2
            held.append(Held(row, fold.name, math.log(found.tpot_s / row.tpot_s), half))
    return held


def anchored_ttft(
    rows: Sequence[Row],
    made: Sequence[Fold],
    first: Sequence[FirstToken],
    points: int,
    quantiles: Mapping[str, float],
) -> list[Held]:
    """As `anchored`, of TTFT."""
    fit_of = {
        fold.name: msgspec.structs.replace(found, quantiles={**quantiles, ANCHORED: 1.0})
        for fold, found in zip(made, first, strict=True)
    }
    held = []
    for fold, members, chosen in _anchor_draws(rows, made, points):
        given = [Anchor(rows[index].load, rows[index].tpot_s, rows[index].ttft_s) for index in chosen]
        loads = {anchor.load for anchor in given}
        for row in (rows[index] for index in members if rows[index].load not in loads):
            found = fit_of[fold.name].estimate(asked(row), row.load, given)
            half = math.log(found.high_s / found.low_s) / 2
            held.append(Held(row, fold.name, math.log(found.ttft_s / row.ttft_s), half))
    return held


def _anchor_draws(
    rows: Sequence[Row], made: Sequence[Fold], points: int
) -> Iterable[tuple[Fold, list[int], list[int]]]:
    """For each fold and engine, ANCHOR_DRAWS times: its rows, and one row at each of the drawn loads."""
    draw = np.random.default_rng(SEED)
    for fold in made:
        engines = grouped(
            fold.out, lambda index: f"{configuration(rows[index])} {rows[index].setup.speculative}"
        )
        for _, members in engines:
            by_load = grouped(members, lambda index: str(tuple(rows[index].load)))
            if len(members) < ROWS_LEAST or len(by_load) <= points:
                continue
            for _ in range(ANCHOR_DRAWS):
                places = sorted(draw.choice(len(by_load), points, replace=False).tolist())
                yield fold, members, [int(draw.choice(by_load[place][1])) for place in places]


def score(held: Iterable[Held]) -> Score:
    """Median and mean over configurations of their mean error."""
    errors = [
        float(np.mean([each.error for each in members]))
        for _, members in grouped(list(held), lambda each: configuration(each.row))
        if len(members) >= ROWS_LEAST
    ]
    return Score(float(np.median(errors)), float(np.mean(errors)), len(errors))


def quantile(held: Sequence[Held]) -> float:
    """The factor on the spread that covers 80% of these rows."""
    return float(np.quantile([abs(each.off) / each.spread for each in held], COVERED))


def octaves(rows: Sequence[Row], made: Sequence[Fold], first: Sequence[FirstToken]) -> list[float]:
    """How far each left-out row, in their order, is from the loads of its configuration that were seen."""
    return [
        found.range_of(asked(rows[index])).octaves(rows[index].load)
        for fold, found in zip(made, first, strict=True)
        for index in fold.out
    ]


def octave(held: Sequence[Held], distances: Sequence[float], factor: float) -> float:
    """What an octave of distance must add to the spread so that 80% of these rows are inside.

    The interval is `factor`·√(spread² + (octave·distance)²).
    """
    needed = [
        math.sqrt(max((each.off / factor) ** 2 - each.spread**2, 0.0)) / distance
        for each, distance in zip(held, distances, strict=True)
        if distance > 0
    ]
    return float(np.quantile(needed, COVERED))


def coverage(held: Sequence[Held]) -> float:
    """Share of rows inside their 80% interval, each fold's quantile taken from the other folds."""
    inside = 0
    for fold, members in grouped(held, lambda each: each.fold):
        factor = quantile([each for each in held if each.fold != fold])
        inside += sum(abs(each.off) <= factor * each.spread for each in members)
    return inside / len(held)


def covered(held: Sequence[Held], factor: float) -> float:
    """Share of rows inside an interval of this factor on the spread."""
    return float(np.mean([abs(each.off) <= factor * each.spread for each in held]))


def worst(held: Sequence[Held], group: Callable[[Row], str]) -> tuple[str, float, float]:
    """The group (a model, a GPU) with the largest mean error: its name, that error, and its coverage."""
    factors = {
        fold: quantile([each for each in held if each.fold != fold]) for fold in {each.fold for each in held}
    }
    found = []
    for name, members in grouped(held, lambda each: group(each.row)):
        inside = [abs(each.off) <= factors[each.fold] * each.spread for each in members]
        found.append((name, float(np.mean([each.error for each in members])), float(np.mean(inside))))
    return max(found, key=lambda each: each[1])


CASES = {
    Novelty.MEASURED: Split.ROWS,
    Novelty.CONFIGURATION: Split.CONFIGURATION,
    Novelty.PRECISION: Split.PRECISION,
    Novelty.GPU: Split.GPU,
    Novelty.MODEL: Split.MODEL,
    Novelty.SEVERAL: Split.MODEL_AND_GPU,
}
"""The split that makes each case an interval is needed for."""
