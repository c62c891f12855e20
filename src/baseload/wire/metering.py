"""What providers count in `usage`, by name: what we price, and what nobody told us the price of.

A positive number in a member that we do not know and whose name says that it counts something charged
(`…tokens`, `…requests`, `…count`) leaves a cost unknown: it is never taken for free. So does a member that
we know to cost money and cannot price. docs/costs.md says what each known member costs.
"""

from __future__ import annotations

import re

_CHARGED = re.compile(r"(?:tokens|requests|count)$", re.IGNORECASE)

STANDARD = frozenset({"", "default", "standard", "auto", "on_demand"})
"""What providers call the service tier that their plain prices are for."""

CHAT = frozenset(
    {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "num_cached_tokens",
        "prompt_cache_hit_tokens",
        "prompt_cache_miss_tokens",
        "cache_write_tokens",
        "audio_tokens",
        "text_tokens",
        "image_tokens",
        "video_tokens",
        "reasoning_tokens",
        "accepted_prediction_tokens",
        "rejected_prediction_tokens",
    }
)
"""OpenAI's chat completions, completions and embeddings, and what compatible servers add."""

MESSAGES = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "ephemeral_5m_input_tokens",
        "ephemeral_1h_input_tokens",
        "thinking_tokens",
        "web_search_requests",
        "web_fetch_requests",  # free: only the tokens fetched are charged
    }
)
"""Anthropic's messages."""

CONVERSE = frozenset(
    {
        "inputTokens",
        "outputTokens",
        "totalTokens",
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
        "cacheReadInputTokenCount",
        "cacheWriteInputTokenCount",
        "reasoningTokens",
    }
)
"""Amazon Bedrock's Converse; the counts are the older names of the same tokens."""

_DEAR = frozenset({"num_sources_used", "num_search_queries"})
"""Charged each by xAI and Perplexity, at prices that differ by plan."""


def unpriced(usage: object, known: frozenset[str]) -> bool:
    """Whether usage has a positive number that may cost money and that this form's members do not explain."""
    if isinstance(usage, list):
        return any(unpriced(each, known) for each in usage)
    if not isinstance(usage, dict):
        return False
    for name, value in usage.items():
        if isinstance(value, dict | list):
            if unpriced(value, known):
                return True
        elif isinstance(value, int | float) and value > 0 and _may_cost(name, known):
            return True
    return False


def _may_cost(name: str, known: frozenset[str]) -> bool:
    return name not in known and (name in _DEAR or _CHARGED.search(name) is not None)


def tier_of(said: object) -> str:
    """The service tier that is priced apart; "" for the standard one."""
    return said if isinstance(said, str) and said not in STANDARD else ""


def messages_tier(service_tier: object, place: object, speed: object) -> str:
    """Anthropic's service tier, with what else changes every token's price: "batch", "us", "batch+us"."""
    words = (service_tier, place, speed)
    return "+".join(word for word in words if isinstance(word, str) and word not in _PLAIN)


_PLAIN = STANDARD | {"global", "not_available"}


def beyond_the_sums(turns: object) -> bool:
    """Whether `iterations` has other models' turns or compactions, which Anthropic's sums leave out."""
    if not isinstance(turns, list):
        return False
    return any(isinstance(turn, dict) and turn.get("type") not in (None, "message") for turn in turns)


def overlap(part: int, other: int, written: int, whole: int) -> int:
    """The fewest audio tokens that must have been cached, where a provider does not say which were."""
    return min(part, max(0, part + other + written - whole))
