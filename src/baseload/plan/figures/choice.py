"""Which of a plan's options the figures are about."""

from __future__ import annotations

from baseload.plan.model import Kind, Metered, Option, Plan


def shown_hybrid(plan: Plan) -> Option:
    """The hybrid that the figures show: the cheapest one that owns something, else the cheapest."""
    hybrids = [option for option in plan.options if option.kind is Kind.HYBRID]
    owning = [option for option in hybrids if option.replicas]
    return min(owning or hybrids, key=lambda option: option.usd_per_month)


def metered_of(plan: Plan, option: Option) -> Metered:
    """The price an option buys at."""
    return next(metered for metered in plan.inputs.metered if metered.name == option.metered)
