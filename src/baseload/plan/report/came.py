"""Plan against actual: last month's plan beside the ledger, line by line, and why they differ."""

from __future__ import annotations

from html import escape

from baseload.plan import words
from baseload.plan.check import Check, Difference
from baseload.plan.report.html import link, linked, section, table


def came(found: Check) -> str:
    """Every line as planned and as it came, a bar for how far it moved, then the causes in dollars."""
    rows = []
    for line in found.lines:
        values = (link(_value(value, line.unit), "d-check") for value in (line.planned, line.came))
        rows.append(("", (escape(line.line), *values, _change(line))))
    causes = []
    for cause in found.causes:
        signed = f"{'+' if cause.usd > 0 else '−'}{words.usd(abs(cause.usd))}"
        causes.append(("", (escape(cause.why), link(signed, "d-check"))))
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    return section(
        "Plan against actual",
        f"<p><b>{linked(found.answer, 'd-check')}</b></p>",
        table(("Line", "planned", "came", "difference"), rows, numbers=(1, 2)),
        table(("Why", "$ a month"), causes, numbers=(1,)) if causes else "",
        f"<ul>{notes}</ul>",
    )


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if "token" in unit and "$" not in unit:
        return f"{words.tokens(value)} {unit}"
    if unit == "share":
        return words.percent(value)
    return f"{words.usd(value)}{unit.removeprefix('$')}" if unit.startswith("$") else f"{value:,.3g} {unit}"


def _change(each: Difference) -> str:
    if each.planned is None or each.came is None or not each.planned:
        return ""
    change = each.came / each.planned - 1
    half = min(abs(change), 1.0) * 50
    left = 50 - half if change < 0 else 50
    drawn = f'<i class="stays" style="left:{left:.1f}%;width:{half:.1f}%"></i><u style="left:50%"></u>'
    bar = f'<span class="track" aria-hidden="true">{drawn}</span>'
    return f"{bar}<small>{'+' if change > 0 else '−'}{abs(change) * 100:.0f}%</small>"
