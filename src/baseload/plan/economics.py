"""The assumptions of one plan: the shipped table, what the catalog knows of this replica, what was given."""

from __future__ import annotations

from statistics import median
from typing import Any

from baseload.capacity.steptime import step_time
from baseload.catalog.models import BITS_PER_WEIGHT
from baseload.catalog.offers import gpu_offers
from baseload.plan.assumptions import ASSUMED, Assumptions, shipped
from baseload.plan.fleet import Replica
from baseload.plan.question import Question

H100_USD = 37_500.0
"""A server of eight H100 at $300,000, divided by eight."""


def economics(question: Question, replica: Replica) -> Assumptions:
    """Every figure with its source; what the question gives comes last and wins."""
    return shipped().changed(_looked_up(question, replica)).changed(question.assumptions)


def _looked_up(question: Question, replica: Replica) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if replica.gpu is not None:
        ratios = [
            (offer.spot_usd_nano_per_hour / offer.usd_nano_per_hour, offer.source, offer.as_of)
            for offer in gpu_offers(replica.gpu.name)
            if offer.spot_usd_nano_per_hour is not None
        ]
        if ratios:
            source, as_of = ratios[0][1:]
            found["gpu.spot_ratio"] = {
                "value": round(median(ratio for ratio, _, _ in ratios), 4),
                "source": f"{source}: median of {len(ratios)} offers that name both prices",
                "as_of": as_of,
            }
        if replica.gpu.name.startswith("H100"):
            source = f"{ASSUMED}: a server of eight H100 at $300,000"
            found["bought.usd_per_gpu"] = {"value": H100_USD, "source": source}
    if replica.model is not None and replica.precision in BITS_PER_WEIGHT:
        gb = replica.model.parameters * BITS_PER_WEIGHT[replica.precision] / 8 / 1e9
        source = f"{replica.model.source}: parameters at {replica.precision}"
        found["storage.gb_per_copy"] = {
            "value": round(gb, 2),
            "source": source,
            "as_of": replica.model.as_of,
        }
    if question.throughput is None and replica.model is not None and replica.gpu is not None:
        step = step_time(replica.model, replica.gpu, replica.gpus, replica.precision)
        found["throughput.factor"] = {
            "value": 1.0,
            "low": 1.0 - step.error,
            "high": 1.0 + step.error,
            "source": f"capacity model's 80% interval: {step.source}",
        }
    return found
