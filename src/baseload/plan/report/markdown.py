"""The plan as Markdown: the same figures as the page, as tables that read well as plain text too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from baseload.plan import figures, words
from baseload.plan.figures.months import shown_options
from baseload.plan.model import Plan

SHOWN_BARS = 12


def report_markdown(plan: Plan) -> str:
    """The whole report. Equal plans give equal bytes."""
    parts = [
        f"# {_plain(plan.answer)}",
        *(_plain(text) for text in plan.told),
        _plain(figures.load_words(plan)),
        "## What would change it",
        "\n".join(f"- {_plain(text)}" for text in plan.advice.would_change) or "Nothing that was looked at.",
        "## A month, side by side",
        _options(plan),
        "## Break-even",
        *(_plain(found.words) for found in plan.break_even),
        "## 36 months",
        _plain(plan.tco.words),
        _plain(figures.months_words(plan)),
        _totals(plan),
        "## Every line of cost, 36 months",
        _lines(plan),
        "## What matters most",
        _tornado(plan),
        "## Regret",
        _regret(plan),
        "## Advice",
        _plain(plan.advice.recommendation),
        _reasons(plan),
        "## What this rests on",
        _facts(plan),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _plain(text: str) -> str:
    """Text that Markdown takes as text: a name cannot become markup or a new cell."""
    for mark in ("\\", "|", "*", "_", "`", "<", "["):
        text = text.replace(mark, f"\\{mark}")
    return text


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _options(plan: Plan) -> str:
    rows = [
        (
            option.name,
            words.usd(option.usd_per_month),
            words.usd_per_million(option.usd_per_million),
            words.replicas_cell(option.replicas, option.spare_replicas),
            words.percent(option.owned_tokens_share),
            words.percent(option.use) if option.replicas else "–",
        )
        for option in plan.options
    ]
    return _table(("Option", "$ a month", "$ per million", "Replicas", "Owned tokens", "Use"), rows)


def _totals(plan: Plan) -> str:
    bands = {band.name: band for band in plan.risk.bands}
    rows = [
        (
            each.option.name,
            words.usd(each.usd_24),
            words.usd(each.usd_36),
            *(words.usd(value) for value in bands[each.option.name].usd_36),
            words.percent(bands[each.option.name].probability_cheapest),
        )
        for each in shown_options(plan)
    ]
    return _table(("Option", "24 months", "36 months", "P10", "P50", "P90", "cheapest in"), rows)


def _lines(plan: Plan) -> str:
    options = shown_options(plan)
    amounts = {(row.option.name, line.name): line.usd_36 for row in options for line in row.lines}
    said = {line.name: line.words for row in options for line in row.lines}
    rows = []
    for name, text in said.items():
        values = [amounts.get((row.option.name, name), 0.0) for row in options]
        if any(abs(value) >= 0.5 for value in values):
            rows.append((text, *(words.usd(round(value)) for value in values)))
    return _table(("Line", *(_plain(row.option.name) for row in options)), rows)


def _tornado(plan: Plan) -> str:
    rows = [
        (
            bar.meaning,
            f"{bar.low:g} … {bar.high:g}",
            words.usd(bar.saves_low_usd),
            words.usd(bar.saves_high_usd),
            "changes the answer" if bar.flips else "",
        )
        for bar in plan.risk.tornado[:SHOWN_BARS]
    ]
    return _table(("Figure", "P10 … P90", "saves at low", "saves at high", ""), rows)


def _regret(plan: Plan) -> str:
    rows = [(row.name, *(words.usd(round(value)) for value in row.regret_usd)) for row in plan.risk.regret]
    return _table(("Plan", *plan.risk.scenarios), rows)


def _reasons(plan: Plan) -> str:
    judged = {True: "yes", False: "no", None: "you tell us"}
    rows = [(each.words, each.side.value, judged[each.holds], each.evidence) for each in plan.advice.reasons]
    return _table(("Reason", "speaks for", "holds", "evidence"), rows)


def _facts(plan: Plan) -> str:
    rows = [(fact.name, fact.value, fact.source, fact.as_of) for fact in plan.inputs.facts]
    return _table(("Figure", "Value", "Source", "Date"), rows)
