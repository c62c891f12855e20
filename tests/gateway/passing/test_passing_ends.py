"""However a request that passes through ends, it ends once: told, settled, nothing held."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from baseload.gateway.passing.carriage import Carriage
from baseload.gateway.passing.passage import Passage
from baseload.gateway.server import PortLimits
from baseload.ledger.journal import Journal
from tests.gateway.passing.conftest import target
from tests.gateway.passing.forms import Sender, form, part, post_form
from tests.gateway.passing.upstream import SPOKEN, Upstream
from tests.gateway.threaded import Reply, ThreadedGateway, eventually, read_reply

Passing = Callable[..., ThreadedGateway]
HEAR, SPEAK = "/v1/audio/transcriptions", "/v1/audio/speech"
FORM = form(part("model", b"api"), part("file", b"abc", filename="a.wav"))


def _speech(gateway: ThreadedGateway) -> Reply:
    with gateway.connection() as connection:
        gateway.send(connection, path=SPEAK, model="api", input="four", voice="alloy")
        return read_reply(connection)


def _image(gateway: ThreadedGateway) -> Reply:
    with gateway.connection() as connection:
        gateway.send(connection, path="/v1/images/generations", model="api", prompt="a cat")
        return read_reply(connection)


def _form(gateway: ThreadedGateway) -> Reply:
    return post_form(gateway, HEAR, FORM)


def _upload(gateway: ThreadedGateway) -> Reply:
    """In three parts, the last two each after the gateway has seen to the one before."""
    sender = Sender(gateway, HEAR, length=len(FORM))
    sender.send(FORM[:50])
    eventually(lambda: _passages(gateway, lambda passage: bool(passage.held)))
    sender.send(FORM[50:150])
    eventually(lambda: _passages(gateway, lambda passage: passage.gone))
    with contextlib.suppress(ConnectionError):
        sender.send(FORM[150:])
    reply = sender.reply()
    sender.leave()
    return reply


def _passages(gateway: ThreadedGateway, far: Callable[[Passage], bool]) -> bool:
    """Whether the requests under way have come that far, or have ended."""

    def look() -> bool:
        under_way = [client.conversation for client in gateway.gateway.connections]
        return all(far(each) for each in under_way if isinstance(each, Passage)) and bool(under_way)

    return gateway.call(look)


@pytest.mark.parametrize(
    ("owner", "name", "ask"),
    [
        (Passage, "_depart", _image),
        (Passage, "_depart", _form),
        (Passage, "outgoing", _form),
        (Passage, "_read_on", _upload),
        (Passage, "_is_read", _upload),
        (Passage, "answered", _image),
        (Passage, "begin_answer", _speech),
        (Carriage, "_lines", _image),
        (Carriage, "send_on", _upload),
        (Carriage, "_hand_back", _speech),
        (Carriage, "_complete", _speech),
        (Carriage, "bill", _image),
        (Journal, "end", _speech),
        (Journal, "begin", _form),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_defect_ends_its_own_request(
    passing: Passing,
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    ask: Callable[[ThreadedGateway], Reply],
) -> None:
    """Told as `internal` where no answer has begun, else cut off; settled; the next one is served."""
    gateway = passing({"api": target(upstream, request="0.01")})
    whole = getattr(owner, name)
    left = 1

    def broken(*args: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise ZeroDivisionError(name)
        return whole(*args, **named)

    monkeypatch.setattr(owner, name, broken)
    reply = ask(gateway)
    assert not reply.whole or reply.code == "internal"
    assert eventually(gateway.at_rest)
    assert gateway.call(lambda: gateway.gateway.held_bytes) == 0
    assert [row["outcome"] for row in gateway.rows() if row["outcome"] != "failed"] == []
    assert ask(gateway).status == 200
    assert eventually(gateway.at_rest)


def test_a_strict_journal_holds_the_end_back(passing: Passing, upstream: Upstream) -> None:
    """The last byte goes out once its record is on the disk; nothing of the answer is lost by it."""
    gateway = passing({"api": target(upstream, character="0.01")}, journal={"strict": True})
    assert _speech(gateway).body == SPOKEN
    assert _image(gateway).status == 200
    assert [row["outcome"] for row in gateway.rows(2)] == ["completed", "completed"]


def test_an_old_client_gets_its_sound(passing: Passing, upstream: Upstream) -> None:
    """HTTP/1.0 knows no chunks: the answer ends with the connection."""
    gateway = passing({"api": target(upstream, request="0")})
    body = b'{"model":"api","input":"x","voice":"alloy"}'
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(
            b"POST %b HTTP/1.0\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
            % (SPEAK.encode(), gateway.key.encode(), len(body), body)
        )
        got = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, sound = got.partition(b"\r\n\r\n")
    assert (b"transfer-encoding" in head, b"connection: close" in head, sound) == (False, True, SPOKEN)


def test_a_drain_cuts_what_is_not_done(passing: Passing, upstream: Upstream) -> None:
    """Sound that is still on its way when the drain is over is cut, and its row says why."""
    upstream.speech = os.urandom(32 * 1024 * 1024)
    gateway = passing({"api": target(upstream, character="0.01")})
    with gateway.connection() as connection:
        gateway.send(connection, path=SPEAK, model="api", input="four", voice="alloy")
        response = connection.getresponse()
        response.read(1000)
        gateway.gateway.limits = PortLimits(drain_s=0.1)
        draining = asyncio.run_coroutine_threadsafe(gateway.gateway.drain(), gateway._loop)
        assert draining.result(10) == 1
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["error_code"], row["cost_nano"]) == ("cut", "draining", 40_000_000)


def test_an_upload_that_comes_while_draining(passing: Passing, upstream: Upstream) -> None:
    """A new upload on a kept connection is told to connect again."""
    gateway = passing({"api": target(upstream, request="0")})
    gateway.gateway.draining = True
    sender = Sender(gateway, HEAR, length=10_000)
    reply = sender.reply()
    sender.leave()
    assert (reply.status, reply.code) == (503, "draining")
    gateway.gateway.draining = False
