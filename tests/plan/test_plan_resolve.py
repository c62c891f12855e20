"""From a question to numbers: what is looked up, what is assumed, and what is refused."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from baseload.catalog.models import open_model
from baseload.core import Slo
from baseload.errors import UnknownName, UsageError
from baseload.money import NANO
from baseload.plan.costs import Mix, Spare
from baseload.plan.prices import Market, named_price, sellers
from baseload.plan.question import Question
from baseload.plan.resolve import resolve
from baseload.traffic.shapes import azure_conversation_2023, servegen_m_large
from baseload.traffic.table import Traffic

ON = date(2026, 11, 22)
GIVEN: dict[str, Any] = {
    "tokens_per_day": 100e6,
    "output_share": 0.5,
    "api": ("gpt-4o",),
    "api_price": (2.5, 10.0),
    "open_api_price": 0.88,
    "model": "llama-3.3-70b",
    "gpu": "h100",
    "gpus": 2,
    "precision": "fp8",
    "usd_per_gpu_hour": 4.0,
    "throughput": 4392.0,
    "usable": 0.7,
    "spare": "idle",
    "team_usd_per_month": 0.0,
    "on": ON,
}


def test_what_is_given_is_taken_and_called_given() -> None:
    """A full question leaves nothing to assume but the flat load."""
    inputs = resolve(Question(**GIVEN))
    fleet = inputs.fleet
    assert (fleet.throughput_tokens_per_s, fleet.usd_per_hour, fleet.usable) == (4392.0, 8.0, 0.7)
    assert (fleet.spare, fleet.team_usd_per_month) == (Spare.IDLE, 0.0)
    assert [(each.name, each.usd_per_million) for each in inputs.metered] == [
        ("gpt-4o", 6.25),
        ("llama-3.3-70b API", 0.88),
    ]
    assert [fact.name for fact in inputs.facts if fact.assumed] == ["load over time"]


def test_what_is_left_out_is_looked_up_with_source_and_date_or_called_an_assumption() -> None:
    """Only the volume has no default; prices carry the day they held."""
    inputs = resolve(Question(tokens_per_day=100e6, on=ON))
    facts = {fact.name: fact for fact in inputs.facts}
    assert all(fact.source for fact in inputs.facts)
    assert facts["price of gpt-4o"].as_of == "2026-11-22"
    assert "genai-prices" in facts["price of gpt-4o"].source
    assert "capacity model" in facts["throughput of a full replica"].source
    assert "the median of" in facts["GPU hour"].value
    assert facts["GPU hour"].as_of
    assumed = {name for name, fact in facts.items() if fact.assumed}
    assert assumed == {
        "mix",
        "length of a request",
        "load over time",
        "owned replica",
        "API compared with",
        "SLO",
        "usable throughput",
        "spare",
        "people who run owned serving",
    }


def test_a_bare_model_name_is_priced_at_the_firm_that_makes_it() -> None:
    """gpt-4o is OpenAI's, though Azure sells it too; a provider can be named."""
    price = named_price("gpt-4o", ON)
    assert (price.input, price.output) == (2.5 * NANO, 10 * NANO)
    assert named_price("openai/gpt-4o", ON) == price
    with pytest.raises(UnknownName):
        named_price("gpt-4o-and-a-half-by-nobody", ON)


@pytest.mark.parametrize("name", ["gpt-99", "openai/gpt-4oo", "opnai/gpt-4o", "claude-sonet-4-5"])
def test_a_suggested_api_has_a_price(name: str) -> None:
    """What is suggested for a name nobody sells is a name that somebody does."""
    with pytest.raises(UnknownName) as raised:
        named_price(name, ON)
    assert named_price(raised.value.hint.split("'")[1], ON).input > 0


def test_the_open_model_is_priced_at_the_median_of_those_who_sell_it() -> None:
    """All sellers are shown, so that the choice can be judged."""
    sold = sellers(open_model("llama-3.3-70b"), Market(Mix(0.5), None, ON))
    by_name = {seller: usd for usd, seller, _ in sold}
    assert len(by_name) == len(sold) >= 5
    assert by_name["together"] == pytest.approx(0.88)
    inputs = resolve(Question(tokens_per_day=1e8, on=ON))
    assert inputs.metered[1].usd_per_million == sorted(by_name.values())[(len(sold) - 1) // 2]
    value = {fact.name: fact.value for fact in inputs.facts}["price of llama-3.3-70b API"]
    assert all(seller in value for seller in by_name)


def test_a_shape_brings_volume_mix_and_curve() -> None:
    """ServeGen m-large as published; its volume can be scaled and its mix replaced."""
    own = resolve(Question(on=ON), servegen_m_large())
    assert own.tokens_per_day == pytest.approx(servegen_m_large().tokens_per_day().total)
    assert 0.1 < own.mix.output_share < 0.2
    scaled = resolve(Question(tokens_per_day=1e9, output_share=0.5, on=ON), servegen_m_large())
    assert (scaled.tokens_per_day, scaled.mix.output_share) == (1e9, 0.5)
    assert scaled.curve.peak == own.curve.peak == pytest.approx(2.98, abs=0.005)


def test_a_shape_by_the_second_is_taken_by_the_minute() -> None:
    """Seconds are what a queue is for; capacity is planned on minutes, ten of them where days are known."""
    inputs = resolve(Question(on=ON), azure_conversation_2023())
    assert inputs.curve.window_s == pytest.approx(60, rel=0.01)
    assert "less than a day" in {fact.name: fact for fact in inputs.facts}["load over time"].value


def requests(input_tokens: list[int]) -> Traffic:
    """An hour of requests, evenly spaced, a quarter of each input cached."""
    count = len(input_tokens)
    tokens = np.array(input_tokens)
    return Traffic(
        arrival_s=np.arange(count) * 3600.0 / count,
        input_tokens=tokens,
        cached_tokens=tokens // 4,
        output_tokens=np.full(count, 100),
        duration_s=3600.0,
        model=np.zeros(count, dtype=np.int32),
        tenant=np.zeros(count, dtype=np.int32),
    )


def test_requests_are_priced_at_their_own_tier() -> None:
    """A long request among short ones costs Claude's long-context price, the others do not."""
    question = Question(api=("anthropic/claude-sonnet-4-5",), open_api=False, on=ON)
    short = resolve(question, requests([1000] * 60)).metered[0].usd_per_million
    mixed = resolve(question, requests([1000] * 59 + [300_000])).metered[0].usd_per_million
    assert short == pytest.approx((750 * 3 + 250 * 0.3 + 100 * 15) / 1100)
    long_usd = 225_000 * 6 + 75_000 * 0.6 + 100 * 22.5
    assert mixed == pytest.approx((59 * 1100 * short + long_usd) / (59 * 1100 + 300_100))


def test_an_unknown_model_will_do_where_nothing_must_be_looked_up() -> None:
    """A team's own weights on GPUs the catalog lacks: throughput, count and prices are given."""
    told = GIVEN | {"model": "our-own-7b", "gpu": "gaudi-9"}
    inputs = resolve(Question(**told))
    assert inputs.model == "our-own-7b"
    with pytest.raises(UnknownName):
        resolve(Question(**told | {"throughput": None}))
    with pytest.raises(UnknownName):
        resolve(Question(**told | {"usd_per_gpu_hour": None}))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "how much traffic"),
        ({"tokens_per_day": 0}, "not above 0"),
        ({"tokens_per_day": float("nan")}, "not above 0"),
        ({"tokens_per_day": 1e8, "output_share": 70}, "between 0 and 1"),
        ({"tokens_per_day": 1e8, "usable": 0}, "usable share"),
        ({"tokens_per_day": 1e8, "spare": "warm"}, "no such spare"),
        ({"tokens_per_day": 1e8, "open_api": False, "open_api_price": 1.0}, "leave one of the two out"),
        ({"tokens_per_day": 1e8, "api_price": (1.0, 2.0)}, "name it"),
        ({"tokens_per_day": 1e8, "throughput": 4392, "slo": Slo(1.0, 0.05)}, "no SLO is looked at"),
        ({"tokens_per_day": 1e8, "gpus": 1}, "does not fit"),
        ({"tokens_per_day": 1e8, "slo": Slo(0.001, 0.001)}, "never meets"),
        ({"tokens_per_day": 1e8, "api": ("openai/gpt-44",)}, "unknown API price"),
        ({"tokens_per_day": 1e8, "team_usd_per_month": -1}, "not 0 or more"),
    ],
)
def test_nonsense_is_refused_with_what_to_do_next(fields: dict[str, Any], reason: str) -> None:
    """Every refusal is a usage error (exit 2) that names the reason."""
    with pytest.raises((UsageError, UnknownName)) as refused:
        resolve(Question(**{"on": ON} | fields))
    assert reason in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_mix_cannot_be_claimed_for_known_requests() -> None:
    """A traffic file says itself what its tokens are."""
    with pytest.raises(UsageError, match="traffic's own"):
        resolve(Question(output_share=0.5, on=ON), requests([1000] * 10))
