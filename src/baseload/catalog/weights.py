"""Counts a model's weights from its configuration, as its published architecture adds them up.

The count of a configuration that was copied wrongly does not meet the maker's own figure: it checks layers,
widths and experts at once. Vision encoders and multi-token prediction modules are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Count(NamedTuple):
    """All weights, and those one token's forward pass multiplies: no input embedding, no idle experts."""

    total: int
    active: int


def count_parameters(architecture: str, config: Mapping[str, int]) -> Count:
    """The weights of a model with this configuration; a missing key counts as 0.

    Raises ValueError for an architecture that is not one of those below.
    """
    c = _Config(config)
    attention = (c["layers"] - c["linear_layers"]) * _attention(architecture, c)
    if c["linear_layers"]:
        attention += c["linear_layers"] * _linear_attention(c)
    norms = 2 * c["hidden_size"]
    dense_layers = c["dense_layers"] if c["experts"] else c["layers"]
    dense = 3 * c["hidden_size"] * c["intermediate_size"]
    expert, router = _expert(architecture, c)
    moe_layers = c["layers"] - dense_layers
    shared = moe_layers * (router + c["shared_experts"] * expert)
    body = attention + c["layers"] * norms + dense_layers * dense + shared + c["hidden_size"]
    embedding = c["vocabulary"] * c["hidden_size"]
    total = body + 2 * embedding + moe_layers * c["experts"] * expert
    active = body + embedding + moe_layers * c["active_experts"] * expert
    return Count(total, active)


class _Config:
    def __init__(self, figures: Mapping[str, int]) -> None:
        self._figures = figures

    def __getitem__(self, key: str) -> int:
        return self._figures.get(key, 0)


def _attention(architecture: str, c: _Config) -> int:
    if architecture == "deepseek_v3":
        return _latent_attention(c)
    if architecture in ("deepseek_v32", "glm_moe_dsa"):
        return _latent_attention(c) + _indexer(c)
    hidden, queries, keys = c["hidden_size"], c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]
    weights = hidden * (queries + 2 * keys) + queries * hidden
    match architecture:
        case "llama" | "mixtral" | "llama4":
            return weights
        case "qwen2":  # biases on queries, keys and values
            return weights + queries + 2 * keys
        case "qwen3" | "qwen3_moe":  # norms on the heads of queries and keys
            return weights + 2 * c["head_dim"]
        case "minimax_m2":  # norms over all queries and all keys
            return weights + queries + keys
        case "qwen3_5":  # queries bring a gate of their own size
            return weights + hidden * queries + 2 * c["head_dim"]
        case "gpt_oss":  # biases on all four, and a learned sink per head
            return weights + queries + 2 * keys + hidden + c["heads"]
    raise ValueError(f"unknown architecture {architecture!r}")


def _latent_attention(c: _Config) -> int:
    """DeepSeek-V3 (arXiv 2412.19437, section 2.1.1): low-rank queries, one latent of keys and values."""
    hidden, heads = c["hidden_size"], c["heads"]
    queries = c["q_lora_rank"] * (hidden + 1 + heads * (c["qk_nope_head_dim"] + c["qk_rope_head_dim"]))
    latent = hidden * (c["kv_lora_rank"] + c["qk_rope_head_dim"])
    keys_values = c["kv_lora_rank"] * (1 + heads * (c["qk_nope_head_dim"] + c["v_head_dim"]))
    return queries + latent + keys_values + heads * c["v_head_dim"] * hidden


def _indexer(c: _Config) -> int:
    """Sparse attention's choice of tokens (DeepSeek-V3.2): queries of a few small heads, one key a token."""
    hidden, heads, dim = c["hidden_size"], c["index_heads"], c["index_dim"]
    return c["q_lora_rank"] * heads * dim + hidden * dim + hidden * heads + 2 * dim


def _linear_attention(c: _Config) -> int:
    """Gated delta net (Qwen3-Next and 3.5): queries, keys, values, gates, a convolution, the output."""
    keys, values = (c[f"linear_{of}_heads"] * c[f"linear_{of}_dim"] for of in ("key", "value"))
    heads = c["linear_value_heads"]
    projections = c["hidden_size"] * (2 * keys + 2 * values + 2 * heads) + values * c["hidden_size"]
    return projections + 4 * (2 * keys + values) + 2 * heads + c["linear_value_dim"]


def _expert(architecture: str, c: _Config) -> tuple[int, int]:
    """Weights of one expert, and of the router that chooses among them."""
    hidden, inner = c["hidden_size"], c["moe_intermediate_size"]
    expert, router = 3 * hidden * inner, c["experts"] * hidden
    if architecture == "gpt_oss":
        return expert + 2 * inner + hidden, router + c["experts"]
    if architecture == "qwen3_5":  # the shared expert's gate
        return expert, router + hidden
    if architecture in (
        "deepseek_v3",
        "deepseek_v32",
        "glm_moe_dsa",
        "minimax_m2",
    ):  # the bias that balances the experts' load
        return expert, router + c["experts"]
    return expert, router
