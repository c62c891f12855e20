"""The month: the first screen, the options side by side, the sliders, and what they compute with."""

from __future__ import annotations

import base64
import json
import re
from html import escape

import numpy as np

from baseload.plan import figures, words
from baseload.plan.export import option_parts
from baseload.plan.model import Kind, Option, Plan
from baseload.plan.report.html import figure, link, linked, section, table
from baseload.plan.slide import sliders

SHOWN_CHANGES = 4

SLIDERS = (
    ("tokens_per_day", "Volume", "tokens a day, in and out"),
    ("output_share", "Mix", "share of output tokens"),
    ("usd_per_gpu_hour", "GPU price", "one GPU for an hour"),
    ("usable", "Utilisation", "share of a replica's throughput that is planned with"),
    ("team_usd_per_month", "People", "who run owned serving"),
)
LOGARITHMIC = ("tokens_per_day", "usd_per_gpu_hour")


def first_screen(plan: Plan) -> str:
    """The answer in a sentence, what it saves, what would change it, and the signature picture."""
    verdicts = "".join(
        f'<p data-live="verdict:{row}" data-source="d-hybrid">{linked(text, "d-hybrid")}</p>'
        for row, text in enumerate(plan.verdicts)
    )
    if plan.caveat:  # the plan's own: the sliders leave it as it is, and it says so
        verdicts += '<p class="moved-note">The next sentence is the plan\'s, before the sliders.</p>'
        verdicts += f'<p data-source="d-hybrid">{linked(plan.caveat, "d-hybrid")}</p>'
    changes = [f"<li>{linked(text, 'd-advice')}</li>" for text in plan.advice.would_change[:SHOWN_CHANGES]]
    listed = "".join(changes) or "<li>Nothing that was looked at.</li>"
    caption = f'<p data-live="load" data-source="d-load">{linked(figures.load_words(plan), "d-load")}</p>'
    return "\n".join(
        (
            f'<header><p class="kicker">baseload plan · {escape(plan.inputs.model)} on '
            f"{escape(plan.inputs.replica)}</p>",
            f'<h1 data-live="answer" data-source="d-month">{linked(plan.answer, "d-month")}</h1>',
            '<p class="moved-note">The sliders changed this. <a href="#sliders">See them</a>.</p></header>',
            '<div class="first">',
            figure(figures.load_duration, plan, aside=caption, live="load"),
            f'<div class="told"><h2>What it saves</h2>{verdicts}',
            "<h2>What would change it</h2>",
            '<p class="moved-note">This list is the plan\'s, before the sliders.</p>',
            f"<ul>{listed}</ul></div></div>",
        )
    )


def month(plan: Plan) -> str:
    """The table of options and the sliders that change it."""
    return section("A month, side by side", _options(plan), _legend(plan), _sliders())


def _options(plan: Plan) -> str:
    headings = ("Option", "$ a month", "", "$ per million", "Replicas", "Owned tokens", "Use")
    most = max(option.usd_per_month for option in plan.options) or 1.0
    rows = []
    for row, option in enumerate(plan.options):
        best = ' class="best"' if option is plan.cheapest else ""
        source = {Kind.OWNED: "d-owned", Kind.HYBRID: "d-hybrid"}.get(option.kind, "d-bought")
        cells = (
            escape(option.name),
            link(words.usd(option.usd_per_month), source, "usd"),
            _bar(plan, option, most),
            link(words.usd_per_million(option.usd_per_million).removesuffix("/M"), source, "per"),
            link(words.replicas_cell(option.replicas, option.spare_replicas), source, "replicas"),
            link(words.percent(option.owned_tokens_share), source, "owned"),
            link(words.percent(option.use) if option.replicas else "–", source, "use"),
        )
        rows.append((f'{best} data-option="{row}"', cells))
    return table(headings, rows, numbers=(1, 3, 4, 5, 6))


def _bar(plan: Plan, option: Option, most: float) -> str:
    """Replicas, people and bought tokens of an option, to the scale of the dearest."""
    role = "" if option.metered is None else figures.metered_of(plan, option).role.value
    parts = zip(("owned", "people", role or "open"), option_parts(plan, option), strict=True)
    drawn = "".join(f'<i class="b-{kind}" style="width:{usd / most * 100:.2f}%"></i>' for kind, usd in parts)
    return f'<span class="bar" aria-hidden="true">{drawn}</span>'


def _legend(plan: Plan) -> str:
    roles = {metered.role.value for metered in plan.inputs.metered}
    named = (
        ("owned", "replicas and spare"),
        ("people", "people"),
        ("frontier", "tokens of a frontier API"),
        ("open", "tokens of the open model's API"),
    )
    shown = [
        f'<span><i class="b-{kind}"></i>{text}</span>'
        for kind, text in named
        if kind in roles or kind in ("owned", "people")
    ]
    return f'<p class="legend">{"".join(shown)}</p>'


def _sliders() -> str:
    rows = "".join(
        f'<div><label for="s-{name}"><b>{title}</b> {about}</label>'
        f'<output id="o-{name}" for="s-{name}"></output>'
        f'<input type="range" id="s-{name}" min="0" max="1000" step="1"></div>'
        for name, title, about in SLIDERS
    )
    return (
        '<form id="sliders" hidden onsubmit="return false"><h3>Move the numbers</h3>'
        f'<div class="rows">{rows}</div><p><button type="button" id="reset">Back to the plan</button> '
        "The month, its answer, the load and the break-even follow; 36 months and risk stay as planned, "
        "and so does a replica's throughput.</p></form>"
    )


def slider_data(plan: Plan) -> str:
    """What the page computes with, as JSON that cannot end its script element."""
    inputs, now = plan.inputs, sliders(plan.inputs)
    fleet = inputs.fleet
    loads = base64.b64encode(np.asarray(inputs.curve.by_time, dtype="<f8").tobytes()).decode("ascii")
    data = {
        "curve": loads,
        "replica": inputs.replica,
        "mix": {"output_share": inputs.mix.output_share, "cached_share": inputs.mix.cached_share},
        "fleet": {
            "throughput": fleet.throughput_tokens_per_s,
            "usd_per_hour": fleet.usd_per_hour,
            "usable": fleet.usable,
            "spare": fleet.spare.value,
            "team": fleet.team_usd_per_month,
        },
        "metered": [
            {
                "name": metered.name,
                "role": metered.role.value,
                "usd_per_million": metered.usd_per_million,
                "price": None
                if metered.price is None
                else {
                    "input": metered.price.input,
                    "cached_input": metered.price.cached_input,
                    "output": metered.price.output,
                },
            }
            for metered in inputs.metered
        ],
        "sliders": {name: getattr(now, name) for name, _, _ in SLIDERS},
        "ranges": {
            "tokens_per_day": (now.tokens_per_day / 50, now.tokens_per_day * 50),
            "output_share": (0.0, 1.0),
            "usd_per_gpu_hour": (now.usd_per_gpu_hour / 5, now.usd_per_gpu_hour * 5),
            "usable": (0.05, 1.0),
            "team_usd_per_month": (0.0, max(100_000.0, 2 * now.team_usd_per_month)),
        },
        "logarithmic": LOGARITHMIC,
    }
    return re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(data, ensure_ascii=False))
