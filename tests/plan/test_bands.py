"""The band around a break-even: the plan's own month, with today's uncertainty."""

from __future__ import annotations

import numpy as np
import pytest

from baseload.plan.assumptions import shipped
from baseload.plan.bands import volume_bands
from baseload.plan.costs import SECONDS_PER_DAY, metered_month_usd
from baseload.plan.model import Inputs
from tests.plan.conftest import GPT_4O, OPEN, build_plan
from tests.plan.test_tco import fields


def test_certain_figures_leave_the_staircase_and_the_lines() -> None:
    """Without uncertainty the band is the month that the break-even speaks of."""
    plan = build_plan(metered=(GPT_4O, OPEN))
    certain = {row.name: row.value for row in shipped() if row.ranged} | {"api.retry_share": 0.0}
    inputs = Inputs(**{**fields(plan), "assumptions": shipped().changed(certain)})
    found = volume_bands(inputs)
    owned, gpt_4o, _ = found.bands
    fleet = inputs.fleet
    for volume, p10, p50, p90 in zip(found.tokens_per_day, owned.p10, owned.p50, owned.p90, strict=True):
        n = fleet.needed(inputs.curve.peak * volume / SECONDS_PER_DAY)
        assert p10 == p90 == pytest.approx(p50) == pytest.approx(fleet.month_usd(n))
    bought = [metered_month_usd(volume, 6.25) for volume in found.tokens_per_day]
    assert gpt_4o.p50 == pytest.approx(bought)


def test_a_band_holds_its_median_and_widens_with_what_is_uncertain() -> None:
    """P10 ≤ P50 ≤ P90; throughput and GPU prices make the owned one wider than rounding."""
    found = volume_bands(build_plan(metered=(GPT_4O,)).inputs)
    assert [band.name for band in found.bands] == ["owned", "gpt-4o"]
    for band in found.bands:
        assert (np.array(band.p10) <= np.array(band.p50)).all()
        assert (np.array(band.p50) <= np.array(band.p90)).all()
    assert found.bands[0].p90[-1] > 1.2 * found.bands[0].p10[-1]


def test_equal_seeds_give_equal_bands() -> None:
    """Drawn from the same worlds."""
    assert volume_bands(build_plan().inputs) == volume_bands(build_plan().inputs)
