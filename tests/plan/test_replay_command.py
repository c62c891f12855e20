"""`baseload replay`: what it prints, what it accepts, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from baseload.cli import cli
from baseload.errors import EnvironmentProblem, UnknownName

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "examples" / "local.yaml"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Five minutes of requests that one twin cannot serve alone."""
    random = np.random.default_rng(1)
    arrival = np.sort(random.random(3000)) * 300
    rows = [f"{at:.3f},{random.integers(50, 1500)},{random.integers(20, 300)}" for at in arrival]
    path = tmp_path / "trace.csv"
    path.write_text("arrival,input,output\n" + "\n".join(rows) + "\n")
    return path


def run(*arguments: object) -> Result:
    """The command with these arguments; errors of ours come through."""
    return CliRunner().invoke(cli, ["replay", *map(str, arguments)])


def views(*arguments: object) -> dict[str, dict[str, Any]]:
    """What `--json` prints, by view."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return {view["name"]: view for view in json.loads(result.stdout)["views"]}


def test_before_and_after_stand_side_by_side(trace: Path) -> None:
    """The first line says what the change does, the table has both views."""
    result = run(trace, "--config", CONFIG, "--replicas", "twin-engine=3")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("After: $")
    assert re.search(r"before +after", result.stdout)
    assert "spilled requests" in result.stdout


def test_without_a_change_it_says_how_it_is(trace: Path) -> None:
    """One view, simulated as it stands."""
    found = views(trace, "--config", CONFIG)
    assert list(found) == ["before"]
    assert run(trace, "--config", CONFIG).stdout.startswith("Simulated as it stands: $")


def test_each_option_does_what_it_says(trace: Path) -> None:
    """More replicas spill less, a cheaper API costs less, a tighter promise spills more, an outage cuts, and
    a scaled fleet is paid for less than a fixed one."""
    fixed = views(trace, "--config", CONFIG, "--replicas", "twin-engine=3")
    assert fixed["after"]["spill_share"] < fixed["before"]["spill_share"]
    cheap = views(trace, "--config", CONFIG, "--price", "twin-provider=0.25,1")
    assert cheap["after"]["metered_usd"] < cheap["before"]["metered_usd"] / 5
    tight = views(trace, "--config", CONFIG, "--slo-ttft", "200ms", "--slo-tpot", "25ms")
    assert tight["after"]["spill_share"] > tight["before"]["spill_share"]
    broken = views(trace, "--config", CONFIG, "--outage", "twin-engine=1m,2m")
    assert broken["after"]["cut"] > broken["before"]["cut"] == 0
    scaled = views(
        *(trace, "--config", CONFIG, "--replicas", "twin-engine=3", "--autoscale", 1, "--cold-start", "1m")
    )
    assert scaled["before"]["owned_usd"] < scaled["after"]["owned_usd"] < fixed["after"]["owned_usd"]


def test_another_file_is_the_configuration_after(trace: Path, tmp_path: Path) -> None:
    """`--with` replaces the whole configuration."""
    text = CONFIG.read_text().replace("max_sequences: 64", "max_sequences: 8")
    other = tmp_path / "other.yaml"
    other.write_text(text)
    found = views(trace, "--config", CONFIG, "--with", other)
    assert found["after"]["owned_tokens_share"] < found["before"]["owned_tokens_share"]


def test_credentials_are_not_needed(trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose secrets are not set here is replayed all the same."""
    monkeypatch.delenv("SOME_KEY", raising=False)
    path = tmp_path / "secret.yaml"
    path.write_text(CONFIG.read_text().replace("key: none", "key: ${SOME_KEY}"))
    assert list(views(trace, "--config", path)) == ["before"]


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("--replicas", "twin-engine"), "is not TARGET=COUNT"),
        (("--replicas", "twin-engine=many"), "is no number of replicas"),
        (("--price", "twin-provider=2.50"), "is no pair of prices"),
        (("--outage", "twin-engine=5m"), "is no FROM,UNTIL"),
        (("--outage", "twin-engine=2m,1m"), "ends before it begins"),
        (("--outage", "twin-engine=1m,1m"), "ends before it begins"),
        (("--outage", "twin-engine=1h,2h"), "the traffic lasts"),
        (("--slo-ttft", "0s"), "in no time"),
        (("--cold-start", "1m"), "--cold-start is that of --autoscale"),
        (("--percentile", "99"), "--percentile is the share that --fewest keeps"),
        (("--autoscale", "-1"), "not in the range"),
        (("--autoscale", "0"), "not in the range"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(trace: Path, arguments: tuple[str, ...], wrong: str) -> None:
    """Exit code 2, and the message says what to write."""
    result = run(trace, "--config", CONFIG, *arguments)
    assert result.exit_code == 2
    assert wrong in result.output


def test_what_is_missing_is_named(trace: Path, tmp_path: Path) -> None:
    """A target, a trace or a configuration that is not there is an error of ours."""
    assert isinstance(run(trace, "--config", CONFIG, "--replicas", "twin=2").exception, UnknownName)
    assert isinstance(run(tmp_path / "none.csv", "--config", CONFIG).exception, EnvironmentProblem)
    assert isinstance(run(trace, "--config", tmp_path / "none.yaml").exception, EnvironmentProblem)


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Paths of all leaves; the codes of refusals are not keys."""
    if isinstance(value, dict) and not path.endswith("refused"):
        for key, inner in value.items():
            yield from keys(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, f"{path}[]")
    else:
        yield path


def test_the_fewest_replicas_are_found_with_their_last_day(trace: Path) -> None:
    """How many twins keep the SLO alone, what one less would do, and for how long at 20% growth a month."""
    arguments = (trace, "--config", CONFIG, "--fewest", "twin-engine", "--percentile", 99, "--growth", 0.2)
    printed = json.loads(run(*arguments, "--json").stdout)["fewest"]
    assert printed["replicas"] >= 2
    assert printed["ttft_s"] <= printed["slo_ttft_s"]
    assert printed["tpot_s"] <= printed["slo_tpot_s"]
    assert (
        printed["one_less_ttft_s"] > printed["slo_ttft_s"]
        or printed["one_less_tpot_s"] > printed["slo_tpot_s"]
    )
    assert 0.0 <= printed["runs_out_days"] < 365.0
    assert printed["offer"]["replicas"] >= 1
    text = " ".join(run(*arguments).stdout.split())
    assert f"{printed['replicas']} of twin-engine keep TTFT 1.5 s and TPOT 60 ms at p99 alone" in text
    assert "One less: " in text
    assert "At 20% growth a month they run out in" in text
    assert "Cheapest offer that keeps it: " in text


def test_growth_needs_a_target(trace: Path) -> None:
    """Growth of what is not searched is a usage error; so is a target that is not owned."""
    assert run(trace, "--config", CONFIG, "--growth", 0.1).exit_code == 2
    wrong = run(trace, "--config", CONFIG, "--fewest", "twin-provider")
    assert isinstance(wrong.exception, UnknownName)


def test_a_promise_no_number_keeps_is_said(trace: Path) -> None:
    """A TPOT below a step's time: no number of replicas does."""
    result = run(trace, "--config", CONFIG, "--slo-tpot", "1ms", "--fewest", "twin-engine")
    assert "No number of twin-engine keeps" in " ".join(result.stdout.split())


def test_every_json_key_is_documented_and_every_documented_key_exists(trace: Path) -> None:
    """docs/simulator.md and `--json` name the same keys."""
    page = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z_0-9.\[\]]+)` \|", page.split("## JSON")[1], re.MULTILINE))
    plain = json.loads(run(trace, "--config", CONFIG, "--json").stdout)
    searched = json.loads(run(trace, "--config", CONFIG, "--json", "--fewest", "twin-engine").stdout)
    assert documented == {*keys(plain), *keys(searched)}
