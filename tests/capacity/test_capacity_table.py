"""The script that makes the shipped step-time table, and the table it made."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

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


def test_a_fit_finds_the_coefficients_that_made_the_rows(script: ModuleType) -> None:
    """Rows computed from known coefficients give exactly these back, and no error on rows left out."""
    made = np.array([0.015, 4e-5, 6e-8, 7e-5])
    shapes = [
        (c, i, o) for c in (1, 4, 16, 64) for i, o in ((1000, 1000), (1000, 8000), (8000, 1000), (4000, 500))
    ]
    bare = [script.Row(c, i, o, 0.1, 1.0) for c, i, o in shapes]
    rows = [row._replace(tpot_s=tpot) for row, tpot in zip(bare, script.terms(bare) @ made, strict=True)]
    assert script.fit(rows) == pytest.approx(made, rel=1e-6)
    found = script.assess(rows)
    assert found.error == script.ERROR_LEAST
    assert found.shape_error == pytest.approx(0, abs=1e-6)


def test_coefficients_are_never_negative(script: ModuleType) -> None:
    """A term that the data would make negative is dropped instead."""
    rows = [script.Row(c, 1000, 1000, 0.1, 0.02 - 1e-5 * c) for c in (1, 10, 100, 500)]
    assert (script.fit(rows) >= 0).all()


def test_thin_combinations_are_left_out(script: ModuleType) -> None:
    """Fewer than eight rows, or than three shapes, give no fit."""
    rows = [script.Row(c, 1000, 1000, 0.1, 0.02 + 1e-4 * c) for c in range(1, 20)]
    assert script.assess(rows) is None
    assert script.assess(rows[:7]) is None


def test_known_defects_are_cleaned(script: ModuleType, tmp_path: Path) -> None:
    """Queued rows, disaggregated rows and rows with a wrong number of GPUs are dropped, repeats averaged."""
    columns = (
        "mode,model_path,system,precision,backend,concurrency,isl,osl,silicon_ttft_ms,silicon_tpot_ms,"
        "pp_size,attention_dp_size,moe_tp_size,moe_ep_size,tp_size"
    )
    base = "meta-llama/Llama-3.1-70B,h100_sxm,fp8,vllm,4,1024,1024"
    lines = [
        f"agg,{base},100,20,1,1,1,1,2",
        f"agg,{base},100,24,1,1,1,1,2",  # a repeat
        f"disagg,{base},100,99,1,1,1,1,2",
        f"agg,{base},9000,99,1,1,1,1,2",  # queued at admission
        f"agg,{base},100,99,1,1,2,2,4",  # moe_tp and moe_ep both above 1
        f"agg,{base},100,99,1,1,1,1,1".replace("fp8", "bf16"),  # does not fit one GPU
    ]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join([columns, *lines]))
    ((key, rows),) = script.read_rows(file).items()
    assert key == ("meta-llama/Llama-3.1-70B", "H100-SXM", 2, "fp8", "vllm")
    assert [row.tpot_s for row in rows] == [pytest.approx(0.022)]


def test_the_shipped_table_is_what_the_script_makes(script: ModuleType, shared: Path) -> None:
    """The committed file equals a fresh run over the measurements."""
    file = shared / "data" / "engine_perf" / "silicon_measurements.csv"
    assert script.table_text(script.read_rows(file)) == script.TABLE.read_text(encoding="utf-8")
