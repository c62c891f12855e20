"""What a replica is planned with, found by simulation: n·c(n), the load n replicas serve within the promise.

The other way is a share of the throughput that is assumed to leave room for bursts (`usable`, 0.7). Here the
traffic's own requests decide it: a run of them, in more or less time, behind the real dispatch code, until
TTFT or TPOT at the promised share of requests is missed.

c grows with n (bursts even out over more replicas), and n with the load over c, so the two are found
together: c is that of the count of the cheapest option that owns, and the plan then uses it for every count.
For more replicas that is a little less than they would serve, for fewer a little more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from msgspec import Struct

from baseload.capacity.steptime import step_time
from baseload.core import Slo, StepTime
from baseload.errors import UsageError
from baseload.plan.costs import SECONDS_PER_DAY, Fleet
from baseload.plan.demand import Source
from baseload.plan.facts import Facts
from baseload.plan.fleet import Replica
from baseload.plan.hybrid import hybrid
from baseload.plan.load import LoadCurve
from baseload.plan.model import Metered
from baseload.plan.promise import Promise
from baseload.plan.question import Question, SizeBy
from baseload.plan.room import room_of
from baseload.plan.slo_search import busiest
from baseload.plan.windows import Drawn
from baseload.traffic.table import Traffic

LEAST_REQUESTS = 1_000
"""Fewer requests say too little of bursts: unless asked for, they are not simulated."""

LEAST_REQUESTS_PER_REPLICA = 250
"""With fewer, and the half of that thousand, c is that of as many replicas as there are requests for."""

MOST_REPLICAS = 32
"""c of more replicas is taken to be that of so many; it is a little more. Bounds the time."""

PASSES = 4

Progress = Callable[[str], None]
"""Told what is being done, in words, before something that takes seconds."""


class Room(Struct, frozen=True):
    """So many replicas serve this load within the promise, in tokens/s."""

    replicas: int
    tokens_per_s: float

    @property
    def each(self) -> float:
        """c(n)."""
        return self.tokens_per_s / self.replicas


class Sized(Struct, frozen=True):
    """The promise replicas were sized by, the rooms that were simulated, and the count c was taken at."""

    slo: Slo
    share: float
    rooms: tuple[Room, ...]
    replicas: int

    @property
    def each_tokens_per_s(self) -> float:
        """c, as planned with."""
        return next(room.each for room in self.rooms if room.replicas == self.replicas)


class Demand(Struct, frozen=True):
    """Load that replicas are counted for, and the prices they are counted against."""

    tokens_per_day: float
    curve: LoadCurve
    metered: tuple[Metered, ...]


def wanted(question: Question, traffic: Source | None) -> bool:
    """Whether this plan is sized by simulation: as asked, else where it can be and nothing replaces it."""
    if question.size_by is not None:
        return SizeBy(question.size_by) is SizeBy.SLO
    told = question.throughput is not None or question.usable is not None
    return not told and isinstance(traffic, Traffic) and len(traffic) >= LEAST_REQUESTS


def by_slo(
    question: Question, replica: Replica, traffic: Source, fleet: Fleet, demand: Demand, progress: Progress
) -> Sized | None:
    """Simulated rooms at the counts the plan comes by; None where no load at all keeps the promise.

    A dozen simulations for each count, of up to some 60,000 requests: seconds. Raises UsageError where the
    traffic is too short.
    """
    assert replica.model is not None
    assert replica.gpu is not None
    step = step_time(replica.model, replica.gpu, replica.gpus, replica.precision)
    promise = Promise(question.slo or Slo(), question.slo_percentile / 100)
    rooms: dict[int, Room] = {}

    def room(replicas: int) -> Room:
        replicas = min(max(replicas, 1), MOST_REPLICAS)
        if replicas not in rooms:
            progress(f"simulating what {replicas} of {replica} serve at p{question.slo_percentile:g}")
            rooms[replicas] = _room(traffic, demand.tokens_per_day, step, replicas, promise)
        return rooms[replicas]

    found = room(1)
    if found.tokens_per_s <= 0:
        return None
    for _ in range(PASSES):
        following = room(_count(planned_with(fleet, found.each), demand))
        if following.replicas == found.replicas or following.tokens_per_s <= 0:
            break
        found = following
    return Sized(promise.slo, promise.share, tuple(rooms[n] for n in sorted(rooms)), found.replicas)


def planned_with(fleet: Fleet, each_tokens_per_s: float) -> Fleet:
    """The fleet whose replicas are planned with this load; `usable` is what that is of a full one."""
    full = max(fleet.throughput_tokens_per_s, each_tokens_per_s)
    return replace(fleet, throughput_tokens_per_s=full, usable=each_tokens_per_s / full)


def note(sized: Sized, fleet: Fleet, source: str, facts: Facts) -> None:
    """What was found, among the facts the plan rests on."""
    counts = ", ".join(f"{room.each:,.0f} tokens/s each of {room.replicas}" for room in sized.rooms)
    facts.note(
        "usable throughput",
        f"{sized.each_tokens_per_s:,.0f} tokens/s, {fleet.usable * 100:.0f}% of it: {counts}",
        f"simulated: {promise_words(sized)}, on {source}",
    )


def promise_words(sized: Sized) -> str:
    """The promise in words: `TTFT 2 s and TPOT 100 ms at p95`."""
    slo = sized.slo
    return f"TTFT {slo.ttft_s:g} s and TPOT {slo.tpot_s * 1000:g} ms at p{sized.share * 100:g}"


def _count(fleet: Fleet, demand: Demand) -> int:
    """Replicas of the cheapest option that owns any."""
    volume = demand.tokens_per_day
    everything = fleet.needed(volume / SECONDS_PER_DAY * demand.curve.peak)
    counts = [(fleet.month_usd(everything), everything)]
    for each in demand.metered:
        best = hybrid(demand.curve, volume, fleet, each.usd_per_million)
        if best.replicas:
            counts.append((best.usd_per_month, best.replicas))
    return min(counts)[1]


def _room(traffic: Source, tokens_per_day: float, step: StepTime, replicas: int, promise: Promise) -> Room:
    """n·c(n) on the traffic's busiest requests, of a published load on those of its busiest window.

    Traffic that is too short for so many is simulated at as many as it is long enough for, whose c(n) the
    others are given.
    """
    simulated = replicas
    if isinstance(traffic, Traffic):
        piece = traffic
        most = (len(traffic) - LEAST_REQUESTS // 2) // LEAST_REQUESTS_PER_REPLICA
        simulated = max(min(replicas, most), 1)
    else:
        piece = busiest(Drawn(traffic.scaled(tokens_per_day=tokens_per_day)))[0]
    if len(piece) < 2:
        raise UsageError(
            "one request makes no load to size by", hint="name more traffic, or give --size-by usable"
        )
    return Room(replicas, room_of(piece, step, simulated, promise) * replicas / simulated)
