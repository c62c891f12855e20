"""Other gateways' caches: carried where they are exact and say for how long, else listed with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from baseload.config.importing import Imported, import_text

CALLS = ["acompletion", "atext_completion", "aembedding"]


def litellm(cache: Any = True, team: bool = False, **params: Any) -> Imported:
    """What a LiteLLM file with this cache becomes."""
    settings: dict[str, Any] = {"cache": cache, "cache_params": params}
    if team:
        settings["default_team_settings"] = [{"team_id": "shop"}]
    deployment = {
        "model_name": "chat",
        "litellm_params": {"model": "openai/gpt-4o", "api_key": "os.environ/K"},
    }
    config = {"model_list": [deployment], "litellm_settings": settings}
    return import_text("litellm", yaml.safe_dump(config), "config.yaml")


def portkey(cache: Any, **more: Any) -> Imported:
    """What a Portkey config with this cache becomes."""
    config = {"provider": "openai", "api_key": "$K", "override_params": {"model": "gpt-4o"}, "cache": cache}
    return import_text("portkey", json.dumps({**config, **more}), "config.json")


def listed(found: Imported) -> dict[str, str]:
    """What was not carried, with the reasons."""
    return {one.key: one.why for one in found.not_carried}


def kept(found: Imported) -> tuple[Any, Any]:
    """What models keep, and which tenants let them."""
    return [model.get("cache") for model in found.config["models"].values()], found.config.get("tenants")


def test_litellms_local_cache_is_carried() -> None:
    """Its TTL, for every model; the tenant of callers without another opts in, since there all did."""
    found = litellm(type="local", ttl=600, supported_call_types=CALLS, mode="default_on")
    assert kept(found) == ([{"ttl": "600s"}], {"default": {"cache": True}})
    assert listed(found) == {}


def test_every_tenant_opts_in() -> None:
    """Those that the file names too."""
    assert kept(litellm(team=True, type="local", default_in_memory_ttl=90)) == (
        [{"ttl": "90s"}],
        {"shop": {"class": "default", "cache": True}, "default": {"cache": True}},
    )


@pytest.mark.parametrize(
    ("params", "key", "reason"),
    [
        ({"type": "redis", "ttl": 60}, "type", "shared"),
        ({"type": "qdrant-semantic", "ttl": 60}, "type", "meaning"),
        ({"ttl": 60}, "ttl", "is not carried"),
        ({"type": "local"}, "type", "for how long"),
        ({"type": "local", "ttl": 100_000}, "ttl", "24 hours"),
        ({"type": "local", "ttl": 60, "mode": "default_off"}, "mode", "unless it asks not to"),
        (
            {"type": "local", "ttl": 60, "supported_call_types": ["aembedding"]},
            "supported_call_types",
            "path",
        ),
    ],
)
def test_what_would_keep_other_answers_is_not_carried(params: dict[str, Any], key: str, reason: str) -> None:
    """Shared stores, matches by meaning, no time, opt-in by request, other paths: listed, nothing is kept."""
    found = litellm(**params)
    assert kept(found) == ([None], None)
    assert reason in listed(found)[f"litellm_settings.cache_params.{key}"]


def test_a_part_of_the_paths_is_kept_on_all_of_them_and_said_so() -> None:
    """Chat alone was kept there: here embeddings are too, and the list says it."""
    found = litellm(type="local", ttl=60, supported_call_types=["acompletion"])
    assert kept(found)[0] == [{"ttl": "60s"}]
    assert "every path" in listed(found)["litellm_settings.cache_params.supported_call_types"]


def test_a_cache_that_is_off_stays_off() -> None:
    """Whatever its parameters say."""
    assert kept(litellm(cache=False, type="local", ttl=60)) == ([None], None)


@pytest.mark.parametrize("name", ["max_age", "maxAge"])
def test_portkeys_simple_cache_is_carried(name: str) -> None:
    """With the age it says."""
    found = portkey({"mode": "simple", name: 600})
    assert kept(found) == ([{"ttl": "600s"}], {"default": {"cache": True}})
    assert listed(found) == {}


@pytest.mark.parametrize(
    ("cache", "key", "reason"),
    [
        ({"mode": "semantic", "max_age": 60}, "cache.mode", "exact request"),
        ({"mode": "simple"}, "cache.mode", "for how long"),
        ({"mode": "simple", "max_age": 0}, "cache.max_age", "24 hours"),
        ({"mode": "simple", "max_age": 604_800}, "cache.max_age", "24 hours"),
    ],
)
def test_portkeys_other_caches_are_listed(cache: Any, key: str, reason: str) -> None:
    """Semantic ones, and times that cannot be."""
    found = portkey(cache)
    assert kept(found) == ([None], None)
    assert reason in listed(found)[key]


def test_one_targets_cache_is_listed() -> None:
    """Answers are kept by model: what one target of several says holds for none."""
    inner = {"provider": "openai", "api_key": "$K", "override_params": {"model": "gpt-4o"}}
    config = {"targets": [{**inner, "cache": {"mode": "simple", "max_age": 60}}, inner]}
    found = import_text("portkey", json.dumps(config), "config.json")
    assert kept(found) == ([None], None)
    assert "by model" in listed(found)["targets[0].cache.mode"]
