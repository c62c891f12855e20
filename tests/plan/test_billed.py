"""A bill as the subject of a plan: its dollars, its dearest model and its batch share are taken over."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from baseload.plan.billed import bill_dict, bill_lines, usd_per_month
from baseload.plan.decide import plan
from baseload.plan.model import Plan
from baseload.traffic.bills.modelled import deferrable_share
from baseload.traffic.bills.read import read_bill

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "bills"
USAGE, COSTS = FOLDER / "openai_usage.csv", FOLDER / "openai_costs.json"
BILL = read_bill(USAGE, COSTS)


@pytest.fixture(scope="module")
def billed() -> Plan:
    """The plan of OpenAI's sample, usage and costs."""
    return plan(BILL, on=date(2026, 10, 5))


def test_the_bills_dollars_are_the_files(billed: Plan) -> None:
    """To the nano-dollar, and a month of them at that rate."""
    found = billed.inputs.billed
    assert found is not None
    reconciled = BILL.reconcile()
    assert found.billed_nano == BILL.billed_nano == reconciled.billed_nano
    assert found.computed_nano == reconciled.computed_nano
    assert usd_per_month(found) == pytest.approx((BILL.billed_nano or 0) / 1e9 / BILL.days * 30)
    said = bill_dict(found)
    assert said is not None
    assert said["billed_nano"] == BILL.billed_nano
    assert bill_lines(found)[0].startswith("The bill, over 2 days: billed $287.90")


def test_the_dearest_model_is_compared_with(billed: Plan) -> None:
    """Where no API is named; one that is named is taken instead."""
    assert billed.inputs.metered[0].name == "openai/gpt-4o-2024-08-06"
    fact = next(f for f in billed.inputs.facts if f.name == "API compared with")
    assert fact.source.startswith("dearest model of openai_usage.csv")
    named = plan(BILL, on=date(2026, 10, 5), api=("gpt-4o-mini",)).inputs
    assert named.metered[0].name == "gpt-4o-mini"
    assert all(f.name != "API compared with" for f in named.facts)


def test_batch_tokens_may_wait(billed: Plan) -> None:
    """Their share is the deferrable one, with the bill as its source; a stated share wins."""
    row = billed.inputs.assumptions["traffic.deferrable_share"]
    assert row.value == pytest.approx(deferrable_share(BILL), abs=1e-6)
    assert row.value != 0
    assert row.source == f"{BILL.source}: tokens bought as batch"
    stated = plan(BILL, on=date(2026, 10, 5), assumptions={"traffic.deferrable_share": 0.5}).inputs
    assert stated.assumptions["traffic.deferrable_share"].value == 0.5


def test_a_plan_of_something_else_has_no_bill() -> None:
    """Neither words nor data."""
    assert bill_dict(None) is None
    assert bill_lines(None) == []
