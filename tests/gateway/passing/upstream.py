"""A small server that behaves as OpenAI does on the paths that pass through, and keeps what it was sent."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_WR
from typing import Any

SPOKEN = bytes(range(256)) * 1024
"""What speech sounds like here: 256 KiB."""
PIXEL = base64.b64encode(b"a picture").decode()


@dataclass
class Call:
    """One call as it came; `files` holds each file's length and SHA-256."""

    path: str
    headers: dict[str, str]
    body: bytes = b""
    length: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Upstream:
    """The server's address, its calls, and how it misbehaves."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    gone: int = 0
    """Connections that the other side dropped while a request or an answer was under way."""
    read_delay_s: float = 0.0  # before each 64 KiB of a body
    answer_delay_s: float = 0.0  # before an answer
    speech: bytes = SPOKEN
    break_speech_after: int | None = None  # bytes of it
    refuse: tuple[int, dict[str, Any]] | None = (
        None  # status and body of every answer, before the body is read
    )
    fail: list[int] = field(default_factory=list)  # statuses of the next answers
    keep_bodies: bool = True


def _image(form: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "created": 1,
        "data": [{"b64_json": PIXEL} for _ in range(int(form.get("n") or 1))],
    }
    if str(form.get("model", "")).startswith("gpt-image"):
        answer["usage"] = {
            "input_tokens": 50,
            "output_tokens": 1056,
            "total_tokens": 1106,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40 if "prompt_image" in form else 0},
        }
    return answer


def _heard(form: dict[str, str]) -> dict[str, Any]:
    if "whisper" in form.get("model", ""):
        return {"text": "hello there", "usage": {"type": "duration", "seconds": 9}}
    usage = {
        "type": "tokens",
        "input_tokens": 14,
        "output_tokens": 45,
        "total_tokens": 59,
        "input_token_details": {"text_tokens": 14, "audio_tokens": 0},
    }
    return {"text": "hello there", "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: Upstream

    def do_POST(self) -> None:
        call = Call(self.path, {name.lower(): value for name, value in self.headers.items()})
        self.upstream.calls.append(call)
        if self.upstream.refuse is not None:
            self.close_connection = True
            self._json(*self.upstream.refuse)
            self.connection.shutdown(SHUT_WR)
            self.connection.settimeout(2)
            with contextlib.suppress(OSError):  # RFC 9112 section 9.6: else the answer would be lost
                while self.rfile.read1(65536):
                    pass
            return
        try:
            body = b"".join(self._body(call))
            call.body = body if self.upstream.keep_bodies else b""
            self._answer(call, self._form(call, body))
        except (ConnectionError, TimeoutError):
            self.upstream.gone += 1
            self.close_connection = True

    def _body(self, call: Call) -> Iterator[bytes]:
        """The body in pieces; what is not kept is only counted."""
        left = self.headers.get("content-length")
        if left is not None:
            missing = int(left)
            while missing:
                time.sleep(self.upstream.read_delay_s)
                piece = self.rfile.read(min(65536, missing))
                if not piece:
                    raise ConnectionError("the body broke off")
                missing -= len(piece)
                call.length += len(piece)
                if self.upstream.keep_bodies:
                    yield piece
            return
        while True:
            line = self.rfile.readline()
            if not line:
                raise ConnectionError("the body broke off")
            size = int(line, 16)
            piece = self.rfile.read(size + 2)
            if size == 0:
                return
            call.length += size
            yield piece[:-2]

    def _form(self, call: Call, body: bytes) -> dict[str, Any]:
        content = self.headers.get("content-type", "")
        if not content.startswith("multipart/"):
            return dict(json.loads(body)) if body else {}
        parsed = BytesParser(policy=HTTP).parsebytes(b"content-type: %b\r\n\r\n%b" % (content.encode(), body))
        for part in parsed.iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            value = part.get_payload(decode=True)
            assert isinstance(value, bytes)
            if part.get_filename() is None:
                call.fields[name] = value.decode()
            else:
                call.files[name] = (len(value), hashlib.sha256(value).hexdigest())
        return dict(call.fields)

    def _answer(self, call: Call, form: dict[str, Any]) -> None:
        time.sleep(self.upstream.answer_delay_s)
        if self.upstream.fail:
            self._json(self.upstream.fail.pop(0), {"error": {"message": "out of order"}})
            return
        match call.path.removeprefix("/v1"):
            case "/images/generations" if form.get("stream"):
                self._events(
                    {"type": "image_generation.partial_image", "b64_json": PIXEL},
                    {"type": "image_generation.completed", **_image(form)},
                )
            case "/images/generations" | "/images/edits" | "/images/variations":
                self._json(200, _image(form))
            case "/audio/speech":
                self._speak()
            case "/audio/transcriptions" | "/audio/translations":
                if form.get("response_format") == "text":
                    self._whole(200, "text/plain; charset=utf-8", b"hello there\n")
                else:
                    self._json(200, _heard(form))
            case "/moderations":
                result = {"flagged": False, "categories": {}, "category_scores": {}}
                self._json(200, {"id": "m", "model": form.get("model", "omni-default"), "results": [result]})
            case "/rerank":
                ranked = [{"index": n, "relevance_score": 0.5} for n in range(len(form["documents"]))]
                units = {"billed_units": {"search_units": 1}}
                self._json(200, {"id": "r", "results": ranked, "meta": units})
            case path:
                self._json(404, {"error": {"message": f"no path {path}", "code": "unknown_url"}})

    def _speak(self) -> None:
        sound = self.upstream.speech
        self.send_response(200)
        self.send_header("content-type", "audio/mpeg")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for at in range(0, len(sound), 16384):
            if self.upstream.break_speech_after is not None and at >= self.upstream.break_speech_after:
                self.wfile.flush()
                self.connection.close()
                raise ConnectionError("broken on purpose")
            piece = sound[at : at + 16384]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _events(self, *events: dict[str, Any]) -> None:
        blocks = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for block in blocks:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
        self.wfile.write(b"0\r\n\r\n")

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._whole(status, "application/json", json.dumps(body).encode())

    def _whole(self, status: int, content: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", content)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: calls are kept."""


@contextmanager
def serving() -> Iterator[Upstream]:
    """The server on a free port, while the block runs."""
    upstream = Upstream()
    handler = type("Handler", (_Handler,), {"upstream": upstream})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    upstream.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
