"""The cheapest way to serve a model within an SLO: parallelism, precision, engine, GPU and offer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from baseload.capacity.answer import Answer, Factors, answer
from baseload.capacity.launch import launch_command
from baseload.capacity.memory import ENGINES, GPUS_MOST, check, most_at_once
from baseload.capacity.terms import Load, Setup, has_arithmetic_for, peak_flops
from baseload.catalog.gpus import Gpu
from baseload.catalog.models import OpenModel
from baseload.catalog.offers import GpuOffer, gpu_offers
from baseload.core import Slo
from baseload.errors import BaseloadError, UnknownName, UsageError
from baseload.money import NANO

COUNTS = (1, 2, 4, 8)


class Wanted(Struct, frozen=True):
    """What is looked for: mean lengths, the SLO, and how it is judged.

    `cautious` compares the upper end of the 80% interval with the SLO instead of the middle. `tokens_per_s`
    output tokens must be served; None: one full replica, and the price per token decides.
    """

    input_tokens: float
    output_tokens: float
    slo: Slo
    tokens_per_s: float | None = None
    cautious: bool = False
    factors: Factors = Factors()


class Found(Struct, frozen=True):
    """One way that keeps the SLO: its setup, what a full replica gives, what it costs."""

    setup: Setup
    answer: Answer
    offer: GpuOffer
    usd_per_replica_hour: float
    replicas: int
    usd_per_hour: float
    usd_per_million_output_tokens: float
    launch: str


def search(
    model: OpenModel,
    gpus: Iterable[Gpu],
    wanted: Wanted,
    *,
    precisions: Sequence[str] | None = None,
    engines: Sequence[str] = tuple(ENGINES),
    counts: Sequence[int] = COUNTS,
) -> list[Found]:
    """Every way that keeps the SLO on a GPU with an offer, cheapest first.

    By dollars an hour for the wanted tokens/s, or by dollars per million output tokens of a full replica.
    """
    for engine in engines:
        if engine not in ENGINES:
            raise UnknownName("engine", engine, ENGINES)
    for count in counts:
        if not 1 <= count <= GPUS_MOST:
            raise UsageError(
                f"a replica of {count} GPUs is not modelled", hint=f"use 1 to {GPUS_MOST} GPUs, one node"
            )
    if wanted.tokens_per_s is not None and not 0 < wanted.tokens_per_s < math.inf:
        raise UsageError(f"{wanted.tokens_per_s:g} tokens/s cannot be served: name a positive number")
    found = []
    for gpu in gpus:
        offers = gpu_offers(gpu.name)
        if not offers:
            continue
        for setup in _setups(model, gpu, precisions or model.precisions, engines, counts):
            whole = [offer for offer in offers if offer.gpus >= setup.gpus]  # a replica's GPUs are linked
            best = fullest(setup, wanted) if whole else None
            if best is not None:
                found.append(_priced(setup, best, whole, wanted))
    by_hour = wanted.tokens_per_s is not None
    return sorted(
        found,
        key=lambda each: (each.usd_per_hour if by_hour else 0.0, each.usd_per_million_output_tokens),
    )


def fullest(setup: Setup, wanted: Wanted) -> Answer | None:
    """The answer at the largest concurrency that keeps the SLO and fits; None where not even one does."""

    def at(concurrency: int) -> Answer:
        load = Load(concurrency, wanted.input_tokens, wanted.output_tokens)
        return answer(setup, load, wanted.factors)

    def keeps(given: Answer) -> bool:
        tpot_ms = given.tpot_ms_high if wanted.cautious else given.tpot_ms
        ttft_ms = given.ttft_ms_high if wanted.cautious else given.ttft_ms
        return tpot_ms <= wanted.slo.tpot_s * 1e3 and ttft_ms <= wanted.slo.ttft_s * 1e3

    try:
        check(setup)
        first = at(1)
    except BaseloadError:
        return None
    if not keeps(first):
        return None
    tokens = wanted.input_tokens + wanted.output_tokens
    room = most_at_once(setup, tokens, wanted.factors.kv_precision)
    low, high = 1, max(min(room, ENGINES[setup.engine].max_sequences * setup.data), 1)
    while low < high:  # both metrics rise with concurrency, so the last that keeps them is found by halving
        middle = (low + high + 1) // 2
        if keeps(at(middle)):
            low = middle
        else:
            high = middle - 1
    return at(low)


def _setups(
    model: OpenModel, gpu: Gpu, precisions: Sequence[str], engines: Sequence[str], counts: Sequence[int]
) -> Iterator[Setup]:
    """Every way to split the model: tensor parallel, experts spread, attention copied with them."""
    for precision in precisions:
        if not has_arithmetic_for(gpu, precision):
            continue
        try:
            peak_flops(gpu, precision)
        except UsageError:
            continue
        for engine in engines:
            for count in counts:
                yield Setup(model, gpu, precision, engine, tensor=count)
                if model.experts and count > 1:
                    yield Setup(model, gpu, precision, engine, tensor=count, expert=count)
                    yield Setup(model, gpu, precision, engine, data=count, expert=count)


def _priced(setup: Setup, full: Answer, offers: Sequence[GpuOffer], wanted: Wanted) -> Found:
    """The cheapest of offers that hold a replica.

    Instances are rented whole: what serves the wanted tokens/s is counted in instances. Without such a wish a
    replica is priced at its share of an instance that others fill.
    """
    replicas = 1
    if wanted.tokens_per_s is not None:
        replicas = math.ceil(wanted.tokens_per_s / full.output_tokens_per_s)

    def usd_per_hour(offer: GpuOffer) -> float:
        in_one = offer.gpus // setup.gpus
        instances = replicas / in_one if wanted.tokens_per_s is None else math.ceil(replicas / in_one)
        return offer.usd_nano_per_hour * instances / NANO

    offer = min(offers, key=usd_per_hour)
    usd = usd_per_hour(offer)
    return Found(
        setup=setup,
        answer=full,
        offer=offer,
        usd_per_replica_hour=usd / replicas,
        replicas=replicas,
        usd_per_hour=usd,
        usd_per_million_output_tokens=usd / replicas / (full.output_tokens_per_s * 3600) * 1e6,
        launch=launch_command(setup, factors=wanted.factors),
    )
