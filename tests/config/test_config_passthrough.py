"""Paths that pass through: what the file may say of their targets and prices, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from baseload.catalog.rates import RateTable
from baseload.config import Config, warnings
from baseload.core import UnitPrice
from baseload.gateway.snapshot import compile_snapshot, warnings_of

Parse = Callable[..., Config]
Problems = Callable[..., list[tuple[int, str, str, str]]]
NO_RATES = RateTable(date(2026, 11, 24).isoformat(), "", {})
KEY = "{provider: openai, key: ${OPENAI_API_KEY}"


def _with(text: str) -> tuple[str, str]:
    return "models:\n", f"{text}models:\n"


def test_groups_and_prices_are_read(parsed: Parse) -> None:
    """Targets by group, prices in exact nano-dollars; a group's name can be no model's."""
    units = "unit_price: {image: 0.04, character: 0.000015, request: 0}"
    read = parsed(
        _with("passthrough: {images: [gpt-4o], audio: [gpt-4o, llama-a]}\n"), (KEY, f"{KEY}, {units}")
    )
    snapshot = compile_snapshot(read, NO_RATES)
    assert {
        group: [target.name for target in model.targets] for group, model in snapshot.passthrough.items()
    } == {
        "images": ["gpt-4o"],
        "audio": ["gpt-4o", "llama-a"],
    }
    assert snapshot.targets["gpt-4o"].unit_price == UnitPrice(request=0, image=40_000_000, character=15_000)
    assert snapshot.passthrough["images"].name not in snapshot.models


@pytest.mark.parametrize(
    ("written", "key", "message", "hint"),
    [
        ("{images: [gpt-4]}", "passthrough.images[0]", "unknown target 'gpt-4'", "did you mean 'gpt-4o'?"),
        ("{images: [gpt-4o, gpt-4o]}", "passthrough.images[1]", "'gpt-4o' is listed twice", "keep one"),
        ("{image: [gpt-4o]}", "passthrough.image", "unknown key", "did you mean 'images'?"),
        ("{images: gpt-4o}", "passthrough.images", "must be a list", ""),
    ],
)
def test_what_is_wrong_is_told(problems: Problems, written: str, key: str, message: str, hint: str) -> None:
    """Unknown groups and targets, each with its line and the nearest name."""
    [(_, found_key, found_message, found_hint)] = problems(_with(f"passthrough: {written}\n"))
    assert (found_key, found_message.startswith(message)) == (key, True), found_message
    assert found_hint.startswith(hint)


@pytest.mark.parametrize(
    "change", [("provider: openai", "provider: anthropic"), ("model: gpt-4o\n", "format: gemini\n")]
)
def test_a_target_of_another_format_is_refused(problems: Problems, change: tuple[str, str]) -> None:
    """Written or the provider's own: what passes through is in OpenAI's format."""
    [problem] = problems(_with("passthrough: {images: [gpt-4o]}\n"), change)
    assert problem[1] == "passthrough.images[0]"
    assert "format" in problem[2]


def test_targets_of_groups_are_used(parsed: Parse) -> None:
    """A target that no model lists is not told to be unused where a group lists it."""
    changes = ("    metered: [gpt-4o]\n", ""), _with("passthrough: {images: [gpt-4o]}\n")
    assert list(warnings(parsed(*changes))) == []


def test_a_group_without_a_price_is_told(parsed: Parse, tmp_path: Path) -> None:
    """A target that says nothing of what it charges gets one warning that says what to write."""
    group = _with("passthrough: {images: [gpt-4o]}\n")
    unlisted = ("    metered: [gpt-4o]\n", "")
    [told] = [line for line in warnings_of(parsed(group, unlisted), NO_RATES) if "gpt-4o" in line]
    assert told.startswith("passthrough.images: gpt-4o has no price for it")
    priced = (KEY, f"{KEY}, unit_price: {{image: 0.04}}")
    assert [line for line in warnings_of(parsed(group, unlisted, priced), NO_RATES) if "gpt-4o" in line] == []
