"""`baseload bill`: what it prints, as text and as JSON; docs/bills.md says the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from baseload.cli import cli
from baseload.traffic.bills.read import READERS, BillFormat
from tests.docs.pages import plain, rows
from tests.traffic.bill_samples import FOLDER, SAMPLES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "bills.md").read_text(encoding="utf-8")


def run(*arguments: str) -> str:
    """What the command prints; it ends with 0."""
    result = CliRunner().invoke(cli, ["bill", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def keys(value: Any, path: str = "") -> set[str]:
    """Every key of a JSON value, as the page writes it."""
    if isinstance(value, dict):
        return {found for key, inner in value.items() for found in keys(inner, f"{path}.{key}".strip("."))}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {found for inner in value for found in keys(inner, f"{path}[]")}
    return {path + "[]" * isinstance(value, list)}


def test_usage_and_costs_together_show_both_sides() -> None:
    """Totals, models and days with what was billed and computed, what differs and why, what is modelled."""
    text = " ".join(run(str(FOLDER / "openai_usage.csv"), str(FOLDER / "openai_costs.json")).split())
    assert (
        "2 days, 60,124 requests, 93,802,941 input tokens (23,818,112 cached), 12,499,882 output tokens"
        in text
    )
    assert "billed $287.90; $285.50 at the catalog's prices" in text
    assert "2026-10-05 47,390,455 6,391,520 $146.11 $145.21" in text
    assert "cached and written input −$29.77, batch and priority −$1.37" in text
    assert "web search tool calls: $2.40 billed, not tokens of a known model" in text
    assert "time: within buckets of 1 hour requests come evenly" in text


def test_the_page_shows_what_is_printed() -> None:
    """Every line of the example on docs/bills.md, whatever the release of genai-prices."""
    block = PAGE.split("```console\n")[1].split("```")[0]
    command, *shown = [line for line in block.splitlines() if line != "…"]
    files = [FOLDER / Path(word).name for word in command.split() if word.startswith("examples/")]
    printed = re.sub(r"genai-prices \S+\)", "genai-prices)", " ".join(run(*map(str, files)).split()))
    for line in shown:
        assert re.sub(r"genai-prices \S+\)", "genai-prices)", " ".join(line.split())) in printed


def test_one_side_alone_is_said() -> None:
    """A usage export has no dollars, a cost export no tokens."""
    assert "no dollars in it; its tokens cost $285.50" in run(str(FOLDER / "openai_usage.csv"))
    costs = run(str(FOLDER / "openai_costs.json"))
    assert "billed $287.90; nothing in it can be priced" in costs
    assert "the file says no tokens for it" in " ".join(costs.split())


def test_left_out_records_are_shown() -> None:
    """Other services with their dollars."""
    text = " ".join(run(str(FOLDER / "bedrock_cur.csv")).split())
    assert "6 records are left out: another service than Bedrock ($0.60)" in text


@pytest.mark.parametrize("kind", BillFormat)
def test_json_adds_up(kind: BillFormat) -> None:
    """Models and days each sum to the bill; billed is what is explained."""
    found = json.loads(run(str(SAMPLES[kind]), "--json"))
    for column in ("billed_nano", "computed_nano"):
        for part in ("models", "by_day"):
            parts = [row[column] for row in found[part] if row[column] is not None]
            assert (sum(parts) if parts else None) == found[column]
    assert sum(row["input_tokens"] for row in found["models"]) == found["input_tokens"]
    assert sum(row["output_tokens"] for row in found["by_day"]) == found["output_tokens"]
    steps = sum(found[f"{step}_nano"] for step in ("list", "cache", "long", "tier"))
    assert steps == (found["computed_nano"] or 0)
    if found["billed_nano"] is not None:
        rest = found["difference_nano"] + found["unpriced_nano"] + found["other_nano"]
        assert found["billed_nano"] == (found["computed_nano"] or 0) + rest


def test_the_day_of_the_prices_can_be_named() -> None:
    """Every line is then priced as of that day."""
    costs = json.loads(run(str(FOLDER / "helicone.csv"), "--json", "--on", "2026-10-05"))
    assert costs["difference_nano"] == 0


def test_every_json_key_is_documented_and_every_documented_key_exists(tmp_path: Path) -> None:
    """docs/bills.md and `--json` name the same keys."""
    row = "2026-10-05T00:00:00Z,200,{},gpt-4o,5,1,0.1\n"
    header = "request_created_at,response_status,request_user_id,model,prompt_tokens,completion_tokens,cost\n"
    bad = tmp_path / "bad.csv"
    bad.write_text(header + row.format("u") * 120 + row.format("u").replace(",5,", ",five,"))
    printed = json.loads(run(str(bad), "--json"))
    assert keys(printed) == {plain(cells[0]) for cells in rows(PAGE, "key | meaning")}


def test_every_format_is_described() -> None:
    """With its title, in the order of the code, and the page that its reader cites."""
    described = {
        plain(cells[0]): cells[1] for cells in rows(PAGE, "format | export | requests | tokens | dollars")
    }
    assert list(described) == [kind.value for kind in BillFormat]
    assert {kind.value: reader.title for kind, reader in READERS.items()} == described


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's Python, on usage and costs of the same days."""
    (tmp_path / "usage.csv").write_bytes((FOLDER / "openai_usage.csv").read_bytes())
    (tmp_path / "costs.json").write_bytes((FOLDER / "openai_costs.json").read_bytes())
    monkeypatch.chdir(tmp_path)
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, Any] = {}
    exec(compile(example, "docs/bills.md", "exec"), found)
    assert found["plan"].inputs.tokens_per_day == pytest.approx(53_151_411.5)


def test_the_page_cites_what_the_readers_cite() -> None:
    """Every address in a reader's docstring is on the page."""
    cited = set()
    for reader in READERS.values():
        module = __import__(reader.lines.__module__, fromlist=["x"])
        cited |= set(re.findall(r"https://\S+", module.__doc__ or ""))
    assert cited
    assert cited <= set(re.findall(r"https://[^\s)>]+", PAGE))
