"""Which rows are left out together, and a fit for each such fold.

At random (the configuration is known from other rows), whole configurations, models, GPUs, precisions,
shapes, the ends of each configuration's concurrencies. Rows of one configuration and load are repeats of
one measurement and are never parted. Fixed seeds, so the same rows give the same folds.

A row is asked as a user asks it: whether its run guessed tokens ahead is not said (`told` says it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from baseload.capacity.fitted import Fitted
from baseload.capacity.fitting import fit
from baseload.capacity.levels import LEVELS, Level, keys
from baseload.capacity.measured import Row
from baseload.capacity.terms import Setup

T = TypeVar("T")

FOLDS = 5
SEED = 0

CONCURRENCIES_LEAST = 3
"""A configuration with fewer of them has no end that could be left out."""

USUAL_SHAPES = ((1024, 1024), (8192, 1024), (1024, 8192))
"""Input and output tokens of most rows; each is left out by itself, the many others in FOLDS parts."""


class Split(StrEnum):
    """What is left out together."""

    ROWS = "rows"
    CONFIGURATION = "configuration"
    MODEL = "model"
    GPU = "gpu"
    PRECISION = "precision"
    MODEL_AND_GPU = "model and gpu"
    SHAPE = "shape"
    ENDS = "ends"


class Fold(NamedTuple):
    """Rows left out together, by index, and a fit of those that were seen."""

    name: str
    seen: list[int]
    out: list[int]
    fit: Fitted


def configuration(row: Row) -> str:
    """The configuration a row belongs to: model, GPU, engine, precision, parallel sizes."""
    return keys(row.setup)[-1]


def model_of(row: Row) -> str:
    """The network a row measured."""
    return keys(row.setup)[1]


def gpu_of(row: Row) -> str:
    """The GPU a row was measured on."""
    return row.setup.gpu.name


def asked(row: Row, *, told: bool = False) -> Setup:
    """The setup as a question: without what only the run's date tells, unless it is `told`."""
    return row.setup if told else msgspec.structs.replace(row.setup, speculative=None)


def fits(
    rows: Sequence[Row],
    split: Split,
    seed: int = SEED,
    choose: Callable[[Sequence[Row]], Sequence[Level]] | None = None,
) -> list[Fold]:
    """A fit for each fold. `choose` says from the seen rows how far groups differ; None: shipped LEVELS."""
    found = []
    for name, seen, out in folds(rows, split, seed):
        shown = [rows[index] for index in seen]
        levels = LEVELS if choose is None else choose(shown)
        found.append(Fold(name, seen, out, fit(shown, levels)))
    return found


def folds(rows: Sequence[Row], split: Split, seed: int = SEED) -> list[tuple[str, list[int], list[int]]]:
    """Names, seen and left-out rows of each fold, by index."""
    if split is Split.MODEL_AND_GPU:  # rows that share either would tell too much
        labels = [(model_of(row), gpu_of(row)) for row in rows]
        return [
            (
                " on ".join(pair),
                [i for i, (model, gpu) in enumerate(labels) if model != pair[0] and gpu != pair[1]],
                [i for i, label in enumerate(labels) if label == pair],
            )
            for pair in sorted(set(labels))
        ]
    if split is Split.PRECISION:
        return _precision_folds(rows)
    if split is Split.ENDS:
        labels_of_end = _ends(rows)
        return [
            (end, [i for i, each in enumerate(labels_of_end) if each != end], _where(labels_of_end, end))
            for end in ("lowest", "highest")
        ]
    labels_of_row = _labels(rows, split, seed)
    return [
        (name, [i for i, each in enumerate(labels_of_row) if each != name], _where(labels_of_row, name))
        for name in sorted(set(labels_of_row))
    ]


def _precision_folds(rows: Sequence[Row]) -> list[tuple[str, list[int], list[int]]]:
    """Judged are rows whose model is still seen in another precision; the others are in no part."""
    found = []
    for name in sorted({row.setup.precision for row in rows}):
        seen = [i for i, row in enumerate(rows) if row.setup.precision != name]
        models = {model_of(rows[i]) for i in seen}
        out = [i for i, row in enumerate(rows) if row.setup.precision == name and model_of(row) in models]
        if out:
            found.append((name, seen, out))
    return found


def _where(labels: Sequence[str], name: str) -> list[int]:
    return [index for index, each in enumerate(labels) if each == name]


def _labels(rows: Sequence[Row], split: Split, seed: int) -> list[str]:
    if split is Split.MODEL:
        return [model_of(row) for row in rows]
    if split is Split.GPU:
        return [gpu_of(row) for row in rows]
    shapes = [(round(row.load.input_tokens), round(row.load.output_tokens)) for row in rows]
    if split is Split.SHAPE:
        names = ["{}/{}".format(*shape) for shape in shapes]
        usual = ["{}/{}".format(*shape) for shape in USUAL_SHAPES]
        other = _dealt([name for name in names if name not in usual], seed)
        return [name if name in usual else f"others {other[name]}" for name in names]
    by_row = split is Split.ROWS
    kept = [f"{configuration(row)} {tuple(row.load)}" if by_row else configuration(row) for row in rows]
    dealt = _dealt(kept, seed)
    return [dealt[name] for name in kept]


def _dealt(names: Iterable[str], seed: int) -> dict[str, str]:
    """Names in random order, dealt to FOLDS folds."""
    order = sorted(set(names))
    np.random.default_rng(seed).shuffle(order)
    return {name: str(place % FOLDS) for place, name in enumerate(order)}


def _ends(rows: Sequence[Row]) -> list[str]:
    """For each row whether it has the lowest or highest concurrency of its configuration, else nothing."""
    ends = [""] * len(rows)
    for _, members in grouped(range(len(rows)), lambda index: configuration(rows[index])):
        levels = sorted({rows[index].load.concurrency for index in members})
        if len(levels) < CONCURRENCIES_LEAST:
            continue
        for index in members:
            if rows[index].load.concurrency == levels[0]:
                ends[index] = "lowest"
            elif rows[index].load.concurrency == levels[-1]:
                ends[index] = "highest"
    return ends


def grouped(items: Iterable[T], key: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    """Items by what `key` says of them, in the order of that."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return sorted(groups.items())
