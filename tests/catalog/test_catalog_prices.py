"""The frozen table's prices, and who sells an open model by the token, from both sources."""

from __future__ import annotations

from datetime import date

import pytest

from baseload.catalog.prices import batch, listed, long, open_model_prices, priority, same_model
from baseload.catalog.rates import compile_rates
from baseload.errors import UnknownName
from baseload.money import nano

DAY = date(2026, 11, 22)


def test_batch_and_priority_are_listed() -> None:
    """GPT-4o: half the price within a day, 1.7 times the price for priority."""
    later, sooner = batch("openai", "gpt-4o"), priority("openai", "gpt-4o")
    assert later is not None
    assert sooner is not None
    assert (later.input, later.output) == (nano("1.25"), nano("5"))
    assert (sooner.input, sooner.output) == (nano("4.25"), nano("17"))
    assert (later.source, later.as_of) == ("litellm 1.109.1", "2026-11-22")


def test_a_price_that_is_not_listed_is_none() -> None:
    """Claude has no priority price in the table: None, not the plain price."""
    assert priority("anthropic", "claude-haiku-4-5") is None
    assert long("openai", "gpt-4o") is None


def test_a_model_that_is_not_held_is_an_error() -> None:
    """A misspelt model names the nearest one."""
    with pytest.raises(UnknownName) as caught:
        batch("openai", "gpt-4oo")
    assert "openai/gpt-4o" in caught.value.hint


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "gpt-5.4"), ("openai", "gpt-5.5"), ("google", "gemini-2.5-pro")]
)
def test_long_context_begins_where_genai_prices_says(provider: str, model: str) -> None:
    """The raw list does not say where; the family's threshold and price agree with the other source."""
    frozen = long(provider, model)
    published = compile_rates([(provider, model)], DAY).price(provider, model)
    assert frozen is not None
    assert published is not None
    assert published.long_context is not None
    tier = published.long_context
    assert (frozen.above, frozen.input, frozen.output) == (tier.above, tier.input, tier.output)


def test_a_channel_can_be_named() -> None:
    """The same model at the same firm may cost another price elsewhere in it."""
    row = listed("bedrock_converse", "meta.llama3-3-70b-instruct-v1:0")
    assert row is not None
    assert row.channel == "bedrock_converse"
    assert listed("aws", "meta.llama3-3-70b-instruct-v1:0") == row


def test_both_sources_are_shown_where_they_disagree() -> None:
    """Llama 3.3 70B at Together: $0.88 in one source, $1.04 in the other, neither averaged nor dropped."""
    offers = open_model_prices("llama-3.3-70b", DAY)
    turbo = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
    together = {
        offer.price.source.split()[0]: offer.price
        for offer in offers
        if (offer.provider, offer.model) == ("together", turbo)
    }
    assert (together["genai-prices"].input, together["genai-prices"].output) == (nano("0.88"), nano("0.88"))
    assert (together["litellm"].input, together["litellm"].output) == (nano("1.04"), nano("1.04"))


def test_sellers_come_cheapest_first_with_source_and_date() -> None:
    """Groq, Fireworks, Bedrock and the rest, each with where its price is from."""
    offers = open_model_prices("llama-3.3-70b", DAY)
    costs = [offer.price.input + offer.price.output for offer in offers]
    assert costs == sorted(costs)
    assert {"together", "groq", "fireworks", "aws", "openrouter"} <= {offer.provider for offer in offers}
    assert all(offer.price.source and offer.price.as_of for offer in offers)


def test_the_frozen_table_says_nothing_of_earlier_days() -> None:
    """It has no history: before its date only genai-prices is asked."""
    sources = {
        offer.price.source.split()[0] for offer in open_model_prices("llama-3.3-70b", date(2026, 1, 1))
    }
    assert sources == {"genai-prices"}


@pytest.mark.parametrize(
    ("sold_as", "name"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "llama-3.3-70b"),
        ("accounts/fireworks/models/llama-v3p3-70b-instruct", "llama-3.3-70b"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b"),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "llama-3.3-70b"),
        ("qwen2p5-72b-instruct", "qwen2.5-72b"),
        ("qwen.qwen3-32b-v1:0", "qwen3-32b"),
        ("open-mixtral-8x7b", "mixtral-8x7b"),
        ("llama4-scout-instruct-basic", "llama-4-scout"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
    ],
)
def test_sellers_names_are_recognised(sold_as: str, name: str) -> None:
    """Makers' prefixes, clouds' revisions and speed grades do not hide a model."""
    assert same_model(sold_as, name)


@pytest.mark.parametrize(
    ("sold_as", "name"),
    [
        ("nousresearch/hermes-3-llama-3.1-70b", "llama-3.1-70b"),
        ("nvidia/llama-3.1-nemotron-70b-instruct", "llama-3.1-70b"),
        ("dobby-unhinged-llama-3-3-70b-new", "llama-3.3-70b"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen3-235b-a22b"),
        ("deepseek-v3p1", "deepseek-v3"),
        ("deepseek.v3-v1:0", "deepseek-v3"),
        ("llama-3.1-70b-versatile", "llama-3.3-70b"),
    ],
)
def test_other_models_are_not_taken_for_it(sold_as: str, name: str) -> None:
    """Fine-tunes, later releases and neighbours in the family are other models."""
    assert not same_model(sold_as, name)


def test_a_users_price_is_listed() -> None:
    """A negotiated price under the provider's name, with the user's source."""
    mine = {"together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo": {"input": "0.70", "output": "0.70"}}
    row = listed("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", mine)
    assert row is not None
    assert row.price.input == nano("0.70")
    assert row.price.source.startswith("user override (input, output)")
