"""The official OpenAI SDK for Node works against the gateway by changing its base URL."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.running import MakeGateway, RunningGateway, RunningTwin, engine, metered, owned, provider
from tests.gateway.threaded import eventually
from tests.services.conftest import program

pytestmark = pytest.mark.services

Run = Callable[[str], Any]


@pytest.fixture
def upstreams(twins: Callable[..., RunningTwin]) -> tuple[RunningTwin, RunningTwin]:
    """One simulated engine, one simulated provider."""
    return twins(engine), twins(provider)


@pytest.fixture
def gateway(make_gateway: MakeGateway, upstreams: tuple[RunningTwin, RunningTwin]) -> RunningGateway:
    """One owned replica and one metered API."""
    replica, api = upstreams
    return make_gateway({"replica": owned(replica), "api": metered(api)})


@pytest.fixture
def run(node_sdks: Path, gateway: RunningGateway) -> Run:
    """Run a scenario of node/client.mjs; what it says."""

    def scenario(name: str) -> Any:
        env = {**os.environ, "BASE_URL": gateway.url, "API_KEY": gateway.key}
        command = [program("node"), "client.mjs", name]
        ran = subprocess.run(
            command, cwd=node_sdks, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return scenario


def test_unstreamed(run: Run) -> None:
    """A chat completion comes back whole, with the request's id where the SDK looks for it."""
    answer = run("whole")
    assert (answer["output"], answer["model"], answer["target"]) == (7, "chat", "replica")
    assert answer["content"].startswith("the sun and sea")
    assert answer["request_id"]


def test_streamed(run: Run) -> None:
    """A stream's deltas add up to the answer, and usage comes last."""
    answer = run("streamed")
    assert answer["output"] == 9
    assert len(answer["content"]) == 36
    assert answer["events"] >= 11


def test_errors_are_the_sdks_own(run: Run) -> None:
    """Refusals raise the class the SDK has for their status; a stream that breaks off raises, too."""
    found = run("errors")
    kinds = {name: (error["name"], error.get("code")) for name, error in found.items()}
    assert kinds == {
        "key": ("AuthenticationError", "invalid_api_key"),
        "model": ("NotFoundError", "model_not_found"),
        "field": ("BadRequestError", "invalid_field"),
        "residency": ("PermissionDeniedError", "residency"),
        "broken": ("APIError", "upstream_broken"),
    }
    assert found["field"]["param"] == "max_tokens"


def test_an_abort_cancels_the_upstream(
    run: Run, gateway: RunningGateway, upstreams: tuple[RunningTwin, RunningTwin]
) -> None:
    """A stream that the program aborts is cancelled at the engine and settled."""
    assert run("abort")["events"] == 5
    eventually(lambda: upstreams[0].served().totals.cancelled == 1)
    (row,) = gateway.settled(1)
    assert (row["outcome"], row["estimated"]) == ("client_gone", 1)


def test_models_embeddings_completions(run: Run) -> None:
    """The other endpoints the gateway serves."""
    assert run("others") == {"models": ["chat"], "dimensions": 64, "output": 4}
