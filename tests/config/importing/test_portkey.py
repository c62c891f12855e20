"""A Portkey config: targets at any depth, conditions as models, credentials that Portkey keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from baseload.config.importing import Imported, import_text


def of(config: dict[str, Any]) -> Imported:
    """What this config becomes."""
    return import_text("portkey", json.dumps(config, indent=1), "config.json")


def target(**keys: Any) -> dict[str, Any]:
    """A target at OpenAI."""
    return {"provider": "openai", "api_key": "$KEY", "override_params": {"model": "gpt-4o"}, **keys}


def test_a_single_target_is_the_model_it_overrides() -> None:
    """Clients ask for the name that the config would have set."""
    found = of(target())
    assert found.config["models"] == {"gpt-4o": {"metered": ["openai"]}}
    assert found.config["targets"]["openai"]["metered"] == {"provider": "openai", "key": "${KEY}"}


def test_different_models_are_one_that_all_serve() -> None:
    """They stood for each other there and do here, under the name `chat`."""
    second = target(override_params={"model": "gpt-4o-mini"})
    found = of({"strategy": {"mode": "loadbalance"}, "targets": [target(), second]})
    assert found.config["models"] == {"chat": {"metered": ["openai", "openai-2"]}}


@pytest.mark.parametrize(
    ("codes", "causes", "listed"),
    [
        (None, ["context_length", "content_policy", "error"], False),
        ([429, 503], ["error"], False),
        ([400, 500], ["context_length", "content_policy", "error"], False),
        ([400], ["context_length", "content_policy"], False),
        ([429, 418], ["error"], True),
    ],
)
def test_a_fallback_strategy_is_lists_of_its_later_targets(
    codes: list[int] | None, causes: list[str], listed: bool
) -> None:
    """The first target serves, the others follow in order, for the causes that the status codes mean."""
    strategy: dict[str, Any] = {"mode": "fallback", **({"on_status_codes": codes} if codes else {})}
    found = of({"strategy": strategy, "targets": [target(name="a"), target(name="b"), target(name="c")]})
    lists = {key: ["b", "c"] for key in causes}
    assert found.config["models"] == {"gpt-4o": {"metered": ["a"], "fallback": lists}}
    assert ("strategy.on_status_codes" in {one.key for one in found.not_carried}) is listed


def test_a_fallback_between_balanced_groups() -> None:
    """Whoever shares the load first stays together; a group within the second place follows as a whole."""
    first = {"strategy": {"mode": "loadbalance"}, "targets": [target(name="a"), target(name="b")]}
    then = {"strategy": {"mode": "fallback"}, "targets": [target(name="c"), target(name="d")]}
    found = of({"strategy": {"mode": "fallback", "on_status_codes": [429]}, "targets": [first, then]})
    assert found.config["models"] == {"gpt-4o": {"metered": ["a", "b"], "fallback": {"error": ["c", "d"]}}}


def test_conditions_on_the_model_are_models() -> None:
    """`params.model` with `$eq` or `$in` names what clients ask for; the default is asked for by its name."""
    strategy = {
        "mode": "conditional",
        "conditions": [
            {"query": {"params.model": {"$eq": "one"}}, "then": "a"},
            {"query": {"params.model": {"$in": ["two", "three"]}}, "then": "b"},
            {"query": {"metadata.plan": {"$eq": "paid"}}, "then": "a"},
        ],
        "default": "b",
    }
    found = of({"strategy": strategy, "targets": [target(name="a"), target(name="b"), target(name="c")]})
    assert found.config["models"] == {
        "one": {"metered": ["a"]},
        "two": {"metered": ["b"]},
        "three": {"metered": ["b"]},
        "a": {"metered": ["a"]},
        "b": {"metered": ["b"]},
    }
    assert list(found.config["targets"]) == ["a", "b"]
    assert {one.key: one.do for one in found.not_carried}[
        "strategy.conditions[2].query.metadata.plan.$eq"
    ] == "let those clients ask for the model a"


def test_a_target_takes_what_is_around_it() -> None:
    """Model and timeout of the config around hold where the target has none; its own come first."""
    inner = [{"provider": "openai", "api_key": "$KEY"}, target(request_timeout=500)]
    found = of({"request_timeout": 30000, "override_params": {"model": "gpt-4.1"}, "targets": inner})
    assert [(section["model"], section["timeouts"]) for section in found.config["targets"].values()] == [
        ("gpt-4.1", {"total": "30s"}),
        ("gpt-4o", {"total": "500ms"}),
    ]


def test_a_weight_of_nothing_serves_nothing() -> None:
    """What was never asked there must not be asked here."""
    found = of({"strategy": {"mode": "loadbalance"}, "targets": [target(weight=0), target(weight=1)]})
    assert list(found.config["targets"]) == ["openai"]
    assert [one.key for one in found.not_carried if one.why.startswith("its weight is 0")] == [
        "targets[0].provider",
        "targets[0].api_key",
        "targets[0].override_params.model",
        "targets[0].weight",
    ]


def test_a_virtual_key_is_a_variable_named_after_it() -> None:
    """Portkey keeps the credential; its provider is read off the name where nothing else says it."""
    found = of({"virtual_key": "anthropic-eu-1a2b", "override_params": {"model": "claude-sonnet-4-5"}})
    assert found.config["targets"]["anthropic-eu-1a2b"]["metered"] == {
        "provider": "anthropic",
        "key": "${PORTKEY_ANTHROPIC_EU_1A2B}",
    }


def test_a_model_that_nobody_writes_is_asked_for() -> None:
    """Clients chose it there; here the target's name of it is a variable."""
    found = of({"provider": "openai", "api_key": "$KEY"})
    assert found.config["targets"]["openai"]["model"] == "${OPENAI_MODEL}"
    assert found.config["models"] == {"chat": {"metered": ["openai"]}}
    assert [one.name for one in found.variables] == ["KEY", "OPENAI_MODEL"]


def test_a_real_key_in_a_virtual_ones_place_stays_hidden() -> None:
    """A name must not be made of it."""
    found = of({"provider": "openai", "virtual_key": "sk-proj-0123456789abcdef"})
    assert found.config["targets"]["openai"]["metered"]["key"] == "${PORTKEY_OPENAI_API_KEY}"
    assert "0123456789abcdef" not in f"{found}".lower()


def test_a_host_of_ones_own_never_gets_a_providers_key() -> None:
    """A placeholder is no key, a missing or literal one has a variable that nobody has set yet."""
    host = {"custom_host": "http://10.0.0.9:9101/v1", "override_params": {"model": "our-llama"}}
    for key, wanted in (
        ({"api_key": "none"}, "none"),
        ({}, "${PORTKEY_OPENAI_API_KEY}"),
        ({"api_key": "a-real-one"}, "${PORTKEY_OPENAI_API_KEY}"),
    ):
        metered = of({"provider": "openai", **host, **key}).config["targets"]["openai"]["metered"]
        assert metered["key"] == wanted
        assert metered["price"] == {"input": "${OPENAI_INPUT_USD}", "output": "${OPENAI_OUTPUT_USD}"}


def test_header_fields_of_the_provider_are_the_targets() -> None:
    """OpenAI's organization at OpenAI; at another provider it is listed."""
    found = of(target(openai_organization="$ORG"))
    assert found.config["targets"]["openai"]["headers"] == {"openai-organization": "${ORG}"}
    other = of({"provider": "groq", "api_key": "$K", "openai_organization": "$ORG"})
    assert [one.key for one in other.not_carried] == ["openai_organization"]


def test_single_is_the_first_target_alone() -> None:
    """Others stand in such a config without being asked; here they must not be either."""
    found = of({"strategy": {"mode": "single"}, "targets": [target(name="a"), target(name="b")]})
    assert found.config["models"] == {"gpt-4o": {"metered": ["a"]}}
    assert {one.path[:2] for one in found.not_carried} == {("targets", 1)}
