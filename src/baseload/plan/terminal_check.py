"""A plan beside its ledger, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from baseload.plan import words
from baseload.plan.check import Check
from baseload.plan.terminal_table import table


def print_check(found: Check, console: Console) -> None:
    """The answer, the lines, the causes, and what a ledger cannot tell."""
    console.print(Text(found.answer, style="bold"))
    console.print()
    lines = table(
        f"{found.days:.3g} days as a month",
        ("line", "left"),
        ("planned", "right"),
        ("came", "right"),
        ("", "right"),
    )
    for each in found.lines:
        change = ""
        if each.planned and each.came is not None:
            change = f"{(each.came / each.planned - 1) * 100:+.0f}%"
        lines.add_row(each.line, _cell(each.planned, each.unit), _cell(each.came, each.unit), change)
    console.print(lines)
    console.print()
    causes = table("Why", ("line", "left"), ("$/month", "right"), ("because of", "left"))
    for cause in found.causes:
        causes.add_row(cause.line, f"{'+' if cause.usd >= 0 else '−'}{words.usd(abs(cause.usd))}", cause.why)
    console.print(causes)
    for note in found.notes:
        console.print(Text(f"Note: {note}."))


def _cell(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "share":
        return words.percent(value)
    if unit == "tokens/day":
        return words.tokens(value)
    if unit.startswith("$"):
        return words.usd(value)
    return f"{value:.2f}"
