"""The cheapest way to serve a model within an SLO: parallelism, precision, engine, GPU and offer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from baseload.capacity.answer import Answer, Factors, answer
from baseload.capacity.launch import launch_command
from baseload.capacity.memory import ENGINES, check, most_at_once
from baseload.capacity.terms import Load, Setup, has_arithmetic_for, peak_flops
from baseload.catalog.gpus import Gpu
from baseload.catalog.models import OpenModel
from baseload.catalog.offers import GpuOffer, gpu_offers
from baseload.core import Slo
from baseload.errors import BaseloadError, UsageError
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
    found = []
    for gpu in gpus:
        offers = gpu_offers(gpu.name)
        if not offers:
            continue
        for setup in _setups(model, gpu, precisions or model.precisions, engines, counts):
            best = fullest(setup, wanted)
            if best is not None:
                found.append(_priced(setup, best, offers, wanted))
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
    room = most_at_once(setup, wanted.input_tokens + wanted.output_tokens)
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
    """The cheapest offer: whole instances where a replica is larger than one, its share of one otherwise."""

    def nano_per_hour(offer: GpuOffer) -> int:
        if offer.gpus >= setup.gpus:
            return offer.usd_nano_per_gpu_hour * setup.gpus
        return offer.usd_nano_per_hour * math.ceil(setup.gpus / offer.gpus)

    # a replica's GPUs are linked, so they must come in one instance
    whole = [offer for offer in offers if offer.gpus >= setup.gpus] or list(offers)
    offer = min(whole, key=nano_per_hour)
    per_replica = nano_per_hour(offer) / NANO
    replicas = 1
    if wanted.tokens_per_s is not None:
        replicas = math.ceil(wanted.tokens_per_s / full.output_tokens_per_s)
    return Found(
        setup=setup,
        answer=full,
        offer=offer,
        usd_per_replica_hour=per_replica,
        replicas=replicas,
        usd_per_hour=per_replica * replicas,
        usd_per_million_output_tokens=per_replica / (full.output_tokens_per_s * 3600) * 1e6,
        launch=launch_command(setup),
    )
