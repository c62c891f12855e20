"""Every recorded exchange with usage costs exactly usage × price, by arithmetic of this file's own."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from baseload.catalog.published import published_price
from baseload.core import TokenPrice, Tokens
from baseload.money import token_cost
from baseload.wire import anthropic, openai
from baseload.wire.dialects.fold import Fold
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.dialects.speakers import SPEAKERS
from baseload.wire.sse import EventRelay
from tests.test_usage_costs import DAY, tiered, usd
from tests.wire.dialects.recorded import Exchange, dialect_of, payloads, streams

Json = dict[str, Any]

RULE = tiered(
    usd(
        input="5",
        output="25",
        cached_input="0.5",
        cache_write="6.25",
        cache_write_1h="10",
        input_audio="40",
        output_audio="80",
        cached_audio="4",
        output_image="30",
        searches="10",
    ),
    flex="1/2",
)
IN, READ, WRITE, HOUR = Fraction(5), Fraction(1, 2), Fraction(25, 4), Fraction(10)
OUT, HEARD, SPOKEN, HEARD_AGAIN, DRAWN = 25, 40, 80, 4, 30
SEARCH = 10_000
"""What `RULE` says, in dollars per million; a search is a ten-thousandth of a dollar's million."""


class Used(NamedTuple):
    """The raw usage of a recorded exchange, and what else of its answer the price depends on."""

    usage: Json
    answer: Json


# -- the rules, from the raw members ------------------------------------------------------------------------


def part(usage: Json, details: str, name: str) -> int:
    """A member of a member, 0 where either is absent."""
    return int((usage.get(details) or {}).get(name) or 0)


def count(usage: Json, name: str) -> int:
    """A member, 0 where it is absent."""
    return int(usage.get(name) or 0)


def chat_rule(used: Used) -> Fraction | None:
    """OpenAI's; unknown where xAI used sources or OpenAI a tier that `RULE` has no price of."""
    usage, tier = used.usage, used.answer.get("service_tier")
    if usage.get("num_sources_used") or tier == "priority":
        return None
    prompt, output = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    output += max(0, count(usage, "total_tokens") - prompt - output)
    cached = (
        part(usage, "prompt_tokens_details", "cached_tokens")
        or count(usage, "prompt_cache_hit_tokens")
        or count(usage, "num_cached_tokens")
        or count(usage, "cached_tokens")
    )
    written = part(usage, "prompt_tokens_details", "cache_write_tokens")
    heard = part(usage, "prompt_tokens_details", "audio_tokens")  # never cached in these
    spoken = part(usage, "completion_tokens_details", "audio_tokens")
    drawn = part(usage, "completion_tokens_details", "image_tokens")
    text = prompt - cached - written - heard
    tokens = text * IN + cached * READ + written * WRITE + heard * HEARD
    tokens += (output - spoken - drawn) * OUT + spoken * SPOKEN + drawn * DRAWN
    return tokens + part(usage, "server_tool_use_details", "web_search_requests") * SEARCH


_CHARGED_BESIDE = {"file_search_call", "code_interpreter_call", "image_generation_call", "container"}


def responses_rule(used: Used) -> Fraction | None:
    """OpenAI's; unknown where a tool was used whose price usage does not tell, or in the priority tier."""
    usage, answer = used
    items = answer.get("output") or ()
    kinds = {item["type"] for item in items}
    if any((item.get("environment") or {}).get("type") == "container_reference" for item in items):
        kinds.add("container")
    old = any(tool["type"].startswith("web_search_preview") for tool in answer.get("tools") or ())
    if kinds & _CHARGED_BESIDE or answer.get("service_tier") == "priority":
        return None
    if old and "web_search_call" in kinds:
        return None
    searches = len([one for one in items if one["type"] == "web_search_call" and searched(one["action"])])
    cached = part(usage, "input_tokens_details", "cached_tokens")
    written = part(usage, "input_tokens_details", "cache_write_tokens")
    tokens = (count(usage, "input_tokens") - cached - written) * IN + cached * READ + written * WRITE
    tokens += count(usage, "output_tokens") * OUT
    return tokens / (2 if answer.get("service_tier") == "flex" else 1) + searches * SEARCH


def searched(action: Json) -> bool:
    """Whether a call to the search tool searched, and did not read a page that was found."""
    return bool(action["type"] == "search")


def messages_rule(used: Used) -> Fraction | None:
    """Anthropic's; unknown where another model's turn was charged."""
    usage = used.usage
    if any(turn["type"] != "message" for turn in usage.get("iterations") or ()):
        return None
    hour = part(usage, "cache_creation", "ephemeral_1h_input_tokens")
    written = count(usage, "cache_creation_input_tokens")
    tokens = count(usage, "input_tokens") * IN + count(usage, "cache_read_input_tokens") * READ
    tokens += (written - hour) * WRITE + hour * HOUR + count(usage, "output_tokens") * OUT
    return tokens + part(usage, "server_tool_use", "web_search_requests") * SEARCH


def converse_rule(used: Used) -> Fraction | None:
    """Bedrock's; unknown where a guardrail counted units that are charged."""
    usage, answer = used
    units = json.dumps(answer.get("trace") or {}).replace(" ", "")
    if any(f'"{kind}PolicyUnits":{n}' in units for kind in _GUARDS for n in range(1, 10)):
        return None
    hour = sum(int(one["inputTokens"]) for one in usage.get("cacheDetails") or () if one["ttl"] == "1h")
    tokens = count(usage, "inputTokens") * IN + count(usage, "cacheReadInputTokens") * READ
    tokens += (count(usage, "cacheWriteInputTokens") - hour) * WRITE + hour * HOUR
    return tokens + count(usage, "outputTokens") * OUT


_GUARDS = ("content", "topic", "sensitiveInformation", "contextualGrounding")


def gemini_rule(used: Used) -> Fraction | None:
    """Google's; unknown for what was bought by the hour. `answer` holds every event's candidates."""
    usage, answer = used
    if usage.get("trafficType") == "PROVISIONED_THROUGHPUT":
        return None
    heard = modality(usage, "promptTokensDetails", "AUDIO", 4)
    again = modality(usage, "cacheTokensDetails", "AUDIO", 4)
    drawn = modality(usage, "candidatesTokensDetails", "IMAGE", 2)
    whole = count(usage, "promptTokenCount") + count(usage, "toolUsePromptTokenCount")
    cached = count(usage, "cachedContentTokenCount")
    tokens = (whole - heard - cached + again) * IN + (cached - again) * READ
    tokens += (heard - again) * HEARD + again * HEARD_AGAIN + drawn * DRAWN
    tokens += (count(usage, "candidatesTokenCount") - drawn + count(usage, "thoughtsTokenCount")) * OUT
    queries = {
        query
        for candidate in answer["candidates"]
        for query in (candidate.get("groundingMetadata") or {}).get("webSearchQueries") or ()
    }
    old = str(answer.get("modelVersion")).startswith(("gemini-1", "gemini-2"))
    return tokens + (min(len(queries), 1) if old else len(queries)) * SEARCH


def modality(usage: Json, details: str, name: str, number: int) -> int:
    """Tokens of one modality, which enum-encoding=int says by its number."""
    return sum(
        int(one["tokenCount"]) for one in usage.get(details) or () if one["modality"] in (name, number)
    )


RULES = {
    Dialect.CHAT: chat_rule,
    Dialect.RESPONSES: responses_rule,
    Dialect.MESSAGES: messages_rule,
    Dialect.CONVERSE: converse_rule,
    Dialect.GEMINI: gemini_rule,
}


# -- what was recorded --------------------------------------------------------------------------------------


def used(exchange: Exchange, dialect: Dialect) -> Used | None:
    """The usage as it stands in the recording; None where there is none."""
    bodies = [exchange["response"]] if "response" in exchange else list(decoded(exchange))
    return _FIND[dialect]([body for body in bodies if isinstance(body, dict)])


def decoded(exchange: Exchange) -> Iterator[Any]:
    """The JSON of each event."""
    for payload in payloads(exchange):
        if payload.strip() != b"[DONE]":
            yield json.loads(payload)


def find_chat(bodies: list[Json]) -> Used | None:
    """The last event with usage."""
    found = [body for body in bodies if (body.get("usage") or {}).get("prompt_tokens") is not None]
    return Used(found[-1]["usage"], found[-1]) if found else None


def find_responses(bodies: list[Json]) -> Used | None:
    """The whole answer, which a stream's last event holds."""
    found = [answer for body in bodies if (answer := body.get("response", body)).get("usage")]
    return Used(found[-1]["usage"], found[-1]) if found and "output" in found[-1] else None


def find_messages(bodies: list[Json]) -> Used | None:
    """A stream's last report with what only its first one says."""
    usage: Json = {}
    for body in bodies:
        said = body.get("usage") or (body.get("message") or {}).get("usage") or {}
        usage |= {name: value for name, value in said.items() if value is not None}
    return Used(usage, {}) if usage else None


def find_converse(bodies: list[Json]) -> Used | None:
    """The answer, or a stream's metadata."""
    found = [answer for body in bodies if (answer := body.get("metadata", body)).get("usage")]
    return Used(found[-1]["usage"], found[-1]) if found else None


def find_gemini(bodies: list[Json]) -> Used | None:
    """The last event with usage, and all candidates."""
    found = [body for body in bodies if body.get("usageMetadata")]
    if not found:
        return None
    candidates = [one for body in bodies for one in body.get("candidates") or ()]
    return Used(found[-1]["usageMetadata"], {**found[-1], "candidates": candidates})


_FIND = {
    Dialect.CHAT: find_chat,
    Dialect.RESPONSES: find_responses,
    Dialect.MESSAGES: find_messages,
    Dialect.CONVERSE: find_converse,
    Dialect.GEMINI: find_gemini,
}


# -- what the project counts --------------------------------------------------------------------------------


def counts(exchange: Exchange, dialect: Dialect) -> list[Tokens | None]:
    """By translation, and by the way of an answer that is only passed on."""
    speaker = SPEAKERS[dialect]
    found: list[Tokens | None] = []
    if streams(exchange):
        fold, reader = Fold(), speaker.reader()
        for payload in payloads(exchange):
            fold.take(reader.read(payload))
        reply = fold.reply
    else:
        reply = speaker.read_reply(copy.deepcopy(exchange["response"]))
    found.append(None if reply.report is None else reply.report.tokens)
    if dialect in _PASSED:
        found.append(passed(exchange, dialect))
    return found


_PASSED = (Dialect.CHAT, Dialect.MESSAGES)


def passed(exchange: Exchange, dialect: Dialect) -> Tokens | None:
    """As the gateway reads it on its way through."""
    if streams(exchange):
        kind = EventRelay if dialect is Dialect.CHAT else anthropic.MessagesRelay
        relay = kind(chunked_in=False, chunked_out=False, drop_usage=False)
        for payload in payloads(exchange):
            relay.feed(b"data: %b\n\n" % payload)
        return relay.tokens()
    body = msgspec.json.encode(exchange["response"])
    read = openai.read_answer if dialect is Dialect.CHAT else anthropic.read_answer
    answer = read(body)
    return None if answer is None else answer.tokens


def cost(rule: Fraction | None) -> int | None:
    """Millionths of a dollar as nano-dollars, rounded half-even as Python's own `round` does it."""
    return None if rule is None else round(rule * 1000)


def recordings(shared: Path) -> Iterator[Exchange]:
    """Every recorded exchange that was answered; two answers in one recorded body are no stream."""
    for file in sorted((shared / "fixtures" / "exchanges").glob("*.jsonl")):
        for line in file.read_text().splitlines():
            exchange = json.loads(line)
            if exchange["status"] == 200 and line.count("event: message_start") < 2:
                yield exchange


LEAST = {
    Dialect.CHAT: 90,
    Dialect.RESPONSES: 60,
    Dialect.MESSAGES: 70,
    Dialect.CONVERSE: 30,
    Dialect.GEMINI: 40,
}
"""Exchanges with usage that each dialect must show, so that none is left out by mistake."""


@pytest.mark.parametrize("dialect", RULES)
def test_recorded_usage_costs_usage_times_price(shared: Path, dialect: Dialect) -> None:
    """Whole answers and streams, however they are read; unknown exactly where the rule says so."""
    costs: Counter[bool] = Counter()
    for exchange in recordings(shared):
        if dialect_of(exchange) is not dialect:
            continue
        found = used(exchange, dialect)
        if found is None:
            continue
        expected = cost(RULES[dialect](found))
        costs[expected is None] += 1
        for tokens in counts(exchange, dialect):
            assert tokens is not None, exchange["id"]
            assert token_cost(tokens, RULE) == expected, exchange["id"]
    assert costs.total() >= LEAST[dialect]
    assert costs[False] > costs[True]


def test_recorded_completions_and_embeddings_cost_usage_times_price(shared: Path) -> None:
    """They are passed on with OpenAI's usage; embeddings have no output."""
    seen = 0
    for exchange in recordings(shared):
        if exchange["provider"] not in ("openai_completions", "openai_embeddings") or streams(exchange):
            continue
        body = exchange["response"]
        if not body.get("usage"):
            continue
        answer = openai.read_answer(msgspec.json.encode(body))
        assert answer is not None
        assert answer.tokens is not None
        assert token_cost(answer.tokens, RULE) == cost(chat_rule(Used(body["usage"], body)))
        seen += 1
    assert seen >= 10


def test_xai_charged_what_we_book(shared: Path) -> None:
    """xAI's answers say their own cost (in 1e-10 dollars): it is ours at the catalog's price."""
    checked = 0
    for exchange in recordings(shared):
        if dialect_of(exchange) is not Dialect.CHAT:
            continue
        found = used(exchange, Dialect.CHAT)
        ticks = None if found is None else found.usage.get("cost_in_usd_ticks")
        if found is None or ticks is None:
            continue
        price = published_price("xai", found.answer["model"], DAY)
        assert isinstance(price, TokenPrice)
        for tokens in counts(exchange, Dialect.CHAT):
            assert tokens is not None
            assert token_cost(tokens, price) == round(Fraction(ticks, 10))
            checked += 1
    assert checked >= 2
