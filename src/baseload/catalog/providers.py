"""Providers by the names people write, and what the two price sources call them."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Provider(Struct, frozen=True):
    """One seller of tokens.

    `name` is what baseload says; `aliases` what people and other tools write; `genai_prices` the id in that
    package and `litellm` the prefixes in the frozen table (each empty where the source does not hold it).
    """

    name: str
    aliases: tuple[str, ...] = ()
    genai_prices: str = ""
    litellm: tuple[str, ...] = ()


def _both(name: str, *aliases: str, litellm: Iterable[str] = ()) -> Provider:
    return Provider(name, aliases, name, tuple(litellm))


_PROVIDERS = (
    _both("anthropic", "claude", litellm=["anthropic"]),
    _both("arcee"),
    _both("avian"),
    _both(
        "aws", "bedrock", "aws-bedrock", "amazon-bedrock", "amazon", litellm=["bedrock", "bedrock_converse"]
    ),
    _both("azure", "azure-openai", "azure_ai", "azure-foundry", litellm=["azure", "azure_ai"]),
    _both("baseten"),
    _both("cerebras", litellm=["cerebras"]),
    _both("cloudflare", "workers-ai"),
    _both("cohere", litellm=["cohere_chat"]),
    _both("databricks"),
    _both("deepseek", litellm=["deepseek"]),
    _both("doubleword"),
    _both("fireworks", "fireworks_ai", litellm=["fireworks_ai"]),
    _both(
        "google",
        "gemini",
        "vertex",
        "vertex_ai",
        "google-vertex",
        litellm=["gemini", "vertex_ai-language-models", "vertex_ai-anthropic_models"],
    ),
    _both("groq", litellm=["groq"]),
    _both("meta"),
    _both("minimax"),
    _both("mistral", "mistralai", litellm=["mistral"]),
    _both("modal"),
    _both("moonshotai", "moonshot", "kimi"),
    _both("novita"),
    _both("openai", litellm=["openai"]),
    _both("openrouter"),
    _both("ovhcloud", "ovh"),
    _both("perplexity"),
    _both("together", "together_ai", "togetherai", litellm=["together_ai"]),
    _both("voyageai", "voyage"),
    _both("x-ai", "xai", "grok", litellm=["xai"]),
    _both("zai", "z-ai"),
    _both("zhipuai", "zhipu"),
    Provider("deepinfra", litellm=("deepinfra",)),
    Provider("nebius", genai_prices="huggingface_nebius", litellm=("nebius",)),
    Provider("sambanova", genai_prices="huggingface_sambanova", litellm=("sambanova",)),
    Provider("hyperbolic", genai_prices="huggingface_hyperbolic"),
    Provider("nscale", genai_prices="huggingface_nscale"),
)

_BY_NAME = {
    alias.replace("_", "-"): provider
    for provider in _PROVIDERS
    for alias in (provider.name, *provider.aliases)
}


def providers() -> tuple[Provider, ...]:
    """Every provider known by name."""
    return _PROVIDERS


def provider(name: str) -> Provider | None:
    """The provider of this name or alias, in any case, `-` and `_` alike; None for one not known."""
    return _BY_NAME.get(name.strip().casefold().replace("_", "-"))


def provider_names() -> tuple[str, ...]:
    """Every name a provider may be written as, sorted: for messages that name the nearest."""
    return tuple(sorted(_BY_NAME))
