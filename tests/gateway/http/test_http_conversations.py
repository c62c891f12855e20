"""What clients of every kind can rely on: Expect, HTTP/1.0, HEAD, pipelining, half-closing, TLS."""

from __future__ import annotations

import socket
import ssl
import time

import pytest
import trustme

from tests.gateway.http.conftest import MakePort
from tests.gateway.http.port import EVENT, GET, GET_LAST, Port, answers, call, read_to_end, read_until

EXPECT = b"Expect: 100-continue"
CLOSE = b"Connection: close"


def _split(raw: bytes) -> tuple[bytes, bytes]:
    head, end, body = raw.partition(b"\r\n\r\n")
    return head + end, body


def test_continue_is_sent_before_the_body(port: Port) -> None:
    """A client that waits is told to go on, and then answered."""
    head, body = _split(call(EXPECT, CLOSE))
    with port.connect() as client:
        client.sendall(head)
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert [answer.status for answer in answers(read_to_end(client))] == [200]


def test_no_continue_when_the_body_is_there(port: Port) -> None:
    """A client that does not wait gets its answer only (RFC 9110 section 10.1.1)."""
    with port.connect() as client:
        client.sendall(call(EXPECT, CLOSE))
        assert read_to_end(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([], 401),
        ([b"Authorization: Bearer bl_wrong"], 401),
        ([b"Content-Encoding: gzip"], 415),
    ],
)
@pytest.mark.parametrize("expects", [True, False])
def test_a_body_that_will_be_refused_is_not_asked_for(
    make_port: MakePort, lines: list[bytes], status: int, expects: bool
) -> None:
    """Without the right key the answer is final, before any of the body is read; whoever sends on is
    not listened to."""
    port = make_port(port={"open_to_all": False})
    head, body = _split(call(*lines, *([EXPECT] if expects else [])))
    with port.connect() as client:
        client.sendall(head)
        received = read_to_end(client)
        assert received.startswith(b"HTTP/1.1 %d" % status)
        assert answers(received)[0].fields[b"connection"] == b"close"
        client.sendall(body)
    assert port.seen == []


def test_the_right_key_is_asked_for_its_body(make_port: MakePort) -> None:
    """With it the same request goes on."""
    port = make_port(port={"open_to_all": False})
    head, body = _split(call(b"Authorization: Bearer " + port.key.encode(), EXPECT, CLOSE))
    with port.connect() as client:
        client.sendall(head)
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert read_to_end(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("coding", "body"), [(b"Content-Length: 65537", b""), (b"Transfer-Encoding: chunked", b"10001\r\n")]
)
def test_bodies_off_the_model_paths_are_small(port: Port, coding: bytes, body: bytes) -> None:
    """Where no body belongs nobody, known or not, makes the port keep more than 64 KiB."""
    with port.connect() as client:
        client.sendall(b"POST /v1/nothing HTTP/1.1\r\nHost: gw\r\n" + coding + b"\r\n\r\n" + body)
        assert [answer.status for answer in answers(read_to_end(client))] == [413]


def test_a_body_at_its_limit_and_above(make_port: MakePort) -> None:
    """The limit is exact, for both forms of a body."""
    raw = call(CLOSE)
    body = _split(raw)[1]
    chunked = raw[: -len(body)].replace(b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked")
    chunked += b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    for less, status in ((0, 200), (1, 413)):
        port = make_port(body_bytes=len(body) - less)
        assert [answer.status for answer in port.talk([chunked])] == [status]
    big = body.replace(b"[]", b"[%b]" % (b" " * 70_000))
    raw = raw.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % len(big)).replace(body, big)
    for less, status in ((0, 200), (1, 413)):
        port = make_port(body_bytes=len(big) - less)
        assert [answer.status for answer in port.talk([raw])] == [status]


def test_http_1_0(port: Port) -> None:
    """HTTP/1.0 is served; its connection ends with the answer, and it never sees a 100."""
    head, body = _split(call(EXPECT, version=b"HTTP/1.0"))
    with port.connect() as client:
        client.sendall(head)
        port.turn()
        client.sendall(body)
        received = read_to_end(client)
    assert received.startswith(b"HTTP/1.1 200")
    assert answers(received)[0].fields[b"connection"] == b"close"


def test_a_stream_to_http_1_0(port: Port) -> None:
    """A stream for an HTTP/1.0 client is not chunked: it ends with the connection."""
    with port.connect() as client:
        client.sendall(call(version=b"HTTP/1.0", stream=True, events=3))
        (answer,) = answers(read_to_end(client))
    assert b"transfer-encoding" not in answer.fields
    assert answer.body == EVENT % (b"x" * 1024) * 3 + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("path", "status"), [(b"/v1/models", 200), (b"/v1/none", 404), (b"/v1/chat/completions", 405)]
)
def test_head(port: Port, path: bytes, status: int) -> None:
    """HEAD gets the head that GET would get and no body, so the next answer is where it belongs."""
    with port.connect() as client:
        client.sendall(b"HEAD %b HTTP/1.1\r\nHost: gw\r\n\r\n" % path + GET_LAST)
        head, _, rest = read_to_end(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert b"content-length: 0" not in head
    assert rest.startswith(b"HTTP/1.1 200")


def test_pipelined_answers_keep_their_order(port: Port) -> None:
    """A hundred requests in one write, some answered here and some by a target, streamed and not: the
    answers come in their order."""
    bodies = [b'"content":"%b"' % (b"x" * size) for size in range(3, 28)]
    requests = b"".join(GET + call(big=size) + GET + GET for size in range(3, 28))
    with port.connect() as client:
        client.sendall(requests + GET_LAST)
        got = answers(read_to_end(client))
    assert [answer.status for answer in got] == [200] * 101
    calls = [answer.body for answer in got[1:100:4]]
    assert all(expected in body for expected, body in zip(bodies, calls, strict=True))


def test_pipelined_behind_a_long_upload(port: Port) -> None:
    """More than the port reads ahead waits in the client's socket, and is answered in its turn."""
    large = call(big=3).replace(b"[]", b"[%b]" % (b" " * 400_000))
    body = _split(large)[1]
    large = large.replace(b"Content-Length: %d" % (len(body) - 400_000), b"Content-Length: %d" % len(body))
    with port.connect() as client:
        client.sendall((call() + large) * 5 + GET_LAST)
        assert [answer.status for answer in answers(read_to_end(client))] == [200] * 11


def test_a_half_closed_client_is_gone(make_port: MakePort) -> None:
    """The end of the client's stream cancels its request at the target at once."""
    port = make_port()
    with port.connect() as client:
        client.sendall(call(hang=1))
        port.wait_for(lambda: len(port.seen) == 1)
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == b""
        port.wait_for(lambda: port.gone == ["closed"] and not port.gateway.connections)


def test_half_closing_keeps_what_is_answered(port: Port) -> None:
    """What was answered when the end came still arrives whole."""
    with port.connect() as client:
        client.sendall(GET)
        client.shutdown(socket.SHUT_WR)
        assert [answer.status for answer in answers(read_to_end(client))] == [200]


def test_content_and_an_error_at_once(make_port: MakePort) -> None:
    """When the first content and the target's error come in one read, the client holds nothing yet: it gets
    a clean error answer, not half a stream."""
    port = make_port()
    with port.connect() as client:
        client.sendall(call(CLOSE, stream=True, broken=1))
        (answer,) = answers(read_to_end(client))
    assert answer.status == 502
    assert b"upstream_error" in answer.body


def test_every_client_gets_its_own_answer(make_port: MakePort) -> None:
    """200 answers over shared connections to the target each reach the client that asked."""
    port = make_port()
    clients = [port.connect() for _ in range(4)]
    for round_ in range(50):
        for number, client in enumerate(clients):
            client.sendall(call(big=10 + 4 * round_ + number))
        for number, client in enumerate(clients):
            received = read_until(client, lambda received: received.endswith(b"}}"))
            assert b'"%b"' % (b"x" * (10 + 4 * round_ + number)) in received
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of the test's own."""
    return trustme.CA()


@pytest.fixture
def tls_port(make_port: MakePort, authority: trustme.CA) -> Port:
    """A data port with TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return make_port(port={"tls": context}, head_s=1.0)


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context that trusts it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_tls(tls_port: Port, trusting: ssl.SSLContext) -> None:
    """Calls, streams and long answers work over TLS as without."""
    with (
        tls_port.connect() as plain,
        trusting.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(call() + call(CLOSE, big=3_000_000))
        small, large = answers(read_to_end(client))
    assert (small.status, large.status) == (200, 200)
    assert len(large.body) > 3_000_000
    with (
        tls_port.connect() as plain,
        trusting.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(call(CLOSE, stream=True, events=300))
        assert read_to_end(client).count(b"x" * 1024) == 300


def test_a_handshake_has_a_deadline(tls_port: Port) -> None:
    """A client that opens a TLS port and says nothing, or speaks plain HTTP, is cut."""
    with tls_port.connect() as silent, tls_port.connect() as plain:
        plain.sendall(GET)
        begun_s = time.monotonic()
        assert not read_to_end(plain).startswith(b"HTTP")
        assert time.monotonic() - begun_s < 1
        assert read_to_end(silent) == b""
        assert 0.9 <= time.monotonic() - begun_s <= 2


def test_tls_refusals_arrive(tls_port: Port, trusting: ssl.SSLContext) -> None:
    """A refused request is answered over TLS too, and its deadline holds."""
    for raw, status in ((b"GET / HTTP/1.1\n\n", 400), (b"GET / HT", 408)):
        with (
            tls_port.connect() as plain,
            trusting.wrap_socket(plain, server_hostname="127.0.0.1") as client,
        ):
            client.sendall(raw)
            assert [answer.status for answer in answers(read_to_end(client))] == [status]
