"""docs/traffic.md says what the code does: names compared both ways, examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from baseload.traffic.columns import USUAL_NAMES
from baseload.traffic.read import Format
from baseload.traffic.timestamps import Unit

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "traffic.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading."""
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_format_is_documented_and_no_other() -> None:
    """The first column of the formats' table is the enum."""
    assert re.findall(r"^\| `(\w+)` \|", section("Formats"), re.M) == [kind.value for kind in Format]


def test_usual_column_names_are_documented_and_no_others() -> None:
    """The table of fields is the table in the code, in its order."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section("Columns"), re.M)
    documented = {field: tuple(re.findall(r"`(\w+)`", names)) for field, names in rows}
    assert documented == USUAL_NAMES


def test_units_are_documented() -> None:
    """Every unit an arrival can have is named."""
    assert all(f"`{unit.value}`" in section("Columns") for unit in Unit)


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python example on the page runs as it is written, on a log with the columns it names."""
    rows = "".join(f"{1_700_000_000_000 + second * 1000},100,10,chat\n" for second in range(60))
    (tmp_path / "log.csv").write_text("ts,prompt_tokens,completion_tokens,model\n" + rows)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, "docs/traffic.md", "exec"), {})
