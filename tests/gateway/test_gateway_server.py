"""What a gateway's own loop keeps going: configurations swapped whole, sweeps, refusals on record."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
import trustme
from msgspec.structs import replace

from baseload import errors
from baseload.errors import EnvironmentProblem, RequestError
from baseload.gateway import reload
from baseload.gateway.reload import Read, Reloader, read_stamped
from baseload.gateway.server import NOBODY_REFUSALS_PER_S, PortLimits
from baseload.gateway.snapshot import Loaded, load_snapshot
from baseload.gateway.upstream import _tls_context
from baseload.keys import KeyStore
from baseload.ledger.ingest import ingest_once
from baseload.ledger.record import Fleet
from tests.gateway.running import RunningTwin, metered, provider
from tests.gateway.threaded import MakeThreaded, ThreadedGateway, eventually

Twins = Callable[..., RunningTwin]
MISTYPED = f"bl_{'a' * 16}_{'b' * 52}"


def _refusals(gateway: ThreadedGateway) -> list[dict[str, Any]]:
    store = gateway.data / "ledger.sqlite"
    ingest_once(gateway.data / "journal", store)
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM refusals")]


# -- configurations ----------------------------------------------------------------------------------------


def test_a_configuration_that_fails_half_way_changes_nothing(
    threaded: MakeThreaded, twins: Twins, tmp_path: Path
) -> None:
    """An authority's file that is spoiled after it was checked: site, pools and loads are the old ones."""
    gateway = threaded({"a": metered(twins(provider)), "b": metered(twins(provider))})
    inside = gateway.gateway
    spoiled = tmp_path / "ca.pem"
    spoiled.write_text("not PEM")
    site, pools, loads = inside.site, dict(inside._pools), dict(inside.loads)
    targets = dict(site.snapshot.targets)
    targets["b"] = replace(targets["b"], url="https://localhost:1/v1", ca_file=str(spoiled))
    changed = replace(site.snapshot, targets=targets)
    with pytest.raises(EnvironmentProblem, match=r"target 'b'.*ca\.pem"):
        gateway.call(lambda: inside.apply(changed, "later"))
    assert inside.site is site
    assert (inside._pools, inside.loads) == (pools, loads)
    assert not any(pool.closed for pool in pools.values())
    assert gateway.chat().status == 200


def test_a_full_journal_refuses_no_reload(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The new configuration is in force; the record of what is paid for is made up for later."""
    gateway = threaded({"a": metered(twins(provider))})
    inside = gateway.gateway
    written: list[Fleet] = []

    def full(_: Fleet) -> NoReturn:
        raise RequestError(errors.JOURNAL_FULL, "no room")

    gateway.config["models"]["more"] = {"metered": ["a"]}
    monkeypatch.setattr(inside.journal, "fleet", full)
    gateway.reload()
    assert gateway.chat(model="more").status == 200
    assert "the fleet record was not written" in caplog.text
    monkeypatch.setattr(inside.journal, "fleet", written.append)
    inside._fleet_due_s = inside.now_s()
    eventually(lambda: written)


class _TlsUpstream:
    """Accepts TLS connections with a certificate of `authority` and counts the finished handshakes."""

    def __init__(self, authority: trustme.CA) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.context)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        answer = (
            b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
        )
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))


@pytest.fixture
def tls_upstream() -> Iterator[Callable[[ThreadedGateway, trustme.CA], int]]:
    """Start an upstream on a gateway's own loop; gives its port."""
    servers: list[tuple[ThreadedGateway, asyncio.Server]] = []

    def start(gateway: ThreadedGateway, authority: trustme.CA) -> int:
        upstream = _TlsUpstream(authority)
        opened = asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=upstream.context)
        server = asyncio.run_coroutine_threadsafe(opened, gateway._loop).result(10)
        servers.append((gateway, server))
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for gateway, server in servers:
        if gateway._thread.is_alive():
            gateway.call(server.close)


def test_a_renewed_authority_is_trusted_after_a_reload(
    threaded: MakeThreaded, twins: Twins, tmp_path: Path, tls_upstream: Callable[..., int]
) -> None:
    """The path of `ca` stays, its contents change: the next connection is checked against the new one."""
    old, new = trustme.CA(), trustme.CA()
    file = tmp_path / "ca.pem"
    old.cert_pem.write_to_path(str(file))
    gateway = threaded({"api": metered(twins(provider))})
    target = gateway.config["targets"]["api"]
    target["url"] = f"https://localhost:{tls_upstream(gateway, new)}/v1"
    target["ca"] = str(file)
    gateway.reload()
    assert gateway.chat().code == "upstream_connect"
    new.cert_pem.write_to_path(str(file))
    gateway.reload()
    gateway.call(lambda: gateway.gateway.loads["api"].health.revive(gateway.gateway.now_s()))
    assert gateway.chat().status == 200
    pool = gateway.gateway.site.places["api"].pool
    gateway.reload()
    assert gateway.gateway.site.places["api"].pool is pool


def test_a_written_authority_replaces_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `ca`, a certificate of an authority that the system trusts is worth nothing."""
    systems, own = tmp_path / "system.pem", tmp_path / "own.pem"
    trustme.CA().cert_pem.write_to_path(str(systems))
    trustme.CA().cert_pem.write_to_path(str(own))
    monkeypatch.setenv("SSL_CERT_FILE", str(systems))
    [trusted] = _tls_context(str(own)).get_ca_certs(binary_form=True)
    assert trusted == ssl.PEM_cert_to_DER_cert(own.read_text())
    assert ssl.PEM_cert_to_DER_cert(systems.read_text()) in _tls_context(None).get_ca_certs(binary_form=True)


# -- the watch over the file -------------------------------------------------------------------------------


@contextlib.contextmanager
def _watching(gateway: ThreadedGateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reloader]:
    monkeypatch.setattr(reload, "LOOK_EVERY_S", 0.01)
    file = gateway.folder / "baseload.yaml"
    read = read_stamped(file, datetime.now(UTC).date())
    reloader = gateway.call(lambda: Reloader(gateway.gateway, file, read, None))
    watch = asyncio.run_coroutine_threadsafe(reloader.watch(), gateway._loop)
    try:
        yield reloader
        assert not watch.done()
    finally:
        watch.cancel()


def test_a_defect_does_not_end_the_watch(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A reload that raises what nobody thought of is logged and counted; the next change is taken up."""
    gateway = threaded({"api": metered(twins(provider))})
    reloads = gateway.gateway.metrics.reloads

    def broken(*_: object) -> NoReturn:
        raise ZeroDivisionError("a defect")

    with _watching(gateway, monkeypatch) as reloader:
        monkeypatch.setattr(reload, "load_snapshot", broken)
        gateway.call(reloader.now)
        eventually(lambda: reloads["refused"] == 1)
        monkeypatch.setattr(reload, "load_snapshot", load_snapshot)
        gateway.call(reloader.now)
        eventually(lambda: reloads["applied"] == 1)
    assert "ZeroDivisionError: a defect" in caplog.text


def test_prices_of_a_new_day_are_asked_for_until_they_come(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day whose prices failed twice is not given up: the third try succeeds, and then it rests."""
    gateway = threaded({"api": metered(twins(provider))})
    reloads = gateway.gateway.metrics.reloads
    tries: list[object] = []

    def unlucky(path: Path, day: Any) -> Loaded:
        tries.append(day)
        if len(tries) < 3:
            raise EnvironmentProblem("no prices")
        return load_snapshot(path, day)

    monkeypatch.setattr(reload, "PRICES_RETRY_S", 0.02)
    with _watching(gateway, monkeypatch) as reloader:
        monkeypatch.setattr(reload, "load_snapshot", unlucky)
        reloader._day -= timedelta(days=1)
        eventually(lambda: reloads["applied"] == 1)
        eventually(lambda: reloader._day == tries[-1])
    assert (reloads["refused"], len(tries)) == (2, 3)


def test_a_change_during_the_read_is_not_lost(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stamps are from before the read: a file that changes while it is read differs from its stamp after."""
    gateway = threaded({"api": metered(twins(provider))})
    file = gateway.folder / "baseload.yaml"

    def overtaken(path: Path, day: Any) -> Loaded:
        loaded = load_snapshot(path, day)
        file.write_text(file.read_text() + "# changed\n")
        return loaded

    monkeypatch.setattr(reload, "load_snapshot", overtaken)
    read: Read = read_stamped(file, datetime.now(UTC).date())
    assert read.stamps.keys() == {file}
    assert read.stamps != reload._stamps([file])


# -- the sweep ---------------------------------------------------------------------------------------------


class _Broken:
    """A connection whose deadlines cannot be looked at."""

    conversation = None

    def check(self, now_s: float) -> None:
        raise ZeroDivisionError(f"at {now_s}")


@pytest.mark.usefixtures("quick_sweep")
def test_a_step_of_the_sweep_that_fails_stops_no_deadline(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a sweep does once may fail: connections keep their deadlines, and the log says it once."""
    gateway = threaded({"api": metered(twins(provider))}, limits=PortLimits(idle_s=0.2))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("no pools")

    monkeypatch.setattr(gateway.gateway, "_sweep_pools", broken)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as idle:
        assert idle.recv(1) == b""  # closed by its deadline
    assert len([one for one in caplog.records if "a defect" in one.message]) <= 1


@pytest.mark.usefixtures("quick_sweep")
def test_one_broken_connection_stops_no_sweep(
    threaded: MakeThreaded, twins: Twins, caplog: pytest.LogCaptureFixture
) -> None:
    """The other clients' deadlines and the keys are looked at as ever, and the log says it once."""
    gateway = threaded({"api": metered(twins(provider))}, limits=PortLimits(idle_s=0.2))
    broken: list[Any] = [_Broken() for _ in range(20)]
    gateway.call(lambda: gateway.gateway.connections.update(dict.fromkeys(broken)))
    try:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as idle:
            assert idle.recv(1) == b""  # closed by its deadline
        gateway.key, _ = KeyStore(gateway.data).create("shop")
        eventually(lambda: gateway.chat().status == 200)
    finally:
        gateway.call(lambda: [gateway.gateway.connections.pop(one) for one in broken])
    defects = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(defects) == 1
    assert "ZeroDivisionError" in caplog.text


# -- refusals ----------------------------------------------------------------------------------------------


def _in_one_piece(gateway: ThreadedGateway, key: str) -> bytes:
    """The answer to a request whose body comes with its head: it is read before its sender is looked at."""
    body = b'{"model":"chat","messages":[{"role":"user","content":"hello"}]}'
    head = (
        f"host: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n" + head.encode() + body)
        return connection.makefile("rb").read()


def test_unknown_callers_cannot_fill_the_ledger(
    threaded: MakeThreaded, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a second so many refusals without a valid key are recorded, the rest only counted; a known
    caller's always are."""
    gateway = threaded({"api": metered(twins(provider))})
    now_s = gateway.gateway.now_s()
    monkeypatch.setattr(gateway.gateway, "now_s", lambda: now_s)
    beyond = 7
    for _ in range(NOBODY_REFUSALS_PER_S + beyond):
        assert b"invalid_api_key" in _in_one_piece(gateway, MISTYPED)
    assert gateway.chat(model="none").code == "model_not_found"
    codes = [row["code"] for row in _refusals(gateway)]
    assert codes == ["invalid_api_key"] * NOBODY_REFUSALS_PER_S + ["model_not_found"]
    assert gateway.metric("baseload_refusals_unrecorded_total") == beyond
    counted = gateway.metric("baseload_requests_total", code="invalid_api_key")
    assert counted == NOBODY_REFUSALS_PER_S + beyond
    now_s += 1.0
    assert _in_one_piece(gateway, "x").startswith(b"HTTP/1.1 401 ")
    assert len(_refusals(gateway)) == NOBODY_REFUSALS_PER_S + 2


def test_a_request_refused_for_draining_is_on_record(threaded: MakeThreaded, twins: Twins) -> None:
    """Who came too late is in the ledger, under its tenant and key."""
    gateway = threaded({"api": metered(twins(provider))})
    gateway.gateway.draining = True
    reply = gateway.chat()
    assert (reply.status, reply.code, reply.headers["connection"]) == (503, "draining", "close")
    assert int(reply.headers["retry-after"]) >= 1
    [row] = _refusals(gateway)
    assert (row["code"], row["status"], row["tenant"]) == ("draining", 503, "shop")
    assert row["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {MISTYPED}"}, 401),
        ({"authorization": "bearer bl_short"}, 401),
        ({"authorization": "", "x-api-key": MISTYPED}, 401),
        ({"authorization": "Bearer sk-something"}, 200),
    ],
)
def test_an_open_gateway_refuses_invalid_keys_of_its_own(
    threaded: MakeThreaded, twins: Twins, headers: dict[str, str], status: int
) -> None:
    """A revoked or mistyped key is told so, not served as anyone; an SDK's made-up key is anyone's."""
    gateway = threaded({"api": metered(twins(provider))}, open=True)
    assert gateway.chat(headers=headers).status == status
