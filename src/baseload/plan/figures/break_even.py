"""A month at every volume: owned as a staircase with its P10-P90 band, APIs as lines, crossings marked."""

from __future__ import annotations

from baseload.plan import words
from baseload.plan.bands import VolumeBands, volume_bands
from baseload.plan.costs import SECONDS_PER_DAY, metered_month_usd
from baseload.plan.figures.chart import Axis, Series, axes, lines, names, plot
from baseload.plan.figures.choice import metered_of, shown_hybrid
from baseload.plan.figures.svg import Log, Point, Svg, spread, text_width
from baseload.plan.hybrid import hybrid
from baseload.plan.model import Plan
from baseload.plan.words import short_usd

HYBRID_POINTS = 80
STEPS_DRAWN = 400
"""Steps of the staircase drawn as such; a longer one is a line to the eye."""


def break_even(plan: Plan, *, narrow: bool = False) -> str:
    """Owned as a staircase and APIs as lines over all volumes, each crossing marked; both axes are log."""
    low, high = _volumes(plan)
    series = _lines(plan, low, high)
    costs = [usd for each in series for _, usd in each.points]
    keys = [(each.name, each.kind) for each in series]
    figure, box = plot("Break-even", " ".join(found.words for found in plan.break_even), keys, narrow=narrow)
    x = Log(low, high, box.left, box.right)
    y = Log(min(costs) / 1.3, max(costs) * 1.3, box.bottom, box.top)
    across = Axis(x.ticks(), words.tokens, "tokens a day, in and out")
    axes(figure, x, y, across, Axis(y.ticks(), short_usd, "$ a month"))
    _bands(figure, plan, x, y)
    lines(figure, x, y, series)
    if not narrow:
        names(figure, x, y, [(each.points[-1][1], each.name, each.kind) for each in series])
    _dots(figure, plan, x, y)
    _verticals(figure, plan, x, y, narrow=narrow)
    return figure.to_str()


def _volumes(plan: Plan) -> tuple[float, float]:
    """The range of volumes worth showing: the plan's own and every crossing, with room on both sides."""
    own = plan.inputs.tokens_per_day
    marks = [own]
    for found in plan.break_even:
        marks += [crossing.tokens_per_day for crossing in found.crossings]
        marks += [found.hybrid_from_tokens_per_day] if found.hybrid_from_tokens_per_day else []
    low, high = max(min(marks), own / 1000), min(max(marks), own * 1000)
    return low / 4, high * 4


def _lines(plan: Plan, low: float, high: float) -> list[Series]:
    inputs = plan.inputs
    series = [
        Series(m.name, m.role.value, [(v, metered_month_usd(v, m.usd_per_million)) for v in (low, high)])
        for m in inputs.metered
    ]
    option = shown_hybrid(plan)
    price = metered_of(plan, option).usd_per_million
    volumes = [low * (high / low) ** (i / HYBRID_POINTS) for i in range(HYBRID_POINTS + 1)]
    if inputs.curve.peak > 1.0:
        costs = [hybrid(inputs.curve, volume, inputs.fleet, price).usd_per_month for volume in volumes]
        points = list(zip(volumes, costs, strict=True))
        series.append(Series(f"hybrid with {option.metered}", "hybrid", points))
    series.append(Series("owning everything", "owned", _staircase(plan, low, high)))
    return series


def _staircase(plan: Plan, low: float, high: float) -> list[Point]:
    """The monthly cost of owning everything from one volume to another, with both corners of every step."""
    fleet, peak = plan.inputs.fleet, plan.inputs.curve.peak
    first, last = (fleet.needed(volume * peak / SECONDS_PER_DAY) for volume in (low, high))
    every = max(1, (last - first) // STEPS_DRAWN)
    points = [(low, fleet.month_usd(first))]
    for n in range(first, last, every):
        full = fleet.room_tokens_per_s(n) * SECONDS_PER_DAY / peak
        points += [(full, fleet.month_usd(n)), (full, fleet.month_usd(min(n + every, last)))]
    return [*points, (high, fleet.month_usd(last))]


def _bands(figure: Svg, plan: Plan, x: Log, y: Log) -> None:
    """P10 to P90 of owning everything and of each API, within the picture."""
    found = volume_bands(plan.inputs)
    roles = {metered.name: metered.role.value for metered in plan.inputs.metered}
    for band in found.bands:
        kind = roles.get(band.name, "owned")
        points = _within(found, band.p10, band.p90, x, y)
        if points:
            lines(figure, x, y, [Series(band.name, kind, (), points)])


def _within(
    found: VolumeBands, p10: tuple[float, ...], p90: tuple[float, ...], x: Log, y: Log
) -> list[tuple[float, float, float]]:
    def clipped(usd: float) -> float:
        return min(max(usd, y.low), y.high)

    rows = zip(found.tokens_per_day, p10, p90, strict=True)
    return [(v, clipped(low), clipped(high)) for v, low, high in rows if x.low <= v <= x.high]


def _dots(figure: Svg, plan: Plan, x: Log, y: Log) -> None:
    """A dot at every crossing, and one where the hybrid starts to pay."""
    for found in plan.break_even:
        price = found.against.usd_per_million
        within = [each for each in found.crossings if x.low <= each.tokens_per_day <= x.high]
        for crossing in within:
            at = (x(crossing.tokens_per_day), y(metered_month_usd(crossing.tokens_per_day, price)))
            figure.dot(at, "mark", 4.0 if len(within) < 12 else 2.5)
    start = _hybrid_start(plan, x)
    if start is not None:
        price = metered_of(plan, shown_hybrid(plan)).usd_per_million
        figure.dot((x(start), y(metered_month_usd(start, price))), "mark")


def _hybrid_start(plan: Plan, x: Log) -> float | None:
    option = shown_hybrid(plan)
    found = next(each for each in plan.break_even if each.against.name == option.metered)
    start = found.hybrid_from_tokens_per_day
    return start if plan.inputs.curve.peak > 1.0 and start and start < x.high else None


def _verticals(figure: Svg, plan: Plan, x: Log, y: Log, *, narrow: bool) -> None:
    """The plan's volume named on top; beside it, where there is room, the first and last crossings."""
    own = plan.inputs.tokens_per_day
    figure.line((x(own), y.end), (x(own), y.start), "here")
    named = {own: (f"here {words.tokens(own)}", "strong")}
    if not narrow:
        for volume, kind in _turns(plan, x):
            named.setdefault(volume, (words.tokens(volume), f"t-{kind}"))
    volumes = list(named)
    widest = max(text_width(text) for text, _ in named.values()) + 6
    most = max(1, int((x.end + 40 - x.start) / widest))
    volumes = sorted(volumes[:most])
    # the axis' title stands to the left of these names
    left = max(x.start + widest / 2, 80 + widest / 2)
    places = spread([x(volume) for volume in volumes], widest, left, figure.width - widest / 2 - 2)
    for volume, place in zip(volumes, places, strict=True):
        figure.text((place, y.end - 16), named[volume][0], named[volume][1], anchor="middle")
        figure.line((place, y.end - 11), (x(volume), y.end), "axis")
        if volume != own:
            figure.line((x(volume), y.end), (x(volume), y.start), "grid")


def _turns(plan: Plan, x: Log) -> list[tuple[float, str]]:
    """Volumes worth naming, the likeliest to matter first."""
    start = _hybrid_start(plan, x)
    found = [] if start is None else [(start, "hybrid")]
    for each in plan.break_even:
        kind = each.against.role.value
        within = [c.tokens_per_day for c in each.crossings if x.low <= c.tokens_per_day <= x.high]
        found += [(volume, kind) for volume in within[:1] + within[-1:]]
    return found
