"""A gateway on an event loop in a thread of its own: quick to start, and open to questions about its state.

For tests that need dozens of fresh gateways, or limits that only a test would set. What signals, processes
and files on disk promise is tested with `running.RunningGateway` instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import uvloop
import yaml

from baseload.gateway.server import Gateway, PortLimits
from baseload.gateway.snapshot import load_snapshot
from baseload.keys import KeyStore
from baseload.ledger.ingest import ingest_once
from baseload.ledger.journal import Journal
from baseload.web.exposition import render

T = TypeVar("T")

QUICK_TIMEOUTS = {"connect": "1s", "ttft": "400ms", "idle": "400ms", "total": "1s"}
"""Deadlines of a target that a test wants to see run out."""


@dataclass
class Reply:
    """An answer as a client has it; `whole` is False where the connection ended before the body did."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a whole answer's error."""
        return str(self.json["error"]["code"])

    @property
    def events(self) -> list[bytes]:
        """The data of a stream's events, comments left out."""
        blocks = self.body.split(b"\n\n")
        return [block[6:] for block in blocks if block.startswith(b"data: ")]

    @property
    def done(self) -> bool:
        """Whether a stream says that it is complete."""
        return b"[DONE]" in self.events

    @property
    def content(self) -> str:
        """The text of a stream's deltas or of a whole answer."""
        if not self.body.startswith((b"data:", b":")):
            return str(self.json["choices"][0]["message"]["content"])
        deltas = (json.loads(event) for event in self.events if event.startswith(b'{"id"'))
        choices = (choice for delta in deltas for choice in delta["choices"])
        return "".join(choice["delta"].get("content", "") for choice in choices)

    @property
    def in_band_error(self) -> str | None:
        """The code of the error event that ends a broken stream."""
        last = self.events[-1] if self.events else b""
        return json.loads(last)["error"]["code"] if last.startswith(b'{"error"') else None


def read_reply(connection: http.client.HTTPConnection) -> Reply:
    """The answer that is due on a connection, read to its end."""
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    try:
        return Reply(response.status, headers, response.read())
    except http.client.IncompleteRead as cut:
        return Reply(response.status, headers, cut.partial, whole=False)


class Clients:
    """Clients of the data port at `port` who hold `key`."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.key = key

    @contextlib.contextmanager
    def connection(self, timeout_s: float = 20.0) -> Iterator[http.client.HTTPConnection]:
        """A client's connection to the data port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            yield connection
        finally:
            connection.close()

    def send(
        self,
        connection: http.client.HTTPConnection,
        content: str = "hello",
        *,
        headers: dict[str, str] | None = None,
        path: str = "/v1/chat/completions",
        **fields: Any,
    ) -> None:
        """Send a chat completion of model `chat` and do not wait for its answer."""
        body = {"model": "chat", "messages": [{"role": "user", "content": content}], **fields}
        given = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **(headers or {})}
        connection.request("POST", path, json.dumps(body), given)

    def chat(self, content: str = "hello", **more: Any) -> Reply:
        """A chat completion on a connection of its own."""
        with self.connection() as connection:
            self.send(connection, content, **more)
            return read_reply(connection)


class ThreadedGateway(Clients):
    """One gateway, its key, its ledger; in a `with` statement."""

    def __init__(self, folder: Path, config: dict[str, Any], limits: PortLimits | None = None) -> None:
        self.folder = folder
        self.config = config
        self.data = folder / "data"
        super().__init__(0, KeyStore(self.data).create("shop")[0])
        self.limits = limits or PortLimits()
        self.gateway: Gateway
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)

    def __enter__(self) -> ThreadedGateway:
        self._thread.start()
        self._journal = Journal.open(self.data / "journal", segment_bytes=1024 * 1024, fsync_interval_s=0.05)
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)
        return self

    async def _open(self) -> None:
        strict = bool(self.config.get("journal", {}).get("strict"))
        self.gateway = Gateway(self._journal, KeyStore(self.data), self.limits, strict=strict)
        self._apply()
        self.port = await self.gateway.listen("127.0.0.1", 0)

    def __exit__(self, *_: object) -> None:
        async def close() -> None:
            await self.gateway.drain()
            self._journal.close()

        self.gateway.limits = PortLimits(drain_s=0.0)
        asyncio.run_coroutine_threadsafe(close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _apply(self) -> None:
        file = self.folder / "baseload.yaml"
        file.write_text(yaml.safe_dump(self.config))
        today = datetime.now(UTC).date()
        self.gateway.apply(load_snapshot(file, today).snapshot, today.isoformat())

    def reload(self) -> None:
        """Put `config` in force, as a changed file does."""
        self.call(self._apply)

    def call(self, question: Callable[[], T]) -> T:
        """Ask on the gateway's own loop."""
        answer: Future[T] = Future()

        def ask() -> None:
            try:
                answer.set_result(question())
            except Exception as error:  # noqa: BLE001  (handed to the asking thread)
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(ask)
        return answer.result(20)

    # -- what it knows --------------------------------------------------------------------------------------

    def rows(self, count: int = 0) -> list[dict[str, Any]]:
        """The ledger's attempts in the order they began; waits until `count` of them have ended."""
        store = self.data / "ledger.sqlite"
        until_s = time.monotonic() + 10
        while True:
            ingest_once(self.data / "journal", store)
            with contextlib.closing(sqlite3.connect(store)) as connection:
                connection.row_factory = sqlite3.Row
                found = [
                    dict(row)
                    for row in connection.execute("SELECT * FROM attempts ORDER BY request_id, attempt")
                ]
            if len([row for row in found if row["outcome"]]) >= count:
                return found
            assert time.monotonic() < until_s, f"fewer than {count} ended attempts: {found}"
            time.sleep(0.01)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        text = self.call(lambda: render(self.gateway))
        found = [line for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] == name]
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found if all(w in line for w in wanted))

    def at_rest(self) -> bool:
        """Whether nothing is under way: no request, no load at any target, no concurrency in use."""

        def look() -> bool:
            gateway = self.gateway
            conversing = any(client.conversation is not None for client in gateway.connections)
            loads = any(
                load.in_flight or load.waiting_tokens or load.kv_tokens for load in gateway.loads.values()
            )
            metered = any(meter.running for meter in gateway._limiter._meters.values())
            return not (conversing or loads or metered)

        return self.call(look)


def eventually(condition: Callable[[], T], timeout_s: float = 5.0) -> T:
    """The first true value of `condition`, asked again and again until `timeout_s` have passed."""
    until_s = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < until_s, f"still not so after {timeout_s} s"
        time.sleep(0.005)


MakeThreaded = Callable[..., ThreadedGateway]
