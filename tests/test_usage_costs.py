"""Costs from usage as providers write it: worked examples, recorded exchanges, unknowns, invariants."""

from __future__ import annotations

import copy
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.catalog.published import published_price, with_tiers
from baseload.core import LongContext, TokenPrice, Tokens
from baseload.money import nano, token_cost
from baseload.wire import anthropic, openai
from baseload.wire.dialects import chat_reply, converse_reply, messages_reply
from baseload.wire.dialects.nouns import Dialect
from tests.wire.dialects.recorded import exchanges

Json = dict[str, Any]


def usd(**per_million: str) -> TokenPrice:
    """A price in dollars per million; searches per thousand."""
    searches = per_million.pop("searches", None)
    price = {name: nano(amount) for name, amount in per_million.items()}
    if searches is not None:
        price["searches"] = nano(searches) * 1000
    return msgspec.convert(price, TokenPrice)


OPUS = with_tiers(
    usd(input="5", output="25", cached_input="0.5", cache_write="6.25", cache_write_1h="10", searches="10"),
    "anthropic",
)
"""Claude Opus 4.8: platform.claude.com/docs/en/about-claude/pricing, read 2026-11-24."""

SONNET = TokenPrice(nano(3), nano(15), nano("0.3"), nano("3.75"), LongContext(200_000, nano(6), nano("22.5")))
"""Claude Sonnet 4.5 with its long-context price: genai-prices."""

AUDIO = usd(input="2.5", output="10", input_audio="32", output_audio="64")
"""gpt-audio: genai-prices."""

GPT = with_tiers(usd(input="2", output="8", cached_input="0.5"), "openai")
"""gpt-4.1: genai-prices; flex at half: developers.openai.com/api/docs/guides/flex-processing.md."""

GROK = usd(input="3", output="15")
BEDROCK = usd(input="3", output="15", cached_input="0.3", cache_write="3.75", cache_write_1h="6")
"""Claude Sonnet 4.5, global, on Bedrock: genai-prices."""

BOTH_TTLS: Json = {
    "input_tokens": 1000,
    "cache_creation_input_tokens": 2000,
    "cache_read_input_tokens": 10_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1500},
    "output_tokens": 400,
    "service_tier": "standard",
}

MESSAGES: list[tuple[Json, TokenPrice, str]] = [
    (BOTH_TTLS, OPUS, "0.038125"),
    ({**BOTH_TTLS, "service_tier": "batch"}, OPUS, "0.0190625"),
    ({**BOTH_TTLS, "inference_geo": "us"}, OPUS, "0.0419375"),
    (
        {"input_tokens": 1000, "output_tokens": 100, "server_tool_use": {"web_search_requests": 3}},
        OPUS,
        "0.0375",
    ),
    ({"input_tokens": 250_000, "output_tokens": 1000}, SONNET, "1.5225"),
]
CHAT: list[tuple[Json, str | None, TokenPrice, str]] = [
    (
        {
            "prompt_tokens": 150,
            "completion_tokens": 100,
            "total_tokens": 250,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 50},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 80},
        },
        "default",
        AUDIO,
        "0.00717",
    ),
    (
        {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}},
        "flex",
        GPT,
        "0.0011",
    ),
    (
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 100,
            "completion_tokens_details": {"reasoning_tokens": 85},
            "num_sources_used": 0,
        },
        None,
        GROK,
        "0.00138",
    ),
]
CONVERSE: Json = {
    "inputTokens": 100,
    "outputTokens": 50,
    "totalTokens": 3150,
    "cacheWriteInputTokens": 3000,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 2000}, {"ttl": "5m", "inputTokens": 1000}],
}


def chat_tokens(usage: Json, tier: str | None = None) -> Tokens:
    """As the gateway reads it where it only passes it on; translation must read the same."""
    told = openai.read_answer(msgspec.json.encode({"usage": usage, "service_tier": tier}))
    assert told is not None
    assert told.tokens is not None
    report = chat_reply.read_report(usage, tier)
    assert report is not None
    assert report.tokens == told.tokens
    return told.tokens


def messages_tokens(usage: Json) -> Tokens:
    """As `chat_tokens`."""
    told = anthropic.read_answer(msgspec.json.encode({"type": "message", "usage": usage}))
    assert told is not None
    assert told.tokens is not None
    report = messages_reply.read_report(copy.deepcopy(usage))
    assert report is not None
    assert report.tokens == told.tokens
    return told.tokens


def converse_tokens(usage: Json, tier: str | None = None) -> Tokens:
    """Converse is always translated."""
    report = converse_reply.read_report(usage, None if tier is None else {"type": tier})
    assert report is not None
    return report.tokens


@pytest.mark.parametrize(("usage", "price", "dollars"), MESSAGES)
def test_anthropic_by_its_published_rule(usage: Json, price: TokenPrice, dollars: str) -> None:
    """The worked examples of docs/costs.md for messages, to the nano-dollar."""
    assert token_cost(messages_tokens(usage), price) == nano(dollars)


@pytest.mark.parametrize(("usage", "tier", "price", "dollars"), CHAT)
def test_openai_and_compatible_by_their_rules(
    usage: Json, tier: str | None, price: TokenPrice, dollars: str
) -> None:
    """The worked examples of docs/costs.md for chat completions, to the nano-dollar."""
    assert token_cost(chat_tokens(usage, tier), price) == nano(dollars)


def test_bedrock_by_its_published_rule() -> None:
    """Writes are split by TTL; a tier without a price of its own has an unknown cost."""
    assert token_cost(converse_tokens(CONVERSE), BEDROCK) == nano("0.0168")
    assert token_cost(converse_tokens(CONVERSE, "default"), BEDROCK) == nano("0.0168")
    assert token_cost(converse_tokens(CONVERSE, "flex"), BEDROCK) is None


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        ("anthropic", "claude-opus-4-8", OPUS),
        ("anthropic", "claude-sonnet-4-5", SONNET),
        ("openai", "gpt-audio", AUDIO),
        ("openai", "gpt-4.1", GPT),
    ],
)
def test_the_catalog_has_the_prices_of_the_examples(provider: str, model: str, price: TokenPrice) -> None:
    """What the examples say of a price is what the catalog has on their day."""
    found = published_price(provider, model, date(2026, 11, 24))
    assert found is not None
    names = (
        "input",
        "output",
        "cached_input",
        "cache_write",
        "cache_write_1h",
        "input_audio",
        "output_audio",
    )
    said = {name: amount for name in names if (amount := getattr(price, name)) is not None}
    assert {name: getattr(found, name) for name in said} == said
    if price.long_context is not None:
        assert found.long_context is not None
        assert (found.long_context.input, found.long_context.output) == (nano(6), nano("22.5"))
    if price.tiers is not None:
        assert found.tiers is not None
        for name, tier in price.tiers.items():
            assert (found.tiers[name].input, found.tiers[name].output) == (tier.input, tier.output)


def test_the_page_shows_the_worked_examples() -> None:
    """docs/costs.md holds each cost that these tests check."""
    page = (Path(__file__).parents[1] / "docs" / "costs.md").read_text()
    shown = [*(case[-1] for case in MESSAGES), *(case[-1] for case in CHAT), "0.0168"]
    assert [dollars for dollars in shown if f"${dollars}" not in page] == []


@pytest.mark.parametrize("name", ["future_tokens", "code_runs_requests", "toolCount", "num_sources_used"])
def test_unknown_usage_that_may_cost_money_has_no_cost(name: str) -> None:
    """A positive number of what nobody priced makes the cost unknown; zero and other members do not."""
    plain = {"prompt_tokens": 9, "completion_tokens": 1}
    cost = token_cost(chat_tokens(plain), GPT)
    assert token_cost(chat_tokens({**plain, name: 0, "queue_time": 0.5}), GPT) == cost
    assert token_cost(chat_tokens({**plain, name: 2}), GPT) is None
    assert token_cost(chat_tokens({**plain, "prompt_tokens_details": {name: 2}}), GPT) is None
    said = {"input_tokens": 9, "output_tokens": 1}
    assert token_cost(messages_tokens({**said, name: 0}), OPUS) == nano("0.00007")
    assert token_cost(messages_tokens({**said, "server_tool_use": {name: 1}}), OPUS) is None
    assert token_cost(converse_tokens({**CONVERSE, name: 3}), BEDROCK) is None


def test_other_models_turns_are_not_in_anthropics_sums() -> None:
    """An adviser's turn or a compaction is charged beside the sums: unknown, not free."""
    usage = {"input_tokens": 9, "output_tokens": 1, "iterations": [{"type": "message", "input_tokens": 9}]}
    assert token_cost(messages_tokens(usage), OPUS) == nano("0.00007")
    usage["iterations"] = [{"type": "compaction", "input_tokens": 500}]
    assert token_cost(messages_tokens(usage), OPUS) is None


def test_a_stream_keeps_what_its_first_report_said() -> None:
    """TTLs and unknown counts come at a stream's head and hold to its end."""
    relay = anthropic.MessagesRelay(chunked_in=False, chunked_out=False)
    for usage, kind in ((BOTH_TTLS, "message_start"), ({"output_tokens": 400}, "message_delta")):
        body = (
            {"type": kind, "message": {"usage": usage}}
            if kind == "message_start"
            else {"type": kind, "usage": usage}
        )
        relay.feed(b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(body)))
    tokens = relay.tokens()
    assert tokens is not None
    assert token_cost(tokens, OPUS) == nano("0.038125")


# -- recorded exchanges -------------------------------------------------------------------------------------

P: dict[str, Fraction] = {
    "in": Fraction(5),
    "read": Fraction(1, 2),
    "w5": Fraction(25, 4),
    "w1": Fraction(10),
}
RULE = usd(
    input="5",
    output="25",
    cached_input="0.5",
    cache_write="6.25",
    cache_write_1h="10",
    searches="10",
    input_audio="40",
    output_audio="80",
)


def nanos(million_dollars: Fraction) -> int:
    """Millionths of a dollar as nano-dollars, rounded half-even as Python's own `round` does it."""
    return round(million_dollars * 1000)


def messages_rule(usage: Json) -> Fraction:
    """Anthropic's rule, from the raw members."""
    number = {name: value or 0 for name, value in usage.items() if not isinstance(value, dict | list | str)}
    hour = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens", 0)
    searches = (usage.get("server_tool_use") or {}).get("web_search_requests", 0)
    return Fraction(
        number.get("input_tokens", 0) * P["in"]
        + number.get("cache_read_input_tokens", 0) * P["read"]
        + (number.get("cache_creation_input_tokens", 0) - hour) * P["w5"]
        + hour * P["w1"]
        + number.get("output_tokens", 0) * 25
        + searches * 10_000
    )


def chat_rule(usage: Json) -> Fraction:
    """OpenAI's rule, from the raw members; audio is never cached in these."""
    into, out = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    cached = (
        into.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("num_cached_tokens")
    )
    cached = cached or usage.get("cached_tokens") or 0
    written, heard = into.get("cache_write_tokens") or 0, into.get("audio_tokens") or 0
    spoken, output = out.get("audio_tokens") or 0, usage.get("completion_tokens") or 0
    thought = out.get("reasoning_tokens") or 0
    if thought and usage.get("total_tokens") == usage["prompt_tokens"] + output + thought:
        output += thought
    text = usage["prompt_tokens"] - cached - written - heard
    plain = text * P["in"] + cached * P["read"] + written * P["w5"] + heard * 40
    return Fraction(plain + (output - spoken) * 25 + spoken * 80)


def converse_rule(usage: Json) -> Fraction:
    """Bedrock's rule, from the raw members."""
    hour = sum(one["inputTokens"] for one in usage.get("cacheDetails") or [] if one["ttl"] == "1h")
    return Fraction(
        usage["inputTokens"] * P["in"]
        + usage.get("cacheReadInputTokens", 0) * P["read"]
        + (usage.get("cacheWriteInputTokens", 0) - hour) * P["w5"]
        + hour * P["w1"]
        + usage["outputTokens"] * Fraction(25)
    )


def recorded(shared: Path, dialect: Dialect) -> list[Json]:
    """The whole answers with usage."""
    found = [
        one["response"] for one in exchanges(shared, dialect) if one["status"] == 200 and "response" in one
    ]
    return [answer for answer in found if isinstance(answer.get("usage"), dict)]


def test_recorded_messages_cost_what_the_rule_says(shared: Path) -> None:
    """Usage × price for every recorded answer; None exactly where another model's turn was charged."""
    answers = recorded(shared, Dialect.MESSAGES)
    assert len(answers) > 50
    for answer in answers:
        usage = answer["usage"]
        others = any(turn["type"] != "message" for turn in usage.get("iterations") or [])
        expected = None if others else nanos(messages_rule(usage))
        assert token_cost(messages_tokens(usage), RULE) == expected, answer.get("id")


def test_recorded_chat_costs_what_the_rule_says(shared: Path) -> None:
    """As above; None exactly where a source was charged that has no published price, or the priority tier."""
    answers = [one for one in recorded(shared, Dialect.CHAT) if "prompt_tokens" in one["usage"]]
    assert len(answers) > 50
    for answer in answers:
        usage, tier = answer["usage"], answer.get("service_tier")
        unknown = tier == "priority" or usage.get("num_sources_used")
        expected = None if unknown else nanos(chat_rule(usage))
        assert token_cost(chat_tokens(usage, tier), RULE) == expected, answer.get("id")


def test_recorded_converse_costs_what_the_rule_says(shared: Path) -> None:
    """As above."""
    answers = recorded(shared, Dialect.CONVERSE)
    assert len(answers) > 10
    for answer in answers:
        assert token_cost(converse_tokens(answer["usage"]), RULE) == nanos(converse_rule(answer["usage"]))


# -- invariants ---------------------------------------------------------------------------------------------

COUNTS = st.integers(0, 10**7)
PRICES = st.integers(0, 10**11)


@st.composite
def used(draw: st.DrawFn) -> Tokens:
    """Counts whose parts are disjoint where they must be."""
    text, cached, audio, again, five, hour = (draw(COUNTS) for _ in range(6))
    said, spoken = draw(COUNTS), draw(COUNTS)
    return Tokens(
        text + cached + audio + again + five + hour,
        cached + again,
        five + hour,
        said + spoken,
        0,
        cache_write_1h=hour,
        input_audio=audio + again,
        output_audio=spoken,
        cached_audio=again,
        searches=draw(st.integers(0, 100)),
    )


@st.composite
def asked(draw: st.DrawFn) -> TokenPrice:
    """Prices of every kind."""
    names = ("input", "output", "cached_input", "cache_write", "cache_write_1h")
    audio = ("input_audio", "output_audio", "cached_audio", "searches")
    return msgspec.convert({name: draw(PRICES) for name in names + audio}, TokenPrice)


@given(used(), asked())
def test_cost_is_the_exact_sum_rounded_once(tokens: Tokens, price: TokenPrice) -> None:
    """Never negative, and Python's own half-even rounding of the exact Fraction."""
    t, p = tokens, price
    assert p.cached_input is not None
    assert p.cache_write is not None
    heard, hour = t.input_audio - t.cached_audio, t.cache_write_1h
    exact = Fraction(
        (t.input - t.cached_input - t.cache_write - heard) * p.input
        + (t.cached_input - t.cached_audio) * p.cached_input
        + (t.cache_write - hour) * p.cache_write
        + hour * (p.cache_write_1h or 0)
        + heard * (p.input_audio or 0)
        + t.cached_audio * (p.cached_audio or 0)
        + (t.output - t.output_audio) * p.output
        + t.output_audio * (p.output_audio or 0)
        + t.searches * (p.searches or 0),
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
    "searches": ("searches",),
}
"""What grows with one more of each kind."""


@given(used(), asked(), st.sampled_from(sorted(WITH)), COUNTS)
def test_more_of_anything_never_costs_less(tokens: Tokens, price: TokenPrice, kind: str, more: int) -> None:
    """Cost is monotone in every count."""
    grown = {name: getattr(tokens, name) + more for name in WITH[kind]}
    before, after = token_cost(tokens, price), token_cost(msgspec.structs.replace(tokens, **grown), price)
    assert before is not None
    assert after is not None
    assert after >= before


@pytest.mark.parametrize("kind", ["cache_write_1h", "input_audio", "output_audio", "searches"])
def test_a_missing_price_gives_an_unknown_cost(kind: str) -> None:
    """What may be dearer than input has no stand-in; a tier without a price neither."""
    tokens = msgspec.structs.replace(Tokens(100, 0, 50, 100), **{kind: 1})
    assert token_cost(tokens, TokenPrice(1000, 1000)) is None
    assert token_cost(Tokens(100, tier="priority"), OPUS) is None
    assert token_cost(Tokens(100, unpriced=True), OPUS) is None
