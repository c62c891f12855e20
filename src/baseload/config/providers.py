"""Metered providers by the names the price catalog uses, and where their OpenAI-format endpoint is.

A provider that is not here works too: it brings its own `url` and `price`.
"""

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

PRICED: frozenset[str] = frozenset(ENDPOINTS) | {
    "anthropic",
    "avian",
    "aws",
    "azure",
    "baseten",
    "cloudflare",
    "databricks",
    "doubleword",
    "huggingface_cerebras",
    "huggingface_fireworks-ai",
    "huggingface_groq",
    "huggingface_hyperbolic",
    "huggingface_nebius",
    "huggingface_novita",
    "huggingface_nscale",
    "huggingface_ovhcloud",
    "huggingface_publicai",
    "huggingface_sambanova",
    "huggingface_together",
    "meta",
    "minimax",
    "modal",
    "ovhcloud",
    "quicksilverpro",
    "voyageai",
    "zai",
    "zhipuai",
}
"""Providers whose prices the catalog may know; the rest needs a `price` of its own."""
