"""24 and 36 months in tables: totals with their percentiles, every line, tornado, regret, reasons."""

from __future__ import annotations

from baseload.plan import words
from baseload.plan.lines import Group
from baseload.plan.model import Kind, Plan
from baseload.plan.risk import Bar
from baseload.plan.tables.table import Cell, Row, Table, row, table
from baseload.plan.tco import OptionTco

SHOWN_BARS = 12
JUDGED = {True: "yes", False: "no", None: "you tell us"}
GROUPS = {
    Group.GPUS: "GPUs",
    Group.TOKENS: "tokens bought",
    Group.PEOPLE: "people",
    Group.RUNNING: "running",
    Group.CHANGE: "change",
    Group.RISK: "risk",
}


def shown_options(plan: Plan) -> list[OptionTco]:
    """The options without hybrids that never own in the expected world: there those are their API."""
    return [each for each in plan.tco.options if each.option.kind is not Kind.HYBRID or any(each.replicas)]


def totals(plan: Plan) -> Table:
    """Every option's totals and percentiles; an option that is the cheapest in no world may be left out only
    where it never owns."""
    bands = {band.name: band for band in plan.risk.bands}
    shown = shown_options(plan)
    rows = []
    for each in plan.tco.options:
        band = bands[each.option.name]
        if each not in shown and band.probability_cheapest <= 0:
            continue
        name = each.option.name if each in shown else f"{each.option.name} (owns nothing as expected)"
        cells = [Cell(words.usd(round(usd)), "d-months") for usd in (each.usd_24, each.usd_36)]
        cells += [Cell(words.usd(round(usd)), "d-risk") for usd in band.usd_36]
        cells.append(Cell(words.percent(band.probability_cheapest), "d-risk"))
        idle = words.percent(each.idle_usd / each.gpu_usd) if each.gpu_usd else "–"
        cells.append(Cell(idle, "d-idle"))
        rows.append(row(name, *cells, mark="best" if each is plan.tco.cheapest else ""))
    headings = (
        "Option",
        "24 months",
        "36 months",
        "P10 of 36",
        "P50 of 36",
        "P90 of 36",
        "cheapest in",
        "idle GPUs",
    )
    return table("24 and 36 months", headings, rows, range(1, 8))


def lines(plan: Plan) -> Table:
    """Dollars of 36 months by line and option; lines that are nothing everywhere are left out."""
    options = shown_options(plan)
    amounts = {(each.option.name, line.name): line.usd_36 for each in options for line in each.lines}
    rows = []
    for line in shown_lines(plan):
        values = [amounts.get((each.option.name, line), 0.0) for each in options]
        said = next(each.words for option in options for each in option.lines if each.name == line)
        cells = [
            Cell(words.usd(round(usd)), f"d-line-{line}") if abs(usd) >= 0.5 else Cell("–") for usd in values
        ]
        rows.append(row(said, *cells))
    together = [Cell(words.usd(round(each.usd_36)), "d-months") for each in options]
    rows.append(row("36 months together", *together, mark="best"))
    headings = ("Line", *(each.option.name for each in options))
    return table("Every line of cost, 36 months", headings, rows, range(1, len(headings)))


def shown_lines(plan: Plan) -> list[str]:
    """Names of the lines that are something in any option shown, group by group."""
    said = {line.name: line.group for each in shown_options(plan) for line in each.lines}
    spent = {
        line.name for each in shown_options(plan) for line in each.lines if round(abs(line.usd_36), 9) >= 0.5
    }
    return [name for group in GROUPS for name, its in said.items() if its is group and name in spent]


def tornado(plan: Plan) -> Table:
    """One figure at a time at its low and its high, the widest first."""
    rows = [_bar(plan, bar) for bar in plan.risk.tornado[:SHOWN_BARS]]
    headings = ("If", "is", "saves", "or is", "saves", "")
    return table("What matters most", headings, rows, range(1, 5))


def _bar(plan: Plan, bar: Bar) -> Row:
    low, high = bar_ends(plan, bar)
    saves = (words.short_usd(usd) for usd in (bar.saves_low_usd, bar.saves_high_usd))
    first, second = (Cell(text, "d-tornado") for text in saves)
    return row(bar.meaning, low, first, high, second, "changes the answer" if bar.flips else "")


def bar_ends(plan: Plan, bar: Bar) -> tuple[str, str]:
    """A bar's low and high in words with their unit."""
    unit = plan.inputs.assumptions[bar.name].unit
    return words.figure(bar.low, unit), words.figure(bar.high, unit)


def regret(plan: Plan) -> Table:
    """Each option, not revised, in each scenario: how far above the best in hindsight."""
    shown = {each.option.name for each in shown_options(plan)}
    rows = []
    for each in plan.risk.regret:
        if each.name in shown:
            said = (words.short_usd(usd) if usd >= 0.5 else "best" for usd in each.regret_usd)
            rows.append(row(each.name, *(Cell(text, "d-regret") for text in said)))
    headings = ("Plan, not revised", *plan.risk.scenarios)
    return table("Regret over 36 months", headings, rows, range(1, len(headings)))


def reasons(plan: Plan) -> Table:
    """The twelve reasons, with their evidence or as questions."""
    rows = [
        row(
            each.words,
            "an API" if each.side.value == "api" else "owning",
            JUDGED[each.holds],
            Cell(each.evidence if each.holds is not None else each.question or "", "d-advice"),
        )
        for each in plan.advice.reasons
    ]
    return table("Twelve reasons", ("Reason", "speaks for", "holds", "evidence"), rows)
