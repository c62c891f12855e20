"""Small pieces of HTML: text, numbers that lead to their source, tables, figures in two sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

NUMBER = re.compile(r"(?<![\w.,\-×+&#;])\$?\d(?:[\d,]*\d)?(?:\.\d+)?(?:%|[kMB]\b)?(?:\+\d+)?(?![\w×])")
"""A number in a sentence, digits in the names of models and GPUs left out."""


def link(text: str, source: str, cell: str = "") -> str:
    """A number that a click leads to its source."""
    live = f' data-cell="{cell}"' if cell else ""
    return f'<a class="n" href="#{source}"{live}>{escape(text)}</a>'


def linked(text: str, source: str) -> str:
    """A sentence whose numbers lead to this source."""
    return NUMBER.sub(
        lambda found: f'<a class="n" href="#{source}">{found[0]}</a>', escape(text, quote=False)
    )


def section(title: str, *parts: str) -> str:
    """A titled part of the page."""
    name = re.sub(r"[^a-z]+", "-", title.lower()).strip("-")
    return "\n".join(
        (f'<section aria-labelledby="h-{name}"><h2 id="h-{name}">{title}</h2>', *parts, "</section>")
    )


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
    headings: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], numbers: Sequence[int] = ()
) -> str:
    """A table; `rows` are (attributes of the row, cells); columns in `numbers` are set flush right."""
    sides = [' class="num"' if column in numbers else "" for column in range(len(headings))]
    head = "".join(f'<th scope="col"{side}>{text}</th>' for side, text in zip(sides, headings, strict=True))
    lines = []
    for attributes, cells in rows:
        first, *others = zip(sides, cells, strict=True)
        body = "".join(f"<td{side}>{cell}</td>" for side, cell in others)
        lines.append(f'<tr{attributes}><th scope="row"{first[0]}>{first[1]}</th>{body}</tr>')
    body = "\n".join(lines)
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="table"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
