"""When a simulated fleet starts a replica and when it lets one go, and for how long each is paid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from baseload.capacity.predict import predict
from baseload.core import Model, Side, Slo, StepTime
from baseload.plan.scenario import Autoscale
from baseload.policy.load import RELIEVED, SATURATED, Saturation, TargetLoad

SPILL_SATURATES = 0.05
"""Spill of this share of a look's requests counts as saturation: dispatch holds owned replicas just below 1.0
as long as it may buy what would lift them above."""


class Spilled(NamedTuple):
    """Requests since the last look, and how many of them spilled."""

    requests: int
    spilled: int


class Scaling:
    """The replicas of a scenario that scale: those that serve the same models at the same speed together.

    Each such pool starts and drains replicas of its own, between `rule.floor` and all it has, within the
    tightest SLO of its models and by the spill of these.
    """

    def __init__(self, models: Sequence[Model], loads: Mapping[str, TargetLoad], rule: Autoscale) -> None:
        self.rule = rule
        self._loads = loads
        pools: dict[tuple[tuple[str, ...], StepTime], list[str]] = {}
        for name, load in loads.items():
            step = load.target.step
            if load.target.side is Side.OWNED and step is not None:
                of = tuple(m.name for m in models if any(each.name == name for each in m.targets))
                pools.setdefault((of, step), []).append(name)
        self._always = [name for (of, _), names in pools.items() if not of for name in names]
        slos = {model.name: model.slo for model in models}
        self._pools = [
            (of, _tightest([slos[name] for name in of]), Scaler(names, rule))
            for (of, _), names in pools.items()
            if of  # what is there for others' failures alone is not scaled
        ]
        self._begun = dict.fromkeys(slos, Spilled(0, 0))
        self._seen = dict(self._begun)

    @property
    def active(self) -> list[str]:
        """Replicas that requests are dispatched to."""
        return [*(name for _, _, scaler in self._pools for name in scaler.active), *self._always]

    def begun(self, model: str, spilled: bool) -> None:
        """An attempt at a request for this model was dispatched."""
        known = self._begun[model]
        self._begun[model] = Spilled(known.requests + 1, known.spilled + spilled)

    def look(self, now_s: float) -> tuple[bool, list[int]]:
        """Take in the state of the fleet: whether `active` changed, and which pools start a replica."""
        changed, started = False, []
        for number, (of, slo, scaler) in enumerate(self._pools):
            since = [(self._begun[name], self._seen[name]) for name in of]
            spilled = Spilled(
                sum(now.requests - then.requests for now, then in since),
                sum(now.spilled - then.spilled for now, then in since),
            )
            starting = scaler.starting
            changed |= scaler.look(now_s, self._loads, slo, spilled)
            if scaler.starting and not starting:
                started.append(number)
        self._seen = dict(self._begun)
        return changed, started

    def ready(self, pool: int) -> None:
        """The replica that was starting in this pool serves from now on."""
        self._pools[pool][2].ready()

    def paid_s(self, end_s: float) -> dict[str, float]:
        """Seconds each replica was paid for until then."""
        return {name: paid for _, _, scaler in self._pools for name, paid in scaler.paid_s(end_s).items()}


def _tightest(slos: Sequence[Slo]) -> Slo:
    return Slo(min(slo.ttft_s for slo in slos), min(slo.tpot_s for slo in slos))


class Scaler:
    """Which replicas of one pool are in use. `look` every few seconds; the first `rule.floor` are there at 0
    s."""

    def __init__(self, names: Sequence[str], rule: Autoscale) -> None:
        self.rule = rule
        self.active = list(names[: rule.floor])
        self.starting: str | None = None
        self._off = list(names[rule.floor :])
        self._draining: list[str] = []
        self._state = Saturation()
        self._calm_since_s = math.inf
        self._paid_from_s = dict.fromkeys(self.active, 0.0)
        self._paid_s = dict.fromkeys(names, 0.0)

    def look(self, now_s: float, loads: Mapping[str, TargetLoad], slo: Slo, spilled: Spilled) -> bool:
        """Take in the state of the fleet; whether `active` changed, or `starting` was set for `ready`."""
        for name in [each for each in self._draining if not loads[each].in_flight]:
            self._draining.remove(name)
            self._off.insert(0, name)
            self._paid_s[name] += now_s - self._paid_from_s.pop(name)
        count = len(self.active)
        use = sum(loads[name].saturation(now_s, slo) for name in self.active) / count if count else 0.0
        if spilled.spilled > SPILL_SATURATES * spilled.requests:
            use = max(use, SATURATED)
        if self._state.update(use, now_s):
            self._calm_since_s = math.inf
            if self.starting is None and self._off:
                self.starting = self._off.pop(0)
                self._paid_from_s[self.starting] = now_s
                return True
            return False
        fewest = count <= max(self.rule.floor, 1)
        if fewest or self.starting or self._shared(count - 1, now_s, loads, slo) >= RELIEVED:
            self._calm_since_s = math.inf
            return False
        self._calm_since_s = min(self._calm_since_s, now_s)
        if now_s - self._calm_since_s < self.rule.calm_s:
            return False
        self._calm_since_s = math.inf
        self._draining.append(self.active.pop())
        return True

    def _shared(self, count: int, now_s: float, loads: Mapping[str, TargetLoad], slo: Slo) -> float:
        """Saturation if only so many replicas, each like the first, carried what all carry now."""
        carried = [loads[name].present(now_s) for name in self.active]
        running, waiting, waiting_tokens, kv_tokens = (
            float(sum(column)) / count for column in zip(*carried, strict=True)
        )
        step = loads[self.active[0]].target.step
        assert step is not None
        ttft_s, tpot_s = predict(
            step,
            running=running,
            kv_tokens=kv_tokens,
            waiting_tokens=waiting_tokens,
            waiting=waiting,
            input_tokens=1,
            output_tokens=1,
        )
        use = max((running + waiting) / step.max_sequences, (kv_tokens + waiting_tokens) / step.kv_tokens)
        return max(use, ttft_s / slo.ttft_s, tpot_s / slo.tpot_s)

    def ready(self) -> None:
        """The replica that was starting serves from now on."""
        assert self.starting is not None
        self.active.append(self.starting)
        self.starting = None

    def paid_s(self, end_s: float) -> dict[str, float]:
        """Seconds each replica was paid for until then, starting and draining included."""
        return {
            name: min(paid + end_s - self._paid_from_s.get(name, end_s), end_s)
            for name, paid in self._paid_s.items()
        }
