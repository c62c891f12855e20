"""Traffic on demand, and the pieces of its windows that are simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.plan.windows import BLOCKS, Drawn, Sampling, only, simulated_window
from baseload.traffic.load import Lengths, Load, LoadShape
from tests.plan.test_simulate import fleet, steady

WINDOWS = 72


def shape(peak: float = 14.0) -> LoadShape:
    """Half a day in ten-minute windows that rises to a peak of so many requests a second and falls again."""
    rate = 1.0 + (peak - 1.0) * np.sin(np.linspace(0.0, math.pi, WINDOWS)) ** 2
    edges = np.array([1, 200, 1000])
    lengths = Lengths.independent(edges, np.array([0.4, 0.6]), np.array([0.9, 0.1]))
    mean_in, mean_out = lengths.means()
    return LoadShape(Load(600.0, rate, rate * mean_in, rate * 0.0, rate * mean_out), lengths, "a day's arc")


def test_a_piece_is_the_same_requests_whenever_it_is_asked_for() -> None:
    """Drawing on demand is drawing once: the same seed and piece give the same requests."""
    source = Drawn(shape(), seed=3)
    one, two = source.between(1200.0, 1800.0), source.between(1200.0, 1800.0)
    assert (one.arrival_s == two.arrival_s).all()
    assert (one.output_tokens == two.output_tokens).all()
    other = Drawn(shape(), seed=4).between(1200.0, 1800.0)
    assert len(one) != len(other) or not (one.arrival_s == other.arrival_s).all()


def test_a_window_is_simulated_behind_a_warm_fleet() -> None:
    """Its own requests, all of them, after those of the minute before; the first window as it is."""
    traffic, scenario = steady(12, 1800.0, seed=3), Scenario((fleet(1),))
    whole = simulate(traffic, scenario)
    window = simulated_window(traffic, 1, 600.0, scenario, Sampling())
    inside = (traffic.arrival_s >= 600.0) & (traffic.arrival_s < 1200.0)
    assert window.requests == len(window.found.target) == inside.sum()
    assert window.found.owned_tokens_share == pytest.approx(
        only(whole, np.flatnonzero(inside)).owned_tokens_share, abs=0.02
    )
    first = simulated_window(traffic, 0, 600.0, scenario, Sampling())
    assert first.requests == (traffic.arrival_s < 600.0).sum()


def test_a_large_window_is_simulated_in_part() -> None:
    """So many requests in a row, from one that the seed draws; the window's own count is kept."""
    traffic, scenario = steady(12, 1800.0, seed=3), Scenario((fleet(1),))
    begins = set()
    for seed in range(4):
        window = simulated_window(traffic, 1, 600.0, scenario, Sampling(most_requests=500, seed=seed))
        assert len(window.found.target) == 500
        assert window.requests == pytest.approx(7200, rel=0.05)
        tokens = window.found.traffic.input_tokens
        begin = next(i for i in range(len(traffic)) if (traffic.input_tokens[i : i + 500] == tokens).all())
        assert traffic.arrival_s[begin] >= 600.0
        assert traffic.arrival_s[begin + 499] < 1200.0
        begins.add(begin)
    assert len(begins) == 4


def test_blocks_are_the_piece_cut_up() -> None:
    """One after the other, nothing left out, refusals with them."""
    scenario = Scenario((fleet(1, api=False),))
    window = simulated_window(steady(12, 600.0), 0, 600.0, scenario, Sampling())
    blocks = window.blocks
    assert len(blocks) == BLOCKS
    assert np.concatenate([each.target for each in blocks]).tolist() == window.found.target.tolist()
    tokens = [int(each.traffic.output_tokens.sum()) for each in blocks]
    assert sum(tokens) == int(window.found.traffic.output_tokens.sum())
