"""Plan against actual in tables: every line as planned and as it came, and the causes in dollars."""

from __future__ import annotations

from baseload.plan import words
from baseload.plan.check import Check, Difference
from baseload.plan.tables.table import Cell, Table, row, table


def lines(found: Check) -> Table:
    """Each line, what was planned, what came, and by how much that is off."""
    rows = [
        row(
            each.line,
            Cell(_shown(each.planned, each.unit), "d-check"),
            Cell(_shown(each.came, each.unit), "d-check"),
            Cell(change(each), "d-check"),
        )
        for each in found.lines
    ]
    headings = ("Line", "planned", "came", "difference")
    return table(f"{found.days:.3g} days as a month", headings, rows, (1, 2, 3))


def causes(found: Check) -> Table:
    """Why the dollars differ, largest parts as they were split."""
    rows = []
    for each in found.causes:
        signed = f"{'+' if each.usd >= 0 else ''}{words.usd(round(each.usd, 2))}"
        rows.append(row(each.line, Cell(signed, "d-check"), each.why))
    return table("Why", ("Line", "$ a month", "because of"), rows, (1,))


def change(each: Difference) -> str:
    """How far a line moved: `+12%`, `−3%`, `±0%`; empty where nothing was planned."""
    if each.planned is None or each.came is None or not each.planned:
        return ""
    moved = f"{(each.came / each.planned - 1) * 100:+.0f}%".replace("-", "−")
    return "±0%" if moved in ("+0%", "−0%") else moved


def _shown(value: float | None, unit: str) -> str:
    return "–" if value is None else words.figure(value, unit)
