"""`plan --write-policy`: what a plan writes is a configuration the gateway takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from baseload.cli.config import command as config_command
from baseload.cli.plan import command as plan_command
from baseload.core import Side
from baseload.errors import EnvironmentProblem, UsageError
from baseload.gateway.snapshot import Loaded, load_snapshot
from baseload.plan.decide import decide
from baseload.plan.model import Plan
from baseload.plan.policy_out import policy, policy_yaml, write_policy
from baseload.plan.question import Question
from baseload.plan.resolve import resolve
from baseload.traffic.shapes import servegen_m_large

ON = date(2026, 11, 22)
KEYS: Mapping[str, str] = {"OPENAI_API_KEY": "sk-1", "PROVIDER_API_KEY": "sk-2"}


def planned(**fields: object) -> Plan:
    """A plan of the command's worked example with these fields."""
    asked = Question(
        tokens_per_day=1e9,
        output_share=0.5,
        api=("gpt-4o",),
        gpus=2,
        usd_per_gpu_hour=4.0,
        throughput=4392.0,
        spare="idle",
        open_api=False,
        on=ON,
    )
    return decide(resolve(replace(asked, **fields), servegen_m_large()))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def hybrid() -> Plan:
    """Six replicas and a spare, the peaks from GPT-4o."""
    return planned()


def loaded(plan: Plan, folder: Path, name: str | None = None) -> Loaded:
    """The policy as the gateway and `config check` load it."""
    path = write_policy(plan, folder / "baseload.yaml", name)
    return load_snapshot(path, ON, cache_dir=folder, env=KEYS)


def test_the_gateway_takes_what_a_plan_writes(hybrid: Plan, tmp_path: Path) -> None:
    """Replicas with their spare and speed, the API at the catalog's price, the SLO of the plan."""
    snapshot = loaded(hybrid, tmp_path).snapshot
    owned = [target for target in snapshot.targets.values() if target.side is Side.OWNED]
    (metered,) = [target for target in snapshot.targets.values() if target.side is Side.METERED]
    assert len(owned) == 7
    assert {target.usd_nano_per_hour for target in owned} == {8_000_000_000}
    assert all(target.step is not None for target in owned)
    assert metered.price is not None
    assert (metered.price.input, metered.price.output) == (2_500_000_000, 10_000_000_000)
    assert snapshot.models["chat"].slo == hybrid.inputs.slo
    assert [target.side for target in snapshot.models["chat"].targets] == [Side.OWNED] * 7 + [Side.METERED]
    assert snapshot.classes["default"].regions is None


@pytest.mark.parametrize("name", ["gpt-4o", "owned", "hybrid with gpt-4o"])
def test_every_option_can_be_written(hybrid: Plan, tmp_path: Path, name: str) -> None:
    """A named option instead of the recommended one."""
    snapshot = loaded(hybrid, tmp_path, name).snapshot
    sides = {target.side for target in snapshot.targets.values()}
    assert (
        sides
        == {
            "gpt-4o": {Side.METERED},
            "owned": {Side.OWNED},
            "hybrid with gpt-4o": {Side.OWNED, Side.METERED},
        }[name]
    )


def test_prices_that_were_given_stand_in_the_policy(tmp_path: Path) -> None:
    """The catalog does not know them; the flat price of an open model counts both ways."""
    plan = planned(api_price=(2.0, 9.0), open_api=True, open_api_price=0.88)
    snapshot = loaded(plan, tmp_path, "hybrid with gpt-4o").snapshot
    price = snapshot.targets["gpt-4o"].price
    assert price is not None
    assert (price.input, price.output, price.source) == (2_000_000_000, 9_000_000_000, "given to the plan")
    flat = policy(plan, "llama-3.3-70b API")["targets"]["llama-3-3-70b-api"]["metered"]["price"]
    assert (flat["input"], flat["output"]) == ("0.88", "0.88")


def test_data_that_may_not_leave_stays_with_the_owned_replicas(tmp_path: Path) -> None:
    """Residency as it was answered: the class admits no API's region."""
    plan = planned(answers={"sensitive_data": True, "zero_retention_agreement": False})
    read = loaded(plan, tmp_path)
    default = read.snapshot.classes["default"]
    assert default.zero_retention
    assert default.regions == frozenset({"own-region"})
    assert {target.region for target in read.snapshot.targets.values()} == {"own-region"}


def test_every_region_gets_its_replicas(tmp_path: Path) -> None:
    """Three regions: the same number in each, a replica's own price and GPUs."""
    plan = planned(assumptions={"traffic.regions": 3})
    snapshot = loaded(plan, tmp_path).snapshot
    owned = [target for target in snapshot.targets.values() if target.side is Side.OWNED]
    regions = [target.region for target in owned]
    assert {regions.count(f"own-region-{n}") for n in (1, 2, 3)} == {len(owned) // 3}
    assert {target.usd_nano_per_hour for target in owned} == {8_000_000_000}


def test_an_agreement_admits_the_api_that_is_under_it(tmp_path: Path) -> None:
    """Sensitive data with an agreement: both regions, nothing kept at either."""
    plan = planned(answers={"sensitive_data": True, "zero_retention_agreement": True})
    read = loaded(plan, tmp_path)
    assert read.snapshot.classes["default"].regions == frozenset({"own-region", "api-region"})
    assert all(target.zero_retention for target in read.snapshot.targets.values())


def test_budget_and_hard_requests_are_said_where_the_gateway_reads_them_or_as_comments(hybrid: Plan) -> None:
    """The planned spill bounds what may be spent, whichever way the version takes it."""
    text = policy_yaml(hybrid)
    assert "budget" in text
    assert "owned_only" in text
    assert "budget_usd_per_month" in text
    assert "budget" not in policy_yaml(hybrid, "gpt-4o")


def test_equal_plans_write_equal_text_and_no_key(hybrid: Plan) -> None:
    """Keys are references to the environment."""
    assert policy_yaml(hybrid) == policy_yaml(planned())
    assert yaml.safe_load(policy_yaml(hybrid))["targets"]["gpt-4o"]["metered"]["key"] == "${OPENAI_API_KEY}"


def test_a_file_that_exists_is_not_overwritten(hybrid: Plan, tmp_path: Path) -> None:
    """A running gateway's configuration is nobody's scratch file."""
    path = tmp_path / "baseload.yaml"
    path.write_text("mine")
    with pytest.raises(EnvironmentProblem, match="not overwritten"):
        write_policy(hybrid, path)
    assert path.read_text() == "mine"
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        write_policy(hybrid, tmp_path / "nowhere" / "baseload.yaml")


def test_what_cannot_be_written_is_refused(hybrid: Plan) -> None:
    """An unknown option, answers nothing meets, a fleet too large to list."""
    with pytest.raises(UsageError, match="no option is called"):
        policy(hybrid, "hybrid with nobody")
    with pytest.raises(UsageError, match="no option meets"):
        policy(planned(answers={"air_gap": True, "needs_frontier_model": True}))
    with pytest.raises(UsageError, match="written one by one"):
        policy(planned(tokens_per_day=100e9))


def test_from_the_command_line_to_config_check(tmp_path: Path) -> None:
    """`plan --write-policy`, then `config check` on what it wrote: exit code 0."""
    path = tmp_path / "baseload.yaml"
    demand = "--tokens-per-day 2B --shape servegen-m-large --output-share 0.5"
    owned = "--gpus 2 --gpu-hour 4 --throughput 4392"
    line = [
        *demand.split(),
        *owned.split(),
        "--no-open-api",
        "--on",
        "2026-11-22",
        "--write-policy",
        str(path),
    ]
    planned_ = CliRunner().invoke(plan_command, line)
    assert planned_.exit_code == 0, planned_.output
    assert f"baseload config check {path}" in planned_.output.replace("\n", "")
    checked = CliRunner().invoke(config_command, ["check", str(path)], env=dict(KEYS))
    assert checked.exit_code == 0, checked.output
    assert "gpt-4o" in checked.output
