"""36 months: what every option has cost by then, with its band and the month in which totals cross."""

from __future__ import annotations

from baseload.plan import words
from baseload.plan.figures.chart import (
    NAME_CHARACTERS,
    NARROW_CHARACTERS,
    Axis,
    Series,
    axes,
    cut,
    lines,
    names,
    plot,
)
from baseload.plan.figures.svg import Linear
from baseload.plan.model import Kind, Plan
from baseload.plan.tables.months import shown_options
from baseload.plan.tco import OptionTco
from baseload.plan.words import short_usd

YEARS = (0.0, 6.0, 12.0, 18.0, 24.0, 30.0, 36.0)


def cumulative(plan: Plan, *, narrow: bool = False) -> str:
    """Running totals, leaving as a step at the end; the band of the cheapest and of the best other one."""
    rows = shown_options(plan)
    bands = {band.name: band for band in plan.risk.bands}
    series = []
    for row in rows:
        points = [(0.0, 0.0), *((month + 1.0, usd) for month, usd in enumerate(row.cumulative_usd))]
        points.append((points[-1][0], row.usd_36))
        band = bands[row.option.name]
        wanted = row.option.name in (plan.risk.recommended, plan.risk.over)
        spread_ = [
            (month + 1.0, low, high)
            for month, (low, high) in enumerate(zip(band.cumulative_p10, band.cumulative_p90, strict=True))
        ]
        spread_.append((spread_[-1][0], band.usd_36[0], band.usd_36[2]))
        usd = short_usd(row.usd_36)
        most = (NARROW_CHARACTERS if narrow else NAME_CHARACTERS) - len(usd) - 1
        name = f"{cut(row.option.name, most)} {usd}"
        series.append(Series(name, colour(row), points, spread_ if wanted else ()))
    tops = [usd for each in series for _, usd in each.points] + [
        top for each in series for _, _, top in each.band
    ]
    keys = [(each.name, each.kind) for each in series]
    figure, box = plot("Cost over 36 months", months_words(plan), keys, narrow=narrow)
    x, y = Linear(0, 36, box.left, box.right), Linear(0, max(*tops, 1.0) * 1.02, box.bottom, box.top)
    across = Axis(YEARS, lambda month: f"{month:.0f}", "months")
    axes(figure, x, y, across, Axis(y.ticks(), short_usd, "$ so far"))
    lines(figure, x, y, series)
    shown = {row.option.name: row for row in rows}
    for each in plan.tco.overtaking:
        if each.month is not None and each.month > 1 and each.option in shown:
            at = (x(each.month), y(shown[each.option].cumulative_usd[each.month - 1]))
            figure.dot(at, "mark")
    if not narrow:
        names(figure, x, y, [(each.points[-1][1], each.name, each.kind) for each in series])
    return figure.to_str()


def colour(row: OptionTco) -> str:
    """The colour of an option's line."""
    if row.option.kind is Kind.HYBRID:
        return "hybrid"
    if row.option.kind is Kind.OWNED:
        return "owned"
    return "frontier" if row.option.kind is Kind.FRONTIER_API else "open"


def months_words(plan: Plan) -> str:
    """When totals cross, in sentences."""
    told = []
    shown = {row.option.name for row in shown_options(plan)}
    for each in plan.tco.overtaking:
        if each.option not in shown:
            continue
        name = "owning everything" if each.option == "owned" else f"the {each.option}"
        against = words.api(each.against)
        if each.month is None:
            told.append(f"{name} stays dearer than {against} for all 36 months")
        elif each.month == 1:
            told.append(f"{name} costs less than {against} from the first month on")
        else:
            told.append(f"{name} has cost less than {against} from month {each.month} on")
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in told)
