"""Every scripted fault, seen by a client on a bare socket."""

from __future__ import annotations

import json
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from baseload.core import StepTime
from baseload.twin.faults import FaultKind
from baseload.twin.served import Outcome, Served
from baseload.twin.server import Running, TwinConfig, start

STEP = StepTime(0.001, 0.0, 0.0, 0.0, kv_tokens=10_000, max_sequences=8)
TOKENS = 5
SILENCE_S = 0.2


class Answer(NamedTuple):
    """What came over the wire, and its end: `closed`, `reset`, `silent` (still open) or `more` (too much)."""

    head: bytes
    body: bytes
    end: str

    @property
    def status(self) -> int:
        """The status code, 0 without one."""
        return int(self.head.split(b" ")[1]) if self.head else 0


@pytest.fixture(scope="module")
def twin() -> Iterator[Running]:
    """An engine whose tokens take 0.1 ms."""
    with start(TwinConfig(models=("m",), step=STEP, speed=10.0)) as running:
        yield running


def ask(running: Running, *, stream: bool = True, headers: str = "", most: int = 1 << 20) -> Answer:
    """One chat call with five tokens and its usage, read to the connection's end, or SILENCE_S of silence."""
    body = json.dumps(
        {
            "model": "m",
            "messages": [{"role": "user", "content": f"[twin output={TOKENS}]"}],
            "stream": stream,
            "stream_options": {"include_usage": True},
        }
    ).encode()
    headers += f"host: t\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
    head = f"POST /v1/chat/completions HTTP/1.1\r\n{headers}\r\n"
    read, end = b"", "closed"
    try:
        with socket.create_connection(("127.0.0.1", running.port), timeout=5) as connection:
            connection.settimeout(SILENCE_S)
            connection.sendall(head.encode() + body)
            while len(read) < most and (data := connection.recv(1 << 18)):
                read += data
        if len(read) >= most:
            end = "more"
    except TimeoutError:
        end = "silent"
    except ConnectionResetError:
        end = "reset"
    got, _, rest = read.partition(b"\r\n\r\n")
    return Answer(got, rest, end)


def dechunked(body: bytes) -> bytes:
    """The data of a chunked body, as far as it came."""
    data = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size or b"0", 16)
        data += body[:length]
        body = body[length + 2 :]
    return data


def wait_until_open(running: Running) -> None:
    """Wait, at most 5 s, until the port accepts connections."""
    deadline = time.monotonic() + 5
    while True:
        try:
            socket.create_connection(("127.0.0.1", running.port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
        else:
            return


def last(running: Running) -> Served:
    """The request that ended last."""
    deadline = time.monotonic() + 5
    while (count := running.served()).open and time.monotonic() < deadline:
        time.sleep(0.002)
    return count.requests[-1]


def test_without_faults_the_answer_is_whole(twin: Running) -> None:
    """The honest stream: tokens, usage, one [DONE], the framing's end."""
    twin.faults()
    answer = ask(twin)
    data = dechunked(answer.body)
    assert answer.body.endswith(b"0\r\n\r\n")
    assert data.count(b'"content":"') == TOKENS + 1
    assert data.count(b"[DONE]") == 1
    assert last(twin).outcome is Outcome.FINISHED


@pytest.mark.parametrize("stream", [True, False])
def test_status(twin: Running, stream: bool) -> None:
    """An error answer with the status, Retry-After and code that were asked for, and nothing produced."""
    twin.faults("status=429,retry_after_s=7,code=insufficient_quota")
    answer = ask(twin, stream=stream)
    assert answer.status == 429
    assert b"\r\nretry-after: 7\r\n" in answer.head + b"\r\n"
    assert json.loads(answer.body)["error"]["code"] == "insufficient_quota"
    twin.faults("status=503")
    answer = ask(twin, stream=stream)
    assert answer.status == 503
    assert b"retry-after" not in answer.head
    assert (last(twin).outcome, last(twin).output, last(twin).sent) == (Outcome.FAULTED, 0, True)


@pytest.mark.parametrize("kind", ["hang", "reset"])
@pytest.mark.parametrize("stream", [True, False])
def test_hang_and_reset_at_each_stage(twin: Running, kind: str, stream: bool) -> None:
    """At accept and request nothing is sent, at headers the headers, at tokens a part of the answer."""
    end = "silent" if kind == "hang" else "reset"
    for stage in ("accept", "request"):
        twin.faults(f"{kind}={stage}")
        assert ask(twin, stream=stream) == Answer(b"", b"", end)
    assert not last(twin).sent
    twin.faults(f"{kind}=headers")
    answer = ask(twin, stream=stream)
    assert (answer.body, answer.end) == (b"", end)
    if kind == "hang":  # a reset may overtake bytes that were not read yet
        assert answer.status == 200
    twin.faults(f"{kind}=tokens,after_tokens=2")
    answer = ask(twin, stream=stream)
    assert answer.end == end
    if kind == "hang":
        assert answer.body
        assert not answer.body.endswith(b"0\r\n\r\n")
    served = last(twin)
    assert (served.outcome, served.fault) == (Outcome.FAULTED, kind)
    assert served.delivered == (2 if stream else 0)


def test_a_hang_can_end(twin: Running) -> None:
    """With `seconds` (on the twin's clock) the hanging connection is closed."""
    twin.faults("hang=headers,seconds=0.5")
    answer = ask(twin)
    assert (answer.body, answer.end) == (b"", "closed")
    twin.faults("hang=accept,seconds=0.5")
    assert ask(twin) == Answer(b"", b"", "closed")


def test_cut(twin: Running) -> None:
    """The connection closes in the middle of an event after the tokens asked for; unstreamed, of the body."""
    twin.faults("cut,after_tokens=3")
    answer = ask(twin)
    data = dechunked(answer.body)
    assert answer.end == "closed"
    assert data.count(b"\n\n") == 1 + 3
    assert not data.endswith(b"\n\n")
    assert (last(twin).outcome, last(twin).delivered) == (Outcome.FAULTED, 3)
    assert last(twin).output >= 3  # what was produced, sent or not
    answer = ask(twin, stream=False)
    length = int(answer.head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert answer.end == "closed"
    assert 0 < len(answer.body) < length


def test_a_fault_after_more_tokens_than_there_are_strikes_at_the_end(twin: Running) -> None:
    """A short stream is cut before its closing events."""
    twin.faults("cut,after_tokens=400")
    data = dechunked(ask(twin).body)
    assert data.count(b"\n\n") == 1 + TOKENS
    assert b"[DONE]" not in data


def test_error_event(twin: Running) -> None:
    """The stream ends in order with an error object and no [DONE]; unstreamed it is a 500."""
    twin.faults("error_event,after_tokens=2")
    answer = ask(twin)
    events = dechunked(answer.body).split(b"\n\n")
    assert answer.body.endswith(b"0\r\n\r\n")
    assert b"error" in json.loads(events[-2].removeprefix(b"data: "))["error"]["message"].encode()
    assert last(twin).delivered == 2
    assert ask(twin, stream=False).status == 500


@pytest.mark.parametrize("stream", [True, False])
def test_error_200(twin: Running, stream: bool) -> None:
    """Status 200, and an error object as the whole body."""
    twin.faults("error_200")
    answer = ask(twin, stream=stream)
    assert answer.status == 200
    assert "error" in json.loads(answer.body)
    assert last(twin).outcome is Outcome.FAULTED


def test_no_usage(twin: Running) -> None:
    """All tokens, no usage; it counts as finished, since the answer is whole."""
    twin.faults("no_usage")
    assert b"usage" not in ask(twin).body
    assert b"usage" not in ask(twin, stream=False).body
    assert (last(twin).outcome, last(twin).fault) == (Outcome.FINISHED, "no_usage")


def test_bad_json(twin: Running) -> None:
    """One event does not parse and the stream goes on; an unstreamed body does not parse."""
    twin.faults("bad_json,after_tokens=2")
    events = [event for event in dechunked(ask(twin).body).split(b"\n\n") if event]
    broken = 0
    for event in events[:-1]:
        try:
            json.loads(event.removeprefix(b"data: "))
        except ValueError:
            broken += 1
    assert broken == 1
    assert events[-1] == b"data: [DONE]"
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(ask(twin, stream=False).body)


def test_double_done(twin: Running) -> None:
    """[DONE] comes twice."""
    twin.faults("double_done")
    assert ask(twin).body.count(b"[DONE]") == 2
    assert last(twin).outcome is Outcome.FINISHED


@pytest.mark.parametrize("kind", ["endless_body", "endless_headers"])
@pytest.mark.parametrize("stream", [True, False])
def test_endless(twin: Running, kind: str, stream: bool) -> None:
    """More than 4 MiB come, and the twin stops when the client goes."""
    twin.faults(kind)
    answer = ask(twin, stream=stream, most=4 << 20)
    assert answer.end == "more"
    assert (kind == "endless_headers") == (answer.body == b"")
    assert last(twin).outcome is Outcome.FAULTED


def test_an_endless_answer_waits_for_its_reader(twin: Running) -> None:
    """A client that does not read is waited for, and others are answered meanwhile."""
    twin.faults("endless_headers")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", twin.port))
        body = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        deadline = time.monotonic() + 5
        while not twin.served().open:
            assert time.monotonic() < deadline
        assert ask(twin, headers="x-twin-fault: no_usage\r\n").status == 200
        assert len(twin.served().open) == 1
    assert last(twin).outcome is Outcome.FAULTED


def test_wrong_length(twin: Running) -> None:
    """Content-Length is above the body and the connection closes early, or below it."""
    twin.faults("wrong_length=10")
    for stream in (True, False):
        answer = ask(twin, stream=stream)
        length = int(answer.head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert answer.end == "closed"
        assert length > len(answer.body)
    twin.faults("wrong_length=-10")
    for stream in (True, False):
        answer = ask(twin, stream=stream)
        length = int(answer.head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert length < len(answer.body)


@pytest.mark.parametrize("stream", [True, False])
def test_slow(twin: Running, stream: bool) -> None:
    """Every token, or every tenth of a body, waits: 50 ms on the wall, five tokens or ten parts."""
    twin.faults("slow=0.5")
    began_s = time.monotonic()
    answer = ask(twin, stream=stream)
    assert time.monotonic() - began_s > (0.05 * TOKENS if stream else 0.05 * 10)
    assert answer.end == "closed"
    assert last(twin).outcome is Outcome.FINISHED


def test_refuse_closes_the_port_and_opens_it_again(twin: Running) -> None:
    """Set at run time it acts at once: connections are refused, and later accepted again."""
    twin.faults("refuse=2")
    with pytest.raises(ConnectionRefusedError):
        ask(twin)
    wait_until_open(twin)
    assert ask(twin).status == 200
    twin.faults("refuse=0.2,times=1")
    assert ask(twin).end == "reset"
    wait_until_open(twin)


def test_a_request_can_ask_for_its_own_fault(twin: Running) -> None:
    """The header x-twin-fault hits this request alone; a wrong one is a 400."""
    twin.faults()
    assert ask(twin, headers="x-twin-fault: status=418\r\n").status == 418
    assert ask(twin, headers="x-twin-fault: statos\r\n").status == 400
    assert ask(twin).status == 200


def test_faults_are_set_and_shown_over_http(twin: Running) -> None:
    """POST replaces the plan, GET shows it with its hits, DELETE ends it, a wrong plan is a 400."""
    url = twin.url.removesuffix("/v1") + "/twin/faults"

    def call(method: str, body: bytes | None = None) -> list[dict[str, object]]:
        request = urllib.request.Request(url, data=body, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            faults = json.load(answer)["faults"]
            assert isinstance(faults, list)
            return faults

    call("POST", b'["status=500,every=2"]')
    assert [ask(twin).status for _ in range(4)] == [200, 500, 200, 500]
    (shown,) = call("GET")
    assert (shown["kind"], shown["every"], shown["hits"]) == ("status", 2, 2)
    assert call("DELETE") == []
    with pytest.raises(urllib.error.HTTPError, match="400"):
        call("POST", b'["statos"]')


def test_every_kind_is_tested_here() -> None:
    """No fault kind is without a test in this file."""
    names = [name for name in globals() if name.startswith("test_")]
    for kind in FaultKind:
        word = kind.value.removesuffix("_body").removesuffix("_headers")
        assert any(word in name for name in names), kind


def test_a_client_may_reset_too(twin: Running) -> None:
    """A reset by the client in the middle of a stream is a cancel, not a crash."""
    twin.faults("slow=1")
    connection = socket.create_connection(("127.0.0.1", twin.port), timeout=5)
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"[twin output=50]"}]}'
    connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )
    assert connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    served = last(twin)
    assert (served.outcome, served.fault) == (Outcome.CANCELLED, "slow")
