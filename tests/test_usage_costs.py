"""Costs from usage as providers write it: worked examples, unknowns, invariants. Recorded ones: see
`test_recorded_costs`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from baseload.catalog.published import published_price
from baseload.catalog.tiers import share
from baseload.core import Apart, LongContext, TokenPrice, Tokens
from baseload.ledger.journal import END_BYTES
from baseload.ledger.record import Bill, End, encode
from baseload.money import nano, token_cost
from baseload.wire import anthropic, metering, openai
from baseload.wire.dialects import (
    chat_reply,
    converse_reply,
    converse_stream,
    gemini_reply,
    gemini_stream,
    messages_reply,
    responses_reply,
    responses_stream,
)
from baseload.wire.dialects.nouns import Event, Metered, Report

Json = dict[str, Any]
DAY = date(2026, 11, 24)


def usd(**per_million: str) -> TokenPrice:
    """A price in dollars per million; searches per thousand."""
    searches = per_million.pop("searches", None)
    price = {name: nano(amount) for name, amount in per_million.items()}
    if searches is not None:
        price["searches"] = nano(searches) * 1000
    return msgspec.convert(price, TokenPrice)


def tiered(price: TokenPrice, **shares: str) -> TokenPrice:
    """With service tiers at these shares of it."""
    return structs.replace(price, tiers={name: share(price, Fraction(part)) for name, part in shares.items()})


OPUS = tiered(
    usd(input="5", output="25", cached_input="0.5", cache_write="6.25", cache_write_1h="10", searches="10"),
    **{"batch": "1/2", "us": "11/10", "batch+us": "11/20", "fast": "2", "us+fast": "11/5"},
)
"""Claude Opus 4.8: platform.claude.com/docs/en/about-claude/pricing, read 2026-11-24."""

SONNET = TokenPrice(nano(3), nano(15), nano("0.3"), nano("3.75"), LongContext(200_000, nano(6), nano("22.5")))
"""Claude Sonnet 4.5 with its long-context price: genai-prices."""

AUDIO = usd(input="2.5", output="10", input_audio="32", output_audio="64")
"""gpt-audio: genai-prices."""

GPT41 = tiered(usd(input="2", output="8", cached_input="0.5"), flex="1/2")
"""gpt-4.1: genai-prices; flex at half: developers.openai.com/api/docs/guides/flex-processing.md."""

GPT5 = tiered(
    usd(input="1.25", output="10", cached_input="0.125", searches="10"), flex="1/2", priority="2", batch="1/2"
)
"""gpt-5: genai-prices; priority $2.50, $0.25 and $20: openai.com/api-priority-processing, read 2026-11-24."""

SOL = structs.replace(
    usd(input="4", output="20", cached_input="0.4", cache_write="5"),
    long_context=LongContext(272_000, nano(8), nano(30), nano("0.8"), nano(10)),
)
"""gpt-5.6-sol: genai-prices."""

GROK = usd(input="0.3", output="0.5", cached_input="0.075")
"""grok-3-mini: genai-prices."""

OSS = tiered(usd(input="0.15", output="0.6", cached_input="0.075"), flex="1")
"""gpt-oss-120b at Groq: genai-prices; flex as on demand: console.groq.com/docs/flex-processing."""

BEDROCK = usd(input="3", output="15", cached_input="0.3", cache_write="3.75", cache_write_1h="6")
"""Claude Sonnet 4.5, global, on Bedrock: genai-prices."""

NOVA = tiered(usd(input="0.33", output="2.75", cached_input="0.0825"), priority="7/4", batch="1/2")
"""Nova 2 Lite in the US on Bedrock: genai-prices; priority and batch: the frozen table's of 2026-11-22."""

FLASH = usd(
    input="0.3", output="2.5", cached_input="0.03", input_audio="1", cached_audio="0.1", searches="35"
)
"""gemini-2.5-flash: genai-prices."""

FLASH3 = usd(input="0.5", output="3", cached_input="0.05", input_audio="1", cached_audio="0.1", searches="14")
"""gemini-3-flash-preview: genai-prices."""

IMAGE = usd(input="0.3", output="2.5", output_image="30")
"""gemini-2.5-flash-image: genai-prices."""

PRO = tiered(
    structs.replace(
        usd(input="1.25", output="10", cached_input="0.125", searches="35"),
        long_context=LongContext(200_000, nano("2.5"), nano(15), nano("0.25")),
    ),
    flex="1/2",
    batch="1/2",
    priority="9/5",
)
"""gemini-2.5-pro: genai-prices; flex and batch at half: ai.google.dev/gemini-api/docs/optimization, read
2026-11-24; priority $2.25 and $18: the frozen table's of 2026-11-22."""


# -- what reads usage ---------------------------------------------------------------------------------------


def reported(events: list[Event]) -> Tokens:
    """What a stream's last report says."""
    return [event for event in events if isinstance(event, Metered)][-1].report.tokens


def counted(report: Report | None) -> Tokens:
    """The counts of a report that is there."""
    assert report is not None
    return report.tokens


def chat_tokens(usage: Json, **answer: Any) -> Tokens:
    """As the gateway reads it where it only passes it on; translation must read the same."""
    told = openai.read_answer(msgspec.json.encode({"usage": usage, **answer}))
    assert told is not None
    assert told.tokens is not None
    tier = answer.get("service_tier")
    assert counted(chat_reply.read_report(usage, tier)) == told.tokens
    assert metering.chat(usage, tier) == told.tokens
    return told.tokens


def messages_tokens(usage: Json) -> Tokens:
    """As `chat_tokens`."""
    told = anthropic.read_answer(msgspec.json.encode({"type": "message", "usage": usage}))
    assert told is not None
    assert told.tokens is not None
    assert counted(messages_reply.read_report(copy.deepcopy(usage))) == told.tokens
    assert metering.messages(usage) == told.tokens
    return told.tokens


def responses_tokens(usage: Json, **answer: Any) -> Tokens:
    """Whole and at a stream's end."""
    body = {"id": "r", "model": "m", "status": "completed", "output": [], **answer, "usage": usage}
    tokens = counted(responses_reply.read_reply(copy.deepcopy(body)).report)
    reader = responses_stream.StreamReader()
    completed = msgspec.json.encode({"type": "response.completed", "response": {**body, "output": []}})
    if not answer.get("output"):
        assert reported(reader.read(completed)) == tokens
    return tokens


def converse_tokens(usage: Json, **answer: Any) -> Tokens:
    """Whole and as a stream's metadata."""
    tokens = counted(converse_reply.read_report(usage, answer))
    frame = msgspec.json.encode({"metadata": {"usage": usage, **answer}})
    assert reported(converse_stream.StreamReader().read(frame)) == tokens
    return tokens


def gemini_tokens(usage: Json, model: str = "gemini-2.5-pro", **candidate: Any) -> Tokens:
    """Whole and as a stream that tells its sources in the event before the last."""
    said = {"index": 0, "content": {"parts": [{"text": "x"}]}, **candidate}
    body = {"modelVersion": model, "candidates": [said], "usageMetadata": usage}
    tokens = counted(gemini_reply.read_reply(copy.deepcopy(body)).report)
    reader = gemini_stream.StreamReader()
    first = reader.read(msgspec.json.encode(body))
    last = {
        "modelVersion": model,
        "candidates": [{"index": 0, "finishReason": "STOP"}],
        "usageMetadata": usage,
    }
    assert reported(first + reader.read(msgspec.json.encode(last))) == tokens
    return tokens


# -- worked examples ----------------------------------------------------------------------------------------


class Worked(NamedTuple):
    """One example of docs/costs.md: a report, the price it is charged at and what it costs, in dollars."""

    tokens: Callable[[], Tokens]
    price: TokenPrice
    dollars: str


BOTH_TTLS: Json = {
    "input_tokens": 1000,
    "cache_creation_input_tokens": 2000,
    "cache_read_input_tokens": 10_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1500},
    "output_tokens": 400,
    "service_tier": "standard",
}
SHORT: Json = {"input_tokens": 1000, "output_tokens": 100}
CACHED: Json = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 400},
}
SOUND: Json = {
    "prompt_tokens": 150,
    "completion_tokens": 100,
    "total_tokens": 250,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 50},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 80},
}
WRITTEN: Json = {
    "prompt_tokens": 10_000,
    "completion_tokens": 1000,
    "total_tokens": 11_000,
    "prompt_tokens_details": {"cached_tokens": 4000, "cache_write_tokens": 5000},
}
LONG: Json = {
    "prompt_tokens": 300_000,
    "completion_tokens": 2000,
    "total_tokens": 302_000,
    "prompt_tokens_details": {"cached_tokens": 100_000},
    "completion_tokens_details": {"reasoning_tokens": 1500},
}
BESIDE: Json = {
    "prompt_tokens": 12,
    "completion_tokens": 1,
    "total_tokens": 303,
    "prompt_tokens_details": {"text_tokens": 12, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 11},
    "completion_tokens_details": {"reasoning_tokens": 290, "audio_tokens": 0},
    "num_sources_used": 0,
}
SEARCHED: Json = {
    "input_tokens": 9000,
    "input_tokens_details": {"cached_tokens": 2000},
    "output_tokens": 600,
    "output_tokens_details": {"reasoning_tokens": 400},
    "total_tokens": 9600,
}
SEARCHES: Json = {
    "tools": [{"type": "web_search"}],
    "output": [
        {"type": "web_search_call", "id": "w1", "status": "completed", "action": {"type": "search"}},
        {"type": "web_search_call", "id": "w2", "status": "completed", "action": {"type": "open_page"}},
        {"type": "web_search_call", "id": "w3", "status": "completed", "action": {"type": "search"}},
    ],
}
CONVERSE: Json = {
    "inputTokens": 100,
    "outputTokens": 50,
    "totalTokens": 3150,
    "cacheWriteInputTokens": 3000,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 2000}, {"ttl": "5m", "inputTokens": 1000}],
}
NOVA_READ: Json = {"inputTokens": 600, "outputTokens": 100, "totalTokens": 1100, "cacheReadInputTokens": 400}
HEARD: Json = {
    "promptTokenCount": 1000,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 600},
        {"modality": "AUDIO", "tokenCount": 400},
    ],
    "cachedContentTokenCount": 300,
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 200}, {"modality": "AUDIO", "tokenCount": 100}],
    "candidatesTokenCount": 200,
    "thoughtsTokenCount": 300,
    "totalTokenCount": 1500,
}
LONG_PRO: Json = {
    "promptTokenCount": 250_000,
    "cachedContentTokenCount": 50_000,
    "candidatesTokenCount": 1000,
    "thoughtsTokenCount": 2000,
    "totalTokenCount": 253_000,
}
GROUNDED: Json = {
    "promptTokenCount": 100,
    "toolUsePromptTokenCount": 500,
    "candidatesTokenCount": 100,
    "thoughtsTokenCount": 50,
    "totalTokenCount": 750,
}
QUERIES: Json = {
    "groundingMetadata": {"webSearchQueries": ["price of gold", "", "price of tin", "price of gold"]}
}
DRAWN: Json = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 1290,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    "totalTokenCount": 1300,
}
TINY: Json = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}

WORKED = {
    "anthropic: both TTLs": Worked(lambda: messages_tokens(BOTH_TTLS), OPUS, "0.038125"),
    "anthropic: batch": Worked(
        lambda: messages_tokens({**BOTH_TTLS, "service_tier": "batch"}), OPUS, "0.0190625"
    ),
    "anthropic: in the US": Worked(
        lambda: messages_tokens({**BOTH_TTLS, "inference_geo": "us"}), OPUS, "0.0419375"
    ),
    "anthropic: fast": Worked(lambda: messages_tokens({**BOTH_TTLS, "speed": "fast"}), OPUS, "0.07625"),
    "anthropic: searches": Worked(
        lambda: messages_tokens({**SHORT, "server_tool_use": {"web_search_requests": 3}}), OPUS, "0.0375"
    ),
    "anthropic: long": Worked(
        lambda: messages_tokens({"input_tokens": 250_000, "output_tokens": 1000}), SONNET, "1.5225"
    ),
    "openai chat: audio": Worked(lambda: chat_tokens(SOUND, service_tier="default"), AUDIO, "0.00717"),
    "openai chat: flex": Worked(lambda: chat_tokens(CACHED, service_tier="flex"), GPT41, "0.0011"),
    "openai chat: priority": Worked(lambda: chat_tokens(CACHED, service_tier="priority"), GPT5, "0.0036"),
    "openai chat: cache writes": Worked(lambda: chat_tokens(WRITTEN), SOL, "0.0506"),
    "openai chat: long": Worked(lambda: chat_tokens(LONG), SOL, "1.74"),
    "openai responses: searches": Worked(lambda: responses_tokens(SEARCHED, **SEARCHES), GPT5, "0.035"),
    "openai responses: flex": Worked(
        lambda: responses_tokens(SEARCHED, service_tier="flex", **SEARCHES), GPT5, "0.0275"
    ),
    "openai responses: batch": Worked(
        lambda: responses_tokens(SEARCHED, service_tier="batch"), GPT5, "0.0075"
    ),
    "azure: priority": Worked(lambda: chat_tokens(CACHED, service_tier="priority"), GPT5, "0.0036"),
    "xai: reasoning beside": Worked(lambda: chat_tokens(BESIDE), GROK, "0.000146625"),
    "groq: flex": Worked(
        lambda: chat_tokens({**CACHED, "queue_time": 0.02}, service_tier="flex"), OSS, "0.00018"
    ),
    "bedrock: cacheDetails": Worked(lambda: converse_tokens(CONVERSE), BEDROCK, "0.0168"),
    "bedrock: priority": Worked(
        lambda: converse_tokens(NOVA_READ, serviceTier={"type": "priority"}), NOVA, "0.0008855"
    ),
    "gemini: audio and cache": Worked(lambda: gemini_tokens(HEARD, "gemini-2.5-flash"), FLASH, "0.001686"),
    "gemini: long": Worked(lambda: gemini_tokens(LONG_PRO), PRO, "0.5575"),
    "gemini: priority": Worked(lambda: gemini_tokens({**TINY, "serviceTier": "priority"}), PRO, "0.00405"),
    "vertex: flex": Worked(lambda: gemini_tokens({**TINY, "trafficType": "ON_DEMAND_FLEX"}), PRO, "0.001125"),
    "gemini 3: each query": Worked(
        lambda: gemini_tokens(GROUNDED, "gemini-3-flash-preview", **QUERIES), FLASH3, "0.02875"
    ),
    "gemini 2.5: each answer": Worked(
        lambda: gemini_tokens(GROUNDED, "gemini-2.5-flash", **QUERIES), FLASH, "0.035555"
    ),
    "gemini: pictures": Worked(lambda: gemini_tokens(DRAWN, "gemini-2.5-flash-image"), IMAGE, "0.038703"),
}


@pytest.mark.parametrize("name", WORKED)
def test_usage_costs_what_the_published_rule_says(name: str) -> None:
    """The worked examples of docs/costs.md, to the nano-dollar."""
    worked = WORKED[name]
    assert token_cost(worked.tokens(), worked.price) == nano(worked.dollars)


def test_the_page_shows_the_worked_examples() -> None:
    """docs/costs.md holds each cost that these tests check."""
    page = (Path(__file__).parents[1] / "docs" / "costs.md").read_text()
    assert [name for name, worked in WORKED.items() if f"${worked.dollars}" not in page] == []


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        ("anthropic", "claude-opus-4-8", OPUS),
        ("anthropic", "claude-sonnet-4-5", SONNET),
        ("openai", "gpt-audio", AUDIO),
        ("openai", "gpt-4.1", GPT41),
        ("openai", "gpt-5", GPT5),
        ("azure", "gpt-5", GPT5),
        ("openai", "gpt-5.6-sol", SOL),
        ("xai", "grok-3-mini", GROK),
        ("groq", "openai/gpt-oss-120b", OSS),
        ("bedrock", "us.amazon.nova-2-lite-v1:0", NOVA),
        ("bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", BEDROCK),
        ("google", "gemini-2.5-flash", FLASH),
        ("google", "gemini-2.5-pro", PRO),
        ("google", "gemini-3-flash-preview", FLASH3),
        ("google", "gemini-2.5-flash-image", IMAGE),
    ],
)
def test_the_catalog_has_the_prices_of_the_examples(provider: str, model: str, price: TokenPrice) -> None:
    """What the examples say of a price is what the catalog has on their day, in every service tier."""
    found = published_price(provider, model, DAY)
    assert found is not None
    assert told(found, price) == told(price, price)
    for name, tier in (price.tiers or {}).items():
        assert found.tiers is not None
        assert told(found.tiers[name], tier) == told(tier, tier)


def told(price: TokenPrice, by: TokenPrice) -> Json:
    """The amounts that the other price names."""
    kinds = set(TokenPrice.__struct_fields__) - {"long_context", "source", "as_of", "tiers"}
    said: Json = {name: getattr(price, name) for name in kinds if getattr(by, name) is not None}
    if by.long_context is not None:
        assert price.long_context is not None
        for name in LongContext.__struct_fields__:
            if getattr(by.long_context, name) is not None:
                said[f"long {name}"] = getattr(price.long_context, name)
    return said


def test_a_day_before_the_frozen_table_has_no_tiers_of_it() -> None:
    """Priority prices are listed as of a date and are not claimed for the days before it."""
    before = published_price("openai", "gpt-5", date(2026, 11, 21))
    assert before is not None
    assert before.tiers is not None
    assert sorted(before.tiers) == ["batch", "flex"]


# -- what is not known --------------------------------------------------------------------------------------

NEW = ["future_tokens", "code_runs_requests", "toolCount", "num_sources_used", "num_search_queries"]


@pytest.mark.parametrize("name", NEW)
def test_unknown_usage_that_may_cost_money_has_no_cost(name: str) -> None:
    """A positive number of what nobody priced makes the cost unknown; zero and other members do not."""
    plain = {"prompt_tokens": 9, "completion_tokens": 1}
    cost = token_cost(chat_tokens(plain), GPT41)
    assert token_cost(chat_tokens({**plain, name: 0, "wait_time": 0.5}), GPT41) == cost
    assert token_cost(chat_tokens({**plain, name: 2}), GPT41) is None
    assert token_cost(chat_tokens({**plain, "prompt_tokens_details": {name: 2}}), GPT41) is None
    said = {"input_tokens": 9, "output_tokens": 1}
    assert token_cost(messages_tokens({**said, name: 0}), OPUS) == nano("0.00007")
    assert token_cost(messages_tokens({**said, "server_tool_use": {name: 1}}), OPUS) is None
    assert token_cost(responses_tokens({**said, "output_tokens_details": {name: 1}}), GPT5) is None
    assert token_cost(converse_tokens({**CONVERSE, name: 3}), BEDROCK) is None
    assert token_cost(gemini_tokens({**TINY, name: 3}), PRO) is None


@pytest.mark.parametrize(
    ("member", "value"),
    [("prompt_audio_seconds", 3), ("request_cost", 0.005), ("citation_tokens", 9)],
)
def test_fees_of_compatible_providers_are_not_taken_for_free(member: str, value: float) -> None:
    """Mistral's seconds of sound, Perplexity's fee and citations stand in usage without a price here."""
    assert token_cost(chat_tokens({**CACHED, member: value}), GPT41) is None
    assert token_cost(chat_tokens({**CACHED, member: 0}), GPT41) is not None


def test_other_models_turns_are_not_in_anthropics_sums() -> None:
    """An adviser's turn or a compaction is charged beside the sums: unknown, not free."""
    usage = {"input_tokens": 9, "output_tokens": 1, "iterations": [{"type": "message", "input_tokens": 9}]}
    assert token_cost(messages_tokens(usage), OPUS) == nano("0.00007")
    usage["iterations"] = [{"type": "compaction", "input_tokens": 500}]
    assert token_cost(messages_tokens(usage), OPUS) is None


@pytest.mark.parametrize(
    "item",
    [
        {"type": "file_search_call"},
        {"type": "code_interpreter_call"},
        {"type": "image_generation_call"},
        {"type": "shell_call", "environment": {"type": "container_reference"}},
        {"type": "teleport_call"},
    ],
)
def test_tools_that_openai_charges_and_usage_does_not_count_have_no_cost(item: Json) -> None:
    """Their items stand in the output: the answer's cost is more than its tokens'."""
    assert metering.responses(SEARCHED, {"output": [item]}).apart == Apart(unpriced=True)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "function_call"},
        {"type": "mcp_call"},
        {"type": "shell_call", "environment": {"type": "local"}},
        {"type": "web_search_call", "action": {"type": "find_in_page"}},
        {"type": "message"},
    ],
)
def test_calls_that_cost_their_tokens_alone(item: Json) -> None:
    """The client's own work, another server's, and pages that a search had found."""
    assert metering.responses(SEARCHED, {"output": [item]}).apart is None


def test_tool_usage_is_believed_before_items() -> None:
    """What OpenAI counts itself is what it charges; the tokens of pictures have another model's price."""
    drew = {"image_gen": {"input_tokens": 7, "output_tokens": 9}, "web_search": {"num_requests": 0}}
    searched = {"image_gen": {"input_tokens": 0}, "web_search": {"num_requests": 5}}
    assert metering.responses(SEARCHED, {"tool_usage": drew}).apart == Apart(unpriced=True)
    assert metering.responses(SEARCHED, {**SEARCHES, "tool_usage": searched}).apart == Apart(searches=5)


def test_the_older_search_tool_has_a_price_by_model_and_so_none_here() -> None:
    """`web_search_preview` costs more with some models than the catalog's price of a search."""
    preview = {**SEARCHES, "tools": [{"type": "web_search_preview"}]}
    assert token_cost(responses_tokens(SEARCHED, **preview), GPT5) is None


def test_what_googles_answers_show_beyond_usage_is_not_free() -> None:
    """Google Maps and generated video are charged; what was bought by the hour has no price by the token."""
    maps: Json = {"groundingMetadata": {"groundingChunks": [{"maps": {"uri": "x"}}]}}
    film = {**DRAWN, "candidatesTokensDetails": [{"modality": "VIDEO", "tokenCount": 1290}]}
    assert token_cost(gemini_tokens(TINY, **maps), PRO) is None
    assert token_cost(gemini_tokens(film), IMAGE) is None
    assert token_cost(gemini_tokens({**TINY, "trafficType": "PROVISIONED_THROUGHPUT"}), PRO) is None
    assert token_cost(gemini_tokens({**TINY, "trafficType": 2}), PRO) is None
    assert token_cost(gemini_tokens({**TINY, "trafficType": 1}), PRO) == nano("0.00225")


def test_guardrails_of_bedrock_are_not_free() -> None:
    """Policy units in the trace are charged besides the tokens; filters of words are not."""
    assessed = {"invocationMetrics": {"usage": {"wordPolicyUnits": 1, "contentPolicyUnits": 0}}}
    trace = {"guardrail": {"inputAssessment": {"g": assessed}}}
    assert token_cost(converse_tokens(CONVERSE, trace=trace), BEDROCK) == nano("0.0168")
    assessed["invocationMetrics"]["usage"]["contentPolicyUnits"] = 1
    assert token_cost(converse_tokens(CONVERSE, trace=trace), BEDROCK) is None


def test_a_tiers_word_is_bounded() -> None:
    """It comes from the target, and the journal sets room aside for an end before it is known."""
    tokens = messages_tokens({**SHORT, "service_tier": "x" * 5000, "speed": "y" * 5000})
    assert tokens.apart is not None
    assert len(tokens.apart.tier) == 64
    end = End("r" * 64, 1, 5, "completed", 200, 9, tokens, Bill(None))
    assert len(encode(end)) < END_BYTES / 2


def test_a_tier_without_a_price_has_an_unknown_cost() -> None:
    """Bedrock's flex and optimised latency, Anthropic's committed priority."""
    assert token_cost(converse_tokens(CONVERSE, serviceTier={"type": "default"}), BEDROCK) == nano("0.0168")
    assert token_cost(converse_tokens(CONVERSE, serviceTier={"type": "flex"}), BEDROCK) is None
    assert token_cost(converse_tokens(CONVERSE, performanceConfig={"latency": "optimized"}), BEDROCK) is None
    assert token_cost(messages_tokens({**BOTH_TTLS, "service_tier": "priority"}), OPUS) is None


def test_a_stream_keeps_what_its_first_report_said() -> None:
    """TTLs and unknown counts come at a stream's head and hold to its end."""
    for head, cost in ((BOTH_TTLS, nano("0.038125")), ({**BOTH_TTLS, "new_tokens": 1}, None)):
        relay = anthropic.MessagesRelay(chunked_in=False, chunked_out=False)
        for body in (
            {"type": "message_start", "message": {"usage": head}},
            {"type": "message_delta", "usage": {"output_tokens": 400, "input_tokens": None}},
        ):
            relay.feed(b"event: %b\ndata: %b\n\n" % (str(body["type"]).encode(), msgspec.json.encode(body)))
        tokens = relay.tokens()
        assert tokens is not None
        assert token_cost(tokens, OPUS) == cost


# -- invariants ---------------------------------------------------------------------------------------------

COUNTS = st.integers(0, 10**7)
PRICES = st.integers(0, 10**11)


@st.composite
def used(draw: st.DrawFn) -> Tokens:
    """Counts whose parts are disjoint where they must be."""
    text, cached, audio, again, five, hour = (draw(COUNTS) for _ in range(6))
    said, spoken, drawn = draw(COUNTS), draw(COUNTS), draw(COUNTS)
    apart = Apart(
        cache_write_1h=hour,
        input_audio=audio + again,
        output_audio=spoken,
        cached_audio=again,
        output_image=drawn,
        searches=draw(st.integers(0, 100)),
    )
    whole = text + cached + audio + again + five + hour
    return Tokens(whole, cached + again, five + hour, said + spoken + drawn, 0, apart=apart)


@st.composite
def asked(draw: st.DrawFn) -> TokenPrice:
    """Prices of every kind."""
    names = ("input", "output", "cached_input", "cache_write", "cache_write_1h")
    audio = ("input_audio", "output_audio", "cached_audio", "output_image", "searches")
    return msgspec.convert({name: draw(PRICES) for name in names + audio}, TokenPrice)


@given(used(), asked())
def test_cost_is_the_exact_sum_rounded_once(tokens: Tokens, price: TokenPrice) -> None:
    """Never negative, and Python's own half-even rounding of the exact Fraction."""
    t, p, a = tokens, price, tokens.apart
    assert a is not None
    assert p.cached_input is not None
    assert p.cache_write is not None
    heard, hour = a.input_audio - a.cached_audio, a.cache_write_1h
    exact = Fraction(
        (t.input - t.cached_input - t.cache_write - heard) * p.input
        + (t.cached_input - a.cached_audio) * p.cached_input
        + (t.cache_write - hour) * p.cache_write
        + hour * (p.cache_write_1h or 0)
        + heard * (p.input_audio or 0)
        + a.cached_audio * (p.cached_audio or 0)
        + (t.output - a.output_audio - a.output_image) * p.output
        + a.output_image * (p.output_image or 0)
        + a.output_audio * (p.output_audio or 0)
        + a.searches * (p.searches or 0),
        10**6,
    )
    cost = token_cost(tokens, price)
    assert cost == round(exact)
    assert cost >= 0


WITH = {
    "input": ("input",),
    "cached_input": ("input", "cached_input"),
    "cache_write": ("input", "cache_write"),
    "cache_write_1h": ("input", "cache_write", "cache_write_1h"),
    "input_audio": ("input", "input_audio"),
    "cached_audio": ("input", "cached_input", "input_audio", "cached_audio"),
    "output": ("output",),
    "output_audio": ("output", "output_audio"),
    "output_image": ("output", "output_image"),
    "searches": ("searches",),
}
"""What grows with one more of each kind."""


@given(used(), asked(), st.sampled_from(sorted(WITH)), COUNTS)
def test_more_of_anything_never_costs_less(tokens: Tokens, price: TokenPrice, kind: str, more: int) -> None:
    """Cost is monotone in every count."""
    before, after = token_cost(tokens, price), token_cost(grown(tokens, kind, more), price)
    assert before is not None
    assert after is not None
    assert after >= before


def grown(tokens: Tokens, kind: str, more: int) -> Tokens:
    """With more of a kind, in every count that holds it."""
    assert tokens.apart is not None
    names = WITH[kind]
    apart = {name: getattr(tokens.apart, name) + more for name in names if name in Apart.__struct_fields__}
    plain = {name: getattr(tokens, name) + more for name in names if name in Tokens.__struct_fields__}
    return structs.replace(tokens, **plain, apart=structs.replace(tokens.apart, **apart))


@pytest.mark.parametrize(
    "kind", ["cache_write_1h", "input_audio", "output_audio", "output_image", "searches"]
)
def test_a_missing_price_gives_an_unknown_cost(kind: str) -> None:
    """What may be dearer than input has no stand-in; a tier without a price neither."""
    assert (
        token_cost(
            Tokens(100, 0, 50, 100, apart=structs.replace(Apart(), **{kind: 1})), TokenPrice(1000, 1000)
        )
        is None
    )
    assert token_cost(Tokens(100, apart=Apart(tier="priority")), OPUS) is None
    assert token_cost(Tokens(100, apart=Apart(unpriced=True)), OPUS) is None


@given(used(), st.integers(0, 10**7))
def test_a_long_request_costs_no_less_than_a_short_one(tokens: Tokens, above: int) -> None:
    """Special tokens of a long request are never below its plain ones, nor below a short request's."""
    short = usd(input="2", output="8", cached_input="1", cache_write="3", cache_write_1h="4", searches="10")
    short = structs.replace(short, input_audio=nano(3), output_audio=nano(9), output_image=nano(30))
    long = structs.replace(short, long_context=LongContext(above, nano(4), nano(12), nano(2)))
    before, after = token_cost(tokens, short), token_cost(tokens, long)
    assert before is not None
    assert after is not None
    assert after >= before


# -- two readers, one count ---------------------------------------------------------------------------------

SMALL = st.one_of(st.none(), st.integers(0, 500))


@given(
    st.fixed_dictionaries(
        {"prompt_tokens": st.integers(0, 500), "completion_tokens": SMALL, "total_tokens": SMALL},
        optional={
            "prompt_tokens_details": st.fixed_dictionaries(
                {}, optional={"cached_tokens": SMALL, "audio_tokens": SMALL, "cache_write_tokens": SMALL}
            ),
            "completion_tokens_details": st.fixed_dictionaries(
                {}, optional={"reasoning_tokens": SMALL, "audio_tokens": SMALL, "image_tokens": SMALL}
            ),
            "num_cached_tokens": SMALL,
            "reasoning_tokens": SMALL,
            "queue_time": st.floats(0, 1),
        },
    ),
    st.sampled_from([None, "default", "auto", "flex", "on_demand"]),
)
def test_openais_usage_is_read_alike_quickly_and_thoroughly(usage: Json, tier: str | None) -> None:
    """The gateway's short way for plain usage counts what the thorough one does; parts fit their wholes."""
    tokens = chat_tokens(usage, service_tier=tier)
    apart = tokens.apart or Apart()
    assert tokens.cached_input + tokens.cache_write <= tokens.input
    assert apart.input_audio - apart.cached_audio <= tokens.input - tokens.cached_input - tokens.cache_write
    assert apart.output_audio + apart.output_image <= tokens.output
    assert tokens.reasoning <= tokens.output


@given(
    st.fixed_dictionaries(
        {"input_tokens": SMALL, "output_tokens": SMALL},
        optional={
            "cache_read_input_tokens": SMALL,
            "cache_creation_input_tokens": SMALL,
            "cache_creation": st.fixed_dictionaries(
                {}, optional={"ephemeral_5m_input_tokens": SMALL, "ephemeral_1h_input_tokens": SMALL}
            ),
            "output_tokens_details": st.fixed_dictionaries({}, optional={"thinking_tokens": SMALL}),
            "server_tool_use": st.one_of(
                st.none(), st.fixed_dictionaries({}, optional={"web_search_requests": SMALL})
            ),
            "service_tier": st.sampled_from([None, "standard", "batch", "priority"]),
            "inference_geo": st.sampled_from([None, "global", "us", "not_available"]),
            "speed": st.sampled_from([None, "standard", "fast"]),
        },
    )
)
def test_anthropics_usage_is_read_alike_quickly_and_thoroughly(usage: Json) -> None:
    """As above, for messages."""
    tokens = messages_tokens(usage)
    assert tokens.cached_input + tokens.cache_write <= tokens.input
    assert (tokens.apart or Apart()).cache_write_1h <= tokens.cache_write
