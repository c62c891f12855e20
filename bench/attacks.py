"""What slow and hostile clients cost the good ones: p99 with and without them, in turns, as a ratio.

    .venv/bin/python -m bench.attacks [--rounds 7] [--seconds 4] [--rate 1000]

The gateway runs on a core of its own with the deadlines users have. A good client calls it at a fixed rate,
open loop, over kept connections. The attack, a process of its own, holds 1,000 connections: slow heads, slow
bodies, streams that nobody reads, silent ones; and sends header bombs all the time. Good calls are measured
without and with it, in turns; the figure is the median over the rounds of p99 with it over p99 without.

The attack shares a core with the good client and must not cost it time there, or its cost to the client would
count as its cost to the gateway: it runs in the kernel's idle class, on what is left of that core, and says
how much it did. As root gateway and good client are real-time processes, so that other work on the machine
disturbs less; how long the gateway had to wait for its core all the same stands beside each p99.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

GATEWAY_CORE, LOAD_CORE = 0, 1
SETTLE_S = 3.0
STREAM_BYTES = 512 * 1024
BAR = 1.2
CONNECTIONS = 1000
BOMBS_PER_S = 20

BODY = b'{"model":"chat","messages":[{"role":"user","content":"' + b"hello " * 80 + b'"}]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gw\r\n"
CALL = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
STREAM = BODY[:-1] + b',"stream":true}'
UNREAD = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(STREAM), STREAM)

ANSWER = (
    b'{"id":"b","object":"chat.completion","model":"chat","choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"%b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":90,"completion_tokens":9}}'
) % (b"x" * 1000)
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % (b"x" * 1000)

CONFIG = """
listen: 127.0.0.1:0
control: 127.0.0.1:0
data: data
open: true
targets:
  replica:
    owned: {{engine: vllm, usd_per_hour: 8, gpus: 2 x h100, precision: fp8,
            open_model: llama-3.3-70b, max_sequences: 100000}}
    url: http://127.0.0.1:{port}/v1
    model: chat
    region: here
models:
  chat: {{owned: [replica], slo: {{ttft: 60s, tpot: 60s}}}}
classes:
  default: {{regions: any}}
"""


class Upstream(asyncio.Protocol):
    """Answers at once; a stream says more than anybody keeps, and does not end."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if not end or len(body) < length:
            return
        self.buffer = b""
        if b'"stream":true' in body:
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            event = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
            self.transport.write(event * (STREAM_BYTES // len(event)))
        else:
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (len(ANSWER), ANSWER)
            )


class Good(asyncio.Protocol):
    """A kept connection of the good client: one call at a time, its time noted."""

    def __init__(self, free: list[Good], took_s: list[float]) -> None:
        self.free, self.took_s = free, took_s
        self.due_s = 0.0
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def call(self, due_s: float) -> None:
        """Call now; the time counts from when the call was due."""
        self.due_s = due_s
        self.transport.write(CALL)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received.endswith(b"}}"):
            if not self.received.startswith(b"HTTP/1.1 200"):
                sys.exit(f"a good call failed: {self.received[:400]!r}")
            self.received = b""
            self.took_s.append(time.perf_counter() - self.due_s)
            self.free.append(self)


async def good_calls(port: int, rate: float, seconds: float) -> list[float]:
    """The times in seconds of calls that are due at a fixed pace, whatever the gateway does."""
    loop = asyncio.get_running_loop()
    free: list[Good] = []
    took_s: list[float] = []
    for _ in range(50):
        _, made = await loop.create_connection(lambda: Good(free, took_s), "127.0.0.1", port)
        free.append(made)
    everyone = tuple(free)
    due_s = time.perf_counter()
    until_s = due_s + seconds
    while due_s < until_s:
        await asyncio.sleep(max(due_s - time.perf_counter(), 0))
        while free and due_s <= time.perf_counter():
            free.pop().call(due_s)
            due_s += 1 / rate
    for _ in range(200):
        if len(free) == len(everyone):
            break
        await asyncio.sleep(0.01)
    for client in everyone:
        client.transport.close()
    return took_s


done = {"connections": 0, "pieces": 0, "bombs": 0}
"""What the attack did so far."""


async def hold(port: int, number: int) -> None:
    """One connection that takes its time, of one kind, again and again as it is cut."""
    loop = asyncio.get_running_loop()
    begin, drip = (
        (HEAD, b"X-A: b\r\n"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b"x"),
        (UNREAD, b""),
        (b"", b""),
    )[number % 4]
    while True:
        with socket.socket() as client, contextlib.suppress(OSError):
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, begin)
            done["connections"] += 1
            while drip:
                await asyncio.sleep(1 + number / CONNECTIONS)
                await loop.sock_sendall(client, drip)
                done["pieces"] += 1
            await asyncio.sleep(3600)
        await asyncio.sleep(0.1)


async def bomb(port: int) -> None:
    """Heads of a megabyte, in pieces: one large `send` would hold up the good client's core in the kernel."""
    while True:
        await asyncio.sleep(1 / BOMBS_PER_S)
        with contextlib.suppress(OSError, TimeoutError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HEAD)
            for _ in range(128):
                writer.write(b"X-A: b\r\n" * 1024)
                await asyncio.wait_for(writer.drain(), 1)
                await asyncio.sleep(0)
            writer.close()
        done["bombs"] += 1


async def attack(port: int) -> None:
    """1,000 connections and a bomber, until this process is ended; then it prints what it did."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

    def end() -> None:
        print(json.dumps(done), flush=True)
        os._exit(0)

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    async with asyncio.TaskGroup() as group:
        group.create_task(bomb(port))
        for number in range(CONNECTIONS):
            group.create_task(hold(port, number))


@contextmanager
def attacked(port: int) -> Iterator[None]:
    """The attack on a port, in a process of its own; it is said what it did."""
    command = [sys.executable, "-m", "bench.attacks", "--attack", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        process.terminate()
        did, _ = process.communicate()
        print(f"  the attack: {did.strip()}")


@contextmanager
def gateway(folder: Path, upstream: int) -> Iterator[tuple[int, int]]:
    """A gateway on its core; its process id and its port."""
    file = folder / "baseload.yaml"
    file.write_text(CONFIG.format(port=upstream))
    process = subprocess.Popen(
        [sys.executable, "-m", "baseload", "serve", "--json", "--config", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: measured(GATEWAY_CORE),
    )
    assert process.stdout is not None
    try:
        yield process.pid, json.loads(process.stdout.readline())["port"]
    finally:
        process.kill()
        process.wait()


def measured(core: int) -> None:
    """Run this process on a core, and for root before other work; not so what it starts."""
    os.sched_setaffinity(0, {core})
    if os.geteuid() == 0:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def p99_ms(took_s: list[float]) -> float:
    """The 99th percentile in milliseconds."""
    return statistics.quantiles(took_s, n=100)[98] * 1000


def waited_s(pid: int) -> float:
    """How long a process was ready to run and did not, since it began (proc(5): schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


async def measure(rounds: int, seconds: float, rate: float) -> list[tuple[float, float]]:
    """p99 in ms without and with the attack, round by round."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0)
    found = []
    upstream = server.sockets[0].getsockname()[1]
    with TemporaryDirectory() as folder, gateway(Path(folder), upstream) as (pid, port):

        async def one() -> tuple[float, float]:
            await asyncio.sleep(SETTLE_S)
            before_s = waited_s(pid)
            took_s = await good_calls(port, rate, seconds)
            return p99_ms(took_s), waited_s(pid) - before_s

        for round_ in range(1, rounds + 1):
            calm_ms, calm_wait_s = await one()
            with attacked(port):
                hurt_ms, hurt_wait_s = await one()
            found.append((calm_ms, hurt_ms))
            print(
                f"round {round_}: p99 {calm_ms:.2f} ms (core waited for: {calm_wait_s:.2f} s), "
                f"under attack {hurt_ms:.2f} ms ({hurt_wait_s:.2f} s)"
            )
    server.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="of good calls, with and without, a round")
    parser.add_argument("--rate", type=float, default=1000.0, help="good calls per second")
    parser.add_argument("--attack", type=int, metavar="PORT", help="be the attack, until killed")
    options = parser.parse_args()
    if options.attack:
        uvloop.run(attack(options.attack))
    measured(LOAD_CORE)
    rounds = uvloop.run(measure(options.rounds, options.seconds, options.rate))
    ratio = statistics.median(hurt / calm for calm, hurt in rounds)
    print(f"p99 of good calls under attack / without: {ratio:.2f} (median of {len(rounds)}; bar {BAR})")


if __name__ == "__main__":
    main()
