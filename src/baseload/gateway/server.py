"""The gateway process: what lives as long as it does, and how it starts, reloads, drains and stops."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

from msgspec import Struct

from baseload.core import Side, Snapshot
from baseload.errors import BaseloadError, RequestError
from baseload.gateway import admission, routes
from baseload.gateway.client import SMALL_BODY, ClientConnection
from baseload.gateway.metrics import Metrics
from baseload.gateway.scrape import Scraper
from baseload.gateway.site import ENDPOINTS, ModelPlace, Place, Site
from baseload.gateway.upstream import Pool
from baseload.keys import KeyStore
from baseload.ledger.journal import Journal
from baseload.policy.dispatch import Route
from baseload.policy.estimate import TokenEstimate
from baseload.policy.limits import Limiter
from baseload.policy.load import TargetLoad
from baseload.wire.http1 import RequestHead

SWEEP_S = 0.25
"""How often deadlines are looked at: what they are off by."""
FLEET_EVERY_S = 3600.0
ACCEPT_BACKLOG = 4096
FAREWELL_S = 0.1
"""How long clients whose requests are cut at the end of a drain have to read why."""
UNSENT_BYTES = 128 * 1024
"""What the kernel takes for a client beyond what is on its way: progress shows early, memory stays small."""

_log = logging.getLogger("baseload.gateway")


class PortLimits(Struct, frozen=True):
    """Limits and deadlines of the data port (docs/http.md)."""

    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 60.0
    stall_s: float = 60.0
    comment_s: float = 15.0
    drain_s: float = 30.0
    body_bytes: int = 32 * 1024 * 1024
    connections: int = 4096


class Gateway:
    """One gateway process. Created on its event loop; `listen` opens the data port."""

    def __init__(self, journal: Journal, keys: KeyStore, limits: PortLimits, *, strict: bool = False) -> None:
        """`strict`: the end of an answer goes out when its record is on the disk, not only in the journal."""
        self._loop = asyncio.get_running_loop()
        self.strict = strict
        self.store: Path | None = None
        self._unrecorded: list[Callable[[], None]] = []
        self._recording = False
        self.journal = journal
        self.keys = keys
        self.limits = limits
        self.metrics = Metrics()
        self.loads: dict[str, TargetLoad] = {}
        self.draining = False
        self.started_s = int(time.time())
        self.date = b""
        self.site: Site
        self.connections: set[ClientConnection] = set()
        self.control_task: asyncio.Task[None] | None = None
        self.now_s = time.monotonic
        self._limiter = Limiter()
        self._estimates: dict[str, TokenEstimate] = {}
        self._pools: dict[tuple[str, str, str | None], Pool] = {}
        self._server: asyncio.Server | None = None
        self._boot = secrets.token_hex(3)
        self._id_prefix = ""
        self._id_count = 0
        self._second_due_s = self.now_s() + SWEEP_S
        self._scraper = Scraper(self.now_s)
        self._fleet_due_s = 0.0
        self._sweep()

    # -- configuration -----------------------------------------------------------------------------------

    def apply(self, snapshot: Snapshot, prices_version: str) -> None:
        """Use a new configuration for requests that start from now on; running ones keep theirs.

        Connections, live loads and limits of targets and tenants that stay are carried over; targets that
        are gone finish what they have.
        """
        now_s = self.now_s()
        places = {}
        pools = {}
        for target in snapshot.targets.values():
            where = (target.name, target.url, target.ca_file)
            pool = self._pools.pop(where, None) or Pool(target, self._loop, self.now_s)
            pools[where] = pool
            load = self.loads.get(target.name)
            if load is None:
                load = TargetLoad(target)
            else:
                if load.target.credential != target.credential:
                    load.health.revive(now_s)
                load.apply(target, now_s)
            self.loads[target.name] = load
            places[target.name] = Place(target, pool, load, self.metrics.target(target.name))
        for pool in self._pools.values():
            pool.close()
        self._pools = pools
        models = {
            model.name: ModelPlace(
                model, Route(model, self.loads), self._estimates.setdefault(model.name, TokenEstimate())
            )
            for model in snapshot.models.values()
        }
        for gone in self.loads.keys() - snapshot.targets.keys():
            del self.loads[gone]
        for gone in self._estimates.keys() - models.keys():
            del self._estimates[gone]
        self.site = Site(snapshot, places, models, self._limiter, prices_version)
        self._limiter.prune(now_s)
        self.journal.fleet(self.site.fleet())
        self._fleet_due_s = now_s + FLEET_EVERY_S

    # -- the data port -----------------------------------------------------------------------------------

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Open the data port; returns its number (of use with port 0)."""
        self._server = await self._loop.create_server(
            lambda: ClientConnection(self),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else self.limits.head_s,
            backlog=ACCEPT_BACKLOG,
            reuse_address=True,
        )
        for listener in self._server.sockets:  # what it accepts inherits this
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    def connected(self, client: ClientConnection) -> bool:
        """Whether there is room for one more connection."""
        self.connections.add(client)
        return len(self.connections) <= self.limits.connections

    def disconnected(self, client: ClientConnection) -> None:
        self.connections.discard(client)

    def body_limit(self, head: RequestHead) -> int:
        """Bytes the request's body may have: only a model call needs many."""
        return self.limits.body_bytes if head.path in ENDPOINTS else min(self.limits.body_bytes, SMALL_BODY)

    def may_send_body(self, head: RequestHead) -> None:
        """Whether a body that is still on its way is worth keeping: its sender must be known."""
        if head.path in ENDPOINTS:
            admission.authenticate(self, self.site, head)

    def request(self, client: ClientConnection, head: RequestHead, body: bytes) -> None:
        """A whole request is here."""
        routes.serve(self, client, head, body)

    def refused_unread(self, error: RequestError) -> None:
        """A request was refused before it was read: counted, since there is nothing to record."""
        unread = self.metrics.unread
        unread[error.fault.code] = unread.get(error.fault.code, 0) + 1

    def new_request_id(self) -> str:
        """Unique, and sorted by time."""
        self._id_count += 1
        return f"{self._id_prefix}{self._id_count:08x}"

    # -- the record --------------------------------------------------------------------------------------

    def when_recorded(self, then: Callable[[], None]) -> None:
        """Call `then` once what the journal holds now is as safe as the configuration asks."""
        if not self.strict:
            then()
            return
        self._unrecorded.append(then)
        if not self._recording:
            self._record()

    def _record(self) -> None:
        """One flush for all who wait; those who come meanwhile share the next one."""
        batch, self._unrecorded = self._unrecorded, []
        self._recording = bool(batch)
        if batch:
            flushed = self._loop.run_in_executor(None, self.journal.sync)
            flushed.add_done_callback(lambda done: self._recorded(batch, done))

    def _recorded(self, batch: list[Callable[[], None]], flushed: asyncio.Future[None]) -> None:
        error = flushed.exception()
        if error is not None:  # the clients' answers stay unsent: they run into the stall deadline
            _log.error("strict journal: answers are held back: %s", error)
        else:
            for then in batch:
                then()
        self._record()

    # -- time --------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """A few times a second: deadlines, keys, the date. An error here must not end the sweeping."""
        self._loop.call_later(SWEEP_S, self._sweep)
        now_s = self.now_s()
        self.date = formatdate(usegmt=True).encode()
        self._id_prefix = f"{time.time_ns() // 1_000_000:011x}{self._boot}"
        for client in tuple(self.connections):
            client.check(now_s)
        for pool in self._pools.values():
            pool.sweep(now_s)
        if now_s >= self._second_due_s:
            self._second_due_s = now_s + 1.0 - SWEEP_S / 2
            self._scraper.ask(self.site.places)
            self._report_saturation(now_s)
            self._reload_keys()
        if self._fleet_due_s and now_s >= self._fleet_due_s:
            self._fleet_due_s = now_s + FLEET_EVERY_S
            try:
                self.journal.fleet(self.site.fleet())
            except RequestError as error:
                _log.error("the hourly fleet record was not written: %s", error)

    def _report_saturation(self, now_s: float) -> None:
        """The state with hysteresis that dashboards and alarms see; dispatch does not look at it."""
        for name, place in self.site.places.items():
            if place.target.side is Side.OWNED:
                load, before = place.load, place.load.reported.saturated
                if load.reported.update(load.saturation(now_s, place.slo), now_s) != before:
                    _log.info("target %s is %s", name, "no longer saturated" if before else "saturated")

    def _reload_keys(self) -> None:
        try:
            if self.keys.reload_if_changed():
                self.site.forget_callers()
        except BaseloadError as error:
            _log.error("keys were not reloaded, the old ones stay in force: %s", error)

    # -- the end -----------------------------------------------------------------------------------------

    async def drain(self) -> int:
        """Take nothing new, let running requests end, at most `drain_s`; returns how many were cut."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        for client in tuple(self.connections):
            client.stop_idle()
        until_s = self.now_s() + self.limits.drain_s
        while self.connections and self.now_s() < until_s:
            await asyncio.sleep(0.02)
        left = [client.conversation for client in self.connections if client.conversation is not None]
        for conversation in left:
            conversation.cut_off()
        if left:
            await asyncio.sleep(FAREWELL_S)
        for client in tuple(self.connections):
            client.abort()
        await asyncio.sleep(0)
        for pool in self._pools.values():
            pool.close()
        try:
            self.journal.fleet(self.site.fleet(stopping=True))
        except RequestError as error:
            _log.error("the closing fleet record was not written: %s", error)
        return len(left)
