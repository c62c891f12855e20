"""A fleet under traffic: replicas and metered targets behind the very rules the gateway runs.

Each request is dispatched by `policy.dispatch.Route` on live loads, health, quotas and estimates, as
`gateway/exchange.py` does it; a replica then takes the time `capacity.batching` says, a metered target its
`Latency`. Nothing here waits or is random but for the seeded jitter of ejections and retries.

The order at one moment: what ended by then is told to the policy, then what befalls targets, then arrivals.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from enum import IntEnum
from heapq import heappop, heappush

import numpy as np

from baseload.core import DataClass, Reason, Side
from baseload.errors import NO_TARGET, RequestError
from baseload.plan.outcome import NOWHERE, Simulated
from baseload.plan.requests import requests_of
from baseload.plan.scaling import Scaling
from baseload.plan.scenario import ANYWHERE, Latency, Scenario, targets_of
from baseload.plan.served import Served, matched, roomy
from baseload.plan.serving import Replica
from baseload.policy.dispatch import Ask
from baseload.policy.fallback import MOST_FALLBACKS, Cause, FallbackList, cause_of
from baseload.policy.load import TargetLoad
from baseload.policy.retry import MOST_RETRIES, WAITING_BUDGET_S, backoff_s
from baseload.traffic.table import Traffic

BYTES_PER_TOKEN = 4
"""Request bytes per token that the estimates learn from: a trace has tokens, and any constant does."""

BETWEEN_REPORTS = 10_000
"""Arrivals after which whoever watches is told."""

TICK_S = 10.0
"""How often the autoscaler looks."""


class Kind(IntEnum):
    """What a scheduled moment is; at equal times in this order."""

    FIRST = 0  # a metered target's first token
    END = 1
    FAIL = 2  # an outage begins
    READY = 3  # a started replica serves
    TICK = 4  # the autoscaler looks
    AGAIN = 5  # a request tries once more


def simulate(traffic: Traffic, scenario: Scenario, passed: Callable[[int], None] | None = None) -> Simulated:
    """What becomes of every request of this traffic in this scenario.

    `passed` is told now and then how many arrivals are done. Raises UsageError where traffic and scenario do
    not fit together.
    """
    return FleetRun(traffic, scenario).run(passed)


class FleetRun:
    """The state of one simulation."""

    def __init__(self, traffic: Traffic, scenario: Scenario) -> None:
        self.traffic, self.scenario = traffic, scenario
        models = [roomy(each) for each in scenario.models]
        self.targets = targets_of(models)
        self.number = {target.name: number for number, target in enumerate(self.targets)}
        self.loads = {target.name: TargetLoad(target) for target in self.targets}
        queue = requests_of(traffic)
        self.prompt, self.output = queue.input_tokens.tolist(), queue.output_tokens.tolist()
        self.cached = queue.cached_tokens.tolist()
        self.chains = queue.chains
        blocks = (self.chains.blocks, self.chains.tokens) if self.chains is not None else (0, 1)
        self.replicas = {
            target.name: Replica(target.step, self.loads[target.name], *blocks)
            for target in self.targets
            if target.step is not None and target.side is Side.OWNED
        }
        self.served = [Served(model, self.loads) for model in models]
        self.of = matched(traffic, scenario)
        self.classes = [scenario.classes.get(tenant, ANYWHERE) for tenant in traffic.tenants]
        self.random = random.Random(scenario.seed)
        self.moments: list[tuple[float, int, int, int]] = []
        self.soonest_s = math.inf
        count = len(traffic)
        self.expected = [0] * count
        self.attempts = [0] * count
        self.waited_s: dict[int, float] = {}
        self.tried: dict[int, tuple[str, ...]] = {}
        self.detours: dict[int, tuple[FallbackList, int]] = {}  # with how many attempts were made before
        self.probes: set[int] = set()
        self.target = [NOWHERE] * count
        self.reason = [Reason.OWNED] * count
        self.first_s, self.end_s = [math.nan] * count, [math.nan] * count
        self.refused: dict[str, int] = {}
        self.cut: dict[int, int] = {}
        self.down_until_s = [-math.inf] * len(self.targets)
        self.scaling = None
        if scenario.autoscale is not None:
            self.scaling = Scaling(models, self.loads, scenario.autoscale)
            self._use(self.scaling)
            heappush(self.moments, (0.0, Kind.TICK, 0, 0))
        for number, outage in enumerate(scenario.outages):
            heappush(self.moments, (outage.from_s, Kind.FAIL, number, 0))

    def run(self, passed: Callable[[int], None] | None = None) -> Simulated:
        """From the first arrival to the last end."""
        for begin in range(0, len(self.traffic), BETWEEN_REPORTS):
            self._arrivals(begin, begin + BETWEEN_REPORTS)
            if passed is not None:
                passed(min(begin + BETWEEN_REPORTS, len(self.traffic)))
        self._pass_moments(math.inf)
        return self._outcome()

    def _arrivals(self, begin: int, end: int) -> None:
        """The requests of these numbers come."""
        tenant, model = self.traffic.tenant[begin:end].tolist(), self.traffic.model[begin:end].tolist()
        classes, served, moments = self.classes, [self.served[each] for each in self.of], self.moments
        arrival_s = self.traffic.arrival_s[begin:end].tolist()
        for request, now_s, who, what in zip(range(begin, end), arrival_s, tenant, model, strict=False):
            if moments and moments[0][0] <= now_s:
                self._pass_moments(now_s)
            if self.soonest_s <= now_s:
                self._run_replicas(now_s)
            where = served[what]
            where.budget.request(now_s)
            self.expected[request] = where.estimate.output_tokens(None)
            self._attempt(request, where, classes[who], now_s, ())

    def _pass_moments(self, now_s: float) -> None:
        """Everything scheduled up to now, and whatever replicas do in between, in order of time."""
        while True:
            due_s = self.moments[0][0] if self.moments else math.inf
            if self.soonest_s < due_s and self.soonest_s <= now_s:
                self._run_replicas(self.soonest_s)
                continue
            if due_s > now_s or due_s == math.inf:
                return
            if due_s > self.traffic.duration_s and self._only_ticks():
                self.moments.clear()
                continue
            at_s, kind, what, _ = heappop(self.moments)
            self._moment(at_s, Kind(kind), what)

    def _only_ticks(self) -> bool:
        return self.soonest_s == math.inf and all(kind == Kind.TICK for _, kind, _, _ in self.moments)

    def _moment(self, now_s: float, kind: Kind, what: int) -> None:
        match kind:
            case Kind.FIRST:
                self._first(what, now_s, self.loads[self.targets[self.target[what]].name])
            case Kind.END:
                self._end(what, now_s, self.loads[self.targets[self.target[what]].name])
            case Kind.FAIL:
                self._fail(what, now_s)
            case Kind.READY | Kind.TICK:
                self._scale(kind, what, now_s)
            case Kind.AGAIN:
                self._attempt(what, self._served_of(what), self._class_of(what), now_s, ())

    def _served_of(self, request: int) -> Served:
        return self.served[self.of[int(self.traffic.model[request])]]

    def _class_of(self, request: int) -> DataClass:
        return self.classes[int(self.traffic.tenant[request])]

    def _run_replicas(self, now_s: float) -> None:
        """Let every replica that has something due do it, and tell the policy."""
        soonest_s = math.inf
        for replica in self.replicas.values():
            if replica.wake_s <= now_s:
                replica.run(now_s)
                self._tell(replica)
            if replica.wake_s < soonest_s:
                soonest_s = replica.wake_s
        self.soonest_s = soonest_s

    def _tell(self, replica: Replica) -> None:
        for request, at_s in replica.firsts():
            self._first(request, at_s, replica.load)
        for request, at_s in replica.ends():
            self._end(request, at_s, replica.load)

    def _first(self, request: int, at_s: float, load: TargetLoad) -> None:
        self.first_s[request] = at_s
        load.first_token(self.prompt[request], self.expected[request])

    def _end(self, request: int, at_s: float, load: TargetLoad) -> None:
        self.end_s[request] = at_s
        prompt, output, expected = self.prompt[request], self.output[request], self.expected[request]
        load.end(prompt, expected, True)
        load.settle(prompt + expected, prompt + output)
        probe = request in self.probes
        load.health.success(at_s, probe)
        if probe:
            self.probes.discard(request)
        self._served_of(request).estimate.learn(BYTES_PER_TOKEN * prompt, prompt, output)

    def _attempt(
        self, request: int, where: Served, data_class: DataClass, now_s: float, tried: tuple[str, ...]
    ) -> None:
        """Dispatch a request, and again elsewhere where a target is down."""
        prompt, expected = self.prompt[request], self.expected[request]
        context = prompt + self.output[request]
        ask = Ask(prompt, expected, data_class, None, context, self._held(request, where))
        detour = self.detours.get(request)
        try:
            choice = (detour[0] if detour else where.route).choose(ask, now_s, tried)
        except RequestError as error:
            if self._turned(request, where, cause_of(error)):
                self._attempt(request, where, data_class, now_s, tried)
            else:
                self._none_left(request, now_s, error)
            return
        name, load = choice.target.name, choice.load
        number = self.number[name]
        self.attempts[request] += 1
        self.target[request] = number
        self.reason[request] = choice.reason
        if self.scaling is not None:
            self.scaling.begun(where.model.name, choice.reason is Reason.SPILL)
        if load.begin(prompt, expected, now_s):
            self.probes.add(request)
        if self.down_until_s[number] > now_s:
            self._failed(request, now_s, tried)
            return
        replica = self.replicas.get(name)
        if replica is None:
            self._buy(request, name, now_s)
            return
        chain = () if self.chains is None else self._chain(request)
        replica.submit(now_s, request, prompt, self.output[request], self.cached[request], chain)
        if replica.wake_s < self.soonest_s:
            self.soonest_s = replica.wake_s

    def _buy(self, request: int, name: str, now_s: float) -> None:
        latency = self._latency(name)
        attempt = self.attempts[request]
        first_s = now_s + latency.ttft_s
        heappush(self.moments, (first_s, Kind.FIRST, request, attempt))
        end_s = first_s + (self.output[request] - 1) * latency.tpot_s
        heappush(self.moments, (end_s, Kind.END, request, attempt))

    def _latency(self, name: str) -> Latency:
        return self.scenario.latency.get(name, self.scenario.usual)

    def _chain(self, request: int) -> list[int]:
        chains = self.chains
        assert chains is not None
        chain: list[int] = chains.ids[chains.offsets[request] : chains.offsets[request + 1]].tolist()
        return chain

    def _held(self, request: int, where: Served) -> dict[str, int] | None:
        """Cached tokens by target: what each replica's prefix cache holds; else what the traffic says."""
        cached, prompt = self.cached[request], self.prompt[request]
        if self.chains is None:
            return {target.name: cached for target in where.model.targets} if cached else None
        chain = self._chain(request)
        held = {target.name: cached for target in where.model.targets if target.side is Side.METERED}
        for target in where.model.targets:
            if target.name in self.replicas:
                held[target.name] = self.replicas[target.name].held_tokens(chain, prompt)
        return held

    def _scale(self, kind: Kind, pool: int, now_s: float) -> None:
        """A look of the autoscaler, or the moment a replica it started is ready."""
        scaling = self.scaling
        assert scaling is not None
        if kind is Kind.READY:
            scaling.ready(pool)
            self._use(scaling)
            return
        heappush(self.moments, (now_s + TICK_S, Kind.TICK, 0, 0))
        changed, started = scaling.look(now_s)
        if changed:
            self._use(scaling)
        for each in started:
            heappush(self.moments, (now_s + scaling.rule.cold_start_s, Kind.READY, each, 0))

    def _use(self, scaling: Scaling) -> None:
        for served in self.served:
            served.use(scaling.active)

    # -- failure ------------------------------------------------------------------------------------------

    def _fail(self, outage: int, now_s: float) -> None:
        """A target breaks down: what had no token yet goes elsewhere, what had one is cut."""
        name, _, until_s = self.scenario.outages[outage]
        number = self.number[name]
        self.down_until_s[number] = max(self.down_until_s[number], until_s)
        replica = self.replicas.get(name)
        if replica is None:
            lost = self._lost_metered(number, self._latency(name), now_s)
        else:
            replica.run(now_s)
            self._tell(replica)
            lost = replica.fail(now_s)
        for request, produced in lost.items():
            if math.isnan(self.first_s[request]):
                self._failed(request, now_s, self.tried.get(request, ()))
                continue
            self._leave(request, now_s, started=True)
            self.cut[request] = produced
            self.end_s[request] = now_s

    def _lost_metered(self, number: int, latency: Latency, now_s: float) -> dict[int, int]:
        """Requests under way at a metered target and what they had produced; no moments of theirs come."""
        lost, kept = {}, []
        for moment in self.moments:
            _, kind, request, _ = moment
            if kind > Kind.END or self.target[request] != number:
                kept.append(moment)
            elif kind == Kind.END:
                since_s = now_s - self.first_s[request]
                lost[request] = 0 if math.isnan(since_s) else 1 + int(since_s / latency.tpot_s)
        self.moments[:] = sorted(kept)
        return lost

    def _leave(self, request: int, now_s: float, *, started: bool) -> None:
        """A target failed it: out of its load, into its health."""
        load = self.loads[self.targets[self.target[request]].name]
        prompt, expected = self.prompt[request], self.expected[request]
        load.end(prompt, expected, started)
        load.settle(prompt + expected, 0)
        load.health.failure(now_s, self.random.random(), request in self.probes)
        self.probes.discard(request)

    def _failed(self, request: int, now_s: float, tried: tuple[str, ...]) -> None:
        """Before its first token: another target at once, within the bounds of retries."""
        self._leave(request, now_s, started=False)
        where = self._served_of(request)
        tried = (*tried, self.targets[self.target[request]].name)
        self.tried[request] = tried
        if not self._may_retry(request, where, now_s) and not self._turned(request, where, Cause.ERROR):
            self._refuse(request, "failed")
            return
        self._attempt(request, where, self._class_of(request), now_s, tried)

    def _may_retry(self, request: int, where: Served, now_s: float) -> bool:
        """As `gateway.failure` bounds them."""
        detour = self.detours.get(request)
        made, most = self.attempts[request], MOST_RETRIES + 1
        if detour is not None:
            made, most = made - detour[1], MOST_FALLBACKS
        return made < most and where.budget.take(now_s)

    def _turned(self, request: int, where: Served, cause: Cause | None) -> bool:
        """Whether the request goes on by a fallback list from here."""
        if cause is None or where.fallbacks is None or request in self.detours:
            return False
        found = where.fallbacks.of(cause)
        if found is not None:
            self.detours[request] = (found, self.attempts[request])
        return found is not None

    def _none_left(self, request: int, now_s: float, error: RequestError) -> None:
        """No target: refused at once, or after a failed attempt tried again later, as the gateway does."""
        if not self.attempts[request]:
            self._refuse(request, error.fault.code)
            return
        pause_s = backoff_s(self.attempts[request] - 1, self.random.random())
        pause_s = max(pause_s, error.retry_after_s or 0.0)
        waited_s = self.waited_s.get(request, 0.0) + pause_s
        if error.fault is not NO_TARGET or waited_s > WAITING_BUDGET_S:
            self._refuse(request, "failed")
            return
        self.waited_s[request] = waited_s
        self.tried.pop(request, None)
        heappush(self.moments, (now_s + pause_s, Kind.AGAIN, request, 0))

    def _refuse(self, request: int, code: str) -> None:
        self.target[request] = NOWHERE
        self.refused[code] = self.refused.get(code, 0) + 1

    # -- the end ------------------------------------------------------------------------------------------

    def _outcome(self) -> Simulated:
        served = np.array(self.output)
        for request, produced in self.cut.items():
            served[request] = produced
        duration_s = self.traffic.duration_s
        paid = dict.fromkeys(self.replicas, duration_s)
        if self.scaling is not None:
            paid |= self.scaling.paid_s(duration_s)
        return Simulated(
            traffic=self.traffic,
            targets=self.targets,
            target=np.array(self.target, np.int32),
            spilled=np.array([reason is Reason.SPILL for reason in self.reason]),
            attempts=np.array(self.attempts, np.int32),
            first_s=np.array(self.first_s),
            end_s=np.array(self.end_s),
            served_output=served,
            paid_s=tuple(paid.get(target.name, 0.0) for target in self.targets),
            refused=dict(sorted(self.refused.items())),
            cut=len(self.cut),
        )
