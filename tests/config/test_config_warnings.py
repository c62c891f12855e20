"""What is valid and still said aloud."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baseload.config import Config, warnings

Parse = Callable[..., Config]


def test_a_careful_file_has_no_warnings(parsed: Parse) -> None:
    """Silence means that there is nothing to say."""
    assert list(warnings(parsed())) == []


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        ("listen: 127.0.0.1:4000", "open: true", "open: requests need no key: this machine"),
        ("listen: 127.0.0.1:4000", "open: true\nlisten: 0.0.0.0:80", "open: requests need no key: everyone"),
        ("listen: 127.0.0.1:4000", "control: 0.0.0.0:4001", "control: 0.0.0.0:4001 is reachable"),
        (
            "${OPENAI_API_KEY}",
            "sk-in-the-file",
            "targets.gpt-4o.metered.key: a credential stands in the file",
        ),
        (
            "    slo: {ttft: 1.5s, tpot: 60ms}\n",
            "",
            "models.chat.slo: is not written: 2 s to the first token",
        ),
        (
            "    metered: [gpt-4o]\n",
            "    metered: [gpt-4o]\n    cache: {ttl: 1h}\n",
            "models.chat.cache: keeps nothing: no tenant",
        ),
        ("limits: {concurrent: 50}", "cache: true", None),
        ("    metered: [gpt-4o]\n", "", "targets.gpt-4o: no model lists it"),
        (
            "regions: any",
            "regions: [us, eu-wset]",
            "classes.default.regions: no target is in 'eu-wset'; did you mean 'eu-west'?",
        ),
        ("    region: us\n", "", None),
        (
            "model: gpt-4o\n",
            "model: gpt-4o\n    url: http://api.example.com/v1\n",
            "targets.gpt-4o.url: the credential crosses",
        ),
        ("model: gpt-4o\n", "model: gpt-4o\n    url: http://10.1.2.3/v1\n", None),
        ("model: gpt-4o\n", "model: gpt-4o\n    url: http://llm.internal/v1\n", None),
    ],
)
def test_what_an_operator_should_know(parsed: Parse, old: str, new: str, warning: str | None) -> None:
    """Each of these is worth one line that begins with its key, and what is fine is worth none."""
    found = list(warnings(parsed((old, new))))
    assert (0 if warning is None else 1) == len(found), found
    assert found == [line for line in found if warning and line.startswith(warning)]


@pytest.mark.parametrize(
    ("written", "words"), [("    region: us\n", "is not written"), ("region: us", "'global' names no place")]
)
def test_a_target_without_a_place_is_told_where_a_class_asks(parsed: Parse, written: str, words: str) -> None:
    """Unknown and global regions matter as soon as one class names regions."""
    new = "" if written.endswith("\n") else "region: global"
    found = list(warnings(parsed((written, new), ("regions: any", "regions: [eu-west]"))))
    assert [f"targets.gpt-4o.region: {words}: no class with regions (default) may use it"] == found
