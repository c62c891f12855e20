"""The plan on a terminal: the answer first, then the table, the break-evens and what it all rests on."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from baseload.plan import words
from baseload.plan.billed import bill_lines
from baseload.plan.model import Plan
from baseload.plan.sizing_words import sizing_lines
from baseload.plan.terminal_months import print_advice, print_economics, print_months
from baseload.plan.terminal_table import table as _table


def print_plan(plan: Plan, console: Console) -> None:
    """Write the plan to this console; readable without colour."""
    console.print(Text(plan.answer, style="bold"))
    for verdict in plan.verdicts:
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
    console.print(_what_if(plan))
    console.print()
    print_months(plan, console)
    console.print()
    print_advice(plan, console)
    console.print()
    console.print(_facts(plan))
    console.print()
    print_economics(plan, console)
    for line in bill_lines(plan.inputs.billed):
        console.print(Text(f"\n{line}"))


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


def _what_if(plan: Plan) -> Table:
    table = _table(
        "What would change the answer", ("if", "left"), ("then", "left"), ("$/month", "right"), ("", "left")
    )
    for each in plan.what_if:
        changed = "changes the answer" if each.flips else ""
        table.add_row(each.change, each.cheapest, words.usd(each.usd_per_month), changed)
    return table


def _facts(plan: Plan) -> Table:
    table = _table(
        "What this rests on", ("", "left"), ("value", "left"), ("source", "left"), ("date", "left")
    )
    for fact in plan.inputs.facts:
        table.add_row(fact.name, fact.value, fact.source, fact.as_of)
    return table
