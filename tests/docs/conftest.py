"""Fixtures: the repository's pages, and a gateway that has seen a bit of everything."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baseload.keys import KeyStore
from tests.gateway.running import RunningGateway, engine, metered, owned, provider

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def docs() -> Path:
    """The folder of pages."""
    return ROOT / "docs"


def signed_in() -> dict[str, Any]:
    """A target with a login, at an address where nobody answers."""
    login = {"region": "eu-west-1", "access_key": "AKIDEXAMPLE", "secret_key": "not-a-secret"}
    section = {"provider": "aws", "aws": login, "price": {"input": "1.00", "output": "5.00"}}
    return {"metered": section, "url": "http://127.0.0.1:9", "model": "m", "format": "bedrock"}


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway with an owned and a metered twin, one that is signed in to, limits, and a request
    refused before it was read."""
    with contextlib.ExitStack() as stack:
        targets = {
            "replica": owned(stack.enter_context(engine())),
            "api": metered(stack.enter_context(provider())),
            "claude": signed_in(),
        }
        config = {
            "listen": "127.0.0.1:0",
            "control": "127.0.0.1:0",
            "data": "./data",
            "targets": targets,
            "models": {
                "chat": {"owned": ["replica"], "metered": ["api"]},
                "claude": {"metered": ["claude"]},
                "kept": {"metered": ["api"], "cache": {"ttl": "1h"}},
            },
            "classes": {"default": {"regions": "any"}},
            "tenants": {
                "shop": {
                    "limits": {"requests_per_minute": 6000, "tokens_per_minute": 1_000_000},
                    "cache": True,
                }
            },
        }
        made = RunningGateway(tmp_path_factory.mktemp("gateway"), config)
        made.key, _ = KeyStore(made.data).create("shop")
        made.start()
        stack.callback(made.stop)
        assert made.chat(max_tokens=3).status_code == 200
        assert made.chat(max_tokens=3, stream=True).status_code == 200
        assert (
            made.post(
                {"model": "kept", "messages": [{"role": "user", "content": "x"}], "max_tokens": 3}
            ).status_code
            == 200
        )
        with socket.create_connection(("127.0.0.1", made.port)) as bare:
            bare.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert bare.recv(65536).startswith(b"HTTP/1.1 400 ")
        yield made
