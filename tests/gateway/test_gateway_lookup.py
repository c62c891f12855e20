"""A request can be looked up by the key that made it, with its exact cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx2

from baseload.keys import KeyStore
from tests.gateway.running import MakeGateway, RunningGateway, RunningTwin, metered, provider


def _look_up(gateway: RunningGateway, request_id: str, key: str) -> httpx2.Response:
    url = f"{gateway.url}/baseload/requests/{request_id}"
    return httpx2.get(url, headers={"authorization": f"Bearer {key}"}, trust_env=False)


def test_a_streamed_requests_cost_is_told_afterwards(
    make_gateway: MakeGateway, twins: Callable[..., RunningTwin]
) -> None:
    """The answer names target, tokens and the exact cost; another key's request is not found."""
    gateway = make_gateway({"api": metered(twins(provider), price=("2.50", "10.00"))})
    answer = gateway.chat(stream=True, max_tokens=7)
    request_id = answer.headers["x-request-id"]
    gateway.settled(1)
    found: dict[str, Any] = _look_up(gateway, request_id, gateway.key).json()
    (attempt,) = found["attempts"]
    tokens = (attempt["input_tokens"], attempt["output_tokens"])
    nano = tokens[0] * 2500 + tokens[1] * 10000
    assert (attempt["target"], attempt["outcome"], tokens[1]) == ("api", "completed", 7)
    assert found["cost_usd"] == f"0.{nano:09d}"
    stranger, _ = KeyStore(gateway.data).create("shop")
    deadline_s = time.monotonic() + 5
    while (refused := _look_up(gateway, request_id, stranger)).status_code == 401:
        assert time.monotonic() < deadline_s  # the new key is known within a second
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
    assert _look_up(gateway, "nothing", gateway.key).status_code == 404


def test_a_ledger_that_cannot_be_read_is_not_described_to_clients(
    make_gateway: MakeGateway, twins: Callable[..., RunningTwin]
) -> None:
    """The client is told to come back; where the store is and what ails it goes to the log."""
    gateway = make_gateway({"api": metered(twins(provider))})
    gateway.chat()
    gateway.settled(1)
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (gateway.data / name).unlink(missing_ok=True)
    (gateway.data / "ledger.sqlite").unlink()
    (gateway.data / "ledger.sqlite").mkdir()
    answer = _look_up(gateway, "any", gateway.key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert answer.json()["error"]["message"].startswith("the ledger cannot be read now")
    assert "sqlite" not in answer.text
    assert "a request cannot be looked up" in gateway.log()
