"""The shipped traffic figures are what their script makes of the raw traces."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "src" / "baseload" / "traffic" / "data"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    path = ROOT / "scripts" / "make_traffic_figures.py"
    spec = importlib.util.spec_from_file_location("make_traffic_figures", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_files_are_the_scripts_output(script: ModuleType, shared: Path) -> None:
    """Byte for byte, and no file beside them."""
    made = script.make(shared / "data" / "traces")
    assert {path.name: path.read_text(encoding="utf-8") for path in DATA.iterdir()} == made


def test_the_shipped_files_are_small() -> None:
    """A package carries figures, not traces: under 100 KB together."""
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 100_000
