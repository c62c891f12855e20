"""What is owned, in tables: rooms simulated, GPUs on offer, spares, layers, several classes and models."""

from __future__ import annotations

from baseload.plan import words
from baseload.plan.layers import METERED, Layer, layered
from baseload.plan.model import Plan
from baseload.plan.offer_search import Kept, Searched
from baseload.plan.portfolio import Portfolio
from baseload.plan.sizing_words import MOST_OFFERS
from baseload.plan.slo_sizing import Sized
from baseload.plan.spares import spare_prices
from baseload.plan.tables.table import Cell, Row, Table, row, table


def rooms(sized: Sized) -> Table:
    """c(n): what so many simulated replicas serve within the promise; the count planned with is marked."""
    rows = [
        row(
            words.replicas(each.replicas),
            Cell(f"{each.tokens_per_s:,.0f}", "d-slo"),
            Cell(f"{each.each:,.0f}", "d-slo"),
            mark="best" if each.replicas == sized.replicas else "",
        )
        for each in sized.rooms
    ]
    return table("Simulated", ("Simulated", "tokens/s together", "tokens/s each"), rows, (1, 2))


def offers(searched: Searched) -> Table:
    """The plan's own replica and the cheapest GPUs on offer that keep the promise alone."""
    rows = [] if searched.own is None else [_kept(searched.own, "the plan's own")]
    for at, offer in enumerate(searched.offers[:MOST_OFFERS]):
        source = ", ".join(part for part in (offer.source, offer.as_of) if part)
        rows.append(_kept(offer, source, best=at == 0))
    headings = (
        "GPUs",
        "Replicas",
        "$ an hour",
        "$ a month",
        "TTFT",
        "TPOT",
        "with one less",
        "±",
        "Price of",
    )
    return table("What keeps the promise alone", headings, rows, range(1, 8))


def _kept(kept: Kept, source: str, *, best: bool = False) -> Row:
    less = "–" if kept.one_less is None else f"{kept.one_less[0]:.2f} s, {kept.one_less[1] * 1000:.0f} ms"
    figures = (
        f"{kept.replicas:,}",
        words.usd(kept.usd_per_hour),
        words.usd(kept.usd_per_month),
        f"{kept.ttft_s:.2f} s",
        f"{kept.tpot_s * 1000:.0f} ms",
        less,
        f"{kept.error * 100:.0f}%",
    )
    cells = (Cell(text, "d-offers") for text in figures)
    return row(kept.name, *cells, source, mark="best" if best else "")


def spares(plan: Plan) -> Table:
    """Each spare priced against each API, where a hybrid with it owns anything."""
    rows = []
    for each in spare_prices(plan.inputs):
        if not each.replicas:
            continue
        cells = (
            words.replicas_cell(each.replicas, each.spare_replicas),
            words.usd(each.usd_per_month),
            words.usd(each.pure_usd_per_month),
            words.percent(each.saves_share),
        )
        rows.append(row(each.spare.value, each.against, *(Cell(text, "d-spares") for text in cells)))
    headings = ("Spare", "Beside", "Replicas", "$ a month", "better pure option", "saves")
    return table("What a spare costs", headings, rows, range(2, 6))


def layers(plan: Plan) -> Table:
    """The cheapest way to have the replicas against each API, where it is worth having any."""
    rows = []
    for stack in layered(plan.inputs):
        if all(layer.term == METERED for layer in stack.layers):
            continue
        cells = (words.usd(stack.usd_per_month), words.usd(stack.on_demand_usd_per_month))
        said = ", ".join(_layer(layer) for layer in stack.layers)
        rows.append(row(stack.against, Cell(said, "d-layers"), *(Cell(text, "d-layers") for text in cells)))
    headings = ("Beside", "layers from the bottom up", "$ a month", "all on demand")
    return table("How to have the replicas (spares and people left out)", headings, rows, (2, 3))


def _layer(layer: Layer) -> str:
    share = words.percent(layer.tokens_share)
    if layer.term == METERED:
        return f"{share} metered"
    return f"{layer.replicas:,} {layer.term.replace('_', ' ')} for {share}"


def places(found: Portfolio) -> Table:
    """What several classes and models own together."""
    rows = [
        row(
            kept.place.name,
            kept.place.region,
            Cell(words.replicas_cell(kept.replicas, kept.spares), "d-portfolio"),
            Cell(words.usd(kept.usd_per_month), "d-portfolio"),
        )
        for kept in found.kept
    ]
    return table("Owned for all classes", ("Own", "Region", "Replicas", "$ a month"), rows, (2, 3))


def flows(found: Portfolio) -> Table:
    """Where each class's tokens go."""
    rows = [
        row(
            flow.demand,
            flow.place,
            flow.region,
            Cell(words.percent(flow.share), "d-portfolio"),
            Cell(words.usd(flow.usd_per_month), "d-portfolio"),
        )
        for flow in found.flows
    ]
    headings = ("Class", "is served by", "Region", "tokens", "bought, $ a month")
    return table("Where each class goes", headings, rows, (3, 4))
