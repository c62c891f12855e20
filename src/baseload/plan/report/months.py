"""36 months in the report: totals, every line, what matters most, regret, and the advice."""

from __future__ import annotations

from html import escape

from baseload.plan import figures, words
from baseload.plan.lines import Group
from baseload.plan.model import Plan
from baseload.plan.report import titles
from baseload.plan.report.html import figure, link, linked, section, sentences, table
from baseload.plan.risk import Bar
from baseload.plan.tables import months as tables
from baseload.plan.tables.months import GROUPS, JUDGED, SHOWN_BARS, shown_options
from baseload.plan.tables.words import holds
from baseload.plan.tco import OptionTco
from baseload.plan.words import short_usd


def cumulative(plan: Plan) -> str:
    """Running totals with the months in which they cross, and the percentiles of each."""
    told = sentences((plan.tco.words, figures.months_words(plan)), "d-months")
    told += "<p>Dots are crossings; bands are P10 to P90; the step at month 36 is leaving.</p>"
    return section(
        titles.MONTHS,
        figure(figures.cumulative, plan, aside=told),
        table(tables.totals(plan)),
        f"<p><small>{titles.CHEAPEST_IN}</small></p>",
    )


def stack(plan: Plan) -> str:
    """Every option's 36 months as a stack of groups, and each line below."""
    rows = shown_options(plan)
    most = max(sum(max(line.usd_36, 0.0) for line in row.lines) for row in rows) or 1.0
    bars = "".join(
        f'<div class="stack"><div><b>{escape(row.option.name)}</b> '
        f"{link(short_usd(row.usd_36), 'd-months')}</div>"
        f"{_stacked(row, most)}</div>"
        for row in rows
    )
    used = [group for group in GROUPS if any(_group(row, group) > 0 for row in rows)]
    legend = "".join(f'<span><i class="g-{group.value}"></i>{GROUPS[group]}</span>' for group in used)
    return section(titles.LINES, f'<p class="legend">{legend}</p>{bars}', _lines(plan))


def _group(row: OptionTco, group: Group) -> float:
    return sum(line.usd_36 for line in row.lines if line.group is group)


def _stacked(row: OptionTco, most: float) -> str:
    parts = "".join(
        f'<i class="g-{line.group.value}" style="width:{line.usd_36 / most * 100:.2f}%" '
        f'title="{escape(line.words)}: {words.usd(line.usd_36)}"></i>'
        for group in GROUPS
        for line in row.lines
        if line.group is group and line.usd_36 > 0
    )
    return f'<span class="bar" aria-hidden="true">{parts}</span>'


def _lines(plan: Plan) -> str:
    """The table of lines, each with its group's colour."""
    groups = {line.name: line.group for each in shown_options(plan) for line in each.lines}
    names = tables.shown_lines(plan)

    def coloured(row: int, column: int, cell: str) -> str:
        if column or row >= len(names):
            return cell
        group = groups[names[row]]
        return f'<i class="swatch g-{group.value}"></i><span title="{GROUPS[group]}">{cell}</span>'

    return table(tables.lines(plan), coloured)


def tornado(plan: Plan) -> str:
    """What each uncertain figure does to the saving, the widest first."""
    bars = plan.risk.tornado[:SHOWN_BARS]
    if not bars:
        return ""
    ends = [value for bar in bars for value in (bar.saves_low_usd, bar.saves_high_usd)]
    low, high = min(*ends, 0.0), max(*ends, 0.0)
    rows = "".join(_tornado_row(plan, bar, low, (high - low) or 1.0) for bar in bars)
    intro = escape(tornado_words(plan))
    return section(titles.TORNADO, f'<p>{intro}</p><div class="tornado">{rows}</div>')


def tornado_words(plan: Plan) -> str:
    """What the bars are about."""
    return (
        f"What {words.option(plan.risk.recommended)} saves over {words.option(plan.risk.over)} in 36 months, "
        "one figure at a time, at its low and its high end. Left of the line something else is cheaper."
    )


def _tornado_row(plan: Plan, bar: Bar, low: float, span: float) -> str:
    ends = sorted((bar.saves_low_usd, bar.saves_high_usd))
    left, width = (ends[0] - low) / span * 100, max((ends[1] - ends[0]) / span * 100, 0.4)
    at_low, at_high = tables.bar_ends(plan, bar)
    at = (
        f"{link(short_usd(bar.saves_low_usd), 'd-tornado')} at {escape(at_low)}, "
        f"{link(short_usd(bar.saves_high_usd), 'd-tornado')} at {escape(at_high)}"
    )
    flips = " <b>changes the answer</b>" if bar.flips else ""
    kind = "flips" if bar.flips else "stays"
    return (
        f"<div><div>{escape(bar.meaning)} <small>{at}{flips}</small></div>"
        '<span class="track" aria-hidden="true">'
        f'<i class="{kind}" style="left:{min(left, 100 - width):.2f}%;width:{width:.2f}%"></i>'
        f'<u style="left:{-low / span * 100:.2f}%"></u></span></div>'
    )


def regret(plan: Plan) -> str:
    """Each plan in each scenario: how far above the best in hindsight, darker the farther."""
    found = tables.regret(plan)
    usd = {each.name: each.regret_usd for each in plan.risk.regret}
    shown = [usd[row.cells[0].text] for row in found.rows]
    most = max((value for row in shown for value in row), default=0.0) or 1.0

    def shaded(row: int, column: int, cell: str) -> str:
        if not column:
            return cell
        share = max(shown[row][column - 1], 0.0) / most
        return f'<span class="heat" style="--share:{share**0.5 * 100:.0f}%">{cell}</span>'

    return section(titles.REGRET, f"<p>{titles.HINDSIGHT}</p>", table(found, shaded))


def advice(plan: Plan) -> str:
    """The recommendation, twelve reasons, what is locked in, who is needed, what is still asked."""
    found, verdicts = plan.advice, {text: text[:2] for text in JUDGED.values()}

    def judged(_row: int, column: int, cell: str) -> str:
        return f'<b class="h-{verdicts[cell]}">{cell}</b>' if column == 2 else cell

    parts = [f"<p><b>{linked(found.recommendation, 'd-months')}</b></p>"]
    parts += [f"<p>Ruled out: {escape(name)}: {escape(why)}.</p>" for name, why in found.ruled_out]
    parts.append(table(tables.reasons(plan), judged))
    held = "".join(f"<li>{linked(text, 'd-months')}</li>" for text in holds(found))
    parts.append(f"<h3>What holds you</h3><ul>{held}</ul>" if held else "")
    if found.ask:
        asked = "".join(f"<li>{escape(question)}</li>" for _, question in found.ask)
        parts.append(f"<h3>You tell us</h3><ul>{asked}</ul>")
    return section(titles.ADVICE, *parts)
