"""docs/plan.md lists every cost line and every assumption as the code has them."""

from __future__ import annotations

from pathlib import Path

from baseload.plan.assumptions import Assumption, shipped
from baseload.plan.lines import LINES

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "plan.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under this third-level heading."""
    section = DOCS.split(f"\n### {heading}\n")[1].split("\n#")[0]
    rows = [line.strip("|").strip().split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def test_every_cost_line_is_documented_as_it_is() -> None:
    """Name, group and words, in order."""
    assert table("Cost lines") == [[f"`{name}`", kind.group, kind.words] for name, kind in LINES.items()]


def test_every_assumption_is_documented_as_it_is() -> None:
    """Name, value, range, unit, meaning and source, in order."""
    assert table("Assumptions") == [shown(row) for row in shipped()]


def shown(row: Assumption) -> list[str]:
    """A row of the table."""
    value = (
        "–" if row.value is None else f"{row.value:g}" if isinstance(row.value, float) else f"`{row.value}`"
    )
    low_high = "" if row.low is None else f"{row.low:g} … {row.high:g}"
    source = f"{row.source}, {row.as_of}" if row.as_of else row.source
    return [f"`{row.name}`", value, low_high, row.unit.replace("|", ", "), row.meaning, source]
