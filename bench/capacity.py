"""How far computed TPOT is from measured TPOT on rows the fit has not seen, beside the bars it is held to.

    python -m bench.capacity            # from the repository; five minutes on one core
    python -m bench.capacity --json

Aggregated serving, the rows of silicon_measurements.csv cleaned by `capacity/measured.py`, configurations
with at least 5 rows, fixed seed; MAPE per configuration, median and mean over configurations, in percent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from baseload.capacity.fitted import Novelty, fitted
from baseload.capacity.measured import Row, read_measurements
from baseload.capacity.validation import (
    Held,
    Split,
    anchored,
    coverage,
    covered,
    gpu_of,
    left_out,
    left_out_closed_loop,
    left_out_ttft,
    model_of,
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


OTHER_SEEDS = (1, 2, 3)
TTFT_CASES = tuple(case for case in CASES if not case.anchors)


class Result(NamedTuple):
    """A case's figures, as shares; `worst_*` are name, mean error and coverage of the worst group."""

    name: str
    median: float
    mean: float
    configurations: int
    inferencex_median: float
    inferencex_mean: float
    coverage: float
    worst_model: tuple[str, float, float]
    worst_gpu: tuple[str, float, float]


def run(case: Case, rows: Sequence[Row]) -> Result:
    """Leave out, predict, compare."""
    held: list[Held] = (
        anchored(rows, case.split, case.anchors) if case.anchors else left_out(rows, case.split)
    )
    # anchors take the measured configurations' shipped quantile; else each fold's is taken from the others
    share = covered(held, fitted().quantiles[Novelty.MEASURED]) if case.anchors else coverage(held)
    every, clean = score(held), score([each for each in held if each.row.campaign == "inferencex"])
    return Result(
        *(case.name, every.median, every.mean, every.configurations, clean.median, clean.mean),
        *(share, worst(held, model_of), worst(held, gpu_of)),
    )


def run_ttft(case: Case, rows: Sequence[Row]) -> tuple[float, float, float]:
    """Median and mean of TTFT's error per configuration, and its coverage."""
    held = left_out_ttft(rows, case.split)
    found = score(held)
    return found.median, found.mean, coverage(held)


def run_closed_loop(case: Case, rows: Sequence[Row]) -> tuple[float, float]:
    """Median and mean of the error of TTFT as the batching simulator has it, per configuration."""
    found = score(left_out_closed_loop(rows, case.split))
    return found.median, found.mean


def _percent(value: float) -> str:
    return f"{value * 100:.1f}"


def _met(found: tuple[float, float], bar: tuple[float, float]) -> str:
    said = "met" if found[0] <= bar[0] and found[1] <= bar[1] else "MISSED"
    return f"{_percent(found[0])} / {_percent(found[1])} (bar {bar[0] * 100:g} / {bar[1] * 100:g}: {said})"


def main() -> None:
    """Print the table."""
    rows, dropped = read_measurements(MEASUREMENTS)
    results = [run(case, rows) for case in CASES]
    if "--json" in sys.argv[1:]:
        print(json.dumps([result._asdict() for result in results], indent=2))
        return
    print(f"{len(rows)} rows; left out: {', '.join(f'{n} {why}' for why, n in dropped.most_common())}")
    print("TPOT, MAPE per configuration in percent, median / mean over configurations")
    for case, result in zip(CASES, results, strict=True):
        print(f"\n{result.name} ({result.configurations} configurations)")
        print(f"  all rows             {_met((result.median, result.mean), case.bar)}")
        clean = (result.inferencex_median, result.inferencex_mean)
        print(f"  InferenceX-style     {_met(clean, case.beyond)}")
        print(f"  80% interval covers  {_percent(result.coverage)}")
        for what, (name, error, inside) in (
            ("model", result.worst_model),
            ("GPU", result.worst_gpu),
        ):
            print(f"  worst {what:<14} {name}: error {_percent(error)}, covered {_percent(inside)}")
    print("\nconfiguration not seen, other folds (median / mean of all rows)")
    for seed in OTHER_SEEDS:
        found = score(left_out(rows, Split.CONFIGURATION, seed))
        print(f"  seed {seed}: {_percent(found.median)} / {_percent(found.mean)}")
    print("\nTTFT of closed-loop runs, the same (no bar)")
    for case in TTFT_CASES:
        median, mean, inside = run_ttft(case, rows)
        print(f"  {case.name:<24} {_percent(median)} / {_percent(mean)}, covered {_percent(inside)}")
    print("\nTTFT of the same runs from the simulator (AIConfigurator publishes 30 to 55)")
    for case in TTFT_CASES:
        print(f"  {case.name:<24} {' / '.join(map(_percent, run_closed_loop(case, rows)))}")


if __name__ == "__main__":
    main()
