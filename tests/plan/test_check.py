"""`plan --check`: last month's plan beside the ledger, and causes that add up to the difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from baseload.cli.plan import command
from baseload.core import Tokens
from baseload.errors import BaseloadError
from baseload.ledger.journal import Journal
from baseload.ledger.launch import journal_directory
from baseload.ledger.record import Begin, Bill, Call, Caller, Chosen, End, Fleet, Versions
from baseload.plan.check import Month, check, compare, planned_month, read_plan
from tests.plan.conftest import GPT_4O, build_plan
from tests.plan.test_plan_command import DOCS, keys

START_NS = 1_795_334_400_000_000_000
SECOND_NS = 1_000_000_000
HOURS = 10
PRICE_NANO = 6_000_000_000

months = st.builds(
    Month,
    tokens_per_day=st.floats(1e6, 1e10),
    output_share=st.floats(0.1, 0.9),
    cached_share=st.floats(0, 0.9),
    peak_over_mean=st.floats(1, 5),
    owned_tokens_share=st.floats(0, 1),
    metered_usd=st.floats(0, 1e6),
    owned_usd=st.floats(0, 1e6),
    replicas=st.sampled_from([0.0, 1.0, 7.0]),
    use_share=st.none() | st.floats(0, 1),
).filter(
    lambda m: (m.replicas > 0 or m.owned_usd == 0) and (m.owned_tokens_share < 0.999 or m.metered_usd == 0)
)


@given(months, months)
def test_causes_add_up_to_the_difference(planned: Month, came: Month) -> None:
    """Nothing of the difference in cost stays unexplained, on either side."""
    found = compare("hybrid", planned, came, 30.0)
    for line, difference in (
        ("bought", came.metered_usd - planned.metered_usd),
        ("owned", came.owned_usd - planned.owned_usd),
    ):
        causes = [cause.usd for cause in found.causes if cause.line == line]
        assert sum(causes) == pytest.approx(difference, rel=1e-6, abs=1e-3)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Ten hours: two owned replicas at $6, a request a minute, every fifth one spilled at $0.02."""
    return written(tmp_path, hours=HOURS + 1)


def written(tmp_path: Path, hours: int) -> Path:
    """The ledger with the owned fleet of so many hours."""
    journal = Journal.open(journal_directory(tmp_path))
    owned = (("llama-a", PRICE_NANO), ("llama-b", PRICE_NANO))
    for hour in range(hours):
        journal.fleet(Fleet(START_NS + hour * 3600 * SECOND_NS, "v", owned))
    for minute in range(HOURS * 60):
        at_ns = START_NS + minute * 60 * SECOND_NS
        spilled = minute % 5 == 0
        chosen = Chosen("gpt-4o", "metered", "spill") if spilled else Chosen("llama-a", "owned", "owned")
        journal.begin(
            Begin(
                f"r{minute}",
                1,
                at_ns,
                Caller("shop", "k1", "default"),
                Call("chat", "chat.completions", True, 600, 400),
                chosen,
                Versions("config-1", "2026-11-22"),
                1,
            )
        )
        bill = Bill(20_000_000 if spilled else 0, None, None, 10 * SECOND_NS)
        usage = Tokens(600, 60, 0, 400, 0)
        journal.end(End(f"r{minute}", 1, at_ns + SECOND_NS, "completed", 200, SECOND_NS, usage, bill))
    journal.close()
    return tmp_path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The worked example's plan as `--json` prints it."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(build_plan(metered=(GPT_4O,)).to_dict()))
    return path


def test_a_plan_says_its_month_as_it_was_priced(saved: Path) -> None:
    """Spill, replicas with their spare, and people kept apart: the parts are the option's month."""
    plan = read_plan(saved)
    name, month = planned_month(plan)
    option = next(each for each in plan["options"] if each["name"] == name)
    assert name == "hybrid with gpt-4o"
    assert month.metered_usd == pytest.approx(option["spill_usd_per_month"], abs=0.01)
    assert month.owned_usd + month.metered_usd + 20_000 == pytest.approx(option["usd_per_month"], abs=0.01)
    assert month.replicas == option["replicas"] + option["spare_replicas"]


def test_the_ledger_is_read_as_a_month_and_differences_are_explained(ledger: Path, saved: Path) -> None:
    """Two replicas at $6, 600 requests of 1,000 tokens in ten hours, a fifth of them bought at $20/M."""
    found = check(read_plan(saved), ledger)
    came = found.came
    assert came.tokens_per_day == pytest.approx(600 * 1000 * 2.4, rel=0.01)
    assert (came.output_share, came.cached_share) == (0.4, 0.1)
    assert came.owned_tokens_share == pytest.approx(0.8)
    assert came.metered_usd_per_million == pytest.approx(20.0, rel=0.01)
    assert came.replicas == pytest.approx(2.0, rel=0.01)
    assert came.usd_per_replica_hour == pytest.approx(6.0)
    assert came.use_share == pytest.approx(480 * 10 / (2 * HOURS * 3600), rel=0.1)
    whys = " | ".join(cause.why for cause in found.causes)
    for part in (
        "volume:",
        "share bought:",
        "20% came",
        "hours:",
        "2 paid",
        "price: $8.00 an hour planned, $6.00",
    ):
        assert part in whys
    assert any("0.417 days stand for a month" in note for note in found.notes)
    assert "a month planned" in found.answer


def run(*arguments: str) -> Any:
    """The command; our errors come out as themselves."""
    result = CliRunner().invoke(command, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_prints_lines_causes_and_notes(ledger: Path, saved: Path) -> None:
    """As a table and as JSON, from a data folder named either way."""
    printed = run("--check", str(saved), f"ledger:{ledger}").output
    for part in ("planned", "came", "volume", "owned tokens", "Why", "Note:"):
        assert part in printed
    found = json.loads(run("--check", str(saved), str(ledger), "--json").output)
    assert {line["line"] for line in found["lines"]} >= {"volume", "bought", "owned", "together"}
    assert sum(each["usd_per_month"] for each in found["causes"]) == pytest.approx(
        found["lines"][-1]["came"] - found["lines"][-1]["planned"], abs=0.1
    )


def test_a_month_of_a_longer_ledger_is_compared_by_its_days(ledger: Path, saved: Path) -> None:
    """The history is of 2026-11-22: that day is all of it, the day before holds nothing."""
    whole = json.loads(run("--check", str(saved), str(ledger), "--json").output)
    day = ("--since", "2026-11-22", "--until", "2026-11-23")
    assert json.loads(run("--check", str(saved), str(ledger), "--json", *day).output) == whole
    with pytest.raises(BaseloadError, match=r"no request of these days\n.*UTC"):
        run("--check", str(saved), str(ledger), "--until", "2026-11-22")


def test_owned_serving_that_is_not_booked_yet_is_said(tmp_path: Path, saved: Path) -> None:
    """Before the first hour is booked owned tokens have no cost, and $0 is not what they cost."""
    young = check(read_plan(saved), written(tmp_path / "young", hours=0))
    assert young.came.owned_usd == 0
    assert any("no hour of the owned replicas is booked yet" in note for note in young.notes)
    booked = check(read_plan(saved), written(tmp_path / "booked", hours=HOURS + 1))
    assert not any("booked yet" in note for note in booked.notes)


def test_every_key_of_the_check_is_documented(ledger: Path, saved: Path) -> None:
    """docs/plan.md and `--check --json` name the same keys."""
    found = json.loads(run("--check", str(saved), str(ledger), "--json").output)
    section = DOCS.split("| check key | meaning |")[1].split("\n## ")[0]
    documented = {
        line.strip("| ").split(" | ")[0].strip("`") for line in section.splitlines() if "| `" in line
    }
    assert documented == set(keys(found))


@pytest.mark.parametrize(
    ("text", "reason", "code"),
    [
        (None, "cannot read", 3),
        ("{", "is not JSON", 2),
        ("[]", "is not a plan", 2),
        ('{"a": 1}', "is not a plan", 2),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str | None, reason: str, code: int) -> None:
    """With how to save one."""
    path = tmp_path / "other.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BaseloadError) as refused:
        read_plan(path)
    assert reason in str(refused.value)
    assert refused.value.exit_code == code


def test_seconds_of_traffic_are_too_little_to_judge(saved: Path) -> None:
    """A month made of forty seconds is no verdict, and the answer begins with that."""
    option, planned = planned_month(read_plan(saved))
    short = compare(option, planned, planned, 40 / 86_400).answer
    assert short.startswith("40 s of traffic are too little to judge a month by. ")
    assert "too little" not in compare(option, planned, planned, 1 / 24).answer
