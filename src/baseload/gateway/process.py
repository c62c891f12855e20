"""One gateway process from start to clean stop: what `baseload serve` runs."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from baseload.config import Config
from baseload.errors import EnvironmentProblem
from baseload.gateway.certificate import Certificate
from baseload.gateway.ingest_process import IngestProcess
from baseload.gateway.reload import Reloader, read_stamped
from baseload.gateway.server import Gateway, PortLimits
from baseload.keys import KeyStore
from baseload.ledger.journal import Journal
from baseload.ledger.launch import journal_directory, store_path

GC_THRESHOLDS = (20_000, 20, 50)
"""Requests leave no cycles behind, so the collector is there for accidents only."""

Control = Callable[[Gateway, str, int], AbstractAsyncContextManager[int]]
"""The control port of a gateway at a host and port, open within the block; gives its number."""


class Started(Struct, frozen=True):
    """Where a gateway listens and what an operator should know."""

    host: str
    port: int
    control_host: str
    control_port: int
    data: str
    config_version: str
    warnings: tuple[str, ...]


async def run(path: Path, open_control: Control, announce: Callable[[Started], None]) -> int:
    """Serve until SIGTERM or SIGINT; returns how many requests the end of the drain cut.

    Raises ConfigError or EnvironmentProblem before the data port opens, never after.
    """
    _raise_file_limit()
    today = datetime.now(UTC).date()
    read = read_stamped(path, today)
    loaded = read.loaded
    config = loaded.config
    keys = KeyStore(config.data)
    journal = Journal.open(
        journal_directory(config.data),
        segment_bytes=config.journal.segment,
        fsync_interval_s=config.journal.fsync,
    )
    try:
        gateway = Gateway(journal, keys, _port_limits(config), strict=config.journal.strict)
        gateway.store = store_path(config.data)
        gateway.stored.keep_in(Path(config.data))
        await asyncio.to_thread(gateway.logins.prepare, loaded.snapshot.targets.values())
        gateway.apply(loaded.snapshot, today.isoformat())
        async with open_control(gateway, config.control.host, config.control.port) as control_port:
            certificate = None if config.tls is None else Certificate(config.tls.cert, config.tls.key)
            port = await _listen(gateway, config, certificate)
            where = (config.listen.host, port, config.control.host, control_port)
            announced = Started(*where, str(config.data), loaded.snapshot.version, loaded.warnings)
            cut = await _serve(
                gateway, Reloader(gateway, path, read, certificate), lambda: announce(announced)
            )
        gateway.stored.close()
    finally:
        journal.close()
    return cut


async def _serve(gateway: Gateway, reloader: Reloader, announce: Callable[[], None]) -> int:
    """From the open port to the end of the drain, which comes whatever happened before."""
    ingest = IngestProcess(reloader.data, gateway.metrics)
    ingest.start()
    watcher = asyncio.get_running_loop().create_task(reloader.watch())
    try:
        stop = _signals(reloader)
        gc.freeze()  # what is here now stays: the collector need not look at it again
        gc.set_threshold(*GC_THRESHOLDS)
        announce()
        await stop.wait()
    finally:
        watcher.cancel()
        await asyncio.wait({watcher})
        try:
            cut = await gateway.drain()
        finally:
            gateway.journal.close()
            gateway.logins.stop()
            await ingest.stop()
    return cut


def _signals(reloader: Reloader) -> asyncio.Event:
    """SIGTERM and SIGINT stop, a second one at once; SIGHUP reloads."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_stop(number: signal.Signals) -> None:
        logging.getLogger("baseload.gateway").info("%s: draining", number.name)
        loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop, number)
    loop.add_signal_handler(signal.SIGHUP, reloader.now)
    return stop


async def _listen(gateway: Gateway, config: Config, certificate: Certificate | None) -> int:
    tls = None if certificate is None else certificate.context
    try:
        return await gateway.listen(config.listen.host, config.listen.port, tls)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot listen on {config.listen}: {error.strerror}", hint="change `listen` or free the port"
        ) from None


def _port_limits(config: Config) -> PortLimits:
    http = config.http
    return PortLimits(
        head_s=http.header_deadline,
        body_s=http.body_deadline,
        idle_s=http.keep_alive,
        stall_s=http.stall_deadline,
        drain_s=http.drain_deadline,
        body_bytes=http.body,
        bodies_bytes=http.bodies,
        connections=http.connections,
        upload_bytes=http.upload,
    )


def _raise_file_limit() -> None:
    """As many sockets as the system allows: one request can hold two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
