"""Connections to targets: one keep-alive `Pool` a target, and what arrives on them.

A connection carries one attempt at a time. It parses response heads strictly, hands body bytes on as they
come, and goes back to its pool when the attempt says that the response is complete.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, cast
from urllib.parse import urlsplit

from baseload.core import Target
from baseload.wire.http1 import MAX_HEAD, KnownHead, ResponseHead, UpstreamSyntax, parse_response_head

MAX_INTERIM = 8
"""1xx responses accepted before the real one."""
MAX_CONNECTIONS = 8192
"""Connections to one target; more attempts than that fail as `overloaded`."""
IDLE_S = 55.0
"""How long an unused connection is kept; below the 60 s at which many servers close."""
WRITE_HIGH_WATER = 1024 * 1024


_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


class NoRoom(OSError):
    """As many connections to the target as we make."""


def is_ours(error: Exception) -> bool:
    """Whether a connection failed for what this machine lacks, which says nothing of the target."""
    return isinstance(error, NoRoom) or (isinstance(error, OSError) and error.errno in _OURS)


def kind_of(error: Exception) -> str:
    """What went wrong with a connection, for clients: without addresses, paths and certificates' names."""
    match error:
        case UpstreamSyntax():
            return str(error)
        case ssl.SSLError():
            return "TLS"
        case socket.gaierror():
            return "its name is not known"
        case ConnectionRefusedError():
            return "refused"
        case ConnectionResetError() | BrokenPipeError():
            return "reset"
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            return "unreachable"
    return "failed"


class Receiver(Protocol):
    """The attempt that a connection carries."""

    def connected(self, connection: UpstreamConnection) -> None: ...
    def connect_failed(self, error: Exception) -> None: ...
    def target_slow(self, slow: bool) -> None: ...  # it does not read what is sent, or does again
    def response_head(self, head: ResponseHead, body: bytes) -> None: ...  # with what came of the body
    def response_body(self, data: bytes) -> None: ...
    def response_closed(self, error: Exception | None) -> None: ...
    def defect(self) -> None: ...  # one of the above raised; called while that is handled


@contextmanager
def _boundary(receiver: Receiver) -> Iterator[None]:
    """A request boundary: a defect costs this attempt's request only."""
    try:
        yield
    except Exception:  # noqa: BLE001  the boundary
        receiver.defect()


class UpstreamConnection(asyncio.Protocol):
    """One connection to a target. `used` counts the attempts it has carried."""

    __slots__ = (
        "_buffer",
        "_in_body",
        "_interim",
        "_known",
        "_paused",
        "_pool",
        "idle_since_s",
        "receiver",
        "transport",
        "used",
    )

    transport: asyncio.Transport

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._buffer = b""
        self._in_body = False
        self._interim = 0
        self._known: KnownHead[ResponseHead] | None = None
        self._paused = False
        self.receiver: Receiver | None = None
        self.used = 0
        self.idle_since_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's have no common base
        self.transport.set_write_buffer_limits(WRITE_HIGH_WATER)

    def send(self, receiver: Receiver, head: bytes, body: bytes) -> None:
        """Carry an attempt: its request goes out at once."""
        self.receiver = receiver
        self.used += 1
        if len(body) < 16384:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))

    def send_on(self, data: bytes) -> None:
        """More of the request that `send` began."""
        self.transport.write(data)

    def pause_writing(self) -> None:
        self._tell_slow(True)

    def resume_writing(self) -> None:
        self._tell_slow(False)

    def _tell_slow(self, slow: bool) -> None:
        receiver = self.receiver
        if receiver is not None:
            with _boundary(receiver):
                receiver.target_slow(slow)

    def data_received(self, data: bytes) -> None:
        receiver = self.receiver
        if receiver is None:  # bytes that nobody asked for: the connection is out of step
            self.transport.abort()
            return
        try:
            if self._in_body:
                receiver.response_body(data)
            else:
                self._head(receiver, self._buffer + data if self._buffer else data)
        except UpstreamSyntax as error:
            self.abort(error)
        except Exception:  # noqa: BLE001  a request boundary: a defect costs this attempt's request only
            receiver.defect()

    def _head(self, receiver: Receiver, data: bytes) -> None:
        known = self._known
        end = known.end_in(data) if known is not None else 0
        if end and known is not None:
            head = known.head
        else:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4 or end > MAX_HEAD + 4:
                if len(data) > MAX_HEAD:
                    raise UpstreamSyntax("the response's header fields exceed 32 KiB")
                self._buffer = data
                return
            raw = data[:end]
            head = parse_response_head(raw)
            if head.status < 200:
                self._interim += 1
                if head.status == 101 or self._interim > MAX_INTERIM:
                    raise UpstreamSyntax("unexpected interim responses")
                self._buffer = b""
                if len(data) > end:
                    self._head(receiver, data[end:])
                return
            self._known = KnownHead.of(head, raw)
        self._buffer = b""
        self._interim = 0
        self._in_body = True
        if len(data) == end:
            receiver.response_head(head, b"")
        elif head.length == 0:  # more than the answer: the connection is out of step
            receiver.response_head(head, b"")
            self.transport.abort()
        else:
            receiver.response_head(head, data[end:])

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        self._tell_closed(exc)

    def pause(self, paused: bool) -> None:
        """Back-pressure: stop or go on reading."""
        self._paused = paused
        if paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def release(self, *, reusable: bool) -> None:
        """The attempt is over. A connection whose response is not complete is closed, which cancels it."""
        self.receiver = None
        self._in_body = False
        if self._paused:
            self.pause(False)
        if reusable and not self.transport.is_closing():
            self._pool.put(self)
        else:
            self.transport.abort()

    def abort(self, error: Exception) -> None:
        """Break off because the upstream misbehaves; its attempt hears why."""
        self.transport.abort()
        self._tell_closed(error)

    def _tell_closed(self, error: Exception | None) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            with _boundary(receiver):
                receiver.response_closed(error)


class Pool:
    """Keep-alive connections to one target, last used first."""

    def __init__(self, target: Target, loop: asyncio.AbstractEventLoop, now_s: Callable[[], float]) -> None:
        parts = urlsplit(target.url)
        self._loop = loop
        self._host = parts.hostname or ""
        secure = parts.scheme == "https"
        self._port = parts.port or (443 if secure else 80)
        self._tls = _tls_context(target.ca_file) if secure else None
        self._idle: list[UpstreamConnection] = []
        self._connecting: dict[Receiver, asyncio.Task[None]] = {}
        self.open = 0
        self.closed = False
        self._swept_s = now_s()
        self.authority = parts.netloc.rpartition("@")[2].encode()
        self.base_path = parts.path.rstrip("/").encode()

    def take(self, receiver: Receiver, *, fresh: bool = False) -> None:
        """Call `receiver.connected` with a free connection, at once if one is idle, else when one is made."""
        idle = self._idle
        while idle and not fresh:
            connection = idle.pop()
            if not connection.transport.is_closing():
                receiver.connected(connection)
                return
        if self.open + len(self._connecting) >= MAX_CONNECTIONS:
            receiver.connect_failed(NoRoom(f"more than {MAX_CONNECTIONS} connections to one target"))
            return
        self._connecting[receiver] = self._loop.create_task(self._connect(receiver))

    def give_up(self, receiver: Receiver) -> None:
        """Nobody waits for this connection any more: stop making it."""
        task = self._connecting.pop(receiver, None)
        if task is not None:
            task.cancel()

    async def _connect(self, receiver: Receiver) -> None:
        with _boundary(receiver):
            try:
                await self._make(receiver)
            finally:
                self._connecting.pop(receiver, None)

    async def _make(self, receiver: Receiver) -> None:
        try:
            _, connection = await self._loop.create_connection(
                lambda: UpstreamConnection(self),
                self._host,
                self._port,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )
        except (OSError, ssl.SSLError, UnicodeError) as error:
            self._connecting.pop(receiver, None)
            receiver.connect_failed(error)
            return
        self._connecting.pop(receiver, None)
        self.open += 1
        if connection.transport.is_closing():
            receiver.connect_failed(OSError("the connection was closed at once"))
            return
        try:
            receiver.connected(connection)
        except Exception:
            connection.transport.abort()
            raise

    def put(self, connection: UpstreamConnection) -> None:
        """Take a connection back for the next attempt."""
        if self.closed:
            connection.transport.close()
            return
        connection.idle_since_s = self._swept_s  # late by a sweep at most, and needs no clock
        self._idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection is closed, whoever closed it."""
        self.open -= 1
        if connection.receiver is None and connection in self._idle:
            self._idle.remove(connection)

    def sweep(self, now_s: float) -> None:
        """Close what has been idle for too long; the oldest stand first."""
        self._swept_s = now_s
        while self._idle and now_s - self._idle[0].idle_since_s > IDLE_S:
            self._idle.pop(0).transport.close()

    def close(self) -> None:
        """No new connections are kept; running attempts end in peace."""
        self.closed = True
        for connection in self._idle:
            connection.transport.close()
        self._idle.clear()


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Certificates are verified, always; `ca_file` replaces the system's roots, nothing turns it off."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
