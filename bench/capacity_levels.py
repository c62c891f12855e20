"""How far groups of measured rows differ: the search that chose `levels.DIFFER`, and its nested error.

    python -m bench.capacity_levels            # chooses on all rows; half a minute
    python -m bench.capacity_levels --nested   # the error of choosing anew inside each training part; ten

A candidate is six standard deviations: how far groups of one network, of networks of one kind, and of all
networks differ, in shift and in slope. It is judged by leaving out, within the rows it may see, repeats of a
load, configurations, models and GPUs: of each the mean and median error per configuration, logarithms added
up. Leaving out is exact and cheap for a linear model with Gaussian weights: with K the rows' covariance and B
the rows left out together, their errors are [K⁻¹]_BB⁻¹ [K⁻¹y]_B (Rasmussen and Williams 2006, equation 5.12,
for blocks), so one inverse serves all splits. Efficiencies stay those of all rows that may be seen. What is
chosen is the geometric mean of the BEST of DRAWS random candidates around one start. Fixed seed.

Nested: for every fold of bench.capacity the search runs on its training rows alone, so nothing of a row that
is judged was in any choice.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from baseload.capacity.fitting import Groups, design
from baseload.capacity.folds import configuration, fits, gpu_of, grouped, model_of
from baseload.capacity.levels import LEVELS, NOISE, Reach, levels, reach
from baseload.capacity.measured import Row, read_measurements
from baseload.capacity.validation import ROWS_LEAST, anchored, left_out, score
from bench.capacity import CASES, MEASUREMENTS

SEED = 7
DRAWS, BEST = 48, 5
START = {Reach.ALL: (0.03, 0.05), Reach.KIND: (0.05, 0.08), Reach.MODEL: (0.05, 0.08)}
"""About what the fitted efficiencies leave of log TPOT, over twenty levels; less where all networks share."""

WIDTH = 0.6
"""Standard deviation of the draws around the start, in log."""

Single = NDArray[np.float32]


class Question(NamedTuple):
    """What a candidate is judged on: how many levels of each reach two rows share, what is to be explained,
    who is left out together, and the configurations that have an error."""

    shared: list[Single]
    alike: Single
    rest: Single
    off: NDArray[np.float64]
    splits: list[list[NDArray[np.int64]]]
    configurations: list[NDArray[np.int64]]


def question(rows: Sequence[Row]) -> Question:
    """Everything about these rows that no candidate changes."""
    _, features, off, speculation = design(rows)
    groups = Groups(rows, LEVELS)
    shared = {each: np.zeros((len(rows), len(rows)), dtype=np.float32) for each in Reach}
    for level, index in zip(LEVELS, groups.index, strict=True):
        shared[reach(level.by)] += index[:, None] == index[None, :]
    noise = np.array([NOISE[row.campaign] for row in rows])
    names = [
        [f"{configuration(row)} {tuple(row.load)}" for row in rows],
        [configuration(row) for row in rows],
        [model_of(row) for row in rows],
        [gpu_of(row) for row in rows],
    ]
    splits = [
        [np.array(members) for _, members in grouped(range(len(rows)), each.__getitem__)] for each in names
    ]
    return Question(
        list(shared.values()),
        (features[:, 1:] @ features[:, 1:].T).astype(np.float32),
        (speculation @ speculation.T + np.diag(noise**2)).astype(np.float32),
        off,
        splits,
        [block for block in splits[1] if len(block) >= ROWS_LEAST],
    )


def covariance(asked: Question, logs: NDArray[np.float64]) -> Single:
    """The rows' covariance: `logs` has a row for each reach, of its shift and its slope."""
    total = asked.rest.copy()
    for (shift, slope), shared in zip(np.exp(2 * logs).astype(np.float32), asked.shared, strict=True):
        total += shared * (shift + slope * asked.alike)
    return total


def errors(asked: Question, logs: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """For each split the rows' errors of log TPOT, measured less computed, where they are left out."""
    lower, _ = scipy.linalg.lapack.spotrf(covariance(asked, logs), lower=1, overwrite_a=1)
    inverse, _ = scipy.linalg.lapack.spotri(lower, lower=1, overwrite_c=1)
    inverse = np.tril(inverse).astype(np.float64)
    inverse += np.tril(inverse, -1).T
    dual = inverse @ asked.off
    found = []
    for split in asked.splits:
        error = np.empty(len(dual))
        for block in split:
            error[block] = np.linalg.solve(inverse[np.ix_(block, block)], dual[block])
        found.append(error)
    return found


def judged(asked: Question, logs: NDArray[np.float64]) -> float:
    """How bad a candidate is."""
    bad = 0.0
    for error in errors(asked, logs):
        relative = np.abs(np.expm1(-error))
        each = [relative[block].mean() for block in asked.configurations]
        bad += math.log(np.mean(each)) + math.log(np.median(each))
    return bad


def choose(rows: Sequence[Row]) -> dict[Reach, tuple[float, float]]:
    """Shift and slope by reach that leave the least error on parts of these rows."""
    asked, random = question(rows), np.random.default_rng(SEED)
    start = np.log([START[each] for each in Reach])
    tried = [start + WIDTH * random.standard_normal(start.shape) for _ in range(DRAWS)]
    order = np.argsort([judged(asked, each) for each in tried])
    best = np.exp(np.mean([tried[place] for place in order[:BEST]], axis=0))
    return {
        each: (round(float(shift), 3), round(float(slope), 3))
        for each, (shift, slope) in zip(Reach, best, strict=True)
    }


def main() -> None:
    """Print what is chosen, or the nested errors."""
    rows, _ = read_measurements(MEASUREMENTS)
    if "--nested" not in sys.argv[1:]:
        for each, (shift, slope) in choose(rows).items():
            print(f"{each:<24} shift {shift:.3f}  slope {slope:.3f}")
        return
    print("nested: median / mean of the error per configuration in percent, all rows; InferenceX-style")
    for case in CASES:
        made = fits(rows, case.split, choose=lambda seen: levels(choose(seen)))
        held = anchored(rows, made, case.anchors, {}) if case.anchors else left_out(rows, made)
        every, clean = score(held), score([each for each in held if each.row.campaign == "inferencex"])
        figures = f"{every.median * 100:.1f} / {every.mean * 100:.1f}"
        beyond = f"{clean.median * 100:.1f} / {clean.mean * 100:.1f}"
        print(f"  {case.name:<28}{figures}; {beyond}", flush=True)


if __name__ == "__main__":
    main()
