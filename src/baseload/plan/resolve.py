"""From a question to numbers: what is not given is looked up, or assumed, and each fact says which."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from baseload.catalog.gpus import gpu as find_gpu
from baseload.catalog.models import open_model
from baseload.core import Slo
from baseload.errors import UnknownName, UsageError
from baseload.plan import prices
from baseload.plan.answers import answers
from baseload.plan.costs import Fleet, Mix
from baseload.plan.demand import Source, demand
from baseload.plan.economics import economics
from baseload.plan.facts import Facts
from baseload.plan.fleet import Replica, default_gpus, default_precision, fleet, note_usable
from baseload.plan.model import ASSUMED, GIVEN, Inputs
from baseload.plan.offer_search import Asked, search_offers
from baseload.plan.question import Question
from baseload.plan.slo_sizing import Demand, Progress, Sized, by_slo, note, planned_with, wanted
from baseload.traffic.table import Traffic

DEFAULT_MODEL = "llama-3.3-70b"
DEFAULT_GPU = "h100"


class Settle(NamedTuple):
    """What sizing needs besides: the mix of tokens, where facts are noted, and who is told."""

    mix: Mix
    facts: Facts
    progress: Progress


def silent(_doing: str) -> None:
    """Progress that nobody watches."""


def resolve(question: Question, traffic: Source | None = None, progress: Progress = silent) -> Inputs:
    """The numbers of this question about this traffic, with where each comes from.

    `progress` is told before each simulation what is being done. Raises UsageError where something that
    cannot be assumed is missing, UnknownName for a model, GPU or API that the catalog does not hold.
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
    assumptions = economics(question, replica)
    regions = int(assumptions.number("traffic.regions"))
    per_region = Demand(tokens_per_day / regions, curve, metered)
    owned, sized = _fleet(question, replica, traffic, per_region, Settle(mix, facts, progress))
    searched = None
    if question.search_offers:
        growth = assumptions.number("traffic.growth_per_year")
        asked = Asked(per_region.tokens_per_day, growth, owned.usd_per_hour)
        searched = search_offers(question, replica, _known(traffic), asked, progress)
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
        sized=sized,
        searched=searched,
    )


def _fleet(
    question: Question, replica: Replica, traffic: Source | None, demand: Demand, settle: Settle
) -> tuple[Fleet, Sized | None]:
    """The owned fleet, sized by simulation or by a share of the throughput, and that simulation."""
    by_simulation = wanted(question, traffic)
    found = fleet(question, replica, settle.mix, settle.facts, sized=by_simulation)
    if not by_simulation:
        return found, None
    known = _known(traffic)
    sized = by_slo(question, replica, known, found, demand, settle.progress)
    if sized is not None:
        found = planned_with(found, sized.each_tokens_per_s)
        note(sized, found, known.source or "the traffic", settle.facts)
        return found, sized
    promise = f"p{question.slo_percentile:g} of the SLO"
    if question.size_by is not None:
        raise UsageError(
            f"no load of these requests keeps {promise} on {replica}",
            hint="loosen the SLO, take more or faster GPUs, or size with --size-by usable",
        )
    settle.facts.note("sized by", f"usable share: no load of these requests keeps {promise}", "simulated")
    note_usable(question, found.usable, settle.facts)
    return found, None


def _known(traffic: Source | None) -> Source:
    """Traffic that can be simulated. Raises UsageError for a described load."""
    if traffic is None:
        raise UsageError(
            "a described load has no requests to simulate",
            hint="name a traffic file, or --shape servegen-m-large",
        )
    return traffic


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
