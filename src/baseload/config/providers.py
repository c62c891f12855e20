"""Where a metered provider's endpoint is and what it speaks, by the name the price catalog uses."""

from __future__ import annotations

from urllib.parse import urlsplit

from baseload.core import Format

FORMATS: dict[str, Format] = {"anthropic": Format.ANTHROPIC}
"""What a provider's targets speak where they do not write a `format`; all others OpenAI's."""

NATIVE_ENDPOINTS: dict[tuple[str, Format], str] = {
    ("google", Format.GEMINI): "https://generativelanguage.googleapis.com/v1beta",
}
"""Base URL where a target writes this `format` and no `url`."""

ENDPOINTS: dict[str, str] = {
    "anthropic": "https://api.anthropic.com/v1",
    "arcee": "https://api.arcee.ai/api/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "fireworks": "https://api.fireworks.ai/inference/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "moonshotai": "https://api.moonshot.ai/v1",
    "novita": "https://api.novita.ai/openai/v1",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "perplexity": "https://api.perplexity.ai",
    "together": "https://api.together.xyz/v1",
    "x-ai": "https://api.x.ai/v1",
}
"""Base URL used where a target of this provider writes no `url`, as public documents have it (November 2026).

A test compares the hosts with genai-prices'. Left out are those whose endpoint is not fixed (azure, aws,
databricks) or refuses `stream_options` (cohere).
"""

RESPONSES: dict[str, tuple[str, ...]] = {
    "azure": ("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
    "fireworks": ("api.fireworks.ai",),
    "openai": ("api.openai.com",),
    "x-ai": ("api.x.ai",),
}
"""Providers whose every model is served as responses too, by their own hosts (those below them included).

Left out are those that call it a beta or keep it to some models (groq, openrouter, aws, databricks): a target
there says `responses: true`. Azure's is below `/openai/v1` alone, not at the older URL of a deployment.
"""


def serves_responses(provider: str, url: str) -> bool:
    """Whether a target of this provider at this base URL serves responses, as its public documents say."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    own = any(host == known or host.endswith("." + known) for known in RESPONSES.get(provider, ()))
    return own and (provider != "azure" or parts.path.rstrip("/") == "/openai/v1")


def endpoint(provider: str, format_: Format | None) -> str:
    """Base URL of a provider's target that writes this `format`, or none; empty where it is not fixed."""
    native = NATIVE_ENDPOINTS.get((provider, format_)) if format_ is not None else None
    return native or ENDPOINTS.get(provider, "")
