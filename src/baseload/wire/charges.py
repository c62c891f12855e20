"""What providers count in usage, by name: what we price, and what nobody told us the price of.

A positive number in a member that we do not know, and whose name says that it counts something charged,
leaves a cost unknown: it is never taken for free. So does what we know to cost money and cannot price.
docs/costs.md says what each known member costs.
"""

from __future__ import annotations

import re

MOST = 2**31 - 1
"""The greatest count that is believed; the ledger's columns hold it."""


def is_count(value: object) -> bool:
    """Whether it is a number of tokens or the like."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


_CHARGED = re.compile(
    r"(?:tokens|requests|counts?|calls|queries|searches|sources|used|units|audio_?seconds)$", re.IGNORECASE
)

OPENAI = frozenset(
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
        "reasoning_tokens",
        "accepted_prediction_tokens",
        "rejected_prediction_tokens",
        "web_search_requests",
        "tool_calls_requested",  # OpenRouter: of the searches, which are counted beside it
        "tool_calls_executed",
    }
)
"""OpenAI's chat completions, completions, embeddings and responses, and what compatible servers add."""

_INTO = OPENAI | {"video_tokens"}
_INPUT_DETAILS = frozenset({"prompt_tokens_details", "input_tokens_details"})
"""Video is known where it is input: it costs what text does."""

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
        "cacheReadInputTokenCount",  # older names of the same tokens
        "cacheWriteInputTokenCount",
        "reasoningTokens",  # ours: see `converse_reply.write_report`
    }
)
"""Amazon Bedrock's Converse."""

GEMINI = frozenset(
    {
        "promptTokenCount",
        "cachedContentTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "toolUsePromptTokenCount",
        "totalTokenCount",
        "tokenCount",
        "cacheWriteTokenCount",  # ours: see `gemini_reply.write_report`
    }
)
"""Google's `usageMetadata`."""

GUARDRAILS = frozenset({"wordPolicyUnits", "sensitiveInformationPolicyFreeUnits"})
"""Units of Bedrock's guardrails that are free."""

_DEAR = frozenset({"request_cost"})
"""Perplexity's fee for a request as such, which depends on how it searched."""


def unpriced(usage: object, known: frozenset[str]) -> bool:
    """Whether usage has a positive number that may cost money and is in no member known of its format."""
    if isinstance(usage, list):
        return any(unpriced(each, known) for each in usage)
    if not isinstance(usage, dict):
        return False
    for name, value in usage.items():
        if isinstance(value, dict | list):
            if unpriced(value, _INTO if name in _INPUT_DETAILS else known):
                return True
        elif isinstance(value, int | float) and value > 0 and _may_cost(name, known):
            return True
    return False


def _may_cost(name: str, known: frozenset[str]) -> bool:
    return name not in known and (name in _DEAR or _CHARGED.search(name) is not None)


def usable(usage: object) -> bool:
    """Whether OpenAI's or Anthropic's usage can be read: every known member that it tells is a count."""
    return not isinstance(usage, dict) or all(_makes_sense(name, value) for name, value in usage.items())


_COUNTS = OPENAI | MESSAGES


def _makes_sense(name: str, value: object) -> bool:
    if isinstance(value, dict):
        return usable(value)
    if name.endswith("_details"):
        return value is None
    return name not in _COUNTS or is_count(value) or (value is None and name != "prompt_tokens")
