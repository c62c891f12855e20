"""The plan as one HTML page that opens offline and prints, as Markdown, and as a notebook shows it."""

from __future__ import annotations

import re
from html import escape
from importlib import resources
from pathlib import Path

from baseload import __version__
from baseload.errors import EnvironmentProblem
from baseload.plan import figures
from baseload.plan.check import Check
from baseload.plan.frontier import frontier
from baseload.plan.model import Plan
from baseload.plan.report import month, months, owning, titles
from baseload.plan.report.came import came
from baseload.plan.report.html import figure, linked, section, sentences, table
from baseload.plan.report.markdown import check_markdown, report_markdown
from baseload.plan.report.sources import derivations
from baseload.plan.tables import month as tables

__all__ = ["check_html", "notebook_html", "report_html", "report_markdown", "write_check", "write_report"]

STYLES, SCRIPTS = ("figures.css", "page.css"), ("plan.js", "draw.js", "page.js")
CARD = (
    '<aside id="card" hidden role="dialog" aria-label="where this number comes from"><div></div>'
    '<button type="button">Close</button></aside>'
)


def report_html(plan: Plan, actual: Check | None = None) -> str:
    """The whole page; `actual` adds the plan beside the ledger. Equal plans give equal bytes: no clock."""
    sections = (
        month.month(plan),
        "" if actual is None else came(actual),
        section(titles.EVEN, figure(figures.break_even, plan, aside=_even(plan), live="even"), moves=True),
        _heatmap(plan),
        owning.sizing(plan),
        owning.had(plan),
        months.cumulative(plan),
        months.stack(plan),
        section(titles.USE, figure(figures.cost_by_use, plan, aside=_use(plan))),
        _frontier(plan),
        months.tornado(plan),
        months.regret(plan),
        months.advice(plan),
        section(titles.WHAT_IF, table(tables.what_if(plan))),
        owning.classes(plan),
        owning.bill(plan),
        section(titles.RESTS, table(tables.facts(plan)), _assumptions(plan)),
        section(
            titles.COMPUTED,
            f"<details><summary>Every formula with its figures</summary>{derivations(plan)}</details>",
        ),
    )
    shown = tuple(part for part in sections if part)
    parts = (
        month.first_screen(plan),
        contents(shown),
        *shown,
        f"<footer>Made by baseload {__version__}. What is in italics is an assumption: replace it by your "
        "own figure. Every underlined number shows its source.</footer>",
    )
    data = f'<script type="application/json" id="bl-data">{month.slider_data(plan)}</script>'
    script = f"<script>(() => {{\n{_assets(SCRIPTS)}}})();</script>"
    return _page(f"Plan: {plan.inputs.model}", (*parts, "</main>", CARD, data, script))


def contents(sections: tuple[str, ...]) -> str:
    """Links to the parts of the page."""
    found = (re.search(r'<h2 id="([^"]+)">([^<]+)</h2>', part) for part in sections)
    links = "".join(f'<a href="#{each[1]}">{each[2]}</a>' for each in found if each)
    return f'<nav aria-label="parts of this report">{links}</nav>'


def check_html(found: Check) -> str:
    """A saved plan beside the ledger as a page of its own, without anything from elsewhere."""
    source = "The plan's month beside the ledger's time scaled to 30 days."
    told = f'<div class="source" id="d-check"><p>{source}</p></div>'
    return _page(f"Plan and ledger: {found.option}", (came(found), told, "</main>"))


def write_check(found: Check, path: Path) -> Path:
    """Write that page, or Markdown where the name ends in .md. Raises EnvironmentProblem where that fails."""
    return _write(check_markdown(found) if path.suffix == ".md" else check_html(found), path)


def _page(title: str, parts: tuple[str, ...]) -> str:
    """A whole document; the parts close `<main>`."""
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>{_assets(STYLES)}</style></head>"
    )
    body = "\n".join(parts)
    return f'{head}\n<body class="blp"><main>{body}\n</body></html>\n'


def notebook_html(plan: Plan) -> str:
    """The answer, the options and the signature figure: what a notebook shows for a plan."""
    verdicts = "".join(f"<p>{escape(text)}</p>" for text in plan.told)
    return "\n".join(
        (
            f'<div class="blp notebook"><style>{_assets(STYLES)}</style>',
            f"<p><b>{escape(plan.answer)}</b></p>{verdicts}",
            table(tables.options(plan).plain()),
            figures.load_duration(plan),
            f"<p>{escape(figures.load_words(plan))}</p></div>",
        )
    )


def write_report(plan: Plan, path: Path, actual: Check | None = None) -> Path:
    """Write the page, or Markdown where the name ends in .md. Raises EnvironmentProblem where that fails."""
    text = report_markdown(plan, actual) if path.suffix == ".md" else report_html(plan, actual)
    return _write(text, path)


def _write(text: str, path: Path) -> Path:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        hint = "name a file in a folder that exists and can be written"
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}", hint=hint) from None
    return path


def _assets(names: tuple[str, ...]) -> str:
    folder = resources.files("baseload.plan.report").joinpath("assets")
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def _even(plan: Plan) -> str:
    told = [
        f'<p data-live="even:{row}" data-source="d-even">{linked(found.words, "d-even")}</p>'
        for row, found in enumerate(plan.break_even)
    ]
    band = '<p class="planned-only">Bands are P10 to P90 of uncertain prices, throughput and people.</p>'
    return "".join((*told, band))


def _heatmap(plan: Plan) -> str:
    told = f"<p>{linked(figures.heat_words(plan), 'd-load')}</p>"
    if plan.inputs.curve.peak <= 1:
        return section(titles.HEATMAP, told)
    told += (
        "<p>From left to right a day's hours, or equal parts of shorter traffic; the stronger the blue, the "
        "fuller the replicas. Warm cells are above what they carry.</p>"
    )
    return section(titles.HEATMAP, figure(figures.heatmap, plan, aside=told))


def _use(plan: Plan) -> str:
    told = "Where the curve is under an API's line, a replica's tokens are cheaper than bought."
    return f"<p>{linked(figures.use_words(plan), 'd-use')}</p><p>{told}</p>"


def _frontier(plan: Plan) -> str:
    found = frontier(plan.inputs)
    if found is None:
        return section(titles.FRONTIER, f"<p>{titles.NO_FRONTIER}</p>")
    told = sentences((figures.frontier_words(found), figures.planned_words(plan, found)), "d-frontier")
    told += f"<p><small>{escape(found.source)}</small></p>"
    return section(titles.FRONTIER, figure(figures.frontier_figure, found, aside=told))


def _assumptions(plan: Plan) -> str:
    """What the 36 months rest on besides, folded away."""
    found = tables.assumptions(plan)
    shown = table(found)
    return f"<details><summary>{len(found.rows)} figures of the 36 months</summary>{shown}</details>"
