"""The script that makes the shipped capacity tables, and the tables it made."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from baseload.capacity.fitted import fitted
from baseload.capacity.fitting import fit
from baseload.capacity.measured import Row, read_measurements

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/make_capacity_table.py as a module."""
    spec = importlib.util.spec_from_file_location(
        "make_capacity_table", ROOT / "scripts/make_capacity_table.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(shared: Path) -> list[Row]:
    """The clean rows of the measurements."""
    return read_measurements(shared / "data" / "engine_perf" / "silicon_measurements.csv")[0]


def test_the_shipped_tables_are_what_the_script_makes(script: ModuleType, rows: list[Row]) -> None:
    """A fresh fit gives the committed efficiencies and effects, in every digit kept but the last."""
    made, held = fit(rows), fitted()
    assert made.efficiencies == pytest.approx(held.efficiencies, rel=1e-4)
    assert set(made.effects) == set(held.effects)
    for key, effect in made.effects.items():
        assert effect.rows == held.effects[key].rows
        assert effect.weights == pytest.approx(held.effects[key].weights, abs=2e-4), key


def test_the_shipped_step_times_are_drawn_from_the_shipped_fit(script: ModuleType, rows: list[Row]) -> None:
    """The committed coefficients equal a fresh drawing."""
    file = script.DATA / script.TABLE
    assert script.step_times_text(rows) == file.read_text(encoding="utf-8")


def test_no_measured_row_is_shipped(script: ModuleType, rows: list[Row]) -> None:
    """The tables hold derived figures: fewer lines than rows, and none of the measured times."""
    text = "".join((script.DATA / name).read_text("utf-8") for name in ("tpot_effects.csv", "step_times.csv"))
    assert text.count("\n") < len(rows) / 2
    assert not any(f",{row.tpot_s * 1e3:.4f}," in text for row in rows)
