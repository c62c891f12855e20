"""What it takes to keep a promise on a trace: the fewest replicas, the cheapest offer, and for how long.

Everything is judged by simulating owned replicas behind the real dispatch code, with nowhere to spill to. A
trace that is too long for that is judged in its busiest windows, in each of them: a promise that holds there
holds in the others.

More replicas, or less load, are taken never to break a promise that was kept, so each question is answered by
halving. It is not quite true (a lucky burst can pass), and then the answer is one at which the promise holds
and at one less, or 1% more load, it does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from baseload.capacity.predict import CHUNK_TOKENS
from baseload.capacity.steptime import step_time
from baseload.capacity.terms import Setup, has_arithmetic_for
from baseload.capacity.throughput import throughput
from baseload.catalog.gpus import gpus as known_gpus
from baseload.catalog.models import OpenModel
from baseload.catalog.offers import gpu_offers
from baseload.core import StepTime
from baseload.errors import UsageError
from baseload.money import NANO
from baseload.plan.costs import DAYS_PER_MONTH, SECONDS_PER_DAY
from baseload.plan.percentile import at_share
from baseload.plan.promise import Promise
from baseload.plan.response import full_tokens_per_s
from baseload.plan.room import most_kept, owned
from baseload.plan.simulate import simulate
from baseload.plan.windows import WINDOW_S, Source
from baseload.traffic.table import Traffic

WHOLE_REQUESTS = 100_000
"""Traffic of so many requests is simulated whole; of more, the busiest windows."""

WORST_WINDOWS = 3
WINDOW_REQUESTS = 30_000
"""Requests simulated of one window, from its beginning, at the most."""

MOST_REPLICAS = 1024

GPU_COUNTS = (1, 2, 4, 8)


class Seen(NamedTuple):
    """The worst that was seen at the promised share, over the windows looked at."""

    ttft_s: float
    tpot_s: float
    refused_share: float

    def keeps(self, promise: Promise) -> bool:
        """Whether this is what was promised."""
        slo = promise.slo
        return self.refused_share == 0.0 and self.ttft_s <= slo.ttft_s and self.tpot_s <= slo.tpot_s


@dataclass(frozen=True, slots=True)
class Fewest:
    """The fewest replicas that keep a promise, what is seen with them, and with one less (None for 0)."""

    replicas: int
    seen: Seen
    with_one_less: Seen | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to build a replica: its step time, what an hour of it costs where, and its setup if known."""

    name: str
    step: StepTime
    usd_per_hour: float
    source: str = ""
    as_of: str = ""
    setup: Setup | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate with the replicas it takes to keep the promise."""

    candidate: Candidate
    fewest: Fewest

    @property
    def usd_per_hour(self) -> float:
        """All of its replicas for an hour."""
        return self.candidate.usd_per_hour * self.fewest.replicas


Pieces = tuple[Traffic, ...]
"""What `busiest` chose: given in place of the traffic, it is judged on these."""


def busiest(source: Source | Pieces, window_s: float = WINDOW_S) -> Pieces:
    """What a promise is judged on: short traffic whole, else its busiest windows."""
    if isinstance(source, tuple):
        return source
    if isinstance(source, Traffic) and len(source) <= WHOLE_REQUESTS:
        return (source,)
    load = source.load(window_s)
    order = np.argsort(-load.tokens_per_s, kind="stable")[:WORST_WINDOWS]
    pieces = []
    for place in order.tolist():
        piece = source.between(place * load.window_s, (place + 1) * load.window_s)
        if len(piece) > WINDOW_REQUESTS:
            piece = piece.between(0.0, float(piece.arrival_s[WINDOW_REQUESTS]))
        pieces.append(piece)
    return tuple(pieces)


def seen_with(pieces: Iterable[Traffic], step: StepTime, replicas: int, promise: Promise) -> Seen:
    """What requests see with so many replicas: the worst of these pieces, each on its own."""
    scenario = owned(step, replicas, promise.slo)
    ttft_s = tpot_s = refused = 0.0
    for piece in pieces:
        found = simulate(piece, scenario)
        refused = max(refused, found.refused_share)
        ttft_s = max(ttft_s, found.ttft_at(promise.share))
        at = found.tpot_at(promise.share)
        tpot_s = max(tpot_s, 0.0 if math.isnan(at) else at)  # answers of one token have none
    return Seen(ttft_s, tpot_s, refused)


def fewest_replicas(source: Source | Pieces, step: StepTime, promise: Promise) -> Fewest | None:
    """The fewest replicas of this step time that keep the promise on this trace.

    None where no number does: a request alone on a replica would break it.
    """
    return _fewest(busiest(source), step, promise)


def _fewest(
    pieces: Sequence[Traffic], step: StepTime, promise: Promise, most: int = MOST_REPLICAS
) -> Fewest | None:
    """The fewest replicas up to `most`; None where these do not do."""
    seen: dict[int, Seen] = {}

    def keeps(replicas: int) -> bool:
        seen[replicas] = seen_with(pieces, step, replicas, promise)
        return seen[replicas].keeps(promise)

    low, high = 0, at_least(pieces, step, promise)
    if high > most or not all(_alone(piece, step, promise).keeps(promise) for piece in pieces):
        return None
    while not keeps(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    if high > 1 and high - 1 not in seen:
        keeps(high - 1)
    return Fewest(high, seen[high], seen.get(high - 1))


def _alone(piece: Traffic, step: StepTime, promise: Promise) -> Seen:
    """The least that requests could see: each alone on its replica, everything the traffic calls cached
    held."""
    prompt, output = np.maximum(piece.input_tokens, 1), np.maximum(piece.output_tokens, 1)
    fresh = np.maximum(prompt - piece.cached_tokens, 1)
    one_s = step.base_s + step.per_sequence_s
    ttft_s = np.ceil(fresh / CHUNK_TOKENS) * one_s + fresh * step.per_prefill_token_s
    tpot_s = (one_s + (prompt + output / 2) * step.per_kv_token_s)[output > 1]
    tpot = at_share(tpot_s, promise.share) if len(tpot_s) else 0.0
    too_long = float((prompt + output > step.kv_tokens).mean())
    return Seen(at_share(ttft_s, promise.share), tpot, too_long)


def at_least(pieces: Iterable[Traffic], step: StepTime, promise: Promise) -> int:
    """No fewer replicas can do: a piece's load over what one serves in its steady state, within the SLO as
    far as any steady state is, where nothing ever queues. A tenth off, since requests still running when a
    piece ends are counted in its load, and a share of requests may miss the promise.
    """
    least = 1
    for piece in pieces:
        load = piece.tokens_per_day().total / SECONDS_PER_DAY
        full = full_tokens_per_s(piece, owned(step, 1, promise.slo))
        prompt = float((piece.input_tokens - piece.cached_tokens).mean())
        best = throughput(step, max(prompt, 1.0), max(float(piece.output_tokens.mean()), 1.0), promise.slo)
        if best:
            asked = float(piece.input_tokens.mean() + piece.output_tokens.mean())
            full = min(full, best * asked / (prompt + float(piece.output_tokens.mean())))
        least = max(least, math.ceil(0.9 * load / full))
    return least


def cheapest(source: Source | Pieces, candidates: Iterable[Candidate], promise: Promise) -> tuple[Found, ...]:
    """Candidates that keep the promise, by their hourly cost, the cheapest first; empty where none does.

    They are tried in the order of the least they could cost, each with as many replicas as would still beat
    the best: what could only cost more is not simulated, and not in the answer.
    """
    pieces = busiest(source)
    bounded = sorted(
        (
            (at_least(pieces, each.step, promise) * each.usd_per_hour, place, each)
            for place, each in enumerate(candidates)
        ),
        key=lambda bound: bound[:2],
    )
    found: list[Found] = []
    best_usd = math.inf
    for bound, _, candidate in bounded:
        if bound >= best_usd:
            break
        most = MOST_REPLICAS
        if found and candidate.usd_per_hour:
            most = min(most, math.ceil(best_usd / candidate.usd_per_hour) - 1)
        fewest = _fewest(pieces, candidate.step, promise, most)
        if fewest is not None:
            found.append(Found(candidate, fewest))
            best_usd = min(best_usd, found[-1].usd_per_hour)
    return tuple(sorted(found, key=lambda each: each.usd_per_hour))


def candidates_of(model: OpenModel, *, engine: str = "vllm") -> tuple[Candidate, ...]:
    """Every GPU of the catalog that holds this model and is on offer, at each number and precision.

    The price is that of the cheapest offer of machines that hold whole replicas.
    """
    found = []
    for each in known_gpus():
        offers = gpu_offers(each.name)
        for count in GPU_COUNTS:
            offer = next((offer for offer in offers if offer.gpus % count == 0), None)
            if offer is None:
                continue
            for precision in model.precisions:
                if not has_arithmetic_for(each, precision):
                    continue
                try:
                    step = step_time(model, each, count, precision, engine)
                except UsageError:
                    continue  # does not fit, or cannot compute in it
                usd = offer.usd_nano_per_hour / NANO / offer.gpus * count
                name = f"{count}×{each.name} {precision} at {offer.provider} ({offer.instance})"
                setup = Setup(model, each, precision, engine, tensor=count)
                found.append(Candidate(name, step, usd, offer.source, offer.as_of, setup))
    return tuple(found)


def runs_out_days(
    source: Source | Pieces, step: StepTime, replicas: int, promise: Promise, growth_per_month: float
) -> float | None:
    """In how many days these replicas no longer keep the promise, if traffic grows by this share a month.

    days = 30·ln(times)/ln(1 + growth), with `times` the traffic's own load that they just keep it at. 0.0
    where they do not keep it today, None where growth never gets there: there is none, or they keep it with
    all requests at once. A month is 30 days.
    """
    if not -1.0 < growth_per_month < math.inf:
        raise UsageError(f"growth of {growth_per_month} a month is none", hint="10% a month is 0.1")
    pieces = busiest(source)

    def keeps(times: float) -> bool:
        return seen_with([p.compressed(times) for p in pieces], step, replicas, promise).keeps(promise)

    if not keeps(1.0):
        return 0.0
    if growth_per_month <= 0.0:
        return None
    times = most_kept(keeps, 1.0, 2.0)
    if math.isinf(times):
        return None
    return DAYS_PER_MONTH * math.log(times) / math.log1p(growth_per_month)
