"""LiteLLM's prices of a deployment as ours: by the token, by tier and length, and by what else is counted."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from baseload.config.importing.draft import PER_MILLION, Draft
from baseload.config.importing.source import Node

Written = Callable[[str], Node]
"""Finds a figure of a deployment by its name."""

_SOURCE = "the LiteLLM configuration it was imported from"
_PRICE = "targets.NAME.metered.price"
_LONG_KINDS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}
_KINDS = {
    **_LONG_KINDS,
    "input_audio": "input_cost_per_audio_token",
    "output_audio": "output_cost_per_audio_token",
    "cached_audio": "cache_read_input_token_cost_per_audio_token",
    "output_image": "output_cost_per_image_token",
}
_TIERS = {"priority": "_priority", "flex": "_flex", "batch": "_batches"}
"""The tiers of a `price`, and how names of theirs end that are of it."""
_THOUSANDS = (128, 200, 272)
_SIZES = ("search_context_size_low", "search_context_size_medium", "search_context_size_high")
_UNITS = {
    "image": ("output_cost_per_image", "input_cost_per_image"),
    "second": ("input_cost_per_second",),
    "character": ("input_cost_per_character",),
    "search": ("input_cost_per_query",),
    "request": ("input_cost_per_request",),
}
UNIT_OF_MODE = {
    "image_generation": "image",
    "image_edit": "image",
    "audio_transcription": "second",
    "audio_speech": "character",
    "moderation": "request",
    "rerank": "search",
}
"""What is counted on the paths that pass through, by the mode that a deployment has."""


def token_price(draft: Draft, written: Written) -> dict[str, Any] | None:
    """Their price per token as ours per million; None where input or output is not written."""
    section = _tier(draft, written, "", _PRICE)
    if section is None:
        return None
    if searches := _searches(written("search_context_cost_per_query")):
        section["thousand_searches"] = searches
    tiers = {}
    for tier, end in _TIERS.items():
        if found := _tier(draft, written, end, f"{_PRICE}.tiers.{tier}"):
            tiers[tier] = found
    if tiers:
        section["tiers"] = tiers
    return {**section, "source": _SOURCE}


def _tier(draft: Draft, written: Written, end: str, became: str) -> dict[str, Any] | None:
    """The prices of one tier, with those of long inputs; None where input or output is not written."""
    section = _pair(draft, written, _KINDS, end, became)
    if section is None:
        return None
    for thousand in _THOUSANDS:
        long_end = f"_above_{thousand}k_tokens{end}"
        if "long_context" in section:
            break
        if found := _pair(draft, written, _LONG_KINDS, long_end, f"{became}.long_context"):
            section["long_context"] = {"above": thousand * 1000, **found}
    return section


def _pair(
    draft: Draft, written: Written, kinds: dict[str, str], end: str, became: str
) -> dict[str, Any] | None:
    """Every kind whose name ends so, if input and output are among them."""
    if not (written(f"{kinds['input']}{end}") and written(f"{kinds['output']}{end}")):
        return None
    prices = {key: draft.usd(written(f"{name}{end}"), became) for key, name in kinds.items()}
    if prices["input"] is None or prices["output"] is None:
        return None
    return {key: price for key, price in prices.items() if price is not None}


def _searches(node: Node) -> Decimal | None:
    """A thousand searches, where a search costs the same whatever the size of its context."""
    if not node or not isinstance(node.value, dict):
        return None
    figures = {size.number() for name, size in node.fields() if name in _SIZES}
    if len(figures) != 1:
        return None
    [found] = figures
    if found is None or found < 0:
        return None
    node.carry(f"{_PRICE}.thousand_searches")
    return (found * 1000).normalize()


def unit_price(draft: Draft, written: Written, unit: str | None) -> dict[str, Any] | None:
    """What is paid by the image, second, character, search or request, for a model of this unit."""
    if unit is None:
        return None
    became = "targets.NAME.metered.unit_price"
    section: dict[str, Any] = {}
    for key in dict.fromkeys((unit, "request")):
        nodes = [node for name in _UNITS[key] if (node := written(name))]
        if nodes and (found := draft.usd(nodes[0], f"{became}.{key}", times=Decimal(1))) is not None:
            section[key] = found
    pictures = written("input_cost_per_image_token")
    if unit == "image" and pictures:
        found = draft.usd(pictures, f"{became}.input_image", times=PER_MILLION)
        if found is not None:
            section["input_image"] = found
    return section or None
