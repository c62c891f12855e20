"""What an import makes is not only valid: the gateway starts with it and answers from what is behind it."""

from __future__ import annotations

from pathlib import Path

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
