"""Plan against actual: last month's plan beside the ledger, line by line, and why they differ."""

from __future__ import annotations

from html import escape

from baseload.plan.check import Check, Difference
from baseload.plan.report import titles
from baseload.plan.report.html import linked, section, table
from baseload.plan.tables import came as tables


def came(found: Check) -> str:
    """Every line as planned and as it came, a bar for how far it moved, then the causes in dollars."""

    def moved(row: int, column: int, cell: str) -> str:
        return f"{_bar(found.lines[row])}<small>{cell}</small>" if column == 3 and cell else cell

    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    return section(
        titles.CAME,
        f"<p><b>{linked(found.answer, 'd-check')}</b></p>",
        table(tables.lines(found), moved),
        table(tables.causes(found)) if found.causes else "",
        f"<ul>{notes}</ul>",
    )


def _bar(each: Difference) -> str:
    """How far a line moved, from the middle to the left or to the right, at most by all of it."""
    if each.planned is None or each.came is None or not each.planned:
        return ""
    change = each.came / each.planned - 1
    half = min(abs(change), 1.0) * 50
    left = 50 - half if change < 0 else 50
    drawn = f'<i class="stays" style="left:{left:.1f}%;width:{half:.1f}%"></i><u style="left:50%"></u>'
    return f'<span class="track" aria-hidden="true">{drawn}</span>'
