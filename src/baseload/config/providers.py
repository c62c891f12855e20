"""Where the OpenAI-format endpoint of a metered provider is, by the name the price catalog uses."""

from __future__ import annotations

ENDPOINTS: dict[str, str] = {
    "arcee": "https://api.arcee.ai/api/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "fireworks": "https://api.fireworks.ai/inference/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "moonshotai": "https://api.moonshot.ai/v1",
    "novita": "https://api.novita.ai/v3/openai",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "perplexity": "https://api.perplexity.ai",
    "together": "https://api.together.xyz/v1",
    "x-ai": "https://api.x.ai/v1",
}
"""Base URL used where a target of this provider writes no `url`. From each provider's own documentation of
its OpenAI-compatible API, as known in November 2026; a base URL is checked by the first request to it."""
