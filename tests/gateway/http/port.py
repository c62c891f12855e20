"""A gateway inside the test's process, a recording upstream behind it, and raw sockets in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import httptools
import uvloop
import yaml

from baseload.gateway.server import Gateway, PortLimits
from baseload.gateway.snapshot import load_snapshot
from baseload.keys import KeyStore
from baseload.ledger.journal import Journal

T = TypeVar("T")
ANSWER = (
    b'{"id":"r","object":"chat.completion","model":"upstream","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"ok"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}'
)
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"


class Upstream(asyncio.Protocol):
    """One connection of a target that records every call llhttp sees on it, and answers each.

    The request's body may ask for more: `big` is the size of the answer, `events` the number of streamed
    events of 1 KiB, `hang` leaves the request unanswered, `broken` puts content and an error into one write.
    """

    def __init__(self, seen: list[bytes], gone: list[str]) -> None:
        self.seen, self.gone = seen, gone
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""
        self.writing = asyncio.Event()
        self.writing.set()
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.append("closed")
        for task in self.tasks:
            task.cancel()

    def pause_writing(self) -> None:
        self.writing.clear()

    def resume_writing(self) -> None:
        self.writing.set()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        if self.parser.get_method() == b"GET":  # the gateway asks engines for their metrics
            self.transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        self.seen.append(body)
        wishes = {name: int(value) for name, value in re.findall(rb'"(big|events|hang|broken)":(\d+)', body)}
        if b"events" in wishes:
            task = asyncio.get_running_loop().create_task(self.stream(wishes[b"events"]))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        elif b"broken" in wishes:
            events = EVENT % b"x" + b'data: {"error":{"message":"out of memory"}}\n\n'
            self.transport.write(STREAM_HEAD + b"%x\r\n%b\r\n" % (len(events), events))
        elif b"hang" not in wishes:
            answer = ANSWER.replace(b'"ok"', b'"%b"' % (b"x" * wishes.get(b"big", 2)))
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self.transport.write(head % len(answer) + answer)

    async def stream(self, events: int) -> None:
        """A chunked event stream under back-pressure."""
        self.transport.write(STREAM_HEAD)
        for event in (*(EVENT % (b"x" * 1024) for _ in range(events)), DONE):
            await self.writing.wait()
            self.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.transport.write(b"0\r\n\r\n")


class Port:
    """A running data port. `seen` holds the bodies the upstream was sent, in order."""

    def __init__(
        self, folder: Path, limits: PortLimits, *, tls: ssl.SSLContext | None = None, open_to_all: bool = True
    ) -> None:
        self.seen: list[bytes] = []
        self.gone: list[str] = []
        self._folder, self._limits, self._tls, self._open = folder, limits, tls, open_to_all
        self.key, _ = KeyStore(folder / "data").create("default")
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.gateway: Gateway
        self.number = self.run(self._begin())

    async def _begin(self) -> int:
        upstream: Any = await self.loop.create_server(lambda: Upstream(self.seen, self.gone), "127.0.0.1", 0)
        self._upstream = upstream
        file = self._folder / "baseload.yaml"
        file.write_text(yaml.safe_dump(self._config(upstream.sockets[0].getsockname()[1])))
        journal = Journal.open(self._folder / "data" / "journal", segment_bytes=64 << 20)
        self.gateway = Gateway(journal, KeyStore(self._folder / "data"), self._limits)
        self.gateway.apply(load_snapshot(file, date(2026, 11, 22)).snapshot, "test")
        return await self.gateway.listen("127.0.0.1", 0, self._tls)

    def _config(self, port: int) -> dict[str, Any]:
        owned = {"engine": "vllm", "usd_per_hour": 1, "max_sequences": 10_000, "capacity": CAPACITY}
        return {
            "data": "data",
            "targets": {
                "replica": {
                    "owned": owned,
                    "url": f"http://127.0.0.1:{port}/v1",
                    "model": "upstream",
                    "region": "here",
                }
            },
            "models": {"chat": {"owned": ["replica"], "slo": {"ttft": "60s", "tpot": "60s"}}},
            "classes": {"default": {"regions": "any"}},
            **({"open": True} if self._open else {"tenants": {"default": {}}}),
        }

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def wait_for(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        """Return once `condition` holds, looked at on the gateway's own loop."""

        async def hold() -> None:
            until_s = time.monotonic() + within_s
            while not condition():
                assert time.monotonic() < until_s, "what was waited for did not come"
                await asyncio.sleep(0.005)

        self.run(hold())

    def turn(self) -> None:
        """Let the gateway's loop read what was sent: two turns of it."""

        async def twice() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        self.run(twice())

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        """A connected socket that sends each piece at once."""
        made = socket.socket()
        made.settimeout(30)
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.connect(("127.0.0.1", self.number))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def talk(self, pieces: Sequence[bytes], *, turns: bool = True) -> list[Answer]:
        """Send the pieces, each read before the next one leaves; every answer up to the connection's end."""
        with self.connect() as client:
            for number, piece in enumerate(pieces):
                if number and turns:
                    self.turn()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    client.sendall(piece)
            return answers(read_to_end(client))

    def close(self) -> None:
        """End the gateway, its upstream and its loop."""

        async def end() -> None:
            self._upstream.close()
            for connection in tuple(self.gateway.connections):
                connection.abort()
            await self.gateway.drain()
            self.gateway.journal.close()

        self.run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)


CAPACITY = {
    "base": "2ms",
    "per_sequence": "1us",
    "per_kv_token": "1ns",
    "per_prefill_token": "10us",
    "kv_tokens": 4_000_000,
}


class Answer:
    """One answer as a client reads it: status, lower-case fields, body."""

    def __init__(self, status: int, fields: dict[bytes, bytes], body: bytes) -> None:
        self.status, self.fields, self.body = status, fields, body

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:300]!r}"


def read_to_end(client: socket.socket) -> bytes:
    """All the peer sends until it closes."""
    received = b""
    while piece := client.recv(1 << 16):
        received += piece
    return received


def read_until(client: socket.socket, condition: Callable[[bytes], bool]) -> bytes:
    """What the peer sends until `condition` holds; fails if it closes before."""
    received = b""
    while not condition(received):
        piece = client.recv(1 << 16)
        assert piece, received
        received += piece
    return received


def answers(received: bytes) -> list[Answer]:
    """The answers in what was received on one connection; interim ones are left out."""
    return [answer for answer in _split(received) if answer.status >= 200]


def _split(received: bytes) -> Iterator[Answer]:
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, head
        line, *lines = head.split(b"\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        length = int(fields.get(b"content-length", b"0"))
        if fields.get(b"content-type", b"").startswith(b"text/event-stream"):
            length = len(received)
        assert len(received) >= length, (fields, received)
        yield Answer(int(line.split()[1]), fields, received[:length])
        received = received[length:]


def call(*lines: bytes, version: bytes = b"HTTP/1.1", padding: int = 0, **wishes: int | bool) -> bytes:
    """A chat completion with further head lines, wishes to the upstream, and so many bytes of padding."""
    fields = b"".join(
        b',"%b":%b' % (name.encode(), str(value).lower().encode()) for name, value in wishes.items()
    )
    body = b'{"model":"chat","messages":[],"user":"%b"%b}' % (b"x" * padding, fields)
    head = [b"POST /v1/chat/completions " + version, b"Host: gw", b"Content-Length: %d" % len(body), *lines]
    return b"\r\n".join([*head, b"", body])


GET = b"GET /v1/models HTTP/1.1\r\nHost: gw\r\n\r\n"
GET_LAST = b"GET /v1/models HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n"
