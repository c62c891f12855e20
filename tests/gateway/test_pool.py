"""Connections to targets: kept, replaced when stale, verified, and never out of step with their requests."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from baseload.gateway.upstream import MAX_INTERIM
from tests.gateway.running import RunningTwin, metered, owned, provider
from tests.gateway.threaded import MakeThreaded, ThreadedGateway, eventually, read_reply

Twins = Callable[..., RunningTwin]
ANSWER = b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
EVENTS = (
    b'data: {"id":"x","choices":[{"delta":{"content":"hi"}}]}\n\n'
    b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
)
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


class Scripted:
    """An upstream that answers each connection's requests with given bytes; None closes instead.

    `connections` holds what each connection has received.
    """

    def __init__(self, *answers: bytes | None, tls: ssl.SSLContext | None = None) -> None:
        self.connections: list[bytes] = []
        self._answers = answers
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                self._open.append(accepted)
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        number = len(self.connections)
        self.connections.append(b"")
        with contextlib.suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            for answer in self._answers:
                received = b""
                while b"\r\n\r\n" not in received or not received.endswith(b"}"):
                    data = connection.recv(65536)
                    if not data:
                        return
                    received += data
                    self.connections[number] += data
                if answer is None:
                    break
                connection.sendall(answer)
            else:
                return
        connection.close()

    def drop(self) -> None:
        """Close every connection, as a server does with idle ones."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.drop()

    def target(self, scheme: str = "http", **changes: Any) -> dict[str, Any]:
        """It as a metered target."""
        price = {"input": "2.50", "output": "10.00"}
        section = {"provider": "openai", "key": "sk-secret", "price": price}
        return {"metered": section, "url": f"{scheme}://localhost:{self.port}/v1", "model": "m", **changes}


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Start upstreams that say what they are told: `scripted(answer, answer, ..., tls=...)`."""
    with contextlib.ExitStack() as stack:

        def make(*answers: bytes | None, tls: ssl.SSLContext | None = None) -> Scripted:
            made = Scripted(*answers, tls=tls)
            stack.callback(made.close)
            return made

        yield make


MakeScripted = Callable[..., Scripted]


def _open_connections(gateway: ThreadedGateway, target: str) -> int:
    return gateway.call(lambda: gateway.gateway.site.places[target].pool.open)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_connections_are_kept_and_used_again(threaded: MakeThreaded, twins: Twins, stream: bool) -> None:
    """One after another, requests share one connection to their target."""
    gateway = threaded({"api": metered(twins(provider))})
    for _ in range(5):
        assert gateway.chat(stream=stream).status == 200
    assert _open_connections(gateway, "api") == 1


def test_a_stale_connection_is_replaced_invisibly(threaded: MakeThreaded, scripted: MakeScripted) -> None:
    """A kept connection that the target closes as the next request goes out is replaced by a fresh one: the
    client gets its answer, the target's health and the retry budget are untouched, and both tries are on
    record."""
    upstream = scripted(WHOLE, None)
    gateway = threaded({"api": upstream.target()})
    for number in range(4):
        reply = gateway.chat()
        assert (reply.status, reply.content) == (200, "hi"), number
    assert len(upstream.connections) == 4
    rows = gateway.rows(7)
    assert [row["outcome"] for row in rows] == ["completed"] + ["failed", "completed"] * 3
    assert {row["target"] for row in rows} == {"api"}
    health = gateway.gateway.loads["api"].health
    assert gateway.call(lambda: (health._failures, health._oks)) == (0, 4)


def test_a_connection_closed_while_idle_is_not_used(threaded: MakeThreaded, scripted: MakeScripted) -> None:
    """What the target closed meanwhile is forgotten: the next request takes one attempt on a fresh one."""
    upstream = scripted(WHOLE, WHOLE)
    gateway = threaded({"api": upstream.target()})
    assert gateway.chat().status == 200
    upstream.drop()
    eventually(lambda: _open_connections(gateway, "api") == 0)
    assert gateway.chat().headers["x-baseload-attempts"] == "1"


def test_a_wrong_certificate_gets_no_byte_of_the_key(threaded: MakeThreaded, scripted: MakeScripted) -> None:
    """Without a certificate of a known authority nothing is sent, and the client hears upstream_connect."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    upstream = scripted(WHOLE, tls=context)
    gateway = threaded({"api": upstream.target("https")})
    reply = gateway.chat()
    assert (reply.status, reply.code) == (502, "upstream_connect")
    assert b"".join(upstream.connections) == b""
    assert all(row["input_tokens"] == 0 for row in gateway.rows(3))


@pytest.mark.parametrize(("name", "status"), [("localhost", 200), ("another.example", 502)])
def test_the_named_authority_is_trusted_for_its_name_only(
    threaded: MakeThreaded, scripted: MakeScripted, tmp_path: Path, name: str, status: int
) -> None:
    """`ca` names an authority to trust; a certificate of its for another host is refused all the same."""
    authority = trustme.CA()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    upstream = scripted(WHOLE, tls=context)
    gateway = threaded({"api": upstream.target("https", ca=str(file))})
    assert gateway.chat().status == status
    assert (b"sk-secret" in b"".join(upstream.connections)) == (status == 200)


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 3]
)
def test_interim_responses_are_read_over(
    threaded: MakeThreaded, scripted: MakeScripted, interim: bytes
) -> None:
    """1xx responses before the real one change nothing."""
    gateway = threaded({"api": scripted(interim + WHOLE).target()})
    assert gateway.chat().content == "hi"


def test_interim_responses_are_counted_for_their_own_answer(
    threaded: MakeThreaded, scripted: MakeScripted
) -> None:
    """However many answers on one connection begin with 1xx responses, none fails for those before it."""
    upstream = scripted(*[b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + WHOLE] * 3 * MAX_INTERIM)
    gateway = threaded({"api": upstream.target()})
    assert [gateway.chat().status for _ in range(3 * MAX_INTERIM)] == [200] * 3 * MAX_INTERIM
    assert len(upstream.connections) == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_says_nothing_of_the_next(
    threaded: MakeThreaded, scripted: MakeScripted, status: bytes
) -> None:
    """With statuses that have no body a length is none, whatever the one before said."""
    none = b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % status
    upstream = scripted(none, none.replace(b": 0", b": 5"), none.replace(b": 0", b": 5"))
    gateway = threaded({"api": upstream.target(timeouts={"ttft": "5s", "total": "5s"})})
    began_s = time.monotonic()
    assert gateway.chat().status == 502
    assert time.monotonic() - began_s < 4.0


BROKEN = {
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + WHOLE,
    "endless interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + WHOLE,
    "33 KiB of headers": b"HTTP/1.1 200 OK\r\n" + b"a: " + b"x" * 33 * 1024 + b"\r\n\r\n" + ANSWER,
    "101 headers": b"HTTP/1.1 200 OK\r\n"
    + b"".join(b"a%d: b\r\n" % n for n in range(101))
    + b"\r\n"
    + ANSWER,
    "length and chunked": WHOLE.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n", 1),
    "two lengths": WHOLE.replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\n", 1),
    "negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n" + ANSWER,
    "folded header": WHOLE.replace(b"\r\n\r\n", b"\r\nx: a\r\n b\r\n\r\n", 1),
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "bad chunk size": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "stream: bad chunk size": SSE + b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "stream: ends early": SSE + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("case", BROKEN)
def test_bad_http_is_the_targets_failure(threaded: MakeThreaded, scripted: MakeScripted, case: str) -> None:
    """What is not HTTP as RFC 9112 says is upstream_broken; the connection is not used again."""
    upstream = scripted(BROKEN[case], None)
    gateway = threaded({"bad": upstream.target(timeouts={"ttft": "1s"}), "api": scripted(WHOLE).target()})
    reply = gateway.chat(headers={"x-baseload-targets": "bad"}, stream=case.startswith("stream"))
    assert (reply.status, reply.code) == (502, "upstream_broken")
    assert _open_connections(gateway, "bad") == 0


def test_the_targets_headers_do_not_cross(threaded: MakeThreaded, scripted: MakeScripted) -> None:
    """Cookies, credentials, framing and our own names in a target's headers never reach the client, nor do
    line breaks smuggled into them."""
    evil = (
        b"set-cookie: a=b\r\nx-baseload-target: other\r\nx-request-id: evil\r\nconnection: close\r\n"
        b"x-ratelimit-limit-requests: 1\r\nlocation: http://elsewhere/\r\nserver: evil\r\n"
    )
    gateway = threaded({"api": scripted(WHOLE.replace(b"\r\n", b"\r\n" + evil, 1)).target()})
    with gateway.connection() as connection:
        gateway.send(connection)
        reply = read_reply(connection)
    assert reply.headers["x-baseload-target"] == "api"
    assert "evil" not in str(reply.headers)
    assert not reply.headers.keys() & {"set-cookie", "connection", "location", "server"}
    assert not any(name.startswith("x-ratelimit") for name in reply.headers)


def test_the_clients_headers_do_not_cross(threaded: MakeThreaded, scripted: MakeScripted) -> None:
    """The target gets its own credential and the attempt's id; nothing else of the client's head."""
    upstream = scripted(WHOLE)
    gateway = threaded({"api": upstream.target()})
    sent = {"cookie": "a=b", "x-forwarded-for": "1.2.3.4", "openai-organization": "acme", "x-evil": "1"}
    reply = gateway.chat(headers=sent)
    head = upstream.connections[0].partition(b"\r\n\r\n")[0].lower()
    assert gateway.key.encode().lower() not in head
    assert b"authorization: bearer sk-secret" in head
    assert f"x-request-id: {reply.headers['x-request-id']}.1".encode() in head
    assert not any(f"{name}:".encode() in head for name in sent)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_surplus_bytes_are_never_anothers_answer(
    threaded: MakeThreaded, scripted: MakeScripted, stream: bool
) -> None:
    """A second answer that comes along with the first, unasked for, is not taken for the next request's."""
    chunked = b"%btransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (SSE, len(EVENTS), EVENTS)
    answer, framed = (chunked, chunked) if stream else (WHOLE, WHOLE)
    upstream = scripted(framed + answer.replace(b'"hi"', b'"no"'), answer)
    gateway = threaded({"api": upstream.target()})
    for _ in range(3):
        reply = gateway.chat(stream=stream)
        assert reply.status == 502 or reply.content == "hi"
        assert b'"no"' not in reply.body


@pytest.mark.parametrize(
    "framing",
    [b"content-length: %d\r\n\r\n" % len(EVENTS), b"connection: close\r\n\r\n", b"\r\n"],
    ids=["length", "close", "neither"],
)
def test_a_stream_ends_with_done_however_it_is_framed(
    threaded: MakeThreaded, scripted: MakeScripted, framing: bytes
) -> None:
    """`[DONE]` completes a stream that is not chunked, though its target keeps the connection."""
    gateway = threaded({"api": scripted(SSE + framing + EVENTS, WHOLE).target()})
    with gateway.connection(timeout_s=3.0) as connection:
        gateway.send(connection, stream=True)
        reply = read_reply(connection)
    assert (reply.content, reply.done, reply.whole) == ("hi", True, True)
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("completed", 1, 1)


def test_a_slow_reader_leaves_no_connection_paused(threaded: MakeThreaded, scripted: MakeScripted) -> None:
    """Back-pressure ends with its stream: the connection paused for a slow client serves the next."""
    event = b'data: {"id":"x","choices":[{"delta":{"content":"%b"}}]}\n\n' % (b"y" * 60_000)
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*[event] * 200, EVENTS))
    upstream = scripted(SSE + b"transfer-encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n", WHOLE)
    gateway = threaded({"api": upstream.target()})
    with gateway.connection() as slow:
        gateway.send(slow, stream=True)
        eventually(
            lambda: gateway.call(
                lambda: any(client._stalled is not None for client in gateway.gateway.connections)
            )
        )
        reply = read_reply(slow)
    assert (reply.done, len(reply.body)) == (True, len(event) * 200 + len(EVENTS) - len(_usage_event()))
    assert gateway.chat().content == "hi"
    assert gateway.rows(2)[0]["outcome"] == "completed"


def _usage_event() -> bytes:
    return EVENTS.split(b"\n\n")[1] + b"\n\n"


def test_a_slow_reader_is_not_the_targets_failure(
    threaded: MakeThreaded, scripted: MakeScripted, quick_sweep: None
) -> None:
    """While a client does not read, the idle deadline of its target stands still."""
    event = b'data: {"id":"x","choices":[{"delta":{"content":"%b"}}]}\n\n' % (b"y" * 60_000)
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*[event] * 200, EVENTS))
    answer = SSE + b"transfer-encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"
    gateway = threaded({"api": scripted(answer).target(timeouts={"idle": "200ms"})})
    with gateway.connection() as slow:
        gateway.send(slow, stream=True)
        gateway.call(lambda: None)
        threading.Event().wait(0.8)
        assert read_reply(slow).done


def test_a_slow_readers_total_is_not_the_targets_failure(
    threaded: MakeThreaded, scripted: MakeScripted, quick_sweep: None
) -> None:
    """A stream that its client held up until `total` had passed ends, and says nothing against its target."""
    event = b'data: {"id":"x","choices":[{"delta":{"content":"%b"}}]}\n\n' % (b"y" * 60_000)
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*[event] * 200, EVENTS))
    answer = SSE + b"transfer-encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"
    gateway = threaded({"api": scripted(answer).target(timeouts={"total": "300ms"})})
    with gateway.connection() as slow:
        gateway.send(slow, stream=True)
        (row,) = gateway.rows(1)
        assert read_reply(slow).in_band_error == "timeout_total"
    assert (row["outcome"], row["error_code"]) == ("cut", "timeout_total")
    health = gateway.gateway.loads["api"].health
    assert gateway.call(lambda: (health._failures, health._oks)) == (0, 0)


def test_http_1_0_clients_get_streams_that_end_with_the_connection(
    threaded: MakeThreaded, twins: Twins
) -> None:
    """A client that does not know chunked coding gets plain events and a close."""
    gateway = threaded({"api": owned(twins(provider))})
    body = b'{"model":"chat","stream":true,"max_tokens":3,"ignore_eos":true,"messages":[{"content":"x"}]}'
    head = f"POST /v1/chat/completions HTTP/1.0\r\nhost: a\r\nauthorization: Bearer {gateway.key}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as raw:
        raw.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        received = b"".join(iter(lambda: raw.recv(65536), b""))
    assert b"transfer-encoding" not in received
    assert received.endswith(b"data: [DONE]\n\n")
