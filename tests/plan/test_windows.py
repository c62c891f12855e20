"""Long traces: the fluid model with simulated windows against simulating everything."""

from __future__ import annotations

import math

import numpy as np
import pytest

from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.plan.windows import Drawn, Sampling, answer
from baseload.traffic.draw import draw
from baseload.traffic.load import Lengths, Load, LoadShape
from tests.plan.test_simulate import fleet

WINDOWS = 72


def shape(peak: float = 14.0) -> LoadShape:
    """Half a day in ten-minute windows that rises to a peak of so many requests a second and falls again."""
    rate = 1.0 + (peak - 1.0) * np.sin(np.linspace(0.0, math.pi, WINDOWS)) ** 2
    edges = np.array([1, 200, 1000])
    lengths = Lengths.independent(edges, np.array([0.4, 0.6]), np.array([0.9, 0.1]))
    mean_in, mean_out = lengths.means()
    return LoadShape(Load(600.0, rate, rate * mean_in, rate * 0.0, rate * mean_out), lengths, "a day's arc")


def test_the_answer_holds_within_its_error_bar() -> None:
    """Owned share from 16 of 72 windows against simulating all of them: within the stated interval and a
    point, and nearer than the interval says it could be off."""
    scenario = Scenario((fleet(1),))
    source = Drawn(shape())
    found = answer(source, scenario, Sampling(worst=4, random=12, most_requests=4000))
    whole = simulate(draw(shape(), seed=5), scenario).owned_tokens_share
    assert found.owned_share == pytest.approx(whole, abs=max(found.error, 0.01))
    assert 0.0 < found.error < 0.03
    assert found.fluid_share == pytest.approx(whole, abs=0.03)


def test_every_window_simulated_leaves_no_doubt() -> None:
    """A sample of all windows has no error bar, and its share is the simulated one."""
    found = answer(Drawn(shape()), Scenario((fleet(1),)), Sampling(4, WINDOWS, 2000))
    assert len(found.windows) == WINDOWS
    assert found.error == 0.0
    loads = np.array([window.tokens_per_s for window in found.windows])
    shares = np.array([window.owned_share for window in found.windows])
    assert found.owned_share == pytest.approx((loads * shares).sum() / loads.sum(), abs=0.005)


def test_the_worst_windows_are_the_busiest() -> None:
    """They come first, are as many as asked, and are worse off than the sampled ones."""
    found = answer(Drawn(shape()), Scenario((fleet(1),)), Sampling(3, 8, 3000))
    assert [window.worst for window in found.windows] == [True] * 3 + [False] * 8
    assert {window.start_s for window in found.worst} <= {600.0 * place for place in range(33, 39)}
    calm = [window for window in found.windows if not window.worst]
    assert min(window.ttft_at(0.95) for window in found.worst) > min(window.ttft_at(0.95) for window in calm)
    assert all(window.owned_share < 1.0 for window in found.worst)


def test_a_piece_is_the_same_requests_whenever_it_is_asked_for() -> None:
    """Drawing on demand is drawing once: the same seed and piece give the same requests."""
    source = Drawn(shape(), seed=3)
    one, two = source.between(1200.0, 1800.0), source.between(1200.0, 1800.0)
    assert (one.arrival_s == two.arrival_s).all()
    assert (one.output_tokens == two.output_tokens).all()
    other = Drawn(shape(), seed=4).between(1200.0, 1800.0)
    assert len(one) != len(other) or not (one.arrival_s == other.arrival_s).all()


def test_traffic_in_memory_is_a_source_too() -> None:
    """Requests at hand are answered the same way, and the same seed gives the same answer."""
    traffic = draw(shape(), seed=9)
    scenario = Scenario((fleet(1),))
    one, two = (answer(traffic, scenario, Sampling(2, 6, 2000)) for _ in range(2))
    assert one.owned_share == two.owned_share
    assert one.owned_share == pytest.approx(
        simulate(traffic, scenario).owned_tokens_share, abs=one.error + 0.01
    )
