"""The price rule end to end: owned while its SLO holds, spill beyond it."""

from __future__ import annotations

from baseload.core import DataClass, Model, Reason, Side, StepTime, Target, TokenPrice
from baseload.policy.dispatch import Ask, Route
from baseload.policy.load import TargetLoad


def test_spill_starts_when_the_replica_is_full() -> None:
    """An idle replica wins over a metered target; a full one loses."""
    step = StepTime(0.02, 1e-3, 1e-7, 1e-4, 100_000, 8)
    replica = Target("llama", Side.OWNED, "http://a", step=step)
    api = Target("gpt", Side.METERED, "http://b", price=TokenPrice(2_500_000_000, 10_000_000_000))
    loads = {target.name: TargetLoad(target) for target in (replica, api)}
    route = Route(Model("chat", (replica, api)), loads)
    ask = Ask(500, 200, DataClass("default"))
    assert route.choose(ask, 0.0).reason is Reason.OWNED
    for _ in range(20):
        loads["llama"].begin(500, 200, 0.0)
        loads["llama"].first_token(500, 200)
    assert route.choose(ask, 0.0).reason is Reason.SPILL
