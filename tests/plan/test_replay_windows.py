"""A replay estimated from windows says what simulating every request says, within the error it states."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from baseload.core import Side
from baseload.plan.estimate import choose
from baseload.plan.outcome import NOWHERE, Simulated
from baseload.plan.replay import simulated
from baseload.plan.replay_windows import Looked, estimated, in_windows
from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.plan.windows import Drawn, Sampling, Window, fluid_of, only, simulated_window
from baseload.traffic.draw import draw
from tests.plan.test_simulate import fleet, steady
from tests.plan.test_windows import WINDOWS, shape

SEEDS = 150


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


def test_the_whole_lies_in_the_interval_as_often_as_it_says() -> None:
    """Half a day simulated whole; then 150 samples of its windows: what is bought, spilled and paid is within
    the stated 95% of them, give or take what so many draws cannot tell, and is of use."""
    scenario, traffic = Scenario((fleet(1),)), draw(shape(), seed=5)
    load = traffic.load(600.0)
    fluid = fluid_of(traffic, scenario, load, 0)
    every = [
        simulated_window(traffic, place, load.window_s, scenario, Sampling(most_requests=10**9))
        for place in range(WINDOWS)
    ]
    sums: dict[str, Callable[[Simulated], float]] = {
        "bought": lambda part: float(
            (part.traffic.input_tokens + part.traffic.output_tokens)[~part.on(Side.OWNED)].sum()
        ),
        "spilled": lambda part: float((part.spilled & (part.target != NOWHERE)).sum()),
        "usd": lambda part: part.metered_usd() or 0.0,
    }
    for total in sums.values():
        truth = sum(total(window.found) for window in every)
        inside, halves = 0, []
        for seed in range(SEEDS):
            chosen = choose(load.tokens_per_s, 4, 12, seed)
            windows = tuple(every[place] for place in chosen.places)
            looked = Looked(load, traffic.duration_s, scenario, chosen, windows, fluid)
            found = estimated(looked, total)
            inside += abs(found.total - truth) <= found.half
            halves.append(found.half)
        assert inside / SEEDS >= 0.95 - 2.33 * math.sqrt(0.95 * 0.05 / SEEDS)
        assert np.median(halves) < 0.25 * truth


def test_parts_of_windows_are_within_the_interval_too() -> None:
    """The same with 600 requests of each window, which begin anywhere in it."""
    scenario, traffic = Scenario((fleet(1),)), draw(shape(), seed=6)
    load = traffic.load(600.0)
    fluid = fluid_of(traffic, scenario, load, 0)
    every = [
        simulated_window(traffic, place, load.window_s, scenario, Sampling(most_requests=10**9))
        for place in range(WINDOWS)
    ]
    truth = sum(float(window.found.spilled.sum()) for window in every)
    inside = 0
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        chosen = choose(load.tokens_per_s, 4, 12, seed)
        windows = tuple(_part(every[place], 600, random) for place in chosen.places)
        looked = Looked(load, traffic.duration_s, scenario, chosen, windows, fluid)
        found = estimated(looked, lambda part: float(part.spilled.sum()))
        inside += abs(found.total - truth) <= found.half
    assert inside / SEEDS >= 0.95 - 2.33 * math.sqrt(0.95 * 0.05 / SEEDS)


def _part(window: Window, requests: int, random: np.random.Generator) -> Window:
    many = len(window.found.target)
    if many <= requests:
        return window
    begin = int(random.integers(many - requests + 1))
    return Window(window.place, _over(window, begin, begin + requests), many)


def _over(window: Window, begin: int, end: int) -> Simulated:
    part = only(window.found, np.arange(begin, end))
    ends_s = float(part.traffic.arrival_s[-1])
    return replace(part, traffic=replace(part.traffic, duration_s=ends_s))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_source_is_answered_without_being_held(seed: int) -> None:
    """A load that is drawn window by window, estimated from 16 of 72: as simulated whole, within the interval
    and half a point for the draw, which is another."""
    scenario = Scenario((fleet(1),))
    found = in_windows("before", Drawn(shape(), seed=seed), scenario, sampling=Sampling(seed=seed))
    whole = simulate(draw(shape(), seed=5), scenario)
    owned, spill = found.owned_tokens_share, found.spill_share
    assert owned == pytest.approx(whole.owned_tokens_share, abs=found.owned_tokens_share_error + 0.005)
    assert spill == pytest.approx(whole.spill_share, abs=found.spill_share_error + 0.005)
    assert 0.0 < found.owned_tokens_share_error < 0.03
    assert 0.0 < found.spill_share_error < 0.03
    again = in_windows("before", Drawn(shape(), seed=seed), scenario, sampling=Sampling(seed=seed))
    assert again == found


def test_every_window_is_every_request() -> None:
    """Where all windows are looked at nothing is estimated: no error, and the sums are those of the whole."""
    traffic, scenario = steady(12, 1800.0, seed=3), Scenario((fleet(1),))
    whole = simulated("before", traffic, scenario)
    found = in_windows("before", traffic, scenario, sampling=Sampling(worst=1, random=99))
    assert found.spill_share == pytest.approx(whole.spill_share, abs=0.005)
    assert found.metered_usd == pytest.approx(whole.metered_usd, rel=0.05)
    assert found.ttft_s[:2] == pytest.approx(whole.ttft_s[:2], rel=0.02)
    assert found.spill_share_error == found.metered_usd_error == found.owned_tokens_share_error == 0.0


def test_without_owned_replicas_all_is_bought() -> None:
    """No fluid model to measure, and nothing in doubt but what it costs."""
    found = in_windows("before", steady(12, 3600.0), Scenario((fleet(0),)), sampling=Sampling(1, 3))
    assert found.owned_tokens_share == found.owned_tokens_share_error == 0.0
    assert found.metered_usd is not None
    assert found.metered_usd_error is not None
    assert found.metered_usd_error < 0.05 * found.metered_usd
