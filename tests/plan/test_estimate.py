"""Sums over windows from a few of them: unbiased, and inside their interval as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from baseload.plan.costs import Floats
from baseload.plan.estimate import PER_STRATUM, Chosen, Estimate, Found, choose, estimate

WINDOWS, BLOCKS = 144, 24
SEEDS = 800


def population(seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Sizes and sums of every block of every window, and two controls: one that is off where it is busy, and
    nothing at all. What is looked for grows steeply with load, with noise in windows and in blocks."""
    random = np.random.default_rng(seed)
    loads = 1.0 + 9.0 * np.sin(np.linspace(0.0, math.pi, WINDOWS)) ** 2
    x = loads[:, None] * random.lognormal(0.0, 0.3, (WINDOWS, BLOCKS))
    share = np.clip((loads - 5.0) / 6.0 + random.normal(0.0, 0.08, WINDOWS), 0.0, 1.0)
    y = x * share[:, None] * random.lognormal(0.0, 0.25, (WINDOWS, BLOCKS))
    control = x.sum(axis=1) * np.clip((loads - 4.5) / 6.0, 0.0, 1.0)
    return x, y, control, np.zeros(WINDOWS)


def looked(x: Floats, y: Floats, control: Floats, blocks: int, seed: int, confidence: float) -> Estimate:
    """The estimate of one draw: so many blocks of each chosen window, from a random one on."""
    random = np.random.default_rng(seed + 10_000)
    sizes = x.sum(axis=1)
    chosen = choose(sizes, 4, 12, seed)
    found = []
    for place in chosen.places:
        begin = int(random.integers(BLOCKS - blocks + 1))
        seen = slice(begin, begin + blocks)
        part = float(x[place, seen].sum()) / float(sizes[place])
        found.append(Found(x[place, seen], y[place, seen], control[place] * part, float(sizes[place])))
    return estimate(chosen, sizes, control, found, confidence)


@pytest.mark.parametrize("confidence", [0.90, 0.95])
@pytest.mark.parametrize("blocks", [BLOCKS, 6], ids=["whole", "parts"])
@pytest.mark.parametrize("controlled", [True, False], ids=["control", "plain"])
def test_the_interval_covers_as_often_as_it_says(blocks: int, controlled: bool, confidence: float) -> None:
    """Over 800 draws, each of a population of its own, no less often than 2.33 standard errors below nominal
    (a right interval fails this once in a hundred), and it is no wider than it must be: less than a twentieth
    above."""
    inside = 0
    for seed in range(SEEDS):
        x, y, control, nothing = population(seed)
        found = looked(x, y, control if controlled else nothing, blocks, seed, confidence)
        inside += abs(found.total - float(y.sum())) <= found.half
    error = math.sqrt(confidence * (1.0 - confidence) / SEEDS)
    assert confidence - 2.33 * error <= inside / SEEDS <= min(confidence + 0.06, 1.0)


def test_it_is_right_on_the_average() -> None:
    """The mean of many draws of one population is its sum, within what so many draws can say."""
    x, y, control, _ = population(3)
    totals = [looked(x, y, control, 6, seed, 0.95).total for seed in range(SEEDS)]
    unsure = 3.0 * np.std(totals) / math.sqrt(SEEDS)
    assert np.mean(totals) == pytest.approx(y.sum(), abs=unsure + 0.002 * y.sum())


def test_a_control_and_strata_make_it_surer() -> None:
    """A prediction that is nearly right halves the interval at least."""
    x, y, _, nothing = population(1)
    near = y.sum(axis=1) * np.random.default_rng(5).normal(1.0, 0.02, WINDOWS)
    with_it = np.median([looked(x, y, near, BLOCKS, seed, 0.95).half for seed in range(50)])
    without = np.median([looked(x, y, nothing, BLOCKS, seed, 0.95).half for seed in range(50)])
    assert with_it < without / 2


def test_everything_looked_at_leaves_no_doubt() -> None:
    """All blocks of all windows: the sum itself."""
    x, y, _, nothing = population(2)
    chosen = choose(x.sum(axis=1), 4, WINDOWS, 0)
    assert sorted(chosen.places) == list(range(WINDOWS))
    whole = [Found(x[p], y[p], 0.0, float(x[p].sum())) for p in chosen.places]
    found = estimate(chosen, x.sum(axis=1), nothing, whole)
    assert found.total == pytest.approx(float(y.sum()))
    assert found.half == 0.0


def test_a_part_of_every_window_leaves_some_doubt() -> None:
    """A quarter of the blocks of all windows: what is left is covered as often as the interval says."""
    inside = 0
    for seed in range(SEEDS):
        x, y, _, nothing = population(seed)
        chosen = choose(x.sum(axis=1), 4, WINDOWS, 0)
        parts = [Found(x[p, :6], y[p, :6], 0.0, float(x[p].sum())) for p in chosen.places]
        found = estimate(chosen, x.sum(axis=1), nothing, parts)
        assert 0.0 < found.half < 0.1 * found.total
        inside += abs(found.total - float(y.sum())) <= found.half
    assert inside / SEEDS >= 0.95 - 2.33 * math.sqrt(0.95 * 0.05 / SEEDS)


def test_windows_are_chosen_by_load() -> None:
    """The busiest first, then strata in falling load with at least three of each, none twice, none empty of
    load; the same seed chooses the same."""
    loads = np.concatenate([np.zeros(10), np.random.default_rng(1).random(90)])
    chosen = choose(loads, 4, 12, 7)
    assert set(chosen.worst.tolist()) == set(np.argsort(-loads)[:4].tolist())
    assert [len(each) for each in chosen.sampled] == [PER_STRATUM] * 4
    assert len(set(chosen.places)) == 16
    assert min(loads[chosen.places]) > 0.0
    lowest = [loads[each].min() for each in chosen.strata]
    highest = [loads[each].max() for each in chosen.strata]
    assert all(low >= high for low, high in zip(lowest[:-1], highest[1:], strict=True))
    assert sum(len(each) for each in chosen.strata) == 86
    again = choose(loads, 4, 12, 7)
    assert again.places == chosen.places


def test_one_window_of_many_has_no_error_bar() -> None:
    """Nothing can be said of a stratum from one sample, or from none: infinite."""
    sizes = np.array([1.0, 2.0, 3.0, 4.0])
    found = Found(np.array([4.0]), np.array([1.0]), 0.0, 4.0)
    one = Chosen(np.array([3]), (np.array([0, 1, 2]),), (np.array([2]),))
    second = Found(np.array([3.0]), np.array([1.0]), 0.0, 3.0)
    assert estimate(one, sizes, np.zeros(4), [found, second]).half == math.inf
    none = Chosen(np.array([3]), (), ())
    assert estimate(none, sizes, np.zeros(4), [found]).half == math.inf
