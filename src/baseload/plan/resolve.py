"""From a question to numbers: what is not given is looked up, or assumed, and each fact says which."""

from __future__ import annotations

from datetime import UTC, datetime

from baseload.catalog.gpus import gpu as find_gpu
from baseload.catalog.models import open_model
from baseload.core import Slo
from baseload.errors import UnknownName
from baseload.plan import prices
from baseload.plan.answers import answers
from baseload.plan.demand import Source, demand
from baseload.plan.economics import economics
from baseload.plan.facts import Facts
from baseload.plan.fleet import Replica, default_gpus, default_precision, fleet
from baseload.plan.model import ASSUMED, GIVEN, Inputs
from baseload.plan.question import Question
from baseload.traffic.table import Traffic

DEFAULT_MODEL = "llama-3.3-70b"
DEFAULT_GPU = "h100"


def resolve(question: Question, traffic: Source | None = None) -> Inputs:
    """The numbers of this question about this traffic, with where each comes from.

    Raises UsageError where something that cannot be assumed is missing, UnknownName for a model, GPU or API
    that the catalog does not hold.
    """
    facts = Facts()
    tokens_per_day, mix, curve = demand(question, traffic, facts)
    market = prices.Market(
        mix=mix,
        requests=traffic if isinstance(traffic, Traffic) else None,
        on=question.on or datetime.now(UTC).date(),
    )
    replica = _replica(question, facts)
    metered = prices.frontier(question, market, facts)
    metered += prices.open_api(question, replica.model, replica.model_name, market, facts)
    owned = fleet(question, replica, mix, facts)
    assumptions = economics(question, replica)
    regions = int(assumptions.number("traffic.regions"))
    if regions > 1:
        facts.note("regions", f"{regions}, an equal part each: a replica here is one in every region", GIVEN)
    return Inputs(
        model=replica.model_name,
        replica=str(replica) if regions == 1 else f"{replica} in each of {regions} regions",
        tokens_per_day=tokens_per_day,
        mix=mix,
        curve=curve,
        fleet=owned.in_regions(regions),
        metered=metered,
        facts=tuple(facts.rows),
        gpus=replica.gpus * regions,
        gpu=replica.gpu_name,
        precision=replica.precision,
        slo=question.slo or Slo(),
        assumptions=assumptions,
        answers=answers(question.answers),
        seed=question.seed,
        portfolio=question.portfolio,
    )


def _replica(question: Question, facts: Facts) -> Replica:
    """What is owned. A model or GPU the catalog lacks will do where nothing needs to be looked up."""
    model_name, gpu_name = question.model or DEFAULT_MODEL, question.gpu or DEFAULT_GPU
    told = question.throughput is not None and question.gpus is not None
    try:
        model = open_model(model_name)
    except UnknownName:
        if not told:
            raise
        model = None
    try:
        gpu = find_gpu(gpu_name)
    except UnknownName:
        if not told or question.usd_per_gpu_hour is None:
            raise
        gpu = None
    if model is not None and gpu is not None:
        precision = question.precision or default_precision(model, gpu)
        gpus = question.gpus or default_gpus(model, gpu, precision)
    else:
        assert question.gpus is not None
        precision, gpus = question.precision or "precision not said", question.gpus
    replica = Replica(
        model_name if model is None else model.name,
        gpu_name if gpu is None else gpu.name,
        gpus,
        precision,
        model,
        gpu,
    )
    given = question.model and question.gpu and question.gpus and question.precision
    facts.note(
        "owned replica",
        f"{replica.model_name} on {replica}",
        GIVEN if given else f"{ASSUMED} where not given",
    )
    return replica
