"""Total cost of ownership over 24 and 36 months: every option, by line and month, and where totals cross."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from baseload.plan import words
from baseload.plan.costs import DAYS_PER_MONTH, Floats
from baseload.plan.course import Course, course
from baseload.plan.lines import LINES, Group
from baseload.plan.model import Inputs, Kind, Option
from baseload.plan.running import engineers_needed
from baseload.plan.world import MONTHS, World, expected

HORIZONS = (24, MONTHS)
"""Months after which totals are stated; leaving counts at each of them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: dollars of each month; `exit` stands in the last one, and in `usd_24` as of month 24."""

    name: str
    group: Group
    words: str
    by_month: tuple[float, ...]
    usd_24: float
    usd_36: float

    @property
    def rests_on(self) -> tuple[str, ...]:
        """The assumptions behind it, by name."""
        return LINES[self.name].rests_on


@dataclass(frozen=True)
class OptionTco:
    """An option's 36 months in the expected world.

    `idle_usd` is the part of the GPU lines that served nobody: the spare where it waits, and the room that
    was not used; the rest is amortised over the tokens served. `npv_usd` discounts each month.
    """

    option: Option
    lines: tuple[Line, ...]
    usd_24: float
    usd_36: float
    npv_usd: float
    usd_per_million: float
    cumulative_usd: tuple[float, ...]
    replicas: tuple[float, ...]
    spares: tuple[float, ...]
    engineers: tuple[float, ...]
    owned_share: tuple[float, ...]
    used: tuple[float, ...]
    gpu_usd: float
    idle_usd: float
    leaving_usd: tuple[float, ...]

    @property
    def amortised_usd(self) -> float:
        """The GPU lines without what was idle."""
        return self.gpu_usd - self.idle_usd


@dataclass(frozen=True, slots=True)
class Overtaking:
    """The month (from 1) after which an option's total stays at or below another's; None for never."""

    option: str
    against: str
    month: int | None


@dataclass(frozen=True)
class Tco:
    """All options over the horizon; the first of equals is the cheapest."""

    options: tuple[OptionTco, ...]
    overtaking: tuple[Overtaking, ...]

    @cached_property
    def cheapest(self) -> OptionTco:
        """The lowest total after 36 months, to the cent; ties go to the first, bought before owned."""
        return min(self.options, key=lambda each: round(each.usd_36, 2))

    @property
    def words(self) -> str:
        """The total in a sentence."""
        best = self.cheapest
        others = sorted(
            (
                each
                for each in self.options
                if each is not best and (each.option.kind is not Kind.HYBRID or any(each.replicas))
            ),
            key=lambda each: each.usd_36,
        )
        beside = ", ".join(f"{_called(each.option)} {words.usd(each.usd_36)}" for each in others)
        return (
            f"Over 36 months with every line of cost the cheapest is {_called(best.option)} at "
            f"{words.usd(best.usd_36)} ({words.usd(best.usd_24)} after 24); {beside}."
        )


def tco(inputs: Inputs, options: tuple[Option, ...]) -> Tco:
    """The expected course of every option. Pure: equal inputs, equal totals."""
    world = expected(inputs.assumptions)
    rows = tuple(_option(inputs, option, world) for option in options)
    return Tco(rows, tuple(_overtakings(rows)))


def _called(option: Option) -> str:
    """An option's name within a sentence."""
    if option.kind is Kind.OWNED:
        return "owning everything"
    if option.kind is Kind.HYBRID:
        return f"a hybrid with {words.api(option.metered)}"
    return words.api(option.name)


def _option(inputs: Inputs, option: Option, world: World) -> OptionTco:
    found = course(inputs, option, world)
    lines = [_line(name, _row(values), None) for name, values in found.lines.items()]
    lines.append(_exit(found))
    lines.sort(key=lambda line: list(LINES).index(line.name))
    total = _row(found.total)
    millions = inputs.tokens_per_day * DAYS_PER_MONTH / 1e6 * float(_row(world.volume).sum())
    gpu_usd, idle_usd = _idle(found)
    usd_36 = float(found.until(MONTHS)[0])
    replicas, spares = _row(found.replicas), _row(found.spares)
    rate = float(world["finance.cost_of_capital_per_year"])
    discount = (1.0 + rate) ** (-(np.arange(MONTHS) + 1) / 12.0)
    return OptionTco(
        option=option,
        lines=tuple(lines),
        usd_24=float(found.until(24)[0]),
        usd_36=usd_36,
        npv_usd=float((total * discount).sum() + found.leaving(MONTHS)[0] * discount[-1]),
        usd_per_million=usd_36 / millions,
        cumulative_usd=_floats(np.cumsum(total)),
        replicas=_floats(replicas),
        spares=_floats(spares),
        engineers=_floats(_row(engineers_needed(inputs, world, found.replicas + found.spares))),
        owned_share=_floats(_row(found.owned_share)),
        used=_floats(_row(found.used)),
        gpu_usd=gpu_usd,
        idle_usd=idle_usd,
        leaving_usd=_floats(_row(found.leaving_usd)),
    )


def _idle(found: Course) -> tuple[float, float]:
    """GPU dollars over the horizon, and the part that served nobody."""
    gpus = [name for name in found.lines if LINES[name].group is Group.GPUS]
    serving = [name for name in gpus if name != "spare" or found.spare_serves]
    paid = sum((_row(found.lines[name]) for name in gpus), np.zeros(MONTHS))
    used = sum((_row(found.lines[name]) for name in serving), np.zeros(MONTHS)) * _row(found.used)
    return float(paid.sum()), float((paid - used).sum())


def _line(name: str, values: Floats, at_24: float | None) -> Line:
    kind = LINES[name]
    usd_24 = float(values[:24].sum()) if at_24 is None else at_24
    return Line(name, kind.group, kind.words, _floats(values), usd_24, float(values.sum()))


def _exit(found: Course) -> Line:
    values = np.zeros(MONTHS)
    values[-1] = found.leaving(MONTHS)[0]
    return _line("exit", values, float(found.leaving(24)[0]))


def _overtakings(rows: tuple[OptionTco, ...]) -> list[Overtaking]:
    bought = [row for row in rows if row.option.kind in (Kind.FRONTIER_API, Kind.OPEN_API)]
    owning = [row for row in rows if any(row.replicas)]
    return [
        Overtaking(a.option.name, b.option.name, _stays_below(a.cumulative_usd, b.cumulative_usd))
        for a in owning
        for b in bought
    ]


def _stays_below(ours: tuple[float, ...], theirs: tuple[float, ...]) -> int | None:
    above = [month for month, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a > b]
    first = above[-1] + 1 if above else 0
    return None if first >= len(ours) else first + 1


def _row(values: Floats) -> Floats:
    return np.asarray(np.broadcast_to(values, (1, MONTHS))[0])


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
