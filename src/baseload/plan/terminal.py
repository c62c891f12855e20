"""The plan on a terminal: the decision on a page or two, everything behind it where that is asked for."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from baseload.plan import words
from baseload.plan.billed import bill_lines
from baseload.plan.model import Plan
from baseload.plan.sizing_words import sizing_lines
from baseload.plan.terminal_months import print_advice, print_economics, print_in_short, print_months
from baseload.plan.terminal_table import table as _table


def print_plan(plan: Plan, console: Console, *, full: bool = False) -> None:
    """Write the plan to this console; readable without colour.

    The answer, the options of a month, the break-evens, what would change the answer, 36 months and the
    advice in short, and what it rests on. `full`: cost lines, risk, layers, reasons and assumptions too.
    """
    console.print(Text(plan.answer, style="bold"))
    for verdict in plan.told:
        console.print(Text(verdict))
    for line in sizing_lines(plan.inputs):
        console.print(Text(line))
    console.print()
    console.print(_options(plan))
    console.print()
    console.print(Text("Break-even", style="bold"))
    for found in plan.break_even:
        console.print(Text(found.words))
    console.print()
    _print_what_if(plan, console, full=full)
    console.print()
    if full:
        print_months(plan, console)
        console.print()
        print_advice(plan, console)
    else:
        print_in_short(plan, console)
    console.print()
    console.print(_facts(plan))
    console.print()
    for line in bill_lines(plan.inputs.billed):
        console.print(Text(f"{line}\n"))
    if full:
        print_economics(plan, console)
    else:
        console.print(
            Text("--full: cost lines, risk, layers, reasons and assumptions too; --html FILE: the report")
        )


def _options(plan: Plan) -> Table:
    volume = words.tokens(plan.inputs.tokens_per_day)
    table = _table(
        f"A month at {volume} tokens/day",
        ("option", "left"),
        ("$/month", "right"),
        ("$/M tokens", "right"),
        ("replicas", "right"),
        ("owned tokens", "right"),
        ("use", "right"),
    )
    cheapest = plan.cheapest
    for option in plan.options:
        mark = "← cheapest" if option is cheapest else ""
        table.add_row(
            f"{option.name} {mark}".strip(),
            words.usd(option.usd_per_month),
            words.usd_per_million(option.usd_per_million).removesuffix("/M"),
            words.replicas_cell(option.replicas, option.spare_replicas),
            words.percent(option.owned_tokens_share),
            words.percent(option.use) if option.replicas else "–",
            style="bold" if option is cheapest else "",
        )
    return table


def _print_what_if(plan: Plan, console: Console, *, full: bool) -> None:
    """What would change the answer; of the rest, where not all are shown, how many do not."""
    shown = [each for each in plan.what_if if each.flips or full]
    if not shown:
        console.print(Text("What would change the answer: none of the inputs tried", style="bold"))
        return
    found = _table("What would change the answer", ("if", "left"), ("then", "left"), ("$/month", "right"))
    for each in shown:
        then = each.cheapest if each.flips else "as it is"
        found.add_row(each.change, then, words.usd(each.usd_per_month))
    console.print(found)
    if not full and len(shown) < len(plan.what_if):
        rest = ", ".join(each.change for each in plan.what_if if not each.flips)
        console.print(Text(f"Not so: {rest}."))


def _facts(plan: Plan) -> Table:
    table = _table(
        "What this rests on", ("", "left"), ("value", "left"), ("source", "left"), ("date", "left")
    )
    for fact in plan.inputs.facts:
        table.add_row(fact.name, fact.value, fact.source, fact.as_of)
    return table
