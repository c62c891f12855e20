"""`baseload plan`: what it prints, refuses and documents."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import baseload
from baseload.cli.plan import command
from baseload.errors import BaseloadError

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "plan.md").read_text(encoding="utf-8")
EXAMPLE = (
    "--tokens-per-day 100M --output-share 0.5 --api gpt-4o --model llama-3.3-70b --gpu h100 --gpus 2 "
    "--gpu-hour 4.00 --throughput 4392 --usable 0.7 --spare none --team-usd-per-month 0 --on 2026-11-22"
)


def run(arguments: str) -> Result:
    """The command in this process; our errors come out as themselves."""
    result = CliRunner().invoke(command, shlex.split(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def data(arguments: str) -> dict[str, Any]:
    """What `--json` prints."""
    result = run(f"{arguments} --json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert isinstance(found, dict)
    return found


def test_the_described_shape_gives_the_worked_numbers_as_data() -> None:
    """The issue's own command: $18,750, $5,760, 30.7M, and every crossing against $0.88/M."""
    found = data(f"{EXAMPLE} --open-api-price 0.88")
    month = {option["name"]: option["usd_per_month"] for option in found["options"]}
    assert month["gpt-4o"] == 18_750.0
    assert month["owned"] == 5_760.0
    frontier, same_model = found["break_even"]
    assert [round(each["tokens_per_day"], -5) for each in frontier["crossings"]] == [30_700_000]
    assert frontier["crossings"][0]["cheaper_above"] == "owned"
    at = [each["tokens_per_day"] for each in same_model["crossings"][:3]]
    assert at == [218_181_818, 265_628_160, 436_363_636]
    assert [each["cheaper_above"] for each in same_model["crossings"]] == ["owned", "metered"] * 4 + ["owned"]
    assert round(same_model["owned_usd_per_million_at_full_use"], 2) == 0.51
    assert round(same_model["owned_usd_per_million_at_usable"], 2) == 0.72


def test_never_is_an_empty_list_and_a_sentence() -> None:
    """Below 58% sustained use no volume makes owning cheaper than $0.88/M."""
    found = data(f"{EXAMPLE} --open-api-price 0.88".replace("--usable 0.7", "--usable 0.57"))["break_even"][1]
    assert (found["crossings"], found["never"]) == ([], True)
    assert "never pays" in found["words"]


def test_equal_commands_print_and_write_equal_bytes(tmp_path: Path) -> None:
    """Report and JSON hold no clock: the day of the prices is an argument."""
    pages = []
    for name in ("a.html", "b.html"):
        printed = run(f"servegen-m-large {EXAMPLE} --json --html {tmp_path / name}").output
        pages.append((printed, (tmp_path / name).read_bytes()))
    assert pages[0] == pages[1]


def test_the_terminal_shows_the_decision_and_all_behind_it_on_demand() -> None:
    """The answer on two pages of a terminal; with --full all of the plan without a browser."""
    decision = ("A month at 100M", "← cheapest", "Break-even", "What would change", "What this rests on")
    months = ("24 and 36 months", "baseload plan --interview")
    behind = (
        *("What matters most", "Regret", "How to have the replicas", "Twelve reasons", "Advice"),
        *("What the months rest on besides", "You tell us"),
    )
    short = run(f"{EXAMPLE} --open-api-price 0.88").output
    assert [part for part in (*decision, *months) if part not in short] == []
    assert [part for part in behind if part in short] == []
    assert len(short.splitlines()) <= 110
    full = run(f"{EXAMPLE} --open-api-price 0.88 --full").output
    assert [part for part in (*decision, *months, *behind) if part not in full] == []


def test_a_trace_file_is_planned_at_its_own_prices(shared: Path) -> None:
    """The Azure 2023 conversation trace: an hour, extrapolated to a day, as the output says."""
    trace = shared / "data" / "traces" / "azure2023" / "AzureLLMInferenceTrace_conv.csv"
    found = data(f"{trace} --on 2026-11-22")
    assert found["tokens_per_day"] == pytest.approx(653e6, rel=0.01)
    rests_on = {each["name"]: each["value"] for each in found["assumptions"]}
    assert "less than a day" in rests_on["load over time"]


def test_a_shape_is_the_same_as_traffic_or_as_option() -> None:
    """`plan servegen-m-large …` and `plan --shape servegen-m-large …`."""
    assert data(f"servegen-m-large {EXAMPLE}") == data(f"--shape servegen-m-large {EXAMPLE}")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("", "nothing says how much traffic"),
        ("servegen-m-large --shape servegen-m-large", "both say the load"),
        ("--tokens-per-day 1M --columns a=b", "there is none"),
        ("--tokens-per-day 1M --format csv", "there is none"),
        ("--tokens-per-day 1M --gpus 1", "does not fit"),
        ("--tokens-per-day 1M --set gpu.therm=spot", "did you mean 'gpu.term'"),
        ("--tokens-per-day 1M --set gpu.term=leased", "is no choice"),
        ("--tokens-per-day 1M --seed -1", "below 0"),
        ("--tokens-per-day 1M --since 2026-11-01", "add --check"),
        ("--tokens-per-day 1M --option owned", "add --write-policy"),
        ("--tokens-per-day 1M --plan-file no-such-file.yaml", "cannot read no-such-file.yaml"),
        ("no-such-file.csv", "no-such-file.csv"),
    ],
)
def test_what_does_not_go_together_is_refused_with_a_hint(arguments: str, reason: str) -> None:
    """Usage errors end with exit code 2, a missing file with 3."""
    with pytest.raises(BaseloadError) as refused:
        run(arguments)
    assert reason in str(refused.value)
    assert refused.value.exit_code == (3 if "file" in arguments else 2)


def test_stated_figures_win_over_the_plan_file_and_say_so(tmp_path: Path) -> None:
    """`--set` beside a file: both are given, the option last; the months follow."""
    plan_file = tmp_path / "plan.yaml"
    told = "{value: 0.4, low: 0.1, high: 0.9, source: sales forecast, as_of: 2026-11-01}"
    plan_file.write_text(f"assumptions: {{traffic.growth_per_year: {told}, gpu.term: bought}}")
    found = data(f"{EXAMPLE} --plan-file {plan_file} --set gpu.term=reserved --set gpu.reserved_discount=0.3")
    figures = {each["name"]: each for each in found["economics"]}
    growth = figures["traffic.growth_per_year"]
    assert (growth["value"], growth["source"], growth["as_of"]) == (0.4, "sales forecast", "2026-11-01")
    assert (figures["gpu.term"]["value"], figures["gpu.term"]["source"]) == ("reserved", "given")
    owned = next(each for each in found["tco"]["options"] if each["name"] == "owned")
    assert "gpu_reserved" in {line["line"] for line in owned["lines"]}
    assert owned["replicas"][-1] > owned["replicas"][0]


def test_a_seed_decides_the_worlds() -> None:
    """Same seed, same risk; another one, another."""
    first, again, other = (data(f"{EXAMPLE} --seed {seed}")["risk"] for seed in (1, 1, 2))
    assert first == again
    assert first["bands"] != other["bands"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("--tokens-per-day lots", "write 250000, 100M or 1.5B"),
        ("--tokens-per-day 1M --slo-ttft 3", "is not a duration"),
        ("--tokens-per-day 1M --api x --api-price 2.5", "write IN,OUT"),
        ("--tokens-per-day 1M --spare warm", "'warm' is not one of"),
        ("--tokens-per-day 1M --set growth", "write NAME=VALUE"),
    ],
)
def test_a_value_that_cannot_be_read_says_how_to_write_it(arguments: str, reason: str) -> None:
    """click's own usage errors, exit code 2."""
    result = run(arguments)
    assert result.exit_code == 2
    assert reason in " ".join(result.output.split())


def table(heading: str) -> list[list[str]]:
    """The rows of the table under this heading of docs/plan.md."""
    section = DOCS.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return rows[1:]


def test_every_option_is_documented_and_every_documented_option_exists() -> None:
    """docs/plan.md and the command name the same options."""
    documented = {name for row in table("What it is told") for name in re.findall(r"`(--[a-z-]+)`", row[0])}
    real = {
        name
        for option in command.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    assert documented == real


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of all leaves; a list's element is `[]`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from keys(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, f"{path}[]")
    else:
        yield path


PLAN_FILE = """
answers:
  sensitive_data: true
  zero_retention_agreement: false
  custom_weights: false
  air_gap: false
  latency_ttft_ms: 300
  engineers: 0
  needs_frontier_model: false
  special_modalities: false
  weeks_to_launch: 4
portfolio:
  team_usd_per_month: 20000
  classes:
    chat: {tokens_per_day: 500000000, quality: 0.7}
    patient: {tokens_per_day: 200000000, quality: 0.7, regions: [eu-west], zero_retention: true}
  owned:
    llama-eu: {region: eu-west, throughput_tokens_per_s: 4392, usd_per_hour: 8, quality: 0.8, spare: 1}
  apis:
    gpt-4o: {region: us, usd_per_million: 6.25, quality: 1.0, zero_retention: true}
"""


def test_every_json_key_is_documented_and_every_documented_key_exists(tmp_path: Path) -> None:
    """docs/plan.md and `--json` name the same keys: plain, with a plan file, and of a bill with a search."""
    plan_file = tmp_path / "plan.yaml"
    plan_file.write_text(PLAN_FILE)
    documented = {row[0].strip("`") for row in table("JSON")}
    plain = data(f"{EXAMPLE} --open-api-price 0.88")
    told = data(f"{EXAMPLE} --open-api-price 0.88 --plan-file {plan_file}")
    bill = Path(__file__).resolve().parents[2] / "examples" / "bills" / "bedrock_cur.csv"
    searched = data(f"{bill} --search-offers --size-by slo --on 2026-10-05")
    assert documented == {*keys(plain), *keys(told), *keys(searched)}


def worked() -> list[tuple[str, str]]:
    """(command, what it prints) of every worked number; `the same` is the command above."""
    same = re.search(r"`SAME` stands for\n`([^`]+)`", DOCS)
    assert same is not None
    found, last = [], ""
    for left, right in table("Worked numbers"):
        last = last if left == "the same" else left.strip("`").replace("SAME", same[1])
        found += [(last, words) for words in re.findall(r"`([^`]+)`", right)]
    return found


@pytest.mark.parametrize(("line", "printed"), worked())
def test_the_worked_numbers_of_the_docs_are_printed(line: str, printed: str) -> None:
    """Each command of docs/plan.md is run and prints what stands beside it."""
    assert printed in printed_by(line)


@cache
def printed_by(line: str) -> str:
    """What this command prints, on one line."""
    return " ".join(run(line.removeprefix("baseload plan ")).output.split())


def test_importing_baseload_loads_no_room() -> None:
    """The public names come when they are asked for; unknown ones are refused."""
    code = "import sys, baseload; print([m for m in sys.modules if m.startswith(('baseload.', 'numpy'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert set(dir(baseload)) == set(baseload.__all__)
    for name in baseload.__all__:
        assert getattr(baseload, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'plann'"):
        _ = baseload.plann  # type: ignore[attr-defined]


def test_plan_is_the_room_and_the_verb() -> None:
    """`bl.plan(…)` works before and after something imports the package of the same name."""
    costs = import_module("baseload.plan.costs")
    made = baseload.plan(tokens_per_day=100e6, api="gpt-4o", api_price=(2.5, 10.0), open_api_price=0.88)
    assert made.options[0].usd_per_month == 18_750.0
    assert costs.DAYS_PER_MONTH == 30
