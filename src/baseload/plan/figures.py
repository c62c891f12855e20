"""The figures of a plan, each made once as an SVG: report, dashboard and notebooks show the same picture."""

from __future__ import annotations

import numpy as np

from baseload.plan import words
from baseload.plan.costs import SECONDS_PER_DAY, Floats, metered_month_usd
from baseload.plan.hybrid import hybrid
from baseload.plan.model import Kind, Metered, Option, Plan, Role
from baseload.plan.svg import Linear, Log, Point, Svg, spread, text_width

WIDTH = 880.0
TEXT_PX = 18.0
"""Distance of two lines of text."""
CURVE_POINTS = 400
HYBRID_POINTS = 80
NAME_CHARACTERS = 32
"""Longest name a figure shows whole."""
STEPS_DRAWN = 400
"""Steps of the staircase drawn as such; a longer one is a line to the eye."""
LAYERS_DRAWN = 60


def shown_hybrid(plan: Plan) -> Option:
    """The hybrid that the figures show: the cheapest one that owns something, else the cheapest."""
    hybrids = [option for option in plan.options if option.kind is Kind.HYBRID]
    owning = [option for option in hybrids if option.replicas]
    return min(owning or hybrids, key=lambda option: option.usd_per_month)


def _metered_of(plan: Plan, option: Option) -> Metered:
    return next(metered for metered in plan.inputs.metered if metered.name == option.metered)


def load_duration(plan: Plan) -> str:
    """The signature picture: load over the share of time it lasts, in owned layers, the spill on top."""
    option, fleet, curve = shown_hybrid(plan), plan.inputs.fleet, plan.inputs.curve
    mean = plan.inputs.tokens_per_day / SECONDS_PER_DAY
    room = fleet.room_tokens_per_s(option.replicas)
    owned, bought = words.percent(option.owned_tokens_share), words.percent(1.0 - option.owned_tokens_share)
    held = words.replicas(option.replicas)
    figure = Svg(
        WIDTH,
        400,
        "Load-duration curve",
        f"{held} carry {owned} of the tokens, {bought} are bought from {option.metered}.",
    )
    highest = max(curve.peak * mean, room, fleet.room_tokens_per_s(1)) * 1.04
    x, y = Linear(0, 1, 70, WIDTH - 170), Linear(0, highest, 340, 52)
    figure.text((x.start, 20), _load_title(option), "strong")
    _load_axes(figure, x, y)

    loads = _sampled(curve.relative * mean)
    edge = [(share / len(loads), load) for i, load in enumerate(loads) for share in (i, i + 1)]
    floor = [(x(1), y(0)), (x(0), y(0))]
    figure.rect(x(0), y(room), x(1) - x(0), y(0) - y(room), "idle")
    all_of_it = [(x(share), y(load)) for share, load in edge]
    figure.path(all_of_it + floor, _metered_of(plan, option).role.value, closed=True)
    carried = [(x(share), y(min(load, room))) for share, load in edge]
    figure.path(carried + floor, "owned", closed=True)
    if option.replicas <= LAYERS_DRAWN:
        for n in range(1, option.replicas):
            level = y(fleet.room_tokens_per_s(n))
            figure.line((x(0), level), (x(1), level), "layer")
    if y(loads[-1]) - y(room) > 2 * TEXT_PX:
        figure.text((x.end - 8, y(room) + TEXT_PX), "idle", "t-owned", anchor="end")
    if not option.replicas:
        level = y(fleet.room_tokens_per_s(1))
        figure.line((x(0), level), (x(1), level), "here")
    _load_labels(figure, x, y, _load_marks(plan, option, room, loads))
    return figure.to_str()


def _load_title(option: Option) -> str:
    title = "The load, highest hours first"
    if not option.replicas:
        return f"{title}: no replica pays, the API carries all"
    if option.owned_tokens_share >= 1.0:
        return f"{title}: owned replicas carry all of it"
    return f"{title}: owned replicas carry the base, the API the peaks"


def _load_axes(figure: Svg, x: Linear, y: Linear) -> None:
    for value in y.ticks():
        figure.line((x.start, y(value)), (x.end, y(value)), "axis" if value == 0 else "grid")
        figure.text((x.start - 8, y(value) + 4), words.tokens(value), "quiet", anchor="end")
    figure.text((x.start - 8, y.end - 10), "tokens/s", "quiet", anchor="end")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        figure.text((x(share), y.start + 20), f"{share * 100:.0f}%", "quiet", anchor="middle")
    figure.text(((x.start + x.end) / 2, y.start + 42), "share of the time", "quiet", anchor="middle")


def _load_marks(plan: Plan, option: Option, room: float, loads: list[float]) -> list[tuple[float, str, str]]:
    """What the right margin says, as (height in tokens/s, words, class)."""
    owned, bought = option.owned_tokens_share, 1.0 - option.owned_tokens_share
    marks = [(loads[0], "peak", "quiet")]
    if not option.replicas:
        marks.append((plan.inputs.fleet.room_tokens_per_s(1), "room of 1 replica", "quiet"))
    if option.replicas:
        marks.append((room, f"{words.replicas(option.replicas)} full", "t-owned"))
        marks.append((min(room, loads[-1]) / 2, f"owned {words.percent(owned)}", "t-owned"))
    if bought > 0:
        middle = (loads[0] + room) / 2 if option.replicas else loads[0] / 2
        marks.append((middle, f"bought {words.percent(bought)}", f"t-{_metered_of(plan, option).role.value}"))
    return marks


def _load_labels(figure: Svg, x: Linear, y: Linear, marks: list[tuple[float, str, str]]) -> None:
    places = spread([y(level) for level, _, _ in marks], TEXT_PX, y.end, y.start)
    for (level, text, kind), place in zip(marks, places, strict=True):
        figure.line((x.end, y(level)), (x.end + 12, place), "grid")
        figure.text((x.end + 16, place + 4), text, kind)


def break_even(plan: Plan) -> str:
    """Owned as a staircase and APIs as lines over all volumes, each crossing marked; both axes are log."""
    low, high = _volumes(plan)
    lines = _cost_lines(plan, low, high)
    figure = Svg(WIDTH, 440, "Break-even", " ".join(found.words for found in plan.break_even))
    right = max(text_width(_cut(name)) for name, _, _ in lines) + 16
    x = Log(low, high, 70, WIDTH - right)
    costs = [usd for _, _, points in lines for _, usd in points]
    y = Log(min(costs) / 1.3, max(costs) * 1.3, 380, 92)
    figure.text((x.start, 20), "What a month costs at every volume", "strong")
    for value in y.ticks():
        figure.line((x.start, y(value)), (x.end, y(value)), "grid")
        figure.text((x.start - 8, y(value) + 4), _short_usd(value), "quiet", anchor="end")
    for value in x.ticks():
        figure.text((x(value), y.start + 20), words.tokens(value), "quiet", anchor="middle")
    figure.line((x.start, y.start), (x.end, y.start), "axis")
    figure.text(((x.start + x.end) / 2, y.start + 42), "tokens a day, in and out", "quiet", anchor="middle")
    for _, kind, points in lines:
        figure.path([(x(volume), y(usd)) for volume, usd in points], f"l-{kind}", width=2)
    ends = spread([y(points[-1][1]) for _, _, points in lines], TEXT_PX, y.end, y.start)
    for (name, kind, _), place in zip(lines, ends, strict=True):
        figure.text((x.end + 8, place + 4), _cut(name), f"t-{kind}")
    _crossing_marks(figure, plan, x, y)
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


def _cost_lines(plan: Plan, low: float, high: float) -> list[tuple[str, str, list[Point]]]:
    """Each line of the break-even figure as (name, class, [(tokens/day, dollars a month)])."""
    lines = [
        (
            metered.name,
            metered.role.value,
            [(v, metered_month_usd(v, metered.usd_per_million)) for v in (low, high)],
        )
        for metered in plan.inputs.metered
    ]
    option = shown_hybrid(plan)
    inputs, price = plan.inputs, _metered_of(plan, option).usd_per_million
    volumes = [low * (high / low) ** (i / HYBRID_POINTS) for i in range(HYBRID_POINTS + 1)]
    if plan.inputs.curve.peak > 1.0:
        costs = [hybrid(inputs.curve, volume, inputs.fleet, price).usd_per_month for volume in volumes]
        lines.append((f"hybrid with {option.metered}", "hybrid", list(zip(volumes, costs, strict=True))))
    lines.append(("owning everything", "owned", _staircase(plan, low, high)))
    return lines


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


def _crossing_marks(figure: Svg, plan: Plan, x: Log, y: Log) -> None:
    """A dot at every crossing; the first and last of each API, and the plan's volume, named on top."""
    named = {plan.inputs.tokens_per_day: ("here", "strong")}
    option = shown_hybrid(plan)
    for found in plan.break_even:
        price, kind = found.against.usd_per_million, f"t-{found.against.role.value}"
        within = [each for each in found.crossings if x.low <= each.tokens_per_day <= x.high]
        for crossing in within:
            at = (x(crossing.tokens_per_day), y(metered_month_usd(crossing.tokens_per_day, price)))
            figure.dot(at, "mark", 4.0 if len(within) < 12 else 2.5)
        for crossing in within[:1] + within[-1:]:
            named[crossing.tokens_per_day] = ("", kind)
        start = found.hybrid_from_tokens_per_day
        if plan.inputs.curve.peak > 1.0 and found.against.name == option.metered and start and start < x.high:
            figure.dot((x(start), y(metered_month_usd(start, price))), "mark")
            named[start] = ("", "t-hybrid")
    own = plan.inputs.tokens_per_day
    figure.line((x(own), 62), (x(own), y.start), "here")
    volumes = sorted(named)
    texts = [f"{named[v][0]} {words.tokens(v)}".strip() for v in volumes]
    widest = max(text_width(text) for text in texts) + 6
    places = spread([x(volume) for volume in volumes], widest, x.start + widest / 2, x.end + 40)
    for volume, text, place in zip(volumes, texts, places, strict=True):
        figure.text((place, 48), text, named[volume][1], anchor="middle")
        figure.line((place, 53), (x(volume), 66), "axis")
        if volume != own:
            figure.line((x(volume), 66), (x(volume), y.start), "grid")


def _cut(name: str) -> str:
    """A name that fits a margin."""
    return name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"


def _short_usd(amount: float) -> str:
    """A round amount on an axis: `$50`, `$2k`, `$1.5M`."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if amount >= size:
            return f"${amount / size:g}{unit}"
    return f"${amount:g}"


def monthly(plan: Plan) -> str:
    """Every option's month as a bar of replicas, people and bought tokens."""
    row_px = 34.0
    names = [_cut(option.name) for option in plan.options]
    left = max(text_width(name) for name in names) + 16
    height = 62 + row_px * len(names)
    parts = [_parts(plan, option) for option in plan.options]
    described = "; ".join(f"{option.name} {words.usd(option.usd_per_month)}" for option in plan.options)
    figure = Svg(WIDTH, height, "What a month costs", described)
    top = max(option.usd_per_month for option in plan.options) or 1.0
    x = Linear(0, top, left, WIDTH - 90)
    volume = words.tokens(plan.inputs.tokens_per_day)
    figure.text((0, 20), f"A month at {volume} tokens a day", "strong")
    _legend(figure, {kind for each in parts for kind, usd in each if usd > 0})
    for row, (option, stacked) in enumerate(zip(plan.options, parts, strict=True)):
        y, at = 56 + row * row_px, 0.0
        chosen = "strong" if option is plan.cheapest else ""
        figure.text((left - 12, y + 16), names[row], chosen, anchor="end")
        for kind, usd in stacked:
            figure.rect(x(at), y, x(at + usd) - x(at), row_px - 12, kind)
            at += usd
        figure.text((x(at) + 6, y + 16), words.usd(option.usd_per_month), chosen)
    return figure.to_str()


LEGEND = {
    "owned": "replicas",
    "people": "people",
    Role.FRONTIER.value: "tokens of a frontier API",
    Role.OPEN.value: "tokens of the open model's API",
}


def _legend(figure: Svg, kinds: set[str]) -> None:
    x = 0.0
    for kind, name in LEGEND.items():
        if kind in kinds:
            figure.rect(x, 34, 11, 11, kind)
            figure.text((x + 16, 44), name, "quiet")
            x += text_width(name) + 36


def _parts(plan: Plan, option: Option) -> list[tuple[str, float]]:
    """An option's month by what the money is for, as (class, dollars)."""
    fleet = plan.inputs.fleet
    replicas_usd = (option.replicas + option.spare_replicas) * fleet.replica_month_usd
    people_usd = fleet.team_usd_per_month if option.replicas else 0.0
    bought_usd = option.usd_per_month - replicas_usd - people_usd
    kind = "" if option.metered is None else _metered_of(plan, option).role.value
    return [("owned", replicas_usd), ("people", people_usd), (kind, max(bought_usd, 0.0))]


def _sampled(loads: Floats) -> list[float]:
    """At most CURVE_POINTS of a curve's loads, the highest and the lowest among them."""
    if len(loads) <= CURVE_POINTS:
        return [float(load) for load in loads]
    index = np.round(np.linspace(0, len(loads) - 1, CURVE_POINTS)).astype(np.int64)
    return [float(load) for load in loads[index]]
