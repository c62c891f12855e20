"""The load: its duration curve in owned layers with the spill on top, and its weeks as a heatmap."""

from __future__ import annotations

import numpy as np

from baseload.plan import words
from baseload.plan.costs import SECONDS_PER_DAY, Floats
from baseload.plan.figures.chart import NARROW_PX, WIDE_PX, Axis, axes, names, plot
from baseload.plan.figures.choice import metered_of, shown_hybrid
from baseload.plan.figures.svg import Linear, Svg
from baseload.plan.model import Option, Plan

CURVE_POINTS = 400
LAYERS_DRAWN = 60
HOURS = 24
MOST_DAYS = 14
"""Days a heatmap shows one by one; of a longer trace every weekday's mean."""


def load_duration(plan: Plan, *, narrow: bool = False) -> str:
    """The signature picture: load over the share of time it lasts, in owned layers, the spill on top."""
    option, fleet, curve = shown_hybrid(plan), plan.inputs.fleet, plan.inputs.curve
    mean = plan.inputs.tokens_per_day / SECONDS_PER_DAY
    room = fleet.room_tokens_per_s(option.replicas)
    loads = sampled(curve.relative * mean)
    marks = _marks(plan, option, room, loads)
    keys = [(text, kind) for _, text, kind in marks if not narrow or kind not in ("quiet", "idle")]
    figure, box = plot("Load-duration curve", load_words(plan), keys, narrow=narrow)
    highest = max(curve.peak * mean, room, fleet.room_tokens_per_s(1)) * 1.04
    x, y = Linear(0, 1, box.left, box.right), Linear(0, highest, box.bottom, box.top)
    across = Axis((0.0, 0.25, 0.5, 0.75, 1.0), lambda share: f"{share * 100:.0f}%", "share of the time")
    axes(figure, x, y, across, Axis(y.ticks(), words.tokens, "tokens/s"))

    edge = [(share / len(loads), load) for i, load in enumerate(loads) for share in (i, i + 1)]
    floor = [(x(1), y(0)), (x(0), y(0))]
    figure.rect((x(0), y(room)), (x(1) - x(0), y(0) - y(room)), "idle")
    all_of_it = [(x(share), y(load)) for share, load in edge]
    figure.path(all_of_it + floor, metered_of(plan, option).role.value, closed=True)
    carried = [(x(share), y(min(load, room))) for share, load in edge]
    figure.path(carried + floor, "owned", closed=True)
    if option.replicas <= LAYERS_DRAWN:
        for n in range(1, option.replicas):
            level = y(fleet.room_tokens_per_s(n))
            figure.line((x(0), level), (x(1), level), "layer")
    shown = option.replicas or 1
    figure.line((x(0), y(fleet.room_tokens_per_s(shown))), (x(1), y(fleet.room_tokens_per_s(shown))), "here")
    if not narrow:
        names(figure, x, y, marks)
    return figure.to_str()


def _marks(plan: Plan, option: Option, room: float, loads: list[float]) -> list[tuple[float, str, str]]:
    """What stands beside the curve, as (height in tokens/s, words, kind)."""
    owned, bought = option.owned_tokens_share, 1.0 - option.owned_tokens_share
    marks = [(loads[0], "peak", "quiet")]
    if not option.replicas:
        marks.append((plan.inputs.fleet.room_tokens_per_s(1), "room of 1 replica", "quiet"))
    if option.replicas:
        marks.append((room, planned_full(plan, option.replicas), "quiet"))
        marks.append((min(room, loads[-1]) / 2, f"owned {words.percent(owned)}", "owned"))
    if bought > 0:
        middle = (loads[0] + room) / 2 if option.replicas else loads[0] / 2
        kind = metered_of(plan, option).role.value
        marks.append((middle, f"bought {words.percent(bought)}", kind))
    return marks


def planned_full(plan: Plan, replicas: int) -> str:
    """Replicas at the use they are planned with: `6 replicas at 70%`; more is bought, not squeezed in."""
    fleet = plan.inputs.fleet
    use = fleet.room_tokens_per_s(replicas) / (replicas * fleet.throughput_tokens_per_s)
    return f"{words.replicas(replicas)} at {words.percent(use)}"


def load_words(plan: Plan) -> str:
    """The picture in a sentence."""
    option = shown_hybrid(plan)
    seller = words.api(option.metered)
    if not option.replicas:
        return f"With {seller} no number of replicas pays: the tokens they would serve cost less bought."
    held = words.replicas(option.replicas, option.spare_replicas)
    owned, bought = words.percent(option.owned_tokens_share), words.percent(1.0 - option.owned_tokens_share)
    return f"With {seller} for the rest, {held} carry {owned} of the tokens; {bought} are bought."


def sampled(loads: Floats) -> list[float]:
    """At most CURVE_POINTS of a curve's loads, the highest and the lowest among them."""
    if len(loads) <= CURVE_POINTS:
        return [float(load) for load in loads]
    index = np.round(np.linspace(0, len(loads) - 1, CURVE_POINTS)).astype(np.int64)
    return [float(load) for load in loads[index]]


def heatmap(plan: Plan, *, narrow: bool = False) -> str | None:
    """Every hour's load against the room of what is owned; None where the load is the same at all times."""
    cells, days, first = hours_of(plan)
    if cells.shape[1] < 2:
        return None
    option = shown_hybrid(plan)
    held, capacity = option.replicas or 1, plan.inputs.fleet.room_tokens_per_s(option.replicas or 1)
    room = capacity * SECONDS_PER_DAY / plan.inputs.tokens_per_day
    kind = metered_of(plan, option).role.value
    width = NARROW_PX if narrow else WIDE_PX
    left, top, step_y = 52.0, 64.0 if narrow else 46.0, 17.0 if len(days) > 7 else 24.0
    step_x = (width - left) / cells.shape[1]
    figure = Svg(width, top + len(days) * step_y + 26, "Load by hour", _heat_words(plan, cells, room, held))
    _scale(figure, kind, planned_full(plan, held), narrow=narrow)
    for row, day in enumerate(days):
        y = top + row * step_y
        figure.text((left - 8, y + step_y / 2 + 4), day, "quiet", anchor="end")
        for column, load in enumerate(cells[row]):
            if np.isnan(load):
                continue
            over = load / room
            tip = f"{day}, {first(column)}: {words.percent(min(over, 9.99))} of {planned_full(plan, held)}"
            shade = 0.08 + 0.87 * min(over, 1.0) if over <= 1 else 0.55 + 0.45 * min(over - 1.0, 1.0)
            at, size = (left + column * step_x, y), (step_x - 1, step_y - 1)
            figure.rect(at, size, "owned" if over <= 1 else kind, opacity=shade, tip=tip)
    every = max(1, cells.shape[1] // 4)
    for column in range(0, cells.shape[1], every):
        figure.text((left + column * step_x, figure.height - 6), first(column), "quiet")
    return figure.to_str()


def _scale(figure: Svg, kind: str, held: str, *, narrow: bool) -> None:
    """What the colours mean: from empty to full, and beyond."""
    full = f"to {held}"
    figure.text((0, 14), "empty", "quiet")
    for step in range(8):
        figure.rect((50 + step * 11, 4), (11, 12), "owned", opacity=0.08 + 0.87 * step / 7)
    figure.text((146, 14), full, "quiet")
    x, y = (0.0, 24.0) if narrow else (146 + len(full) * 8.0 + 24, 4.0)
    for step in range(4):
        figure.rect((x + step * 11, y), (11, 12), kind, opacity=0.55 + 0.45 * step / 3)
    figure.text((x + 52, y + 10), "beyond: bought", "quiet")


def hours_of(plan: Plan) -> tuple[Floats, list[str], _Hour]:
    """Load over its mean by day and hour, the rows' names and a column's; a short trace is one row."""
    curve = plan.inputs.curve
    loads, hour = curve.by_time, max(1, round(3600 / curve.window_s))
    if curve.duration_s < SECONDS_PER_DAY * 0.999 or curve.window_s > 3600:
        parts = np.array_split(loads, min(HOURS, len(loads)))
        minutes = curve.duration_s / 60 / len(parts)
        return np.array([[part.mean() for part in parts]]), ["load"], _Hour(minutes)
    hours = -(-len(loads) // hour)
    padded = np.concatenate((loads, np.full(hours * hour - len(loads), np.nan))).reshape(hours, hour)
    means = np.nanmean(padded, axis=1)
    days = -(-hours // HOURS)
    table = np.concatenate((means, np.full(days * HOURS - hours, np.nan))).reshape(days, HOURS)
    if days <= MOST_DAYS:
        return table, [f"day {n + 1}" for n in range(days)], _Hour(60.0)
    week = np.array([np.nanmean(table[day::7], axis=0) for day in range(7)])
    return week, [f"day {n + 1}" for n in range(7)], _Hour(60.0)


class _Hour:
    """Names a column by the time at which it begins."""

    def __init__(self, minutes: float) -> None:
        self._minutes = minutes

    def __call__(self, column: int) -> str:
        at = column * self._minutes
        return f"{at / 60:.0f} h" if self._minutes >= 60 else f"{at:.0f} min"


def heat_words(plan: Plan) -> str:
    """The heatmap in sentences."""
    cells, _, _ = hours_of(plan)
    if plan.inputs.curve.peak <= 1 or cells.shape[1] < 2:
        return "The load is taken to be the same at every hour."
    held = shown_hybrid(plan).replicas or 1
    room = plan.inputs.fleet.room_tokens_per_s(held) * SECONDS_PER_DAY / plan.inputs.tokens_per_day
    return _heat_words(plan, cells, room, held)


def _heat_words(plan: Plan, cells: Floats, room: float, held: int) -> str:
    known = cells[~np.isnan(cells)]
    share, span = words.percent(float((known > room).mean())), "hours" if len(cells) > 1 else "parts"
    return f"The load is above what {planned_full(plan, held)} carry in {share} of the {span} shown."
