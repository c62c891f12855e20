"""Sizing by simulation: what a replica is planned with is what it serves within the promise, and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baseload.capacity.steptime import step_time
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.core import Slo
from baseload.errors import UsageError
from baseload.plan.decide import plan
from baseload.plan.model import Plan
from baseload.plan.promise import Promise
from baseload.plan.response import full_tokens_per_s
from baseload.plan.room import owned, room_of
from baseload.plan.sizing_words import run_out_days, sizing_dict, sizing_lines
from baseload.traffic.shapes import servegen_m_large
from tests.plan.test_simulate import steady

PAIR = step_time(open_model("llama-3.3-70b"), gpu("h100"), 2, "fp8")
TRAFFIC = steady(20, 300.0, seed=1)


def planned(traffic: Any = TRAFFIC, **fields: Any) -> Plan:
    """A plan for 2×H100 with prices given."""
    usual: dict[str, Any] = {"api": ("gpt-4o",), "api_price": (2.5, 10.0), "open_api": False}
    return plan(traffic, gpu="h100", gpus=2, usd_per_gpu_hour=4.0, **{**usual, **fields})


def test_the_load_planned_with_is_the_simulated_room() -> None:
    """What is usable of a replica is c of the plan's own count."""
    found = planned(slo=Slo(1.0, 0.05), tokens_per_day=50e6).inputs
    assert found.sized is not None
    assert found.sized.replicas == 1
    assert found.fleet.usable_tokens_per_s == pytest.approx(found.sized.each_tokens_per_s)
    rooms = {room.replicas: room.tokens_per_s for room in found.sized.rooms}
    assert rooms[1] == pytest.approx(room_of(TRAFFIC, PAIR, 1, Promise(Slo(1.0, 0.05))))


def test_a_stricter_percentile_leaves_less() -> None:
    """p99 is kept at less load than p90."""
    loose, strict = (
        planned(slo=Slo(0.4, 0.05), tokens_per_day=50e6, slo_percentile=share).inputs.fleet
        for share in (90.0, 99.0)
    )
    assert strict.usable_tokens_per_s < loose.usable_tokens_per_s


@pytest.mark.parametrize(
    ("fields", "by"),
    [
        ({}, "slo"),
        ({"size_by": "usable"}, "usable"),
        ({"usable": 0.7}, "usable"),
        ({"throughput": 4392.0}, "usable"),
    ],
)
def test_what_is_given_counts(fields: dict[str, Any], by: str) -> None:
    """Simulated by default; a throughput or a usable share that is given is taken as it is."""
    found = planned(**fields).inputs
    assert sizing_dict(found)["by"] == by
    if by == "usable":
        assert found.fleet.usable == 0.7


def test_few_requests_and_loads_without_any_are_not_simulated_unasked() -> None:
    """A thousand requests are the least; a published load is simulated with drawn requests if asked."""
    assert planned(steady(2, 60.0)).inputs.sized is None
    assert planned(servegen_m_large(), tokens_per_day=1e9).inputs.sized is None
    asked = planned(servegen_m_large(), tokens_per_day=1e9, size_by="slo").inputs
    assert asked.sized is not None
    assert 0 < asked.fleet.usable <= 1


def test_a_promise_nothing_keeps_falls_back_and_says_so() -> None:
    """By default the usable share is taken, which the assumptions tell; asked for, it is refused."""
    mostly = np.where(np.arange(len(TRAFFIC)) % 5 == 0, 60_000, TRAFFIC.input_tokens)
    hard = replace(TRAFFIC, input_tokens=mostly)
    found = planned(hard).inputs
    assert found.sized is None
    assert found.fleet.usable == 0.7
    assert "no load of these requests keeps p95" in next(f.value for f in found.facts if f.name == "sized by")
    with pytest.raises(UsageError, match="no load of these requests"):
        planned(hard, size_by="slo")


@pytest.mark.parametrize(
    "fields",
    [
        {"size_by": "slo", "throughput": 4392.0},
        {"search_offers": True, "throughput": 4392.0},
        {"size_by": "slo", "usable": 0.7},
        {"size_by": "guess"},
        {"slo_percentile": 100.0},
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any]) -> None:
    """Each with what to do instead."""
    with pytest.raises(UsageError) as refused:
        planned(**fields)
    assert refused.value.hint


def test_a_described_load_has_nothing_to_simulate() -> None:
    """And says what to name."""
    with pytest.raises(UsageError, match="no requests to simulate"):
        planned(None, tokens_per_day=1e9, size_by="slo")


def test_the_day_it_ends_is_when_the_busiest_window_outgrows_the_room() -> None:
    """After so many days of growth the load is the room; without growth it never is."""
    growing = planned(tokens_per_day=1e9, assumptions={"traffic.growth_per_year": 0.5}).inputs
    days, fleet = run_out_days(growing), growing.fleet
    assert days is not None
    busiest = growing.tokens_per_day / 86_400 * growing.curve.peak
    n = fleet.needed(busiest)
    assert busiest * 1.5 ** (days / 365) == pytest.approx(fleet.room_tokens_per_s(n))
    assert any("50% growth a year" in line for line in sizing_lines(growing))
    assert run_out_days(planned(tokens_per_day=1e9).inputs) is None


def test_progress_is_told_before_each_simulation() -> None:
    """In words, with the count that is simulated."""
    told: list[str] = []
    found = planned(tokens_per_day=50e6, progress=told.append)
    assert found.inputs.sized is not None
    assert len(told) == len(found.inputs.sized.rooms)
    assert told[0].startswith("simulating what 1 of 2×H100-SXM")


def test_a_short_trace_makes_no_replica_larger_than_it_is() -> None:
    """However few requests there are for the volume planned, a replica is planned with what it can serve."""
    short = steady(20, 60.0, seed=2)  # 1,200 requests
    found = planned(short, tokens_per_day=20e9, size_by="slo").inputs
    assert found.sized is not None
    full = planned(short, tokens_per_day=20e9, size_by="slo", slo=Slo(1e3, 1e3)).inputs
    assert full.sized is not None
    assert max(room.each for room in found.sized.rooms) <= full.sized.rooms[0].each * 1.001
    # the capacity model's own: what a pair serves of these mean lengths if always full
    serves = full_tokens_per_s(short, owned(PAIR, 1, Slo()))
    assert max(room.each for room in full.sized.rooms) <= serves * 1.000001
