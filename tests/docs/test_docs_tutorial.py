"""docs/tutorial.ipynb runs as it stands, and shows what it says it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]


def tutorial() -> Any:
    """The notebook as it is kept."""
    read: Any = nbformat.read
    return read(ROOT / "docs" / "tutorial.ipynb", as_version=4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a trace to a report in an empty folder, in a kernel of its own; a plan alone shows its picture."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    notebook = tutorial()
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert len(shown) == 1
    assert "<svg" in shown[0]
    printed = "".join(output.get("text", "") for output in outputs)
    assert re.search(r"^owned +\$ *[\d,]+ a month", printed, re.MULTILINE)
    assert "over 36 months" in printed
    assert (tmp_path / "plan.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_tutorial_is_kept_without_outputs() -> None:
    """What it prints is made when it is run: a stored output would age."""
    notebook = tutorial()
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")
