"""A replay estimated from windows says what simulating every request says, nearly."""

from __future__ import annotations

import pytest

from baseload.plan.replay import simulated
from baseload.plan.replay_windows import in_windows
from baseload.plan.scenario import Scenario
from baseload.plan.windows import Sampling
from tests.plan.test_simulate import fleet, steady


def test_the_estimate_is_near_the_whole() -> None:
    """Two hours in twelve windows, half of them simulated: costs and shares within a few percent."""
    traffic, scenario = steady(12, 7200.0, seed=3), Scenario((fleet(1),))
    told: list[int] = []
    whole = simulated("before", traffic, scenario)
    found = in_windows("before", traffic, scenario, told.append, Sampling(worst=2, random=4))
    assert found.requests == whole.requests
    assert found.windows == 6
    assert told[-1] == len(traffic)
    assert found.owned_usd == pytest.approx(whole.owned_usd, rel=0.02)
    assert found.owned_tokens_share == pytest.approx(whole.owned_tokens_share, abs=0.03)
    assert found.spill_share == pytest.approx(whole.spill_share, abs=0.03)
    assert found.metered_usd == pytest.approx(whole.metered_usd, rel=0.15)
    for mine, theirs in zip(found.ttft_s, whole.ttft_s, strict=True):
        assert mine == pytest.approx(theirs, rel=0.1)


def test_every_window_is_every_request() -> None:
    """Where all windows are looked at nothing is estimated: the sums are those of the whole."""
    traffic, scenario = steady(12, 1800.0, seed=3), Scenario((fleet(1),))
    whole = simulated("before", traffic, scenario)
    found = in_windows("before", traffic, scenario, sampling=Sampling(worst=1, random=99))
    assert found.spill_share == pytest.approx(whole.spill_share, abs=0.005)
    assert found.metered_usd == pytest.approx(whole.metered_usd, rel=0.05)
    assert found.ttft_s[:2] == pytest.approx(whole.ttft_s[:2], rel=0.02)
