"""What a replica's use makes of its price, and what its speed and its throughput cost each other."""

from __future__ import annotations

from baseload.plan import words
from baseload.plan.figures.chart import TEXT_PX, Axis, Series, axes, lines, names, plot
from baseload.plan.figures.choice import shown_hybrid
from baseload.plan.figures.svg import Linear, Log, Svg, text_width
from baseload.plan.frontier import Frontier, use_cost
from baseload.plan.model import Plan
from baseload.plan.words import slo_words

NAMED_CONCURRENCY = (1, 4, 16, 64, 256)


def cost_by_use(plan: Plan, *, narrow: bool = False) -> str:
    """Dollars per million tokens over a replica's use: by the hour paid, by the hour used, and bought."""
    rows = use_cost(plan.inputs)
    series = [
        Series("per hour paid", "owned", [(row.use, row.reservation_usd_per_million) for row in rows]),
        Series("per hour used", "hybrid", [(row.use, row.usage_usd_per_million) for row in rows]),
    ]
    ends = (rows[0].use, rows[-1].use)
    for metered in plan.inputs.metered:
        if metered.usd_per_million > 0:
            points = [(use, metered.usd_per_million) for use in ends]
            series.append(Series(metered.name, metered.role.value, points))
    costs = [usd for each in series for _, usd in each.points]
    keys = [(each.name, each.kind) for each in series]
    figure, box = plot("Cost per million tokens by use", use_words(plan), keys, narrow=narrow)
    x, y = Linear(0, 1, box.left, box.right), Log(min(costs) / 1.5, max(costs) * 1.5, box.bottom, box.top)
    across = Axis((0, 0.25, 0.5, 0.75, 1), lambda use: f"{use * 100:.0f}%", "use of a replica")
    axes(figure, x, y, across, Axis(y.ticks(), lambda usd: f"${usd:.3g}", "$ per million tokens"))
    lines(figure, x, y, series)
    option = shown_hybrid(plan)
    if option.replicas and option.use >= ends[0]:
        at = plan.inputs.fleet.floor_usd_per_million(option.use)
        figure.dot((x(option.use), y(at)), "mark")
    if not narrow:
        names(figure, x, y, [(each.points[-1][1], each.name, each.kind) for each in series])
    return figure.to_str()


def use_words(plan: Plan) -> str:
    """The picture in sentences."""
    fleet, option = plan.inputs.fleet, shown_hybrid(plan)
    full = words.usd_per_million(fleet.floor_usd_per_million(1.0))
    text = f"A replica's tokens cost {full} where it is full at every hour that is paid."
    if option.replicas:
        now = words.usd_per_million(fleet.floor_usd_per_million(option.use))
        used = words.percent(option.use)
        text += f" Used as planned, {used} (the dot), each costs {now}, spare and people apart."
    return text


def frontier_figure(found: Frontier, *, narrow: bool = False) -> str:
    """Throughput of one replica over its time per token; the box ends where TPOT or TTFT breaks the SLO.

    The dot is the last concurrency that keeps both.
    """
    points = [(at.tpot_s * 1000, at.tokens_per_s) for at in found.points]
    series = [Series("one replica", "owned", points)]
    keys = [("one replica", "owned"), ("within the SLO", "open")]
    figure, box = plot("Throughput and latency", frontier_words(found), keys, narrow=narrow)
    widest = max(points[-1][0], found.slo.tpot_s * 1000) * 1.08
    x, y = Linear(0, widest, box.left, box.right), Linear(0, points[-1][1] * 1.12, box.bottom, box.top)
    _slo_box(figure, found, x, y)
    across = Axis(x.ticks(), lambda ms: f"{ms:g}", "time per output token, ms")
    axes(figure, x, y, across, Axis(y.ticks(), words.tokens, "tokens/s of a replica"))
    lines(figure, x, y, series)
    taken = -1e9
    for at in found.points:
        where = (x(at.tpot_s * 1000), y(at.tokens_per_s))
        free = where[1] > y.end + 2 * TEXT_PX + 14 and where[1] < y.start - 18
        if at.concurrency in NAMED_CONCURRENCY and where[0] - taken > 30 and where[0] < x.end - 26 and free:
            figure.dot(where, "small", 2.5)
            figure.text((where[0] + 6, where[1] + 16), str(at.concurrency), "quiet")
            taken = where[0]
    if found.within is not None:
        figure.dot((x(found.within.tpot_s * 1000), y(found.within.tokens_per_s)), "mark")
    if not narrow:
        names(
            figure,
            x,
            y,
            [(points[-1][1], "one replica", "owned"), (points[-1][1] / 2, "within the SLO", "open")],
        )
    return figure.to_str()


def _slo_box(figure: Svg, found: Frontier, x: Linear, y: Linear) -> None:
    """The times per token that keep both promises; each limit that the curve can reach is a named line."""
    limits = [(found.slo.tpot_s * 1000, f"TPOT {found.slo.tpot_s * 1000:g} ms")]
    if found.tpot_at_ttft_s is not None:
        limits.append((found.tpot_at_ttft_s * 1000, f"TTFT {found.slo.ttft_s:g} s"))
    figure.rect((x(0), y.end), (x(min(at for at, _ in limits)) - x(0), y.start - y.end), "box-open")
    for rank, (at, text) in enumerate(sorted(limits)):
        figure.line((x(at), y.end), (x(at), y.start), "here")
        left = x(at) - 6 - text_width(text) > x.start
        figure.text(
            (x(at) + (-6 if left else 6), y.end + 14 + rank * TEXT_PX),
            text,
            "t-open",
            anchor="end" if left else "start",
        )


def planned_words(plan: Plan, found: Frontier) -> str:
    """How much of the curve's best the plan counts on."""
    fleet = plan.inputs.fleet
    full, used = (rate / found.regions for rate in (fleet.throughput_tokens_per_s, fleet.usable_tokens_per_s))
    where = f" in each of {found.regions} regions" if found.regions > 1 else ""
    return (
        f"The plan takes a full replica{where} to serve {full:,.0f} tokens/s and counts on "
        f"{words.percent(fleet.usable)} of that, {used:,.0f} tokens/s."
    )


def frontier_words(found: Frontier) -> str:
    """The picture in sentences."""
    promise = slo_words(found.slo)
    if found.within is None:
        return f"No concurrency keeps {promise}."
    best = found.within
    return (
        f"{best.concurrency} requests at a time keep {promise}: {best.tokens_per_s:,.0f} tokens/s, "
        f"TTFT {best.ttft_s * 1000:,.0f} ms, TPOT {best.tpot_s * 1000:.1f} ms, "
        f"±{found.error * 100:.0f}% at 80%. "
        "Small numbers on the line are requests at a time."
    )
