"""Each export's own words: units, tiers, kinds of tokens, what counts as a request and what is left out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from baseload.traffic.bills import anthropic, aws, google, logs, openai
from baseload.traffic.bills.bill import Item, Line, Tier
from baseload.traffic.bills.left_out import LeftOut
from tests.traffic.bill_samples import DAY_NS, START_NS

DAY = {"start_time": START_NS // 10**9, "end_time": (START_NS + DAY_NS) // 10**9}
ISO = {"starting_at": "2026-10-05T00:00:00Z", "ending_at": "2026-10-06T00:00:00Z"}


def only(lines: Any) -> Line:
    """The one line of a record."""
    [line] = lines
    assert isinstance(line, Line)
    return line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("gpt-4o-2024-08-06, input", ("gpt-4o-2024-08-06", Tier.STANDARD, Item.INPUT)),
        ("gpt-4o-2024-08-06, cached input", ("gpt-4o-2024-08-06", Tier.STANDARD, Item.CACHED)),
        ("o3, flex output", ("o3", Tier.FLEX, Item.OUTPUT)),
        ("web search tool calls", ("", Tier.STANDARD, Item.OTHER)),
        ("gpt-image-1, image output", ("", Tier.STANDARD, Item.OTHER)),
        ("", ("", Tier.STANDARD, Item.OTHER)),
    ],
)
def test_openai_line_items(words: str, expected: tuple[str, Tier, Item]) -> None:
    """Model and kind of token, or neither."""
    assert openai.line_item(words) == expected


def test_openai_usage_of_batch_and_tiers() -> None:
    """`batch` is true as JSON or as text; else the service tier says it; written tokens are told apart."""
    record = {
        **DAY,
        "model": "m",
        "input_tokens": 9,
        "output_tokens": 1,
        "num_model_requests": "2.0",
    }
    for more, tier in (
        ({"batch": True}, Tier.BATCH),
        ({"batch": "True", "service_tier": "default"}, Tier.BATCH),
        ({"batch": False, "service_tier": "flex"}, Tier.FLEX),
        ({"service_tier": "priority"}, Tier.PRIORITY),
        ({}, Tier.STANDARD),
    ):
        assert only(openai.usage_lines({**record, **more}, LeftOut())).tier is tier
    line = only(openai.usage_lines({**record, "input_cache_write_tokens": 4}, LeftOut()))
    assert (line.requests, line.input_tokens, line.written_tokens) == (2, 9, 4)


def test_openai_usage_with_audio_is_told_apart() -> None:
    """Its tokens are counted, and that they have other prices is said."""
    record = {
        **DAY,
        "model": "gpt-4o-audio",
        "input_tokens": 9,
        "input_audio_tokens": 4,
        "num_model_requests": 1,
    }
    line = only(openai.usage_lines(record, LeftOut()))
    assert (line.input_tokens, line.what) == (9, "audio or images among them")


def test_openai_usage_that_is_no_tokens_is_named() -> None:
    """Images, characters and seconds are counted in words, not as tokens."""
    record = {
        **DAY,
        "object": "organization.usage.images.result",
        "images": 12,
    }
    line = only(openai.usage_lines(record, LeftOut()))
    assert (line.item, line.what, line.input_tokens) == (Item.OTHER, "images: 12 images", 0)


def test_another_currency_is_a_bad_record() -> None:
    """Amounts are never taken for dollars that are none."""
    with pytest.raises(ValueError, match="'eur'"):
        only(openai.costs_lines({**DAY, "amount": {"value": Decimal(1), "currency": "eur"}}, LeftOut()))
    with pytest.raises(ValueError, match="'EUR'"):
        only(anthropic.costs_lines({**ISO, "amount": "1", "currency": "EUR"}, LeftOut()))


def test_anthropic_tokens_are_disjoint() -> None:
    """Uncached, read and written tokens together are the input."""
    record = {
        **ISO,
        "model": "claude-x",
        "uncached_input_tokens": 100,
        "cache_read_input_tokens": 50,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        "output_tokens": 7,
        "service_tier": "batch",
        "context_window": "200k-1M",
    }
    line = only(anthropic.usage_lines(record, LeftOut()))
    assert (line.input_tokens, line.cached_tokens, line.written_tokens, line.written_1h_tokens) == (
        180,
        50,
        20,
        10,
    )
    assert (line.output_tokens, line.tier, line.long_context, line.requests) == (7, Tier.BATCH, True, None)


def test_anthropic_amounts_are_cents_and_the_consoles_dollars() -> None:
    """`123.45` of the API is $1.2345; the CSV says cost_usd."""
    api = {
        **ISO,
        "amount": "123.45",
        "currency": "USD",
        "model": "claude-x",
        "token_type": "output_tokens",
    }
    line = only(anthropic.costs_lines(api, LeftOut()))
    assert (line.usd, line.item) == (Decimal("1.2345"), Item.OUTPUT)
    console = {
        "usage_date_utc": "2026-10-05",
        "model": "Claude Sonnet 4.5",
        "token_type": "input_cache_write_1h",
        "cost_usd": "1.5",
        "context_window": "> 200k",
    }
    line = only(anthropic.costs_lines(console, LeftOut()))
    assert (line.usd, line.item, line.model) == (Decimal("1.5"), Item.WRITE_1H, "claude-sonnet-4-5")
    assert (line.start_ns, line.end_ns, line.long_context) == (START_NS, START_NS + DAY_NS, True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Claude Sonnet 4.5", "claude-sonnet-4-5"),
        ("Claude 3.5 Sonnet 2024-10-22", "claude-3-5-sonnet-20241022"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
    ],
)
def test_anthropic_display_names(name: str, expected: str) -> None:
    """As the ids are written."""
    assert anthropic.model_id(name) == expected


def test_litellm_cached_tokens_failures_and_its_own_cache() -> None:
    """Cached tokens stand in the metadata, as an object or as text; what reached no provider is left out."""
    record = {
        "startTime": "2026-10-05 00:00:00",
        "model": "openai/gpt-4o",
        "custom_llm_provider": "openai",
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "spend": Decimal("0.1"),
        "team_id": "shop",
    }
    for metadata in (
        {"usage_object": {"prompt_tokens_details": {"cached_tokens": 40}}},
        {"additional_usage_values": {"cache_read_input_tokens": 40}},
        '{"usage_object": {"cache_read_input_tokens": 40}}',
    ):
        line = only(logs.litellm_lines({**record, "metadata": metadata}, LeftOut()))
        assert (line.cached_tokens, line.input_tokens, line.model) == (40, 100, "gpt-4o")
        assert (line.start_ns, line.end_ns, line.requests, line.tenant) == (START_NS, START_NS, 1, "shop")
    left_out = LeftOut()
    for more in ({"status": "failure"}, {"cache_hit": "True"}):
        assert list(logs.litellm_lines({**record, **more}, left_out)) == []
    assert left_out.notes() == [
        "1 record is left out: the request failed ($0.10)",
        "1 record is left out: answered from LiteLLM's own cache ($0.10)",
    ]


def test_helicone_cached_tokens_of_claude_come_on_top() -> None:
    """Anthropic's prompt tokens leave them out, OpenAI's hold them."""
    record = {
        "request_created_at": "2026-10-05T00:00:00Z",
        "prompt_tokens": 10,
        "completion_tokens": 1,
        "prompt_cache_read_tokens": 6,
        "cost": Decimal("0.5"),
    }
    assert only(logs.helicone_lines({**record, "model": "claude-x"}, LeftOut())).input_tokens == 16
    openais = only(logs.helicone_lines({**record, "model": "gpt-4o", "provider": "OPENAI"}, LeftOut()))
    assert (openais.input_tokens, openais.cached_tokens, openais.usd) == (10, 6, Decimal("0.5"))


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"input": 60, "input_cached_tokens": 40, "output": 5, "total": 105}, (100, 40, 5)),
        ({"input": 100, "input_cached_tokens": 40, "output": 5, "total": 105}, (100, 40, 5)),
        ({"input": 60, "output": 5, "output_reasoning_tokens": 3}, (60, 0, 8)),
        ({"input": 10, "cache_read_input_tokens": 30, "output": 1, "total": 41}, (40, 30, 1)),
    ],
)
def test_langfuse_categories_add_up_or_nest(details: dict[str, int], expected: tuple[int, int, int]) -> None:
    """Whichever way gives the total."""
    record = {
        "start_time": "2026-10-05 00:00:00.000000",
        "type": "GENERATION",
        "usage_details": details,
    }
    line = only(logs.langfuse_lines(record, LeftOut()))
    assert (line.input_tokens, line.cached_tokens, line.output_tokens) == expected


def test_langfuse_totals_that_do_not_add_up_are_bad() -> None:
    """Neither way: nothing is guessed."""
    details = {"input": 1, "output": 2, "total": 9}
    record = {
        "start_time": "2026-10-05 00:00:00",
        "type": "GENERATION",
        "usage_details": details,
    }
    with pytest.raises(ValueError, match="do not add up to their total of 9"):
        only(logs.langfuse_lines(record, LeftOut()))


def test_langfuse_in_camel_case_and_without_a_total_cost() -> None:
    """As the UI and the API write it; the cost is then the sum of its parts."""
    record = {
        "startTime": "2026-10-05T00:00:00.000Z",
        "type": "GENERATION",
        "model": "gpt-4o",
        "usageDetails": '{"input": 5, "output": 2}',
        "costDetails": {"input": Decimal("0.1"), "output": Decimal("0.2")},
    }
    line = only(logs.langfuse_lines(record, LeftOut()))
    assert (line.input_tokens, line.usd, line.seller) == (5, Decimal("0.3"), "openai")


@pytest.mark.parametrize(
    ("usage_type", "product", "expected"),
    [
        ("USE1-Claude4Sonnet-input-tokens", "", ("Claude4Sonnet", Item.INPUT, Tier.STANDARD, None)),
        ("USE1-Claude4Sonnet-output-tokens-batch", "", ("Claude4Sonnet", Item.OUTPUT, Tier.BATCH, None)),
        (
            "USW2-Claude4Sonnet-input-tokens-long-context-cross-region-global",
            "",
            ("global.Claude4Sonnet", Item.INPUT, Tier.STANDARD, True),
        ),
        (
            "USE1-Claude4Sonnet-cache-read-input-token-count",
            "",
            ("Claude4Sonnet", Item.CACHED, Tier.STANDARD, None),
        ),
        (
            "USE1-MP:USE1_CacheWrite1hInputTokenCount-Units",
            "Claude Opus 4.5 (Amazon Bedrock Edition)",
            ("Claude Opus 4.5", Item.WRITE_1H, Tier.STANDARD, None),
        ),
        (
            "USE1-MP:USE1_OutputTokenCount_Global_Batch-Units",
            "Claude Opus 4.5 (Amazon Bedrock Edition)",
            ("global.Claude Opus 4.5", Item.OUTPUT, Tier.BATCH, None),
        ),
        ("USE1-Nova-Guardrail-ContentPolicyUnitsConsumed", "", None),
        ("BoxUsage:m7i.large", "", None),
    ],
)
def test_bedrock_usage_types(usage_type: str, product: str, expected: tuple[Any, ...] | None) -> None:
    """Model, kind and tier from the usage type, the marketplace's model from the product."""
    assert aws.usage(usage_type, product) == expected


def test_a_cost_and_usage_line_in_millions_and_a_tax() -> None:
    """Marketplace units are millions of tokens; taxes and credits are dollars alone."""
    row = {
        "line_item_usage_start_date": "2026-10-05T00:00:00Z",
        "line_item_usage_end_date": "2026-10-05T01:00:00Z",
        "line_item_usage_type": "USE1-MP:USE1_InputTokenCount-Units",
        "line_item_usage_amount": "0.012345",
        "line_item_unblended_cost": "0.037035",
        "product_product_name": "Claude Sonnet 4.5 (Amazon Bedrock Edition)",
        "line_item_line_item_type": "Usage",
        "pricing_unit": "Units",
    }
    line = only(aws.cur_lines(row, LeftOut()))
    assert (line.input_tokens, line.usd, line.model) == (12_345, Decimal("0.037035"), "Claude Sonnet 4.5")
    tax = only(aws.cur_lines({**row, "line_item_line_item_type": "Tax"}, LeftOut()))
    assert (tax.item, tax.input_tokens, tax.usd) == (Item.OTHER, 0, Decimal("0.037035"))
    with pytest.raises(ValueError, match="the unit 'hrs'"):
        only(aws.cur_lines({**row, "pricing_unit": "Hrs"}, LeftOut()))


def test_cloudwatch_as_a_table() -> None:
    """One row a period; input is what the cache did not hold, and a row without a period is bad."""
    row = {
        "Timestamp": "2026-10-05T00:00:00Z",
        "Period": "300",
        "ModelId": "m",
        "InputTokenCount": "10.0",
        "CacheReadInputTokenCount": "5",
        "OutputTokenCount": "2",
        "Invocations": "3",
    }
    line = only(aws.cloudwatch_lines(row, LeftOut()))
    assert (line.input_tokens, line.cached_tokens, line.output_tokens, line.requests) == (15, 5, 2, 3)
    assert line.end_ns - line.start_ns == 300 * 10**9
    with pytest.raises(ValueError, match="no Period"):
        only(aws.cloudwatch_lines({**row, "Period": ""}, LeftOut()))


@pytest.mark.parametrize(
    ("sku", "expected"),
    [
        ("Gemini 2.5 Flash GA Text Input - Predictions", ("gemini-2.5-flash", Item.INPUT, "standard", False)),
        ("Gemini 2.5 Flash Lite Text Output", ("gemini-2.5-flash-lite", Item.OUTPUT, "standard", False)),
        ("Gemini 2.5 Pro Input Text Caching (Long)", ("gemini-2.5-pro", Item.CACHED, "standard", True)),
        (
            "Gemini 2.5 Flash Text Output (Thinking On) - Batch Predictions",
            ("gemini-2.5-flash", Item.OUTPUT, "batch", False),
        ),
        ("Claude Sonnet 4.5 Input Tokens", ("claude-sonnet-4-5", Item.INPUT, "standard", False)),
        ("Gemini 2.5 Flash Text Input Caching Storage", None),
        ("Gemini 2.5 Flash GA Audio Input - Predictions", None),
        ("Vertex AI: Online/Batch Prediction N1 Core", None),
    ],
)
def test_vertex_skus(sku: str, expected: tuple[Any, ...] | None) -> None:
    """Model, kind, tier and context from the SKU; storage and other modalities are no tokens of text."""
    record = {
        "Service description": "Vertex AI",
        "SKU description": sku,
        "Usage start date": "2026-10-05",
        "Usage end date": "2026-10-31",
        "Usage amount": "1,000",
        "Usage unit": "count",
        "Cost ($)": "1.00",
    }
    line = only(google.billing_lines(record, LeftOut()))
    assert line.end_ns - line.start_ns == 27 * DAY_NS
    if expected is None:
        assert (line.item, line.what, line.input_tokens) == (Item.OTHER, sku, 0)
    else:
        assert (line.model, line.item, line.tier, line.long_context) == expected
        assert line.input_tokens + line.output_tokens == 1000


def test_vertex_rows_of_the_bigquery_export_and_their_credits() -> None:
    """Nested fields, an hour each; every credit is a line of its own, so that the sum is what was paid."""
    record = {
        "service": {"description": "Vertex AI"},
        "sku": {"description": "Gemini 2.5 Pro Text Input - Predictions"},
        "usage_start_time": "2026-10-05 00:00:00 UTC",
        "usage_end_time": "2026-10-05 01:00:00 UTC",
        "usage": {"amount": Decimal(1000), "unit": "requests"},
        "cost": Decimal("0.00125"),
        "currency": "USD",
        "cost_type": "regular",
        "credits": [{"name": "Promotion", "amount": Decimal("-0.001")}],
    }
    used, credit = google.billing_lines(record, LeftOut())
    assert (used.input_tokens, used.usd) == (1000, Decimal("0.00125"))
    assert (credit.item, credit.what, credit.usd) == (Item.OTHER, "credit: Promotion", Decimal("-0.001"))


def test_a_cost_in_another_currency_is_never_zero() -> None:
    """The cost table of an account in euros has no dollars: a bad record, not a free one."""
    record = {
        "Service description": "Vertex AI",
        "SKU description": "Gemini 2.5 Pro Text Input - Predictions",
        "Cost (€)": "1.00",
    }
    with pytest.raises(ValueError, match="no cost in dollars"):
        list(google.billing_lines(record, LeftOut()))


def test_cloudwatch_series_of_one_label_add_up() -> None:
    """Two regions under the same label are both counted; other metrics are left out."""
    times = ["2026-10-05T00:00:00Z", "2026-10-05T00:05:00Z"]
    series = {"Label": "m InputTokenCount", "Timestamps": times, "Values": [1.0, 2.0]}
    latency = {"Label": "m InvocationLatency", "Timestamps": times, "Values": [9.0, 9.0]}
    left_out = LeftOut()
    lines = list(aws.cloudwatch_lines({"MetricDataResults": [series, series, latency]}, left_out))
    assert [(line.model, line.input_tokens, line.requests) for line in lines] == [
        ("m", 2, None),
        ("m", 4, None),
    ]
    assert left_out.notes() == ["1 record is left out: a metric that counts no tokens"]
