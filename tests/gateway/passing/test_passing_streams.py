"""Uploads and sound pass through as they come: nothing is held, either side may be slow, go away or break."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from baseload.gateway.server import PortLimits
from tests.gateway.passing.conftest import target
from tests.gateway.passing.forms import BOUNDARY, END, Sender, form, part, post_form
from tests.gateway.passing.upstream import Upstream
from tests.gateway.running import MakeGateway, RunningGateway
from tests.gateway.threaded import Clients, ThreadedGateway, eventually, read_reply

Passing = Callable[..., ThreadedGateway]
HEAR = "/v1/audio/transcriptions"
MODEL = part("model", b"whisper-1")
SECOND = "0.0001"
MIB = 1024 * 1024


def _pieces(size: int) -> tuple[Iterator[bytes], int, bytes]:
    """A form whose file has this many bytes: its pieces, its length, its end."""
    begin = MODEL + part("file", b"", filename="a.wav")[: -len(b"\r\n")]
    end = b"\r\n" + END
    block = os.urandom(65536)
    return iter([begin, *[block] * (size // 65536), end]), len(begin) + size + len(end), block


def _resident(process: int) -> int:
    """Bytes of a process's memory that are its own and resident."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@contextlib.contextmanager
def _clients(gateway: RunningGateway) -> Iterator[Clients]:
    yield Clients(gateway.port, gateway.key)


def test_an_upload_is_not_held(make_gateway: MakeGateway, upstream: Upstream) -> None:
    """48 MiB go to a target that reads slowly: the gateway's memory grows by less than 6 MiB meanwhile."""
    upstream.keep_bodies = False
    gateway = make_gateway(
        {"whisper-1": target(upstream, second=SECOND)}, {"whisper-1": {"metered": ["whisper-1"]}}
    )
    assert gateway.process is not None
    pieces, length, _ = _pieces(48 * MIB)
    with _clients(gateway) as clients:
        post_form(clients, HEAR, form(MODEL, part("file", b"x" * 1000, filename="a.wav")))
        before = _resident(gateway.process.pid)
        upstream.read_delay_s = 0.002
        sender = Sender(clients, HEAR, length=length)
        most = 0
        for number, piece in enumerate(pieces):
            sender.send(piece)
            if number % 32 == 0:
                most = max(most, _resident(gateway.process.pid) - before)
        reply = sender.reply()
        sender.leave()
    assert (reply.status, upstream.calls[-1].length) == (200, length)
    assert most < 6 * MIB, f"{most / MIB:.1f} MiB"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_long_upload_arrives_as_sent(passing: Passing, upstream: Upstream, chunked: bool) -> None:
    """A file of 3 MiB after its model, with a length or in chunks, whatever the pieces."""
    gateway = passing({"whisper-1": target(upstream, second=SECOND, model="whisper-large")})
    pieces, length, block = _pieces(3 * MIB)
    sender = Sender(gateway, HEAR, length=None if chunked else length)
    sender.send(*pieces)
    sender.end()
    assert sender.reply().json["text"] == "hello there"
    sender.leave()
    (call,) = upstream.calls
    assert call.fields == {"model": "whisper-large"}
    assert call.files["file"] == (3 * MIB, hashlib.sha256(block * 48).hexdigest())
    assert ("transfer-encoding" in call.headers) is chunked
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["cost_nano"]) == ("completed", 900_000)
    assert eventually(gateway.at_rest)


def test_the_model_behind_the_file(passing: Passing, upstream: Upstream) -> None:
    """Command lines put the file first: it waits until the model is read, and then goes out whole."""
    gateway = passing({"whisper-1": target(upstream, second=SECOND, model="large")})
    file = os.urandom(2 * MIB)
    reply = post_form(gateway, HEAR, form(part("file", file, filename="a.wav"), MODEL))
    assert reply.status == 200
    assert upstream.calls[0].fields == {"model": "large"}
    assert upstream.calls[0].files["file"][1] == hashlib.sha256(file).hexdigest()
    assert gateway.call(lambda: gateway.gateway.held_bytes) == 0


def test_the_model_too_far_behind(passing: Passing, upstream: Upstream) -> None:
    """Beyond `http.body` the model is looked for no longer: the group's target decides, or 404."""
    targets = {"whisper-1": target(upstream, second=SECOND)}
    body = form(part("file", os.urandom(2 * MIB), filename="a.wav"), MODEL)
    refused = post_form(passing(targets, limits=_limits(body_bytes=MIB)), HEAR, body)
    assert (refused.status, refused.code) == (404, "model_not_found")
    assert "put it before the file" in refused.json["error"]["message"]
    assert upstream.calls == []
    grouped = passing(targets, {"audio": ["whisper-1"]}, limits=_limits(body_bytes=MIB))
    assert post_form(grouped, HEAR, body).status == 200
    assert upstream.calls[0].fields == {"model": "whisper-1"}


def _limits(**changes: Any) -> PortLimits:
    return PortLimits(**changes)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_over_its_limit(passing: Passing, upstream: Upstream, chunked: bool) -> None:
    """413, at once where the length says it, else as soon as the limit is passed; nobody pays."""
    gateway = passing({"whisper-1": target(upstream, second=SECOND)}, limits=_limits(upload_bytes=MIB))
    pieces, length, _ = _pieces(2 * MIB)
    sender = Sender(gateway, HEAR, length=None if chunked else length)
    with contextlib.suppress(ConnectionError):
        sender.send(*pieces)
        sender.end()
    reply = sender.reply()
    assert (reply.status, reply.code) == (413, "body_too_large")
    assert reply.headers["connection"] == "close"
    sender.leave()
    if chunked:
        (row,) = gateway.rows(1)
        assert (row["outcome"], row["error_code"], row["cost_nano"]) == ("failed", "body_too_large", 0)
    assert eventually(gateway.at_rest)


def test_the_client_leaves_in_the_midst_of_an_upload(passing: Passing, upstream: Upstream) -> None:
    """The target sees the body break off; the row says so, and an upload that never arrived costs nothing."""
    gateway = passing({"whisper-1": target(upstream, second=SECOND)})
    pieces, length, _ = _pieces(2 * MIB)
    sender = Sender(gateway, HEAR, length=length)
    sender.send(*(next(pieces) for _ in range(8)))
    assert eventually(lambda: upstream.calls)
    sender.leave()
    assert eventually(lambda: upstream.gone)
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["status"], row["cost_nano"]) == ("client_gone", 499, 0)
    assert eventually(gateway.at_rest)


def test_the_client_leaves_before_its_model(passing: Passing, upstream: Upstream) -> None:
    """A form that is given up while it is held leaves nothing behind."""
    gateway = passing({"whisper-1": target(upstream, second=SECOND)})
    sender = Sender(gateway, HEAR, length=10 * MIB)
    sender.send(part("file", b"", filename="a.wav"), os.urandom(200_000))
    assert eventually(lambda: gateway.call(lambda: gateway.gateway.held_bytes))
    sender.leave()
    assert eventually(lambda: gateway.call(lambda: gateway.gateway.held_bytes == 0))
    assert eventually(gateway.at_rest)
    assert upstream.calls == []


def test_the_client_leaves_in_the_midst_of_sound(passing: Passing, upstream: Upstream) -> None:
    """The target is cancelled; what was asked for is charged, since providers charge it."""
    upstream.speech = os.urandom(32 * MIB)
    gateway = passing({"tts-1": target(upstream, character="0.000015")})
    with gateway.connection() as connection:
        gateway.send(connection, path="/v1/audio/speech", model="tts-1", input="four", voice="alloy")
        connection.getresponse().read(100_000)
    assert eventually(lambda: upstream.gone)
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["cost_nano"]) == ("client_gone", 60_000)
    assert eventually(gateway.at_rest)


def test_a_slow_listener_holds_back_the_target(make_gateway: MakeGateway, upstream: Upstream) -> None:
    """64 MiB of sound to a client that does not read: the gateway's memory grows by less than 4 MiB."""
    upstream.speech = os.urandom(64 * MIB)
    gateway = make_gateway({"tts-1": target(upstream, request="0")}, {"tts-1": {"metered": ["tts-1"]}})
    assert gateway.process is not None
    with _clients(gateway) as clients:
        before = _resident(gateway.process.pid)
        with clients.connection() as connection:
            clients.send(connection, path="/v1/audio/speech", model="tts-1", input="x", voice="alloy")
            response = connection.getresponse()
            time.sleep(1.0)
            grown = _resident(gateway.process.pid) - before
            assert hashlib.sha256(response.read()).digest() == hashlib.sha256(upstream.speech).digest()
    assert grown < 4 * MIB, f"{grown / MIB:.1f} MiB"


def test_a_target_that_breaks_off_in_the_midst_of_sound(passing: Passing, upstream: Upstream) -> None:
    """Sound has no room for an error: the connection is cut, so that no client takes it for whole."""
    upstream.break_speech_after = 65536
    gateway = passing({"tts-1": target(upstream, character="0.000015")})
    with gateway.connection() as connection:
        gateway.send(connection, path="/v1/audio/speech", model="tts-1", input="four", voice="alloy")
        reply = read_reply(connection)
    assert (reply.status, reply.whole) == (200, False)
    assert len(reply.body) <= 65536
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["error_code"], row["cost_nano"]) == ("cut", "upstream_broken", 60_000)
    assert eventually(gateway.at_rest)


def test_a_target_that_answers_before_it_has_read(passing: Passing, upstream: Upstream) -> None:
    """Its refusal reaches the client while the upload is under way; the connection ends there."""
    upstream.refuse = 413, {"error": {"message": "too large for me", "type": "invalid_request_error"}}
    gateway = passing({"whisper-1": target(upstream, second=SECOND)})
    pieces, length, _ = _pieces(8 * MIB)
    sender = Sender(gateway, HEAR, length=length)
    with contextlib.suppress(ConnectionError):
        sender.send(*pieces)
    reply = sender.reply()
    sender.leave()
    assert (reply.status, reply.json["error"]["message"]) == (413, "too large for me")
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["status"], row["cost_nano"]) == ("rejected", 413, 0)
    assert eventually(gateway.at_rest)


def test_a_small_form_is_tried_elsewhere(passing: Passing, upstream: Upstream) -> None:
    """What is still here whole when a target fails goes to the next one."""
    upstream.fail = [500]
    both = {"one": target(upstream, second=SECOND), "two": target(upstream, second=SECOND)}
    gateway = passing(both, {"audio": ["one", "two"]})
    assert post_form(gateway, HEAR, form(MODEL, part("file", b"abc", filename="a.wav"))).status == 200
    assert [(row["outcome"], row["cost_nano"]) for row in gateway.rows(2)] == [
        ("failed", 0),
        ("completed", 900_000),
    ]


def test_what_went_out_in_part_is_not_tried_again(passing: Passing, upstream: Upstream) -> None:
    """An upload that was handed on is no longer here: the client hears of the failure."""
    upstream.fail = [500]
    both = {"one": target(upstream, second=SECOND), "two": target(upstream, second=SECOND)}
    gateway = passing(both, {"audio": ["one", "two"]})
    pieces, length, _ = _pieces(MIB)
    sender = Sender(gateway, HEAR, length=length)
    sender.send(next(pieces))
    assert eventually(lambda: upstream.calls)
    sender.send(*pieces)
    reply = sender.reply()
    sender.leave()
    assert (reply.status, reply.code) == (502, "upstream_error")
    assert [row["outcome"] for row in gateway.rows(1)] == ["failed"]


@pytest.mark.usefixtures("quick_sweep")
def test_a_target_that_reads_nothing(passing: Passing) -> None:
    """An upload to a target that stopped reading ends with `timeout_idle`, not with the client's patience."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        section = {
            "metered": {"provider": "openai", "key": "none"},
            "url": url,
            "timeouts": {"idle": "300ms"},
        }
        gateway = passing({"whisper-1": section})
        pieces, length, _ = _pieces(32 * MIB)
        sender = Sender(gateway, HEAR, length=length)
        with contextlib.suppress(ConnectionError):
            sender.send(*pieces)
        reply = sender.reply()
        sender.leave()
    assert (reply.status, reply.code) == (504, "timeout_idle")
    assert eventually(gateway.at_rest)


def test_a_dribbled_upload_runs_into_its_deadline(
    passing: Passing, upstream: Upstream, quick_sweep: None
) -> None:
    """A client that stops sending is told 408; its target is let go."""
    gateway = passing({"whisper-1": target(upstream, second=SECOND)}, limits=_limits(body_s=0.3))
    sender = Sender(gateway, HEAR, length=MIB)
    sender.send(MODEL, part("file", b"", filename="a.wav"))
    reply = sender.reply()
    sender.leave()
    assert (reply.status, reply.code) == (408, "request_timeout")
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["error_code"], row["cost_nano"]) == ("failed", "request_timeout", 0)
    assert eventually(lambda: upstream.gone)
    assert eventually(gateway.at_rest)


def test_the_connection_goes_on_after_an_upload(passing: Passing, upstream: Upstream) -> None:
    """A request that follows a whole upload on its connection is served."""
    gateway = passing({"whisper-1": target(upstream, second=SECOND)})
    body = form(MODEL, part("file", os.urandom(300_000), filename="a.wav"))
    with gateway.connection() as connection:
        given = {
            "authorization": f"Bearer {gateway.key}",
            "content-type": f"multipart/form-data; boundary={BOUNDARY.decode()}",
        }
        for _ in range(3):
            connection.request("POST", HEAR, body, given)
            reply = read_reply(connection)
            assert (reply.status, reply.headers.get("connection")) == (200, None)
