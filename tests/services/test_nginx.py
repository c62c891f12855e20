"""nginx in front of the gateway, and behind it: what operators put around it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise

import pytest

from baseload.twin.pace import Latency
from tests.gateway.running import MakeGateway, RunningTwin, metered, provider
from tests.gateway.threaded import Clients, eventually, read_reply
from tests.services.conftest import Nginx

pytestmark = pytest.mark.services
Twins = Callable[..., RunningTwin]

IN_FRONT = """
  upstream gateway {{ server 127.0.0.1:{gateway}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{{port}};
    client_max_body_size 32m;
    location / {{
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
    }}
  }}
"""
"""As an operator writes it who never thought of event streams: buffering is on."""

BEHIND = """
  server {{
    listen 127.0.0.1:{{port}};
    keepalive_requests {requests};
    location /v1/ {{
      proxy_pass http://127.0.0.1:{twin};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
"""


def _slow(twins: Twins) -> RunningTwin:
    return twins(provider, latency=Latency(ttft_s=0.02, tpot_s=0.05, spread=0.0))


def test_streams_are_not_held_back(make_gateway: MakeGateway, twins: Twins, nginx: Nginx) -> None:
    """Events arrive one by one through an nginx that buffers: the gateway says `x-accel-buffering: no`."""
    gateway = make_gateway({"api": metered(_slow(twins))})
    clients = Clients(nginx(IN_FRONT.format(gateway=gateway.port)), gateway.key)
    with clients.connection() as connection:
        clients.send(connection, stream=True, max_tokens=12, ignore_eos=True)
        response = connection.getresponse()
        arrivals = [time.monotonic() for line in iter(response.readline, b"") if b'"content":"' in line]
    gaps = [later - earlier for earlier, later in pairwise(arrivals[1:])]
    assert len(arrivals) == 13
    assert sorted(gaps)[len(gaps) // 2] > 0.02


def test_bodies_and_keep_alive(make_gateway: MakeGateway, twins: Twins, nginx: Nginx) -> None:
    """Large bodies pass whole, streamed and not, and nginx keeps its connections to the gateway."""
    gateway = make_gateway({"api": metered(twins(provider, context_tokens=10**7))})
    clients = Clients(nginx(IN_FRONT.format(gateway=gateway.port)), gateway.key)
    with clients.connection() as connection:
        for number in range(10):
            content = "x" * (100_000 * (number + 1))
            clients.send(connection, content, stream=number % 2 == 0, max_tokens=40, ignore_eos=True)
            reply = read_reply(connection)
            assert (reply.status, reply.whole, len(reply.content)) == (200, True, 160)
    assert gateway.metric("baseload_connections") <= 2
    assert [row["input_tokens"] for row in gateway.settled(10)] == [25_000 * (n + 1) for n in range(10)]


def test_a_client_that_leaves_nginx_cancels(make_gateway: MakeGateway, twins: Twins, nginx: Nginx) -> None:
    """nginx closes its connection when its client does, and that cancels the upstream."""
    api = _slow(twins)
    gateway = make_gateway({"api": metered(api)})
    clients = Clients(nginx(IN_FRONT.format(gateway=gateway.port)), gateway.key)
    with ExitStack() as stack:
        for stream in (True, False):
            connection = stack.enter_context(clients.connection())
            clients.send(connection, stream=stream, max_tokens=5000, ignore_eos=True)
        eventually(lambda: len(api.served().open) == 2)
    eventually(lambda: api.served().totals.cancelled == 2)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_nginx_as_an_upstream(make_gateway: MakeGateway, twins: Twins, nginx: Nginx, stream: bool) -> None:
    """An engine behind nginx that closes its connections every few requests serves every one of them."""
    twin = twins(provider)
    port = nginx(BEHIND.format(twin=twin.port, requests=3))
    gateway = make_gateway({"api": metered(twin, url=f"http://127.0.0.1:{port}/v1")})
    clients = Clients(gateway.port, gateway.key)
    for _ in range(20):
        reply = clients.chat(stream=stream, max_tokens=5, ignore_eos=True)
        assert (reply.status, reply.content) == (200, "the sun and sea are ")
    assert {row["outcome"] for row in gateway.settled(20)} == {"completed"}


def test_errors_of_nginx_are_the_targets_trouble(
    make_gateway: MakeGateway, twins: Twins, nginx: Nginx
) -> None:
    """A 502 page of an nginx whose engine is gone is no answer: another target serves."""
    gone, api = twins(provider), twins(provider)
    port = nginx(BEHIND.format(twin=gone.port, requests=100))
    gone.stop()
    gateway = make_gateway(
        {"gone": metered(gone, ("1", "1"), url=f"http://127.0.0.1:{port}/v1"), "api": metered(api)}
    )
    reply = Clients(gateway.port, gateway.key).chat()
    assert (reply.status, reply.headers["x-baseload-target"]) == (200, "api")
    first, _ = sorted(gateway.settled(2), key=lambda row: int(row["attempt"]))
    assert (first["status"], first["error_code"]) == (502, "upstream_error")
