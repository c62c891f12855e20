"""The month in tables: what to sign, the options, what one change would do, and what all of it rests on."""

from __future__ import annotations

from baseload.plan import words
from baseload.plan.model import Kind, Option, Plan
from baseload.plan.tables.table import Cell, Row, Table, row, table
from baseload.plan.tables.words import leaving, people, worst_scenario

SOURCES = {Kind.OWNED: "d-owned", Kind.HYBRID: "d-hybrid"}


def options(plan: Plan) -> Table:
    """Every option of the month, the cheapest marked."""
    volume = words.tokens(plan.inputs.tokens_per_day)
    headings = ("Option", "$ a month", "$ per million", "Replicas", "Owned tokens", "Use")
    rows = [_option(option, option is plan.cheapest) for option in plan.options]
    return table(f"A month at {volume} tokens/day", headings, rows, range(1, 6))


def _option(option: Option, best: bool) -> Row:
    source = SOURCES.get(option.kind, "d-bought")
    figures = (
        words.usd(option.usd_per_month),
        words.usd_per_million(option.usd_per_million).removesuffix("/M"),
        words.replicas_cell(option.replicas, option.spare_replicas),
        words.percent(option.owned_tokens_share),
        words.percent(option.use) if option.replicas else "–",
    )
    return row(option.name, *(Cell(text, source) for text in figures), mark="best" if best else "")


def sign(plan: Plan) -> Table:
    """What is recommended as a contract would have it: costs, commitments, risks, open questions."""
    found = plan.advice
    rows = [row("Do", Cell(found.action, "d-advice"))]
    if found.option is not None:
        option = next(each for each in plan.options if each.name == found.option)
        total = next(each for each in plan.tco.options if each.option.name == found.option)
        band = next(each for each in plan.risk.bands if each.name == found.option)
        low, high = words.usd(round(band.usd_36[0])), words.usd(round(band.usd_36[2]))
        unlucky = words.percent(1.0 - band.probability_lowest)
        other = "something else, ruled out or not," if found.ruled_out else "something else"
        rows += [
            row("Costs a month today", Cell(words.usd(option.usd_per_month), "d-month")),
            row("Costs in 36 months", Cell(f"{words.usd(round(total.usd_36))} with every line", "d-months")),
            row("Could come instead", Cell(f"{low} to {high} (P10 to P90)", "d-risk")),
            row(
                "Could go wrong",
                Cell(
                    f"{other} is cheaper in {unlucky} of {plan.risk.draws:,} worlds; {worst_scenario(plan)}",
                    "d-regret",
                ),
            ),
            row("Holds you", "; ".join(found.locked_in)),
            row("Leaving costs", Cell(leaving(found), "d-months")),
            row("People", Cell("; ".join(people(found)) or "none", "d-line-engineers")),
        ]
    if found.ask:
        asked = "1 question" if len(found.ask) == 1 else f"{len(found.ask)} questions"
        rows.append(row("Not settled", f"{asked} only you can answer (under Advice)"))
    return table("To sign", ("To sign", ""), rows)


def what_if(plan: Plan) -> Table:
    """One input changed at a time."""
    rows = []
    for each in plan.what_if:
        then = f"{each.cheapest} (changes the answer)" if each.flips else each.cheapest
        rows.append(row(each.change, Cell(then, "d-month"), Cell(words.usd(each.usd_per_month), "d-month")))
    return table("If one thing were different", ("If", "then the cheapest is to", "$ a month"), rows, (2,))


def facts(plan: Plan) -> Table:
    """What was given, looked up or assumed."""
    rows = [
        row(fact.name, fact.value, fact.source, fact.as_of, mark="assumed" if fact.assumed else "")
        for fact in plan.inputs.facts
    ]
    return table("What this rests on", ("Figure", "Value", "Source", "Date"), rows)


def assumptions(plan: Plan) -> Table:
    """What the 36 months rest on besides."""
    rows = []
    for each in plan.inputs.assumptions:
        between = ""
        if each.low is not None and each.high is not None:
            between = f"{words.figure(each.low, each.unit)} … {words.figure(each.high, each.unit)}"
        value = words.figure(each.value, each.unit)
        mark = "assumed" if each.assumed or each.asked else ""
        rows.append(row(each.meaning, each.name, value, between, each.source, each.as_of, mark=mark))
    headings = ("Figure of the 36 months", "Name", "Value", "P10 … P90", "Source", "Date")
    return table("Figures of the 36 months", headings, rows)
