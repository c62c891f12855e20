"""Request defaults for OpenRouter: models with targets there, or at the providers that they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from baseload.catalog.rates import RateTable
from baseload.config import parse
from baseload.config.importing import Imported, import_text, written
from baseload.core import DataClass
from baseload.gateway.snapshot import compile_snapshot
from baseload.policy.residency import may_process


def of(**defaults: Any) -> Imported:
    """What these defaults become."""
    return import_text("openrouter", json.dumps(defaults, indent=1), "defaults.json")


def providers(found: Imported, model: str) -> list[str]:
    """Who serves a model."""
    targets = found.config["targets"]
    return [targets[name]["metered"]["provider"] for name in found.config["models"][model]["metered"]]


def test_each_model_is_one_with_a_target_at_openrouter() -> None:
    """The first and the fallbacks alike; one that is named twice is one."""
    found = of(model="openai/gpt-4o", models=["mistralai/mistral-small", "openai/gpt-4o"])
    assert list(found.config["models"]) == ["openai/gpt-4o", "mistralai/mistral-small"]
    assert found.config["targets"]["mistralai/mistral-small"] == {
        "metered": {"provider": "openrouter", "key": "${OPENROUTER_API_KEY}"},
        "model": "mistralai/mistral-small",
    }


@pytest.mark.parametrize(
    ("preferences", "served_by"),
    [
        ({"order": ["openai", "azure"]}, ["openai", "openrouter"]),
        ({"only": ["openai"]}, ["openai"]),
        ({"only": ["openai"], "order": ["anthropic", "openai"]}, ["openai"]),
        ({"only": ["azure"]}, ["openrouter"]),
        ({"order": ["anthropic"]}, ["openrouter"]),
    ],
)
def test_a_maker_that_is_named_serves_itself(preferences: dict[str, Any], served_by: list[str]) -> None:
    """At its own API, where the catalog knows it; with `only` OpenRouter is left out then."""
    assert providers(of(model="openai/gpt-4o", provider=preferences), "openai/gpt-4o") == served_by


def test_a_restriction_that_does_not_hold_for_every_model_is_listed() -> None:
    """`only` is carried where nothing goes to OpenRouter's own choice, else it is said for which models."""
    kept = of(model="openai/gpt-4o", provider={"only": ["openai"]})
    assert [one.key for one in kept.carried] == ["model", "provider.only"]
    found = of(model="openai/gpt-4o", models=["meta-llama/llama-3.3-70b"], provider={"only": ["openai"]})
    [listed] = found.not_carried
    assert listed.key == "provider.only"
    assert "any provider for meta-llama/llama-3.3-70b" in listed.why


@pytest.mark.parametrize("agreed", [True, False])
def test_zero_retention_is_asked_for_and_fails_closed(agreed: bool, tmp_path: Path) -> None:
    """With `zdr` a target may process nothing until someone says that its agreement is in force."""
    found = of(model="openai/gpt-4o", provider={"zdr": True})
    env = {"OPENROUTER_API_KEY": "k", "OPENROUTER_ZERO_RETENTION": str(agreed).lower()}
    assert {one.name for one in found.variables} == set(env)
    config = parse(written(found), "baseload.yaml", tmp_path, env)
    snapshot = compile_snapshot(config, RateTable("2026-11-24", "", {}))
    [target] = snapshot.targets.values()
    assert snapshot.classes["default"] == DataClass("default", None, True)
    assert may_process(snapshot.classes["default"], target) == agreed


def test_later_models_are_the_firsts_fallbacks() -> None:
    """For every cause, as OpenRouter asks them; each stays a model of its own, without lists."""
    found = of(models=["a/one", "b/two", "c/three"], route="fallback")
    lists = {key: ["b/two", "c/three"] for key in ("context_length", "content_policy", "error")}
    assert found.config["models"]["a/one"]["fallback"] == lists
    assert all("fallback" not in found.config["models"][name] for name in ("b/two", "c/three"))
    assert found.not_carried == ()
    alone = of(model="a/one", route="fallback")
    assert "fallback" not in alone.config["models"]["a/one"]
