"""A Kong declarative file: routes as models, plugins' targets as targets, limits where they mean the same."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from baseload.config.importing import Imported, import_text


def of(**sections: Any) -> Imported:
    """What a file with these sections becomes."""
    return import_text("kong", yaml.safe_dump(sections), "kong.yaml")


def proxy(**config: Any) -> dict[str, Any]:
    """An `ai-proxy` plugin for a model of OpenAI."""
    auth = {"header_name": "Authorization", "header_value": "Bearer {vault://env/openai-key}"}
    model = {"provider": "openai", "name": "gpt-4o"}
    return {
        "name": "ai-proxy",
        "config": {"route_type": "llm/v1/chat", "auth": auth, "model": model, **config},
    }


def route(*plugins: dict[str, Any], name: str = "talk") -> dict[str, Any]:
    """A route with these plugins."""
    return {"name": name, "paths": [f"/{name}"], "plugins": list(plugins)}


def test_a_route_is_the_model_that_clients_ask_for() -> None:
    """Its name; where it has none, its path."""
    found = of(routes=[route(proxy()), {"paths": ["/other/way"], "plugins": [proxy()]}])
    assert list(found.config["models"]) == ["talk", "other/way"]
    assert found.config["targets"]["talk"] == {
        "metered": {"provider": "openai", "key": "${OPENAI_KEY}"},
        "model": "gpt-4o",
    }


def test_a_services_plugin_serves_all_its_routes() -> None:
    """And where it has none, it is the model itself."""
    bare = {"name": "quiet", "plugins": [proxy()]}
    service = {"name": "language", "routes": [route(name="a"), route(name="b")], "plugins": [proxy()]}
    found = of(services=[service, bare])
    assert found.config["models"] == {
        "a": {"metered": ["a"]},
        "b": {"metered": ["a"]},
        "quiet": {"metered": ["quiet"]},
    }


def test_a_plugin_that_is_off_serves_nothing() -> None:
    """`enabled: false` holds here too."""
    found = of(routes=[route({**proxy(), "enabled": False})])
    assert found.config == {}
    assert "is switched off" in {one.why for one in found.not_carried}


@pytest.mark.parametrize(
    ("limiter", "expected"),
    [
        ({"name": "rate-limiting", "config": {"minute": 30, "limit_by": "service"}}, 30),
        ({"name": "rate-limiting", "config": {"minute": 30}}, None),
        ({"name": "rate-limiting", "config": {"second": 30, "limit_by": "service"}}, None),
        (
            {
                "name": "rate-limiting-advanced",
                "config": {"limit": [9], "window_size": [60], "identifier": "service"},
            },
            9,
        ),
        (
            {
                "name": "rate-limiting-advanced",
                "config": {"limit": [9], "window_size": [1], "identifier": "service"},
            },
            None,
        ),
    ],
)
def test_a_limit_is_carried_where_it_means_the_same(limiter: dict[str, Any], expected: int | None) -> None:
    """A minute's requests of all callers together; one per caller or per second is listed instead."""
    found = of(routes=[route(proxy(), limiter)])
    limits = found.config["models"]["talk"].get("limits", {})
    assert limits == ({} if expected is None else {"requests_per_minute": expected})
    keys = {one.key for one in found.not_carried}
    assert ("routes[0].plugins[1].name" in keys) == (expected is None)


def test_a_consumer_is_a_tenant_with_its_limit() -> None:
    """Its own count there is its own count here."""
    limiter = {"name": "rate-limiting", "consumer": "shop", "config": {"minute": 30}}
    found = of(routes=[route(proxy())], consumers=[{"username": "shop"}], plugins=[limiter])
    assert found.config["tenants"] == {"shop": {"class": "default", "limits": {"requests_per_minute": 30}}}


def test_tokens_of_one_provider_limit_a_model_of_that_provider_alone() -> None:
    """With targets at another provider too, it is no limit of the model."""
    limiter = {
        "name": "ai-rate-limiting-advanced",
        "config": {
            "llm_providers": [{"name": "openai", "limit": 1000, "window_size": 60}],
            "identifier": "service",
        },
    }
    alone = of(routes=[route(proxy(), limiter)])
    assert alone.config["models"]["talk"]["limits"] == {"tokens_per_minute": 1000}
    second = proxy(model={"provider": "mistral", "name": "mistral-large-latest"})
    both = of(routes=[route(proxy(), second, limiter)])
    assert "limits" not in both.config["models"]["talk"]


def test_priority_is_the_heaviest_first_and_the_rest_for_failures() -> None:
    """Targets of one weight serve for each other; lighter ones follow, by falling weight."""

    def weighted(weight: int | None, name: str) -> dict[str, Any]:
        model = {"provider": "openai", "name": name}
        return {"route_type": "llm/v1/chat", "model": model, **({"weight": weight} if weight else {})}

    targets = [weighted(10, "a"), weighted(100, "b"), weighted(50, "c"), weighted(None, "d")]
    config = {"balancer": {"algorithm": "priority"}, "targets": targets}
    found = of(routes=[route({"name": "ai-proxy-advanced", "config": config})])
    names = {section["model"]: name for name, section in found.config["targets"].items()}
    assert found.config["models"] == {
        "talk": {
            "metered": [names["b"], names["d"]],
            "fallback": {"error": [names["c"], names["a"]]},
        }
    }
    assert found.not_carried == ()
    level = {"balancer": {"algorithm": "round-robin"}, "targets": targets}
    found = of(routes=[route({"name": "ai-proxy-advanced", "config": level})])
    assert "fallback" not in found.config["models"]["talk"]
    assert "config.balancer.algorithm" in {one.key.partition("plugins[0].")[2] for one in found.not_carried}


def test_every_route_type_is_a_model_of_its_own() -> None:
    """A chat never goes to a model of embeddings; clients ask for NAME and NAME-embeddings."""

    def kind(route_type: str, name: str) -> dict[str, Any]:
        return {"route_type": route_type, "model": {"provider": "openai", "name": name}}

    targets = [kind("llm/v1/embeddings", "text-embedding-3-large"), kind("llm/v1/chat", "gpt-4o")]
    targets.append(kind("audio/v1/audio/speech", "gpt-4o-mini-tts"))
    plugin = {"name": "ai-proxy-advanced", "config": {"targets": targets}}
    limiter = {"name": "rate-limiting", "config": {"minute": 30, "limit_by": "service"}}
    found = of(routes=[route(plugin, limiter)])
    served = {
        model: [found.config["targets"][name]["model"] for name in section["metered"]]
        for model, section in found.config["models"].items()
    }
    assert served == {
        "talk": ["gpt-4o"],
        "talk-embeddings": ["text-embedding-3-large"],
        "talk-speech": ["gpt-4o-mini-tts"],
    }
    # one count for three models cannot be written
    assert all("limits" not in section for section in found.config["models"].values())
    alone = of(routes=[route(proxy(route_type="llm/v1/embeddings"))])
    assert list(alone.config["models"]) == ["talk"]


@pytest.mark.parametrize(
    ("auth", "metered", "headers"),
    [
        (
            {"header_name": "Authorization", "header_value": "Bearer abc"},
            {"key": "${TALK_OPENAI_API_KEY}"},
            None,
        ),
        (
            {"header_name": "api-key", "header_value": "abc"},
            {"key": "${TALK_OPENAI_API_KEY}", "key_header": "api-key"},
            None,
        ),
        ({"header_name": "X-Room", "header_value": "abc"}, {"key": "none"}, {"x-room": "${TALK_X_ROOM}"}),
    ],
)
def test_a_key_goes_in_the_header_that_the_file_names(
    auth: dict[str, str], metered: dict[str, str], headers: dict[str, str] | None
) -> None:
    """The format's own, another that a key may have, or a header field of the target."""
    options = {"upstream_url": "https://proxy.example.com/v1/chat/completions"}
    model = {"provider": "openai", "name": "gpt-4o", "options": options}
    section = of(routes=[route(proxy(auth=auth, model=model))]).config["targets"]["talk"]
    assert section["metered"] == {"provider": "openai", **metered}
    assert section.get("headers") == headers


def test_a_variable_that_holds_the_word_bearer_is_said_to_be_without_it() -> None:
    """There it is the whole header; here it is the key alone."""
    auth = {"header_name": "Authorization", "header_value": "{vault://env/openai-key}"}
    [variable] = of(routes=[route(proxy(auth=auth))]).variables
    assert (variable.name, "without the word Bearer" in variable.what) == ("OPENAI_KEY", True)
