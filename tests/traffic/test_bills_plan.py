"""`baseload plan BILL`: every export is a traffic file, and its dollars stand beside the plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from baseload.cli import cli
from baseload.traffic.bills import modelled
from baseload.traffic.bills.read import BillFormat
from baseload.traffic.load import LoadShape
from baseload.traffic.read import read_shape, read_source, read_traffic
from baseload.traffic.table import Traffic
from tests.traffic.bill_samples import FOLDER, SAMPLES


def run(*arguments: str) -> str:
    """What `baseload plan` prints on one day's prices; it ends with 0."""
    result = CliRunner().invoke(cli, ["plan", *arguments, "--on", "2026-10-05"])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("kind", BillFormat)
def test_every_export_can_be_planned_with(kind: BillFormat) -> None:
    """At the volume of its tokens a day."""
    plan = json.loads(run(str(SAMPLES[kind]), "--json"))
    per_day = read_traffic(SAMPLES[kind]).tokens_per_day().total
    assert plan["tokens_per_day"] == pytest.approx(per_day, abs=1)


def test_the_bills_dollars_stand_beside_the_plan() -> None:
    """Billed, computed, and what is modelled; a plan of anything else says nothing of bills."""
    text = " ".join(run(str(FOLDER / "bedrock_cur.csv")).split())
    assert "The bill, over 0.25 days: billed $203.62; $208.62 at the catalog's prices" in text
    assert "Modelled: requests: not counted in the file; one for every 1,366 tokens" in text
    assert "The bill" not in run("servegen-m-large", "--tokens-per-day", "1B")


def test_dollars_alone_are_planned_with_as_tokens() -> None:
    """And the plan says that the tokens are computed from them."""
    text = " ".join(run(str(FOLDER / "openai_costs.json")).split())
    assert "Modelled: tokens: the file has dollars alone" in text


def test_a_source_is_requests_or_the_load_of_too_many(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Traces and small bills are requests; a large bill and a curve are a load of the same volume."""
    bill = FOLDER / "openai_usage.csv"
    assert isinstance(read_source(bill), Traffic)
    assert isinstance(read_source(FOLDER / "litellm.jsonl", "litellm"), Traffic)
    trace = tmp_path / "trace.csv"
    trace.write_text("ts,input,output,in2\n1,2,3,4\n2,2,3,4\n")
    named = read_source(trace, columns="arrival=ts,input=in2,output=output")
    assert isinstance(named, Traffic)
    assert named.input_tokens.tolist() == [4, 4]
    monkeypatch.setattr("baseload.traffic.read.MAX_DRAWN", 60_000)
    monkeypatch.setattr(modelled, "MAX_DRAWN", 60_000)
    load = read_source(bill)
    assert isinstance(load, LoadShape)
    assert load.tokens_per_day() == read_shape(bill).tokens_per_day()
