"""The search over GPUs on offer, for a plan: fewest replicas and cheapest offer that keep the SLO alone.

Nothing is bought in it: owned replicas behind the real dispatch code, with nowhere to spill to, on the plan's
traffic at the plan's volume. Beside it stands the plan's own replica, and how long its count does under
growth.
"""

from __future__ import annotations

from msgspec import Struct

from baseload.capacity.launch import launch_command
from baseload.capacity.steptime import step_time
from baseload.core import Slo
from baseload.plan.costs import HOURS_PER_MONTH
from baseload.plan.demand import Source
from baseload.plan.fleet import Replica
from baseload.plan.promise import Promise
from baseload.plan.question import Question
from baseload.plan.slo_search import (
    Candidate,
    Fewest,
    Found,
    busiest,
    candidates_of,
    cheapest,
    fewest_replicas,
    runs_out_days,
)
from baseload.plan.slo_sizing import Progress
from baseload.plan.windows import Drawn
from baseload.plan.windows import Source as Judged
from baseload.traffic.table import Traffic

ENGINE = "vllm"


class Kept(Struct, frozen=True):
    """Replicas of one kind that keep the promise; times in seconds at the promised share of requests.

    `one_less` is (TTFT, TPOT) with one replica less, None for a single one. `usd_per_hour` is for all of
    them.
    """

    name: str
    replicas: int
    ttft_s: float
    tpot_s: float
    one_less: tuple[float, float] | None
    usd_per_hour: float
    error: float
    """Half-width of the 80% interval of its step times."""

    launch: str
    source: str = ""
    as_of: str = ""

    @property
    def usd_per_month(self) -> float:
        """All of them for 720 hours."""
        return self.usd_per_hour * HOURS_PER_MONTH


class Searched(Struct, frozen=True):
    """What keeps the promise on this traffic: the plan's own replica, and GPUs on offer, the cheapest first.

    `own` None: no number of these does. `runs_out_days` is how long `own` does under `growth_per_year`, None
    for ever (or where there is none). `offers` are those that were still cheaper than what had been found
    when their turn came: the first is the cheapest of all `tried`.
    """

    promise: Promise
    own: Kept | None
    growth_per_year: float
    runs_out_days: float | None
    offers: tuple[Kept, ...]
    tried: int


class Asked(Struct, frozen=True):
    """What is searched for: volume, growth of it, and what an hour of the plan's own replica costs."""

    tokens_per_day: float
    growth_per_year: float
    usd_per_hour: float


def search_offers(
    question: Question, replica: Replica, traffic: Source, asked: Asked, progress: Progress
) -> Searched:
    """The search for this model within the question's SLO.

    Traffic of more than 100,000 requests is judged in its three busiest windows, up to 30,000 requests of
    each: a minute or two at the most.
    """
    assert replica.model is not None
    assert replica.gpu is not None
    promise = Promise(question.slo or Slo(), question.slo_percentile / 100)
    judged = at_volume(traffic, asked.tokens_per_day)
    pieces = busiest(judged)
    candidates = candidates_of(replica.model, engine=ENGINE)
    progress(f"simulating what keeps p{question.slo_percentile:g} among {len(candidates)} offers")
    found = cheapest(pieces, candidates, promise)
    step = step_time(replica.model, replica.gpu, replica.gpus, replica.precision, ENGINE)
    progress(f"simulating how many of {replica} keep it")
    fewest = fewest_replicas(pieces, step, promise)
    days, own = None, None
    if fewest is not None:
        setup = replica.setup(ENGINE)
        own = _kept(Candidate(str(replica), step, asked.usd_per_hour), fewest, launch_command(setup))
        if asked.growth_per_year > 0:
            progress("simulating for how long they keep it")
            growth_per_month = (1 + asked.growth_per_year) ** (1 / 12) - 1
            days = runs_out_days(pieces, step, fewest.replicas, promise, growth_per_month)
    return Searched(
        promise, own, asked.growth_per_year, days, tuple(_offered(each) for each in found), len(candidates)
    )


def at_volume(traffic: Source, tokens_per_day: float) -> Judged:
    """The traffic's requests in so much time that they are this volume; of a published load, drawn ones."""
    if isinstance(traffic, Traffic):
        times = tokens_per_day / traffic.tokens_per_day().total
        return traffic if abs(times - 1) < 1e-9 else traffic.compressed(times)
    return Drawn(traffic.scaled(tokens_per_day=tokens_per_day))


def _offered(found: Found) -> Kept:
    candidate = found.candidate
    assert candidate.setup is not None  # those of the catalog have one
    return _kept(candidate, found.fewest, launch_command(candidate.setup))


def _kept(candidate: Candidate, fewest: Fewest, launch: str) -> Kept:
    less = fewest.with_one_less
    return Kept(
        candidate.name,
        fewest.replicas,
        fewest.seen.ttft_s,
        fewest.seen.tpot_s,
        None if less is None else less[:2],
        candidate.usd_per_hour * fewest.replicas,
        candidate.step.error,
        launch,
        candidate.source,
        candidate.as_of,
    )
