"""Forms as other clients than the SDK write them, sent in pieces."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable

from tests.gateway.threaded import Clients, Reply

BOUNDARY = b"0123456789abcdef"


def part(name: str, value: bytes, *, filename: str = "", head: bytes = b"") -> bytes:
    """One part of a form, its boundary before it."""
    file = f'; filename="{filename}"' if filename else ""
    head = head or f'content-disposition: form-data; name="{name}"{file}\r\n'.encode()
    return b"--%b\r\n%b\r\n%b\r\n" % (BOUNDARY, head, value)


END = b"--%b--\r\n" % BOUNDARY


def form(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(parts) + END


class Sender:
    """A client that sends a form by hand, as slowly or as brokenly as a test wants."""

    def __init__(self, gateway: Clients, path: str, *, length: int | None, **headers: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
        self.chunked = length is None
        size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self._socket.sendall(
            f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n{size}\r\n"
            f"content-type: multipart/form-data; boundary={BOUNDARY.decode()}\r\n{more}\r\n".encode()
        )

    def send(self, *pieces: bytes) -> None:
        """Some of the body."""
        for piece in pieces:
            self._socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece)

    def end(self) -> None:
        """The end of a chunked body."""
        if self.chunked:
            self._socket.sendall(b"0\r\n\r\n")

    def reply(self) -> Reply:
        """The answer, read to its end or to where the connection breaks."""
        response = http.client.HTTPResponse(self._socket)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, response.read())

    def leave(self) -> None:
        """Close the connection, whatever is under way."""
        self._socket.close()


def post_form(gateway: Clients, path: str, body: bytes, *, pieces: Iterable[bytes] | None = None) -> Reply:
    """Send a form with its length, whole or in these pieces."""
    sender = Sender(gateway, path, length=len(body))
    try:
        sender.send(*(pieces or (body,)))
        return sender.reply()
    finally:
        sender.leave()
