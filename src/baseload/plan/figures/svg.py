"""A small SVG writer: shapes with classes, linear and logarithmic scales, labels that keep their distance.

Colours live in one style sheet, `report/assets/figures.css`, light and dark. Equal calls give equal bytes:
numbers are printed to a tenth of a pixel. `report/assets/draw.js` is the same writer for sliders, and a test
in a browser holds its pictures equal to these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

CHARACTER_PX = 7.8
"""Width a character of a label is taken to need: generous, since the font is the reader's own."""

Point = tuple[float, float]


class Svg:
    """One picture that is put together shape by shape; `title` and `description` are for screen readers."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self.width, self.height = width, height
        self._shapes: list[str] = []
        self._head = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"

    def rect(self, at: Point, size: Point, kind: str, *, opacity: float = 1.0, tip: str = "") -> None:
        """A filled rectangle with an optional tool tip; nothing where it has no area."""
        if size[0] > 0 and size[1] > 0:
            place = f'x="{number(at[0])}" y="{number(at[1])}"'
            extent = f'width="{number(size[0])}" height="{number(size[1])}"'
            shade = "" if opacity >= 1 else f' fill-opacity="{opacity:.2f}"'
            end = f"><title>{escape(tip)}</title></rect>" if tip else "/>"
            self._shapes.append(f'<rect class="{kind}" {place} {extent}{shade}{end}')

    def line(self, start: Point, end: Point, kind: str) -> None:
        """A straight line."""
        ends = f'x1="{number(start[0])}" y1="{number(start[1])}" x2="{number(end[0])}" y2="{number(end[1])}"'
        self._shapes.append(f'<line class="{kind}" {ends}/>')

    def path(self, points: Sequence[Point], kind: str, *, width: float = 1.0, closed: bool = False) -> None:
        """A line through these points, or the area they enclose."""
        steps = "L".join(f"{number(x)} {number(y)}" for x, y in points)
        stroke = "" if closed else f' stroke-width="{number(width)}" stroke-linejoin="round"'
        self._shapes.append(f'<path class="{kind}"{stroke} d="M{steps}{"Z" if closed else ""}"/>')

    def dot(self, at: Point, kind: str, radius: float = 4.0) -> None:
        """A filled circle."""
        x, y = number(at[0]), number(at[1])
        self._shapes.append(f'<circle class="{kind}" cx="{x}" cy="{y}" r="{number(radius)}"/>')

    def text(self, at: Point, words: str, kind: str = "", *, anchor: str = "start") -> None:
        """One line of text whose baseline starts, has its middle or ends at this point."""
        place = f'x="{number(at[0])}" y="{number(at[1])}"'
        side = "" if anchor == "start" else f' text-anchor="{anchor}"'
        named = f' class="{kind}"' if kind else ""
        self._shapes.append(f"<text{named} {place}{side}>{escape(words, quote=False)}</text>")

    def to_str(self) -> str:
        """The picture as one `<svg>` element."""
        box = f'viewBox="0 0 {number(self.width)} {number(self.height)}"'
        extent = f'width="{number(self.width)}" height="{number(self.height)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" class="bl" role="img" {extent} {box}>'
        return "\n".join((head, self._head, *self._shapes, "</svg>"))


def number(value: float) -> str:
    """A coordinate to a tenth of a pixel, without trailing zeros."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def text_width(words: str) -> float:
    """Pixels a label is taken to need."""
    return len(words) * CHARACTER_PX


@dataclass(frozen=True, slots=True)
class Linear:
    """Values from `low` to `high` on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values within the range, about so many."""
        raw = (self.high - self.low) / about
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw)
        first = math.ceil(self.low / step - 1e-9)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Log:
    """Positive values from `low` to `high` on pixels from `start` to `end`; equal ratios, equal distance."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Powers of ten within the range, with 2 and 5 times them where fewer than four decades are shown."""
        factors = (1, 2, 5) if self.high / self.low < 10_000 else (1,)
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        found = [factor * 10.0**decade for decade in decades for factor in factors]
        return [value for value in found if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions near the wanted ones, in their order, at least `gap` apart and within low to high.

    Positions that push each other form a block, which sits where its mean wants to be. Where there is no room
    for all at this gap, they share what there is.
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    blocks: list[tuple[float, list[int]]] = []
    for index in order:
        members, start = [index], min(max(wanted[index], low), high)
        while blocks and start < blocks[-1][0] + len(blocks[-1][1]) * gap:
            members = blocks.pop()[1] + members
            middle = sum(wanted[each] - rank * gap for rank, each in enumerate(members)) / len(members)
            start = min(max(middle, low), high - (len(members) - 1) * gap)
        blocks.append((start, members))
    placed = [0.0] * len(wanted)
    for start, members in blocks:
        for rank, index in enumerate(members):
            placed[index] = start + rank * gap
    return placed
