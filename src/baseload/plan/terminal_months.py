"""24 and 36 months, their risk, and the advice, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from baseload.plan import words
from baseload.plan.layers import METERED, layered
from baseload.plan.model import Plan
from baseload.plan.portfolio import GAP
from baseload.plan.reasons import Side
from baseload.plan.tables.words import leaving, people
from baseload.plan.tco import OptionTco
from baseload.plan.terminal_table import table

SHOWN_BARS = 6
"""Figures shown of those that matter: the rest is in the data."""

SHOWN_LINES = 12


def print_months(plan: Plan, console: Console) -> None:
    """Totals with their percentiles, the largest lines, what matters most, regret, layers and classes."""
    console.print(Text(plan.tco.words))
    console.print()
    console.print(_totals(plan))
    for part in (_lines(plan), _tornado(plan), _regret(plan), _layers(plan), _portfolio(plan)):
        if part is not None and part.row_count:
            console.print()
            console.print(part)


def print_in_short(plan: Plan, console: Console) -> None:
    """36 months and the advice in a few lines; what the inputs tried would change stands elsewhere."""
    console.print(_totals(plan))
    console.print()
    advice = plan.advice
    console.print(Text(advice.recommendation, style="bold"))
    for name, why in advice.ruled_out:
        console.print(Text(f"Ruled out: {name}: {why}."))
    tried = tuple(each.change for each in plan.what_if)
    for line in advice.would_change:
        if not line.startswith(tried):
            console.print(Text(f"- {line}"))
    if advice.ask:
        questions = "1 question" if len(advice.ask) == 1 else f"{len(advice.ask)} questions"
        console.print(Text(f"{questions} that only you can answer: baseload plan --interview"))


def print_advice(plan: Plan, console: Console) -> None:
    """The recommendation, the twelve reasons, what would change it, lock-in, people and open questions."""
    advice = plan.advice
    console.print(Text("Advice", style="bold"))
    console.print(Text(advice.recommendation))
    for name, why in advice.ruled_out:
        console.print(Text(f"Ruled out: {name}: {why}."))
    console.print()
    console.print(_reasons(plan))
    console.print()
    for heading, lines in (("Would change it", advice.would_change), ("Locked in", advice.locked_in)):
        for line in lines:
            console.print(Text(f"{heading}: {line}."))
    console.print(Text(f"Leaving costs {leaving(advice)}."))
    for step in people(advice):
        console.print(Text(f"People: {step}."))
    for _, question in advice.ask:
        console.print(Text(f"You tell us (baseload plan --interview): {question}"))


def print_economics(plan: Plan, console: Console) -> None:
    """The figures of the months that somebody states or only the user can; how many are assumed is said."""
    found = table(
        "What the months rest on besides",
        ("", "left"),
        ("value", "left"),
        ("source", "left"),
        ("date", "left"),
    )
    rows = list(plan.inputs.assumptions)
    for row in rows:
        if row.assumed:
            continue
        value = words.figure(row.value, row.unit)
        found.add_row(f"{row.name}: {row.meaning}", value, row.source, row.as_of)
    console.print(found)
    assumed = sum(row.assumed for row in rows)
    console.print(
        Text(f"{assumed} more are assumptions: docs/plan.md and --json list them; --set replaces any.")
    )


def _totals(plan: Plan) -> Table:
    found = table(
        "24 and 36 months",
        ("option", "left"),
        ("24", "right"),
        ("36", "right"),
        ("P10", "right"),
        ("P50", "right"),
        ("P90", "right"),
        ("cheapest in", "right"),
        ("idle GPUs", "right"),
    )
    bands = {band.name: band for band in plan.risk.bands}
    for each in plan.tco.options:
        band = bands[each.option.name]
        amounts = (each.usd_24, each.usd_36, *band.usd_36)
        cheapest = words.percent(band.probability_cheapest)
        idle = words.percent(each.idle_usd / each.gpu_usd) if each.gpu_usd else "–"
        found.add_row(each.option.name, *(words.short_usd(amount) for amount in amounts), cheapest, idle)
    return found


def _lines(plan: Plan) -> Table:
    """The largest lines of what is recommended."""
    each: OptionTco = plan.tco.cheapest
    chosen = plan.advice.option
    each = next((one for one in plan.tco.options if one.option.name == chosen), each)
    found = table(
        f"Lines of {each.option.name}", ("line", "left"), ("24 months", "right"), ("36 months", "right")
    )
    largest = sorted(each.lines, key=lambda line: -abs(line.usd_36))[:SHOWN_LINES]
    for line in largest:
        if line.usd_36:
            found.add_row(line.words, words.usd(line.usd_24), words.usd(line.usd_36))
    return found


def _tornado(plan: Plan) -> Table:
    found = table(
        f"What matters most: {plan.risk.recommended} saves over {plan.risk.over} in 36 months",
        ("if", "left"),
        ("is", "right"),
        ("saves", "right"),
        ("or is", "right"),
        ("saves", "right"),
        ("", "left"),
    )
    for bar in plan.risk.tornado[:SHOWN_BARS]:
        flips = "changes the answer" if bar.flips else ""
        low, high = words.usd(bar.saves_low_usd), words.usd(bar.saves_high_usd)
        found.add_row(bar.meaning, f"{bar.low:g}", low, f"{bar.high:g}", high, flips)
    return found


def _regret(plan: Plan) -> Table:
    columns = [("plan, not revised", "left"), *((name, "right") for name in plan.risk.scenarios)]
    found = table("Regret over 36 months against hindsight", *columns)
    for row in plan.risk.regret:
        found.add_row(row.name, *(words.usd(value) for value in row.regret_usd))
    return found


def _layers(plan: Plan) -> Table:
    found = table(
        "How to have the replicas (spares and team left out)",
        ("with", "left"),
        ("layers from the bottom up", "left"),
        ("$/month", "right"),
        ("all on demand", "right"),
    )
    for stack in layered(plan.inputs):
        parts = [
            f"{layer.term} {words.percent(layer.tokens_share)}"
            if layer.term == METERED
            else f"{layer.replicas:,} {layer.term.replace('_', ' ')} {words.percent(layer.tokens_share)}"
            for layer in stack.layers
        ]
        usd = words.usd(stack.usd_per_month)
        found.add_row(stack.against, ", ".join(parts), usd, words.usd(stack.on_demand_usd_per_month))
    return found


def _portfolio(plan: Plan) -> Table | None:
    mix = plan.portfolio
    if mix is None:
        return None
    sure = f"; at best {words.percent(mix.gap)} cheaper is possible" if mix.gap > GAP else ""
    found = table(
        f"Classes and models together: {words.usd(mix.usd_per_month)} a month{sure}",
        ("", "left"),
        ("at", "left"),
        ("region", "left"),
        ("replicas", "right"),
        ("tokens", "right"),
        ("$/month", "right"),
    )
    for kept in mix.kept:
        cell = words.replicas_cell(kept.replicas, kept.spares)
        found.add_row("own", kept.place.name, kept.place.region, cell, "", words.usd(kept.usd_per_month))
    for flow in mix.flows:
        share = words.percent(flow.share)
        found.add_row(flow.demand, flow.place, flow.region, "", share, words.usd(flow.usd_per_month))
    return found


def _reasons(plan: Plan) -> Table:
    found = table(
        "Twelve reasons", ("for", "left"), ("reason", "left"), ("holds", "left"), ("evidence", "left")
    )
    for reason in plan.advice.reasons:
        holds = "?" if reason.holds is None else "yes" if reason.holds else "no"
        found.add_row("an API" if reason.side is Side.API else "owning", reason.words, holds, reason.evidence)
    return found
