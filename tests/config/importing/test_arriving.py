"""What an import makes calls whom the file named: its address, model and header fields, at its price."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from baseload.config.importing import import_text, written
from baseload.keys import KeyStore
from tests.config.importing.conftest import environment
from tests.gateway.answering import Provider, Sent, answering
from tests.gateway.running import RunningGateway

REAL = "the-users-own-key"
"""What the environment holds under a provider's well-known name."""
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/v1/embeddings": {
        "object": "list",
        "model": "m",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1000, "total_tokens": 1000},
    },
    "/v1/images/generations": {"created": 1, "data": [{"b64_json": "eA=="}, {"b64_json": "eA=="}]},
    "/v1/rerank": {"results": [], "meta": {"billed_units": {"search_units": 3}}},
}
MESSAGES = {"messages": [{"role": "user", "content": "hello"}]}


def answer(sent: Sent) -> tuple[int, str, bytes | list[bytes]]:
    """The path's answer."""
    return 200, "application/json", json.dumps(ANSWERS[sent.path]).encode()


@contextmanager
def serving(word: str, config: dict[str, Any], folder: Path) -> Iterator[tuple[RunningGateway, Provider]]:
    """A gateway with an imported configuration, whose every THERE is one provider that keeps what it gets."""
    with answering(answer) as provider:
        found = import_text(word, json.dumps(config).replace("THERE", provider.url), "theirs.json")
        made = yaml.safe_load(written(found))
        made |= {"listen": "127.0.0.1:0", "control": "127.0.0.1:0", "data": "./data"}
        env = {"OPENAI_API_KEY": REAL, **environment(found.variables)}
        gateway = RunningGateway(folder, made, env=env)
        gateway.key, _ = KeyStore(gateway.data).create("default")
        gateway.start()
        try:
            yield gateway, provider
        finally:
            gateway.stop()


def deployment(name: str, mode: str = "chat", **params: Any) -> dict[str, Any]:
    """An entry of LiteLLM's `model_list` at the provider."""
    written_params = {"api_base": "THERE/v1", "api_key": "os.environ/A_KEY", **params}
    return {"model_name": name, "litellm_params": written_params, "model_info": {"mode": mode}}


PRICED: dict[str, Any] = {"input_cost_per_token": 2e-6, "output_cost_per_token": 5e-6}
LITELLM = {
    "model_list": [
        deployment("talk", model="openai/our-model", extra_headers={"x-team": "os.environ/TEAM"}, **PRICED),
        deployment("free", model="openai/our-model", api_key="none", **PRICED),
        deployment("unsaid", model="openai/our-model", api_key=None, **PRICED),
        deployment("painter", "image_generation", model="openai/our-painter", output_cost_per_image=0.25),
        deployment("sorter", "rerank", model="cohere/rerank-x", input_cost_per_query=0.5),
    ],
    "router_settings": {"model_group_alias": {"speak": "talk"}},
}


@pytest.mark.parametrize(
    ("model", "path", "body", "upstream", "key", "cost"),
    [
        ("talk", "/chat/completions", MESSAGES, "our-model", "Bearer secret", 0.0025),
        ("speak", "/chat/completions", MESSAGES, "our-model", "Bearer secret", 0.0025),
        ("free", "/chat/completions", MESSAGES, "our-model", None, 0.0025),
        ("unsaid", "/chat/completions", MESSAGES, "our-model", "Bearer secret", 0.0025),
        (
            "painter",
            "/images/generations",
            {"prompt": "a chair", "n": 2},
            "our-painter",
            "Bearer secret",
            0.5,
        ),
        ("sorter", "/rerank", {"query": "q", "documents": ["a"]}, "rerank-x", "Bearer secret", 1.5),
    ],
)
def test_what_litellm_served_arrives(
    litellm: tuple[RunningGateway, Provider],
    model: str,
    path: str,
    body: dict[str, Any],
    upstream: str,
    key: str | None,
    cost: float,
) -> None:
    """Address, model, key, header fields and price; the user's own key of OpenAI goes nowhere."""
    gateway, provider = litellm
    before = len(provider.calls)
    answered = gateway.post({"model": model, **body}, path)
    assert answered.status_code == 200, answered.text
    assert float(answered.headers["x-baseload-cost-usd"]) == cost
    [sent] = provider.calls[before:]
    assert (sent.path, json.loads(sent.body)["model"]) == (f"/v1{path}", upstream)
    assert sent.headers.get("authorization") == key
    assert REAL not in str(sent.headers)
    assert sent.headers.get("x-team") == ("secret" if model in ("talk", "speak") else None)


@pytest.fixture(scope="module")
def litellm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningGateway, Provider]]:
    """A gateway with what LITELLM becomes."""
    with serving("litellm", LITELLM, tmp_path_factory.mktemp("litellm")) as running:
        yield running


def kong_target(route_type: str, path: str, name: str, header: str) -> dict[str, Any]:
    """One target of Kong's plugin at the provider."""
    options = {"upstream_url": f"THERE/v1{path}", "input_cost": 2, "output_cost": 5}
    return {
        "route_type": route_type,
        "auth": {"header_name": header, "header_value": "abc"},
        "model": {"provider": "openai", "name": name, "options": options},
    }


def test_what_kong_served_arrives(tmp_path: Path) -> None:
    """Chats at the model of chats, embeddings at that of embeddings, each key in the header that is named."""
    targets = [
        kong_target("llm/v1/chat", "/chat/completions", "gpt-4o", "x-room-key"),
        kong_target("llm/v1/embeddings", "/embeddings", "text-embedding-3-large", "api-key"),
    ]
    plugin = {"name": "ai-proxy-advanced", "config": {"targets": targets}}
    config = {"routes": [{"name": "room", "paths": ["/room"], "plugins": [plugin]}]}
    with serving("kong", config, tmp_path) as (gateway, provider):
        for _ in range(3):
            assert gateway.post({"model": "room", **MESSAGES}).status_code == 200
        answered = gateway.post({"model": "room-embeddings", "input": "a"}, "/embeddings")
        assert answered.status_code == 200, answered.text
        arrived = [(sent.path, json.loads(sent.body)["model"]) for sent in provider.calls]
        chat, embed = ("/v1/chat/completions", "gpt-4o"), ("/v1/embeddings", "text-embedding-3-large")
        assert arrived == [chat, chat, chat, embed]
        assert provider.calls[0].headers["x-room-key"] == "secret"
        assert "authorization" not in provider.calls[0].headers
        assert provider.calls[3].headers["api-key"] == "secret"


@pytest.mark.parametrize(("key", "arrives"), [("none", None), ("a-literal-one", "Bearer secret")])
def test_what_portkey_served_arrives(key: str, arrives: str | None, tmp_path: Path) -> None:
    """A placeholder stays none, though the user's own key of OpenAI is in the environment."""
    config = {
        "provider": "openai",
        "custom_host": "THERE/v1",
        "api_key": key,
        "openai_organization": "org-7",
        "override_params": {"model": "our-llama"},
    }
    with serving("portkey", config, tmp_path) as (gateway, provider):
        assert gateway.post({"model": "our-llama", **MESSAGES}).status_code == 200
        [sent] = provider.calls
        assert sent.headers.get("authorization") == arrives
        assert sent.headers["openai-organization"] == "secret"
        assert json.loads(sent.body)["model"] == "our-llama"
        assert REAL not in str(sent.headers)
