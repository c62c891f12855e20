"""A configuration is changed under load: no request notices, and none runs on half of it."""

from __future__ import annotations

import copy
import re
import signal
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import trustme

from baseload.keys import KeyStore
from baseload.twin.pace import Latency
from tests.gateway.running import MakeGateway, RunningGateway, RunningTwin, engine, metered, owned, provider
from tests.gateway.threaded import Clients, eventually, read_reply

Twins = Callable[..., RunningTwin]
REQUESTS, RELOADS = 200, 50


def _reload(gateway: RunningGateway, expected: str = "applied") -> None:
    """Write the configuration, send SIGHUP, and wait until the reload is counted."""
    assert gateway.process is not None
    name = "baseload_config_reloads_total"
    before = gateway.metric(name, result=expected)
    gateway.process.send_signal(signal.SIGHUP)
    eventually(lambda: gateway.metric(name, result=expected) > before)


def test_fifty_reloads_under_load(make_gateway: MakeGateway, twins: Twins) -> None:
    """While 200 requests run, 50 reloads change prices, take a target out and bring it back: every request
    is answered whole, each on one configuration, and the ledger says on which."""
    gateway = make_gateway(
        {"replica": owned(twins(engine)), "a": metered(twins(provider)), "b": metered(twins(provider))}
    )
    clients = Clients(gateway.port, gateway.key)
    whole = gateway.config
    without = copy.deepcopy(whole)
    del without["targets"]["b"]
    without["models"]["chat"]["metered"] = ["a"]

    def request(number: int) -> bool:
        stream = number % 2 == 0
        pinned = {"x-baseload-targets": "a"} if number % 3 == 0 else {}
        reply = clients.chat(stream=stream, max_tokens=30, ignore_eos=True, headers=pinned)
        return reply.status == 200 and reply.whole and reply.done == stream

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(request, number) for number in range(REQUESTS)]
        for number in range(RELOADS):
            gateway.config = without if number % 2 else whole
            gateway.config["targets"]["a"]["metered"]["price"]["input"] = f"2.{number:02}"
            gateway.write()
            _reload(gateway)
        assert all(answer.result() for answer in answers)
    assert gateway.metric("baseload_config_reloads_total", result="refused") == 0
    assert gateway.stop() == 0
    rows = gateway.rows()
    assert [row["outcome"] for row in rows] == ["completed"] * REQUESTS
    applied = set(re.findall(r"configuration ([0-9a-f]{12}) is in force", gateway.log()))
    versions = {row["config_version"] for row in rows}
    assert len(versions & applied) > 1
    assert len(applied) == RELOADS


def test_an_invalid_file_is_refused(make_gateway: MakeGateway, twins: Twins) -> None:
    """A file with problems changes nothing but a metric and a log entry that names file, line and key."""
    gateway = make_gateway({"api": metered(twins(provider))})
    good = gateway.file.read_text()
    for bad in ("targets: [", good.replace("region: us", "regoin: us"), good.replace("- api", "- typo")):
        gateway.file.write_text(bad)
        _reload(gateway, "refused")
        assert gateway.chat().status_code == 200
    assert "did you mean 'region'?" in gateway.log()
    assert re.search(r"baseload\.yaml:\d+: ", gateway.log())
    gateway.file.write_text(good)
    _reload(gateway)


def test_a_changed_file_is_noticed(make_gateway: MakeGateway, twins: Twins) -> None:
    """No signal is needed: a changed file is in force a second or so later."""
    gateway = make_gateway({"api": metered(twins(provider))})
    gateway.config["models"]["more"] = {"metered": ["api"]}
    gateway.write()
    eventually(lambda: gateway.chat(model="more").status_code == 200)


def test_a_renewed_certificate_is_served(make_gateway: MakeGateway, twins: Twins, tmp_path: Path) -> None:
    """The data port takes over new contents of its files without a restart; files that are no pair are
    refused, and the gateway goes on with the pair it has and stops as it should."""
    authority, cert, key = trustme.CA(), tmp_path / "cert.pem", tmp_path / "key.pem"

    def renew() -> str:
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(str(key))
        issued.cert_chain_pems[0].write_to_path(str(cert))
        return cert.read_text()

    def served() -> str:
        return ssl.get_server_certificate(("127.0.0.1", gateway.port))

    first = renew()
    tls = {"cert": str(cert), "key": str(key)}
    gateway = make_gateway({"api": metered(twins(provider))}, tls=tls)
    assert served() == first
    second = renew()
    eventually(lambda: served() == second)
    cert.write_text(first)
    _reload(gateway, "refused")
    assert served() == second
    assert "takes effect at the next start" not in gateway.log()
    assert gateway.stop() == 0


def test_a_removed_target_drains(make_gateway: MakeGateway, twins: Twins) -> None:
    """A stream at a target that a reload removes runs to its end on the configuration it began with; later
    requests do not go there."""
    slow = twins(provider, latency=Latency(ttft_s=0.01, tpot_s=0.05, spread=0.0))
    gateway = make_gateway({"old": metered(slow, ("1", "1")), "new": metered(twins(provider))})
    clients = Clients(gateway.port, gateway.key)
    with clients.connection() as connection:
        clients.send(connection, stream=True, max_tokens=30, ignore_eos=True)
        response = connection.getresponse()
        first = response.readline()
        del gateway.config["targets"]["old"]
        gateway.config["models"]["chat"]["metered"] = ["new"]
        gateway.write()
        _reload(gateway)
        assert gateway.chat().headers["x-baseload-target"] == "new"
        assert slow.served().open
        rest = response.read()
        assert (first + rest).count(b'"content":"') == 31  # the opening event is empty
        assert rest.endswith(b"data: [DONE]\n\n")
    eventually(lambda: gateway.metric("baseload_connections") == 0)
    old, new = sorted(gateway.settled(2), key=lambda row: str(row["target"]), reverse=True)
    assert (old["target"], old["outcome"], old["output_tokens"]) == ("old", "completed", 30)
    assert old["config_version"] != new["config_version"]


def test_a_revoked_key_is_refused_within_a_second(make_gateway: MakeGateway, twins: Twins) -> None:
    """Keys change without a reload: a new one is known, a revoked one refused, on a kept connection too."""
    gateway = make_gateway({"api": metered(twins(provider))})
    store = KeyStore(gateway.data)
    secret, key = store.create("shop")
    clients = Clients(gateway.port, secret)
    with clients.connection() as connection:

        def status() -> int:
            clients.send(connection, max_tokens=1)
            return read_reply(connection).status

        eventually(lambda: status() == 200, 1.0)
        store.revoke(key.id)
        revoked_s = time.monotonic()
        eventually(lambda: status() == 401, 2.0)
        assert time.monotonic() - revoked_s < 1.0
