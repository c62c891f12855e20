"""docs/translation.md says what the matrix says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from baseload.gateway.site import ENDPOINTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "translation.md"


def script() -> ModuleType:
    """scripts/make_reference_docs.py as a module."""
    spec = importlib.util.spec_from_file_location(
        "make_reference_docs", ROOT / "scripts" / "make_reference_docs.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_the_matrix() -> None:
    """Every field and dialect, and no other; if not: python scripts/make_reference_docs.py."""
    page = PAGE.read_text()
    assert script().with_matrix(page) == page


def test_the_paths_are_those_that_translate() -> None:
    """Each path with a dialect is listed with it."""
    page = PAGE.read_text()
    for path, endpoint in ENDPOINTS.items():
        row = f"| `{path.decode()}` | {endpoint.dialect.value if endpoint.dialect else ''}:"
        assert (row in page) == (endpoint.dialect is not None)
