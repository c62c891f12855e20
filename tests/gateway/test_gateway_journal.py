"""What the gateway does when its record cannot be kept, or not be booked."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
    """While the journal takes no begin, requests are 503 with Retry-After, no target sees a byte, no limit
    or load is held, and each is a refusal on record; afterwards they pass again."""
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
            assert "x-baseload-attempts" not in reply.headers
    assert not api.served().requests
    assert gateway.at_rest()
    assert gateway.chat(stream=stream).status == 200
    gateway.rows(1)
    with contextlib.closing(sqlite3.connect(gateway.data / "ledger.sqlite")) as store:
        assert store.execute("SELECT code FROM refusals").fetchall() == [("journal_unavailable",)] * 3


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_strict_answers_are_on_disk_first(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """In strict mode the end of an answer waits for the flush of its record: before it no client has a whole
    answer, and requests on one connection stay in order."""
    gateway = threaded({"api": metered(twins(provider))}, journal={"strict": True})
    journal = gateway.gateway.journal
    sync, flushing, may_flush = journal.sync, threading.Event(), threading.Event()

    def held_sync() -> None:
        flushing.set()
        assert may_flush.wait(10)
        sync()

    monkeypatch.setattr(journal, "sync", held_sync)
    with gateway.connection() as connection, ThreadPoolExecutor(1) as pool:
        gateway.send(connection, stream=stream, max_tokens=3, ignore_eos=True)
        reply = pool.submit(read_reply, connection)
        assert flushing.wait(10)
        with pytest.raises(TimeoutError):
            reply.result(0.2)
        may_flush.set()
        assert reply.result(10).content == "the sun and "
        for _ in range(5):
            gateway.send(connection, stream=stream, max_tokens=3, ignore_eos=True)
            assert read_reply(connection).content == "the sun and "
    assert [row["outcome"] for row in gateway.rows(6)] == ["completed"] * 6
    eventually(gateway.at_rest)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_an_answer_that_cannot_be_flushed_is_cut_off(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """In strict mode a failing disk gives no whole answer and lets no client wait: its connection is cut."""
    gateway = threaded({"api": metered(twins(provider))}, journal={"strict": True})

    def broken() -> None:
        raise RequestError(errors.JOURNAL_FULL, "the disk is gone")

    monkeypatch.setattr(gateway.gateway.journal, "sync", broken)
    with gateway.connection() as connection:
        gateway.send(connection, stream=stream, max_tokens=3, ignore_eos=True)
        try:
            whole = read_reply(connection).whole
        except (http.client.HTTPException, OSError):
            whole = False
    assert not whole
    eventually(gateway.at_rest)


def test_a_client_that_leaves_during_the_flush_holds_nothing(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer whose client went away while its record was flushed stays completed and charged, once."""
    gateway = threaded({"api": metered(twins(provider))}, journal={"strict": True})
    journal = gateway.gateway.journal
    sync, may_flush = journal.sync, threading.Event()

    def held_sync() -> None:
        assert may_flush.wait(10)
        sync()

    monkeypatch.setattr(journal, "sync", held_sync)
    with gateway.connection() as connection:
        gateway.send(connection, max_tokens=3, ignore_eos=True)
        (row,) = gateway.rows(1)
    eventually(gateway.at_rest)
    may_flush.set()
    assert gateway.chat(max_tokens=3).status == 200
    assert (row["outcome"], row["output_tokens"]) == ("completed", 3)
    assert len(gateway.rows(2)) == 2


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
