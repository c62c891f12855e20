"""`describe`: the figures of a table, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from baseload.traffic.describe import LengthStats, describe
from baseload.traffic.table import BadRow, Traffic

TRAFFIC = Traffic(
    arrival_s=np.array([0.0, 30.0, 60.0, 90.0]),
    input_tokens=np.array([100, 100, 100, 500]),
    cached_tokens=np.array([0, 0, 0, 200]),
    output_tokens=np.array([10, 20, 30, 40]),
    duration_s=120.0,
    model=np.array([0, 1, 1, 1], dtype=np.int32),
    tenant=np.zeros(4, dtype=np.int32),
    models=("big", "small"),
    start_ns=1_715_299_200_000_000_000,
    source="made",
    bad_rows=1,
    first_bad=(BadRow(7, "input is empty"),),
    notes=("2 failed requests are left out",),
)


def test_the_figures_are_those_of_the_table() -> None:
    """Counts, rates, shares and the busiest minute, each as computed by hand."""
    figures = describe(TRAFFIC)
    assert (figures.requests, figures.requests_per_s) == (4, 4 / 120)
    assert figures.tokens_per_day.input == 800 * 720
    assert figures.cached_share == 0.25
    assert figures.window_s == 60.0
    assert figures.peak_over_mean == pytest.approx(670 / 450)
    assert figures.input_tokens.mean == 200
    assert figures.models == {"small": 3, "big": 1}
    assert figures.start == "2024-05-10T00:00:00+00:00"


def test_length_statistics() -> None:
    """Percentiles interpolate between neighbours, as numpy's do."""
    stats = LengthStats.of(np.arange(1, 102))
    assert (stats.mean, stats.p50, stats.p90, stats.p99, stats.max) == (51, 51, 91, 100, 101)


def test_the_text_says_everything_there_is_to_say() -> None:
    """Models, bad rows with lines, and notes appear; names that nobody gave do not."""
    text = str(describe(TRAFFIC))
    for part in (
        "4 requests in 2 minutes",
        "25% cached",
        "small 75%, big 25%",
        "7: input is empty",
        "2 failed",
    ):
        assert part in text
    assert "tenants" not in text
    assert "from 2024" not in str(describe(replace(TRAFFIC, start_ns=None)))


def test_the_figures_are_json() -> None:
    """Plain values with names all the way down."""
    plain = json.loads(json.dumps(describe(TRAFFIC).to_dict()))
    assert plain["first_bad"] == [{"line": 7, "reason": "input is empty"}]
    assert plain["tokens_per_day"]["output"] == 72_000
