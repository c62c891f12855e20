"""How other gateways write a secret, and that a value is shown without one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.config.importing.secrets import HIDDEN, Reference, reference, replaced, shown, variable_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("os.environ/OPENAI_KEY", Reference("OPENAI_KEY")),
        ("${OPENAI_KEY}", Reference("OPENAI_KEY")),
        ("$OPENAI_KEY", Reference("OPENAI_KEY")),
        ('${{ env "DECK_KEY" }}', Reference("DECK_KEY")),
        ("{vault://env/openai-key}", Reference("OPENAI_KEY")),
        ("{vault://aws/models/openai}", Reference("AWS_MODELS_OPENAI", invented=True)),
        ("sk-0123456789", None),
        ("http://${HOST}/v1", None),
    ],
)
def test_a_reference_is_the_variable_it_names(text: str, expected: Reference | None) -> None:
    """LiteLLM's, plain ones, deck's, Kong's vaults; a text that only holds one is none."""
    assert reference(text) == expected


def test_references_within_a_text_become_ours() -> None:
    """What is around them stays."""
    assert replaced("https://os.environ/HOST/v1") == "https://${HOST}/v1"
    assert replaced('https://${{ env "DECK_HOST" }}/v1') == "https://${DECK_HOST}/v1"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("api_key", "abc", HIDDEN),
        ("api_key", "os.environ/NAME", "os.environ/NAME"),
        ("model", "gpt-4o", "gpt-4o"),
        ("model", "sk-proj-0123456789", HIDDEN),
        ("model", "anthropic/claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5-20250929"),
        ("model", "azure/text-embedding-3-large", "azure/text-embedding-3-large"),
        ("note", "azure/text-embedding-3-large", HIDDEN),
        ("model", "d41d8cd98f00b204e9800998ecf8427e", HIDDEN),
        ("note", "eyJhbGciOiJIUzI1NiJ9.e30.x", HIDDEN),
        ("note", "d41d8cd98f00b204e9800998ecf8427e", HIDDEN),
        ("api_base", "https://user:pass@host:8080/v1?key=abc", "https://host:8080/v1"),
        ("max_tokens", 512, "512"),
        ("password", 1234567, HIDDEN),
        ("input_cost_per_token", Decimal("0.0000025"), "0.0000025"),
        ("weights", [1, 2], "[1, 2]"),
        ("headers", {"a": "b"}, HIDDEN),
        ("cache", True, "true"),
        ("nothing", None, "null"),
    ],
)
def test_a_value_is_shown_without_what_may_be_a_secret(key: str, value: Any, expected: str) -> None:
    """By its key, by its form, and in URLs the user, password and query."""
    assert shown(key, value, known=True) == expected


@given(st.text(min_size=1, max_size=40))
def test_the_text_of_an_unknown_key_is_never_shown(text: str) -> None:
    """But for a reference, which is a name."""
    assert shown("whatever", text, known=False) == (text if reference(text) else HIDDEN)


@given(st.lists(st.text(max_size=20), max_size=3))
def test_a_variables_name_is_one(words: list[str]) -> None:
    """Letters, digits and underscores, no digit first, whatever the words are."""
    name = variable_name(*words)
    assert name.isidentifier()
    assert name == name.upper()
    assert name.isascii()
