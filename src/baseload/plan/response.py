"""The fluid model's one figure that cannot be read off a table: what a fleet serves of a load.

A load-duration curve wants to know how much of L tokens/s the owned replicas take. min(L, n·c) would be the
answer if requests were a fluid. They come in bursts, differ in length and spill one by one, so near
saturation a fleet takes less, and n replicas take more of n·L than one of L (pooling). The response is that
curve, found by simulating a few slices of the very traffic at several loads: the same requests, prompts and
bursts, in more or less time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from baseload.capacity.predict import room_ns
from baseload.core import Side, Tokens
from baseload.errors import UsageError
from baseload.plan.costs import Floats
from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.traffic.load import Load
from baseload.traffic.table import Traffic

LEVELS = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 1.25, 1.6, 2.2)
"""Loads that are simulated, over what the replicas could serve if only room counted (`room_ns`)."""

SLICE_REQUESTS = 600
SLICE_REQUESTS_PER_REPLICA = 500
"""Requests of a slice: a fleet must see many lives of a request to be in its steady state."""

LEVEL_REQUESTS = 14_000
FEWEST_SLICES, MOST_SLICES = 2, 8
"""Requests simulated at each load, in so many slices: a large fleet takes long ones and, evened out by its
size, fewer."""

CANDIDATES = 48
"""Slices to choose from."""

WARM_UP = 0.25
"""Share of a slice that is not counted: it begins with an empty fleet."""


@dataclass(frozen=True, eq=False)
class Response:
    """Tokens/s that owned replicas serve of the tokens/s asked for, at rising loads; both begin at 0."""

    asked: Floats
    served: Floats

    def served_tokens_per_s(self, loads: Floats) -> Floats:
        """What is served of each of these loads, straight between the points and flat beyond the last."""
        found: Floats = np.interp(loads, self.asked, self.served)
        return found

    def owned_share(self, load: Load) -> float:
        """Share of the tokens of this load that owned replicas serve."""
        loads = load.tokens_per_s
        return float(self.served_tokens_per_s(loads).sum() / loads.sum())

    def room(self, kept: float = 0.99) -> float:
        """The highest load in tokens/s of which the owned replicas serve this share: n·c(n) with pooling."""
        shares = self.served[1:] / self.asked[1:]
        enough = np.flatnonzero(shares >= kept)
        if not len(enough):
            return 0.0
        last = int(enough[-1])
        if last + 1 == len(shares):
            return float(self.asked[-1])
        # Between two points the share falls from one to the next; it is drawn straight there.
        over = (shares[last] - kept) / (shares[last] - shares[last + 1])
        return float(self.asked[last + 1] + over * (self.asked[last + 2] - self.asked[last + 1]))


def response(traffic: Traffic | Sequence[Traffic], scenario: Scenario, *, seed: int = 0) -> Response:
    """The response of this scenario's owned replicas to loads made of this traffic's requests.

    Pieces of traffic that are not of one time are given as such: no slice runs over an end of one.
    Some 140,000 simulated requests: seconds. Raises UsageError where nothing is owned.
    """
    replicas = [target for target in scenario.targets if target.side is Side.OWNED]
    if not replicas:
        raise UsageError("no owned replica, so nothing responds")
    parts = (traffic,) if isinstance(traffic, Traffic) else tuple(traffic)
    if not all(len(part) > 1 for part in parts):
        raise UsageError("one request makes no load", hint="choose a longer part of the traffic")
    full = full_tokens_per_s(max(parts, key=len), scenario)
    requests = SLICE_REQUESTS + SLICE_REQUESTS_PER_REPLICA * len(replicas)
    many = min(max(round(LEVEL_REQUESTS / requests), FEWEST_SLICES), MOST_SLICES)
    slices = [part for each in parts for part in _slices(each, requests, CANDIDATES // len(parts), seed)]
    loads = np.array([_tokens(part) / max(part.arrival_s[-1] - part.arrival_s[0], 1e-9) for part in slices])
    asked, served = [0.0], [0.0]
    for level in LEVELS:
        nearest = np.argsort(np.abs(np.log(loads / (level * full))), kind="stable")[:many]
        share = _share([slices[place] for place in nearest.tolist()], level * full, scenario)
        asked.append(level * full)
        served.append(max(share * level * full, served[-1]))
    return Response(np.array(asked), np.array(served))


def full_tokens_per_s(traffic: Traffic, scenario: Scenario) -> float:
    """Tokens/s that the owned replicas would serve of requests of these mean lengths if always full."""
    mean = Tokens(
        input=max(round(float(traffic.input_tokens.mean())), 1),
        cached_input=int(traffic.cached_tokens.mean()),
        output=max(round(float(traffic.output_tokens.mean())), 1),
    )
    steps = [target.step for target in scenario.targets if target.side is Side.OWNED]
    return sum(1e9 * (mean.input + mean.output) / room_ns(step, mean) for step in steps if step is not None)


def at_load(traffic: Traffic, tokens_per_s: float) -> Traffic:
    """The same requests in so much time that they are this load from their first to their last arrival."""
    arrival_s = traffic.arrival_s - traffic.arrival_s[0]
    lasts_s = _tokens(traffic) / tokens_per_s
    arrival_s = arrival_s * (lasts_s / max(float(arrival_s[-1]), 1e-9))
    return replace(traffic, arrival_s=arrival_s, duration_s=float(arrival_s[-1]) + 1e-9, start_ns=None)


def _tokens(traffic: Traffic) -> int:
    return int(traffic.input_tokens.sum()) + int(traffic.output_tokens.sum())


def _slices(traffic: Traffic, requests: int, many: int, seed: int) -> list[Traffic]:
    """Runs of requests from all over the traffic, one that begins at random in each of `many` equal parts."""
    random = np.random.default_rng(seed)
    requests = min(requests, len(traffic))
    places = np.arange(len(traffic))
    last = len(traffic) - requests
    begins = ((np.arange(many) + random.random(many)) / many * (last + 1)).astype(np.int64)
    return [
        traffic.where((places >= begin) & (places < begin + requests)) for begin in np.unique(begins).tolist()
    ]


def _share(slices: Sequence[Traffic], tokens_per_s: float, scenario: Scenario) -> float:
    owned = total = 0.0
    for part in slices:
        found = simulate(at_load(part, tokens_per_s), scenario)
        counted = np.arange(len(part)) >= int(WARM_UP * len(part))
        tokens = part.input_tokens + part.output_tokens
        owned += float(tokens[counted & found.on(Side.OWNED)].sum())
        total += float(tokens[counted].sum())
    return owned / total
