"""The models of a scenario as a simulation serves them: route, estimates and retries of each."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec.structs import replace

from baseload.core import Model, Side, Target
from baseload.errors import UsageError
from baseload.plan.scenario import Scenario
from baseload.policy.dispatch import Route
from baseload.policy.estimate import TokenEstimate
from baseload.policy.load import TargetLoad
from baseload.policy.retry import RetryBudget
from baseload.traffic.table import Traffic


class Served:
    """One model as the simulation sees it: its route, what is known of its requests, its retries."""

    __slots__ = ("_loads", "_whole", "budget", "estimate", "model", "route")

    def __init__(self, model: Model, loads: dict[str, TargetLoad]) -> None:
        self._whole = self.model = model
        self._loads = loads
        self.route = Route(model, loads)
        self.estimate = TokenEstimate()
        self.budget = RetryBudget()

    def use(self, active: Iterable[str]) -> None:
        """Dispatch to these owned targets only: a new configuration in the gateway's eyes."""
        active = set(active)
        kept = (each for each in self._whole.targets if each.side is Side.METERED or each.name in active)
        self.model = replace(self._whole, targets=tuple(kept))
        self.route = Route(self.model, self._loads)


def roomy(target: Target) -> Target:
    """The target with a context window no larger than its KV room: more can never run there."""
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
