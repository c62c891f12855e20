"""What 24 and 36 months rest on: each figure sourced, labelled or asked, and replaceable."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from baseload.catalog.published import published_price
from baseload.catalog.tables import shipped as catalog_table
from baseload.errors import BaseloadError
from baseload.plan.assumptions import shipped
from baseload.plan.lines import LINES


def test_every_figure_has_a_source_with_a_date_or_is_an_assumption_or_asks() -> None:
    """Nothing stands there on nobody's word."""
    for row in shipped():
        assert row.meaning
        assert row.assumed or row.asked or row.as_of, row.name
        assert row.value is not None or row.asked, row.name


def test_the_batch_discount_is_what_the_catalog_lists() -> None:
    """Counted again: the source's own sentence."""
    halves = listed = 0
    for row in catalog_table("token_prices.csv"):
        if (
            row["price"].split("/")[0] in ("openai", "anthropic")
            and row["batch_input"]
            and row["batch_output"]
        ):
            listed += 1
            batch = float(row["batch_input"]), float(row["batch_output"])
            halves += batch == (float(row["input"]) / 2, float(row["output"]) / 2)
    source = shipped()["api.batch_discount"].source
    assert f"half the price for {halves} of the {listed} models of OpenAI and Anthropic" in source


def test_the_price_history_behind_the_price_path_is_the_published_one() -> None:
    """o3 fell by four fifths, Llama 3.3 70B rose by a sixth: both are in the history that is cited."""
    llama = "meta-llama/Llama-3.3-70B-Instruct"
    history = [
        published_price(*each)
        for each in (
            ("openai", "o3", date(2025, 6, 1)),
            ("openai", "o3", date(2025, 6, 20)),
            ("huggingface_together", llama, date(2026, 10, 1)),
            ("huggingface_together", llama, date(2026, 11, 1)),
        )
    ]
    prices = [(price.input / 1e9, price.output / 1e9) for price in history if price is not None]
    assert prices == [(10, 40), (2, 8), (0.88, 0.88), pytest.approx((1.04, 1.04))]


def test_every_line_rests_on_figures_of_the_table_and_every_figure_moves_a_line_or_the_world() -> None:
    """Provenance leads somewhere, both ways."""
    named = {name for kind in LINES.values() for name in kind.rests_on}
    for name in named:
        assert shipped()[name].name == name
    beside = {row.name for row in shipped()} - named
    assert beside == {
        "traffic.volume_factor",
        "traffic.growth_per_year",
        "api.price_volatility_per_year",
        "gpu.price_volatility_per_year",
        "api.provisioned_minimum_units",
        "api.provisioned_increment_units",
        "gpu.term",
        "throughput.factor",
        "throughput.usable_factor",
        "people.hiring_months",
        "api.ttft_ms",
        "gpu.spot_most_share",
        "gpu.start_minutes",
    }


def test_a_stated_figure_is_certain_and_says_who_states_it() -> None:
    """A bare value loses the range; a range and a source can be stated with it."""
    plain = shipped().changed({"traffic.growth_per_year": 0.4})["traffic.growth_per_year"]
    assert (plain.value, plain.low, plain.high, plain.source) == (0.4, None, None, "given")
    told = shipped().changed({"throughput.factor": {"value": 1, "low": 0.9, "high": 1.2, "source": "bench"}})
    row = told["throughput.factor"]
    assert (row.value, row.low, row.high, row.source, row.ranged) == (1.0, 0.9, 1.2, "bench", True)
    assert shipped().number("traffic.growth_per_year") == 0.0


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"traffic.growth": 0.4}, "did you mean 'traffic.growth_per_year'"),
        ({"traffic.growth_per_year": -1}, "fall by more than everything"),
        ({"traffic.growth_per_year": "much"}, "is no number"),
        ({"traffic.growth_per_year": True}, "is no number"),
        ({"traffic.growth_per_year": float("nan")}, "no finite number"),
        ({"api.retry_share": 3}, "more than 1"),
        ({"migration.owned_usd": -5}, "below 0"),
        ({"traffic.regions": 0}, "not above 0"),
        ({"traffic.regions": 1.5}, "not a whole number"),
        ({"gpu.term": "leased"}, "choose one of on_demand, reserved, spot, bought"),
        ({"throughput.factor": {"value": 1, "low": 0.9}}, "needs both"),
        ({"throughput.factor": {"value": 1, "low": 1.1, "high": 1.2}}, "not between"),
        ({"throughput.factor": {"worth": 1}}, "unknown field"),
        ({"people.factor": None}, "people.factor needs a value"),
        ({"traffic.deferrable_share": {"value": 0.2, "low": 0.1, "high": 0.3}}, "takes no range"),
        ({"upgrade.months": {"value": 8, "low": 6, "high": 9}}, "takes no range"),
        ({"gpu.term": {"value": "spot", "low": 1, "high": 2}}, "takes no range"),
        ({"gpu.spot_interrupted_share": 1}, "leaves nothing"),
        ({"api.provisioned_tokens_per_minute": 0}, "not above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(figures: dict[str, Any], reason: str) -> None:
    """By name, with what is allowed; exit code 2."""
    with pytest.raises(BaseloadError) as refused:
        shipped().changed(figures)
    assert reason in str(refused.value)
    assert refused.value.exit_code == 2


def test_what_is_not_known_has_no_number() -> None:
    """A price nobody stated is not 0."""
    assert not shipped().known("gpu.reserved_discount")
    with pytest.raises(BaseloadError, match="not known as a number"):
        shipped().number("gpu.reserved_discount")
