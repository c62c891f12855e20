"""Hot reload: a changed file is read, checked and compiled beside the old configuration, then swapped in.

An invalid file is refused with its problems in the log, and the old configuration keeps serving. Reads and
compiles run in a thread: requests do not wait for them.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path

from baseload.config import Config
from baseload.errors import BaseloadError
from baseload.gateway.server import Gateway
from baseload.gateway.snapshot import Loaded, load_snapshot, needs_restart

LOOK_EVERY_S = 1.0

_log = logging.getLogger("baseload.gateway")
_Stamps = dict[Path, tuple[int, int, int] | None]


class Reloader:
    """Watches the files a configuration was read from; `now` asks for a reload at once (SIGHUP)."""

    def __init__(self, gateway: Gateway, path: Path, loaded: Loaded) -> None:
        self._gateway = gateway
        self._path = path
        self._config: Config = loaded.config
        self._data = loaded.config.data
        self._stamps = _stamps(loaded.config)
        self._asked = asyncio.Event()

    @property
    def data(self) -> Path:
        """The data folder; a change of it takes effect at the next start."""
        return self._data

    def now(self) -> None:
        """Reload even if no file seems to have changed: prices may have."""
        self._asked.set()

    async def watch(self) -> None:
        """Runs until cancelled."""
        day = datetime.now(UTC).date()
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), LOOK_EVERY_S)
                asked = True
            except TimeoutError:
                asked = False
            self._asked.clear()
            today = datetime.now(UTC).date()
            stamps = await asyncio.to_thread(_stamps, self._config)
            if asked or stamps != self._stamps or today != day:
                self._stamps, day = stamps, today
                await self._reload()

    async def _reload(self) -> None:
        today = datetime.now(UTC).date()
        reloads = self._gateway.metrics.reloads
        try:
            loaded = await asyncio.to_thread(load_snapshot, self._path, today)
        except BaseloadError as error:
            reloads["refused"] += 1
            _log.error("the changed configuration is refused, the old one keeps serving:\n%s", error)
            return
        for key in needs_restart(self._config, loaded.config):
            _log.warning("%s: the new value takes effect at the next start", key)
        for warning in loaded.warnings:
            _log.warning("%s", warning)
        self._gateway.apply(loaded.snapshot, today.isoformat())
        self._config = loaded.config
        self._stamps = _stamps(loaded.config)
        reloads["applied"] += 1
        _log.info("configuration %s is in force", loaded.snapshot.version)


def _stamps(config: Config) -> _Stamps:
    stamps: _Stamps = {}
    for path in config.sources:
        try:
            status = path.stat()
            stamps[path] = (status.st_mtime_ns, status.st_ino, status.st_size)
        except OSError:
            stamps[path] = None
    return stamps
