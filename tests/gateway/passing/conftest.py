"""Fixtures: an upstream like OpenAI's, gateways in front of it, and the official SDK as their client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tests.gateway.passing.upstream import Upstream, serving
from tests.gateway.threaded import MakeThreaded, ThreadedGateway


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A running upstream."""
    with serving() as running:
        yield running


def target(upstream: Upstream, *, url: str = "", **more: Any) -> dict[str, Any]:
    """The upstream as a metered target; keys of `unit_price`, or `price`, `model`, `region`, …"""
    of_target = ("model", "region", "timeouts", "format", "zero_retention")
    section: dict[str, Any] = {"provider": "openai", "key": "sk-upstream"}
    if "price" in more:
        section["price"] = more.pop("price")
    top = {name: more.pop(name) for name in of_target if name in more}
    if more:
        section["unit_price"] = more
    return {"metered": section, "url": url or upstream.url, **top}


@pytest.fixture
def passing(threaded: MakeThreaded) -> Callable[..., ThreadedGateway]:
    """Gateways by their targets: each is a model of its own name, if not in `groups` alone."""

    def make(
        targets: dict[str, Any], groups: dict[str, list[str]] | None = None, **top: Any
    ) -> ThreadedGateway:
        listed = {name for names in (groups or {}).values() for name in names}
        models = {name: {"metered": [name]} for name in targets if name not in listed}
        models = top.pop("models", None) or models or {"unused": {"metered": list(targets)[:1]}}
        return threaded(targets, models, passthrough=groups or {}, **top)

    return make


@pytest.fixture
def sdk() -> Iterator[Callable[[ThreadedGateway], openai.OpenAI]]:
    """The official SDK, pointed at a gateway."""
    made: list[openai.OpenAI] = []

    def point_at(gateway: ThreadedGateway, **more: Any) -> openai.OpenAI:
        url = f"http://127.0.0.1:{gateway.port}/v1"
        made.append(openai.OpenAI(base_url=url, api_key=gateway.key, max_retries=0, **more))
        return made[-1]

    yield point_at
    for client in made:
        client.close()
