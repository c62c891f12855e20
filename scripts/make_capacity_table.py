"""Make the capacity model's shipped tables from published engine measurements.

    python scripts/make_capacity_table.py [MEASUREMENTS.csv]

Input: the aggregated-serving rows of silicon_measurements.csv (NVIDIA aiconfigurator's silicon sample,
Apache-2.0), cleaned by `capacity/measured.py`. Output in src/baseload/capacity/data, derived figures only:

tpot_efficiencies.csv   how many times its data-sheet time each physical term takes
tpot_effects.csv        corrections that groups of rows have shown, with the number of rows
tpot_intervals.csv      quantiles that cover 80% of rows left out, by what was left out
ttft_*.csv              the same three for TTFT
measured_loads.csv      between which loads each configuration was measured
step_times.csv          the four step-time coefficients of every configuration with rows
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from baseload.capacity import first_token, fitted
from baseload.capacity.anchors import ANCHORED
from baseload.capacity.first_token import OCTAVE, Range
from baseload.capacity.fitted import Effect, Novelty
from baseload.capacity.fitting import fit, fit_first_token
from baseload.capacity.folds import Split, asked, configuration, fits
from baseload.capacity.levels import BASIS
from baseload.capacity.measured import Row, read_measurements
from baseload.capacity.steptime import MEASURED_COLUMNS, REFERENCE, TABLE, draw, key_of
from baseload.capacity.terms import TERMS, Load, Setup
from baseload.capacity.validation import (
    CASES,
    anchored,
    anchored_ttft,
    first_tokens,
    left_out,
    left_out_ttft,
    octave,
    octaves,
    quantile,
)

ROOT = Path(__file__).resolve().parent.parent
MEASUREMENTS = ROOT.parent / "shared" / "data" / "engine_perf" / "silicon_measurements.csv"
DATA = ROOT / "src" / "baseload" / "capacity" / "data"
SOURCE = "aiconfigurator-core 0.12.0 silicon sample (NVIDIA)"
MADE = "Made by scripts/make_capacity_table.py, do not edit."
FROM = f"Source: {SOURCE}, Apache-2.0, measured 2025-10 to 2026-04, fitted 2026-11-24."

POINTS = 2
"""Anchors with which the interval beside anchors is taken."""

MAKER_FACTOR = 1.5
"""An assumption: how many times wider the widest interval is for GPUs of a maker that no row is from."""


def _table(what: str, columns: Sequence[str], lines: Sequence[str]) -> str:
    return "\n".join((f"# {what}", f"# {MADE}", f"# {FROM}", ",".join(columns), *lines)) + "\n"


def factors_text(what: str, column: str, factor: str, names: Sequence[str], values: Sequence[float]) -> str:
    """Factor on each term."""
    lines = [f"{name},{value:.6g}" for name, value in zip(names, values, strict=True)]
    return _table(what, (column, factor), lines)


def effects_text(
    what: str, features: Sequence[str], effects: Mapping[tuple[str, str], Effect], places: int
) -> str:
    """Weights of each group, rounded; those that vanish are left empty."""
    lines = []
    for (level, group), (count, weights, guessed) in effects.items():
        cells = (f"{w:.{places}f}" if abs(w) >= 0.5 / 10**places else "" for w in weights)
        lines.append(f"{level},{group},{count},{guessed or ''},{','.join(cells)}")
    about = f"Corrections of log {what} by group of measured rows (capacity/levels.py)."
    return _table(about, ("level", "group", "rows", "speculative", *features), lines)


def quantiles_text(what: str, found: Mapping[str, float]) -> str:
    """What covers 80% of rows left out."""
    lines = [f"{case},{value:.4f}" for case, value in found.items()]
    return _table(what, ("case", "quantile"), lines)


def ranges_text(ranges: Mapping[str, Range]) -> str:
    """The lowest and highest of each quantity by configuration; no name: of all rows."""
    ends = [f"{name}_{end}" for end in ("from", "to") for name in Load._fields]
    lines = [f"{name},{','.join(f'{x:g}' for end in each for x in end)}" for name, each in ranges.items()]
    return _table("Loads between which each configuration was measured.", ("configuration", *ends), lines)


def fitted_texts(rows: Sequence[Row]) -> dict[str, str]:
    """The tables of efficiencies, factors, effects and loads, by file name."""
    made = fit(rows)
    first = fit_first_token(rows, made)
    weights = [0.0] * len(BASIS)
    weights[0], weights[BASIS.index("concurrency")] = made.speculative
    effects = {("speculative", ""): Effect(0, tuple(weights)), **made.effects}
    times = "Times its data-sheet time that each term of TPOT takes."
    guessed = "Factor on each part of TTFT (capacity/first_token.py)."
    return {
        fitted.EFFICIENCIES: factors_text(times, "term", "efficiency", TERMS, made.efficiencies),
        fitted.EFFECTS: effects_text("TPOT", BASIS, effects, 4),
        first_token.FACTORS: factors_text(guessed, "part", "factor", first_token.PARTS, first.factors),
        first_token.EFFECTS: effects_text("TTFT", first_token.WEIGHTS, first.effects, 3),
        first_token.RANGES: ranges_text(first.ranges),
    }


def quantile_texts(rows: Sequence[Row]) -> dict[str, str]:
    """The tables of interval quantiles, by file name."""
    tpot: dict[str, float] = {}
    ttft: dict[str, float] = {}
    made = {split: fits(rows, split) for split in (*CASES.values(), Split.ENDS)}
    first = {split: first_tokens(rows, each) for split, each in made.items()}
    for case, split in CASES.items():
        tpot[case] = quantile(left_out(rows, made[split]))
        ttft[case] = quantile(left_out_ttft(rows, made[split], first[split]))
    for found in (tpot, ttft):
        unsure(found)
    new = (Split.MODEL, Split.GPU)
    tpot[ANCHORED] = quantile([each for split in new for each in anchored(rows, made[split], POINTS, tpot)])
    ttft[ANCHORED] = quantile(
        [each for split in new for each in anchored_ttft(rows, made[split], first[split], POINTS, ttft)]
    )
    ends = left_out_ttft(rows, made[Split.ENDS], first[Split.ENDS])
    distances = octaves(rows, made[Split.ENDS], first[Split.ENDS])
    ttft[OCTAVE] = octave(ends, distances, ttft[Novelty.MEASURED])
    return {
        fitted.QUANTILES: quantiles_text("Error of log TPOT over its spread, 80% of rows left out.", tpot),
        first_token.QUANTILES: quantiles_text(
            "Error of log TTFT over its spread, 80% of rows left out; what an octave adds to the spread.",
            ttft,
        ),
    }


def unsure(found: dict[str, float]) -> None:
    """Knowing less is never surer: several unknowns, and a maker nobody measured, which no row can judge."""
    found[Novelty.PRECISION] = max(found[Novelty.PRECISION], found[Novelty.CONFIGURATION])
    known = [found[case] for case in (Novelty.PRECISION, Novelty.GPU, Novelty.MODEL, Novelty.SEVERAL)]
    found[Novelty.SEVERAL] = max(known)
    found[Novelty.MAKER] = MAKER_FACTOR * found[Novelty.SEVERAL]


def step_times_text(rows: Sequence[Row]) -> str:
    """The drawn coefficients of every configuration, from the tables that are shipped now."""
    setups: dict[str, Setup] = {}
    for row in rows:
        setups.setdefault(configuration(row), asked(row))
    lines = []
    for name, setup in sorted(setups.items()):
        coefficients, drawn_error = draw(setup)
        estimate = fitted.fitted().estimate(setup, REFERENCE)
        numbers = ",".join(f"{value:.6g}" for value in coefficients)
        key = ",".join(map(str, key_of(setup)))
        count = sum(configuration(row) == name for row in rows)
        lines.append(f"{key},{numbers},{count},{estimate.error:.3f},{drawn_error:.3f},{SOURCE}")
    what = "Step-time coefficients in seconds; error: half-width of the 80% interval at 16 x 1024/1024."
    return _table(what, MEASURED_COLUMNS, lines)


def main() -> None:
    """Write the tables and say what went in."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else MEASUREMENTS
    rows, dropped = read_measurements(file)
    print(f"{len(rows)} rows of {len({configuration(row) for row in rows})} configurations")
    for why, count in dropped.most_common():
        print(f"  {count:>5} left out: {why}")
    for name, text in (fitted_texts(rows) | quantile_texts(rows)).items():
        (DATA / name).write_text(text, encoding="utf-8")
    fitted.fitted.cache_clear()
    (DATA / TABLE).write_text(step_times_text(rows), encoding="utf-8")
    for name in (fitted.QUANTILES, first_token.QUANTILES):
        print((DATA / name).read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
