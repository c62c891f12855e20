"""Where every number of the report comes from: its formula, and the figures it rests on with their source."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from baseload.plan.lines import LINES, Group
from baseload.plan.model import ASSUMED, Fact, Inputs, Plan
from baseload.plan.sizing_words import run_out_days
from baseload.plan.words import figure, slo_words

LOAD = ("volume", "load over time")
PRICES = ("volume", "mix", "price of")
OWNED = ("owned replica", "throughput", "SLO", "GPU hour", "usable", "spare", "people", "regions")
SIMULATION = ("owned replica", "throughput", "usable", "SLO", "mix", "length", "regions")
TERMS = (
    "gpu.term",
    "gpu.reserved_discount",
    "gpu.spot_ratio",
    "gpu.spot_interrupted_share",
    "gpu.spot_most_share",
    "gpu.start_minutes",
    "bought.usd_per_gpu",
)
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
STEADY = (
    "The capacity model's steady state for the mean lengths, concurrency rising; one replica of one region."
)
IDLE = (
    "The GPU lines' part that served nobody over the GPU lines: a spare that waits, and room that "
    "was not used."
)
SIMULATED = (
    "The traffic's busiest run of requests goes through n simulated replicas behind the real "
    "dispatch code, in "
    "more or less time, up to the load at which TTFT or TPOT at the promised share of requests would"
    " be missed: "
    "n · c(n)."
)
RUNS_OUT = "365 · ln(room / busiest window) / ln(1 + growth a year), room that of owning everything."
ON_OFFER = (
    "The same simulation with nothing bought, for the plan's replica and for GPUs on offer at every "
    "number and "
    "precision: the fewest that keep the promise; offers that could only cost more are not simulated."
)
STANDS_BY = (
    "The best hybrid with each spare, against the better of buying everything and owning the busiest"
    " window plus "
    "an idle one."
)
LAYERED = (
    "The n-th replica reserved or bought costs its month, on demand or on spot the hours with load above its "
    "floor plus its starts, metered the tokens it would have served; the cheapest takes the layer."
)
MIXED = (
    "A mixed-integer program (HiGHS) over the plan file's classes and places on this plan's load curve: the "
    "cheapest replicas and flows that keep quality, regions and retention."
)
BILLED = "The bill's own dollars, and its tokens at the catalog's prices of their days."


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
        Source("d-frontier", "Throughput and latency", STEADY, SIMULATION, ("traffic.regions",)),
        Source("d-idle", "Idle GPUs", IDLE, (*LOAD, *OWNED), PATHS),
        *_owning_sources(plan),
        Source("d-advice", "Advice", "From the numbers above, from your answers, or asked.", everything),
        Source("d-check", "Plan and ledger", "The plan's month beside the ledger's time scaled to 30 days."),
        *(_line(name) for name in LINES),
    ]


def _owning_sources(plan: Plan) -> list[Source]:
    """Derivations of parts that not every plan has; the first two are linked from what all have."""
    inputs, growth = plan.inputs, ("traffic.growth_per_year", "traffic.regions")
    found = [
        Source("d-spares", "Spares", STANDS_BY, (*LOAD, *OWNED, "price of")),
        Source("d-layers", "Layers", LAYERED, (*LOAD, *OWNED, "price of"), TERMS),
    ]
    if inputs.sized is not None:
        found.append(Source("d-slo", "Sized by simulation", SIMULATED, SIMULATION, ("traffic.regions",)))
    if inputs.searched is not None:
        found.append(Source("d-offers", "GPUs on offer", ON_OFFER, SIMULATION, growth))
    if run_out_days(inputs) is not None:
        found.append(Source("d-runs-out", "The day it ends", RUNS_OUT, (*LOAD, *OWNED), growth))
    if plan.portfolio is not None:
        found.append(Source("d-portfolio", "Several classes and models", MIXED, LOAD[1:]))
    if inputs.billed is not None:
        found.append(Source("d-bill", "The bill", f"{BILLED} File: {inputs.billed.source}.", LOAD))
    return found


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
    facts = known(plan.inputs)
    return "\n".join(_shown(plan, facts, source) for source in sources(plan))


def known(inputs: Inputs) -> tuple[Fact, ...]:
    """The facts of these inputs, and the SLO and the lengths of a request where no fact says them.

    A throughput that was given is not computed from them; the capacity model's curve is.
    """
    mix = inputs.mix
    lengths = f"{mix.input_tokens:,.0f} tokens in, {mix.output_tokens:,.0f} out, on average"
    mixed = next((fact.source for fact in inputs.facts if fact.name == "mix"), ASSUMED)
    more = (
        Fact("SLO", slo_words(inputs.slo), f"{ASSUMED}: the throughput is given, and taken to keep it"),
        Fact("length of a request", lengths, mixed),
    )
    names = {fact.name for fact in inputs.facts}
    return (*inputs.facts, *(fact for fact in more if fact.name not in names))


def _shown(plan: Plan, facts: tuple[Fact, ...], source: Source) -> str:
    rows = [
        _row(fact.name, fact.value, fact.source, fact.as_of, assumed=fact.assumed)
        for fact in facts
        if fact.name.startswith(source.facts)
    ]
    for name in source.assumptions:
        row = plan.inputs.assumptions[name]
        rows.append(
            _row(row.meaning, figure(row.value, row.unit), row.source, row.as_of, assumed=row.assumed)
        )
    listed = f"<ul>{''.join(rows)}</ul>" if rows else ""
    title, words = escape(source.title), escape(source.words)
    return f'<div class="source" id="{source.id}"><p><b>{title}.</b> {words}</p>{listed}</div>'


def _row(name: str, value: str, source: str, as_of: str, *, assumed: bool) -> str:
    told = f"{source}, {as_of}" if as_of else source
    kind = ' class="assumed"' if assumed else ""
    return f"<li{kind}><b>{escape(name)}</b> {escape(value)} <small>{escape(told)}</small></li>"
