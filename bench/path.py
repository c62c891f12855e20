"""The data path without sockets: CPU of one request through client, dispatch, journal and settlement.

    .venv/bin/python -m bench.path [--seconds 4] [--ops]

Everything is on, as in bench/harness.yaml; only the kernel is left out: requests and answers are handed to
the connections as bytes, and what they write is dropped. `--ops` lists the bytecodes a request executes by
function, which no other work on the machine can disturb: what to look at before and after a change. The bar
itself is `bench.gateway`'s; there the same code costs about half as much again, since the kernel takes its
caches.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, cast

import uvloop

from baseload import keys
from baseload.gateway.client import ClientConnection
from baseload.gateway.reload import read_stamped
from baseload.gateway.server import Gateway, PortLimits
from baseload.gateway.upstream import UpstreamConnection
from baseload.ledger.journal import Journal
from bench.harness_start import LIMITS

CONNECTIONS = 32
HERE = Path(__file__).parent
BODY = b'{"model":"bench","messages":[{"role":"user","content":"' + b"x" * 430 + b'"}]}'
ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"%b"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":100,"completion_tokens":200,"total_tokens":300}}'
) % (b"y" * 750)
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)


class Nowhere:
    """A transport that counts what is written and keeps nothing."""

    def __init__(self) -> None:
        self.writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        sys.exit("a connection was cut: the gateway met what it does not understand")

    close = abort


class DataPath:
    """A gateway with its connections on both sides."""

    def __init__(self, folder: Path) -> None:
        text = (HERE / "harness.yaml").read_text()
        for what, value in {"port": 4000, "tmp": folder, "mock": 9, "upstream_key": "up"}.items():
            text = text.replace(f"{{{what}}}", str(value))
        config = folder / "baseload.yaml"
        config.write_text(text)
        key, _ = keys.KeyStore(folder / "data").create("bench", limits=LIMITS)
        self.journal = Journal.open(folder / "data" / "journal")
        self.gateway = Gateway(self.journal, keys.KeyStore(folder / "data"), PortLimits())
        today = datetime.now(UTC).date()
        self.gateway.apply(read_stamped(config, today).loaded.snapshot, today.isoformat())
        self.request = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (key.encode(), len(BODY), BODY)
        )
        self.clients = [ClientConnection(self.gateway) for _ in range(CONNECTIONS)]
        self.upstreams: list[UpstreamConnection] = []
        for pool in self.gateway._pools.values():
            for _ in range(CONNECTIONS):
                connection = UpstreamConnection(pool)
                self.upstreams.append(connection)
                pool.open += 1
        for end in (*self.clients, *self.upstreams):
            end.connection_made(cast(asyncio.Transport, Nowhere()))
        for connection in self.upstreams:
            connection._pool.put(connection)

    def turn(self) -> None:
        """A request on every connection, and all answers."""
        for client in self.clients:
            client.data_received(self.request)
        for upstream in self.upstreams:
            if upstream.receiver is not None:
                upstream.data_received(RESPONSE)


def cpu_us(path: DataPath, seconds: float) -> float:
    """CPU microseconds of a request: the best of many short stretches."""
    best, until_s = float("inf"), time.monotonic() + seconds
    while time.monotonic() < until_s:
        begun_s = time.process_time()
        for _ in range(20):
            path.turn()
        best = min(best, (time.process_time() - begun_s) / (20 * CONNECTIONS))
    return best * 1e6


def bytecodes(path: DataPath, turns: int = 4) -> Counter[str]:
    """Bytecodes executed in these turns, by function."""
    counts: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        frame.f_trace_opcodes = True
        if event == "opcode":
            counts[f"{Path(frame.f_code.co_filename).name} {frame.f_code.co_name}"] += 1
        return trace

    sys.settrace(trace)
    for _ in range(turns):
        path.turn()
    sys.settrace(None)
    return Counter({name: round(count / (turns * CONNECTIONS)) for name, count in counts.items()})


async def measure(seconds: float, ops: bool) -> None:
    """Warm up, measure, print."""
    with TemporaryDirectory() as folder:
        path = DataPath(Path(folder))
        for _ in range(200):
            path.turn()
        gc.collect()
        gc.freeze()
        print(f"{cpu_us(path, seconds):.1f} us of CPU a request on CPython {sys.version.split()[0]}")
        if ops:
            counts = bytecodes(path)
            print(f"{counts.total()} bytecodes a request")
            for name, count in counts.most_common(40):
                print(f"{count:6}  {name}")
        answered = sum(cast(Nowhere, client.transport).writes for client in path.clients)
        asked = sum(cast(Nowhere, upstream.transport).writes for upstream in path.upstreams)
        assert answered == asked
        path.journal.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--ops", action="store_true", help="bytecodes by function as well")
    options = parser.parse_args()
    uvloop.run(measure(options.seconds, options.ops))


if __name__ == "__main__":
    main()
