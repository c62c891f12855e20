"""The engine's own word on how busy it is, while the traffic is played."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx2

from baseload.demo.screen import EngineLoad


class EngineGauge:
    """The engine's own numbers, read every half second."""

    def __init__(self, engine_url: str, limit: int) -> None:
        self._limit = limit
        self._metrics_url = engine_url.removesuffix("/v1") + "/metrics"
        self._running = 0
        self._waiting = 0
        self.most_waiting = 0

    def load(self) -> EngineLoad:
        """The numbers last read."""
        return EngineLoad(self._running, self._limit, self._waiting)

    async def watch(self) -> None:
        """Read until cancelled; a scrape that fails leaves the numbers as they are."""
        async with httpx2.AsyncClient(timeout=5) as http:
            while True:
                with suppress(httpx2.HTTPError):
                    text = (await http.get(self._metrics_url)).text
                    self._running = _gauge(text, "vllm:num_requests_running")
                    self._waiting = _gauge(text, "vllm:num_requests_waiting")
                    self.most_waiting = max(self.most_waiting, self._waiting)
                await asyncio.sleep(0.5)


def _gauge(text: str, name: str) -> int:
    for line in text.splitlines():
        if line.startswith(f"{name}{{"):
            return int(float(line.rsplit(" ", 1)[1]))
    return 0
