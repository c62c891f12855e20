"""Nobody listens any more: the work stops, in every phase. And the server's own end is orderly."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import RunningEngine

LONG = 2000


def post(engine: RunningEngine, *, stream: bool, max_tokens: int = LONG) -> socket.socket:
    """Ask for a long answer on a connection of its own."""
    fields: dict[str, object] = {"model": engine.model, "prompt": "x", "max_tokens": max_tokens}
    fields |= {"ignore_eos": True, "stream": stream, "stream_options": {"include_usage": True}}
    body = json.dumps(fields).encode()
    where = urlsplit(engine.url)
    assert where.hostname is not None
    assert where.port is not None
    connection = socket.create_connection((where.hostname, where.port), timeout=20)
    head = f"POST /v1/completions HTTP/1.1\r\nhost: {where.netloc}\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def wait_for(engine: RunningEngine, name: str, value: float) -> None:
    """Look at a metric until it has this value (the test's own timeout ends it otherwise)."""
    while value != engine.metric(name):
        pass


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.timeout(20)
def test_a_running_answer_stops_when_its_client_goes(engine: RunningEngine, stream: bool) -> None:
    """Long before its two thousand tokens, streamed or not; it counts as aborted."""
    aborted = engine.metric("vllm:request_success_total")
    with post(engine, stream=stream):
        wait_for(engine, "vllm:num_requests_running", 1)
    assert engine.becomes_idle()
    assert aborted + 1 == engine.metric("vllm:request_success_total")


@pytest.mark.timeout(20)
def test_a_queued_request_leaves_the_queue_when_its_client_goes(engine: RunningEngine) -> None:
    """Its place is freed while those that run are not disturbed."""
    with ExitStack() as stack:
        for _ in range(engine.max_sequences):
            stack.enter_context(post(engine, stream=True))
        wait_for(engine, "vllm:num_requests_running", engine.max_sequences)
        for stream in (True, False):
            with post(engine, stream=stream):
                wait_for(engine, "vllm:num_requests_waiting", 1)
            wait_for(engine, "vllm:num_requests_waiting", 0)
        assert engine.metric("vllm:num_requests_running") == engine.max_sequences
    assert engine.becomes_idle()


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def worker_of(engine: RunningEngine) -> int:
    """Process id of the engine's only child."""
    pid = engine.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@pytest.mark.timeout(60)
def test_sigterm_lets_running_answers_end(own_engine: RunningEngine) -> None:
    """While loading, requests get 503; SIGTERM closes the door, lets answers end whole, and exits 0."""
    engine = own_engine
    refused = post(engine, stream=False)
    assert b"503" in refused.recv(1 << 16).split(b"\r\n")[0]
    refused.close()
    engine.wait_ready()
    with post(engine, stream=True, max_tokens=60) as connection:
        first = connection.recv(1 << 16)
        assert engine.stop() == 0
        answer = first + read_to_end(connection)
    assert b'"completion_tokens":60' in answer
    assert b"data: [DONE]" in answer


@pytest.mark.timeout(60)
def test_the_death_of_the_model_is_told_to_everyone(own_engine: RunningEngine) -> None:
    """A killed worker ends streams with an error event and no [DONE], and the command with exit code 1."""
    engine = own_engine.wait_ready()
    with post(engine, stream=True) as connection:
        first = connection.recv(1 << 16)
        os.kill(worker_of(engine), signal.SIGKILL)
        answer = first + read_to_end(connection)
    assert b"the process that runs the model ended" in answer
    assert b"[DONE]" not in answer
    assert engine.process.wait(timeout=20) == 1


def test_a_taken_port_is_an_environment_problem() -> None:
    """Exit code 3 and what to do, before any model is loaded."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "baseload", "engine", "--port", port],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (ended.returncode, "another --port" in ended.stderr) == (3, True)
