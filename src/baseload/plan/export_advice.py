"""Advice and portfolio as plain data; docs/plan.md documents every key."""

from __future__ import annotations

from typing import Any

from baseload.plan.advice import Advice
from baseload.plan.portfolio import Portfolio


def advice_dict(advice: Advice) -> dict[str, Any]:
    """What to do, why, and what would change it."""
    return {
        "option": advice.option,
        "action": advice.action,
        "recommendation": advice.recommendation,
        "ruled_out": [{"option": name, "why": why} for name, why in advice.ruled_out],
        "reasons": [
            {
                "name": reason.name,
                "side": reason.side.value,
                "words": reason.words,
                "holds": reason.holds,
                "basis": reason.basis.value,
                "evidence": reason.evidence,
                "question": reason.question,
            }
            for reason in advice.reasons
        ],
        "would_change": list(advice.would_change),
        "locked_in": list(advice.locked_in),
        "leaving_usd": {
            "month_12": round(advice.leaving_usd_12, 2),
            "month_24": round(advice.leaving_usd_24, 2),
            "month_36": round(advice.leaving_usd_36, 2),
        },
        "people": [
            {"month": step.month, "engineers": step.engineers, "hire_by": step.hire_by}
            for step in advice.people
        ],
        "ask": [{"name": name, "question": text} for name, text in advice.ask],
    }


def portfolio_dict(found: Portfolio) -> dict[str, Any]:
    """The cheapest mix of several classes and models."""
    return {
        "usd_per_month": round(found.usd_per_month, 2),
        "team_usd_per_month": round(found.team_usd_per_month, 2),
        "owned": [
            {
                "place": kept.place.name,
                "region": kept.place.region,
                "replicas": kept.replicas,
                "spares": kept.spares,
                "usd_per_month": round(kept.usd_per_month, 2),
            }
            for kept in found.kept
        ],
        "flows": [
            {
                "class": flow.demand,
                "place": flow.place,
                "region": flow.region,
                "tokens_share": round(flow.share, 6),
                "usd_per_month": round(flow.usd_per_month, 2),
            }
            for flow in found.flows
        ],
        "captive": list(found.captive),
        "gap": round(found.gap, 6),
    }
