"""n·c(n): the most load that n replicas keep a promise at, not for a lucky few minutes but in the long run.

Near that load queues build up slowly and last: a run that is short, or that counts requests which found an
empty fleet, finds more room than there is. So requests of the first three lifetimes are not counted, nor
those of the last one, which see the fleet empty again; and the run is made four times as long until the room
no longer changes by 2%. Those 2%, and the 1% to which a load is found, are then taken off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from baseload.core import Model, Side, Slo, StepTime, Target
from baseload.plan.costs import Floats
from baseload.plan.percentile import at_share
from baseload.plan.promise import Promise
from baseload.plan.response import at_load, full_tokens_per_s
from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.traffic.table import Mask, Traffic

PRECISION = 0.01
"""To which a load is found."""

SETTLED = 0.02
"""Change of the room below which a run is long enough."""

STRETCH_REQUESTS = 2_000
STRETCH_REQUESTS_PER_REPLICA = 1_000
"""Within so many requests, some ten minutes at full load, the traffic's own bursts stay as they are: evened
out over less, a replica would be spared what queues are made of.
"""

STRETCHES = (1, 4, 16)
MOST_REQUESTS = 60_000
"""Stretches of each run, and about how many requests all runs but the first have at the most."""

WARM_LIFETIMES, LAST_LIFETIMES = 3.0, 1.0
MOST_WARM, MOST_LAST = 0.5, 0.25
"""Mean times in the system that are not counted at the two ends, and their shares of the run at the most: of
a run that long queues fill, what is left will do."""


def room_of(traffic: Traffic, step: StepTime, replicas: int, promise: Promise) -> float:
    """n·c(n): the most tokens/s of requests like these that n replicas serve within the promise.

    The traffic's own requests, in more or less time. c(n) grows with n: bursts even out (pooling). 0.0 where
    even a tenth of what full replicas serve breaks the promise. Never more than full replicas serve: a short
    run of requests that all fit the batches at once would know no bound. Known to 3%, which are taken off.
    """
    scenario = owned(step, replicas, promise.slo)
    full = replicas * full_tokens_per_s(traffic, owned(step, 1, promise.slo))
    stretch = stretch_of(replicas)

    def room(requests: int, near: float | None) -> float:
        run = even_run(traffic, requests, stretch)

        def keeps(share: float) -> bool:
            return _keeps(at_load(run, share * full), scenario, promise)

        if keeps(1.0):
            return 1.0
        if near is None:
            return most_kept(keeps, 0.1, 1.0)
        low = near * (1.0 - 2.0 * SETTLED)
        return min(most_kept(keeps, low, near) or most_kept(keeps, 0.1, low), 1.0)

    found = room(STRETCHES[0] * stretch, None)
    for stretches in STRETCHES[1:]:
        requests = min(stretches, MOST_REQUESTS // stretch) * stretch
        if not found or requests <= STRETCHES[0] * stretch:
            break
        if requests > len(traffic) and traffic.prefix is not None:
            break  # blocks that come again would all be cached
        before, found = found, room(requests, found)
        if abs(found / before - 1.0) < SETTLED:
            found = min(found, before)
            break
    return full * found * (1.0 - SETTLED - PRECISION)


def stretch_of(replicas: int) -> int:
    """Requests of a stretch for so many replicas."""
    return STRETCH_REQUESTS + STRETCH_REQUESTS_PER_REPLICA * replicas


def even_run(traffic: Traffic, requests: int, stretch: int) -> Traffic:
    """The busiest run of so many requests, the same load in every stretch of it.

    That a day has quiet hours is the load curve's matter: here the load is the same for long, with the bursts
    of a stretch. Traffic with fewer requests begins again, as often as need be.
    """
    run = busiest_run(traffic, requests)
    times = 1 if run.prefix is not None else math.ceil(requests / len(run))
    arrival_s = run.arrival_s
    gaps_s = np.diff(arrival_s, prepend=arrival_s[0])
    gaps_s[0] = gaps_s.mean()
    places = np.tile(np.arange(len(run)), times)[:requests]
    tokens = (run.input_tokens + run.output_tokens)[places]
    gaps_s = gaps_s[places]
    begins = np.arange(0, max(len(places) - stretch // 2, 1), stretch)
    lasts_s = np.maximum(np.add.reduceat(gaps_s, begins), 1e-9)
    even = np.add.reduceat(tokens, begins) / lasts_s
    lengths = np.diff(begins, append=len(places))
    arrival_s = np.cumsum(gaps_s * np.repeat(even, lengths))
    columns = ("input_tokens", "cached_tokens", "output_tokens", "model", "tenant")
    return replace(
        run,
        arrival_s=arrival_s,
        duration_s=float(arrival_s[-1]),
        start_ns=None,
        **{name: getattr(run, name)[places] for name in columns},
    )


def busiest_run(traffic: Traffic, requests: int) -> Traffic:
    """So many requests one after the other that came in the shortest time; all of them where there are no
    more."""
    if len(traffic) <= requests:
        return traffic
    arrival_s = traffic.arrival_s
    begin = int(np.argmin(arrival_s[requests - 1 :] - arrival_s[: len(arrival_s) - requests + 1]))
    places = np.arange(len(traffic))
    return traffic.where((places >= begin) & (places < begin + requests))


def most_kept(keeps: Callable[[float], bool], low: float, high: float) -> float:
    """The largest value at which `keeps` holds, to PRECISION; 0.0 where it does not at `low`.

    Infinite where it holds however large.
    """
    if low < 1.0 and not keeps(low):
        return 0.0
    while keeps(high):
        low, high = high, 2.0 * high
        if high > 1e6:
            return math.inf
    while high > low * (1.0 + PRECISION):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


def owned(step: StepTime, replicas: int, slo: Slo) -> Scenario:
    """So many replicas with nowhere to spill to."""
    targets = tuple(Target(f"replica-{number}", Side.OWNED, "", step=step) for number in range(replicas))
    return Scenario((Model("model", targets, slo),))


def _keeps(run: Traffic, scenario: Scenario, promise: Promise) -> bool:
    """Whether the promise holds for the run's requests that are neither of its first nor its last ones."""
    found = simulate(run, scenario)
    if found.refused:
        return False
    counted = _settled(run.arrival_s, found.end_s)
    tpot_s = at_share(found.tpot_s[counted], promise.share)
    kept = math.isnan(tpot_s) or tpot_s <= promise.slo.tpot_s  # answers of one token have none
    return kept and at_share(found.ttft_s[counted], promise.share) <= promise.slo.ttft_s


def _settled(arrival_s: Floats, end_s: Floats) -> Mask:
    lasts_s, life_s = float(arrival_s[-1]), float((end_s - arrival_s).mean())
    begin_s = min(WARM_LIFETIMES * life_s, MOST_WARM * lasts_s)
    last_s = lasts_s - min(LAST_LIFETIMES * life_s, MOST_LAST * lasts_s)
    counted: Mask = (arrival_s >= begin_s) & (arrival_s <= last_s)
    return counted if counted.any() else np.ones_like(counted)
