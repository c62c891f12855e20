"""A stage for benches of the whole data path: a gateway process, twins as its targets, and many clients.

The clients are raw asyncio connections, so that they cost less than what they measure.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from baseload.keys import KeyStore

READ_S = 60.0


@dataclass(frozen=True)
class Ask:
    """One request to send. A client that leaves closes its connection after so many events or seconds."""

    body: bytes
    path: str = "/v1/chat/completions"
    headers: str = ""
    leave_after_events: int | None = None
    leave_after_s: float | None = None


@dataclass
class Heard:
    """What a client had of its request; `status` 0 is none, `whole` says whether the answer was complete."""

    ask: Ask
    status: int = 0
    request_id: str = ""
    body: bytes = b""
    whole: bool = False
    left: bool = False
    sent_s: float = 0.0


class Stage:
    """A gateway process in a folder of its own; in a `with` statement."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.key, _ = KeyStore(self.data).create("bench")
        common = {"listen": "127.0.0.1:0", "control": "127.0.0.1:0", "data": "./data"}
        (folder / "baseload.yaml").write_text(yaml.safe_dump({**common, **config}))
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.kill()

    def start(self) -> None:
        """Start the gateway; its port is known when this returns."""
        command = [sys.executable, "-m", "baseload", "serve", "--json", "--config"]
        with (self.folder / "gateway.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, str(self.folder / "baseload.yaml")], stdout=subprocess.PIPE, stderr=log
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"the gateway did not start:\n{self.log()}")
        self.port = json.loads(line)["port"]

    def log(self) -> str:
        """What the gateway wrote to standard error."""
        return (self.folder / "gateway.log").read_text()

    def kill(self) -> None:
        """kill -9; its ingest process notices and ends by itself."""
        assert self.process is not None
        self.process.kill()
        self._ended()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    async def call(self, ask: Ask) -> Heard:
        """Send one request on a connection of its own; what came back is in the answer, however it ended."""
        heard = Heard(ask, sent_s=time.monotonic())
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        except OSError:
            return heard
        try:
            head = (
                f"POST {ask.path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {self.key}\r\n"
                f"{ask.headers}content-type: application/json\r\ncontent-length: {len(ask.body)}\r\n\r\n"
            )
            writer.write(head.encode() + ask.body)
            try:
                async with asyncio.timeout(READ_S if ask.leave_after_s is None else ask.leave_after_s):
                    await _read(reader, heard)
            except TimeoutError:
                heard.left = ask.leave_after_s is not None
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
        return heard


async def _read(reader: asyncio.StreamReader, heard: Heard) -> None:
    """One answer, up to where its client leaves."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    heard.status = int(head[0].split(" ")[1])
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    heard.request_id = fields.get("x-request-id", "")
    length = fields.get("content-length")
    if length is not None:
        heard.body = await reader.readexactly(int(length))
        heard.whole = True
        return
    events = 0
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        heard.body += await reader.readexactly(size)
        await reader.readexactly(2)
        if size == 0:
            heard.whole = True
            return
        events = heard.body.count(b'"content":"') - 1  # the first one names the role and has no content
        if heard.ask.leave_after_events is not None and events >= heard.ask.leave_after_events:
            heard.left = True
            return


async def in_parallel(calls: list[Any], concurrency: int, done: Any = None) -> list[Any]:
    """Run coroutine functions, so many at a time, in order; `done` is called after each."""
    waiting = iter(calls)
    results: list[Any] = []

    async def work() -> None:
        for call in waiting:
            results.append(await call())
            if done is not None:
                done()

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return results
