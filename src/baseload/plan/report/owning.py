"""What is owned in the report: sizing by the SLO, offers, spares, layers, classes, and the bill beside it."""

from __future__ import annotations

from html import escape

from baseload.plan.billed import bill_lines
from baseload.plan.model import Plan
from baseload.plan.portfolio import GAP, Portfolio
from baseload.plan.report import titles
from baseload.plan.report.html import linked, section, sentences, table
from baseload.plan.sizing_words import run_out_words, search_words, sized_words
from baseload.plan.tables import owning as tables
from baseload.plan.words import percent, usd


def sizing(plan: Plan) -> str:
    """c(n) as simulated, the day the replicas run out, GPUs on offer; nothing where there is none."""
    inputs = plan.inputs
    parts = [sentences((sized_words(inputs),), "d-slo")]
    if inputs.sized is not None:
        parts.append(table(tables.rooms(inputs.sized)))
    parts.append(sentences((run_out_words(inputs),), "d-runs-out"))
    if (searched := inputs.searched) is not None:
        parts.append(sentences(search_words(searched), "d-offers"))
        if searched.own is not None or searched.offers:
            parts.append(table(tables.offers(searched)))
        if searched.offers:
            parts.append(f"<p>Start each with <code>{escape(searched.offers[0].launch)}</code></p>")
    return section(titles.SIZING, *parts) if any(parts) else ""


def had(plan: Plan) -> str:
    """The cheapest way to have the replicas, and what each spare costs; nothing where none pays."""
    layers, spares = tables.layers(plan), tables.spares(plan)
    parts = [f"<p>{titles.LAYERS}</p>{table(layers)}"] if layers.rows else []
    parts += [table(spares)] if spares.rows else []
    return section(titles.HAD, *parts) if parts else ""


def classes(plan: Plan) -> str:
    """The cheapest mix for the plan file's classes; nothing without any."""
    found = plan.portfolio
    if found is None:
        return ""
    parts = [f"<p><b>{linked(portfolio_words(found), 'd-portfolio')}</b></p>"]
    parts += [table(tables.places(found))] if found.kept else []
    parts.append(table(tables.flows(found)))
    return section(titles.CLASSES, *parts)


def portfolio_words(found: Portfolio) -> str:
    """What all classes cost together, how sure that is, and whose places can lose a replica."""
    text = f"All classes together cost {usd(found.usd_per_month)} a month"
    if found.kept:
        text += f", people included ({usd(found.team_usd_per_month)})"
    if found.gap > GAP:
        text += f"; at best {percent(found.gap)} cheaper is possible"
    if found.captive:
        text += f". No API may serve {', '.join(found.captive)}: those replicas hold it with one of them lost"
    return f"{text}."


def bill(plan: Plan) -> str:
    """What the bill that is the traffic says of money; nothing for other traffic."""
    return (
        section(titles.BILL, sentences(bill_lines(plan.inputs.billed), "d-bill"))
        if plan.inputs.billed is not None
        else ""
    )
