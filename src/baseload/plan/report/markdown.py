"""The plan as Markdown: the same parts, sentences and cells as the page, for mail and reviews."""

from __future__ import annotations

from collections.abc import Iterable

from baseload.plan import figures
from baseload.plan.billed import bill_lines
from baseload.plan.check import Check
from baseload.plan.frontier import frontier
from baseload.plan.model import Plan
from baseload.plan.report import titles
from baseload.plan.report.months import tornado_words
from baseload.plan.report.owning import portfolio_words
from baseload.plan.report.sources import sources
from baseload.plan.sizing_words import run_out_words, search_words, sized_words
from baseload.plan.tables import Table
from baseload.plan.tables import came as came_tables
from baseload.plan.tables import month as month_tables
from baseload.plan.tables import months as months_tables
from baseload.plan.tables import owning as owning_tables
from baseload.plan.tables.words import differs, holds


def report_markdown(plan: Plan, actual: Check | None = None) -> str:
    """The whole report; `actual` adds the plan beside the ledger. Equal plans give equal bytes."""
    parts = (
        f"# {_plain(plan.answer)}",
        _plain(differs(plan)),
        _plain(figures.load_words(plan)),
        *_part(titles.SIGN, _table(month_tables.sign(plan))),
        *_part(titles.SAVES, *_said(plan.told)),
        *_part(titles.CHANGES, _list(plan.advice.would_change) or titles.NOTHING_CHANGES),
        *_part(titles.MONTH, _table(month_tables.options(plan))),
        *([] if actual is None else _came(actual)),
        *_part(titles.EVEN, *_said(found.words for found in plan.break_even)),
        *_part(titles.HEATMAP, _plain(figures.heat_words(plan))),
        *_sizing(plan),
        *_had(plan),
        *_months(plan),
        *_risk(plan),
        *_advice(plan),
        *_part(titles.WHAT_IF, _table(month_tables.what_if(plan))),
        *_classes(plan),
        *_part(titles.BILL, *_said(bill_lines(plan.inputs.billed))),
        *_part(titles.RESTS, _table(month_tables.facts(plan)), _table(month_tables.assumptions(plan))),
        *_part(titles.COMPUTED, _list(f"{each.title}: {each.words}" for each in sources(plan))),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def check_markdown(found: Check) -> str:
    """A saved plan beside the ledger, alone."""
    return "\n\n".join(part for part in _came(found) if part) + "\n"


def _part(title: str, *texts: str) -> list[str]:
    """A heading and what stands under it; nothing where there is none of it."""
    return [f"## {title}", *texts] if any(texts) else []


def _plain(text: str) -> str:
    """Text that Markdown takes as text: a name cannot become markup or a new cell."""
    for mark in ("\\", "|", "*", "_", "`", "<", "["):
        text = text.replace(mark, f"\\{mark}")
    return text


def _said(lines: Iterable[str]) -> list[str]:
    return [_plain(line) for line in lines if line]


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in _said(lines))


def _table(found: Table) -> str:
    """Numbers flush right; what is marked best is bold, what is assumed italic."""
    if not found.rows:
        return ""
    sides = "|".join("--:" if column in found.numbers else "---" for column in range(len(found.headings)))
    lines = ["| " + " | ".join(_plain(text) for text in found.headings) + " |", f"|{sides}|"]
    for row in found.rows:
        around = {"best": "**", "assumed": "*"}.get(row.mark, "")
        cells = (f"{around}{_plain(cell.text)}{around}" if cell.text else "" for cell in row.cells)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _came(found: Check) -> list[str]:
    return _part(
        titles.CAME,
        f"**{_plain(found.answer)}**",
        _table(came_tables.lines(found)),
        _table(came_tables.causes(found)),
        _list(found.notes),
    )


def _sizing(plan: Plan) -> list[str]:
    inputs, searched = plan.inputs, plan.inputs.searched
    parts = [_plain(sized_words(inputs))]
    parts += [] if inputs.sized is None else [_table(owning_tables.rooms(inputs.sized))]
    parts.append(_plain(run_out_words(inputs)))
    if searched is not None:
        parts += [*_said(search_words(searched)), _table(owning_tables.offers(searched))]
        if searched.offers:
            parts.append(f"Start each with `{searched.offers[0].launch}`")
    return _part(titles.SIZING, *parts)


def _had(plan: Plan) -> list[str]:
    layers, spares = _table(owning_tables.layers(plan)), _table(owning_tables.spares(plan))
    return _part(titles.HAD, titles.LAYERS if layers else "", layers, spares)


def _months(plan: Plan) -> list[str]:
    found = frontier(plan.inputs)
    curve = [titles.NO_FRONTIER]
    if found is not None:
        curve = [figures.frontier_words(found), figures.planned_words(plan, found), found.source]
    return [
        *_part(
            titles.MONTHS,
            *_said((plan.tco.words, figures.months_words(plan))),
            _table(months_tables.totals(plan)),
            titles.CHEAPEST_IN,
        ),
        *_part(titles.LINES, _table(months_tables.lines(plan))),
        *_part(titles.USE, _plain(figures.use_words(plan))),
        *_part(titles.FRONTIER, *_said(curve)),
    ]


def _risk(plan: Plan) -> list[str]:
    bars = _table(months_tables.tornado(plan))
    return [
        *_part(titles.TORNADO, _plain(tornado_words(plan)) if bars else "", bars),
        *_part(titles.REGRET, titles.HINDSIGHT, _table(months_tables.regret(plan))),
    ]


def _advice(plan: Plan) -> list[str]:
    found = plan.advice
    held, asked = _list(holds(found)), _list(question for _, question in found.ask)
    return _part(
        titles.ADVICE,
        f"**{_plain(found.recommendation)}**",
        *_said(f"Ruled out: {name}: {why}." for name, why in found.ruled_out),
        _table(months_tables.reasons(plan)),
        f"### What holds you\n\n{held}" if held else "",
        f"### You tell us\n\n{asked}" if asked else "",
    )


def _classes(plan: Plan) -> list[str]:
    found = plan.portfolio
    if found is None:
        return []
    return _part(
        titles.CLASSES,
        f"**{_plain(portfolio_words(found))}**",
        _table(owning_tables.places(found)),
        _table(owning_tables.flows(found)),
    )
