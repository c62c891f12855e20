"""The models of a scenario as a simulation serves them: route, estimates and retries of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from baseload.core import Fallback, Model, Side, Target
from baseload.errors import UsageError
from baseload.plan.scenario import Scenario
from baseload.policy.dispatch import Route
from baseload.policy.estimate import TokenEstimate
from baseload.policy.fallback import Fallbacks
from baseload.policy.load import TargetLoad
from baseload.policy.retry import RetryBudget
from baseload.traffic.table import Traffic


class Served:
    """One model as the simulation sees it: its route, what is known of its requests, its retries."""

    __slots__ = ("_loads", "_whole", "budget", "estimate", "fallbacks", "model", "route")

    def __init__(self, model: Model, loads: dict[str, TargetLoad]) -> None:
        self._whole = self.model = model
        self._loads = loads
        self._prepare()
        self.estimate = TokenEstimate()
        self.budget = RetryBudget()

    def use(self, active: Iterable[str]) -> None:
        """Dispatch to these owned targets only: a new configuration in the gateway's eyes."""
        active = set(active)

        def used(targets: tuple[Target, ...]) -> tuple[Target, ...]:
            return tuple(each for each in targets if each.side is Side.METERED or each.name in active)

        self.model = with_targets(self._whole, used)
        self._prepare()

    def _prepare(self) -> None:
        self.fallbacks = Fallbacks(self.model, self._loads) if self.model.fallback is not None else None
        self.route = self.fallbacks.own if self.fallbacks is not None else Route(self.model, self._loads)


def with_targets(model: Model, changed: Callable[[tuple[Target, ...]], tuple[Target, ...]]) -> Model:
    """The model with its targets changed, in its fallback lists too; entries left without one are gone."""

    def entries(before: tuple[Model, ...]) -> tuple[Model, ...]:
        after = (replace(entry, targets=changed(entry.targets)) for entry in before)
        return tuple(entry for entry in after if entry.targets)

    lists = model.fallback
    if lists is not None:
        lists = Fallback(entries(lists.context_length), entries(lists.content_policy), entries(lists.error))
    return replace(model, targets=changed(model.targets), fallback=lists)


def roomy(model: Model) -> Model:
    """The model with context windows no larger than its targets' KV room: more can never run there."""
    return with_targets(model, lambda targets: tuple(map(_roomy, targets)))


def _roomy(target: Target) -> Target:
    if target.step is None:
        return target
    return replace(target, context_tokens=min(target.context_tokens or math.inf, target.step.kv_tokens))


def matched(traffic: Traffic, scenario: Scenario) -> list[int]:
    """For each model name of the traffic the place in the scenario's models."""
    if len(scenario.models) == 1:
        return [0] * len(traffic.models)
    places = {model.name: place for place, model in enumerate(scenario.models)}
    asked = {traffic.models[code] for code in set(traffic.model.tolist())}
    missing = sorted(asked - places.keys())
    if missing:
        raise UsageError(
            f"the traffic asks for {', '.join(map(repr, missing))}, which no model here is called",
            hint=f"there are {', '.join(places)}; choose one of the traffic's models, or rename",
        )
    return [places.get(name, 0) for name in traffic.models]
