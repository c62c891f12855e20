"""What every line chart shares: margins for a desk and for a phone, axes, and names beside their lines.

On a desk names stand at the ends of their lines; on a phone they are listed above the plot, one a row, so
that no figure needs to be scaled until nobody can read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from baseload.plan.figures.svg import Linear, Log, Point, Svg, spread, text_width

WIDE_PX, NARROW_PX = 720.0, 358.0
TEXT_PX = 18.0
"""Distance of two lines of text."""
NAME_CHARACTERS, NARROW_CHARACTERS = 25, 38
"""Longest name a figure shows whole."""
PLOT_PX, NARROW_PLOT_PX = 290.0, 230.0

Scale = Linear | Log
Label = Callable[[float], str]


class Series(NamedTuple):
    """A named line in data; `kind` is its colour; `band` is (x, low, high), drawn behind it."""

    name: str
    kind: str
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] = ()


class Box(NamedTuple):
    """The plot within a figure, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


class Axis(NamedTuple):
    """What an axis says: values with a tick, their words, and the axis' own."""

    ticks: Sequence[float]
    label: Label
    title: str


def plot(title: str, description: str, keys: Sequence[tuple[str, str]], *, narrow: bool) -> tuple[Svg, Box]:
    """An empty figure with room for these names (words, kind) and for the axes; narrow ones list them."""
    if not narrow:
        right = max(text_width(cut(words)) for words, _ in keys) + 16
        box = Box(62, 40, WIDE_PX - right, 40 + PLOT_PX)
        return Svg(WIDE_PX, box.bottom + 44, title, description), box
    top = 36 + len(keys) * TEXT_PX
    box = Box(50, top, NARROW_PX - 10, top + NARROW_PLOT_PX)
    figure = Svg(NARROW_PX, box.bottom + 44, title, description)
    for row, (words, kind) in enumerate(keys):
        y = 4 + row * TEXT_PX
        figure.rect((0, y + 3), (14, 5), f"k-{kind}")
        figure.text((20, y + 11), cut(words, NARROW_CHARACTERS), f"t-{kind}")
    return figure, box


def axes(figure: Svg, x: Scale, y: Scale, across: Axis, up: Axis) -> None:
    """Grid, ticks and titles; a label that would touch the one before is left out."""
    for value in up.ticks:
        figure.line((x.start, y(value)), (x.end, y(value)), "grid")
        figure.text((x.start - 6, y(value) + 4), up.label(value), "quiet", anchor="end")
    figure.line((x.start, y.start), (x.end, y.start), "axis")
    taken = 0.0
    for value in across.ticks:
        half = text_width(across.label(value)) / 2
        if x(value) - half >= taken and x(value) + half <= figure.width:
            figure.text((x(value), y.start + 18), across.label(value), "quiet", anchor="middle")
            taken = x(value) + half + 4
    figure.text(((x.start + x.end) / 2, y.start + 38), across.title, "quiet", anchor="middle")
    figure.text((0, y.end - 16), up.title, "quiet")


def lines(figure: Svg, x: Scale, y: Scale, series: Sequence[Series]) -> None:
    """Bands first, then the lines over them."""
    for each in series:
        if each.band:
            upper = [(x(at), y(high)) for at, _, high in each.band]
            lower = [(x(at), y(low)) for at, low, _ in reversed(each.band)]
            figure.path(upper + lower, f"band-{each.kind}", closed=True)
    for each in series:
        if each.points:
            points = [(x(at), y(value)) for at, value in each.points]
            figure.path(points, f"l-{each.kind}", width=2)


def names(figure: Svg, x: Scale, y: Scale, marks: Sequence[tuple[float, str, str]]) -> None:
    """Names at the right edge, near the value they belong to: (value, words, kind)."""
    places = spread([y(value) for value, _, _ in marks], TEXT_PX, y.end, y.start)
    for (value, words, kind), place in zip(marks, places, strict=True):
        figure.line((x.end, y(value)), (x.end + 8, place), "grid")
        figure.text((x.end + 12, place + 4), cut(words), f"t-{kind}")


def cut(name: str, most: int = NAME_CHARACTERS) -> str:
    """A name that fits a margin."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
