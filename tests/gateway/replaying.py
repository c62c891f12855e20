"""A target that says what a provider once said, byte for byte, in whatever pieces a network makes of it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, NamedTuple

from tests.gateway.answering import Sent

PAUSE_S = 0.0002
"""Between two writes, so that the reader has the first before the second comes."""


class Cuts(StrEnum):
    """How an answer is cut. Of streams, pieces are events as they were recorded; a whole answer is one."""

    EVENTS = "events"  # a chunk and a write for each piece
    HALVES = "halves"  # each piece in two chunks, each chunk in two writes
    ONE = "one"  # everything in one chunk and one write
    BYTES = "bytes"  # a chunk for each byte, in writes that end within chunks
    LENGTH = "length"  # no chunks: content-length, written at once


class Said(NamedTuple):
    """An answer: its head, and its body in pieces, with pauses between its writes."""

    status: int
    content_type: str
    pieces: tuple[bytes, ...]
    headers: tuple[tuple[str, str], ...] = ()
    pause_s: float = PAUSE_S

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


def events_of(text: bytes) -> tuple[bytes, ...]:
    """A stream of server-sent events cut after each blank line, with the line ends it has."""
    end = b"\r\n\r\n" if b"\r\n\r\n" in text else b"\n\n"
    parts = text.split(end)
    return tuple(part + end for part in parts[:-1]) + ((parts[-1],) if parts[-1] else ())


def frames_in(data: bytes) -> tuple[bytes, ...]:
    """A binary event stream cut into its frames, each of which begins with its length."""
    frames = []
    while data:
        length = int.from_bytes(data[:4], "big")
        frames.append(data[:length])
        data = data[length:]
    return tuple(frames)


def writes(said: Said, cuts: Cuts) -> Iterator[bytes]:
    """The bytes of an answer on the wire, one write after the other."""
    lines = [f"HTTP/1.1 {said.status} Recorded", f"content-type: {said.content_type}"]
    lines += [f"{name}: {value}" for name, value in said.headers]
    if cuts is Cuts.LENGTH:
        lines.append(f"content-length: {len(said.body)}")
        yield "\r\n".join([*lines, "", ""]).encode() + said.body
        return
    head = "\r\n".join([*lines, "transfer-encoding: chunked", "", ""]).encode()
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in _pieces(said, cuts) if piece]
    if cuts is Cuts.EVENTS:
        yield head
        yield from chunks
        yield b"0\r\n\r\n"
    elif cuts is Cuts.ONE:
        yield b"".join([head, *chunks, b"0\r\n\r\n"])
    else:
        step = 97 if cuts is Cuts.BYTES else 0
        for whole in [b"".join([head, *chunks, b"0\r\n\r\n"])] if step else [head, *chunks, b"0\r\n\r\n"]:
            size = step or len(whole) // 2 + 1
            yield from (whole[at : at + size] for at in range(0, len(whole), size))


def _pieces(said: Said, cuts: Cuts) -> Iterable[bytes]:
    match cuts:
        case Cuts.HALVES:
            for piece in said.pieces:
                yield from (piece[: len(piece) // 2], piece[len(piece) // 2 :])
        case Cuts.BYTES:
            yield from (bytes([byte]) for byte in said.body)
        case Cuts.ONE | Cuts.LENGTH:
            yield said.body
        case Cuts.EVENTS:
            yield from said.pieces


@dataclass
class Replaying:
    """The target while it runs. It keeps the calls; to each it says the next of `queue`, or else `said`.

    Unless `refuses` has an answer of its own to the call.
    """

    url: str
    said: Said = field(default_factory=lambda: Said(500, "text/plain", (b"nothing to say",)))
    cuts: Cuts = Cuts.EVENTS
    queue: list[Said] = field(default_factory=list)
    calls: list[Sent] = field(default_factory=list)
    refuses: Callable[[Sent], Said | None] = lambda sent: None

    def answer(self, connection: socket.socket) -> None:
        """Serve one connection until the other side closes it."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError), connection, connection.makefile("rb") as reader:
            while (sent := _read(reader)) is not None:
                self.calls.append(sent)
                said = self.refuses(sent)
                if said is None:
                    said = self.queue.pop(0) if self.queue else self.said
                for at, part in enumerate(writes(said, self.cuts)):
                    if at:
                        time.sleep(said.pause_s)
                    connection.sendall(part)


def _read(reader: BinaryIO) -> Sent | None:
    """The next call; None where there is none."""
    line = reader.readline()
    if not line:
        return None
    headers: dict[str, str] = {}
    while (field_line := reader.readline().rstrip(b"\r\n").decode("latin-1")) != "":
        name, _, value = field_line.partition(":")
        headers[name.lower()] = value.strip()
    path = line.split(b" ")[1].decode("latin-1")
    return Sent(path, headers, reader.read(int(headers.get("content-length", "0"))))


@contextlib.contextmanager
def replaying() -> Iterator[Replaying]:
    """The target on a free port, while the block runs."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Replaying(f"http://127.0.0.1:{server.getsockname()[1]}")

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connections.append(server.accept()[0])
                    threading.Thread(target=target.answer, args=connections[-1:], daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield target
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
