"""Fixtures: real gateway processes, and twins as their targets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from baseload.gateway.server import PortLimits
from baseload.keys import KeyStore
from tests.gateway.running import MakeGateway, RunningGateway, RunningTwin
from tests.gateway.threaded import MakeThreaded, ThreadedGateway


def configuration(
    targets: dict[str, Any], models: dict[str, Any] | None = None, **top: Any
) -> dict[str, Any]:
    """A whole configuration around targets; without `models`, model `chat` is served by all of them."""
    if models is None:
        sides: dict[str, Any] = {"owned": [], "metered": []}
        for name, target in targets.items():
            sides["owned" if "owned" in target else "metered"].append(name)
        models = {"chat": {**sides, "slo": {"ttft": "2s", "tpot": "100ms"}}}
    return {
        "listen": "127.0.0.1:0",
        "control": "127.0.0.1:0",
        "data": "./data",
        "targets": targets,
        "models": models,
        "classes": {"default": {"regions": "any"}},
        "tenants": {"shop": {}},
        **top,
    }


@pytest.fixture
def make_gateway(tmp_path: Path) -> Iterator[MakeGateway]:
    """Start gateways: `make_gateway(targets, models, **top_level_keys)`; all are ended after the test."""
    made: list[RunningGateway] = []

    def make(
        targets: dict[str, Any],
        models: dict[str, Any] | None = None,
        *,
        begin: bool = True,
        env: dict[str, str] | None = None,
        **top: Any,
    ) -> RunningGateway:
        config = configuration(targets, models, **top)
        folder = tmp_path / f"gateway-{len(made)}"
        folder.mkdir()
        gateway = RunningGateway(folder, config, tls="tls" in top, env=env or {})
        gateway.key, _ = KeyStore(gateway.data).create("shop")
        made.append(gateway)
        if begin:
            gateway.start()
        return gateway

    yield make
    for gateway in made:
        if gateway.process is not None:
            gateway.kill()


@pytest.fixture
def twins() -> Iterator[Callable[..., RunningTwin]]:
    """Start twins that end with the test: `twins(engine)`, `twins(provider, faults=(...))`."""
    with contextlib.ExitStack() as stack:
        yield lambda make, **changes: stack.enter_context(make(**changes))


@pytest.fixture
def threaded(tmp_path: Path) -> Iterator[MakeThreaded]:
    """Start gateways in threads: `threaded(targets, models, limits=..., **top_level_keys)`."""
    with contextlib.ExitStack() as stack:
        count = 0

        def make(
            targets: dict[str, Any],
            models: dict[str, Any] | None = None,
            *,
            limits: PortLimits | None = None,
            **top: Any,
        ) -> ThreadedGateway:
            nonlocal count
            count += 1
            folder = tmp_path / f"threaded-{count}"
            folder.mkdir()
            config = configuration(targets, models, **top)
            return stack.enter_context(ThreadedGateway(folder, config, limits))

        yield make


@pytest.fixture
def quick_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are looked at every 20 ms: what a test waits for them is the deadline itself."""
    monkeypatch.setattr("baseload.gateway.server.SWEEP_S", 0.02)
