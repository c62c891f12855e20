"""A provider that answers every call with the same bytes in its own format, and keeps what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Sent:
    """One call as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Provider:
    """`answer` gives status, content type and body of a call."""

    url: str
    calls: list[Sent] = field(default_factory=list)


Answer = Callable[[Sent], tuple[int, str, bytes | list[bytes]]]
"""Status, content type and body; a list is sent in chunks, one each."""


@contextmanager
def answering(answer: Answer) -> Iterator[Provider]:
    """The provider on a free port, while the block runs."""
    provider = Provider("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent = Sent(self.path, headers, self.rfile.read(length))
            provider.calls.append(sent)
            status, content, body = answer(sent)
            self.send_response(status)
            self.send_header("content-type", content)
            chunked = isinstance(body, list)
            if chunked:
                self.send_header("transfer-encoding", "chunked")
            else:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            for piece in body if isinstance(body, list) else [body]:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None:
            """Nothing: calls are kept."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
