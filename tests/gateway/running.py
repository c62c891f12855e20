"""A real gateway process with twins as its targets, for tests of the whole data path."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import yaml

from baseload.core import StepTime
from baseload.ledger.ingest import ingest_once
from baseload.twin.pace import Latency
from baseload.twin.server import Running, TwinConfig, start

RunningTwin = Running

QUICK_STEP = StepTime(
    base_s=0.002,
    per_sequence_s=0.0,
    per_kv_token_s=0.0,
    per_prefill_token_s=0.00001,
    kv_tokens=400_000,
    max_sequences=256,
    source="test",
)
"""A replica quick enough for tests: 2 ms a step."""
CAPACITY = {
    "base": "2ms",
    "per_sequence": "1us",
    "per_kv_token": "1ns",
    "per_prefill_token": "10us",
    "kv_tokens": 400_000,
}


def engine(**changes: Any) -> RunningTwin:
    """A quick simulated engine that serves `twin-model`."""
    return start(TwinConfig(**{"models": ("twin-model",), "step": QUICK_STEP, **changes}))


def provider(**changes: Any) -> RunningTwin:
    """A quick simulated provider that serves `twin-model`."""
    latency = Latency(ttft_s=0.01, tpot_s=0.001)
    return start(TwinConfig(**{"models": ("twin-model",), "latency": latency, **changes}))


def owned(twin: RunningTwin, **changes: Any) -> dict[str, Any]:
    """The configuration of a twin as an owned target."""
    section = {"engine": "vllm", "usd_per_hour": 8, "max_sequences": 256, "capacity": CAPACITY}
    return {"owned": section, "url": twin.url, "model": "twin-model", "region": "eu-west", **changes}


def metered(twin: RunningTwin, price: tuple[str, str] = ("2.50", "10.00"), **changes: Any) -> dict[str, Any]:
    """The configuration of a twin as a metered target with a price of its own."""
    section = {"provider": "openai", "key": "none", "price": {"input": price[0], "output": price[1]}}
    return {"metered": section, "url": twin.url, "model": "twin-model", "region": "us", **changes}


@dataclass
class RunningGateway:
    """A gateway process, its key, and its ledger."""

    folder: Path
    config: dict[str, Any]
    key: str = ""
    process: subprocess.Popen[bytes] | None = None
    url: str = ""
    control: str = ""
    port: int = 0
    tls: bool = False
    env: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def file(self) -> Path:
        return self.folder / "baseload.yaml"

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    def write(self) -> None:
        """Write the configuration file."""
        self.file.write_text(yaml.safe_dump(self.config))

    def start(self) -> None:
        """Start the process and wait until it says where it listens."""
        self.write()
        command = [sys.executable, "-m", "baseload", "serve", "--json", "--config", str(self.file)]
        with (self.folder / "gateway.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **self.env}
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log()
        started = json.loads(line)
        scheme = "https" if self.tls else "http"
        self.port = started["port"]
        self.url = f"{scheme}://127.0.0.1:{self.port}/v1"
        self.control = f"http://127.0.0.1:{started['control_port']}"

    def log(self) -> str:
        """What the process wrote to standard error."""
        return (self.folder / "gateway.log").read_text()

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self._ended()

    def stop(self) -> int:
        """SIGTERM; returns the exit code after the drain."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def post(self, body: dict[str, Any], path: str = "/chat/completions", **headers: str) -> httpx2.Response:
        """One call with the gateway's key."""
        return httpx2.post(
            self.url + path, json=body, headers={**self.headers, **headers}, timeout=30, trust_env=False
        )

    def chat(self, content: str = "hello", **fields: Any) -> httpx2.Response:
        """One unstreamed chat completion of model `chat`."""
        return self.post({"model": "chat", "messages": [{"role": "user", "content": content}], **fields})

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        text = httpx2.get(f"{self.control}/metrics", trust_env=False).text
        found = [line for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] == name]
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found if all(w in line for w in wanted))

    def rows(self) -> list[dict[str, Any]]:
        """Every attempt in the ledger; the gateway is stopped, or its ingest is waited for."""
        store = self.data / "ledger.sqlite"
        if self.process is None:
            ingest_once(self.data / "journal", store)
        return _rows(store, "attempts")

    def settled(self, count: int, timeout_s: float = 15.0) -> list[dict[str, Any]]:
        """The ledger's attempts once there are at least so many."""
        until_s = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(sqlite3.OperationalError):
                found = self.rows()
                if len(found) >= count:
                    return found
            assert time.monotonic() < until_s, f"fewer than {count} attempts in the ledger; {self.log()}"
            time.sleep(0.05)


def _rows(store: Path, table: str) -> list[dict[str, Any]]:
    connection = sqlite3.connect(store)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608  (a constant)
    finally:
        connection.close()


MakeGateway = Callable[..., RunningGateway]
