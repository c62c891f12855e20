"""A small SVG writer: shapes with classes, linear and logarithmic scales, labels that keep their distance.

Colours live in one style sheet inside each picture, light and dark, so that it reads the same alone, in the
report and in a notebook. Equal calls give equal bytes: numbers are printed to a tenth of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

CHARACTER_PX = 7.8
"""Width a character of a label is taken to need: generous, since the font is the reader's own."""

STYLE = """
.bl{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;background:#fff}
.bl text{fill:#3b4248}
.bl .strong{font-weight:600;fill:#14181b}
.bl .quiet{fill:#6a737b}
.bl .axis{stroke:#8a939b;fill:none}
.bl .grid{stroke:#e4e8eb;fill:none}
.bl .owned{fill:#2f7fb5}.bl .l-owned{stroke:#1f6ea3;fill:none}.bl .t-owned{fill:#1a5f8d}
.bl .frontier{fill:#e08a1e}.bl .l-frontier{stroke:#d27708;fill:none}.bl .t-frontier{fill:#a85c00}
.bl .open{fill:#1d9a78}.bl .l-open{stroke:#16866a;fill:none}.bl .t-open{fill:#0f6d55}
.bl .l-hybrid{stroke:#8457b5;fill:none}.bl .t-hybrid{fill:#6c43a0}
.bl .people{fill:#8fa3b3}
.bl .idle{fill:#2f7fb5;opacity:.13}
.bl .layer{stroke:#fff;stroke-opacity:.55;fill:none}
.bl .mark{stroke:#fff;stroke-width:1.5;fill:#14181b}
.bl .here{stroke:#14181b;stroke-dasharray:4 4;fill:none}
.bl .on{fill:#fff;font-weight:600}
@media (prefers-color-scheme:dark){
.bl{background:#16191c}
.bl text{fill:#c3cbd2}
.bl .strong{fill:#f2f5f7}
.bl .quiet{fill:#8f99a2}
.bl .axis{stroke:#6a737b}
.bl .grid{stroke:#2a2f34}
.bl .owned{fill:#2b77aa}.bl .l-owned{stroke:#5fb0e6}.bl .t-owned{fill:#7cc0ee}
.bl .frontier{fill:#cf7d14}.bl .l-frontier{stroke:#f2a541}.bl .t-frontier{fill:#f5b562}
.bl .open{fill:#178a6b}.bl .l-open{stroke:#3cc79f}.bl .t-open{fill:#55d3ae}
.bl .l-hybrid{stroke:#b48ae0}.bl .t-hybrid{fill:#c3a0e8}
.bl .people{fill:#66788a}
.bl .idle{fill:#5fb0e6;opacity:.16}
.bl .layer{stroke:#16191c;stroke-opacity:.6}
.bl .mark{stroke:#16191c;fill:#f2f5f7}
.bl .here{stroke:#f2f5f7}
.bl .on{fill:#fff}
}
""".strip()

Point = tuple[float, float]


class Svg:
    """One picture that is put together shape by shape; `title` and `description` are for screen readers."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self.width, self.height = width, height
        self._shapes: list[str] = []
        self._head = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"

    def rect(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """A filled rectangle; nothing where it has no area."""
        if width > 0 and height > 0:
            size = f'width="{number(width)}" height="{number(height)}"'
            self._shapes.append(f'<rect class="{kind}" x="{number(x)}" y="{number(y)}" {size}/>')

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
        head = f'<svg xmlns="http://www.w3.org/2000/svg" class="bl" role="img" {box}>'
        return "\n".join((head, self._head, f"<style>{STYLE}</style>", *self._shapes, "</svg>"))


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
