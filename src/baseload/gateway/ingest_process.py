"""The ingest process beside the gateway: restarted when it dies, ended by closing its stdin."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from baseload.gateway.metrics import Metrics
from baseload.ledger.launch import ingest_command

RESTART_S = 1.0
LONGEST_RESTART_S = 30.0
STOP_S = 20.0

_log = logging.getLogger("baseload.gateway")


class IngestProcess:
    """Keeps `python -m baseload.ledger.ingest` running. A dead ingest delays reports, never a request."""

    def __init__(self, data: Path, metrics: Metrics) -> None:
        self._command = ingest_command(data)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._supervisor: asyncio.Task[None] | None = None
        self._metrics = metrics

    def start(self) -> None:
        """Begin supervising."""
        self._supervisor = asyncio.get_running_loop().create_task(self._supervise())

    async def _supervise(self) -> None:
        wait_s = RESTART_S
        loop = asyncio.get_running_loop()
        while not self._stopping:
            began_s = loop.time()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=asyncio.subprocess.PIPE
                )
                code: int | str = await self._process.wait()
            except OSError as error:
                code = str(error)
            if self._stopping:
                return
            wait_s = RESTART_S if loop.time() - began_s > 60 else min(wait_s * 2, LONGEST_RESTART_S)
            self._metrics.ingest_restarts += 1
            _log.error("the ledger's ingest process ended (%s); again in %.0f s", code, wait_s)
            await asyncio.sleep(wait_s)

    async def stop(self) -> None:
        """Let it make its last pass and end."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
