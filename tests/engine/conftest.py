"""A real engine for the tests of this folder: the command itself, with its own model, on a free port."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest


class RunningEngine:
    """`baseload engine` as a subprocess: two requests at once, twelve may wait. `url` ends in /v1."""

    max_sequences, max_queue = 2, 12

    def __init__(self) -> None:
        options = ["--max-sequences", str(self.max_sequences), "--max-queue", str(self.max_queue)]
        command = [sys.executable, "-m", "baseload", "engine", "--port", "0", "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        listening = self._event("listening")
        self.url, self.model = str(listening["url"]), str(listening["model"])
        self.root = self.url.removesuffix("/v1")

    def wait_ready(self) -> RunningEngine:
        """Wait for the model to be loaded."""
        self._event("ready")
        return self

    def metric(self, name: str) -> float:
        """The value of a metric without further labels, or of all its label sets together."""
        text = httpx2.get(f"{self.root}/metrics").text
        values = re.findall(rf"^{re.escape(name)}\{{.*\}} (\S+)$", text, re.MULTILINE)
        assert values, f"{name} is not in /metrics"
        return sum(map(float, values))

    def becomes_idle(self, within_s: float = 3.0) -> bool:
        """Whether nothing runs or waits any more, looked at until then."""
        deadline_s = time.monotonic() + within_s
        while self.metric("vllm:num_requests_running") or self.metric("vllm:num_requests_waiting"):
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.02)
        return True

    def stop(self) -> int:
        """End it as a supervisor would; its exit code."""
        assert self.process.stdout is not None
        self.process.terminate()
        self.process.stdout.close()
        return self.process.wait(timeout=30)

    def _event(self, name: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        event: dict[str, Any] = json.loads(line)
        assert event["event"] == name
        return event


@pytest.fixture(scope="session")
def engine() -> Iterator[RunningEngine]:
    """One engine that all tests share."""
    running = RunningEngine().wait_ready()
    yield running
    running.stop()


@pytest.fixture
def own_engine() -> Iterator[RunningEngine]:
    """An engine of the test's own, still loading; the test may end it."""
    running = RunningEngine()
    yield running
    running.stop()
