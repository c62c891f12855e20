"""Hot reload: a changed file is read, checked and compiled beside the old configuration, then swapped in.

An invalid file is refused with its problems in the log, and the old configuration keeps serving. Reads and
compiles run in a thread: requests do not wait for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from baseload.config import Config
from baseload.errors import BaseloadError
from baseload.gateway.certificate import Certificate
from baseload.gateway.server import Gateway
from baseload.gateway.snapshot import Loaded, load_snapshot, needs_restart

LOOK_EVERY_S = 1.0
PRICES_RETRY_S = 60.0
"""How soon the prices of a new day are tried again where they, or the file, could not be read."""

_log = logging.getLogger("baseload.gateway")
_Stamps = dict[Path, tuple[int, int, int] | None]


class Read(NamedTuple):
    """A file that was read on a day, and its sources' stamps from before they were read."""

    loaded: Loaded
    stamps: _Stamps
    day: date


def read_stamped(path: Path, day: date, sources: Iterable[Path] = ()) -> Read:
    """Reads the file and compiles it; a change made meanwhile shows, since stamps are older than contents.

    Sources that were not known before are read a second time, once they have a stamp. Raises as
    `load_snapshot` does.
    """
    known = {path.absolute(), *sources}
    while True:
        stamps = _stamps(known)
        loaded = load_snapshot(path, day)
        if known >= set(loaded.config.sources):
            return Read(loaded, {source: stamps[source] for source in loaded.config.sources}, day)
        known.update(loaded.config.sources)


class Reloader:
    """Watches the files a configuration was read from; `now` asks for a reload at once (SIGHUP)."""

    def __init__(self, gateway: Gateway, path: Path, read: Read, certificate: Certificate | None) -> None:
        self._gateway = gateway
        self._path = path
        self._certificate = certificate
        self._config: Config = read.loaded.config
        self._data = self._config.data
        self._stamps = read.stamps
        self._day = read.day
        self._prices_due_s = 0.0
        self._asked = asyncio.Event()

    @property
    def data(self) -> Path:
        """The data folder; a change of it takes effect at the next start."""
        return self._data

    def now(self) -> None:
        """Reload even if no file seems to have changed: prices may have."""
        self._asked.set()

    async def watch(self) -> None:
        """Runs until cancelled; a reload that fails in a way nobody thought of does not end it."""
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), LOOK_EVERY_S)
                asked = True
            except TimeoutError:
                asked = False
            self._asked.clear()
            try:
                await self._look(asked)
            except BaseloadError as error:
                self._refused("the changed configuration is refused, the old one keeps serving:\n%s", error)
            except Exception:  # noqa: BLE001  (the supervisor of reloads)
                self._refused("a defect broke the reload off, the old configuration keeps serving")
                _log.exception("what broke it off")

    def _refused(self, message: str, *arguments: object) -> None:
        self._gateway.metrics.reloads["refused"] += 1
        _log.error(message, *arguments)

    async def _look(self, asked: bool) -> None:
        """Reload if there is a reason to. Raises BaseloadError for what is refused."""
        today = datetime.now(UTC).date()
        stamps = await asyncio.to_thread(_stamps, self._config.sources)
        now_s = self._gateway.now_s()
        new_day = today != self._day and now_s >= self._prices_due_s
        if not asked and stamps == self._stamps and not new_day:
            return
        self._stamps = stamps  # what is refused is looked at again when it changes again
        self._prices_due_s = now_s + PRICES_RETRY_S
        read = await asyncio.to_thread(read_stamped, self._path, today, tuple(stamps))
        await asyncio.to_thread(self._gateway.logins.prepare, read.loaded.snapshot.targets.values())
        self._take(read)

    def _take(self, read: Read) -> None:
        loaded, old = read.loaded, self._config
        tls = loaded.config.tls
        if self._certificate is not None and tls is not None and self._certificate.renew(tls.cert, tls.key):
            _log.info("the data port's new certificate is in use")
        self._gateway.apply(loaded.snapshot, read.day.isoformat())
        self._config, self._stamps, self._day = loaded.config, read.stamps, read.day
        self._gateway.metrics.reloads["applied"] += 1
        for key in needs_restart(old, loaded.config):
            _log.warning("%s: the new value takes effect at the next start", key)
        for warning in loaded.warnings:
            _log.warning("%s", warning)
        _log.info("configuration %s is in force", loaded.snapshot.version)


def _stamps(sources: Iterable[Path]) -> _Stamps:
    stamps: _Stamps = {}
    for path in sources:
        try:
            status = path.stat()
            stamps[path] = (status.st_mtime_ns, status.st_ino, status.st_size)
        except OSError:
            stamps[path] = None
    return stamps
