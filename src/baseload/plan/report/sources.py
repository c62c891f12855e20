"""Where every number of the report comes from: its formula, and the figures it rests on with their source."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from baseload.plan.lines import LINES, Group
from baseload.plan.model import Plan

LOAD = ("volume", "load over time")
PRICES = ("volume", "mix", "price of")
OWNED = ("owned replica", "throughput", "SLO", "GPU hour", "usable", "spare", "people", "regions")
PATHS = (
    "traffic.volume_factor",
    "traffic.growth_per_year",
    "api.price_change_per_year",
    "gpu.price_factor",
    "gpu.price_change_per_year",
    "throughput.factor",
    "throughput.usable_factor",
    "gpu.term",
)

MONTH = (
    "30 days, 720 hours; tokens are input and output together. The cheapest option at these numbers, "
    "beside the others."
)
BOUGHT = (
    "tokens/day · 30 · price at this mix; where the requests are known, each at the tier its own "
    "input falls in."
)
ALONE = (
    "(replicas + spare) · price of an hour · 720 + people; the fewest replicas whose usable "
    "throughput holds the busiest window."
)
BOTH = (
    "Own the n-th replica iff Σ min(c, max(0, L(t) − (n−1)c)) · Δt · p > r · Σ Δt over all windows t "
    "(load L and usable throughput c in tokens/s, API price p per token, replica price r per second);"
    " then spare and people as a lump against owning nothing. What does not fit is bought."
)
CURVE = (
    "Tokens per second in each window, sorted or by the hour; room is replicas · throughput · usable share."
)
EVEN = (
    "Owned cost is a staircase in the volume, an API's a line; every crossing is solved on its step. "
    "The band is P10 to P90 of uncertain prices, throughput and people."
)
EXPECTED = "Every line of cost, month by month, in the expected world; leaving at the end counts."
DRAWN = (
    "each ranged figure is drawn between its low (P10) and its high (P90), prices wander about their "
    "paths, outages are counted."
)
ONE_AT_A_TIME = (
    "One figure at a time at its P10 and its P90, the others as planned; what the cheapest option "
    "then saves over the best other one in 36 months."
)
HINDSIGHT = "36 months with the replicas of today in each scenario, less the best total in hindsight."
USE = (
    "By the hour paid: r / (throughput · use). By the hour used: r / throughput. Spare and people are"
    " in neither."
)
STEADY = "The capacity model's steady state for the mean lengths, concurrency rising."


class Source(NamedTuple):
    """One derivation: facts are named by how they begin, assumptions by their names."""

    id: str
    title: str
    words: str
    facts: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


def sources(plan: Plan) -> list[Source]:
    """Every derivation the page links to, in the order of the page."""
    everything = (*PRICES, "load over time", *OWNED)
    ranged = tuple(row.name for row in plan.inputs.assumptions if row.ranged)
    worlds = f"{plan.risk.draws:,} worlds of 36 months, seed {plan.risk.seed}"
    return [
        *_month_sources(everything, ranged),
        Source("d-months", "24 and 36 months", EXPECTED, everything, PATHS),
        Source("d-risk", "Risk", f"{worlds}: {DRAWN}", (), ranged),
        Source("d-tornado", "What matters most", ONE_AT_A_TIME, (), ranged),
        Source("d-regret", "Regret", HINDSIGHT, everything, PATHS),
        Source("d-use", "Cost by use", USE, ("GPU hour", "owned replica", "throughput", "price of")),
        Source("d-frontier", "Throughput and latency", STEADY, (*OWNED[:3], "mix", "length")),
        Source("d-advice", "Advice", "From the numbers above, from your answers, or asked.", everything),
        Source("d-check", "Plan and ledger", "The plan's month beside the ledger's time scaled to 30 days."),
        *(_line(name) for name in LINES),
    ]


def _month_sources(everything: tuple[str, ...], ranged: tuple[str, ...]) -> list[Source]:
    return [
        Source("d-month", "A month", MONTH, everything),
        Source("d-bought", "A month bought", BOUGHT, PRICES),
        Source("d-owned", "A month owned", ALONE, (*LOAD, *OWNED)),
        Source("d-hybrid", "A month of both", BOTH, everything),
        Source("d-load", "Load", CURVE, (*LOAD, "throughput", "usable", "spare")),
        Source("d-even", "Break-even", EVEN, everything, ranged),
    ]


def _line(name: str) -> Source:
    kind = LINES[name]
    facts = {Group.TOKENS: PRICES, Group.GPUS: (*LOAD, *OWNED), Group.PEOPLE: ("people",)}.get(kind.group, ())
    return Source(f"d-line-{name}", kind.words, "A line of the 36 months.", facts, kind.rests_on)


def derivations(plan: Plan) -> str:
    """All of them as HTML; each is what a click on a number shows."""
    return "\n".join(_shown(plan, source) for source in sources(plan))


def _shown(plan: Plan, source: Source) -> str:
    rows = [
        _row(fact.name, fact.value, fact.source, fact.as_of, assumed=fact.assumed)
        for fact in plan.inputs.facts
        if fact.name.startswith(source.facts)
    ]
    for name in source.assumptions:
        row = plan.inputs.assumptions[name]
        value = (
            "not known"
            if row.value is None
            else f"{row.value:g}"
            if isinstance(row.value, float)
            else row.value
        )
        unit = "" if "|" in row.unit or row.value is None else f" {row.unit}"
        rows.append(_row(row.meaning, value + unit, row.source, row.as_of, assumed=row.assumed))
    listed = f"<ul>{''.join(rows)}</ul>" if rows else ""
    title, words = escape(source.title), escape(source.words)
    return f'<div class="source" id="{source.id}"><p><b>{title}.</b> {words}</p>{listed}</div>'


def _row(name: str, value: str, source: str, as_of: str, *, assumed: bool) -> str:
    told = f"{source}, {as_of}" if as_of else source
    kind = ' class="assumed"' if assumed else ""
    return f"<li{kind}><b>{escape(name)}</b> {escape(value)} <small>{escape(told)}</small></li>"
