"""A gateway that is told to stop ends what it has begun, loses nothing, and the next one goes on."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from baseload.twin.pace import Latency
from tests.gateway.running import MakeGateway, RunningTwin, metered, provider
from tests.gateway.threaded import Clients, Reply, read_reply

Twins = Callable[..., RunningTwin]
STREAMS = 30


def test_sigterm_under_load(make_gateway: MakeGateway, twins: Twins) -> None:
    """With 30 open streams and requests coming in, SIGTERM cuts no stream and breaks off no request: each is
    answered whole, told 503 `draining`, or not connected at all. The exit code is 0, the ledger complete, and
    a second start on the same data goes on."""
    slow = twins(provider, latency=Latency(ttft_s=0.05, tpot_s=0.05, spread=0.0))
    quick = twins(provider)
    models = {"chat": {"metered": ["slow"]}, "quick": {"metered": ["quick"]}}
    gateway = make_gateway({"slow": metered(slow), "quick": metered(quick)}, models)
    clients = Clients(gateway.port, gateway.key)
    ended = threading.Event()
    seen: Counter[str] = Counter()

    def stream() -> Reply:
        return clients.chat(stream=True, max_tokens=30, ignore_eos=True)

    def rate(kept: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        while not ended.is_set():
            try:
                clients.send(connection, model="quick", max_tokens=3)
                reply = read_reply(connection)
                seen[f"{reply.status}" if reply.whole else "cut"] += 1
                if reply.status == 503:
                    assert reply.code == "draining"
            except ConnectionRefusedError:
                seen["not connected"] += 1
                connection.close()
                ended.wait(0.02)
            except (ConnectionError, http.client.RemoteDisconnected) as error:
                seen[f"{'kept' if kept else 'fresh'}: {type(error).__name__}"] += 1
                connection.close()
            if not kept:
                connection.close()
        connection.close()

    with ThreadPoolExecutor(STREAMS + 4) as pool:
        streams = [pool.submit(stream) for _ in range(STREAMS)]
        rates = [pool.submit(rate, number % 2 == 0) for number in range(4)]
        while len(slow.served().open) < STREAMS:
            time.sleep(0.01)
        time.sleep(0.2)
        code = gateway.stop()
        replies = [each.result() for each in streams]
        ended.set()
        for each in rates:
            each.result()
    assert code == 0
    assert all(reply.done and reply.whole for reply in replies)
    assert seen["200"] > 0
    assert seen["cut"] == 0
    # On a kept connection a request can cross the close of an idle one: HTTP/1.1 clients retry that. On a
    # fresh one only the system's own listen queue can be dropped with the port, once for each client.
    fresh = {name: count for name, count in seen.items() if name.startswith("fresh")}
    assert fresh.keys() <= {"fresh: ConnectionResetError"}
    assert sum(fresh.values()) <= 2
    rows = gateway.rows()
    assert Counter(row["outcome"] for row in rows) == {"completed": STREAMS + seen["200"]}
    served = {each.id for twin in (slow, quick) for each in twin.served().requests}
    assert served == {f"{row['request_id']}.{row['attempt']}" for row in rows}

    gateway.start()
    assert gateway.chat(model="quick").status_code == 200
    assert gateway.stop() == 0
    assert len(gateway.rows()) == len(rows) + 1


def test_the_drain_has_an_end(make_gateway: MakeGateway, twins: Twins) -> None:
    """What runs longer than the drain deadline is cut and told so, in-band where a part was sent; it is
    cancelled upstream, settled with what was produced, and counted in the exit code."""
    endless = twins(provider, latency=Latency(ttft_s=0.01, tpot_s=0.1, spread=0.0))
    gateway = make_gateway({"api": metered(endless)}, http={"drain_deadline": "500ms"})
    clients = Clients(gateway.port, gateway.key)
    with clients.connection() as streamed, clients.connection() as whole:
        clients.send(streamed, stream=True, max_tokens=5000, ignore_eos=True)
        clients.send(whole, max_tokens=5000, ignore_eos=True)
        while not any(each.delivered for each in endless.served().open) or len(endless.served().open) < 2:
            time.sleep(0.01)
        assert gateway.stop() == 1
        part, nothing = read_reply(streamed), read_reply(whole)
    assert (part.status, part.in_band_error, part.done, part.whole) == (200, "draining", False, True)
    assert (nothing.status, nothing.code) == (503, "draining")
    assert endless.served().totals.cancelled == 2
    rows = gateway.rows()
    assert [(row["outcome"], row["error_code"], row["estimated"]) for row in rows] == [
        ("cut", "draining", 1)
    ] * 2
    assert next(row["output_tokens"] for row in rows if row["stream"]) > 0
    assert "2 requests were cut" in gateway.log()


def test_not_ready_while_draining(make_gateway: MakeGateway, twins: Twins) -> None:
    """A load balancer that asks on a connection it kept hears that this gateway is stopping, 503."""
    slow = twins(provider, latency=Latency(ttft_s=0.01, tpot_s=0.05, spread=0.0))
    gateway = make_gateway({"api": metered(slow)})
    clients = Clients(gateway.port, gateway.key)
    with clients.connection() as running:
        clients.send(running, stream=True, max_tokens=30, ignore_eos=True)
        running.getresponse().readline()
        with clients.connection() as balancer:
            balancer.request("GET", "/ready")
            assert read_reply(balancer).status == 200
            body = b'{"model":"chat","messages":[{"role":"user","content":"x"}]}'
            balancer.putrequest("POST", "/v1/chat/completions")
            balancer.putheader("authorization", f"Bearer {gateway.key}")
            balancer.putheader("content-length", str(len(body)))
            balancer.endheaders()
            time.sleep(0.1)
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            balancer.send(body)
            reply = read_reply(balancer)
            assert (reply.status, reply.code, reply.headers["connection"]) == (503, "draining", "close")
        assert gateway._ended() == 0
