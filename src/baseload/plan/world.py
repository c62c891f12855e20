"""What the coming months may bring: volume, prices, throughput and incidents, as arrays of draws × months.

One expected world has a single draw, every figure at its value. Drawn worlds take each ranged figure from a
split normal whose 10th, 50th and 90th percentile are the row's low, value and high, let prices wander about
their path (a random walk with the stated yearly spread) and count incidents (Poisson). A seed decides all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from baseload.plan.assumptions import Assumption, Assumptions
from baseload.plan.costs import Floats

MONTHS = 36
DRAWS = 10_000
Z_90 = 1.2815515655446004
"""The standard normal's 90th percentile."""

_LEAST, _MOST_SHARE = 1e-6, 0.99


@dataclass(frozen=True)
class World:
    """Figures by name and paths over months; every array broadcasts to (draws, months)."""

    months: int
    draws: int
    values: Mapping[str, Floats]
    api_walk: Floats
    gpu_walk: Floats
    owned_incidents: Floats
    api_incidents: Floats

    def __getitem__(self, name: str) -> Floats:
        return self.values[name]

    def known(self, name: str) -> bool:
        """Whether a number stands for this figure."""
        return name in self.values

    def path(self, name: str) -> Floats:
        """(1 + yearly change)^(month / 12) from the first month on: 1 today."""
        years = np.arange(self.months)[None, :] / 12.0
        return np.asarray((1.0 + self.values[name]) ** years)

    @cached_property
    def volume(self) -> Floats:
        """Volume over the one planned with."""
        return self["traffic.volume_factor"] * self.path("traffic.growth_per_year")

    @cached_property
    def api_price(self) -> Floats:
        """Token prices over today's."""
        return self.path("api.price_change_per_year") * self.api_walk

    @cached_property
    def gpu_price(self) -> Floats:
        """GPU prices over the one planned with."""
        return self["gpu.price_factor"] * self.path("gpu.price_change_per_year") * self.gpu_walk


def expected(assumptions: Assumptions, months: int = MONTHS) -> World:
    """The one world in which every figure has its value."""
    values = assumptions.numbers()
    one = np.ones((1, 1))
    return World(
        months, 1, values, one, one, values["incident.owned_per_month"], values["incident.api_per_month"]
    )


def drawn(assumptions: Assumptions, draws: int = DRAWS, seed: int = 1, months: int = MONTHS) -> World:
    """So many worlds. The order of rows in the table and the seed decide them."""
    rng = np.random.default_rng(seed)
    values = assumptions.numbers()
    for row in assumptions:
        if row.ranged:
            values[row.name] = _split_normal(row, rng.standard_normal((draws, 1)))
    shape = (draws, months)
    return World(
        months,
        draws,
        values,
        _walk(values["api.price_volatility_per_year"], rng.standard_normal(shape)),
        _walk(values["gpu.price_volatility_per_year"], rng.standard_normal(shape)),
        rng.poisson(np.broadcast_to(values["incident.owned_per_month"], shape)).astype(np.float64),
        rng.poisson(np.broadcast_to(values["incident.api_per_month"], shape)).astype(np.float64),
    )


def _split_normal(row: Assumption, z: Floats) -> Floats:
    assert isinstance(row.value, float)
    assert row.low is not None
    assert row.high is not None
    spread = np.where(z < 0, row.value - row.low, row.high - row.value) / Z_90
    least = -_MOST_SHARE if row.unit == "per year" else 0.0 if row.low == 0 or row.value == 0 else _LEAST
    most = _MOST_SHARE if row.unit == "share" else np.inf
    return np.asarray(np.clip(row.value + z * spread, least, most))


def _walk(volatility_per_year: Floats, z: Floats) -> Floats:
    """exp of a random walk whose median stays 1; the first month is today, so it is exactly 1."""
    steps = z * volatility_per_year / np.sqrt(12.0)
    steps[:, 0] = 0.0
    return np.asarray(np.exp(np.cumsum(steps, axis=1)))
