"""The gateway process: what lives as long as it does, and how it starts, reloads, drains and stops."""

from __future__ import annotations

import asyncio
import functools
import logging
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from baseload.core import Side, Snapshot, Target
from baseload.errors import BaseloadError, EnvironmentProblem, RequestError
from baseload.gateway import admission, google, routes
from baseload.gateway.caching.cache import AnswerCache
from baseload.gateway.client import SMALL_BODY, ClientConnection
from baseload.gateway.login import Logins
from baseload.gateway.metrics import Metrics
from baseload.gateway.passing import passages
from baseload.gateway.passing.paths import PASSED, is_upload
from baseload.gateway.scrape import Scraper
from baseload.gateway.site import Caller, ModelPlace, Place, Site
from baseload.gateway.stored_ids import Stored
from baseload.gateway.upstream import Pool
from baseload.keys import KeyStore
from baseload.ledger.journal import Journal
from baseload.policy.estimate import TokenEstimate
from baseload.policy.limits import Limiter
from baseload.policy.load import TargetLoad
from baseload.wire.http1 import RequestHead

if TYPE_CHECKING:
    from baseload.gateway.exchange import Exchange

Thing = TypeVar("Thing")

SWEEP_S = 0.25
"""How often deadlines are looked at: what they are off by."""
SWEEP_PARTS = 8
"""A sweep looks at a part of the connections at a time: thousands of them hold up nobody's request."""
MAX_LOOKED_AT = 64
"""Connections that a newcomer at the limit looks at for an idle one, the oldest first."""
FLEET_EVERY_S = 3600.0
FLEET_RETRY_S = 60.0
NOBODY_REFUSALS_PER_S = 20
"""Refusals of callers without a valid key that are recorded; each is a journal frame and a row."""
ACCEPT_BACKLOG = 4096
FAREWELL_S = 0.1
"""How long clients whose requests are cut at the end of a drain have to read why."""
UNSENT_BYTES = 128 * 1024
"""What the kernel takes for a client beyond what is on its way: progress shows early, memory stays small."""

_log = logging.getLogger("baseload.gateway")
_PoolKey = tuple[str, str, bytes]  # name, URL, hash of the trusted authority's certificates


class PortLimits(Struct, frozen=True):
    """Limits and deadlines of the data port (docs/http.md)."""

    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 60.0
    stall_s: float = 60.0
    comment_s: float = 15.0
    drain_s: float = 30.0
    body_bytes: int = 32 * 1024 * 1024
    bodies_bytes: int = 1024 * 1024 * 1024
    connections: int = 4096
    upload_bytes: int = 512 * 1024 * 1024


class Gateway:
    """One gateway process. Created on its event loop; `listen` opens the data port."""

    def __init__(self, journal: Journal, keys: KeyStore, limits: PortLimits, *, strict: bool = False) -> None:
        """`strict`: the end of an answer goes out when its record is on the disk, not only in the journal."""
        self._loop = asyncio.get_running_loop()
        self.strict = strict
        self.store: Path | None = None
        self._unrecorded: list[tuple[Exchange, bytes]] = []
        self._recording = False
        self.journal = journal
        self.keys = keys
        self.limits = limits
        self.metrics = Metrics()
        self.cache = AnswerCache()
        self.stored = Stored()
        """Whose the answers are that providers keep, and where."""
        self.loads: dict[str, TargetLoad] = {}
        self.draining = False
        self.started_s = int(time.time())
        self.date = b""
        self.epoch_ns = 0
        """Wall clock less monotonic clock, as of the last sweep: one reading of a clock serves for both."""
        self.site: Site
        self.connections: dict[ClientConnection, None] = {}  # in the order they came
        self.held_bytes = 0
        """Request bodies in memory beyond small ones."""
        self.control_task: asyncio.Task[None] | None = None
        self.now_s = time.monotonic
        self.request = functools.partial(routes.serve, self)
        """A whole request is here: of this client, with this head and body."""
        self.upload = functools.partial(passages.upload, self)
        """The body that follows this head: what takes it as it comes, or None where it is wanted whole."""
        self._limiter = Limiter()
        self._estimates: dict[str, TokenEstimate] = {}
        self._pools: dict[_PoolKey, Pool] = {}
        self._server: asyncio.Server | None = None
        self._boot = secrets.token_hex(3)
        self._id_prefix = ""
        self._id_count = 0
        self._second_due_s = self.now_s() + SWEEP_S
        self._scraper = Scraper(self.now_s)
        self.logins = Logins()
        """How calls are signed in at targets; whoever applies a configuration prepares them before."""
        self._without_login: set[str] = set()
        self._fleet_due_s = 0.0
        self._nobody_until_s = 0.0
        self._nobody_left = 0
        self._defects: set[tuple[str, str, int]] = set()
        self._sweep_part = 0
        self._unswept: list[ClientConnection] = []
        self._tell_time(self.now_s())
        self._loop.call_later(SWEEP_S / SWEEP_PARTS, self._sweep)

    # -- configuration -----------------------------------------------------------------------------------

    def apply(self, snapshot: Snapshot, prices_version: str) -> None:
        """Use a new configuration for requests that start from now on; running ones keep theirs.

        Connections, live loads and limits of targets and tenants that stay are carried over; targets that
        are gone finish what they have. What may fail comes first, beside what is in force: raises
        EnvironmentProblem where an authority's certificates cannot be used, and nothing has changed then.
        """
        now_s = self.now_s()
        pools = {target.name: self._pool(target) for target in snapshot.targets.values()}
        loads = {
            name: self.loads.get(name) or TargetLoad(target) for name, target in snapshot.targets.items()
        }
        estimates = {name: self._estimates.get(name) or TokenEstimate() for name in snapshot.models}
        places = {
            name: Place(target, pools[name][1], loads[name], self.metrics.target(name), self.logins)
            for name, target in snapshot.targets.items()
        }
        models = {name: ModelPlace(model, loads, estimates[name]) for name, model in snapshot.models.items()}
        groups = {
            group: ModelPlace(model, loads, TokenEstimate()) for group, model in snapshot.passthrough.items()
        }
        site = Site(snapshot, places, models, groups, self._limiter, prices_version)
        for name, target in snapshot.targets.items():
            load = self.loads.get(name)
            if load is None:
                continue
            if _signed_in(load.target) != _signed_in(target):
                load.health.revive(now_s)
            load.apply(target, now_s)
        kept = dict(pools.values())
        for where, pool in self._pools.items():
            if where not in kept:
                pool.close()
        self._pools, self.loads, self._estimates, self.site = kept, loads, estimates, site
        self.cache.apply(snapshot)
        self.logins.keep(snapshot.targets.values())
        self._limiter.prune(now_s)
        self._record_fleet(now_s)

    def _pool(self, target: Target) -> tuple[_PoolKey, Pool]:
        """The target's pool: the one in use where neither address nor trusted authority changed."""
        try:
            trusted = sha256(Path(target.ca_file).read_bytes()).digest() if target.ca_file else b""
            where = (target.name, target.url, trusted)
            return where, self._pools.get(where) or Pool(target, self._loop, self.now_s)
        except OSError as error:  # ssl.SSLError is one
            raise EnvironmentProblem(
                f"target {target.name!r}: the certificates in {target.ca_file} cannot be used: {error}",
                hint="`ca` is a PEM file with the authority's certificate",
            ) from None

    def _record_fleet(self, now_s: float) -> None:
        """Put on record what is paid for; a full journal is tried again, it stops no reload."""
        try:
            self.journal.fleet(self.site.fleet())
            self._fleet_due_s = now_s + FLEET_EVERY_S
        except RequestError as error:
            self._fleet_due_s = now_s + FLEET_RETRY_S
            _log.error("the fleet record was not written, again in %.0f s: %s", FLEET_RETRY_S, error)

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
        """Whether there is room for one more connection; one that idles makes room."""
        self.connections[client] = None
        if len(self.connections) <= self.limits.connections:
            return True
        for other in tuple(islice(self.connections, MAX_LOOKED_AT)):
            self.disconnected(other)
            if other.idle and other is not client:
                other.abort()
                self.metrics.idle_closed += 1
                return True
            self.connections[other] = None  # to the back: the next newcomer looks at others
        return False

    @property
    def crowded(self) -> bool:
        """Whether even those that were told that there is no room are too many to wait for their leaving."""
        return len(self.connections) > 2 * self.limits.connections

    def disconnected(self, client: ClientConnection) -> None:
        self.connections.pop(client, None)

    def body_limit(self, head: RequestHead) -> int:
        """Bytes the request's body may have: only a model call needs many."""
        if google.endpoint_of(head) is not None:
            return self.limits.body_bytes
        if head.path in PASSED:
            return self.limits.upload_bytes if is_upload(head) else self.limits.body_bytes
        return min(self.limits.body_bytes, SMALL_BODY)

    def may_send_body(self, head: RequestHead) -> None:
        """Whether a body that is still on its way is worth keeping: its sender must be known."""
        if google.endpoint_of(head) is not None or head.path in PASSED:
            admission.authenticate(self, self.site, head)

    def refused_unread(self, error: RequestError) -> None:
        """A request was refused before it was read: counted, since there is nothing to record."""
        unread = self.metrics.unread
        unread[error.fault.code] = unread.get(error.fault.code, 0) + 1

    def may_record_refusal(self, caller: Caller) -> bool:
        """Whether the ledger has room for this refusal: who sends no valid key fills it no faster than this.

        Refusals beyond that are in the metrics only.
        """
        if caller is not admission.NOBODY:
            return True
        now_s = self.now_s()
        if now_s >= self._nobody_until_s:
            self._nobody_until_s = now_s + 1.0
            self._nobody_left = NOBODY_REFUSALS_PER_S
        if self._nobody_left:
            self._nobody_left -= 1
            return True
        self.metrics.refusals_unrecorded += 1
        return False

    def new_request_id(self) -> str:
        """Unique, and sorted by time."""
        self._id_count += 1
        return f"{self._id_prefix}{self._id_count:08x}"

    # -- the record --------------------------------------------------------------------------------------

    def when_recorded(self, exchange: Exchange, last: bytes) -> None:
        """Finish an exchange once what the journal holds now is on the disk."""
        self._unrecorded.append((exchange, last))
        if not self._recording:
            self._record()

    def _record(self) -> None:
        """One flush for all who wait; those who come meanwhile share the next one."""
        batch, self._unrecorded = self._unrecorded, []
        self._recording = bool(batch)
        if batch:
            flushed = self._loop.run_in_executor(None, self.journal.sync)
            flushed.add_done_callback(lambda done: self._recorded(batch, done))

    def _recorded(self, batch: list[tuple[Exchange, bytes]], flushed: asyncio.Future[None]) -> None:
        """An answer whose record may be lost is not given: its connection is cut, which clients know."""
        error = flushed.exception()
        if error is not None:
            _log.error("strict journal: %d answers are cut off: %s", len(batch), error)
        for exchange, last in batch:
            if error is None:
                exchange.finish_recorded(last)
            else:
                exchange.attempt = None
                exchange.client.abort()
        self._record()

    # -- time --------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """A few times a second, in parts: deadlines, keys, the date. An error must not end the sweeping."""
        self._loop.call_later(SWEEP_S / SWEEP_PARTS, self._sweep)
        now_s = self.now_s()
        part = self._sweep_part
        self._sweep_part = (part + 1) % SWEEP_PARTS
        if part == 0:
            self._unswept = list(self.connections)
            once = (self._tell_time, self._sweep_pools, self._reload_keys, self._each_second, self._fleet_due)
            self._each(once, lambda step: step(now_s))
        share = -(-len(self._unswept) // (SWEEP_PARTS - part))
        self._each(self._unswept[:share], lambda client: client.check(now_s))
        del self._unswept[:share]

    def _tell_time(self, _now_s: float) -> None:
        wall_ns = time.time_ns()
        self.date = formatdate(usegmt=True).encode()
        self.epoch_ns = wall_ns - time.monotonic_ns()
        self._id_prefix = f"{wall_ns // 1_000_000:011x}{self._boot}"

    def _sweep_pools(self, now_s: float) -> None:
        self._each(self._pools.values(), lambda pool: pool.sweep(now_s))

    def _each_second(self, now_s: float) -> None:
        if now_s >= self._second_due_s:
            self._second_due_s = now_s + 1.0 - SWEEP_S / 2
            self._scraper.ask(self.site.places)
            self._report_saturation(now_s)
            self._watch_logins(now_s)
            self.cache.sweep()

    def _watch_logins(self, now_s: float) -> None:
        """A target whose credential cannot be renewed is out until it can."""
        for place in self.site.places.values():
            if place.login is None:
                continue
            fresh, out = place.login.fresh(now_s), place.target.name in self._without_login
            if not fresh and not out:
                self._without_login.add(place.target.name)
                place.load.health.refuse()
            elif fresh and out:
                self._without_login.discard(place.target.name)
                place.load.health.revive(now_s)

    def _fleet_due(self, now_s: float) -> None:
        if self._fleet_due_s and now_s >= self._fleet_due_s:
            self._record_fleet(now_s)

    def _each(self, things: Iterable[Thing], step: Callable[[Thing], None]) -> None:
        """A step for each: the defect of one is not the others'."""
        for thing in things:
            try:
                step(thing)
            except Exception as error:  # noqa: BLE001  the supervisor of what goes on in the background
                self._defect(error)

    def _defect(self, error: Exception) -> None:
        """Something raised that never should: logged once for each place in the code, since sweeps repeat."""
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        place = (
            type(error).__name__,
            at.tb_frame.f_code.co_filename if at else "",
            at.tb_lineno if at else 0,
        )
        if place not in self._defects:
            self._defects.add(place)
            _log.error("a defect, logged once; the rest goes on", exc_info=error)

    def _report_saturation(self, now_s: float) -> None:
        """The state with hysteresis that dashboards and alarms see; dispatch does not look at it."""
        for name, place in self.site.places.items():
            if place.target.side is Side.OWNED:
                load, before = place.load, place.load.reported.saturated
                if load.reported.update(load.saturation(now_s, place.slo), now_s) != before:
                    _log.info("target %s is %s", name, "no longer saturated" if before else "saturated")

    def _reload_keys(self, _now_s: float) -> None:
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
        self._each(left, lambda conversation: conversation.cut_off())
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


def _signed_in(target: Target) -> tuple[object, ...]:
    """All that a target's credential may be in: with another one its refusal is forgotten."""
    return target.credential, target.key_header, target.login, target.headers
