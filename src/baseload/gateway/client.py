"""The client's side of the data port: one `ClientConnection` a TCP connection.

It reads whole requests under strict limits and deadlines, hands each to the gateway, and writes what it is
given. Pipelined requests wait in a bounded buffer until the one before them is answered and that answer is
under way (RFC 9112 section 9.3.2). A client that closes its side is gone: the end of its stream is the only
sign of that, and nobody should pay for an answer without a reader. Life of a connection:

    HEAD ──► BODY ──► BUSY ──► HEAD …      a refused request: LINGER ──► closed
         └─► UPLOAD ─┘  (a body that is handed on as it comes)
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Protocol, cast

from baseload import errors
from baseload.errors import RequestError
from baseload.gateway import google
from baseload.gateway.answers import OPENAI, error_answer
from baseload.gateway.body import BodyStream
from baseload.wire.http1 import (
    CHUNKED,
    MAX_HEAD,
    ChunkedReader,
    ChunkSyntax,
    KnownHead,
    RequestHead,
    parse_request_head,
    partial_head_fault,
)

if TYPE_CHECKING:
    from baseload.gateway.admission import Standing
    from baseload.gateway.server import Gateway

MAX_PIPELINED = 64 * 1024
"""Bytes kept of requests that follow one that is not answered yet; then the socket is left unread."""
SMALL_BODY = 64 * 1024
"""Bytes of a body that are kept without asking whose it is."""
WRITE_HIGH_WATER = 64 * 1024
"""Bytes waiting for a slow client before its upstream is paused."""
LINGER_S = 2.0
"""How long a refused client may go on sending before the connection is cut (RFC 9112 section 9.6)."""
MAX_LINGER = 128 * 1024
"""Bytes of what a refused client sends that are read away meanwhile."""
MAX_UPLOAD_LINGER = 64 * 1024 * 1024
"""Bytes more that are read away of an upload answered before its end: many clients send all, then read."""
NEVER = float("inf")
FROM_NEXT_SWEEP = 0.0
"""A deadline that the next sweep sets: the idle one, which needs no clock then (docs/adr/0003)."""


class State(Enum):
    """Where a connection is in its life."""

    HEAD = "head"
    BODY = "body"
    UPLOAD = "upload"
    BUSY = "busy"
    LINGER = "linger"
    CLOSED = "closed"


class Conversation(Protocol):
    """What a connection knows of the exchange it carries."""

    def client_gone(self) -> None: ...
    def client_slow(self, slow: bool) -> None: ...
    def cut_off(self) -> None: ...
    def check(self, now_s: float) -> None: ...


class Intake(Conversation, Protocol):
    """What takes a body as it comes. It may ask for a pause: `ClientConnection.pause_upload`."""

    def body_begins(self) -> None: ...
    def body_part(self, data: bytes, last: bool) -> None: ...
    def body_broken(self, error: RequestError) -> None: ...  # no more of it comes


class ClientConnection(asyncio.Protocol):
    """One TCP connection of the data port."""

    __slots__ = (
        "_begun_s",
        "_body",
        "_buffer",
        "_checked",
        "_chunks",
        "_gateway",
        "_held",
        "_known",
        "_reading",
        "_received",
        "_stalled",
        "_upload",
        "conversation",
        "deadline_s",
        "head",
        "keep_alive",
        "standing",
        "state",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.state = State.HEAD
        self.conversation: Conversation | None = None
        self.head: RequestHead | None = None
        self.standing: Standing | None = None  # what this head entitles to, where that was looked up
        self._known: KnownHead[RequestHead] | None = None
        self.deadline_s = NEVER
        self._buffer = b""  # received, not yet parsed
        self._checked = 0  # bytes of the buffer known to be the beginning of a good head
        self._body = bytearray()  # with a length, as far as it came
        self._chunks: ChunkedReader | None = None  # of a chunked body
        self._upload: tuple[Intake, BodyStream] | None = None
        self._received = 0
        self._held = 0  # bytes of this request's body that count in the gateway's total
        self._begun_s = 0.0  # when the head, then the body, began; 0 between requests
        self.keep_alive = True  # whether it goes on after this answer, whose head must say so
        self._reading = True
        self._stalled: tuple[float, int] | None = None  # since when, with how many bytes waiting

    # -- asyncio -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's have no common base
        self.transport.set_write_buffer_limits(WRITE_HIGH_WATER)
        self.deadline_s = self._gateway.now_s() + self._gateway.limits.idle_s
        if not self._gateway.connected(self):
            self._refuse(RequestError(errors.OVERLOADED, "too many connections", retry_after_s=1.0))
            if self._gateway.crowded:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = State.CLOSED
        self.deadline_s = NEVER
        self._stalled = None
        self._forget()
        self._gateway.disconnected(self)
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            conversation.client_gone()

    def eof_received(self) -> bool:
        return False  # close, after what is written is out

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state is State.HEAD and self._stalled is None and (self._checked or not self._buffer):
            self._parse(self._buffer + data if self._buffer else data)
        elif state is State.BODY:
            self._collect(data)
        elif state is State.BUSY or state is State.HEAD:  # behind a request that is not done with
            self._buffer += data
            if len(self._buffer) > MAX_PIPELINED and self._reading:
                self._reading = False
                self.transport.pause_reading()
        elif state is State.LINGER and self._reading:
            self._received += len(data)
            if self._received > MAX_LINGER:
                self._reading = False
                self.transport.pause_reading()
        elif state is State.UPLOAD:
            self._hand_on(data)

    def pause_writing(self) -> None:
        self._stalled = (self._gateway.now_s(), self.transport.get_write_buffer_size())
        if self.conversation is not None:
            self.conversation.client_slow(True)

    def resume_writing(self) -> None:
        if self.state is State.LINGER:
            return  # until all is out
        self._stalled = None
        if self.conversation is not None:
            self.conversation.client_slow(False)
        elif self.state is State.HEAD:
            self._next_request()

    # -- reading -----------------------------------------------------------------------------------------

    def _parse(self, data: bytes) -> None:
        """Take one request from the front of `data`; what follows it stays in the buffer."""
        known = self._known
        end = known.end_in(data) if known is not None else 0
        try:
            if end and known is not None:
                head = known.head
            else:
                # RFC 9112 section 2.2: an empty line before a request is ignored
                start = 2 if data.startswith(b"\r\n") else 0
                end = data.find(b"\r\n\r\n", max(start, self._checked - 3), MAX_HEAD) + 4
                if end < 4:
                    self._head_so_far(data)
                    return
                head = self._new_head(data[start:end])
            self.head = head
            if head.length > SMALL_BODY and head.length > (limit := self._gateway.body_limit(head)):
                raise RequestError(errors.BODY_TOO_LARGE, f"the body is larger than {limit} bytes")
        except RequestError as error:
            self._refuse(error)
            return
        self._checked = 0
        length = head.length
        if 0 <= length <= len(data) - end:
            if length > SMALL_BODY:
                self._received = length
                if not self._room_for_body():
                    return
            stop = end + length
            self._buffer = data[stop:] if len(data) > stop else b""
            self._dispatch(head, data[end:stop] if length else b"")
        else:
            self._buffer = b""
            self._await_body(head, data[end:])

    def _head_so_far(self, data: bytes) -> None:
        """A head that is not whole yet: hold it to its limits and its deadline."""
        fault = partial_head_fault(data, self._checked)
        if fault is not None:
            self._refuse(fault)
            return
        if not self._begun_s and data not in (b"\r", b"\r\n"):
            self._begun_s = self._gateway.now_s()
            self.deadline_s = self._begun_s + self._gateway.limits.head_s
        self._buffer = data
        self._checked = len(data)

    def _new_head(self, raw: bytes) -> RequestHead:
        """A head in other words than the one before; what was known of that is forgotten."""
        self.standing = self._known = None
        head = parse_request_head(raw)
        coding = head.fields.get(b"content-encoding")
        if coding is not None and coding.lower() != b"identity":
            raise RequestError(errors.UNSUPPORTED_ENCODING, "the body is compressed")
        self._known = KnownHead.of(head, raw)
        return head

    def _await_body(self, head: RequestHead, data: bytes) -> None:
        """The body is still on its way: check who sends it before keeping any of it."""
        try:
            self._gateway.may_send_body(head)
        except RequestError as error:
            self._refuse(error)
            return
        self.state = State.BODY
        self._received = 0
        self._begun_s = self._gateway.now_s()
        self.deadline_s = self._begun_s + self._gateway.limits.body_s
        intake = self._gateway.upload(self, head)
        if intake is not None:
            self.state = State.UPLOAD
            self._upload = intake, BodyStream(head, self._gateway.body_limit(head))
            self.keep_alive = False  # an answer before the end of the body is the last one
            self.conversation = intake
            intake.body_begins()
            if self.state is not State.UPLOAD:  # refused
                return
        elif head.length == CHUNKED:
            self._chunks = ChunkedReader(self._gateway.body_limit(head))
        if head.expects_continue and not data:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if data and intake is not None:
            self._hand_on(data)
        elif data:
            self._collect(data)

    def _hand_on(self, data: bytes) -> None:
        """A part of a body that is taken as it comes."""
        assert self._upload is not None
        intake, stream = self._upload
        self._received += len(data)
        if self._reading:
            self.deadline_s = self._begun_s + self._gateway.limits.body_s + self._received / 65536
        try:
            used = stream.feed(data)
        except RequestError as error:
            intake.body_broken(error)
            return
        if stream.done:
            self._upload = None
            self.state = State.BUSY
            self.deadline_s = NEVER
            self._begun_s = 0.0
            self._buffer = data[used:]
            head = self.head
            assert head is not None
            self.keep_alive = head.keep_alive and not self._gateway.draining
            self._read_again()
        intake.body_part(stream.take(), stream.done)

    def pause_upload(self, paused: bool) -> None:
        """Leave the rest of the body unread for now, or go on. What we do not read is not late."""
        if self.state is not State.UPLOAD or paused is not self._reading:
            return
        now_s = self._gateway.now_s()
        if paused:
            self._reading = False
            self.transport.pause_reading()
            self._begun_s -= now_s  # until it goes on, the time that has passed of the deadline
            self.deadline_s = NEVER
        else:
            self._begun_s += now_s
            self.deadline_s = self._begun_s + self._gateway.limits.body_s + self._received / 65536
            self._read_again()

    def _read_again(self) -> None:
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()

    def _collect(self, data: bytes) -> None:
        head = self.head
        assert head is not None
        self._received += len(data)
        if self._received > SMALL_BODY and not self._room_for_body():
            return
        self.deadline_s = self._begun_s + self._gateway.limits.body_s + self._received / 65536
        if self._chunks is not None:
            try:
                used = self._chunks.feed(data)
            except ChunkSyntax as error:
                message = f"{error} (RFC 9112 section 7.1)"
                self._refuse(RequestError(errors.BAD_REQUEST_SYNTAX, message))
                return
            except OverflowError as error:
                self._refuse(RequestError(errors.BODY_TOO_LARGE, str(error)))
                return
            if self._chunks.done:
                body = bytes(self._chunks.body)
                self._chunks = None
                self._buffer = data[used:]
                self._dispatch(head, body)
            return
        missing = head.length - len(self._body)
        self._body += data if len(data) <= missing else data[:missing]
        if len(data) >= missing:
            body, self._body = bytes(self._body), bytearray()
            self._buffer = data[missing:]
            self._dispatch(head, body)

    def _room_for_body(self) -> bool:
        """Whether the gateway still holds this much of bodies; else the request is refused."""
        if self.hold(self._received):
            return True
        message = "the bodies of the requests under way fill the memory set aside for them"
        self._refuse(RequestError(errors.OVERLOADED, message, retry_after_s=1.0))
        return False

    def hold(self, size: int) -> bool:
        """So many bytes of this request's body are in memory; False where there is no room for them."""
        gateway = self._gateway
        gateway.held_bytes += size - self._held
        self._held = size
        return gateway.held_bytes <= gateway.limits.bodies_bytes

    def _dispatch(self, head: RequestHead, body: bytes) -> None:
        self.state = State.BUSY
        self.deadline_s = NEVER
        self._begun_s = 0.0
        self.keep_alive = head.keep_alive and not self._gateway.draining
        self._gateway.request(self, head, body)

    # -- writing -----------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether it waits for a request of which nothing has come yet."""
        return self.state is State.HEAD and not self._buffer.strip(b"\r\n") and self._stalled is None

    def close_after_answer(self) -> None:
        """The answer has no length of its own: it ends with the connection."""
        self.keep_alive = False

    def write(self, data: bytes) -> None:
        """Send a part of the current answer."""
        if self.state is State.BUSY:
            self.transport.write(data)
        elif self.state is State.UPLOAD:  # an answer before the end of the body, whose rest is not looked at
            self.state = State.BUSY
            self.deadline_s = NEVER
            self.transport.write(data)

    def finished(self) -> None:
        """The current answer is complete: take up the next request."""
        self.conversation = None
        self.head = None
        if self._held:
            self._let_go_of_body()
        if self.state is not State.BUSY:
            return
        if not self.keep_alive:
            self._linger()
            return
        self.state = State.HEAD
        if self._stalled is None:
            self.deadline_s = FROM_NEXT_SWEEP
            if self._buffer or not self._reading:
                self._next_request()

    def abort(self) -> None:
        """Break the connection off: the only honest end of an answer that cannot be completed."""
        if self.state is not State.CLOSED:
            self.transport.abort()

    def _next_request(self) -> None:
        """Go on with what was pipelined, or wait for the next request."""
        self.deadline_s = FROM_NEXT_SWEEP
        self._read_on()
        if self._buffer:
            asyncio.get_running_loop().call_soon(self._pipelined)

    def _read_on(self) -> None:
        """Read again if reading was paused and there is room."""
        if not self._reading and self.state is not State.BUSY and len(self._buffer) <= MAX_PIPELINED:
            self._reading = True
            self.transport.resume_reading()

    def _pipelined(self) -> None:
        if self.state is State.HEAD and self._buffer and self._stalled is None:
            data, self._buffer = self._buffer, b""
            self._parse(data)
            self._read_on()

    def _refuse(self, error: RequestError) -> None:
        """Answer a request that cannot be read, and close: what follows it cannot be told apart from it."""
        self._gateway.refused_unread(error)
        form = google.form_of(self.head) if self.head is not None else OPENAI
        self.transport.write(
            error_answer(error, self._gateway.new_request_id(), self._gateway.date, form, keep_alive=False)
        )
        self._linger()

    def _linger(self) -> None:
        """Close so that the answer arrives: end our side, read on for a moment, then cut."""
        self.state = State.LINGER
        self._received = 0 if self._upload is None else -MAX_UPLOAD_LINGER
        self._forget()
        waiting = self.transport.get_write_buffer_size()
        if waiting:
            self.deadline_s = NEVER
            self._stalled = (self._gateway.now_s(), waiting)
        else:
            self.deadline_s = self._gateway.now_s() + LINGER_S
        self._read_on()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _let_go_of_body(self) -> None:
        self._gateway.held_bytes -= self._held
        self._held = 0

    def _forget(self) -> None:
        """Let go of what was received."""
        if self._held:
            self._let_go_of_body()
        self._buffer = b""
        self._checked = 0
        self._body = bytearray()
        self._chunks = None
        self._upload = None

    # -- time --------------------------------------------------------------------------------------------

    def check(self, now_s: float) -> None:
        """Called a few times a second: enforce the deadlines."""
        if self.conversation is not None:
            self.conversation.check(now_s)
        if self._stalled is not None and self._gave_up_reading(self._stalled, now_s):
            self._gateway.metrics.slow_readers += 1
            self.transport.abort()
            return
        if now_s < self.deadline_s:
            return
        if self.deadline_s == FROM_NEXT_SWEEP:
            self.deadline_s = now_s + self._gateway.limits.idle_s
            return
        self.deadline_s = NEVER
        if self.state is State.LINGER:
            self.transport.abort()
        elif self.state is State.HEAD and not self._begun_s:
            self.transport.close()
        else:
            late = RequestError(errors.REQUEST_TIMEOUT, "the request did not arrive in time")
            if self._upload is not None:
                self._upload[0].body_broken(late)
            else:
                self._refuse(late)

    def _gave_up_reading(self, stalled: tuple[float, int], now_s: float) -> bool:
        """Whether a client has taken nothing of what waits for it for too long."""
        since_s, waiting = stalled
        size = self.transport.get_write_buffer_size()
        if size == waiting and size:
            return now_s - since_s > self._gateway.limits.stall_s
        self._stalled = (now_s, size)
        if not size and self.state is State.LINGER:
            self._stalled = None
            self.deadline_s = now_s + LINGER_S
        return False

    def stop_idle(self) -> None:
        """Draining: close unless an answer is under way."""
        self.keep_alive = False
        if self.idle:
            self.transport.close()
