"""Small pieces of HTML: text, numbers that lead to their source, tables, figures in two sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any, NamedTuple

from baseload.plan.tables import Cell, Table

NUMBER = re.compile(r"(?<![\w.,\-−×+&#;])−?\$?\d(?:[\d,]*\d)?(?:\.\d+)?(?:%|[kMB]\b)?(?:\+\d+)?(?![\w×])")
"""A number in a sentence, digits in the names of models and GPUs left out."""

STAYS = '<p class="moved-note">The sliders do not move this part: it is as planned.</p>'
"""Shown in a section while the sliders stand elsewhere than in the plan."""

Decorate = Callable[[int, int, str], str]
"""Takes row, column and a cell's HTML and returns what stands in its place."""


class Inserted(NamedTuple):
    """A column that is a picture: where it stands, and its cells."""

    at: int
    cells: tuple[str, ...]


def link(text: str, source: str, cell: str = "") -> str:
    """A number that a click leads to its source."""
    live = f' data-cell="{cell}"' if cell else ""
    return f'<a class="n" href="#{source}"{live}>{escape(text)}</a>'


def linked(text: str, source: str) -> str:
    """A sentence whose numbers lead to this source."""
    return NUMBER.sub(
        lambda found: f'<a class="n" href="#{source}">{found[0]}</a>', escape(text, quote=False)
    )


def section(title: str, *parts: str, moves: bool = False) -> str:
    """A titled part of the page; unless the sliders move it, it says so while they are moved."""
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    head = f'<section aria-labelledby="h-{name}"><h2 id="h-{name}">{escape(title)}</h2>'
    return "\n".join(part for part in (head, "" if moves else STAYS, *parts, "</section>") if part)


def sentences(lines: Iterable[str], source: str) -> str:
    """Paragraphs whose numbers lead to this source; empty ones are left out."""
    return "".join(f"<p>{linked(line, source)}</p>" for line in lines if line)


def figure(draw: Callable[..., str | None], *given: Any, aside: str = "", live: str = "") -> str:
    """A picture for a desk and one for a phone, with words beside or below; nothing where there is none."""
    wide, narrow = draw(*given), draw(*given, narrow=True)
    if wide is None or narrow is None:
        return f"<p>{aside}</p>" if aside else ""
    names = (f' id="{live}-wide"', f' id="{live}-narrow"') if live else ("", "")
    return (
        f'<figure class="fig"><div class="pic"><div class="wide"{names[0]}>{wide}</div>'
        f'<div class="narrow"{names[1]}>{narrow}</div></div><figcaption>{aside}</figcaption></figure>'
    )


def table(
    found: Table,
    decorate: Decorate | None = None,
    attributes: Callable[[int], str] | None = None,
    inserted: Inserted | None = None,
) -> str:
    """A table; columns of numbers are set flush right, rows are marked, a picture may stand in between."""
    lines = []
    for number, row in enumerate(found.rows):
        cells = [_cell(cell, number=column in found.numbers) for column, cell in enumerate(row.cells)]
        if decorate is not None:
            cells = [decorate(number, column, cell) for column, cell in enumerate(cells)]
        body = [f"<td{_side(found, column)}>{cell}</td>" for column, cell in enumerate(cells) if column]
        if inserted is not None:
            body.insert(inserted.at - 1, f"<td>{inserted.cells[number]}</td>")
        marked = f' class="{row.mark}"' if row.mark else ""
        more = "" if attributes is None else f" {attributes(number)}"
        lines.append(
            f'<tr{marked}{more}><th scope="row"{_side(found, 0)}>{cells[0]}</th>{"".join(body)}</tr>'
        )
    head = [
        f'<th scope="col"{_side(found, column)}>{escape(text)}</th>'
        for column, text in enumerate(found.headings)
    ]
    if inserted is not None:
        head.insert(inserted.at, "<td></td>")
    rows, name = "\n".join(lines), escape(found.name)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{name}, scrolls sideways">'
        f'<table aria-label="{name}"><thead><tr>{"".join(head)}</tr></thead><tbody>\n{rows}\n</tbody></table>'
        '</div><p class="more" aria-hidden="true">more to the right →</p>'
    )


def _side(found: Table, column: int) -> str:
    return ' class="num"' if column in found.numbers else ""


def _cell(cell: Cell, *, number: bool) -> str:
    if not cell.source:
        return escape(cell.text)
    return link(cell.text, cell.source) if number and cell.text else linked(cell.text, cell.source)
