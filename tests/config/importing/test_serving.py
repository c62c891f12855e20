"""What an import makes is not only valid: the gateway starts with it and answers from what is behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from baseload.config.importing import GATEWAYS, import_text, written
from baseload.keys import KeyStore
from tests.config.importing.conftest import EXAMPLES, environment
from tests.gateway.running import RunningGateway, engine

NOWHERE = "http://127.0.0.1:9/v1"
"""Where the examples have a server; here it is a twin."""


@pytest.mark.parametrize("word", GATEWAYS)
def test_an_imported_configuration_starts_and_serves(word: str, tmp_path: Path) -> None:
    """Every model of it answers a client, from the twin that stands at its targets' address."""
    [path] = (EXAMPLES / word).glob("serving.*")
    with engine(models=("twin-model", "chat")) as twin:
        found = import_text(word, path.read_text().replace(NOWHERE, twin.url), path.name)
        config = yaml.safe_load(written(found))
        if word == "openrouter":  # its address is fixed
            for target in config["targets"].values():
                target["url"] = twin.url
        config |= {"listen": "127.0.0.1:0", "control": "127.0.0.1:0", "data": "./data"}
        gateway = RunningGateway(tmp_path, config, env=environment(found.variables))
        gateway.key, _ = KeyStore(gateway.data).create("default")
        gateway.start()
        try:
            listed = httpx2.get(f"{gateway.url}/models", headers=gateway.headers, trust_env=False).json()
            assert {model["id"] for model in listed["data"]} == set(found.config["models"])
            for model in found.config["models"]:
                answer = gateway.post({"model": model, "messages": [{"role": "user", "content": "hello"}]})
                assert answer.status_code == 200, answer.text
                assert answer.json()["usage"]["completion_tokens"] > 0
                assert answer.headers["x-baseload-target"] in found.config["targets"]
        finally:
            gateway.stop()


OPENAI = {"provider": "openai", "api_key": "sk-hush"}
WITH_LISTS: dict[str, dict[str, Any]] = {
    "litellm": {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {"model": "openai/twin-model", "api_key": "k", "api_base": url},
            }
            for name, url in (("first", NOWHERE), ("second", "TWIN"))
        ],
        "router_settings": {"fallbacks": [{"first": ["second"]}]},
    },
    "portkey": {
        "strategy": {"mode": "fallback"},
        "targets": [
            {**OPENAI, "custom_host": url, "override_params": {"model": "twin-model"}, "name": name}
            for name, url in (("first", NOWHERE), ("second", "TWIN"))
        ],
    },
    "kong": {
        "routes": [
            {
                "name": "first",
                "paths": ["/first"],
                "plugins": [
                    {
                        "name": "ai-proxy-advanced",
                        "config": {
                            "balancer": {"algorithm": "priority"},
                            "targets": [
                                {
                                    "route_type": "llm/v1/chat",
                                    "weight": weight,
                                    "model": {
                                        "provider": "openai",
                                        "name": "twin-model",
                                        "options": {"upstream_url": f"{url}/chat/completions"},
                                    },
                                }
                                for weight, url in ((9, NOWHERE), (3, "TWIN"))
                            ],
                        },
                    }
                ],
            }
        ]
    },
    "openrouter": {"models": ["twin/first", "twin-model"], "route": "fallback"},
}


@pytest.mark.parametrize("word", GATEWAYS)
def test_an_imported_fallback_list_serves(word: str, tmp_path: Path) -> None:
    """Of every gateway: the first place is out, and the next one on its list answers."""
    with engine(models=("twin-model",)) as twin:
        text = json.dumps(WITH_LISTS[word]).replace("TWIN", twin.url)
        found = import_text(word, text, "theirs.json")
        config = yaml.safe_load(written(found))
        if word == "openrouter":  # its address is fixed
            for target in config["targets"].values():
                target["url"] = twin.url if target["model"] == "twin-model" else NOWHERE
        config |= {"listen": "127.0.0.1:0", "control": "127.0.0.1:0", "data": "./data"}
        gateway = RunningGateway(tmp_path, config, env=environment(found.variables))
        gateway.key, _ = KeyStore(gateway.data).create("default")
        gateway.start()
        try:
            model = next(iter(found.config["models"]))
            answer = gateway.post({"model": model, "messages": [{"role": "user", "content": "hello"}]})
            assert answer.status_code == 200, answer.text
            assert answer.headers["x-baseload-reason"] == "fallback"
            assert answer.headers["x-baseload-attempts"] == "2"
        finally:
            gateway.stop()
