"""How far computed TPOT and TTFT are from measured ones on rows the fit has not seen, beside their bars.

    python -m bench.capacity            # from the repository; ten minutes on one core
    python -m bench.capacity --json

Aggregated serving, the rows of silicon_measurements.csv cleaned by `capacity/measured.py`, configurations
with at least 5 rows, fixed seed; MAPE per configuration, median and mean over configurations, in percent.
Rows are asked as `baseload capacity` is: nobody says whether an engine guessed tokens ahead. What comes out
where that is told stands on a line of its own and has no bar.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from baseload.capacity.first_token import FirstToken, first_token
from baseload.capacity.fitted import fitted
from baseload.capacity.folds import Fold, Split, fits, gpu_of, model_of
from baseload.capacity.measured import Row, read_measurements
from baseload.capacity.validation import (
    Held,
    anchored,
    anchored_ttft,
    coverage,
    first_tokens,
    left_out,
    left_out_closed_loop,
    left_out_ttft,
    score,
    worst,
)

MEASUREMENTS = Path(__file__).resolve().parents[2] / "shared/data/engine_perf/silicon_measurements.csv"
COVERAGE = (0.76, 0.86)


class Case(NamedTuple):
    """One way to leave rows out, with the bars: median and mean of all rows, and of InferenceX-style ones."""

    name: str
    split: Split
    anchors: int
    bar: tuple[float, float]
    beyond: tuple[float, float]


CASES = (
    Case("configuration seen", Split.ROWS, 0, (0.06, 0.10), (0.05, 0.07)),
    Case("configuration not seen", Split.CONFIGURATION, 0, (0.085, 0.13), (0.08, 0.10)),
    Case("model not seen", Split.MODEL, 0, (0.16, 0.24), (0.15, 0.18)),
    Case("GPU not seen", Split.GPU, 0, (0.16, 0.24), (0.15, 0.18)),
    Case("model not seen, two points", Split.MODEL, 2, (0.105, 0.13), (0.10, 0.12)),
    Case("GPU not seen, two points", Split.GPU, 2, (0.105, 0.13), (0.10, 0.12)),
)
NO_BAR = (math.inf, math.inf)
MORE = (
    Case("precision not seen", Split.PRECISION, 0, NO_BAR, NO_BAR),
    Case("shape not seen", Split.SHAPE, 0, NO_BAR, NO_BAR),
    Case("lowest and highest concurrency not seen", Split.ENDS, 0, NO_BAR, NO_BAR),
)
"""Without bars: what else a question may have that no row has."""

OTHER_SEEDS = (1, 2, 3)


class Result(NamedTuple):
    """A case's figures, as shares; `told_*` where speculation is told; `worst_*`: name, error, coverage."""

    name: str
    median: float
    mean: float
    configurations: int
    inferencex_median: float
    inferencex_mean: float
    coverage: float
    worst_model: tuple[str, float, float]
    worst_gpu: tuple[str, float, float]
    told_median: float
    told_mean: float
    told_inferencex_median: float
    told_inferencex_mean: float


class FirstResult(NamedTuple):
    """A case's figures of TTFT, as shares; None where the simulator was not asked."""

    name: str
    median: float
    mean: float
    coverage: float
    simulated_median: float | None
    simulated_mean: float | None


def run(case: Case, rows: Sequence[Row], made: Sequence[Fold] | None = None) -> Result:
    """Leave out, predict, compare. `made` are the split's fits where they have been made before."""
    made = fits(rows, case.split) if made is None else made

    def held(told: bool) -> list[Held]:
        if case.anchors:
            return anchored(rows, made, case.anchors, fitted().quantiles, told=told)
        return left_out(rows, made, told=told)

    found, oracle = held(told=False), held(told=True)
    every, clean = score(found), score(_inferencex(found))
    told, told_clean = score(oracle), score(_inferencex(oracle))
    return Result(
        *(case.name, every.median, every.mean, every.configurations, clean.median, clean.mean),
        *(coverage(found), worst(found, model_of), worst(found, gpu_of)),
        *(told.median, told.mean, told_clean.median, told_clean.mean),
    )


def _inferencex(held: Sequence[Held]) -> list[Held]:
    return [each for each in held if each.row.campaign == "inferencex"]


def run_ttft(
    case: Case, rows: Sequence[Row], made: Sequence[Fold], first: Sequence[FirstToken]
) -> FirstResult:
    """TTFT fitted, and simulated where there are no anchors and rows enough to make it worth its time."""
    if case.anchors:
        held = anchored_ttft(rows, made, first, case.anchors, first_token().quantiles)
    else:
        held = left_out_ttft(rows, made, first)
    found, share = score(held), coverage(held)
    if case.anchors or case.bar == NO_BAR:
        return FirstResult(case.name, found.median, found.mean, share, None, None)
    simulated = score(left_out_closed_loop(rows, made))
    return FirstResult(case.name, found.median, found.mean, share, simulated.median, simulated.mean)


def everything(rows: Sequence[Row]) -> tuple[list[Result], list[FirstResult]]:
    """All cases, each split fitted once."""
    made: dict[Split, list[Fold]] = {}
    first: dict[Split, list[FirstToken]] = {}
    results, firsts = [], []
    for case in (*CASES, *MORE):
        if case.split not in made:
            made[case.split] = fits(rows, case.split)
            first[case.split] = first_tokens(rows, made[case.split], first_token().octave)
        results.append(run(case, rows, made[case.split]))
        firsts.append(run_ttft(case, rows, made[case.split], first[case.split]))
    return results, firsts


def _percent(value: float) -> str:
    return f"{value * 100:.1f}"


def _pair(median: float, mean: float) -> str:
    return f"{_percent(median)} / {_percent(mean)}"


def _met(found: tuple[float, float], bar: tuple[float, float]) -> str:
    if bar == NO_BAR:
        return f"{_pair(*found)} (no bar)"
    said = "met" if found[0] <= bar[0] and found[1] <= bar[1] else "MISSED"
    return f"{_pair(*found)} (bar {bar[0] * 100:g} / {bar[1] * 100:g}: {said})"


def _print_tpot(case: Case, result: Result) -> None:
    print(f"\n{result.name} ({result.configurations} configurations)")
    print(f"  all rows             {_met((result.median, result.mean), case.bar)}")
    clean = (result.inferencex_median, result.inferencex_mean)
    print(f"  InferenceX-style     {_met(clean, case.beyond)}")
    told = _pair(result.told_median, result.told_mean)
    told_clean = _pair(result.told_inferencex_median, result.told_inferencex_mean)
    print(f"  speculation told     {told}; InferenceX-style {told_clean}")
    print(f"  80% interval covers  {_percent(result.coverage)}")
    for what, (name, error, inside) in (("model", result.worst_model), ("GPU", result.worst_gpu)):
        print(f"  worst {what:<14} {name}: error {_percent(error)}, covered {_percent(inside)}")


def _print_ttft(result: FirstResult) -> None:
    said = f"{_pair(result.median, result.mean)}, covered {_percent(result.coverage)}"
    if result.simulated_median is not None and result.simulated_mean is not None:
        said += f"; simulated {_pair(result.simulated_median, result.simulated_mean)}"
    print(f"  {result.name:<40} {said}")


def main() -> None:
    """Print the table."""
    rows, dropped = read_measurements(MEASUREMENTS)
    results, firsts = everything(rows)
    if "--json" in sys.argv[1:]:
        said = {"tpot": [each._asdict() for each in results], "ttft": [each._asdict() for each in firsts]}
        print(json.dumps(said, indent=2))
        return
    print(f"{len(rows)} rows; left out: {', '.join(f'{n} {why}' for why, n in dropped.most_common())}")
    print("TPOT, MAPE per configuration in percent, median / mean over configurations")
    for case, result in zip((*CASES, *MORE), results, strict=True):
        _print_tpot(case, result)
    print("\nconfiguration not seen, other folds (median / mean of all rows)")
    for seed in OTHER_SEEDS:
        found = score(left_out(rows, fits(rows, Split.CONFIGURATION, seed)))
        print(f"  seed {seed}: {_pair(found.median, found.mean)}")
    print("\nTTFT of closed-loop runs, the same (no bar; AIConfigurator publishes 30 to 55)")
    for each in firsts:
        _print_ttft(each)


if __name__ == "__main__":
    main()
