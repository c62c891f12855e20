"""Every way of taking one's time is cut at its deadline, and nobody else is."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.http.conftest import MakePort
from tests.gateway.http.port import GET, Port, answers, call, read_to_end, read_until

DEADLINE_S = 1.0
TOLERANCE_S = 1.0
PAUSE_S = 0.05


def _drip(client: socket.socket, piece: bytes, stop: threading.Event) -> None:
    """Send a piece again and again, until the peer has had enough."""
    with contextlib.suppress(OSError):
        while not stop.wait(PAUSE_S):
            client.sendall(piece)


@contextlib.contextmanager
def _dripping(client: socket.socket, piece: bytes) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=_drip, args=(client, piece, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _cut_after_s(port: Port, begin: bytes, drip: bytes = b"") -> tuple[float, list[int]]:
    """How long a connection lives that sends `begin` and then drips, and what it is answered."""
    with port.connect() as client:
        begun_s = time.monotonic()
        client.sendall(begin)
        with _dripping(client, drip) if drip else contextlib.nullcontext():
            received = read_to_end(client)
        return time.monotonic() - begun_s, [answer.status for answer in answers(received)]


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gw\r\n"


LIMITS = {"head_s": 1.0, "body_s": 1.6, "idle_s": 2.2}
SLOW = {
    "header lines one by one": (HEAD, b"X-A: b\r\n", "head_s", [408]),
    "a head of one byte": (b"P", b"", "head_s", [408]),
    "a second head of one byte": (GET + b"P", b"", "head_s", [200, 408]),
    "body bytes one by one": (HEAD + b"Content-Length: 1000\r\n\r\n", b"x", "body_s", [408]),
    "chunks one by one": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", "body_s", [408]),
    "silence": (b"", b"", "idle_s", []),
    "an empty line": (b"\r\n", b"", "idle_s", []),
    "silence after a request": (GET, b"", "idle_s", [200]),
}


def test_cut_at_the_deadline(make_port: MakePort) -> None:
    """A request that does not come is answered 408, an idle connection closed, each at its own deadline."""
    port = make_port(**LIMITS)
    with ThreadPoolExecutor(len(SLOW)) as pool:
        cuts = {
            name: pool.submit(_cut_after_s, port, begin, drip) for name, (begin, drip, _, _) in SLOW.items()
        }
        for name, (_, _, limit, statuses) in SLOW.items():
            took_s, answered = cuts[name].result()
            assert answered == statuses, name
            assert LIMITS[limit] <= took_s <= LIMITS[limit] + TOLERANCE_S, name


def test_a_body_that_flows_has_more_time(make_port: MakePort) -> None:
    """Every 64 KiB that came give a body another second."""
    port = make_port(body_s=DEADLINE_S)
    took_s, answered = _cut_after_s(port, HEAD + b"Content-Length: 999999\r\n\r\n" + b"x" * 65536)
    assert answered == [408]
    assert DEADLINE_S + 1 <= took_s <= DEADLINE_S + 1 + TOLERANCE_S


def test_a_client_that_does_not_read_is_cut(make_port: MakePort) -> None:
    """A stream that nobody reads pauses its target, holds little memory, and is cut when the client took
    nothing for so long; the target's request is cancelled with it."""
    port = make_port(stall_s=DEADLINE_S)
    with port.connect(receive_buffer=4096) as client:
        begun_s = time.monotonic()
        client.sendall(call(stream=True, events=50_000))
        port.wait_for(lambda: bool(port.gateway.metrics.slow_readers))
        took_s = time.monotonic() - begun_s
        port.wait_for(lambda: port.gone == ["closed"])
    assert port.gateway.metrics.slow_readers == 1
    assert DEADLINE_S <= took_s <= DEADLINE_S + TOLERANCE_S


def test_memory_of_a_client_that_does_not_read(make_port: MakePort) -> None:
    """What waits for such a client is bounded, whatever its target could send."""
    port = make_port()
    with port.connect(receive_buffer=4096) as client:
        client.sendall(call(stream=True, events=50_000))
        port.wait_for(lambda: any(c.transport.get_write_buffer_size() for c in port.gateway.connections))
        time.sleep(0.3)  # 50 MiB would be here by now
        (connection,) = port.gateway.connections
        assert connection.transport.get_write_buffer_size() < 1024 * 1024


def test_a_slow_reader_that_reads_is_served(make_port: MakePort) -> None:
    """Progress is what counts: a client slower than any deadline gets its whole stream."""
    port = make_port(stall_s=0.5, idle_s=0.5, head_s=0.5)
    with port.connect(receive_buffer=65536) as client:
        client.sendall(call(b"Connection: close", stream=True, events=6000))
        received = b""
        while piece := client.recv(200_000):
            received += piece
            time.sleep(0.05)
    assert received.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert received.count(b"x" * 1024) == 6000


def test_a_long_answer_is_not_cut_short_by_closing(
    make_port: MakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Connection: close` ends the connection when the answer is out, however long that takes."""
    monkeypatch.setattr("baseload.gateway.client.LINGER_S", 0.1)
    port = make_port()
    with port.connect(receive_buffer=4096) as client:
        client.sendall(call(b"Connection: close", big=5_000_000))
        port.wait_for(lambda: any(c.state.name == "LINGER" for c in port.gateway.connections))
        time.sleep(0.6)  # the linger is over twice
        (answer,) = answers(read_to_end(client))
    assert len(answer.body) > 5_000_000


def test_answers_nobody_reads_do_not_pile_up(make_port: MakePort) -> None:
    """Pipelined requests whose answers are not read are not taken up: the port stops reading instead."""
    port = make_port(stall_s=DEADLINE_S)
    with port.connect(receive_buffer=4096) as client:
        client.settimeout(0.5)
        with pytest.raises((TimeoutError, ConnectionResetError, BrokenPipeError)):
            client.sendall(GET * 500_000)
        (connection,) = port.gateway.connections
        assert connection.transport.get_write_buffer_size() < 1024 * 1024
        assert len(connection._buffer) < 1024 * 1024
        port.wait_for(lambda: bool(port.gateway.metrics.slow_readers))


def test_a_header_bomb_is_refused_early(make_port: MakePort) -> None:
    """Headers without end are answered 431 after 32 KiB; what is sent on is not kept."""
    port = make_port()
    with port.connect() as client:
        client.sendall(HEAD)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(500):
                client.sendall(b"X-A: b\r\n" * 8192)
        (connection,) = port.gateway.connections or (None,)
        assert connection is None or not connection._buffer
        with contextlib.suppress(ConnectionResetError):
            assert [answer.status for answer in answers(read_to_end(client))] == [431]


def test_a_thousand_slow_heads(make_port: MakePort) -> None:
    """1,000 connections that begin a request and stop are all cut at their deadline; a good client is
    served meanwhile."""
    port = make_port(head_s=2.0)
    begun_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        attackers = [stack.enter_context(port.connect()) for _ in range(1000)]
        for attacker in attackers:
            attacker.sendall(b"POST /v1/chat")
        sent_s = time.monotonic()
        assert [answer.status for answer in port.talk([call(b"Connection: close")])] == [200]
        for attacker in attackers:
            assert [answer.status for answer in answers(read_to_end(attacker))] == [408]
        ended_s = time.monotonic()
    assert ended_s - begun_s >= 2.0
    assert ended_s - sent_s <= 2.0 + TOLERANCE_S


def test_connections_are_bounded(make_port: MakePort) -> None:
    """At the bound, while all are busy, a connection is told 503 and closed; those within go on, and room
    that gets free is given away again."""
    port = make_port(connections=20)
    with contextlib.ExitStack() as stack:
        within = [stack.enter_context(port.connect()) for _ in range(20)]
        for client in within:
            client.sendall(call(hang=1))
        port.wait_for(lambda: len(port.seen) == 20)
        (answer,) = answers(read_to_end(stack.enter_context(port.connect())))
        assert answer.status == 503
        assert b"retry-after" in answer.fields
        for client in within:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):  # nothing came, not even the end
                client.recv(1)
    port.wait_for(lambda: not port.gateway.connections)
    assert [answer.status for answer in port.talk([call(b"Connection: close")])] == [200]


def test_idle_connections_make_room(make_port: MakePort) -> None:
    """At the bound the connection that idles longest is closed for a new one, and none that is at work."""
    port = make_port(connections=5)
    with contextlib.ExitStack() as stack:
        busy, *idle = [stack.enter_context(port.connect()) for _ in range(5)]
        busy.sendall(call(hang=1))
        port.wait_for(lambda: len(port.seen) == 1 and len(port.gateway.connections) == 5)
        newcomer = stack.enter_context(port.connect())
        newcomer.sendall(GET)
        read_until(newcomer, lambda received: received.endswith(b"}"))
        with contextlib.suppress(ConnectionResetError):
            assert read_to_end(idle[0]) == b""
        idle[1].sendall(GET)
        read_until(idle[1], lambda received: received.endswith(b"}"))
        assert (port.gateway.metrics.idle_closed, len(port.gateway.connections)) == (1, 5)


def test_bodies_in_memory_are_bounded(make_port: MakePort) -> None:
    """Bodies of all requests under way have one bound: beyond it they are 503, and room comes back."""
    port = make_port(bodies_bytes=1_000_000)
    large = call(hang=1, padding=600_000)
    with port.connect() as first, port.connect() as second:
        first.sendall(large)
        port.wait_for(lambda: len(port.seen) == 1)
        assert port.gateway.held_bytes > 600_000
        second.sendall(large)
        (answer,) = answers(read_to_end(second))
        assert answer.status == 503
    port.wait_for(lambda: port.gateway.held_bytes == 0)
    (answer,) = port.talk([call(b"Connection: close", padding=600_000)])
    assert answer.status == 200


def test_waiting_for_an_answer_has_no_deadline_here(make_port: MakePort) -> None:
    """The client's deadlines end with its request: a target that takes longer is not the client's fault."""
    port = make_port(head_s=0.2, body_s=0.2, idle_s=0.2, stall_s=0.2)
    with port.connect() as client:
        client.sendall(call(hang=1))
        client.settimeout(1.0)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_late_answer_gives_the_next_request_its_whole_time(make_port: MakePort) -> None:
    """Idle time counts from the end of the answer, and a head's time from its own first byte."""
    port = make_port(idle_s=1.5, head_s=1.5)
    with port.connect() as client:
        for _ in range(3):
            client.sendall(GET[:10])
            time.sleep(0.6)
            client.sendall(GET[10:])
            read_until(client, lambda received: received.endswith(b"}"))
