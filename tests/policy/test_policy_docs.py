"""docs/dispatch.md says what the code does: diagram, worked example, constants, verdicts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from baseload.core import DataClass, Model, Reason, Side, Slo, StepTime, Target, TokenPrice
from baseload.money import show
from baseload.policy import dispatch, estimate, health, lane, limits, load, refusal, retry
from baseload.policy.dispatch import Ask, Route
from baseload.policy.load import TargetLoad

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dispatch.md"


@pytest.fixture(scope="module")
def page() -> str:
    """The page's text."""
    return PAGE.read_text(encoding="utf-8")


def example_rows() -> list[str]:
    """The worked example of the page, computed."""
    step = StepTime(0.015, 2.5e-4, 4e-8, 1.2e-4, kv_tokens=400_000, max_sequences=256)
    llama = Target("llama-a", Side.OWNED, "http://a", step=step)
    gpt = Target("gpt-4o", Side.METERED, "http://b", price=TokenPrice(2_500_000_000, 10_000_000_000))
    model = Model("chat", (llama, gpt), Slo(ttft_s=1.5, tpot_s=0.06))
    ask = Ask(1000, 300, DataClass("default"))
    rows = []
    for running, waiting in ((0, 0), (20, 0), (40, 2), (60, 4), (70, 4), (80, 8)):
        loads = {target.name: TargetLoad(target) for target in model.targets}
        replica = loads["llama-a"]
        for number in range(running + waiting):
            replica.begin(1000, 300, 0.0)
            if number < running:
                replica.first_token(1000, 300)
        x, ttft_s, tpot_s = lane.Owned(llama, replica, model.slo, {}).pressure(
            replica.present(0.0), 1000, 300
        )
        assert ttft_s is not None
        assert tpot_s is not None
        money = lane.Metered(gpt, loads["gpt-4o"]).money(1000, 0, 300)
        choice = Route(model, loads).choose(ask, 0.0)
        assert choice.reason is (Reason.OWNED if x <= 1.0 else Reason.SPILL)
        rows.append(
            f"| {running} | {waiting} | {ttft_s * 1e3:.0f} ms | {tpot_s * 1e3:.1f} ms | {x:.2f} "
            f"| {show(int(money * x**4))} | {show(int(money))} | {choice.target.name}: {choice.reason} |"
        )
    return rows


def test_the_worked_example_is_what_the_code_computes(page: str) -> None:
    """Every row of the example's table, and no other, comes out of the code."""
    section = page.split("## A worked example")[1].split("\n## ")[0]
    assert re.findall(r"^\| \d.*$", section, re.MULTILINE) == example_rows()


def test_the_diagram_is_the_table(page: str) -> None:
    """The state diagram is generated from the table of transitions."""
    assert f"```mermaid\n{health.diagram()}\n```" in page


def test_the_constants_are_the_codes(page: str) -> None:
    """Every public number of the policy modules is on the page with its value, and no other."""
    section = page.split("## Constants")[1]
    shown = dict(re.findall(r"^\| `(\w+\.\w+)` \| ([\d.e-]+) \|", section, re.MULTILINE))
    modules = (dispatch, estimate, health, lane, limits, load, refusal, retry)
    numbers = {
        f"{module.__name__.rpartition('.')[2]}.{name}": f"{value:g}"
        if isinstance(value, float)
        else str(value)
        for module in modules
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, int | float)
    }
    imported = {"lane.UNLIMITED", "dispatch.UNLIMITED", "lane.MILLION"}
    assert shown == {name: value for name, value in numbers.items() if name not in imported}


def test_the_verdicts_are_the_codes(page: str) -> None:
    """The table of what an upstream's answer means lists every kind with its consequences."""
    section = page.split("## What an upstream's answer means")[1].split("\n## ")[0]
    shown = set(re.findall(r"^\| `(\w+)` \|.*\| (.*) \| (yes|no) \| (yes|no) \|$", section, re.MULTILINE))
    said = ("no", "yes")
    assert shown == {
        (
            str(kind),
            f"`{verdict.fault.code}`" if verdict.fault else "passed on",
            said[verdict.ejects],
            said[verdict.alarm],
        )
        for kind, verdict in retry.VERDICTS.items()
    }


def test_the_reasons_are_cores(page: str) -> None:
    """Every reason a client may read in `x-baseload-reason` is explained."""
    section = page.split("## Reasons")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [reason.value for reason in Reason]
