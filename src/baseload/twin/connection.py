"""One client connection of a twin: requests one after another, bytes out as they are given."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from baseload.errors import RequestError
from baseload.twin.exchange import JSON_TYPE, SIMULATED, Exchange
from baseload.twin.faults import FaultKind
from baseload.twin.http import CONTINUE, Request, RequestParser, head
from baseload.twin.openai import Endpoint, error_body

if TYPE_CHECKING:
    from baseload.twin.server import Twin

R = TypeVar("R")
POUR_MOST_BYTES = 1 << 30
POUR_AT_ONCE_BYTES = 1 << 20
MODEL_CALLS = frozenset(Endpoint)


class Connection(asyncio.Protocol):
    """One client connection: requests one after another, each an Exchange or a control route."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._parser = RequestParser()
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._deaf = False
        self._paused = False
        self._poured: bytes | None = None
        self._poured_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._twin.connections.add(self)
        rule = self._twin.plan.connection()
        if rule is not None:
            self._deaf = True
            if rule.kind is FaultKind.RESET:
                self.reset()
            elif rule.seconds is not None:
                self._twin.later(rule.seconds / self._twin.config.speed, self.close)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._guarded(lambda: self._parser.feed(data))
        self._serve()

    def eof_received(self) -> None:
        self._gone()

    def connection_lost(self, problem: Exception | None) -> None:
        self._twin.connections.discard(self)
        self._transport = None
        self._gone()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._poured is not None:
            self._pour_on()

    def write(self, data: bytes) -> None:
        """Send bytes, unless the connection is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pour(self, data: bytes) -> None:
        """Send `data` again and again, as fast as the client reads, up to a gibibyte."""
        self._poured = data
        self._pour_on()

    def _pour_on(self) -> None:
        while self._transport is not None and not self._paused and self._poured is not None:
            if self._transport.is_closing() or self._poured_bytes > POUR_MOST_BYTES:
                self.close()
                return
            self._poured_bytes += len(self._poured)
            self._transport.write(self._poured)
            if self._poured_bytes % POUR_AT_ONCE_BYTES < len(self._poured):
                # A client that reads as fast as we write never pauses us: let others run, too.
                self._twin.later(0.0, self._pour_on)
                return

    def close(self) -> None:
        """Close after what was written has been sent."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Close at once with RST, dropping what was not sent."""
        transport = self._transport
        if transport is None:
            return
        raw = transport.get_extra_info("socket")
        # SO_LINGER with a timeout of zero turns close into a reset (socket(7)).
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    def exchange_over(self, keep_alive: bool) -> None:
        """The current request is answered; go on with the next, or close."""
        self._exchange = None
        if not keep_alive:
            self.close()
        elif self._transport is not None:
            self._twin.loop.call_soon(self._serve)

    def _serve(self) -> None:
        """Begin the next request, if it is whole and the last one is answered."""
        while self._exchange is None and self._transport is not None and not self._transport.is_closing():
            request = self._guarded(self._parser.next)
            if request is None:
                if self._parser.awaits_go_ahead():
                    self.write(CONTINUE)
                return
            if request.method == "POST" and request.path in MODEL_CALLS:
                self._exchange = Exchange(self._twin, self, request, self._twin.serial())
                self._exchange.begin()
            else:
                self._control(request)

    def _guarded(self, read: Callable[[], R]) -> R | None:
        """Parse; what is no HTTP is answered with its status and ends the connection."""
        try:
            return read()
        except RequestError as problem:
            status = problem.fault.status
            body = error_body(status, problem.message, self._twin.limits.dialect)
            length = str(len(body))
            headers = {"content-type": JSON_TYPE, "content-length": length, "connection": "close"}
            self.write(head(status, headers) + body)
            self.close()
            return None

    def _control(self, request: Request) -> None:
        status, content_type, body = self._twin.control(request)
        headers = {"content-type": content_type, "content-length": str(len(body)), **SIMULATED}
        self.write(head(status, headers) + (b"" if request.method == "HEAD" else body))
        if not request.keep_alive:
            self.close()

    def _gone(self) -> None:
        self._poured = None
        if self._exchange is not None:
            self._exchange.gone()
