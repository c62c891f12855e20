"""A twin on its port: served to the official SDK and to bare sockets, cancelled, counted."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from baseload.core import Limits, StepTime
from baseload.errors import EnvironmentProblem, UsageError
from baseload.twin.pace import Latency
from baseload.twin.served import Outcome, Served
from baseload.twin.server import Running, TwinConfig, start

# 10 ms a step and 100 µs a prompt token, two sequences at a time.
STEP = StepTime(0.010, 0.0, 0.0, 1e-4, kv_tokens=10_000, max_sequences=2)
ENGINE = TwinConfig(models=("m",), step=STEP, speed=20.0)
PROVIDER = TwinConfig(models=("g",), latency=Latency(0.001, 0.0001, 0.0))


@pytest.fixture
def engine() -> Iterator[Running]:
    """A simulated engine, twenty times as fast as its step time."""
    with start(ENGINE) as running:
        yield running


def client(running: Running, key: str = "any") -> openai.OpenAI:
    """The official SDK, without retries of its own."""
    return openai.OpenAI(base_url=running.url, api_key=key, max_retries=0, timeout=10)


def say(text: str) -> Any:
    """A one-message conversation."""
    return [{"role": "user", "content": text}]


def get(running: Running, path: str) -> bytes:
    """The body of a control route."""
    with urllib.request.urlopen(running.url.removesuffix("/v1") + path, timeout=5) as answer:
        body = answer.read()
        assert isinstance(body, bytes)
        return body


def eventually(running: Running, true: Callable[[Running], bool]) -> None:
    """Wait, at most 5 s, for what the twin learns from a socket."""
    deadline = time.monotonic() + 5
    while not true(running):
        assert time.monotonic() < deadline, running.served()
        time.sleep(0.002)


def raw_request(running: Running, **body: Any) -> socket.socket:
    """A bare connection with a chat call sent on it."""
    data = json.dumps({"model": "m", "messages": say("hi"), **body}).encode()
    connection = socket.create_connection(("127.0.0.1", running.port), timeout=5)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: {len(data)}\r\n\r\n"
    connection.sendall(head.encode() + data)
    return connection


def test_the_official_sdk_gets_answers(engine: Running) -> None:
    """Chat, completions, embeddings and models, streamed and not, with the usage that was promised."""
    sdk = client(engine)
    chat = sdk.chat.completions.create(model="m", messages=say("hello [twin output=3]"))
    assert chat.choices[0].message.content == "the sun and "
    assert chat.usage is not None
    assert (chat.usage.prompt_tokens, chat.usage.completion_tokens) == (5, 3)
    stream = sdk.chat.completions.create(
        model="m", messages=say("[twin output=3]"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "the sun and "
    )
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3
    assert sdk.completions.create(model="m", prompt="[twin output=2]").choices[0].text == "the sun "
    assert len(sdk.embeddings.create(model="m", input=["a", "b"]).data[1].embedding) == 64
    assert [model.id for model in sdk.models.list()] == ["m"]
    totals = engine.served().totals
    assert (totals.requests, totals.finished, totals.output) == (4, 4, 8)


def test_everything_says_it_is_simulated(engine: Running) -> None:
    """Answers carry the header, and /health says so."""
    raw = client(engine).chat.completions.with_raw_response.create(
        model="m", messages=say("hi"), extra_headers={"x-request-id": "mine"}
    )
    assert raw.headers["x-baseload-twin"] == "simulated"
    assert raw.headers["x-request-id"] == "mine"
    assert engine.served().requests[0].id == "mine"
    assert json.loads(get(engine, "/health"))["simulated"] is True


def test_a_body_held_back_is_asked_for(engine: Running) -> None:
    """Expect: 100-continue is answered at once, and the request then as any other."""
    body = json.dumps({"model": "m", "messages": say("[twin output=1]")}).encode()
    fields = f"host: t\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: {len(body)}"
    with socket.create_connection(("127.0.0.1", engine.port), timeout=5) as connection:
        connection.sendall(f"POST /v1/chat/completions HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        read = b""
        while data := connection.recv(65536):
            read += data
    assert read.startswith(b"HTTP/1.1 200 OK")
    assert b'"completion_tokens":1' in read


def test_time_to_first_token_grows_with_the_queue() -> None:
    """The capacity model's timing: a third request at two slots waits until one of them ends."""
    with start(TwinConfig(models=("m",), step=STEP, speed=5.0)) as running:
        waits = []
        connections = [raw_request(running, stream=True, max_tokens=100, ignore_eos=True) for _ in range(3)]
        eventually(
            running,
            lambda twin: b'num_requests_waiting{engine="0",model_name="m"} 1' in get(twin, "/metrics"),
        )
        metrics = get(running, "/metrics")
        assert b'vllm:num_requests_running{engine="0",model_name="m"} 2' in metrics
        began_s = time.monotonic()
        for connection in connections:
            read = b""
            while b"delta" not in read:
                read += connection.recv(65536)
            waits.append(time.monotonic() - began_s)
        # the first two run 100 steps of 2 ms each before the third gets its slot
        assert waits[2] > waits[1] + 0.1
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_stops_the_production(engine: Running, stream: bool) -> None:
    """A disconnect cancels the request at once, streamed or not, and counts only what was produced."""
    connection = raw_request(engine, stream=stream, max_tokens=9000, ignore_eos=True)
    eventually(engine, lambda twin: any(request.output > 3 for request in twin.served().open))
    connection.close()
    eventually(engine, lambda twin: not twin.served().open)
    (request,) = engine.served().requests
    assert request.outcome is Outcome.CANCELLED
    assert 3 < request.output < 9000
    assert request.sent is stream
    assert b'num_requests_running{engine="0",model_name="m"} 0' in get(engine, "/metrics")


def test_a_waiting_request_that_is_cancelled_produced_nothing(engine: Running) -> None:
    """A client that leaves while queued costs no token."""
    busy = [raw_request(engine, stream=True, max_tokens=4000, ignore_eos=True) for _ in range(2)]
    eventually(engine, lambda twin: sum(r.output > 0 for r in twin.served().open) == 2)
    waiting = raw_request(engine, stream=True, max_tokens=50, ignore_eos=True)
    eventually(engine, lambda twin: len(twin.served().open) == 3)
    waiting.close()
    eventually(engine, lambda twin: len(twin.served().open) == 2)
    (request,) = engine.served().requests
    assert (request.outcome, request.output) == (Outcome.CANCELLED, 0)
    for connection in busy:
        connection.close()


def test_running_usage_is_what_was_delivered(engine: Running) -> None:
    """continuous_usage_stats counts along with the tokens a client has seen."""
    options: Any = {"include_usage": True, "continuous_usage_stats": True}
    stream = client(engine).chat.completions.create(
        model="m", messages=say("[twin output=6]"), stream=True, stream_options=options
    )
    counts = [chunk.usage.completion_tokens for chunk in stream if chunk.usage]
    assert counts == [0, 1, 2, 3, 4, 5, 6, 6, 6]


def test_requests_on_one_connection_are_answered_in_turn(engine: Running) -> None:
    """Pipelined requests get their answers one after another on the same connection."""
    body = json.dumps({"model": "m", "messages": say("[twin output=1]")}).encode()
    one = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    last = b"GET /health HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", engine.port), timeout=5) as connection:
        connection.sendall(one + one + last)
        read = b""
        while data := connection.recv(65536):
            read += data
    assert read.count(b"HTTP/1.1 200 OK") == 3
    assert read.count(b'"completion_tokens":1') == 2
    assert read.endswith(b'{"status":"ok","simulated":true}')


def test_a_provider_refuses_above_its_quota() -> None:
    """The fourth of three requests a minute is a 429 with Retry-After and rate-limit headers."""
    config = TwinConfig(
        models=("g",), latency=PROVIDER.latency, quota=Limits(requests_per_minute=3, tokens_per_minute=10_000)
    )
    with start(config) as running:
        sdk = client(running)
        for _ in range(3):
            sdk.chat.completions.create(model="g", messages=say("hi"), max_tokens=2)
        with pytest.raises(openai.RateLimitError) as caught:
            sdk.chat.completions.create(model="g", messages=say("hi"), max_tokens=2)
        assert 18 <= int(caught.value.response.headers["retry-after"]) <= 20
        assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"
        assert caught.value.code == "rate_limit_exceeded"
        totals = running.served().totals
        assert (totals.finished, totals.refused) == (3, 1)


def test_keys_are_checked_where_one_is_set() -> None:
    """Any other key is a 401 with OpenAI's code."""
    with start(TwinConfig(models=("g",), latency=PROVIDER.latency, api_key="right")) as running:
        client(running, "right").chat.completions.create(model="g", messages=say("hi"), max_tokens=1)
        with pytest.raises(openai.AuthenticationError) as caught:
            client(running, "wrong").chat.completions.create(model="g", messages=say("hi"))
        assert caught.value.code == "invalid_api_key"


def test_what_is_not_served_names_what_is(engine: Running) -> None:
    """A wrong path is a 404 that lists the paths there are; nonsense is a 400."""
    with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
        client(engine).responses.create(model="m", input="hi")
    with socket.create_connection(("127.0.0.1", engine.port), timeout=5) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_taken_port_is_told() -> None:
    """A port in use is an EnvironmentProblem that says what to do; a bad setting a UsageError."""
    with start(PROVIDER) as running, pytest.raises(EnvironmentProblem, match="cannot listen"):
        start(TwinConfig(port=running.port))
    with pytest.raises(UsageError, match="positive speed"):
        start(TwinConfig(speed=0))


def test_the_count_is_served_over_http(engine: Running) -> None:
    """GET /twin/served gives the same count as in the process."""
    client(engine).chat.completions.create(model="m", messages=say("[twin output=2]"))
    count = json.loads(get(engine, "/twin/served"))
    assert count["totals"]["output"] == 2
    assert [request["outcome"] for request in count["requests"]] == ["finished"]
    assert set(count["requests"][0]) == set(Served.__struct_fields__)


def test_stopping_ends_open_streams_and_frees_the_port() -> None:
    """After stop the port is free again and clients see their connections end."""
    running = start(ENGINE)
    with raw_request(running, stream=True, max_tokens=9000, ignore_eos=True) as connection:
        eventually(running, lambda twin: len(twin.served().open) == 1)
        running.stop()
        running.stop()
        with pytest.raises(ConnectionResetError):
            read_to_end(connection)
    with start(TwinConfig(models=("m",), port=running.port)):
        pass


def read_to_end(connection: socket.socket) -> None:
    """Read until the connection ends."""
    while connection.recv(65536):
        pass
