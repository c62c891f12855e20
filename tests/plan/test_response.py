"""What a fleet serves of a load, and whether the fluid model built on it agrees with the simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baseload.capacity.steptime import step_time
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.core import Model, Side, Slo, StepTime, Target, TokenPrice
from baseload.errors import UsageError
from baseload.plan.response import Response, at_load, response
from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.traffic.draw import draw
from baseload.traffic.read import read_traffic
from baseload.traffic.shapes import servegen_m_large
from baseload.traffic.table import Traffic
from tests.plan.test_simulate import fleet, steady

GPT_4O = TokenPrice(2_500_000_000, 10_000_000_000, cached_input=1_250_000_000)
WINDOW_S = 60.0


def pair() -> StepTime:
    """Llama 70B FP8 on two H100."""
    return step_time(open_model("llama-3.3-70b"), gpu("h100"), 2, "fp8")


def single() -> StepTime:
    """Llama 8B FP8 on one H100."""
    return step_time(open_model("llama-3.1-8b"), gpu("h100"), 1, "fp8")


def azure(shared: Path) -> tuple[Traffic, StepTime]:
    """The hour of conversations."""
    return read_traffic(shared / "data/traces/azure2023/AzureLLMInferenceTrace_conv.csv"), pair()


def mooncake(shared: Path) -> tuple[Traffic, StepTime]:
    """The hour of long conversations, with prefix blocks."""
    return read_traffic(shared / "data/traces/mooncake/conversation_trace.jsonl"), single()


def servegen(shared: Path) -> tuple[Traffic, StepTime]:
    """Four hours of the morning rise of ServeGen m-large at 1B tokens a day."""
    shape = servegen_m_large().scaled(tokens_per_day=1e9).between(0.0, 4 * 3600.0)
    return draw(shape, seed=1), pair()


@pytest.mark.parametrize("promise", [Slo(2.0, 0.1), Slo(1.5, 0.06)], ids=["100ms", "60ms"])
@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("load", [azure, mooncake, servegen], ids=lambda load: load.__name__)
def test_the_fluid_model_owns_what_the_simulation_owns(
    load: object, replicas: int, promise: Slo, shared: Path
) -> None:
    """Owned share of the tokens within 2 points, whether one replica is overloaded or two are half idle."""
    traffic, step = load(shared)  # type: ignore[operator]
    targets = [
        *(Target(f"r{i}", Side.OWNED, "http://owned", step=step) for i in range(replicas)),
        Target("api", Side.METERED, "http://api", price=GPT_4O),
    ]
    scenario = Scenario((Model("chat", tuple(targets), promise),))
    fluid = response(traffic, scenario).owned_share(traffic.load(WINDOW_S))
    assert fluid == pytest.approx(simulate(traffic, scenario).owned_tokens_share, abs=0.02)


def test_little_is_served_whole_and_much_at_the_most() -> None:
    """A light load is owned entirely; beyond saturation more load changes nothing."""
    found = response(steady(10, 600), Scenario((fleet(1),)))
    light, heavy = found.asked[1], found.asked[-1]
    assert found.served_tokens_per_s(np.array([light]))[0] == pytest.approx(light, rel=0.01)
    assert found.served_tokens_per_s(np.array([heavy * 10]))[0] == found.served[-1]
    assert (np.diff(found.served) >= 0).all()
    assert (found.served <= found.asked).all()


def test_pooling_makes_room_grow_faster_than_replicas() -> None:
    """Four replicas serve 99% of more than four times the load that one serves 99% of."""
    traffic = steady(10, 1200)
    one, four = (response(traffic, Scenario((fleet(n),))).room(0.99) for n in (1, 4))
    assert four > 4.2 * one


def test_room_is_read_off_the_curve() -> None:
    """Of 100 all is served, of 200 three quarters: 80% is kept up to 180."""
    curve = Response(np.array([0.0, 100.0, 200.0]), np.array([0.0, 100.0, 150.0]))
    assert curve.room(1.0) == 100.0
    assert curve.room(0.8) == pytest.approx(180.0)
    assert curve.room(0.5) == 200.0
    assert Response(np.array([0.0, 10.0]), np.array([0.0, 5.0])).room(0.9) == 0.0


def test_a_load_is_the_same_requests_in_other_time() -> None:
    """Twice the load: half the time, every length as it was."""
    traffic = steady(10, 600)
    tokens = int(traffic.input_tokens.sum() + traffic.output_tokens.sum())
    denser = at_load(traffic, 50_000.0)
    assert denser.duration_s == pytest.approx(tokens / 50_000.0)
    assert (denser.output_tokens == traffic.output_tokens).all()


def test_pieces_of_several_times_respond_together() -> None:
    """A quiet and a busy piece give one curve, close to that of either where both are alike but for load."""
    quiet, busy = steady(5, 240), steady(30, 120, seed=2)
    both = response((quiet, busy), Scenario((fleet(1),)))
    alone = response(busy, Scenario((fleet(1),)))
    loads = alone.asked[1:]
    np.testing.assert_allclose(
        both.served_tokens_per_s(loads), alone.served_tokens_per_s(loads), rtol=0.06, atol=0.0
    )
    with pytest.raises(UsageError, match="one request makes no load"):
        response((quiet, steady(1, 1.0)), Scenario((fleet(1),)))


def test_without_replicas_nothing_responds() -> None:
    """A scenario that owns nothing has no response."""
    with pytest.raises(UsageError, match="no owned replica"):
        response(steady(10, 60), Scenario((fleet(0),)))
