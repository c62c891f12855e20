"""The plan as one HTML page that opens offline and prints, as Markdown, and as a notebook shows it."""

from __future__ import annotations

from html import escape
from importlib import resources
from pathlib import Path

from baseload import __version__
from baseload.errors import EnvironmentProblem
from baseload.plan import figures, words
from baseload.plan.check import Check
from baseload.plan.frontier import frontier
from baseload.plan.model import Plan
from baseload.plan.report import month, months
from baseload.plan.report.came import came
from baseload.plan.report.html import figure, link, linked, section, table
from baseload.plan.report.markdown import report_markdown
from baseload.plan.report.sources import derivations

__all__ = ["check_html", "notebook_html", "report_html", "report_markdown", "write_check", "write_report"]

STYLES, SCRIPTS = ("figures.css", "page.css"), ("plan.js", "draw.js", "page.js")
CARD = (
    '<aside id="card" hidden role="dialog" aria-label="where this number comes from"><div></div>'
    '<button type="button">Close</button></aside>'
)


def report_html(plan: Plan, actual: Check | None = None) -> str:
    """The whole page; `actual` adds the plan beside the ledger. Equal plans give equal bytes: no clock."""
    sections = (
        month.first_screen(plan),
        month.month(plan),
        "" if actual is None else came(actual),
        section("Break-even", figure(figures.break_even, plan, aside=_even(plan), live="even")),
        _heatmap(plan),
        months.cumulative(plan),
        months.stack(plan),
        section("Cost per million tokens", figure(figures.cost_by_use, plan, aside=_use(plan))),
        _frontier(plan),
        months.tornado(plan),
        months.regret(plan),
        months.advice(plan),
        section("If one thing were different", _what_if(plan)),
        section("What this rests on", _facts(plan), _assumptions(plan)),
        section(
            "How it is computed",
            f"<details><summary>Every formula with its figures</summary>{derivations(plan)}</details>",
        ),
        f"<footer>Made by baseload {__version__}. What is in italics is an assumption: replace it by your "
        "own figure. Every underlined number shows its source.</footer>",
    )
    data = f'<script type="application/json" id="bl-data">{month.slider_data(plan)}</script>'
    script = f"<script>(() => {{\n{_assets(SCRIPTS)}}})();</script>"
    return _page(f"Plan: {plan.inputs.model}", (*sections, "</main>", CARD, data, script))


def check_html(found: Check) -> str:
    """A saved plan beside the ledger as a page of its own, without anything from elsewhere."""
    source = "The plan's month beside the ledger's time scaled to 30 days."
    told = f'<div class="source" id="d-check"><p>{source}</p></div>'
    return _page(f"Plan and ledger: {found.option}", (came(found), told, "</main>"))


def write_check(found: Check, path: Path) -> Path:
    """Write that page to this file. Raises EnvironmentProblem where that fails."""
    return _write(check_html(found), path)


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
    rows = [
        (
            ' class="best"' if option is plan.cheapest else "",
            (
                escape(option.name),
                words.usd(option.usd_per_month),
                words.usd_per_million(option.usd_per_million).removesuffix("/M"),
                words.replicas_cell(option.replicas, option.spare_replicas),
                words.percent(option.owned_tokens_share),
            ),
        )
        for option in plan.options
    ]
    headings = ("Option", "$ a month", "$ per million", "Replicas", "Owned tokens")
    verdicts = "".join(f"<p>{escape(text)}</p>" for text in plan.told)
    return "\n".join(
        (
            f'<div class="blp notebook"><style>{_assets(STYLES)}</style>',
            f"<p><b>{escape(plan.answer)}</b></p>{verdicts}",
            table(headings, rows, numbers=(1, 2, 3, 4)),
            figures.load_duration(plan),
            f"<p>{escape(figures.load_words(plan))}</p></div>",
        )
    )


def write_report(plan: Plan, path: Path, actual: Check | None = None) -> Path:
    """Write the page, or Markdown where the name ends in .md. Raises EnvironmentProblem where that fails."""
    return _write(report_markdown(plan) if path.suffix == ".md" else report_html(plan, actual), path)


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
    told = (
        "<p>Each cell is an hour; the stronger the blue, the fuller the replicas. Warm cells are above what "
        "they carry.</p>"
    )
    picture = figure(figures.heatmap, plan, aside=told) if plan.inputs.curve.peak > 1 else ""
    return section("Load by hour", picture or "<p>The load is taken to be the same at every hour.</p>")


def _use(plan: Plan) -> str:
    told = "Where the curve is under an API's line, a replica's tokens are cheaper than bought."
    return f"<p>{linked(figures.use_words(plan), 'd-use')}</p><p>{told}</p>"


def _frontier(plan: Plan) -> str:
    found = frontier(plan.inputs)
    if found is None:
        return section(
            "Throughput and latency", "<p>The catalog holds no figures for this model on this GPU.</p>"
        )
    planned = f"{plan.inputs.fleet.throughput_tokens_per_s:,.0f} tokens/s a replica are planned with."
    told = (
        f"<p>{linked(figures.frontier_words(found), 'd-frontier')}</p><p>{linked(planned, 'd-frontier')}</p>"
    )
    told += f"<p><small>{escape(found.source)}</small></p>"
    return section("Throughput and latency", figure(figures.frontier_figure, found, aside=told))


def _what_if(plan: Plan) -> str:
    rows = [
        (
            "",
            (
                escape(each.change),
                escape(each.cheapest) + (" <b>(changes the answer)</b>" if each.flips else ""),
                link(words.usd(each.usd_per_month), "d-month"),
            ),
        )
        for each in plan.what_if
    ]
    return table(("If", "then the cheapest is to", "$ a month"), rows, numbers=(2,))


def _facts(plan: Plan) -> str:
    rows = [
        (
            ' class="assumed"' if fact.assumed else "",
            (escape(fact.name), escape(fact.value), escape(fact.source), escape(fact.as_of)),
        )
        for fact in plan.inputs.facts
    ]
    return table(("Figure", "Value", "Source", "Date"), rows)


def _assumptions(plan: Plan) -> str:
    """What the 36 months rest on besides, folded away."""
    rows = []
    for row in plan.inputs.assumptions:
        value = "–" if row.value is None else f"{row.value:g}" if isinstance(row.value, float) else row.value
        between = "" if row.low is None or row.high is None else f"{row.low:g} … {row.high:g}"
        told = f"{row.source}, {row.as_of}" if row.as_of else row.source
        kind = ' class="assumed"' if row.assumed or row.asked else ""
        cells = (
            escape(row.meaning),
            escape(value),
            between,
            escape(row.unit.replace("|", ", ")),
            escape(told),
        )
        rows.append((kind, cells))
    shown = table(("Figure of the 36 months", "Value", "P10 … P90", "Unit", "Source"), rows)
    return f"<details><summary>{len(rows)} figures of the 36 months</summary>{shown}</details>"
