"""The month: the first screen, the options side by side, the sliders, and what they compute with."""

from __future__ import annotations

import base64
import json
import re
from html import escape

import numpy as np

from baseload.plan import figures
from baseload.plan.export import option_parts
from baseload.plan.model import Option, Plan
from baseload.plan.report import titles
from baseload.plan.report.html import STAYS, Inserted, figure, linked, section, table
from baseload.plan.slide import sliders
from baseload.plan.tables import month as tables
from baseload.plan.tables.words import differs

SHOWN_CHANGES = 4

SLIDERS = (
    ("tokens_per_day", "Volume", "tokens a day, in and out"),
    ("output_share", "Mix", "share of output tokens"),
    ("usd_per_gpu_hour", "GPU price", "one GPU for an hour"),
    ("usable", "Utilisation", "share of a replica's throughput that is planned with"),
    ("team_usd_per_month", "People", "who run owned serving"),
)
CELLS = ("", "usd", "per", "replicas", "owned", "use")
"""Columns of the options by the names under which the sliders find them."""

LOGARITHMIC = ("tokens_per_day", "usd_per_gpu_hour")


def first_screen(plan: Plan) -> str:
    """The answer in a sentence, the signature picture, what to sign, what it saves, what would change it."""
    changes = [f"<li>{linked(text, 'd-advice')}</li>" for text in plan.advice.would_change[:SHOWN_CHANGES]]
    listed = "".join(changes) or f"<li>{titles.NOTHING_CHANGES}</li>"
    caption = f'<p data-live="load" data-source="d-load">{linked(figures.load_words(plan), "d-load")}</p>'
    return "\n".join(
        (
            f'<header><p class="kicker">baseload plan · {escape(plan.inputs.model)} on '
            f"{escape(plan.inputs.replica)}</p>",
            f'<h1 data-live="answer" data-source="d-month">{linked(plan.answer, "d-month")}</h1>',
            _differs(plan),
            '<p class="moved-note">The sliders changed this. <a href="#sliders">See them</a>.</p></header>',
            '<div class="first"><div>',
            figure(figures.load_duration, plan, aside=caption, live="load"),
            f'<h2>{titles.SIGN}</h2>{STAYS}<div class="sign">{table(tables.sign(plan))}</div></div>',
            f'<div class="told"><h2>{titles.SAVES}</h2>{_verdicts(plan)}',
            f"<h2>{titles.CHANGES}</h2>",
            '<p class="moved-note">This list is the plan\'s, before the sliders.</p>',
            f"<ul>{listed}</ul></div></div>",
        )
    )


def _differs(plan: Plan) -> str:
    """Where advice and the cheapest month are two answers."""
    told = differs(plan)
    return f'<p class="differs" data-source="d-advice">{linked(told, "d-advice")}</p>' if told else ""


def _verdicts(plan: Plan) -> str:
    verdicts = "".join(
        f'<p data-live="verdict:{row}" data-source="d-hybrid">{linked(text, "d-hybrid")}</p>'
        for row, text in enumerate(plan.verdicts)
    )
    if plan.caveat:  # the plan's own: the sliders leave it as it is, and it says so
        verdicts += '<p class="moved-note">The next sentence is the plan\'s, before the sliders.</p>'
        verdicts += f'<p data-source="d-hybrid">{linked(plan.caveat, "d-hybrid")}</p>'
    return verdicts


def month(plan: Plan) -> str:
    """The table of options and the sliders that change it."""
    return section(titles.MONTH, _options(plan), _legend(plan), _sliders(), moves=True)


def _options(plan: Plan) -> str:
    """The options with a bar each; cells are named, for the sliders."""
    most = max(option.usd_per_month for option in plan.options) or 1.0
    bars = Inserted(2, tuple(_bar(plan, option, most) for option in plan.options))

    def named(_row: int, column: int, cell: str) -> str:
        return cell.replace("<a ", f'<a data-cell="{CELLS[column]}" ', 1) if column else cell

    return table(tables.options(plan), named, lambda row: f'data-option="{row}"', bars)


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
