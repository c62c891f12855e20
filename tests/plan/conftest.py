"""Plans that several tests look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from baseload.plan.costs import Fleet, Mix, Spare
from baseload.plan.decide import decide, plan
from baseload.plan.load import LoadCurve
from baseload.plan.model import Fact, Inputs, Metered, Plan, Role
from baseload.traffic.bills.read import read_bill

BILLS = Path(__file__).resolve().parents[2] / "examples" / "bills"

GPT_4O = Metered("gpt-4o", Role.FRONTIER, 6.25)
OPEN = Metered("llama-3.3-70b API", Role.OPEN, 0.88)


def build_plan(
    tokens_per_day: float = 1e9,
    curve: LoadCurve | None = None,
    fleet: Fleet | None = None,
    metered: tuple[Metered, ...] = (GPT_4O, OPEN),
) -> Plan:
    """A plan for the worked example, with what a test changes."""
    return decide(
        Inputs(
            model="llama-3.3-70b",
            replica="2×H100 (FP8)",
            tokens_per_day=tokens_per_day,
            mix=Mix(0.5),
            curve=curve if curve is not None else wavy(),
            fleet=fleet or Fleet(4392, 8.0, 0.7, Spare.IDLE, 20_000.0),
            metered=metered,
            facts=(
                Fact("volume", "1B tokens/day", "given"),
                Fact("spare", "none", "assumption", "2026-11-22"),
            ),
        )
    )


def wavy() -> LoadCurve:
    """A week of days and nights with a rare high peak."""
    t = np.arange(1008)
    return LoadCurve.of(1.0 + 0.6 * np.sin(t / 144 * 2 * np.pi) + 1.5 * (t % 200 == 0), 600.0)


@pytest.fixture(scope="session")
def make_plan() -> Callable[..., Plan]:
    """`make_plan(tokens_per_day=…, curve=…, fleet=…, metered=…)`: the worked example with changes."""
    return build_plan


@pytest.fixture(scope="session")
def plans() -> dict[str, Plan]:
    """Plans whose answers differ in kind."""
    flat = LoadCurve.flat()
    bare = Fleet(4392, 8.0, 0.7)
    return {
        "hybrid": build_plan(metered=(GPT_4O,)),
        "buy": build_plan(tokens_per_day=20e6),
        "flat": build_plan(tokens_per_day=100e6, curve=flat, fleet=bare),
        "own": build_plan(tokens_per_day=2e9, curve=flat, fleet=bare),
        "huge": build_plan(tokens_per_day=1e12),
        "tiny": build_plan(tokens_per_day=1_000.0),
        "serving": build_plan(fleet=Fleet(4392, 8.0, 0.7, Spare.SERVING, 0.0)),
        "many": build_plan(
            metered=(
                GPT_4O,
                Metered("anthropic/claude-sonnet-4-5-with-a-long-name", Role.FRONTIER, 9.0),
                Metered("mini", Role.FRONTIER, 0.4),
                OPEN,
            )
        ),
    }


@pytest.fixture(scope="session")
def whole() -> Plan:
    """A plan with all that a plan can have: a bill, growth, sizing and offers by simulation, classes."""
    return plan(
        read_bill(BILLS / "openai_usage.csv", BILLS / "openai_costs.json"),
        tokens_per_day=4e8,
        search_offers=True,
        on=date(2026, 10, 5),
        assumptions={"traffic.growth_per_year": 0.4, "gpu.reserved_discount": 0.35},
        portfolio={
            "team_usd_per_month": 20_000,
            "classes": {
                "chat": {"tokens_per_day": 5e8, "quality": 0.7},
                "patient": {"tokens_per_day": 2e8, "quality": 0.7, "regions": ["eu-west"]},
            },
            "owned": {
                "llama-eu": {
                    "region": "eu-west",
                    "throughput_tokens_per_s": 4392,
                    "usd_per_hour": 8,
                    "quality": 0.8,
                    "spare": 1,
                }
            },
            "apis": {"gpt-4o": {"region": "us", "usd_per_million": 6.25, "quality": 1.0}},
        },
    )
