"""The plan as one HTML page that opens offline and prints: nothing in it comes from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from baseload import __version__
from baseload.errors import EnvironmentProblem
from baseload.plan import figures, words
from baseload.plan.model import Plan

PAGE_STYLE = """
:root{color-scheme:light dark;--ink:#14181b;--text:#3b4248;--quiet:#6a737b;
--rule:#e4e8eb;--page:#fff;--tint:#f3f6f8}
@media (prefers-color-scheme:dark){
:root{--ink:#f2f5f7;--text:#c3cbd2;--quiet:#8f99a2;
--rule:#2a2f34;--page:#16191c;--tint:#1e2327}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.5rem 1.25rem 4rem;max-width:58rem;background:var(--page);color:var(--text);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{margin:0 0 .2rem;font-size:.95rem;font-weight:600;color:var(--quiet);letter-spacing:.02em}
.answer{margin:0 0 1.2rem;font-size:1.6rem;line-height:1.3;font-weight:600;color:var(--ink);text-wrap:pretty}
h2{margin:2.8rem 0 .6rem;font-size:1.15rem;color:var(--ink)}
p{margin:.5rem 0;max-width:46rem}
figure{margin:1.4rem 0;overflow-x:auto}
figure svg{display:block;width:100%;min-width:40rem;height:auto}
figcaption{margin-top:.3rem;color:var(--quiet);font-size:.9rem;max-width:46rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.45rem .9rem .45rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
th{font-weight:600;color:var(--quiet);font-size:.85rem}
.n{text-align:right;white-space:nowrap}
tr.best td{font-weight:600;color:var(--ink);background:var(--tint)}
td:first-child{color:var(--ink);min-width:9rem}
td:last-child{white-space:nowrap}
.assumed{color:var(--quiet);font-style:italic}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
footer{margin-top:3rem;color:var(--quiet);font-size:.85rem}
@media print{
:root{color-scheme:light}
body{max-width:none;padding:0;font-size:10.5pt}
h2{break-after:avoid}
figure,tr{break-inside:avoid}
.answer{font-size:16pt}}
""".strip()

HOW = (
    ("A month", "30 days, 720 hours. Tokens are input and output together."),
    ("API", "tokens a month · price at this mix; each request of a traffic file at its own tier."),
    (
        "Owned",
        "(replicas + spare) · price of an hour · 720 + people. Everything owned means the fewest replicas "
        "whose usable throughput holds the busiest window.",
    ),
    (
        "Hybrid",
        "own the n-th replica iff Σ min(c, max(0, L(t) − (n−1)c)) · Δt · p &gt; r · Σ Δt over all windows t "
        "(load L and usable throughput c in tokens/s, API price p per token, replica price r per second); "
        "then spare and people as a lump against owning nothing. What does not fit is bought.",
    ),
    (
        "Break-even",
        "owned cost is a staircase in the volume, an API's a line; every crossing is solved on its step.",
    ),
)


def report_html(plan: Plan) -> str:
    """The whole page. Equal plans give equal bytes: it holds no clock."""
    sections = (
        f"<h1>baseload plan: {escape(plan.inputs.model)} on {escape(plan.inputs.replica)}</h1>",
        f'<p class="answer">{escape(plan.answer)}</p>',
        *_paragraphs(plan.verdicts),
        _section("A month, side by side", _options(plan), _figure(figures.monthly(plan), "")),
        _section("Own the base, buy the peaks", _figure(figures.load_duration(plan), _load_caption(plan))),
        _section(
            "Break-even",
            _figure(figures.break_even(plan), "Dots are crossings: there the cheaper side changes."),
            *_paragraphs(found.words for found in plan.break_even),
        ),
        _section("What would change the answer", _what_if(plan)),
        _section("What this rests on", _facts(plan)),
        _section("How it is computed", *(f"<p><b>{name}:</b> {text}</p>" for name, text in HOW)),
        f"<footer>Made by baseload {__version__}. Figures in italics are assumptions: replace them by "
        "your own.</footer>",
    )
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Plan: {escape(plan.inputs.model)}</title>\n<style>{PAGE_STYLE}</style></head>"
    )
    return f"{head}\n<body><main>\n" + "\n".join(sections) + "\n</main></body></html>\n"


def notebook_html(plan: Plan) -> str:
    """The answer, the options and the signature figure: what a notebook shows for a plan."""
    return "\n".join(
        (
            f"<p><b>{escape(plan.answer)}</b></p>",
            *_paragraphs(plan.verdicts),
            _options(plan),
            figures.load_duration(plan),
        )
    )


def write_report(plan: Plan, path: Path) -> Path:
    """Write the page to this file. Raises EnvironmentProblem where that fails."""
    try:
        path.write_text(report_html(plan), encoding="utf-8")
    except OSError as error:
        hint = "name a file in a folder that exists and can be written"
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}", hint=hint) from None
    return path


def _section(title: str, *parts: str) -> str:
    return "\n".join((f"<section><h2>{title}</h2>", *parts, "</section>"))


def _paragraphs(texts: Iterable[str]) -> list[str]:
    return [f"<p>{escape(text)}</p>" for text in texts]


def _figure(svg: str, caption: str) -> str:
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{svg}{below}</figure>"


def _table(
    headings: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], numbers: Sequence[int] = ()
) -> str:
    """A table; `rows` are (row class, cells), the columns in `numbers` are set flush right."""
    sides = ['<{0} class="n">' if column in numbers else "<{0}>" for column in range(len(headings))]
    head = "".join(f"{side.format('th')}{text}</th>" for side, text in zip(sides, headings, strict=True))
    lines = [
        f"<tr{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>"
        + "".join(f"{side.format('td')}{cell}</td>" for side, cell in zip(sides, cells, strict=True))
        + "</tr>"
        for kind, cells in rows
    ]
    body = "\n".join(lines)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _options(plan: Plan) -> str:
    cheapest = plan.cheapest
    headings = ("Option", "$ a month", "$ per million", "Replicas", "Owned tokens", "Use")
    rows = [
        (
            "best" if option is cheapest else "",
            (
                escape(option.name),
                words.usd(option.usd_per_month),
                words.usd_per_million(option.usd_per_million).removesuffix("/M"),
                words.replicas_cell(option.replicas, option.spare_replicas),
                words.percent(option.owned_tokens_share),
                words.percent(option.use) if option.replicas else "–",
            ),
        )
        for option in plan.options
    ]
    return _table(headings, rows, numbers=(1, 2, 3, 4, 5))


def _load_caption(plan: Plan) -> str:
    option = figures.shown_hybrid(plan)
    if not option.replicas:
        return (
            f"With {words.api(option.metered)} no number of replicas pays: "
            "the tokens they would serve cost less bought."
        )
    share = words.percent(1.0 - option.owned_tokens_share)
    held = words.replicas(option.replicas, option.spare_replicas)
    return (
        f"With {words.api(option.metered)}: {held} for the base, {share} of the tokens bought "
        f"for {words.usd(option.spill_usd_per_month)}: {words.usd(option.usd_per_month)} a month together."
    )


def _what_if(plan: Plan) -> str:
    rows = [
        (
            "",
            (
                escape(each.change),
                escape(each.cheapest),
                words.usd(each.usd_per_month),
                "<b>changes the answer</b>" if each.flips else "",
            ),
        )
        for each in plan.what_if
    ]
    return _table(("If", "then the cheapest is to", "$ a month", ""), rows, numbers=(2,))


def _facts(plan: Plan) -> str:
    rows = [
        (
            "assumed" if fact.assumed else "",
            (escape(fact.name), escape(fact.value), escape(fact.source), escape(fact.as_of)),
        )
        for fact in plan.inputs.facts
    ]
    return _table(("Figure", "Value", "Source", "Date"), rows)
