"""What the gateway does when its record cannot be kept, or not be booked."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from baseload import errors
from baseload.errors import RequestError
from tests.gateway.running import MakeGateway, RunningTwin, metered, provider
from tests.gateway.threaded import MakeThreaded, eventually, read_reply

Twins = Callable[..., RunningTwin]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_nothing_unrecorded_is_sent(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """While the journal takes no begin, requests are 503 with Retry-After, no target sees a byte, and no
    limit or load is held; afterwards they pass again."""
    api = twins(provider)
    limits = {"concurrent": 1}
    gateway = threaded({"api": metered(api)}, tenants={"shop": {"limits": limits}})

    def full(_begin: object) -> None:
        raise RequestError(errors.JOURNAL_FULL, "no room", retry_after_s=1.0)

    with monkeypatch.context() as patch:
        patch.setattr(gateway.gateway.journal, "begin", full)
        for _ in range(3):
            reply = gateway.chat(stream=stream)
            assert (reply.status, reply.code) == (503, "journal_unavailable")
            assert reply.headers["retry-after"] == "1"
    assert not api.served().requests
    assert gateway.at_rest()
    assert gateway.chat(stream=stream).status == 200


def test_a_defect_costs_its_own_request_only(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error nobody thought of is 500 `internal` with the request's id, and holds nothing."""
    gateway = threaded({"api": metered(twins(provider))}, tenants={"shop": {"limits": {"concurrent": 1}}})
    with monkeypatch.context() as patch:
        patch.setattr("baseload.gateway.admission._tags", lambda value: 1 / 0)
        with gateway.connection() as connection:
            gateway.send(connection, headers={"x-baseload-tags": "a=b"})
            reply = read_reply(connection)
            assert (reply.status, reply.code) == (500, "internal")
    eventually(gateway.at_rest)
    assert gateway.chat(headers={"x-baseload-tags": "a=b"}).status == 200


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_killed_ingest_delays_reports_and_nothing_else(make_gateway: MakeGateway, twins: Twins) -> None:
    """When the ingest process dies requests go on; it is started again and books what came meanwhile."""
    gateway = make_gateway({"api": metered(twins(provider))})
    gateway.chat()
    gateway.settled(1)
    assert gateway.process is not None
    (ingest,) = _children(gateway.process.pid)
    os.kill(ingest, signal.SIGKILL)
    for _ in range(5):
        assert gateway.chat().status_code == 200
    assert len(gateway.settled(6)) == 6
    assert "ingest process ended" in gateway.log()
    assert gateway.stop() == 0
