"""36 months in the report: totals, every line, what matters most, regret, and the advice."""

from __future__ import annotations

from html import escape

from baseload.plan import figures, words
from baseload.plan.figures.months import shown_options
from baseload.plan.lines import Group
from baseload.plan.model import Plan
from baseload.plan.report.html import figure, link, linked, section, table
from baseload.plan.risk import Bar
from baseload.plan.tco import OptionTco
from baseload.plan.words import short_usd

SHOWN_BARS = 12
GROUPS = {
    Group.GPUS: "GPUs",
    Group.TOKENS: "tokens bought",
    Group.PEOPLE: "people",
    Group.RUNNING: "running",
    Group.CHANGE: "change",
    Group.RISK: "risk",
}


def cumulative(plan: Plan) -> str:
    """Running totals with the months in which they cross, and the percentiles of each."""
    told = (
        f"<p>{linked(plan.tco.words, 'd-months')}</p><p>{linked(figures.months_words(plan), 'd-months')}</p>"
    )
    told += "<p>Dots are crossings; bands are P10 to P90.</p>"
    odds = {band.name: band for band in plan.risk.bands}
    rows = []
    for each in shown_options(plan):
        band = odds[each.option.name]
        best = ' class="best"' if each is plan.tco.cheapest else ""
        cells = [link(words.usd(value), "d-months") for value in (each.usd_24, each.usd_36)]
        cells += [link(words.usd(value), "d-risk") for value in band.usd_36]
        cells.append(link(words.percent(band.probability_cheapest), "d-risk"))
        rows.append((best, (escape(each.option.name), *cells)))
    headings = ("Option", "24 months", "36 months", "P10", "P50", "P90", "cheapest in")
    return section(
        "36 months",
        figure(figures.cumulative, plan, aside=told),
        table(headings, rows, numbers=(1, 2, 3, 4, 5, 6)),
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
    return section("Every line of cost", f'<p class="legend">{legend}</p>{bars}', _lines(rows))


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


def _lines(options: list[OptionTco]) -> str:
    """Dollars of 36 months by line and option; lines that are nothing everywhere are left out."""
    amounts = {(row.option.name, line.name): line.usd_36 for row in options for line in row.lines}
    said = {line.name: line for row in options for line in row.lines}
    rows = []
    for group, title in GROUPS.items():
        for line in said.values():
            values = [amounts.get((row.option.name, line.name), 0.0) for row in options]
            if line.group is not group or not any(abs(value) >= 0.5 for value in values):
                continue
            cells = [
                link(f"{'−' if v < 0 else ''}${abs(v):,.0f}", f"d-line-{line.name}") if abs(v) >= 0.5 else "–"
                for v in values
            ]
            mark = f'<i class="swatch g-{group.value}"></i>'
            rows.append(("", (f'{mark}<span title="{title}">{escape(line.words)}</span>', *cells)))
    totals = [link(words.usd(round(row.usd_36)), "d-months") for row in options]
    rows.append((' class="best"', ("36 months together", *totals)))
    headings = ("Line", *(escape(row.option.name) for row in options))
    return table(headings, rows, numbers=range(1, len(headings)))


def tornado(plan: Plan) -> str:
    """What each uncertain figure does to the saving, the widest first."""
    bars = plan.risk.tornado[:SHOWN_BARS]
    if not bars:
        return ""
    ends = [value for bar in bars for value in (bar.saves_low_usd, bar.saves_high_usd)]
    low, high = min(*ends, 0.0), max(*ends, 0.0)
    span = (high - low) or 1.0
    zero = -low / span * 100
    rows = "".join(_tornado_row(bar, low, span, zero) for bar in bars)
    intro = (
        f"What {escape(plan.risk.recommended)} saves over {escape(plan.risk.over)} in 36 months, one figure "
        "at a time, at its low and its high end. Left of the line something else is cheaper."
    )
    return section("What matters most", f'<p>{intro}</p><div class="tornado">{rows}</div>')


def _tornado_row(bar: Bar, low: float, span: float, zero: float) -> str:
    ends = sorted((bar.saves_low_usd, bar.saves_high_usd))
    left, width = (ends[0] - low) / span * 100, max((ends[1] - ends[0]) / span * 100, 0.4)
    at = (
        f"{link(short_usd(bar.saves_low_usd), 'd-tornado')} at {bar.low:g}, "
        f"{link(short_usd(bar.saves_high_usd), 'd-tornado')} at {bar.high:g}"
    )
    flips = " <b>changes the answer</b>" if bar.flips else ""
    kind = "flips" if bar.flips else "stays"
    return (
        f"<div><div>{escape(bar.meaning)} <small>{at}{flips}</small></div>"
        '<span class="track" aria-hidden="true">'
        f'<i class="{kind}" style="left:{left:.2f}%;width:{width:.2f}%"></i>'
        f'<u style="left:{zero:.2f}%"></u></span></div>'
    )


def regret(plan: Plan) -> str:
    """Each plan in each scenario: how far above the best in hindsight, darker the farther."""
    shown = {row.option.name for row in shown_options(plan)}
    kept = [row for row in plan.risk.regret if row.name in shown]
    most = max((value for row in kept for value in row.regret_usd), default=0.0) or 1.0
    rows = []
    for row in kept:
        cells = [
            f'<span class="heat" style="--share:{(value / most) ** 0.5 * 100:.0f}%">'
            f"{link(short_usd(value) if value >= 0.5 else 'best', 'd-regret')}</span>"
            for value in row.regret_usd
        ]
        rows.append(("", (escape(row.name), *cells)))
    told = (
        "<p>Each option keeps the replicas it has today; the cell says how much more its 36 months then cost "
        "than the best in hindsight.</p>"
    )
    headings = ("Plan", *plan.risk.scenarios)
    return section("Regret", told, table(headings, rows, numbers=range(1, len(headings))))


def advice(plan: Plan) -> str:
    """The recommendation, twelve reasons, what is locked in, who is needed, what is still asked."""
    found = plan.advice
    judged = {True: "yes", False: "no", None: "you tell us"}
    rows = []
    for each in found.reasons:
        holds = f'<b class="h-{judged[each.holds][:2]}">{judged[each.holds]}</b>'
        evidence = "" if each.holds is None else linked(each.evidence, "d-advice")
        rows.append(("", (escape(each.words), each.side.value, holds, evidence)))
    parts = [f"<p><b>{linked(found.recommendation, 'd-months')}</b></p>"]
    parts += [f"<p>Ruled out: {escape(name)}: {escape(why)}.</p>" for name, why in found.ruled_out]
    parts.append(table(("Reason", "speaks for", "holds", "evidence"), rows))
    leaving = ", ".join(
        f"{link(words.usd(usd), 'd-months')} after {month}"
        for month, usd in ((12, found.leaving_usd_12), (24, found.leaving_usd_24), (36, found.leaving_usd_36))
    )
    listed = [escape(text) for text in found.locked_in] + [f"leaving costs {leaving} months"]
    for step in found.people:
        hired = (
            f"; the decision to hire falls {step.month - step.hire_by} months before"
            if step.month > step.hire_by
            else ""
        )
        listed.append(
            f"people: {link(str(step.engineers), 'd-line-engineers')} from month {step.month}{hired}"
        )
    parts.append(f"<h3>What holds you</h3><ul>{''.join(f'<li>{text}</li>' for text in listed)}</ul>")
    if found.ask:
        asked = "".join(f"<li>{escape(question)}</li>" for _, question in found.ask)
        parts.append(f"<h3>You tell us</h3><ul>{asked}</ul>")
    return section("Advice", *parts)
