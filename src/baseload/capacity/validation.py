"""How good the fit is on rows it has not seen, and the interval quantiles that follow from it.

Four ways to leave rows out: at random (the configuration is known from other rows), whole configurations,
whole models, whole GPUs. Fixed seeds, so the same rows give the same figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

import numpy as np

from baseload.capacity.closed_loop import closed_loop
from baseload.capacity.fitted import Anchor, Fitted, Novelty
from baseload.capacity.fitting import fit, fit_first_token
from baseload.capacity.levels import keys
from baseload.capacity.measured import Row
from baseload.capacity.steptime import draw
from baseload.core import StepTime

T = TypeVar("T")

FOLDS = 5
SEED = 0
COVERED = 0.80
ROWS_LEAST = 5
"""A configuration with fewer rows is fitted and predicted, but has no error of its own."""

ANCHOR_DRAWS = 3
"""Random choices of anchors per configuration; the error is over all of them."""


class Split(StrEnum):
    """What is left out together."""

    ROWS = "rows"
    CONFIGURATION = "configuration"
    MODEL = "model"
    GPU = "gpu"
    MODEL_AND_GPU = "model and gpu"


class Held(NamedTuple):
    """A row that was left out: `off` is the log of computed over measured TPOT, `spread` the fit's own scale.

    `fold` says which rows were left out together.
    """

    row: Row
    fold: str
    off: float
    spread: float

    @property
    def error(self) -> float:
        """Relative error of TPOT, absolute."""
        return abs(math.expm1(self.off))


class Score(NamedTuple):
    """MAPE per configuration, over configurations with at least ROWS_LEAST rows; shares, not percent."""

    median: float
    mean: float
    configurations: int


def configuration(row: Row) -> str:
    """The configuration a row belongs to: model, GPU, engine, precision, parallel sizes."""
    return keys(row.setup)[-1]


def model_of(row: Row) -> str:
    """The network a row measured."""
    return keys(row.setup)[1]


def gpu_of(row: Row) -> str:
    """The GPU a row was measured on."""
    return row.setup.gpu.name


def left_out(rows: Sequence[Row], split: Split, seed: int = SEED) -> list[Held]:
    """Every row, predicted by a fit that has not seen it nor what is left out with it."""
    held = []
    for fold, made, out in _fits(rows, split, seed):
        for row in (rows[index] for index in out):
            off = made.log_tpot(row.setup, row.load) - math.log(row.tpot_s)
            held.append(Held(row, fold, off, made.spread(row.setup, row.load)))
    return held


def left_out_ttft(rows: Sequence[Row], split: Split, seed: int = SEED) -> list[Held]:
    """As `left_out`, of TTFT; every row has the spread 1."""
    held = []
    for fold, made, out in _fits(rows, split, seed):
        gone = set(out)
        first = fit_first_token([row for index, row in enumerate(rows) if index not in gone], made)
        for row in (rows[index] for index in out):
            off = first.log_ttft(row.setup, row.load) - math.log(row.ttft_s)
            held.append(Held(row, fold, off, 1.0))
    return held


def left_out_closed_loop(rows: Sequence[Row], split: Split, seed: int = SEED) -> list[Held]:
    """As `left_out_ttft`, but simulated: each row's closed loop through the batching of a replica, with the
    step time drawn through the fit that has not seen the row."""
    held = []
    for fold, made, out in _fits(rows, split, seed):
        steps: dict[str, StepTime] = {}
        for row in (rows[index] for index in out):
            name = configuration(row)
            if name not in steps:
                steps[name] = StepTime(*draw(row.setup, made)[0], 1, 1, 0.0, "left out")
            found = closed_loop(steps[name], row.load)
            held.append(Held(row, fold, math.log(found.ttft_s / row.ttft_s), 1.0))
    return held


def anchored(rows: Sequence[Row], split: Split, points: int, seed: int = SEED) -> list[Held]:
    """As `left_out`, but `points` random rows of each configuration are given back as anchors.

    Configurations with fewer than ROWS_LEAST rows are passed over; the anchors themselves are not judged.
    """
    draw = np.random.default_rng(seed)
    held = []
    for fold, made, out in _fits(rows, split, seed):
        for _, members in _grouped(out, lambda index: configuration(rows[index])):
            if len(members) < ROWS_LEAST:
                continue
            for _ in range(ANCHOR_DRAWS):
                chosen = set(draw.choice(members, points, replace=False).tolist())
                given = [Anchor(rows[index].load, rows[index].tpot_s) for index in sorted(chosen)]
                for index in members:
                    if index not in chosen:
                        found = made.estimate(rows[index].setup, rows[index].load, given)
                        half = math.log(found.high_s / found.low_s) / 2
                        off = math.log(found.tpot_s / rows[index].tpot_s)
                        held.append(Held(rows[index], fold, off, half / 1.2816))
    return held


def _fits(rows: Sequence[Row], split: Split, seed: int) -> Iterable[tuple[str, Fitted, list[int]]]:
    """A fit for each fold, with the indices of the rows to be predicted by it."""
    if split is Split.MODEL_AND_GPU:  # rows that share either would tell too much
        pairs = sorted({(model_of(row), gpu_of(row)) for row in rows})
        for model, board in pairs:
            seen = [row for row in rows if model_of(row) != model and gpu_of(row) != board]
            out = [i for i, row in enumerate(rows) if (model_of(row), gpu_of(row)) == (model, board)]
            yield f"{model} on {board}", fit(seen), out
        return
    folds = _folds(rows, split, seed)
    for fold in sorted(set(folds)):
        out = [index for index, name in enumerate(folds) if name == fold]
        yield fold, fit([row for row, name in zip(rows, folds, strict=True) if name != fold]), out


def _folds(rows: Sequence[Row], split: Split, seed: int) -> list[str]:
    if split is Split.MODEL:
        return [model_of(row) for row in rows]
    if split is Split.GPU:
        return [gpu_of(row) for row in rows]
    by_row = split is Split.ROWS
    names = [str(index) for index in range(len(rows))] if by_row else [configuration(row) for row in rows]
    order = sorted(set(names), key=int if by_row else None)
    np.random.default_rng(seed).shuffle(order)
    fold = {name: str(place % FOLDS) for place, name in enumerate(order)}
    return [fold[name] for name in names]


def score(held: Iterable[Held]) -> Score:
    """Median and mean over configurations of their mean error."""
    errors = [
        float(np.mean([each.error for each in members]))
        for _, members in _grouped(list(held), lambda each: configuration(each.row))
        if len(members) >= ROWS_LEAST
    ]
    return Score(float(np.median(errors)), float(np.mean(errors)), len(errors))


def quantile(held: Sequence[Held]) -> float:
    """The factor on the spread that covers 80% of these rows."""
    return float(np.quantile([abs(each.off) / each.spread for each in held], COVERED))


def coverage(held: Sequence[Held]) -> float:
    """Share of rows inside their 80% interval, each fold's quantile taken from the other folds."""
    inside = 0
    for fold, members in _grouped(held, lambda each: each.fold):
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
    for name, members in _grouped(held, lambda each: group(each.row)):
        inside = [abs(each.off) <= factors[each.fold] * each.spread for each in members]
        found.append((name, float(np.mean([each.error for each in members])), float(np.mean(inside))))
    return max(found, key=lambda each: each[1])


CASES = {
    Novelty.MEASURED: Split.ROWS,
    Novelty.CONFIGURATION: Split.CONFIGURATION,
    Novelty.GPU: Split.GPU,
    Novelty.MODEL: Split.MODEL,
    Novelty.BOTH: Split.MODEL_AND_GPU,
}
"""The split that makes each case an interval is needed for."""


def _grouped(items: Sequence[T], key: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return sorted(groups.items())
