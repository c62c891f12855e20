"""Make the capacity model's shipped tables from published engine measurements.

    python scripts/make_capacity_table.py [MEASUREMENTS.csv]

Input: the aggregated-serving rows of silicon_measurements.csv (NVIDIA aiconfigurator's silicon sample,
Apache-2.0), cleaned by `capacity/measured.py`. Output in src/baseload/capacity/data, derived figures only:

tpot_efficiencies.csv   how many times its data-sheet time each physical term takes
tpot_effects.csv        corrections that groups of rows have shown, with the number of rows
tpot_intervals.csv      quantiles that cover 80% of rows left out, by what was left out
step_times.csv          the four step-time coefficients of every configuration with rows
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from baseload.capacity import fitted as shipped
from baseload.capacity.fitted import EFFECTS, EFFICIENCIES, QUANTILES, Fitted, Novelty
from baseload.capacity.fitting import fit
from baseload.capacity.levels import BASIS
from baseload.capacity.measured import Row, read_measurements
from baseload.capacity.steptime import MEASURED_COLUMNS, REFERENCE, TABLE, draw, key_of, measured_table
from baseload.capacity.terms import TERMS, Setup
from baseload.capacity.validation import configuration, quantiles

ROOT = Path(__file__).resolve().parent.parent
MEASUREMENTS = ROOT.parent / "shared" / "data" / "engine_perf" / "silicon_measurements.csv"
DATA = ROOT / "src" / "baseload" / "capacity" / "data"
SOURCE = "aiconfigurator-core 0.12.0 silicon sample (NVIDIA)"
MADE = "Made by scripts/make_capacity_table.py, do not edit."
FROM = f"Source: {SOURCE}, Apache-2.0, measured 2025-10 to 2026-04, fitted 2026-11-24."


def _table(what: str, columns: Sequence[str], lines: Sequence[str]) -> str:
    return "\n".join((f"# {what}", f"# {MADE}", f"# {FROM}", ",".join(columns), *lines)) + "\n"


def efficiencies_text(made: Fitted) -> str:
    """Factor on each physical term."""
    lines = [f"{name},{value:.6g}" for name, value in zip(TERMS, made.efficiencies, strict=True)]
    return _table("Times its data-sheet time that each term of TPOT takes.", ("term", "efficiency"), lines)


def effects_text(made: Fitted) -> str:
    """Weights of each group; those below a ten-thousandth are left empty."""
    speculative = [0.0] * len(BASIS)
    speculative[0], speculative[BASIS.index("concurrency")] = made.speculative
    rows = {("speculative", ""): (0, speculative)}
    rows |= {key: (effect.rows, list(effect.weights)) for key, effect in made.effects.items()}
    lines = []
    for (level, group), (count, weights) in rows.items():
        cells = (f"{weight:.4f}" if abs(weight) >= 5e-5 else "" for weight in weights)
        lines.append(f"{level},{group},{count},{','.join(cells)}")
    return _table(
        "Corrections of log TPOT by group of measured rows (capacity/levels.py).",
        ("level", "group", "rows", *BASIS),
        lines,
    )


def quantiles_text(found: Mapping[Novelty, float]) -> str:
    """What the interval's spread is multiplied with."""
    lines = [f"{novelty},{value:.4f}" for novelty, value in found.items()]
    return _table("Quantiles of error over spread on rows left out, 80%.", ("case", "quantile"), lines)


def step_times_text(rows: Sequence[Row]) -> str:
    """The drawn coefficients of every configuration, from the tables that are shipped now."""
    setups: dict[str, Setup] = {}
    for row in rows:
        setups.setdefault(configuration(row), row.setup)
    lines = []
    for name, setup in sorted(setups.items()):
        coefficients, drawn_error = draw(setup)
        estimate = shipped.fitted().estimate(setup, REFERENCE)
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
    made = fit(rows)
    (DATA / EFFICIENCIES).write_text(efficiencies_text(made), encoding="utf-8")
    (DATA / EFFECTS).write_text(effects_text(made), encoding="utf-8")
    found = quantiles(rows)
    (DATA / QUANTILES).write_text(quantiles_text(found), encoding="utf-8")
    shipped.fitted.cache_clear()
    (DATA / TABLE).write_text(step_times_text(rows), encoding="utf-8")
    measured_table.cache_clear()
    for novelty, value in found.items():
        print(f"  {value:.2f} x spread covers 80%: {novelty}")


if __name__ == "__main__":
    main()
